/** The load: plain sockets that read into one reused buffer, so that the generator costs as little as it can. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ECHO, type Load, type LoadResult, RECEIPT_BYTES, SINK, SOURCE } from './wire.ts';

const REQUEST_BYTES = 64;
const CHUNK_BYTES = 256 * 1024;
/** How much of the measured time goes before it, uncounted. */
const WARM_UP_SHARE = 0.2;
/** A path on which nothing comes back for so long has failed. */
const ANSWER_MS_MAX = 20_000;
/** New connections under way at once. */
const CONNECTS_AT_ONCE = 16;
/** Latencies kept in one measurement; more round trips than this are counted but not timed. */
const LATENCIES_MAX = 2_000_000;

/** Opens a connection to the target; `onBytes` hears how many bytes came. */
type Open = (mode: number, onBytes: (count: number) => void) => Promise<Socket>;

/** The connections of one load: the first that breaks fails the load, and all are gone at its end. */
class Connections {
  readonly #sockets = new Set<Socket>();
  readonly #broken: Promise<never>;
  #break: (reason: Error) => void = () => undefined;
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
    this.#broken = new Promise((_, reject) => {
      this.#break = reject;
    });
    this.#broken.catch(() => undefined);
  }

  readonly open: Open = async (mode, onBytes) => {
    const socket = connect({
      port: this.#port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(mode === SOURCE ? CHUNK_BYTES : 2 * REQUEST_BYTES),
        callback: (count) => {
          onBytes(count);
          return true;
        },
      },
    });
    this.#sockets.add(socket);
    socket.on('error', this.#break);
    socket.once('close', () => {
      if (this.#sockets.delete(socket)) this.#break(new Error('A connection was closed'));
    });
    await this.answer(once(socket, 'connect'));
    socket.write(Buffer.from([mode]));
    return socket;
  };

  /** What the promise gives, unless a connection breaks first. */
  orBroken<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#broken]);
  }
  /** The same for an answer of the path; one that does not come in time breaks the load. */
  async answer<T>(promise: Promise<T>): Promise<T> {
    const late = (): void => this.#break(new Error(`No answer within ${ANSWER_MS_MAX / 1000} s`));
    const timer = setTimeout(late, ANSWER_MS_MAX);
    try {
      return await this.orBroken(promise);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(sockets: Iterable<Socket> = [...this.#sockets]): Promise<void> {
    const closed: Promise<unknown>[] = [];
    for (const socket of sockets) {
      this.#sockets.delete(socket);
      if (socket.closed) continue;
      closed.push(once(socket, 'close'));
      socket.destroy();
    }
    await Promise.all(closed);
  }
}

/**
 * Lets `done` grow by itself for the measured time, or until it has grown at all where the machine is starved of CPU;
 * answers its growth a second. Throws when nothing comes.
 */
async function growth(
  connections: Connections,
  seconds: number,
  done: () => number,
): Promise<number> {
  await connections.orBroken(sleep(WARM_UP_SHARE * seconds * 1000));
  const before = done();
  const startMs = performance.now();
  do await connections.orBroken(sleep(seconds * 1000));
  while (done() === before && performance.now() - startMs < ANSWER_MS_MAX);
  const grown = done() - before;
  if (grown === 0) throw new Error(`Nothing came through in ${ANSWER_MS_MAX / 1000} s`);
  return (grown / (performance.now() - startMs)) * 1000;
}

async function download(connections: Connections, seconds: number): Promise<LoadResult> {
  let bytes = 0;
  await connections.open(SOURCE, (count) => {
    bytes += count;
  });
  const rate = await growth(connections, seconds, () => bytes);
  return { rate, bytes };
}

/** Counts what the target says it has received, not what went into the buffers on the way. */
async function upload(connections: Connections, seconds: number): Promise<LoadResult> {
  const chunk = Buffer.alloc(CHUNK_BYTES, 1);
  let bytes = 0;
  const socket = await connections.open(SINK, (count) => {
    bytes += count * RECEIPT_BYTES;
  });
  const pump = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', pump);
  pump();
  const rate = await growth(connections, seconds, () => bytes);
  return { rate, bytes };
}

async function roundTrips(
  connections: Connections,
  seconds: number,
  count: number,
): Promise<LoadResult> {
  const request = Buffer.alloc(REQUEST_BYTES, 1);
  const latencies = new Float32Array(LATENCIES_MAX);
  let done = 0;
  const run = async (): Promise<void> => {
    let missing = REQUEST_BYTES;
    let sentAtMs = 0;
    const send = (): void => {
      sentAtMs = performance.now();
      socket.write(request);
    };
    const socket: Socket = await connections.open(ECHO, (bytes) => {
      missing -= bytes;
      if (missing > 0) return;
      missing = REQUEST_BYTES;
      if (done < LATENCIES_MAX) latencies[done] = (performance.now() - sentAtMs) * 1000;
      done++;
      send();
    });
    send();
  };
  await Promise.all(Array.from({ length: count }, run));
  let warm: number | undefined;
  const rate = await growth(connections, seconds, () => {
    warm ??= done;
    return done;
  });
  const sorted = latencies.subarray(warm, Math.min(done, LATENCIES_MAX)).sort();
  const quantile = (q: number): number => sorted[Math.floor(q * (sorted.length - 1))] ?? Number.NaN;
  return { rate, p50Us: quantile(0.5), p99Us: quantile(0.99) };
}

/** Opens a connection and waits until one byte has gone to the target and back. */
async function openAndUse(connections: Connections): Promise<Socket> {
  const answered = Promise.withResolvers<void>();
  const socket = await connections.open(ECHO, () => answered.resolve());
  socket.write('x');
  await connections.answer(answered.promise);
  return socket;
}

async function connects(connections: Connections, seconds: number): Promise<LoadResult> {
  let done = 0;
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      await connections.close([await openAndUse(connections)]);
      done++;
    }
  };
  const measured = growth(connections, seconds, () => done).finally(() => {
    isOver = true;
  });
  const [rate] = await Promise.all([measured, ...Array.from({ length: CONNECTS_AT_ONCE }, run)]);
  return { rate };
}

async function hold(connections: Connections, count: number): Promise<LoadResult> {
  let opened = 0;
  const run = async (): Promise<void> => {
    while (opened < count) {
      opened++;
      await openAndUse(connections);
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, run));
  return { rate: 0 };
}

let held: Connections | undefined;

/** Runs one load. Throws when a connection breaks or stops answering. */
export async function runLoad(load: Load): Promise<LoadResult> {
  if (load.kind === 'release') {
    await held?.close();
    held = undefined;
    return { rate: 0 };
  }
  const connections = new Connections(load.port);
  if (load.kind === 'hold') {
    held = connections;
    return hold(connections, load.connections);
  }
  try {
    switch (load.kind) {
      case 'download':
        return await download(connections, load.seconds);
      case 'upload':
        return await upload(connections, load.seconds);
      case 'roundTrips':
        return await roundTrips(connections, load.seconds, load.connections);
      case 'connects':
        return await connects(connections, load.seconds);
    }
  } finally {
    await connections.close();
  }
}
