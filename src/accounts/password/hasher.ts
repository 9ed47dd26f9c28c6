/**
 * Hashes passwords and verifies them against hashes of every importable format. Everything goes through one bounded
 * queue, off the event loop. Nobody may learn from the time whether an account exists: an unknown one costs what a
 * real one costs (`verifyNothing`), and so does a wrong password for a hash of another format. A password must never
 * stand in an error, a log or a hash of less cost than configured.
 */
import { availableParallelism } from 'node:os';
import { PosternError } from '../../kernel/index.ts';
import { BOUNDS } from './cost-bounds.ts';
import { readHash } from './formats.ts';
import { createHashQueue, type HashQueue, overload } from './hash-queue.ts';
import {
  type Argon2Settings,
  createArgon2,
  createBcrypt,
  type NativeHash,
  PASSWORD_BYTES_MAX,
} from './native-hash.ts';
import { isMatch, memoryKiBOf } from './verification.ts';

export type { Argon2Settings } from './native-hash.ts';

export interface PasswordHasherSettings {
  readonly algorithm: 'bcrypt' | 'argon2';
  /** 4 to 15; each step doubles the time. */
  readonly bcryptCost: number;
  readonly argon2: Argon2Settings;
  /** Hashes at the same time. Default: one per core, but leaving a thread of libuv's four to files and names. */
  readonly concurrency?: number;
  /** Hashes that may wait, default 512; more are refused at once. */
  readonly waitingMax?: number;
  /** How long one may wait, default 10 seconds. */
  readonly waitMsMax?: number;
}

export interface PasswordHasher {
  /** The longest password that `hash` takes, in bytes of UTF-8. */
  readonly passwordBytesMax: number;
  /** What runs and waits now, for metrics. */
  readonly load: HashQueue['load'];
  /**
   * Runs the whole of a request that will ask for a hash, while there is a place for one. What the queue would refuse is
   * refused here, before it has cost a look into the store.
   *
   * @param network whose request it is: one has a quarter of the places at most
   * @throws PosternError `exhausted` when as many are inside as may run and wait; else what the work throws
   */
  admit<T>(network: string, work: () => Promise<T>): Promise<T>;
  /**
   * A new hash of the configured algorithm: a PHC string of argon2id, or `$2b$`.
   * @throws PosternError `invalid` when the password is longer than `passwordBytesMax`, `exhausted` when overloaded
   */
  hash(password: string): Promise<string>;
  /**
   * Whether the password is the one that was hashed; false too for what is no hash or costs more than the bounds.
   * @throws PosternError `exhausted` when overloaded
   */
  verify(password: string, stored: string): Promise<boolean>;
  /**
   * Whether a hash is of another algorithm than configured or cheaper in any way. The time to replace it is a
   * successful sign-in; a password beyond `passwordBytesMax` has to keep its old hash.
   */
  needsRehash(stored: string): boolean;
  /**
   * Takes the time of a verification, for accounts that do not exist or have no password. Resolves with false.
   * @throws PosternError `exhausted` when overloaded
   */
  verifyNothing(password: string): Promise<false>;
}

/** libuv's pool unless UV_THREADPOOL_SIZE says otherwise; files and name look-ups need one of them. */
const THREADS = 4;
/** Room for the most expensive import that the bounds allow. */
const MEMORY_KIB_MIN = BOUNDS.argon2MemoryKiB.max;
/** At 20 hashes a second more than these would be late anyhow. */
const WAITING_MAX = 512;
const WAIT_MS_MAX = 10_000;
/** Of the places that one network may have, so that it takes several to shut the others out. */
const NETWORK_SHARE = 0.25;

/** @throws PosternError `invalid` when a cost is out of bounds */
export function createPasswordHasher(settings: PasswordHasherSettings): PasswordHasher {
  const concurrency =
    settings.concurrency ?? Math.max(1, Math.min(availableParallelism(), THREADS - 1));
  const native =
    settings.algorithm === 'bcrypt'
      ? createBcrypt(settings.bcryptCost)
      : createArgon2(settings.argon2);
  const waitingMax = settings.waitingMax ?? WAITING_MAX;
  const queue = createHashQueue({
    ...{ concurrency, waitingMax },
    memoryKiBMax: Math.max(MEMORY_KIB_MIN, concurrency * native.memoryKiB),
    waitMsMax: settings.waitMsMax ?? WAIT_MS_MAX,
  });
  return new QueuedHasher(native, queue, concurrency + waitingMax);
}

class QueuedHasher implements PasswordHasher {
  readonly passwordBytesMax: number;
  readonly #native: NativeHash;
  readonly #queue: HashQueue;
  readonly #insideMax: number;
  #inside = 0;
  readonly #insideBy = new Map<string, number>();

  constructor(native: NativeHash, queue: HashQueue, insideMax: number) {
    this.passwordBytesMax = native.passwordBytesMax;
    this.#native = native;
    this.#queue = queue;
    this.#insideMax = insideMax;
  }

  get load(): HashQueue['load'] {
    return this.#queue.load;
  }

  async admit<T>(network: string, work: () => Promise<T>): Promise<T> {
    const own = this.#insideBy.get(network) ?? 0;
    const shareMax = Math.max(1, Math.floor(this.#insideMax * NETWORK_SHARE));
    if (this.#inside >= this.#insideMax || own >= shareMax) throw overload();
    this.#inside += 1;
    this.#insideBy.set(network, own + 1);
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      const left = (this.#insideBy.get(network) ?? 1) - 1;
      if (left === 0) this.#insideBy.delete(network);
      else this.#insideBy.set(network, left);
    }
  }

  async hash(password: string): Promise<string> {
    const bytes = Buffer.from(password);
    if (bytes.length > this.passwordBytesMax)
      throw new PosternError('invalid', 'The password is too long', {
        facts: { bytes_max: this.passwordBytesMax },
      });
    return this.#queue.run(this.#native.memoryKiB, () => this.#native.hash(bytes));
  }

  async verify(password: string, stored: string): Promise<boolean> {
    const read = readHash(stored);
    const bytes = Buffer.from(password);
    if ('problem' in read || bytes.length > PASSWORD_BYTES_MAX) return this.verifyNothing(password);
    const memoryKiB = Math.max(memoryKiBOf(read), this.#native.memoryKiB);
    return this.#queue.run(memoryKiB, async () => {
      if (await isMatch(bytes, read)) return true;
      const isSpent = this.#native.isCurrent(read) && bytes.length <= this.passwordBytesMax;
      if (!isSpent) await this.#spend(bytes);
      return false;
    });
  }

  needsRehash(stored: string): boolean {
    const read = readHash(stored);
    return 'problem' in read || !this.#native.isCurrent(read);
  }

  async verifyNothing(password: string): Promise<false> {
    const bytes = Buffer.from(password);
    return this.#queue.run(this.#native.memoryKiB, async () => {
      await this.#spend(bytes);
      return false as const;
    });
  }

  /** Cut, since a length that verification refuses must take as long as one that it computes. */
  async #spend(password: Buffer): Promise<void> {
    await isMatch(password.subarray(0, this.passwordBytesMax), this.#native.decoy);
  }
}
