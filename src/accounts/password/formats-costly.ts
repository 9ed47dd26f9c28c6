/**
 * Reads the hashes made to be slow: bcrypt, argon2, PBKDF2, scrypt and Firebase's scrypt. Pure; see formats.ts. Every
 * cost is held against its bound before anything else is looked at.
 */
import { BOUNDS, inBounds } from './cost-bounds.ts';
import { decodeBase64, decodeKey, type Problem, problem, readNumbers } from './encoding.ts';
import type {
  Argon2Hash,
  BcryptHash,
  FirescryptHash,
  Pbkdf2Hash,
  ScryptCosts,
  ScryptHash,
} from './stored-hash.ts';

const BCRYPT =
  /^\$2(?<letter>[abyz]?)\$(?<cost>[0-9]{2})\$(?<rest>[./A-Za-z0-9]{52}[.CGKOSWaeimquy26])$/;

/** 23 bytes of key leave two bits unused in the last character: they must be zero, or two spellings would match. */
export function readBcrypt(stored: string): BcryptHash | Problem {
  const { letter, cost: digits, rest } = BCRYPT.exec(stored)?.groups ?? {};
  if (rest === undefined) return problem('The bcrypt hash is malformed');
  const cost = Number(digits);
  if (!inBounds(cost, BOUNDS.bcryptCost))
    return problem('The cost of the bcrypt hash is out of bounds');
  // `$2$` and `$2z$` are computed like `$2b$`; `$2x$` marks the hashes of a faulty library and is not taken.
  const version = letter === '' || letter === 'z' ? 'b' : letter;
  return { kind: 'bcrypt', cost, encoded: `$2${version}$${digits}$${rest}` };
}

/** `$argon2id$v=19$m=,t=,p=$salt$key`, base 64 without padding. */
export function readArgon2(stored: string): Argon2Hash | Problem {
  const [, variant, version, costs, saltText, keyText, ...more] = stored.split('$');
  if (keyText === undefined || more.length > 0) return problem('The argon2 hash is malformed');
  if (version !== 'v=19') return problem('The argon2 hash is of another version than 19');
  const [memoryKiB, iterations, parallelism] = readNumbers(costs, ['m', 't', 'p']);
  if (
    !inBounds(memoryKiB, BOUNDS.argon2MemoryKiB) ||
    !inBounds(iterations, BOUNDS.argon2Iterations) ||
    !inBounds(parallelism, BOUNDS.argon2Parallelism) ||
    // RFC 9106 §3.1
    memoryKiB < 8 * parallelism
  )
    return problem('The costs of the argon2 hash are malformed or out of bounds');
  const salt = decodeBase64(saltText, 'bare');
  const key = decodeKey(keyText, 'bare');
  if (salt === undefined || !inBounds(salt.length, BOUNDS.argon2SaltBytes) || key === undefined)
    return problem('The salt or key of the argon2 hash is malformed or of a wrong length');
  return {
    kind: 'argon2',
    variant: variant === 'argon2i' ? 'argon2i' : 'argon2id',
    memoryKiB,
    iterations,
    parallelism,
    salt,
    key,
  };
}

/** Kratos computes `sha224` and `sha384` with SHA-3; so its hashes verify only that way. */
const PBKDF2_DIGEST: ReadonlyMap<string, string> = new Map([
  ['sha1', 'sha1'],
  ['sha224', 'sha3-224'],
  ['sha256', 'sha256'],
  ['sha384', 'sha3-384'],
  ['sha512', 'sha512'],
]);

/** `$pbkdf2-sha256$i=,l=$salt$key`, base 64 without padding. */
export function readPbkdf2(stored: string): Pbkdf2Hash | Problem {
  const [, name = '', costs, saltText, keyText, ...more] = stored.split('$');
  if (keyText === undefined || more.length > 0) return problem('The pbkdf2 hash is malformed');
  const digest = PBKDF2_DIGEST.get(name.slice('pbkdf2-'.length));
  if (digest === undefined) return problem('The digest of the pbkdf2 hash is not known');
  // The key says its length itself; `l` is redundant, and Kratos ignores it too.
  const [iterations] = readNumbers(costs, ['i', 'l']);
  if (!inBounds(iterations, BOUNDS.pbkdf2Iterations))
    return problem('The costs of the pbkdf2 hash are malformed or out of bounds');
  const salt = decodeBase64(saltText, 'bare');
  const key = decodeKey(keyText, 'bare');
  if (salt === undefined || key === undefined)
    return problem('The salt or key of the pbkdf2 hash is malformed or of a wrong length');
  return { kind: 'pbkdf2', digest, iterations, salt, key };
}

/** `ln` is N itself in Kratos, not its logarithm as the name says. */
function readScryptCosts(text: string | undefined, isLogarithm: boolean): ScryptCosts | undefined {
  const [ln, r, p] = readNumbers(text, ['ln', 'r', 'p']);
  const N = isLogarithm ? 2 ** ln : ln;
  // RFC 7914 §2: a power of two.
  const isPower = Number.isInteger(Math.log2(N));
  return inBounds(N, BOUNDS.scryptN) &&
    isPower &&
    inBounds(r, BOUNDS.scryptR) &&
    inBounds(p, BOUNDS.scryptP)
    ? { N, r, p }
    : undefined;
}

/** `$scrypt$ln=N,r=,p=$salt$key`, base 64 with padding. */
export function readScrypt(stored: string): ScryptHash | Problem {
  const [, , costsText, saltText, keyText, ...more] = stored.split('$');
  if (keyText === undefined || more.length > 0) return problem('The scrypt hash is malformed');
  const costs = readScryptCosts(costsText, false);
  if (costs === undefined)
    return problem('The costs of the scrypt hash are malformed or out of bounds (ln is N itself)');
  const salt = decodeBase64(saltText, 'padded');
  const key = decodeKey(keyText, 'padded');
  if (salt === undefined || key === undefined)
    return problem('The salt or key of the scrypt hash is malformed or of a wrong length');
  return { kind: 'scrypt', ...costs, salt, key };
}

/** `$firescrypt$ln=log2(N),r=,p=$salt$key$separator$signer`, base 64 with padding. */
export function readFirescrypt(stored: string): FirescryptHash | Problem {
  const [, , costsText, saltText, keyText, separatorText, signerText, ...more] = stored.split('$');
  if (signerText === undefined || more.length > 0)
    return problem('The firescrypt hash is malformed');
  const costs = readScryptCosts(costsText, true);
  if (costs === undefined)
    return problem('The costs of the firescrypt hash are malformed or out of bounds');
  const salt = decodeBase64(saltText, 'padded');
  const saltSeparator = decodeBase64(separatorText, 'padded');
  const key = decodeKey(keyText, 'padded');
  const signerKey = decodeKey(signerText, 'padded');
  if (salt === undefined || saltSeparator === undefined || key?.length !== signerKey?.length)
    return problem('The salt, separator or key of the firescrypt hash is malformed');
  if (key === undefined || signerKey === undefined)
    return problem('The key or signer key of the firescrypt hash is malformed');
  return { kind: 'firescrypt', ...costs, salt, saltSeparator, signerKey, key };
}
