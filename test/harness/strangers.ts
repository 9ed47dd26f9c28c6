/** Clients that nobody invited: TLS as they like it, HTTP/2 without a channel, and a portal that is watched meanwhile. */
import http2 from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { exchange } from './talk.ts';

/** What a node would offer, without a certificate. */
export const NODE_CLIENT: ConnectionOptions = {
  host: '127.0.0.1',
  minVersion: 'TLSv1.3',
  ecdhCurve: 'X25519MLKEM768',
  ALPNProtocols: ['h2'],
  rejectUnauthorized: false,
};

/** Shakes hands, or throws what the other side answered. */
export function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const tls = tlsConnect({ ...NODE_CLIENT, ...options, port });
    tls.setTimeout(15_000, () => tls.destroy(new Error('nothing happened')));
    tls.once('close', () => reject(new Error('closed')));
    tls.once('error', reject);
    tls.once('secureConnect', () => {
      tls.setTimeout(0);
      tls.off('error', reject);
      tls.on('error', () => undefined);
      resolve(tls);
    });
  });
}

/** Makes one HTTP/2 request over a connection; answers its status, or 0 when the connection is cut first. */
export function request(tls: TLSSocket, headers: http2.OutgoingHttpHeaders): Promise<number> {
  return new Promise((resolve) => {
    const session = http2.connect('https://stranger.invalid', { createConnection: () => tls });
    let status = 0;
    session.on('error', () => undefined);
    session.once('close', () => resolve(status));
    const stream = session.request(headers, { endStream: headers[':method'] === 'GET' });
    stream.on('error', () => undefined);
    stream.once('response', (h) => {
      status = Number(h[':status']);
      session.destroy();
    });
    stream.once('close', () => session.destroy());
  });
}

/** Asks a portal over and over until `stop`, which answers how long each answer took, sorted. */
export class Pulse {
  readonly #port: number;
  readonly #tookMs: number[] = [];
  readonly #done: Promise<void>;
  #isOver = false;

  constructor(port: number, everyMs: number = 50) {
    this.#port = port;
    this.#done = this.#run(everyMs);
    this.#done.catch(() => undefined);
  }
  async #run(everyMs: number): Promise<void> {
    do {
      const text = `pulse ${this.#tookMs.length}`;
      const startMs = performance.now();
      const answer = await exchange(this.#port, Buffer.from(text));
      if (answer.toString() !== text) throw new Error(`the portal answered "${answer}"`);
      this.#tookMs.push(performance.now() - startMs);
      await sleep(everyMs);
    } while (!this.#isOver);
  }
  /** Throws when an exchange failed. */
  async stop(): Promise<{ count: number; medianMs: number; worstMs: number }> {
    this.#isOver = true;
    await this.#done;
    const sorted = this.#tookMs.toSorted((a, b) => a - b);
    return {
      count: sorted.length,
      medianMs: sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY,
      worstMs: sorted.at(-1) ?? Number.POSITIVE_INFINITY,
    };
  }
}
