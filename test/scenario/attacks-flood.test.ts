/** A sustained flood of strangers: connections held as long as they may be, and handshakes that stall. */
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlaces, raiseStage, type Stage } from '../harness/hostile.ts';
import { ask } from '../harness/talk.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await raiseStage();
}, 120_000);
afterAll(() => stage.close(), 60_000);

const CONNECTIONS = 10_000;
/** Together they ask for less than the default bound on a process's open files. */
const AT_ONCE_MAX = 3_000;
const DURATION_MS = 10_000;
const LATENCY_MEDIAN_MS = 250;
const LATENCY_MS_MAX = 2_500;

/**
 * The strangers have a thread of their own, so that the portal's latency is measured and not their making. Each
 * connection is held until the other side ends it. Of three, one says nothing, one stops in the middle of a TLS record,
 * one in the middle of a rendezvous preamble.
 */
const STRANGERS = `
const net = require('node:net');
const { workerData, parentPort } = require('node:worker_threads');
const { ports, total, atOnceMax, durationMs } = workerData;
const openers = [
  Buffer.alloc(0),
  Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1]), Buffer.alloc(200, 7)]),
  Buffer.from('PSTN\\x01abc', 'latin1'),
];
let made = 0, open = 0, ended = 0, most = 0;
const startMs = Date.now();
const sockets = new Set();
function next() {
  const due = Math.min(total, Math.ceil((total * (Date.now() - startMs)) / durationMs));
  while (made < due && open < atOnceMax) {
    const n = made++;
    open++;
    const s = net.connect({ port: ports[n % ports.length], host: '127.0.0.1', allowHalfOpen: true });
    sockets.add(s);
    s.on('error', () => undefined);
    s.on('connect', () => { most = Math.max(most, open); s.write(openers[n % openers.length]); });
    s.on('end', () => s.destroy());
    s.on('data', () => undefined);
    s.on('close', () => { open--; ended++; sockets.delete(s); });
  }
  if (made < total) setTimeout(next, 20);
}
next();
setInterval(() => parentPort.postMessage({ made, open, ended, most }), 100);
`;
interface Count {
  readonly made: number;
  readonly open: number;
  readonly ended: number;
  readonly most: number;
}

/** Floods these ports; measures the portal until every stranger was sent away. */
async function flood(ports: readonly number[]): Promise<{ count: Count; latencies: number[] }> {
  const worker = new Worker(STRANGERS, {
    eval: true,
    workerData: { ports, total: CONNECTIONS, atOnceMax: AT_ONCE_MAX, durationMs: DURATION_MS },
  });
  let count: Count = { made: 0, open: 0, ended: 0, most: 0 };
  worker.on('message', (c: Count) => {
    count = c;
  });
  const latencies: number[] = [];
  const endMs = Date.now() + 60_000;
  try {
    while (count.ended < CONNECTIONS && Date.now() < endMs) {
      const startMs = performance.now();
      expect(await ask(stage.inletPort, 'ping')).toBe('ping');
      latencies.push(performance.now() - startMs);
      await new Promise((r) => setTimeout(r, 20));
    }
  } finally {
    await worker.terminate();
  }
  return { count, latencies: latencies.sort((a, b) => a - b) };
}

describe('ten thousand strangers that hold on for as long as they may', () => {
  it.each(['the node port', "a node's channel listener"])(
    'do not stop the portal, and all are sent away: %s',
    async (name) => {
      const { world } = stage;
      const port = name === 'the node port' ? world.nodePort : nodePlaces(world, 'db').port;
      const { count, latencies } = await flood([port]);
      expect(count).toMatchObject({ made: CONNECTIONS, open: 0, ended: CONNECTIONS });
      expect(count.most).toBeGreaterThan(200);
      expect(latencies[latencies.length >> 1]).toBeLessThan(LATENCY_MEDIAN_MS);
      expect(latencies.at(-1)).toBeLessThan(LATENCY_MS_MAX);
      // A new member of the flood's victims can still come in.
      const ticket = await world.ok('admin', 'project', 'ticket');
      const home = `late-${port}`;
      await world.ok(home, 'project', 'enroll', ticket);
    },
    120_000,
  );

  it('do not keep a new channel from coming up meanwhile', async () => {
    const { world } = stage;
    const ports = [world.nodePort, nodePlaces(world, 'db').port];
    const flooding = flood(ports);
    const to = `/dnsaddr/127.0.0.1/tcp/${ports[1]}/secure/api/service/outlet`;
    const line = `tcp-inlet create --alias amid --connection-wait 20s --to ${to}`;
    const bound = await world.ok('web', ...line.split(' '));
    expect(await ask(Number(bound.split(':')[1]), 'amid')).toBe('amid');
    await flooding;
  }, 120_000);
});
