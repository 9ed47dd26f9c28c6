/**
 * Broken and hostile traffic at the listeners of a real server and a real node. After each barrage both live, have not
 * grown beyond bound, and do what they are for; no connection outlives its limit.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PREAMBLE_HEAD } from '../../src/control/index.ts';
import { World } from '../harness/postern.ts';
import { Dice, FUZZ_SEED, fuzzMs } from './dice.ts';
import { http1Bytes, http2Bytes, type Target, throwAt } from './traffic.ts';

const BARRAGE_MS = 3_000;
const TEST_MS = fuzzMs(BARRAGE_MS) + 90_000;
const GROWTH_MB_MAX = 300;
const world = new World();
let serverPid: number;
let nodePid: number;
let nodePort: number;

const megabytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
const dialTls = (port: number): tls.TLSSocket =>
  tls.connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.3',
  });
/** The first bytes that a TLS client sends. */
async function clientHello(): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const address = server.address();
  const client = dialTls(typeof address === 'object' && address !== null ? address.port : 0);
  client.on('error', () => undefined);
  const hello = await new Promise<Buffer>((done) =>
    server.once('connection', (socket) => socket.once('data', done)),
  );
  client.destroy();
  server.close();
  return hello;
}

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  await world.ok('admin', 'node', 'create', 'n1');
  await world.ok('admin', 'tcp-outlet', 'create', '--to', '1', '--at', 'n1');
  await world.ok('admin', 'relay', 'create', '--to', 'n1');
  serverPid = world.serverPid();
  nodePid = await world.nodePid('admin', 'n1');
  const shown: { route: { short: string } } = JSON.parse(
    await world.ok('admin', 'node', 'show', 'n1'),
  );
  nodePort = Number(/\/tcp\/(\d+)$/.exec(shown.route.short)?.[1]);
}, 120_000);
afterAll(() => world.close(), 60_000);

/** One barrage, and then the proof that both processes are the ones they were and serve. */
async function survive(target: Target, seed: number): Promise<void> {
  const before = [megabytes(serverPid), megabytes(nodePid)];
  const connections = await throwAt(target, new Dice(FUZZ_SEED + seed), BARRAGE_MS);
  expect(connections).toBeGreaterThan(10);
  expect(world.serverPid()).toBe(serverPid);
  expect(await world.nodePid('admin', 'n1')).toBe(nodePid);
  const relays: { connection_status: string }[] = JSON.parse(
    await world.ok('admin', 'relay', 'list', '--to', 'n1'),
  );
  expect(relays).toMatchObject([{ connection_status: 'Up' }]);
  const ticket = await world.ok('admin', 'project', 'ticket');
  await world.ok(`member-${seed}`, 'project', 'enroll', ticket);
  const growth = [megabytes(serverPid), megabytes(nodePid)].map((mb, i) => mb - (before[i] ?? 0));
  expect(Math.max(...growth)).toBeLessThan(GROWTH_MB_MAX);
}

describe('fuzzed', () => {
  it(
    'the node port: TLS, preambles and anything else',
    async () => {
      const token = Buffer.concat([PREAMBLE_HEAD, Buffer.alloc(32, 7)]);
      await survive(
        {
          dial: () => net.connect(world.nodePort, '127.0.0.1'),
          samples: [await clientHello(), token, Buffer.concat([token, token]), PREAMBLE_HEAD],
          cutWithinMs: 8_000,
          leavesOpen: true,
        },
        1,
      );
    },
    TEST_MS,
  );

  it(
    'the node port: HTTP/2 inside TLS, from nobody',
    async () => {
      const json = { 'content-type': 'application/json' };
      const enrol = JSON.stringify({ one_time_code: 'x', spki: 'AA', change_history: 'AA' });
      await survive(
        {
          dial: () => dialTls(world.nodePort),
          samples: [
            await http2Bytes([
              { headers: { ':path': '/control/v1/session?node=n1' } },
              {
                headers: { ':method': 'POST', ':path': '/control/v1/enroll', ...json },
                body: Buffer.from(enrol),
              },
            ]),
            await http2Bytes([
              {
                headers: { ':method': 'PUT', ':path': '/control/v1/relays/x', ...json },
                body: Buffer.from('{"services":[],"direct_addresses":[]}'),
              },
              { headers: { ':path': '/api/v1/projects' } },
              { headers: { ':method': 'CONNECT', ':authority': 'outlet' } },
            ]),
          ],
          cutWithinMs: 12_000,
          leavesOpen: true,
        },
        2,
      );
    },
    TEST_MS,
  );

  it(
    'a node’s own listener: TLS and anything else',
    async () => {
      await survive(
        {
          dial: () => net.connect(nodePort, '127.0.0.1'),
          samples: [await clientHello(), Buffer.from('GET / HTTP/1.1\r\n\r\n')],
          cutWithinMs: 14_000,
          leavesOpen: true,
        },
        3,
      );
    },
    TEST_MS,
  );

  it(
    'a node’s own listener: HTTP/2 inside TLS, from a stranger',
    async () => {
      const control = { ':method': 'POST', ':path': '/postern/channel/v1/control' };
      const hello = Buffer.from('{"type":"hello","version":1,"relay":null}\n');
      await survive(
        {
          dial: () => dialTls(nodePort),
          samples: [
            await http2Bytes([
              { headers: control, body: hello },
              { headers: { ':path': '/postern/channel/v1/services/outlet' } },
            ]),
            await http2Bytes([
              { headers: { ':method': 'CONNECT', ':authority': 'outlet' }, body: Buffer.alloc(99) },
              {
                headers: { ':method': 'POST', ':path': '/postern/channel/v1/messages/echo' },
                body: Buffer.from('hello'),
              },
            ]),
          ],
          cutWithinMs: 14_000,
          leavesOpen: true,
        },
        4,
      );
    },
    TEST_MS,
  );

  it(
    'a node’s local API',
    () =>
      survive(
        {
          dial: () => net.connect(join(world.folder, 'admin/nodes/n1/api.sock')),
          samples: [
            http1Bytes('GET', '/v1/node'),
            http1Bytes('GET', '/v1/outlets/outlet'),
            http1Bytes('POST', '/v1/policies', '{"resource":"x","expression":"a or b"}'),
            http1Bytes('POST', '/v1/inlets', '{"from":"127.0.0.1:0","to":"outlet","wait_ms":0}'),
            http1Bytes('POST', '/v1/messages', '{"to":"/service/echo","message":"hi"}'),
          ],
          cutWithinMs: 12_000,
          leavesOpen: false,
        },
        5,
      ),
    TEST_MS,
  );

  it(
    'the server’s admin socket',
    () =>
      survive(
        {
          dial: () => net.connect(join(world.serverHome, 'admin.sock')),
          samples: [
            http1Bytes('GET', '/api/v1/projects'),
            http1Bytes('GET', '/api/v1/projects/default/members'),
            http1Bytes('POST', '/api/v1/projects/default/tickets', '{"attributes":{"a":"b"}}'),
            http1Bytes('POST', '/api/v1/enroll-admin', '{"spki":"AA==","change_history":"AA=="}'),
            http1Bytes('GET', '/api/v1/decisions/last'),
          ],
          cutWithinMs: 12_000,
          leavesOpen: false,
        },
        6,
      ),
    TEST_MS,
  );
});
