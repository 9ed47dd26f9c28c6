/** The server's state in a real PostgreSQL: gone and back, and shared by two servers. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingPeers, type Postgres, postgresBin, startPostgres } from '../harness/peers.ts';
import { freePort, until, World } from '../harness/postern.ts';
import { ask } from '../harness/talk.ts';

const missing = missingPeers({ PostgreSQL: postgresBin() !== undefined });
const rootKey = { POSTERN_ROOT_KEY: randomBytes(32).toString('hex') };
const PASSWORD = 'password';

describe.skipIf(missing.length > 0)('a server on PostgreSQL', () => {
  const one = new World(rootKey);
  const two = new World(rootKey);
  let postgres: Postgres;
  let target: net.Server;
  let inlet = 0;
  let webIdentifier = '';

  beforeAll(async () => {
    postgres = await startPostgres();
    const url = `postgres://postgres:${PASSWORD}@127.0.0.1:${postgres.port}/postgres`;
    await one.startServer('--database', url);
    await one.ok('admin', 'enroll');
    await two.startServer('--database', url);
    await two.ok('admin', 'enroll');
    target = net.createServer((s) => s.on('error', () => undefined).pipe(s));
    const port = await freePort();
    await new Promise<void>((r) => target.listen(port, '127.0.0.1', r));
    inlet = await freePort();
    const join = async (world: World, home: string, ...flags: string[]): Promise<void> => {
      const ticket = await world.ok('admin', 'project', 'ticket', ...flags);
      await world.ok(home, 'project', 'enroll', ticket);
      await world.ok(home, 'node', 'create', home);
    };
    await join(one, 'db', '--relay', 'db');
    await one.ok('db', 'relay', 'create', 'db');
    await one.ok('db', 'tcp-outlet', 'create', '--to', String(port));
    await join(one, 'web');
    webIdentifier = await one.ok('web', 'identity', 'show');
    await one.ok('web', 'tcp-inlet', 'create', '--from', String(inlet), '--via', 'db');
    expect(await ask(inlet, 'ping')).toBe('ping');
  }, 120_000);
  afterAll(async () => {
    await one.close();
    await two.close();
    target?.close();
    await postgres?.stop();
  }, 60_000);

  it('shows no process its password', () => {
    const arguments_ = readdirSync('/proc')
      .filter((p) => /^\d+$/.test(p))
      .map((p) => {
        try {
          return readFileSync(`/proc/${p}/cmdline`, 'utf8');
        } catch {
          return '';
        }
      });
    expect(arguments_.filter((a) => a.includes(`:${PASSWORD}@127.0.0.1:${postgres.port}`))).toEqual(
      [],
    );
  });

  it('keeps portals going while PostgreSQL is away, and serves again when it returns', async () => {
    const open = net.connect(inlet, '127.0.0.1');
    const echoed = (text: string): Promise<void> =>
      new Promise((resolve, reject) => {
        open.once('data', (c: Buffer) =>
          String(c) === text ? resolve() : reject(new Error(String(c))),
        );
        open.once('close', () => reject(new Error('closed')));
        open.write(text);
      });
    await echoed('before');
    await postgres.pause();
    await echoed('during');
    expect(await ask(inlet, 'new')).toBe('new');
    const startedMs = performance.now();
    const refused = await one.postern('admin', 'project', 'ticket');
    expect(refused.code).toBe(70);
    expect(refused.stderr).toMatch(/database|store/i);
    expect(performance.now() - startedMs).toBeLessThan(15_000);
    await postgres.resume();
    await until(() => one.ok('admin', 'project', 'ticket'), 'tickets are given again');
    await echoed('after');
    open.destroy();
  });

  it('redeems at one server what another one gave', async () => {
    const ticket = await one.ok('admin', 'project', 'ticket', '--attribute', 'at=two');
    const outcome = JSON.parse(
      await two.ok('late', 'project', 'enroll', ticket, '--output', 'json'),
    );
    expect(outcome.credential.attributes).toMatchObject({ at: 'two' });
    expect((await two.postern('later', 'project', 'enroll', ticket)).code).toBe(70);
  });

  it('cuts within a second what another server revoked', async () => {
    const open = net.connect(inlet, '127.0.0.1');
    await new Promise((r) => open.once('connect', r));
    const closed = new Promise<number>((r) => {
      open.on('error', () => undefined);
      open.once('close', () => r(performance.now()));
    });
    await new Promise((r) => {
      open.once('data', r);
      open.write('x');
    });
    await two.ok('admin', 'project-member', 'delete', webIdentifier, '--yes');
    const deletedMs = performance.now();
    // The command's own end may come after the cut.
    expect((await closed) - deletedMs).toBeLessThan(1_000);
    await expect(ask(inlet, 'ping')).rejects.toThrow();
  });
});
