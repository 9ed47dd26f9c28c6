/** Two servers that begin together on an empty PostgreSQL: what is made at one counts at the other, also after the database was away. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type PostgresServer,
  postgresBinaries,
  startPostgres,
} from '../../src/store/postgres-server.fixture.ts';
import { missingPeers } from '../harness/peers.ts';
import { createPortalPair } from '../harness/portal-pair.ts';
import { execute, freePort, PROGRAM, until, World } from '../harness/postern.ts';
import { TransferTarget } from '../harness/transfer.ts';

const missing = missingPeers({ PostgreSQL: postgresBinaries !== undefined });
/** A management call must say within this that the database is away. */
const REFUSAL_MS_MAX = 10_000;

describe.skipIf(missing.length > 0)('two servers on one PostgreSQL', () => {
  const rootKey = randomBytes(32).toString('hex');
  const first = new World();
  const second = new World();
  const target = new TransferTarget();
  let database: PostgresServer;
  let inletPort = 0;
  /** A stream through the portal that echoes nothing: the target sends it a tick every 20 ms. */
  let ticking: net.Server;

  async function startServer(world: World, nodes: string): Promise<void> {
    const env = world.env('admin', {
      POSTERN_DATABASE: database.url,
      POSTERN_ROOT_KEY: rootKey,
      POSTERN_LISTEN_NODES: nodes,
      // Tickets of either server send machines to this one.
      POSTERN_ADVERTISE: secondNodes,
    });
    const outcome = await execute(PROGRAM, ['server', 'start'], env);
    if (outcome.code !== 0) throw new Error(outcome.stderr);
  }
  let secondNodes = '';

  beforeAll(async () => {
    database = await startPostgres();
    await target.listen();
    ticking = net.createServer((s) => {
      const timer = setInterval(() => s.write('tick'), 20);
      s.on('error', () => undefined);
      s.on('close', () => clearInterval(timer));
    });
    ticking.listen(0, '127.0.0.1');
    await once(ticking, 'listening');
    secondNodes = `127.0.0.1:${await freePort()}`;
    await startServer(first, `127.0.0.1:${await freePort()}`);
    await startServer(second, secondNodes);
    // Everything is set up at the first server; every node connects to the second.
    inletPort = await createPortalPair(first, target.port);
  }, 120_000);
  afterAll(async () => {
    await database.start().catch(() => undefined);
    await first.close();
    await second.close();
    await database.remove();
    target.close();
    ticking.close();
  }, 60_000);

  it('let in at one what was invited at the other, and carry the portal', async () => {
    expect(JSON.parse(await second.ok('admin', 'server', 'status'))).toMatchObject({ relays: 1 });
    expect(JSON.parse(await first.ok('admin', 'server', 'status'))).toMatchObject({ relays: 0 });
    await target.works(inletPort, 10_000_000);
  });

  it('cut a stream at one within a second of a revocation at the other', async () => {
    const ticket = await first.ok('admin', 'project', 'ticket', '--attribute', 'component=web');
    await first.ok('guest', 'project', 'enroll', ticket);
    await first.ok('guest', 'node', 'create', 'guest');
    const address = await first.ok('guest', 'tcp-inlet', 'create', '--via', 'db');
    const live = net.connect(Number(address.split(':')[1]), '127.0.0.1');
    const isCut = new Promise((resolve) => live.once('close', resolve));
    live.on('error', () => undefined);
    await once(live, 'connect');
    const identifier = await first.ok('guest', 'identity', 'show');
    await target.works(Number(address.split(':')[1]));
    await first.ok('admin', 'project-member', 'delete', identifier, '--yes');
    const revokedMs = performance.now();
    await isCut;
    expect(performance.now() - revokedMs).toBeLessThan(1_000);
    await target.works(inletPort);
  });

  it('keep a stream going while the database is away, refuse with a clear error, and go on when it is back', async () => {
    const port = typeof ticking.address() === 'object' ? ticking.address() : null;
    if (port === null || typeof port === 'string') throw new Error('no port');
    await first.ok(
      'db',
      ...['tcp-outlet', 'create', '--to', String(port.port), '--from', 'ticking'],
      ...['--allow', '(= subject.component "web")'],
    );
    const address = await first.ok(
      'web',
      ...['tcp-inlet', 'create', '--via', 'db', '--to', 'ticking'],
    );
    const live = net.connect(Number(address.split(':')[1]), '127.0.0.1');
    let lastMs = performance.now();
    let longestGapMs = 0;
    let failure = '';
    live.on('data', () => {
      longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
      lastMs = performance.now();
    });
    live.on('error', (error) => {
      failure = error.message;
    });
    await once(live, 'data');

    await database.stop();
    for (const world of [first, second]) {
      const startMs = performance.now();
      const refused = await execute(
        PROGRAM,
        ['project', 'ticket'],
        first.env('admin', { POSTERN_SERVER_HOME: world.serverHome }),
      );
      expect(refused).toMatchObject({
        code: 70,
        stdout: '',
        stderr: expect.stringContaining('database is out of reach'),
      });
      expect(performance.now() - startMs).toBeLessThan(REFUSAL_MS_MAX);
    }
    // New streams need no database either.
    await target.works(inletPort);

    await database.start();
    const ticket = await until(
      () => first.ok('admin', 'project', 'ticket', '--attribute', 'component=late'),
      'a ticket after the return',
      10_000,
    );
    await first.ok('late', 'project', 'enroll', ticket);
    expect(JSON.parse(await first.ok('admin', 'audit', 'verify'))).toMatchObject({ intact: true });
    // Revocations travel between the servers again.
    const identifier = await first.ok('late', 'identity', 'show');
    await first.ok('admin', 'project-member', 'delete', identifier, '--yes');
    await until(
      async () => expect((await first.postern('late', 'project', 'enroll')).code).toBe(70),
      'the refusal',
    );
    expect(failure).toBe('');
    expect(live.destroyed).toBe(false);
    // Two cores with a database starting beside: a stall of the stream would be seconds.
    expect(longestGapMs).toBeLessThan(2_000);
    live.destroy();
  });

  it('let nodes come back while the database is away', async () => {
    await database.stop();
    for (const home of ['db', 'web']) {
      await first.ok(home, 'node', 'stop', home);
      await first.ok(home, 'node', 'start', home);
    }
    await until(() => target.works(inletPort), 'the portal without a database', 10_000);
    await database.start();
  });
});
