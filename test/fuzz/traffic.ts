/** Valid traffic to alter, and the throwing of altered traffic at a listener. */
import { once } from 'node:events';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type Dice, fuzzMs } from './dice.ts';

export interface Request {
  readonly headers: http2.OutgoingHttpHeaders;
  readonly body?: Buffer;
}

/** The plaintext bytes of an HTTP/2 client that makes these requests. */
export async function http2Bytes(requests: readonly Request[]): Promise<Buffer> {
  const written: Buffer[] = [];
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk);
      done();
    },
  });
  const session = http2.connect('https://x.invalid', { createConnection: () => wire });
  session.on('error', () => undefined);
  for (const { headers, body } of requests) {
    const stream = session.request(headers, { endStream: body === undefined });
    stream.on('error', () => undefined);
    if (body !== undefined) stream.end(body);
  }
  // nghttp2 hands over what it has to send at the end of a turn; the preface and the requests are there after a few.
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
  session.destroy();
  return Buffer.concat(written);
}

/** The bytes of HTTP/1.1 requests. */
export function http1Bytes(method: string, path: string, body?: string): Buffer {
  const head =
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${head}\r\n${body ?? ''}`);
}

const TOGETHER_MAX = 12;

export interface Target {
  dial(): Socket | TLSSocket;
  readonly samples: readonly Buffer[];
  /** A connection that stays open is cut by the other side within this. */
  readonly cutWithinMs: number;
  /** Whether this side leaves connections open, too, for the other side to cut. */
  readonly leavesOpen: boolean;
}

/** Throws altered traffic until the time is up; answers how many connections it made. Throws when one is not cut. */
export async function throwAt(target: Target, dice: Dice, durationMs: number): Promise<number> {
  const end = performance.now() + fuzzMs(durationMs);
  const open = new Set<Promise<void>>();
  let connections = 0;
  while (performance.now() < end) {
    const one: Promise<void> = throwOnce(target, dice).finally(() => open.delete(one));
    open.add(one);
    connections++;
    if (open.size >= TOGETHER_MAX) await Promise.race(open);
  }
  await Promise.all(open);
  return connections;
}

async function throwOnce(target: Target, dice: Dice): Promise<void> {
  const parts = dice.split(dice.mutate(target.samples));
  const leave = target.leavesOpen && dice.roll(10) === 0;
  const breakOff = !leave && dice.roll(4) === 0;
  const socket = target.dial();
  socket.on('error', () => undefined);
  socket.resume();
  const closed = new Promise<void>((done) => socket.once('close', () => done()));
  for (const part of parts) {
    if (socket.destroyed) break;
    socket.write(part);
    await new Promise((done) => setImmediate(done));
  }
  if (breakOff) socket.destroy();
  else if (!leave) socket.end();
  const patience = new AbortController();
  const late = once(
    AbortSignal.any([patience.signal, AbortSignal.timeout(target.cutWithinMs)]),
    'abort',
  );
  const wasCut = await Promise.race([closed.then(() => true), late.then(() => false)]);
  patience.abort();
  socket.destroy();
  if (!wasCut) {
    const sent = Buffer.concat(parts).toString('hex').slice(0, 4_000);
    throw new Error(`not cut within ${target.cutWithinMs} ms (left open: ${leave}): ${sent}`);
  }
}
