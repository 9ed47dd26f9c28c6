/**
 * The crypt(3) schemes, to verify imported hashes only: md5-crypt (Poul-Henning Kamp's, FreeBSD) and sha256-crypt and
 * sha512-crypt (Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", akkadia.org/drepper/SHA-crypt.txt). Pure; the
 * digests are node:crypto's. Up to a million rounds: it blocks for seconds and belongs into crypt-worker.ts.
 */
import { hash } from 'node:crypto';
import type { CryptHash } from './stored-hash.ts';

export type CryptParameters = Pick<CryptHash, 'scheme' | 'rounds' | 'salt'>;

/** The key of a password, in crypt's base 64 and without salt. */
export function crypt(password: Uint8Array, parameters: CryptParameters): string {
  const { scheme, rounds } = parameters;
  const salt = Buffer.from(parameters.salt, 'latin1');
  if (scheme === 'md5-crypt') return md5Crypt(password, salt, rounds);
  return shaCrypt(scheme === 'sha256-crypt' ? 'sha256' : 'sha512', password, salt, rounds);
}

function digestOf(algorithm: string, parts: readonly Uint8Array[]): Buffer {
  return hash(algorithm, Buffer.concat(parts), 'buffer');
}

/** The bytes, repeated and cut to so many. */
function stretch(bytes: Buffer, length: number): Buffer {
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, bytes);
}

/** One part for every binary digit of the number, lowest first. */
function byBits(number: number, whenOne: Uint8Array, whenZero: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let rest = number; rest > 0; rest >>>= 1) parts.push(rest % 2 === 1 ? whenOne : whenZero);
  return parts;
}

/** What both families repeat: password and salt mixed into the running digest, differently by the round's number. */
function mixRounds(
  algorithm: string,
  first: Buffer,
  password: Uint8Array,
  salt: Uint8Array,
  rounds: number,
): Buffer {
  let current = first;
  for (let round = 0; round < rounds; round++) {
    const isOdd = round % 2 === 1;
    const parts: Uint8Array[] = [isOdd ? password : current];
    if (round % 3 !== 0) parts.push(salt);
    if (round % 7 !== 0) parts.push(password);
    parts.push(isOdd ? current : password);
    current = digestOf(algorithm, parts);
  }
  return current;
}

function md5Crypt(password: Uint8Array, salt: Buffer, rounds: number): string {
  const inner = digestOf('md5', [password, salt, password]);
  const first = digestOf('md5', [
    password,
    Buffer.from('$1$'),
    salt,
    stretch(inner, password.length),
    ...byBits(password.length, Buffer.alloc(1), password.subarray(0, 1)),
  ]);
  const key = mixRounds('md5', first, password, salt, rounds);
  const triples: Triple[] = [0, 1, 2, 3, 4].map((i) => [i, i + 6, i === 4 ? 5 : i + 12]);
  return triples.map((t) => encode(key, t, 4)).join('') + encode(key, [-1, -1, 11], 2);
}

function shaCrypt(
  algorithm: 'sha256' | 'sha512',
  password: Uint8Array,
  salt: Buffer,
  rounds: number,
): string {
  const length = password.length;
  const inner = digestOf(algorithm, [password, salt, password]);
  const first = digestOf(algorithm, [
    password,
    salt,
    stretch(inner, length),
    ...byBits(length, inner, password),
  ]);
  const passwordDigest = hash(algorithm, stretch(Buffer.from(password), length * length), 'buffer');
  const saltDigest = digestOf(algorithm, Array<Buffer>(16 + (first[0] ?? 0)).fill(salt));
  const key = mixRounds(
    algorithm,
    first,
    stretch(passwordDigest, length),
    stretch(saltDigest, salt.length),
    rounds,
  );
  return algorithm === 'sha256' ? encodeSha256(key) : encodeSha512(key);
}

/** Positions in the key, highest byte of the 24 bits first; -1 stands for a zero byte. */
type Triple = readonly [number, number, number];

/** Each triple is the one before, moved on by one and rotated. */
function encodeSha256(key: Buffer): string {
  let text = '';
  let triple: Triple = [0, 10, 20];
  for (let i = 0; i < 10; i++) {
    text += encode(key, triple, 4);
    const [a, b, c] = triple;
    triple = [c + 1, a + 1, b + 1];
  }
  return text + encode(key, [-1, 31, 30], 3);
}

function encodeSha512(key: Buffer): string {
  let text = '';
  let triple: Triple = [0, 21, 42];
  for (let i = 0; i < 21; i++) {
    text += encode(key, triple, 4);
    const [a, b, c] = triple;
    triple = [b + 1, c + 1, a + 1];
  }
  return text + encode(key, [-1, -1, 63], 2);
}

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Crypt's base 64: lowest six bits first. */
function encode(key: Buffer, [high, middle, low]: Triple, chars: number): string {
  let bits = ((key[high] ?? 0) << 16) | ((key[middle] ?? 0) << 8) | (key[low] ?? 0);
  let text = '';
  for (let i = 0; i < chars; i++) {
    text += ALPHABET[bits & 63] ?? '';
    bits >>>= 6;
  }
  return text;
}
