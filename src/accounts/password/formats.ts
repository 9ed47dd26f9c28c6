/**
 * Reads a stored password hash without computing anything: which kind it is, its costs, salt and key. The encodings are
 * those in which Ory Kratos keeps and imports hashes (its package `hash`): PHC strings, LDAP's `{SSHA}`, and Kratos's
 * own `$sha256$pf=…`, `$md5$`, `$hmac-…$` and `$firescrypt$`. Pure. What it does not know to the letter it refuses, and
 * so it does costs beyond bounds: an imported hash must never become a way to occupy the machine. A problem names what
 * is wrong, never the hash.
 *
 * DEVIATION: Kratos imports some hashes that any password or none would match (a template without the password, an
 * empty key); they are refused here. `$hmac-md4$` is refused: no MD4 in OpenSSL 3.
 */
import { PosternError } from '../../kernel/index.ts';
import { BOUNDS } from './cost-bounds.ts';
import { type Problem, problem } from './encoding.ts';
import {
  readArgon2,
  readBcrypt,
  readFirescrypt,
  readPbkdf2,
  readScrypt,
} from './formats-costly.ts';
import { readCrypt, readDigest, readHmac, readSsha } from './formats-plain.ts';
import type { StoredHash } from './stored-hash.ts';

export type { Problem } from './encoding.ts';
export type * from './stored-hash.ts';

/** Reads a stored hash, or tells what is wrong with it. Never throws. */
export function readHash(stored: string): StoredHash | Problem {
  if (stored.length > BOUNDS.hashChars) return problem('The password hash is too long');
  for (const [prefix, read] of FORMATS) if (prefix.test(stored)) return read(stored);
  return problem('The format of the password hash is not known');
}

/** @throws PosternError `invalid` when the hash can not be imported */
export function assertImportable(stored: string): void {
  const read = readHash(stored);
  if ('problem' in read) throw new PosternError('invalid', read.problem);
}

type Read = (stored: string) => StoredHash | Problem;

/** In the order in which they are tried; no two prefixes overlap. */
const FORMATS: readonly (readonly [RegExp, Read])[] = [
  [/^\$2[a-z]?\$/, readBcrypt],
  [/^\$argon2id?\$/, readArgon2],
  [/^\$pbkdf2-sha[0-9]{1,3}\$/, readPbkdf2],
  [/^\$scrypt\$/, readScrypt],
  [/^\$firescrypt\$/, readFirescrypt],
  [/^\{SSHA(?:256|512)?\}/, readSsha],
  [/^\$(?:md5|sha1|sha256|sha512)\$/, readDigest],
  [/^\$hmac-[a-z0-9]{1,8}\$/, readHmac],
  [/^\$(?:md5|sha256|sha512)-crypt\$/, readCrypt],
];
