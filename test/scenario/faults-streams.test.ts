/** What one app's connection must never do to another's, and how ends and resets travel, through the real program. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPortalPair } from '../harness/portal-pair.ts';
import { until, World } from '../harness/postern.ts';

const MB = 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024);
const STALLED = 100;
/** The connection beside them keeps at least this part of the rate that it had alone; on a busy machine both vary. */
const RATE_PART_MIN = 0.25;

const world = new World();
let service: net.Server;
let inletPort = 0;
/** The senders of the stalled connections, at either end. */
const flooding = new Set<net.Socket>();

/** Sends until nothing more is taken. */
function flood(socket: net.Socket): void {
  flooding.add(socket);
  socket.once('close', () => flooding.delete(socket));
  const more = (): void => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', more);
  more();
}

/**
 * The service behind the outlet. The first byte says what it does:
 * S sends without end and reads nothing, R reads nothing, B sends 64 MB and ends, E echoes and ends when the app ended,
 * X resets, W waits for the app's end and then sends its count of bytes.
 */
function serve(socket: net.Socket): void {
  socket.on('error', () => undefined);
  socket.once('readable', () => {
    const kind = String(socket.read(1));
    if (kind === 'E') socket.write('E');
    if (kind === 'S') {
      flood(socket);
    } else if (kind === 'B') {
      for (let i = 0; i < 64; i++) socket.write(Buffer.alloc(MB, i));
      socket.end();
    } else if (kind === 'E') socket.pipe(socket);
    else if (kind === 'X') socket.resetAndDestroy();
    else if (kind === 'W') {
      let count = 0;
      socket.on('data', (chunk: Buffer) => {
        count += chunk.length;
      });
      socket.on('end', () => socket.end(String(count)));
    }
    // R: left alone.
  });
}

const dial = (kind: string): net.Socket => {
  const socket = net.connect({ port: inletPort, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.write(kind);
  return socket;
};

beforeAll(async () => {
  service = net.createServer({ allowHalfOpen: true, noDelay: true }, serve);
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  const address = service.address();
  await world.startServer();
  inletPort = await createPortalPair(
    world,
    typeof address === 'object' && address !== null ? address.port : 0,
  );
}, 120_000);

afterAll(async () => {
  await world.close();
  service.close();
}, 60_000);

/** Downloads 64 MB and answers bytes a second. */
async function downloadRate(): Promise<number> {
  const startMs = performance.now();
  const socket = dial('B');
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(socket, 'end');
  socket.destroy();
  expect(bytes).toBe(64 * MB);
  return bytes / ((performance.now() - startMs) / 1000);
}

describe('a portal with 100 stalled connections', () => {
  it.each([
    ['apps that do not read', 'S'],
    ['services that do not read', 'R'],
  ])('lets others run: %s', async (_name, kind) => {
    const free = await downloadRate();
    const stalled = Array.from({ length: STALLED }, () => {
      const socket = dial(kind);
      socket.pause();
      if (kind === 'R') flood(socket);
      return socket;
    });
    const filled = (): number => [...flooding].reduce((sum, s) => sum + s.bytesWritten, 0);
    // Wait until every window and buffer on the way is full: nothing more moves.
    let before = -1;
    await until(
      async () => {
        const now = filled();
        const isStill = now === before;
        before = now;
        if (!isStill) {
          await sleep(500);
          throw new Error('still moving');
        }
      },
      'the stall',
      30_000,
    );
    const rate = await downloadRate();
    const echo = dial('E');
    const startMs = performance.now();
    const answered = once(echo, 'data');
    await answered;
    const answerMs = performance.now() - startMs;
    console.log(
      `${STALLED} stalled (${kind}): ${(rate / MB).toFixed(0)} MB/s beside them, ${(free / MB).toFixed(0)} alone; ` +
        `an answer takes ${answerMs.toFixed(0)} ms`,
    );
    for (const socket of [...stalled, echo]) socket.destroy();
    expect(rate).toBeGreaterThan(free * RATE_PART_MIN);
    expect(answerMs).toBeLessThan(1_000);
  });
});

describe('an end of a connection', () => {
  it('travels one way while the other goes on, from the app', async () => {
    const socket = dial('W');
    socket.end(Buffer.alloc(3 * MB));
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    await once(socket, 'end');
    expect(text).toBe(String(3 * MB));
  });

  it('travels one way while the other goes on, from the service', async () => {
    const socket = dial('B');
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await once(socket, 'end');
    expect(bytes).toBe(64 * MB);
    // The app may still send: its side is not ended yet.
    expect(socket.writable).toBe(true);
    socket.write('more');
    await sleep(300);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });

  it('travels as a reset when the service resets', async () => {
    const socket = dial('X');
    const seen = await new Promise<string>((resolve) => {
      socket.on('end', () => resolve('a clean end'));
      socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
      socket.on('data', () => resolve('data'));
    });
    expect(seen).toBe('ECONNRESET');
  });

  it('travels as a reset when the app resets', async () => {
    const arrived = once(service, 'connection');
    const socket = dial('E');
    // The connection of this dial: nothing else connects now.
    const [peer]: net.Socket[] = await arrived;
    if (peer === undefined) throw new Error('no connection');
    const seen = new Promise<string>((resolve) => {
      peer.on('end', () => resolve('a clean end'));
      peer.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
    });
    await once(socket, 'data').catch(() => undefined);
    socket.resetAndDestroy();
    expect(await seen).toBe('ECONNRESET');
  });
});
