/**
 * Password hashing off the event loop, at most as many at once as there are cores, with a bounded queue: what can not be
 * hashed soon is refused at once (`exhausted`), so that a flood of logins takes neither the memory nor the answers of
 * others. Argon2id (RFC 9106) by node:crypto, bcrypt by @node-rs/bcrypt; other formats are verified alone.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { PosternError } from '../../kernel/index.ts';
import type { PasswordHasher } from '../services.ts';

const argon2Async = promisify(argon2);
/** Loaded when it is wanted: native code that most servers never run. */
const bcrypt = (): Promise<typeof import('@node-rs/bcrypt')> => import('@node-rs/bcrypt');
const WAITING_MAX = 512;
const WAIT_MS_MAX = 10_000;
/** What an imported hash may cost at most. */
const MEMORY_KIB_MAX = 1_048_576;
const ITERATIONS_MAX = 10;
const BCRYPT_COST_MAX = 16;

export interface HasherOptions {
  readonly algorithm: 'bcrypt' | 'argon2';
  readonly bcryptCost: number;
  readonly argon2: {
    readonly memoryKiB: number;
    readonly iterations: number;
    readonly parallelism: number;
    readonly saltLength: number;
    readonly keyLength: number;
  };
  readonly concurrency?: number;
}

class Lane {
  readonly #places: number;
  readonly #waiting: { readonly start: () => void; readonly timer: NodeJS.Timeout }[] = [];
  #inside = 0;
  constructor(places: number) {
    this.#places = places;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#places) await this.#wait();
    else this.#inside++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside--;
      else next.start();
    }
  }

  #wait(): Promise<void> {
    const busy = (): PosternError =>
      new PosternError('exhausted', 'Too many people sign in at this moment. Try again shortly.');
    if (this.#waiting.length >= WAITING_MAX) throw busy();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(busy());
      }, WAIT_MS_MAX);
      const entry = {
        start: () => {
          clearTimeout(timer);
          resolve();
        },
        timer,
      };
      this.#waiting.push(entry);
    });
  }
}

interface Argon2Parts {
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}
const PHC =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

function readArgon2(stored: string): Argon2Parts | undefined {
  const [, m, t, p, salt, key] = PHC.exec(stored) ?? [];
  if (salt === undefined || key === undefined) return undefined;
  const parts = {
    memoryKiB: Number(m),
    iterations: Number(t),
    parallelism: Number(p),
    salt: Buffer.from(salt, 'base64'),
    key: Buffer.from(key, 'base64'),
  };
  const isBounded = parts.memoryKiB <= MEMORY_KIB_MAX && parts.iterations <= ITERATIONS_MAX;
  return isBounded ? parts : undefined;
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

class QueuedHasher implements PasswordHasher {
  readonly #options: HasherOptions;
  readonly #lane: Lane;
  readonly #nobody: Promise<string>;
  constructor(options: HasherOptions) {
    this.#options = options;
    this.#lane = new Lane(options.concurrency ?? availableParallelism());
    this.#nobody = this.hash(randomBytes(16).toString('hex'));
  }

  hash(password: string): Promise<string> {
    const { algorithm, bcryptCost, argon2: o } = this.#options;
    if (algorithm === 'bcrypt')
      return this.#lane.run(async () => (await bcrypt()).hash(password, { cost: bcryptCost }));
    return this.#lane.run(async () => {
      const salt = randomBytes(o.saltLength);
      const key = await this.#argon2(password, { ...o, salt, key: Buffer.alloc(o.keyLength) });
      return `$argon2id$v=19$m=${o.memoryKiB},t=${o.iterations},p=${o.parallelism}$${unpadded(salt)}$${unpadded(key)}`;
    });
  }

  async verify(password: string, stored: string): Promise<boolean> {
    if (/^\$2[aby]\$/.test(stored)) {
      if (Number(stored.slice(4, 6)) > BCRYPT_COST_MAX) return false;
      return this.#lane.run(async () =>
        (await bcrypt()).verify(password, stored).catch(() => false),
      );
    }
    const parts = readArgon2(stored);
    if (parts === undefined) return false;
    return this.#lane.run(async () => {
      const key = await this.#argon2(password, parts);
      return key.length === parts.key.length && timingSafeEqual(key, parts.key);
    });
  }

  needsRehash(stored: string): boolean {
    const { algorithm, bcryptCost, argon2: o } = this.#options;
    if (algorithm === 'bcrypt')
      return !/^\$2[aby]\$/.test(stored) || Number(stored.slice(4, 6)) !== bcryptCost;
    const parts = readArgon2(stored);
    return (
      parts === undefined ||
      parts.memoryKiB !== o.memoryKiB ||
      parts.iterations !== o.iterations ||
      parts.parallelism !== o.parallelism
    );
  }

  async verifyNothing(password: string): Promise<void> {
    await this.verify(password, await this.#nobody);
  }

  #argon2(password: string, o: Argon2Parts): Promise<Buffer> {
    return argon2Async('argon2id', {
      message: password,
      nonce: o.salt,
      parallelism: o.parallelism,
      tagLength: o.key.length,
      memory: o.memoryKiB,
      passes: o.iterations,
    });
  }
}

export function createPasswordHasher(options: HasherOptions): PasswordHasher {
  return new QueuedHasher(options);
}
