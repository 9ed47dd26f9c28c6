/**
 * Checksummed transfers for tests that break things. Each direction is an AES-CTR keystream whose key and length both
 * ends know beforehand, so the receiver compares every byte: stronger than a hash, and it also judges a cut transfer's
 * first part. What a receiver saw is one of four: `whole`, `cut` (a reset or an error), `short` (a clean end with bytes
 * missing) and `corrupt`. The last two are what a portal must never show.
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

const MAGIC = Buffer.from('TRSF');
const KEY_BYTES = 16;
/** Magic, the keys of both directions, their lengths. */
const HEADER_BYTES: number = MAGIC.length + 2 * KEY_BYTES + 16;
const CHUNK_BYTES = 256 * 1024;
const ZEROES = Buffer.alloc(CHUNK_BYTES);
/** How long the target's verdict may come after the app's: a dead peer is noticed within 15 s. */
const VERDICT_MS = 15_000;
/** Silence after which the app gives up. */
const IDLE_MS = 40_000;
const WORKS_IDLE_MS = 2_000;

export interface Verdict {
  readonly kind: 'whole' | 'cut' | 'short' | 'corrupt';
  readonly bytes: number;
  readonly why: string;
  /** When it was final, in performance.now() milliseconds. */
  readonly atMs: number;
}
/** Bytes from the app to the target (`up`) and from the target to the app. */
export interface TransferSize {
  readonly up: number;
  readonly down: number;
}
export interface TransferVerdicts {
  /** What the target received. `cut` with 0 bytes when the connection never came to it. */
  readonly up: Verdict;
  /** What the app received. */
  readonly down: Verdict;
}

class Keystream {
  readonly #cipher;
  constructor(key: Buffer) {
    this.#cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  }
  next(bytes: number): Buffer {
    if (bytes <= CHUNK_BYTES) return this.#cipher.update(ZEROES.subarray(0, bytes));
    return this.#cipher.update(Buffer.alloc(bytes));
  }
}

/** Sends the keystream, then half-closes. Stops quietly when the socket is gone: the receiver's verdict tells. */
async function send(socket: net.Socket, key: Buffer, length: number): Promise<void> {
  const stream = new Keystream(key);
  for (let left = length; left > 0; left -= CHUNK_BYTES) {
    if (socket.destroyed) return;
    if (!socket.write(stream.next(Math.min(left, CHUNK_BYTES))))
      await new Promise<void>((resolve) => {
        const done = (): void => {
          socket.off('drain', done);
          socket.off('close', done);
          resolve();
        };
        socket.on('drain', done);
        socket.on('close', done);
      });
  }
  if (!socket.destroyed) socket.end();
}

/** Judges what arrives. `first` is what was read already. */
function judge(socket: net.Socket, key: Buffer, length: number, first: Buffer): Promise<Verdict> {
  return new Promise((resolve) => {
    const stream = new Keystream(key);
    let bytes = 0;
    let failure = 'closed without an end';
    const say = (kind: Verdict['kind'], why: string): void =>
      resolve({ kind, bytes, why, atMs: performance.now() });
    const take = (chunk: Buffer): void => {
      if (!chunk.equals(stream.next(chunk.length)) || bytes + chunk.length > length) {
        say('corrupt', `at byte ${bytes}`);
        socket.destroy();
        return;
      }
      bytes += chunk.length;
    };
    if (first.length > 0) take(first);
    socket.on('data', take);
    socket.on('end', () => {
      if (bytes === length) say('whole', '');
      else say('short', `a clean end after ${bytes} of ${length} bytes`);
    });
    socket.on('error', (error) => {
      failure = error.message;
    });
    socket.on('close', () => say('cut', failure));
  });
}

/** The service behind the outlet: receives one direction and sends the other at the same time. */
export class TransferTarget {
  readonly #server: net.Server;
  readonly #verdicts = new Map<string, Verdict>();
  readonly #waiting = new Map<string, (verdict: Verdict) => void>();
  /** Connections that ended cleanly before their header was whole: a cut that was shown as an end. */
  #early: Verdict[] = [];
  readonly #onVerdict: ((verdict: Verdict) => void) | undefined;
  port = 0;

  /** `onVerdict` hears each verdict of this end as it is final. */
  constructor(onVerdict?: (verdict: Verdict) => void) {
    this.#onVerdict = onVerdict;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (s) => this.#serve(s));
  }
  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }
  close(): void {
    this.#server.close();
  }
  /** Hands out what ended before its header was whole, since the last call. */
  takeEarly(): Verdict[] {
    return this.#early.splice(0);
  }

  #serve(socket: net.Socket): void {
    let head: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    const onEnd = (): void => {
      this.#early.push({
        kind: 'short',
        bytes: head.length,
        why: 'an end before the header',
        atMs: performance.now(),
      });
      socket.end();
    };
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      if (head.length < HEADER_BYTES) return;
      socket.off('data', onData);
      socket.off('end', onEnd);
      const at = MAGIC.length;
      const up = head.subarray(at, at + KEY_BYTES);
      const down = head.subarray(at + KEY_BYTES, at + 2 * KEY_BYTES);
      const upLength = Number(head.readBigUInt64BE(at + 2 * KEY_BYTES));
      const downLength = Number(head.readBigUInt64BE(at + 2 * KEY_BYTES + 8));
      void judge(socket, up, upLength, head.subarray(HEADER_BYTES)).then((verdict) => {
        const id = up.toString('hex');
        this.#verdicts.set(id, verdict);
        this.#waiting.get(id)?.(verdict);
        this.#onVerdict?.(verdict);
      });
      void send(socket, down, downLength);
    };
    socket.on('data', onData);
    socket.on('end', onEnd);
  }

  /** What the target saw of a transfer; waits for it a while when the app's connection ended first. */
  async verdictOf(id: string): Promise<Verdict> {
    const known = this.#verdicts.get(id);
    if (known !== undefined) return known;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () =>
          resolve({
            kind: 'cut',
            bytes: 0,
            why: 'it never came to the target',
            atMs: performance.now(),
          }),
        VERDICT_MS,
      );
      this.#waiting.set(id, (verdict) => {
        clearTimeout(timer);
        resolve(verdict);
      });
    });
  }

  #start(
    inletPort: number,
    size: TransferSize,
    idleMs: number,
  ): { id: string; down: Promise<Verdict> } {
    const up = randomBytes(KEY_BYTES);
    const down = randomBytes(KEY_BYTES);
    const lengths = Buffer.alloc(16);
    lengths.writeBigUInt64BE(BigInt(size.up), 0);
    lengths.writeBigUInt64BE(BigInt(size.down), 8);
    const socket = net.connect({ port: inletPort, host: '127.0.0.1', allowHalfOpen: true });
    socket.setNoDelay(true);
    socket.setTimeout(idleMs, () => socket.destroy(new Error(`nothing moved for ${idleMs} ms`)));
    const judged = judge(socket, down, size.down, Buffer.alloc(0)).then((verdict) => {
      // A cut connection has no second chance; what the target saw of it is final soon.
      if (verdict.kind !== 'whole') socket.destroy();
      return verdict;
    });
    socket.write(Buffer.concat([MAGIC, up, down, lengths]));
    void send(socket, up, size.up);
    return { id: up.toString('hex'), down: judged };
  }

  /** Runs one transfer through an inlet, both ways at once. */
  async transfer(inletPort: number, size: TransferSize): Promise<TransferVerdicts> {
    const { id, down } = this.#start(inletPort, size, IDLE_MS);
    return { down: await down, up: await this.verdictOf(id) };
  }

  /** Runs one transfer to a target in another process; answers what the app received. */
  asApp(inletPort: number, size: TransferSize): Promise<Verdict> {
    return this.#start(inletPort, size, IDLE_MS).down;
  }

  /** Does a small transfer arrive whole both ways? Throws what went wrong. */
  async works(inletPort: number, bytes: number = 1000): Promise<void> {
    const { id, down } = this.#start(inletPort, { up: bytes, down: bytes }, WORKS_IDLE_MS);
    const verdict = await down;
    if (verdict.kind !== 'whole') throw new Error(`down ${verdict.kind}: ${verdict.why}`);
    const other = await this.verdictOf(id);
    if (other.kind !== 'whole') throw new Error(`up ${other.kind}: ${other.why}`);
  }
}
