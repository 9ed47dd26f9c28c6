/**
 * Reads the hashes of older systems: LDAP's salted SHA, plain digests over a template, HMAC, and the crypt(3) family.
 * Pure; see formats.ts. All but the last are fast to guess: they are taken over to be replaced at the next sign-in.
 */
import { BOUNDS, inBounds } from './cost-bounds.ts';
import { decodeBase64, type Problem, problem, readNumbers } from './encoding.ts';
import type { CryptHash, DigestHash, HmacHash } from './stored-hash.ts';

const DIGEST_BYTES: ReadonlyMap<string, number> = new Map([
  ['md5', 16],
  ['sha1', 20],
  ['sha224', 28],
  ['sha256', 32],
  ['sha384', 48],
  ['sha512', 64],
]);

const SSHA_DIGEST: ReadonlyMap<string, DigestHash['digest']> = new Map([
  ['SSHA', 'sha1'],
  ['SSHA256', 'sha256'],
  ['SSHA512', 'sha512'],
]);

const PASSWORD_THEN_SALT = Buffer.from('{PASSWORD}{SALT}');
const PASSWORD_ALONE = Buffer.from('{PASSWORD}');

/** `{SSHA256}` and base 64 of the digest, followed by at least one byte of salt. */
export function readSsha(stored: string): DigestHash | Problem {
  const end = stored.indexOf('}');
  const digest = SSHA_DIGEST.get(stored.slice(1, end));
  const bytes = decodeBase64(stored.slice(end + 1), 'padded');
  const keyBytes = DIGEST_BYTES.get(digest ?? '') ?? 0;
  if (digest === undefined || bytes === undefined || bytes.length <= keyBytes)
    return problem('The SSHA hash is malformed or has no salt');
  const [key, salt] = [bytes.subarray(0, keyBytes), bytes.subarray(keyBytes)];
  return { kind: 'digest', digest, template: PASSWORD_THEN_SALT, salt, key };
}

const DIGESTS: readonly DigestHash['digest'][] = ['md5', 'sha1', 'sha256', 'sha512'];

/** `$sha256$pf=template$salt$key`, also md5; and `$md5$key` without salt. Base 64 with padding throughout. */
export function readDigest(stored: string): DigestHash | Problem {
  const [, name, ...parts] = stored.split('$');
  const digest = DIGESTS.find((d) => d === name);
  if (digest === undefined) return problem('The digest of the password hash is not known');
  const isBare = digest === 'md5' && parts.length === 1;
  const [templateText, saltText, keyText] = isBare ? ['', '', parts[0]] : parts;
  if (keyText === undefined || parts.length > 3) return problem(`The ${digest} hash is malformed`);
  const key = decodeBase64(keyText, 'padded');
  if (key?.length !== DIGEST_BYTES.get(digest) || key === undefined)
    return problem(`The ${digest} hash has not the length of its digest`);
  if (isBare)
    return { kind: 'digest', digest, template: PASSWORD_ALONE, salt: Buffer.alloc(0), key };
  const template = readTemplate(templateText ?? '');
  const salt = decodeBase64(saltText, 'padded');
  if (template === undefined || salt === undefined)
    return problem(`The template or salt of the ${digest} hash is malformed`);
  return { kind: 'digest', digest, template, salt, key };
}

/** A template must have the password in it, or any password would match. */
function readTemplate(text: string): Buffer | undefined {
  if (!text.startsWith('pf=')) return undefined;
  const template = decodeBase64(text.slice('pf='.length), 'padded');
  return template !== undefined &&
    template.length <= BOUNDS.templateBytes &&
    template.includes(PASSWORD_ALONE)
    ? template
    : undefined;
}

/** `$hmac-sha256$key$secret`: base 64 with padding, of the MAC in hexadecimal and of the secret. */
export function readHmac(stored: string): HmacHash | Problem {
  const [, name = '', keyText, secretText, ...more] = stored.split('$');
  const digest = name.slice('hmac-'.length);
  const bytes = DIGEST_BYTES.get(digest);
  if (bytes === undefined) return problem('The digest of the hmac hash is not supported');
  if (secretText === undefined || more.length > 0) return problem('The hmac hash is malformed');
  const hex = decodeBase64(keyText, 'padded')?.toString('latin1') ?? '';
  const secret = decodeBase64(secretText, 'padded');
  if (secret === undefined || !/^[0-9a-f]+$/.test(hex) || hex.length !== 2 * bytes)
    return problem('The MAC or secret of the hmac hash is malformed');
  return { kind: 'hmac', digest, secret, key: Buffer.from(hex, 'hex') };
}

/** By scheme: how long salt and key are, and how many rounds unless the hash says it. */
const CRYPT = {
  'md5-crypt': { saltChars: 8, keyChars: 22, rounds: 1_000 },
  'sha256-crypt': { saltChars: 16, keyChars: 43, rounds: 5_000 },
  'sha512-crypt': { saltChars: 16, keyChars: 86, rounds: 5_000 },
} as const;

/** `$sha512-crypt$rounds=N$salt$key`, the rounds optional and never with md5-crypt. */
export function readCrypt(stored: string): CryptHash | Problem {
  const [, name = '', ...parts] = stored.split('$');
  const scheme = SCHEMES.find((s) => s === name);
  if (scheme === undefined) return problem('The scheme of the crypt hash is not known');
  const { saltChars, keyChars, rounds: defaultRounds } = CRYPT[scheme];
  const hasRounds = scheme !== 'md5-crypt' && parts.length === 3;
  const [rounds] = hasRounds ? readNumbers(parts.shift(), ['rounds']) : [defaultRounds];
  const [salt, encoded, ...more] = parts;
  if (!inBounds(rounds, BOUNDS.cryptRounds))
    return problem(`The rounds of the ${scheme} hash are malformed or out of bounds`);
  if (salt === undefined || salt.length > saltChars || !/^[!-~]*$/.test(salt) || more.length > 0)
    return problem(`The ${scheme} hash is malformed`);
  if (encoded?.length !== keyChars || !/^[./0-9A-Za-z]+$/.test(encoded))
    return problem(`The ${scheme} hash has not the length of its digest`);
  return { kind: 'crypt', scheme, rounds, salt, encoded };
}

const SCHEMES: readonly CryptHash['scheme'][] = ['md5-crypt', 'sha256-crypt', 'sha512-crypt'];
