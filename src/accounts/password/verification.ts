/**
 * Computes what a stored hash was made from and compares, in constant time: one function per kind. All slow work runs
 * on libuv's threads or in a thread of its own, never on the event loop. It must be given only hashes that formats.ts
 * has read, whose costs are within bounds, and must be called only through the queue.
 */
import {
  type Argon2Parameters,
  argon2 as argon2Callback,
  createCipheriv,
  createHmac,
  hash,
  pbkdf2 as pbkdf2Callback,
  scrypt as scryptCallback,
  timingSafeEqual,
} from 'node:crypto';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { bcrypt } from './bcrypt.ts';
import type { CryptWork } from './crypt-worker.ts';
import type {
  Argon2Hash,
  CryptHash,
  DigestHash,
  FirescryptHash,
  ScryptCosts,
  StoredHash,
} from './stored-hash.ts';

const pbkdf2 = promisify(pbkdf2Callback);

/** bcrypt ignores what comes after; two passwords that differ only there would be the same. */
export const BCRYPT_PASSWORD_BYTES_MAX = 72;
/** As libxcrypt has it: the rounds cost in proportion to the password. */
const CRYPT_PASSWORD_BYTES_MAX = 512;

/** Whether the password is the one that the hash was made from. The password's length is bounded by the caller. */
export async function isMatch(password: Buffer, stored: StoredHash): Promise<boolean> {
  switch (stored.kind) {
    case 'bcrypt':
      if (password.length > BCRYPT_PASSWORD_BYTES_MAX) return false;
      return bcrypt().verify(password, stored.encoded);
    case 'argon2':
      return isEqual(stored.key, await deriveArgon2(password, stored, stored.key.length));
    case 'pbkdf2': {
      const { salt, iterations, key, digest } = stored;
      return isEqual(key, await pbkdf2(password, salt, iterations, key.length, digest));
    }
    case 'scrypt':
      return isEqual(
        stored.key,
        await deriveScrypt(password, stored.salt, stored.key.length, stored),
      );
    case 'firescrypt':
      return isEqual(stored.key, await deriveFirescrypt(password, stored));
    case 'digest':
      return isEqual(stored.key, hash(stored.digest, fillTemplate(password, stored), 'buffer'));
    case 'hmac':
      return isEqual(
        stored.key,
        createHmac(stored.digest, stored.secret).update(password).digest(),
      );
    case 'crypt':
      if (password.length > CRYPT_PASSWORD_BYTES_MAX) return false;
      return isEqual(Buffer.from(stored.encoded), Buffer.from(await deriveCrypt(password, stored)));
  }
}

/** Memory that a verification holds while it runs, in KiB; what is small is 0. */
export function memoryKiBOf(stored: StoredHash): number {
  if (stored.kind === 'argon2') return stored.memoryKiB;
  if (stored.kind === 'scrypt' || stored.kind === 'firescrypt')
    return Math.ceil(scryptBytes(stored) / 1_024);
  return 0;
}

function isEqual(expected: Buffer, actual: Buffer): boolean {
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

type Argon2Costs = Pick<
  Argon2Hash,
  'variant' | 'memoryKiB' | 'iterations' | 'parallelism' | 'salt'
>;

/** RFC 9106, version 0x13. */
export function deriveArgon2(
  password: Buffer,
  costs: Argon2Costs,
  keyLength: number,
): Promise<Buffer> {
  const parameters: Argon2Parameters = {
    message: password,
    nonce: costs.salt,
    memory: costs.memoryKiB,
    passes: costs.iterations,
    parallelism: costs.parallelism,
    tagLength: keyLength,
  };
  return new Promise((resolve, reject) => {
    argon2Callback(costs.variant, parameters, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

/** RFC 7914 §6: V and B, and a block of scratch. */
function scryptBytes({ N, r, p }: ScryptCosts): number {
  return 128 * r * (N + p + 2);
}

function deriveScrypt(
  password: Buffer,
  salt: Buffer,
  keyLength: number,
  costs: ScryptCosts,
): Promise<Buffer> {
  const { N, r, p } = costs;
  // The bound that Node asks for is ours already; twice, since OpenSSL counts a little differently.
  const options = { N, r, p, maxmem: 2 * scryptBytes(costs) };
  return new Promise((resolve, reject) => {
    scryptCallback(password, salt, keyLength, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

/** Firebase's scrypt: the derived key encrypts the signer key with AES-256-CTR from a zero counter. */
async function deriveFirescrypt(password: Buffer, stored: FirescryptHash): Promise<Buffer> {
  const salt = Buffer.concat([stored.salt, stored.saltSeparator]);
  const key = await deriveScrypt(password, salt, 32, stored);
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return Buffer.concat([cipher.update(stored.signerKey), cipher.final()]);
}

/** Replaces in the template as it stands: what stands in password or salt is not looked at again. */
function fillTemplate(password: Buffer, { template, salt }: DigestHash): Buffer {
  const parts = template.toString('latin1').split(/(\{PASSWORD\}|\{SALT\})/);
  return Buffer.concat(
    parts.map((part) => {
      if (part === '{PASSWORD}') return password;
      return part === '{SALT}' ? salt : Buffer.from(part, 'latin1');
    }),
  );
}

/** Computes a crypt(3) key in a thread that ends with it. */
function deriveCrypt(password: Buffer, stored: CryptHash): Promise<string> {
  const { scheme, rounds, salt } = stored;
  const work: CryptWork = { scheme, rounds, salt, password };
  return new Promise((resolve, reject) => {
    // The published build has crypt-worker.js beside this file; from the sources it is crypt-worker.ts.
    const extension = extname(fileURLToPath(import.meta.url));
    const thread = new Worker(new URL(`./crypt-worker${extension}`, import.meta.url), {
      workerData: work,
      resourceLimits: { maxOldGenerationSizeMb: 32 },
    });
    thread.once('message', (key: unknown) => resolve(String(key)));
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('The thread for crypt ended without an answer')));
  });
}
