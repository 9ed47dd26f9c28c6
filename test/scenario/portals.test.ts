/** The portal's life with the real program: enrolment, tickets, policies, denials, restarts, kills, revocation. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until, World } from '../harness/postern.ts';
import { exchange } from '../harness/talk.ts';

const world = new World();
let target: net.Server;
let targetPort = 0;
let inletPort = 0;

const works = async (port: number = inletPort): Promise<void> => {
  const answer = await exchange(port, Buffer.from('ping'));
  if (answer.toString() !== 'ping') throw new Error(`got ${answer.length} bytes`);
};
const sha = (b: Buffer): string => createHash('sha256').update(b).digest('hex');

beforeAll(async () => {
  target = net.createServer({ allowHalfOpen: true }, (s) => {
    s.on('error', () => undefined);
    s.pipe(s);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const address = target.address();
  targetPort = typeof address === 'object' && address !== null ? address.port : 0;
  await world.startServer();
  await world.ok('admin', 'enroll');
  const db = await world.ok(
    'admin',
    'project',
    'ticket',
    '--attribute',
    'component=db',
    '--relay',
    'db',
  );
  const web = await world.ok('admin', 'project', 'ticket', '--attribute', 'component=web');
  await world.ok('db', 'identity', 'create', 'db');
  await world.ok('db', 'project', 'enroll', db, '--identity', 'db');
  await world.ok('db', 'node', 'create', 'db', '--identity', 'db');
  await world.ok(
    'db',
    'policy',
    'create',
    '--at',
    'db',
    '--resource',
    'tcp-outlet',
    '--expression',
    '(= subject.component "web")',
  );
  expect(await world.ok('db', 'tcp-outlet', 'create', '--to', String(targetPort))).toBe(
    '/service/outlet',
  );
  expect(await world.ok('db', 'relay', 'create', 'db')).toBe('/service/forward_to_db');
  await world.ok('web', 'identity', 'create', 'web');
  await world.ok('web', 'project', 'enroll', web, '--identity', 'web');
  await world.ok('web', 'node', 'create', 'web', '--identity', 'web');
  await world.ok(
    'web',
    'policy',
    'create',
    '--at',
    'web',
    '--resource',
    'tcp-inlet',
    '--expression',
    '(= subject.component "db")',
  );
  const bound = await world.ok('web', 'tcp-inlet', 'create', '--to', 'db', '--alias', 'web-db');
  inletPort = Number(bound.split(':')[1]);
}, 120_000);

afterAll(async () => {
  await world.close();
  target.close();
}, 60_000);

describe('tickets', () => {
  it('are one line of hex that survives sed and shells', async () => {
    const ticket = await world.ok('admin', 'project', 'ticket');
    expect(ticket).toMatch(/^[0-9a-f]+$/);
    expect(ticket.length).toBeLessThan(4096);
  });
  it('are refused when used twice, expired or guessed, with the reason', async () => {
    const once1 = await world.ok('admin', 'project', 'ticket');
    await world.ok('t1', 'project', 'enroll', once1);
    const again = await world.postern('t2', 'project', 'enroll', once1);
    expect(again).toMatchObject({ code: 70, stderr: expect.stringContaining('used already') });
    const member = await world.ok('t1', 'project', 'enroll', once1);
    expect(member).toContain('"project_name": "default"');
    const short = await world.ok('admin', 'project', 'ticket', '--expires-in', '1s');
    await new Promise((r) => setTimeout(r, 1_100));
    expect(await world.postern('t2', 'project', 'enroll', short)).toMatchObject({
      code: 70,
      stderr: expect.stringContaining('expired'),
    });
    const parsed: { one_time_code: string } = JSON.parse(Buffer.from(short, 'hex').toString());
    const guess = Buffer.from(
      JSON.stringify({ ...parsed, one_time_code: randomBytes(32).toString('hex') }),
    ).toString('hex');
    expect((await world.postern('t2', 'project', 'enroll', guess)).code).toBe(70);
  });
  it('give reserved attributes only through their own flags', async () => {
    const enroller = await world.ok('admin', 'project', 'ticket', '--enroller');
    await world.ok('enr', 'project', 'enroll', enroller);
    await world.ok('enr', 'project', 'ticket', '--attribute', 'component=x');
    expect((await world.postern('enr', 'project', 'ticket', '--enroller')).code).toBe(70);
    expect(
      (await world.postern('enr', 'project', 'ticket', '--attribute', 'ockam-relay=*')).code,
    ).toBe(70);
    expect((await world.postern('web', 'project', 'ticket')).code).toBe(70);
  });
});

describe('a portal', () => {
  it('carries the app', async () => {
    await works();
    const bytes = randomBytes(64 * 1024 * 1024);
    expect(sha(await exchange(inletPort, bytes))).toBe(sha(bytes));
  });

  it('refuses a relay name that the ticket did not give, and says so', async () => {
    const outcome = await world.postern('db', 'relay', 'create', 'other');
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toContain('ockam-relay="db"');
    const shown = JSON.parse(await world.ok('db', 'relay', 'show', 'other'));
    expect(shown).toMatchObject({ connection_status: 'Down' });
    await world.ok('db', 'relay', 'delete', 'other', '--yes');
  });

  it('acts on a changed policy within a second, says why, and recovers', async () => {
    const live = net.connect(inletPort, '127.0.0.1');
    live.write('x');
    await once(live, 'data');
    const cut = once(live, 'error');
    await world.ok(
      'db',
      'policy',
      'create',
      '--at',
      'db',
      '--resource-type',
      'tcp-outlet',
      '--expression',
      '(= subject.component "other")',
    );
    const answeredMs = Date.now();
    await cut;
    expect(Date.now() - answeredMs).toBeLessThan(1_000);
    await expect(works()).rejects.toThrow();
    const inlet = JSON.parse(await world.ok('web', 'tcp-inlet', 'show', 'web-db'));
    expect(inlet.last_failure).toContain('subject.component="web"');
    const why = JSON.parse(await world.ok('db', 'explain', 'last', '--output', 'json'));
    expect(why).toMatchObject({
      allowed: false,
      side: 'outlet',
      rule: expect.stringContaining('tcp-outlet'),
    });
    await until(
      async () => expect(await world.ok('admin', 'audit', 'list')).toContain(why.id),
      'the denial in the audit log',
    );
    await world.ok(
      'db',
      'policy',
      'create',
      '--at',
      'db',
      '--resource-type',
      'tcp-outlet',
      '--expression',
      '(= subject.component "web")',
    );
    await until(() => works(), 'the portal again', 5_000);
    expect(JSON.parse(await world.ok('admin', 'audit', 'verify'))).toMatchObject({ intact: true });
  });

  it('lets nothing else of the outlet side be reached', async () => {
    const port = Number(
      (
        await world.ok(
          'web',
          'tcp-inlet',
          'create',
          '--via',
          'db',
          '--to',
          `127.0.0.1:${targetPort}`,
          '--connection-wait',
          '500ms',
          '--alias',
          'open-proxy',
        )
      ).split(':')[1],
    );
    await expect(works(port)).rejects.toThrow();
    await world.ok('web', 'tcp-inlet', 'delete', 'open-proxy', '--yes');
  });

  it.each([
    [
      'the outlet node',
      async () => process.kill(await world.nodePid('db', 'db'), 'SIGKILL'),
      () => world.ok('db', 'node', 'start', 'db'),
    ],
    [
      'the inlet node',
      async () => process.kill(await world.nodePid('web', 'web'), 'SIGKILL'),
      () => world.ok('web', 'node', 'start', 'web'),
    ],
    [
      'the server',
      async () => process.kill(world.serverPid(), 'SIGKILL'),
      () => world.startServer(),
    ],
  ])(
    'never shows a cut transfer as whole, and serves again within 5 s, when %s is killed and returns',
    async (_name, kill, restart) => {
      const bytes = randomBytes(48 * 1024 * 1024);
      const transfer = exchange(inletPort, bytes).then(
        (got) => sha(got) === sha(bytes),
        () => true,
      );
      await new Promise((r) => setTimeout(r, 60));
      await kill();
      expect(await transfer).toBe(true);
      await restart();
      await until(() => works(), 'the portal again', 5_000);
    },
  );

  it('cuts a revoked member within a second while it streams', async () => {
    const ticket = await world.ok('admin', 'project', 'ticket', '--attribute', 'component=web');
    await world.ok('rev', 'project', 'enroll', ticket);
    await world.ok('rev', 'node', 'create', 'rev');
    const port = Number(
      (await world.ok('rev', 'tcp-inlet', 'create', '--via', 'db')).split(':')[1],
    );
    const live = net.connect(port, '127.0.0.1');
    live.write('x');
    await once(live, 'data');
    const cut = once(live, 'error');
    const identifier = await world.ok('rev', 'identity', 'show');
    await world.ok('admin', 'project-member', 'delete', identifier, '--yes');
    const revokedMs = Date.now();
    await cut;
    expect(Date.now() - revokedMs).toBeLessThan(1_000);
    await expect(works(port)).rejects.toThrow();
    await works();
    expect((await world.postern('rev', 'project', 'enroll')).code).toBe(70);
  });

  it('moves with a copy of the two database files', async () => {
    mkdirSync(join(world.folder, 'clone'), { mode: 0o700 });
    for (const file of ['database.sqlite3', 'application_database.sqlite3'])
      copyFileSync(join(world.folder, 'admin', file), join(world.folder, 'clone', file));
    expect(await world.ok('clone', 'project', 'ticket')).toMatch(/^[0-9a-f]+$/);
  });
});

describe('the node port', () => {
  it('gives a stranger nothing and cuts it off', async () => {
    const silent = net.connect(world.nodePort, '127.0.0.1');
    const startMs = Date.now();
    await once(silent, 'close');
    expect(Date.now() - startMs).toBeLessThan(2_000);
    for (const bytes of [
      randomBytes(100),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.concat([Buffer.from('PSTN\x01'), randomBytes(32)]),
    ]) {
      if (bytes[0] === 0x16) bytes[0] = 0;
      const s = net.connect(world.nodePort, '127.0.0.1');
      s.on('error', () => undefined);
      let got = 0;
      s.on('data', (d) => {
        got += d.length;
      });
      s.write(bytes);
      await once(s, 'close');
      expect(got).toBe(0);
    }
  });

  it('serves its portal while 10,000 strangers connect', async () => {
    const strangers: net.Socket[] = [];
    for (let i = 0; i < 10_000; i++) {
      const s = net.connect(world.nodePort, '127.0.0.1');
      s.on('error', () => undefined);
      strangers.push(s);
      if (i % 500 === 0) {
        await works();
        await new Promise((r) => setTimeout(r, 5));
      }
    }
    await works();
    for (const s of strangers) s.destroy();
  });
});

describe('commands', () => {
  it('keep the output contract', async () => {
    expect(await world.ok('db', 'node', 'list', '--jq', '.[0].node_name')).toBe('"db"');
    expect((await world.postern('db', 'no-such-command')).code).toBe(64);
    expect(await world.postern('db', 'tcp-inlet', 'show', 'nothing')).toMatchObject({
      code: 70,
      stdout: '',
      stderr: expect.stringMatching(/not found/),
    });
    expect(await world.postern('db', 'kafka-inlet', 'create')).toMatchObject({
      code: 70,
      stderr: expect.stringContaining('not supported yet'),
    });
  });
});
