/** The load: plain sockets that read into one reused buffer, so that the generator costs as little as it can. */
import { connect, type Socket } from 'node:net';
import { ECHO, type Load, type LoadResult, SOURCE } from './wire.ts';

const REQUEST_BYTES = 64;
const CONNECTS_AT_ONCE = 16;
const WARM_UP_MS = 300;
const SAMPLES_MAX = 4_000_000;

const idle: Socket[] = [];

function open(port: number, mode: number, onBytes: (count: number) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const buffer = Buffer.allocUnsafe(256 * 1024);
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: mode === SOURCE ? buffer : buffer.subarray(0, REQUEST_BYTES * 2),
        callback: (count) => {
          onBytes(count);
          return true;
        },
      },
    });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.write(Buffer.from([mode]));
      resolve(socket);
    });
  });
}

const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

async function bulk(port: number, seconds: number): Promise<LoadResult> {
  let total = 0;
  const socket = await open(port, SOURCE, (n) => {
    total += n;
  });
  await sleep(WARM_UP_MS);
  const before = total;
  const start = performance.now();
  await sleep(seconds * 1000);
  const rate = (total - before) / ((performance.now() - start) / 1000);
  socket.destroy();
  return { rate };
}

async function roundTrips(port: number, seconds: number, count: number): Promise<LoadResult> {
  const request = Buffer.alloc(REQUEST_BYTES, 1);
  const samples = new Float32Array(SAMPLES_MAX);
  let taken = 0;
  let isTaking = false;
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      let missing = REQUEST_BYTES;
      let sentAt = performance.now();
      const socket: Socket = await open(port, ECHO, (n) => {
        missing -= n;
        if (missing > 0) return;
        missing = REQUEST_BYTES;
        const now = performance.now();
        if (isTaking && taken < SAMPLES_MAX) samples[taken++] = (now - sentAt) * 1000;
        sentAt = now;
        socket.write(request);
      });
      socket.write(request);
      return socket;
    }),
  );
  await sleep(WARM_UP_MS);
  isTaking = true;
  const start = performance.now();
  await sleep(seconds * 1000);
  isTaking = false;
  const elapsed = (performance.now() - start) / 1000;
  for (const s of sockets) s.destroy();
  const sorted = samples.subarray(0, taken).sort();
  const at = (q: number): number => sorted[Math.floor(q * (taken - 1))] ?? Number.NaN;
  return { rate: taken / elapsed, p50Us: at(0.5), p99Us: at(0.99) };
}

async function connects(port: number, seconds: number): Promise<LoadResult> {
  const end = performance.now() + seconds * 1000;
  let done = 0;
  const once = (): Promise<void> =>
    new Promise((resolve, reject) => {
      let socket: Socket | undefined;
      open(port, ECHO, () => {
        done++;
        socket?.destroy();
        resolve();
      }).then((opened) => {
        socket = opened;
        opened.write('x');
      }, reject);
    });
  const worker = async (): Promise<void> => {
    while (performance.now() < end) await once();
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, worker));
  return { rate: done / seconds };
}

async function hold(port: number, count: number): Promise<LoadResult> {
  const BATCH = 200;
  for (let i = 0; i < count; i += BATCH)
    await Promise.all(
      Array.from(
        { length: Math.min(BATCH, count - i) },
        () =>
          new Promise<void>((resolve, reject) => {
            open(port, ECHO, () => resolve()).then((socket) => {
              socket.write('x');
              idle.push(socket);
            }, reject);
          }),
      ),
    );
  return { rate: idle.length };
}

/** Runs one load. */
export async function runLoad(load: Load): Promise<LoadResult> {
  switch (load.kind) {
    case 'bulk':
      return bulk(load.port, load.seconds);
    case 'roundTrips':
      return roundTrips(load.port, load.seconds, load.connections);
    case 'connects':
      return connects(load.port, load.seconds);
    case 'idle':
      return hold(load.port, load.connections);
    case 'release':
      for (const s of idle.splice(0)) s.destroy();
      return { rate: 0 };
  }
}
