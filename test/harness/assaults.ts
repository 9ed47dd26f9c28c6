/** What strangers send who mean harm: nothing, noise, too slowly, too much. Each answers when the other side cuts it. */
import net from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { handshake, NODE_CLIENT } from './strangers.ts';

export interface Cut {
  readonly tookMs: number;
  readonly answer: Buffer;
}

/** Plays on a connection until it is cut, from the moment at which it is up. */
function untilCut(s: net.Socket | TLSSocket, play: (s: net.Socket) => void): Promise<Cut> {
  const startMs = performance.now();
  const chunks: Buffer[] = [];
  let kept = 0;
  return new Promise((resolve) => {
    s.on('error', () => undefined);
    s.on('data', (c: Buffer) => {
      if (kept < 1_000) chunks.push(c);
      kept += c.length;
    });
    s.once('close', () =>
      resolve({ tookMs: performance.now() - startMs, answer: Buffer.concat(chunks) }),
    );
    play(s);
  });
}

/** Connects, and plays until cut. */
export function assault(at: net.NetConnectOpts, play: (s: net.Socket) => void): Promise<Cut> {
  return untilCut(net.connect(at), play);
}
/** The same after a TLS handshake. */
export async function assaultTls(
  options: ConnectionOptions,
  play: (s: net.Socket) => void,
): Promise<Cut> {
  return untilCut(await handshake(options.port ?? 0, options), play);
}

/** What a TLS client of ours says first. */
export function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({ read: () => undefined, write: (chunk) => resolve(chunk) });
    tlsConnect({ ...NODE_CLIENT, socket }).on('error', () => undefined);
  });
}

/** These bytes, then silence. */
export const say =
  (bytes: Buffer) =>
  (s: net.Socket): void => {
    s.write(bytes);
  };
/** One byte of these a second. */
export const drip =
  (bytes: Buffer) =>
  (s: net.Socket): void => {
    let sent = 0;
    s.setNoDelay(true);
    const next = (): void => {
      s.write(bytes.subarray(sent, sent + 1));
      sent = (sent + 1) % bytes.length;
    };
    next();
    const timer = setInterval(next, 1_000);
    s.once('close', () => clearInterval(timer));
  };
/** The first once, then the others as fast as they are taken. */
export const flood =
  (first: Buffer | string, others: (round: number) => Buffer) =>
  (s: net.Socket): void => {
    let round = 0;
    const more = (): void => {
      if (s.destroyed) return;
      // A turn of the loop between the chunks: the test's own process has a portal to ask.
      if (s.write(others(round++))) setImmediate(more);
      else s.once('drain', more);
    };
    s.write(first);
    more();
  };

const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
const many = (n: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: n }, (_, i) => make(i)));
/** The client's preface and its empty settings (RFC 9113 section 3.4). */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(4, 0, 0, Buffer.alloc(0)),
]);
/** `GET / https localhost`, each from HPACK's static table but the last. */
const GET = Buffer.from([0x82, 0x84, 0x87, 0x01, 0x01, 0x78]);
/** One header `x` of 120 bytes, never indexed. */
const FIELD = Buffer.concat([Buffer.from([0x10, 1, 0x78, 120]), Buffer.alloc(120, 0x61)]);

/** Floods of HTTP/2 by name. */
export const H2_FLOODS: Readonly<Record<string, (s: net.Socket) => void>> = {
  'a header block without end': flood(Buffer.concat([PREFACE, frame(1, 0, 1, GET)]), () =>
    frame(
      9,
      0,
      1,
      many(100, () => FIELD),
    ),
  ),
  pings: flood(PREFACE, () => many(500, () => frame(6, 0, 0, Buffer.alloc(8)))),
  settings: flood(PREFACE, () => many(500, () => frame(4, 0, 0, Buffer.alloc(0)))),
  'requests and resets': flood(PREFACE, (round) =>
    many(100, (i) => {
      const stream = 1 + 2 * (round * 100 + i);
      return Buffer.concat([
        frame(1, 4, stream, GET),
        frame(3, 0, stream, Buffer.from([0, 0, 0, 8])),
      ]);
    }),
  ),
  'frames of no type': flood(PREFACE, () => many(100, () => frame(0x77, 0, 0, Buffer.alloc(100)))),
};
