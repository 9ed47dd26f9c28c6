/** The home: who may read it, that two files are all of it, that processes share it, and what damage looks like. */
import { fork } from 'node:child_process';
import { sign, verify } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toPosternError } from '../kernel/index.ts';
import { verifyChangeHistory } from '../trust/light.ts';
import { type Home, homeExists, homePath, openHome } from './index.ts';

const FILES = ['database.sqlite3', 'application_database.sqlite3'];
let folder: string;
let path: string;
const opened: Home[] = [];
const open = (at = path): Home => {
  const home = openHome(at);
  opened.push(home);
  return home;
};
const mode = (...parts: string[]): string =>
  (fs.statSync(join(path, ...parts)).mode & 0o777).toString(8);
const failure = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (reason) {
    return toPosternError(reason);
  }
};

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'postern-home-'));
  path = join(folder, 'a', 'home');
});
afterEach(() => {
  for (const home of opened.splice(0)) home.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('where the home is', () => {
  it('is what POSTERN_HOME says, else OCKAM_HOME, else a folder of the user', () => {
    expect(homePath({ POSTERN_HOME: '/p', OCKAM_HOME: '/o' })).toBe('/p');
    expect(homePath({ POSTERN_HOME: '', OCKAM_HOME: '/o/../q' })).toBe('/q');
    expect(homePath({})).toBe(join(homedir(), '.postern'));
  });
  it('can be asked without making it', () => {
    expect([homeExists(path), fs.existsSync(path)]).toEqual([false, false]);
    open();
    expect(homeExists(path)).toBe(true);
  });
});

describe('who may read it', () => {
  it('is its user alone, also in a folder that was open to all and with no umask', () => {
    fs.mkdirSync(path, { recursive: true });
    fs.chmodSync(path, 0o777);
    const umask = process.umask(0);
    try {
      open().identity();
    } finally {
      process.umask(umask);
    }
    expect([mode(), ...FILES.map((f) => mode(f))]).toEqual(['700', '600', '600']);
  });
  it('becomes its user alone again when a file was opened to others', () => {
    open().close();
    opened.pop();
    for (const f of FILES) fs.chmodSync(join(path, f), 0o644);
    open();
    expect(FILES.map((f) => mode(f))).toEqual(['600', '600']);
  });
});

describe('the two files', () => {
  it('are all there is: a copy of them is the same home', () => {
    const home = open();
    const record = home.identity();
    home.createIdentity('second');
    home.nodes.create({ name: 'n1', identityName: 'second', tcpListenerAddress: '127.0.0.1:0' });
    home.policies('n1').put({ name: 'tcp-outlet', isType: true, expression: 'true' });
    home.setSetting('colour', 'green');
    expect(fs.readdirSync(path).sort()).toEqual([...FILES].sort());
    const copy = join(folder, 'copy');
    fs.mkdirSync(copy);
    for (const f of FILES) fs.copyFileSync(join(path, f), join(copy, f));
    const clone = open(copy);
    expect(clone.identities.list()).toEqual(home.identities.list());
    expect(clone.identity()).toEqual(record);
    expect(clone.nodes.default?.identityName).toBe('second');
    expect(clone.policies('n1').list()).toHaveLength(1);
    expect(clone.setting('colour')).toBe('green');
    const { identity, privateKey } = clone.identityKeys(record);
    const signature = sign(null, Buffer.from('x'), privateKey);
    const { publicKey } = verifyChangeHistory(identity.changeHistory);
    expect(verify(null, Buffer.from('x'), publicKey, signature)).toBe(true);
  });
  it('of which one is left by a reset, with bin and env', () => {
    const home = openHome(path);
    home.identity();
    for (const d of ['bin', 'nodes/n1', 'run']) fs.mkdirSync(join(path, d), { recursive: true });
    fs.writeFileSync(join(path, 'env'), '');
    home.reset();
    expect(fs.readdirSync(path).sort()).toEqual(['application_database.sqlite3', 'bin', 'env']);
    expect(open().identities.list()).toEqual([]);
  });
});

it('the first of a kind is its default, and the oldest that is left after it', () => {
  const { identities } = open();
  for (const name of ['a', 'b', 'c']) opened[0]?.createIdentity(name);
  identities.setDefault('b');
  identities.delete('a');
  expect(identities.default?.name).toBe('b');
  identities.delete('b');
  expect([identities.default?.name, identities.list().length]).toEqual(['c', 1]);
});

describe('several processes at once', () => {
  it('make one home, agree on its defaults, and lose nothing of each other', async () => {
    const script = join(import.meta.dirname, 'writer.fixture.ts');
    const names = ['red', 'green', 'blue'];
    const children = names.map((name) => fork(script, [path, name, '15']));
    try {
      await Promise.all(children.map((child) => once(child, 'message')));
      const answers = children.map((child) => once(child, 'message'));
      const exits = children.map((child) => once(child, 'exit'));
      for (const child of children) child.send('go');
      expect(await Promise.all(exits)).toEqual(names.map(() => [0, null]));
      const home = open();
      const { identifier } = home.identity();
      expect(await Promise.all(answers)).toEqual(names.map(() => [{ identifier }, undefined]));
      expect(home.identities.list()).toHaveLength(1 + 3 * 15);
    } finally {
      for (const child of children) child.kill('SIGKILL');
    }
    const db = new DatabaseSync(join(path, FILES[0] ?? ''), { readOnly: true });
    const text =
      'select kind, owner, count(*) n, sum(is_default) d from records group by kind, owner';
    const groups = db.prepare(text).all();
    db.close();
    expect(groups.filter((g) => g['d'] !== 1)).toEqual([]);
    expect(groups.filter((g) => g['kind'] === 'outlet' && g['n'] === 3)).toHaveLength(15);
  });
});

describe('a file that is not as it was', () => {
  it.each(FILES)('such as %s full of something else is said to be damaged', (f) => {
    fs.mkdirSync(path, { recursive: true });
    fs.writeFileSync(join(path, f), Buffer.alloc(8_192, 'x'));
    expect(failure(() => open())).toMatchObject({
      ...{ code: 'unavailable', message: 'The database is damaged' },
      hint: 'Restore it from a copy',
    });
  });
  it('such as one with pages overwritten is said to be damaged, and gives no wrong record', () => {
    const home = openHome(path);
    for (let n = 0; n < 40; n++) home.createIdentity(`i${n}`);
    home.close();
    const file = join(path, FILES[0] ?? '');
    const bytes = fs.readFileSync(file);
    fs.writeFileSync(file, bytes.fill(0xa5, 4_096));
    expect(failure(() => open().identities.list())).toMatchObject({
      message: 'The database is damaged',
    });
  });
  it('such as one of a newer version, or of another program, is left as it is', () => {
    fs.mkdirSync(path, { recursive: true });
    const file = join(path, FILES[0] ?? '');
    const db = new DatabaseSync(file);
    db.exec('create table identity (name text)');
    expect(failure(() => open())).toMatchObject({
      code: 'conflict',
      hint: expect.stringContaining('POSTERN_HOME'),
    });
    db.exec('pragma user_version = 999');
    db.close();
    const before = fs.readFileSync(file);
    expect(failure(() => open())).toMatchObject({ code: 'unsupported', hint: 'Update this one' });
    expect(fs.readFileSync(file)).toEqual(before);
  });
});

describe('the socket of a node', () => {
  it('fits a socket address however long the path of the home is, and no other home has it', () => {
    const [one, two] = ['1', '2'].map((n) =>
      open(join(folder, 'x'.repeat(120), n)).nodeSocketPath('n1'),
    );
    expect(open().nodeSocketPath('n1')).toBe(join(path, 'run', 'n1.sock'));
    expect(one).not.toBe(two);
    expect(Buffer.byteLength(one ?? '')).toBeLessThan(108);
    const { uid, mode: bits } = fs.statSync(join(one ?? '', '..'));
    expect([uid, bits & 0o777]).toEqual([userInfo().uid, 0o700]);
  });
  it.each(['', 'n!', 'n.1', 'a/b', '../n', 'a b', 'x'.repeat(65)])('no node is called %j', (name) =>
    expect(failure(() => open().checkNodeName(name))).toMatchObject({ code: 'invalid' }),
  );
});
