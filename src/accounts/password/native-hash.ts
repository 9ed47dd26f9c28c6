/**
 * The two algorithms in which new hashes are made: argon2id (RFC 9106, node:crypto) and bcrypt (@node-rs/bcrypt). Both
 * run on libuv's threads. It must never be called but through the queue.
 */
import { randomBytes } from 'node:crypto';
import { PosternError } from '../../kernel/index.ts';
import { bcrypt } from './bcrypt.ts';
import { BOUNDS, inBounds } from './cost-bounds.ts';
import { readHash } from './formats.ts';
import type { StoredHash } from './stored-hash.ts';
import { BCRYPT_PASSWORD_BYTES_MAX, deriveArgon2 } from './verification.ts';

export interface Argon2Settings {
  readonly memoryKiB: number;
  /** Passes over the memory. */
  readonly iterations: number;
  /** Lanes; node:crypto computes them one after the other. */
  readonly parallelism: number;
  /** In bytes. */
  readonly saltLength: number;
  /** In bytes. */
  readonly keyLength: number;
}

/** The configured algorithm. */
export interface NativeHash {
  /** The longest password that it takes, in bytes. */
  readonly passwordBytesMax: number;
  /** What one hash holds while it is computed. */
  readonly memoryKiB: number;
  /** A hash that no password has, and that costs to verify what any of this algorithm does. */
  readonly decoy: StoredHash;
  hash(password: Buffer): Promise<string>;
  /** Whether a hash is of this algorithm and costs at least as much. */
  isCurrent(stored: StoredHash): boolean;
}

/** No real password is longer, and each that waits is held in memory. */
export const PASSWORD_BYTES_MAX = 4_096;

/**
 * New hashes as `$2b$`.
 * @param cost - two's exponent of the number of rounds, 4 to 15
 * @throws PosternError `invalid` when the cost is out of bounds
 */
export function createBcrypt(cost: number): NativeHash {
  requireBounds('bcrypt cost', cost, BOUNDS.bcryptCost);
  return {
    passwordBytesMax: BCRYPT_PASSWORD_BYTES_MAX,
    memoryKiB: 0,
    decoy: readOwn(`${bcrypt().genSaltSync({ cost })}${'.'.repeat(31)}`),
    hash: (password) => bcrypt().hash(password, { cost }),
    isCurrent: (stored) => stored.kind === 'bcrypt' && stored.cost >= cost,
  };
}

/**
 * New hashes as PHC strings, `$argon2id$v=19$m=,t=,p=$salt$key`.
 * @throws PosternError `invalid` when a setting is out of bounds
 */
export function createArgon2(settings: Argon2Settings): NativeHash {
  const { memoryKiB, iterations, parallelism, saltLength, keyLength } = settings;
  requireBounds('argon2 memory in KiB', memoryKiB, {
    // RFC 9106 §3.1
    min: Math.max(BOUNDS.argon2MemoryKiB.min, 8 * parallelism),
    max: BOUNDS.argon2MemoryKiB.max,
  });
  requireBounds('argon2 iterations', iterations, BOUNDS.argon2Iterations);
  requireBounds('argon2 parallelism', parallelism, BOUNDS.argon2Parallelism);
  requireBounds('argon2 salt length in bytes', saltLength, BOUNDS.argon2SaltBytes);
  requireBounds('argon2 key length in bytes', keyLength, BOUNDS.keyBytes);
  const encode = (salt: Buffer, key: Buffer): string =>
    `$argon2id$v=19$m=${memoryKiB},t=${iterations},p=${parallelism}$${bare(salt)}$${bare(key)}`;
  return {
    passwordBytesMax: PASSWORD_BYTES_MAX,
    memoryKiB,
    decoy: readOwn(encode(randomBytes(saltLength), randomBytes(keyLength))),
    hash: async (password) => {
      const salt = randomBytes(saltLength);
      const costs = { variant: 'argon2id', memoryKiB, iterations, parallelism, salt } as const;
      return encode(salt, await deriveArgon2(password, costs, keyLength));
    },
    // The number of lanes is no cost: it divides the same memory.
    isCurrent: (stored) =>
      stored.kind === 'argon2' &&
      stored.variant === 'argon2id' &&
      stored.memoryKiB >= memoryKiB &&
      stored.iterations >= iterations &&
      stored.salt.length >= saltLength &&
      stored.key.length >= keyLength,
  };
}

function bare(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

function requireBounds(
  name: string,
  value: number,
  range: { readonly min: number; readonly max: number },
): void {
  if (Number.isInteger(value) && inBounds(value, range)) return;
  throw new PosternError('invalid', `The ${name} must be from ${range.min} to ${range.max}`);
}

/** INVARIANT: what this module writes, formats.ts reads; otherwise nobody could sign in with it. */
function readOwn(encoded: string): StoredHash {
  const read = readHash(encoded);
  if ('problem' in read) throw new PosternError('internal', read.problem);
  return read;
}
