/** After a whole run, also of failures: no ticket code, token or private key in a log, an argument, an answer or a file of others. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFabric } from '../../src/fabric/index.ts';
import { openStore } from '../../src/store/index.ts';
import { parseTicket } from '../../src/trust/index.ts';
import { raiseStage, type Stage, steal } from '../harness/hostile.ts';
import type { Outcome } from '../harness/postern.ts';
import { ask } from '../harness/talk.ts';

let stage: Stage;
/** What must be nowhere, by what it is. */
const secrets = new Map<string, string>();
/** Everything that failing commands said. */
const said: Outcome[] = [];

const run = (home: string, line: string): Promise<string> =>
  stage.world.ok(home, ...line.split(' '));
/** The middle of a PEM's body: what no two keys share. */
const keyBody = (pem: string): string => pem.split('\n').slice(1, -2).join('').slice(-40);

beforeAll(async () => {
  // The most talkative logs there are.
  stage = await raiseStage({ POSTERN_LOG_LEVEL: 'debug' });
  const { world } = stage;
  const used = await run('admin', 'project ticket --attribute component=web');
  const open = await run('admin', 'project ticket --attribute component=web --usage-count 5');
  const expired = await run('admin', 'project ticket --expires-in 1s');
  const admin = await run('admin', 'server admin-ticket');
  for (const [what, ticket] of Object.entries({ used, open, expired, admin })) {
    secrets.set(`the code of the ${what} ticket`, parseTicket(ticket).oneTimeCode);
    secrets.set(`the ${what} ticket`, ticket.slice(0, 200));
  }
  const token = await run('admin', 'token create t --scope audit:read');
  secrets.set('the token', token);
  await run('one', `project enroll ${used}`);
  await run('one', 'node create one');
  const attempt = async (home: string, ...args: string[]): Promise<void> => {
    said.push(await world.postern(home, ...args));
  };
  await attempt('two', 'project', 'enroll', used);
  await attempt('two', 'project', 'enroll', expired, '-vvv');
  await attempt('two', 'project', 'enroll', `${open}00`, '-vvv');
  await attempt('two', 'project', 'enroll', open.slice(0, -2));
  await attempt('two', 'node', 'create', 'n', '--enrollment-ticket', expired);
  await attempt('two', 'enroll', '--ticket', used);
  const state: { public: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  const call = async (path: string, bearer: string, body?: string): Promise<void> => {
    const answer = await fetch(`http://${state.public}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
    said.push({ code: answer.status, stdout: await answer.text(), stderr: '' });
  };
  await call('/api/v1/audit', token);
  await call('/api/v1/tokens', token);
  await call(`/api/v1/decisions/${token}`, token);
  await call(`/api/v1/nothing?token=${token}`, token);
  await call('/api/v1/spaces', token, `{"name": "${token}`);
  for (const line of [
    'audit list',
    'explain last',
    'token list',
    'project show',
    'node show admin',
  ])
    await attempt('admin', ...line.split(' '));
  for (const home of ['db', 'web', 'one']) {
    await attempt(home, 'node', 'show', home);
    await attempt(home, 'node', 'logs', home);
    await attempt(home, 'identity', 'show', '--full');
    const { credential } = steal(world, home);
    secrets.set(`the leaf key of ${home}`, keyBody(credential.leafPrivateKeyPem));
    const identity = credential.identity.privateKey.export({ format: 'pem', type: 'pkcs8' });
    secrets.set(`the identity key of ${home}`, keyBody(identity.toString()));
  }
  secrets.set('the root key', readFileSync(join(world.serverHome, 'root.key'), 'utf8').trim());
  await ask(stage.inletPort, 'ping');
}, 180_000);
afterAll(() => stage.close(), 60_000);

/** Which of the secrets a text has in it. */
const found = (text: string): string[] =>
  [...secrets].flatMap(([what, secret]) =>
    secret.length >= 32 && text.includes(secret) ? [what] : [],
  );

describe('secrets', () => {
  it('are known to this test', () => {
    expect(secrets.size).toBe(16);
    for (const [what, secret] of secrets) expect(secret.length, what).toBeGreaterThanOrEqual(32);
  });

  it('are in no log', () => {
    const { folder } = stage.world;
    const logs = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
      (f) => f.isFile() && f.name.endsWith('.log'),
    );
    expect(logs.length).toBeGreaterThanOrEqual(4);
    let length = 0;
    for (const file of logs) {
      const text = readFileSync(join(file.parentPath, file.name), 'utf8');
      length += text.length;
      expect(found(text), file.name).toEqual([]);
    }
    expect(length).toBeGreaterThan(1_000);
  });

  it('are in no argument of a process that stays', () => {
    const mine = readdirSync('/proc').filter((pid) => {
      const path = `/proc/${pid}/environ`;
      try {
        return /^\d+$/.test(pid) && readFileSync(path, 'utf8').includes(stage.world.folder);
      } catch {
        return false;
      }
    });
    // The server and the nodes db, web and one.
    expect(mine.length).toBeGreaterThanOrEqual(4);
    for (const pid of mine)
      if (existsSync(`/proc/${pid}/cmdline`))
        expect(found(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))).toEqual([]);
  });

  it('are in no answer and no error', () => {
    expect(said.length).toBeGreaterThan(15);
    for (const { stdout, stderr } of said) expect(found(`${stdout}\n${stderr}`)).toEqual([]);
  });

  it('are in no file of the server as they are: it keeps hashes, and keys sealed', async () => {
    const { serverHome } = stage.world;
    const store = await openStore({ sqlitePath: join(serverHome, 'server.sqlite3') });
    const rootKey = { kind: 'file', path: join(serverHome, 'root.key') } as const;
    const fabric = await createFabric(store, { rootKey });
    const { id } = steal(stage.world, 'web').project;
    const sealed = await Promise.all(
      ['server/ca', `authority/${id}/ca`, `authority/${id}/identity`].map((name) =>
        fabric.keyring.privateKey(name),
      ),
    );
    await fabric.close();
    await store.close();
    for (const name of readdirSync(serverHome)) {
      if (name === 'root.key' || name.endsWith('.sock')) continue;
      const bytes = readFileSync(join(serverHome, name));
      expect(found(bytes.toString('latin1')), name).toEqual([]);
      for (const key of sealed) {
        // The key itself: its PKCS #8 form ends with the public key where the curve is P-256.
        const raw = Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
        expect(raw).toHaveLength(32);
        expect(bytes.includes(raw), name).toBe(false);
        expect(bytes.includes(raw.toString('base64').slice(0, 40)), name).toBe(false);
        expect(bytes.includes(raw.toString('hex')), name).toBe(false);
      }
    }
  });
});
