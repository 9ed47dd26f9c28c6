/**
 * Cryptographic identities: an Ed25519 key (RFC 8032), an identifier derived from the first public key by a hash,
 * and a signed change history that lets the key rotate while the identifier stays. The encoding is Ockam's
 * (CBOR, RFC 8949): a history is a list of changes [data, signature, previous_signature?]; data is
 * [version, data type, bytes]; those bytes are [previous change, key, revoke_all_purpose_keys, valid from, valid until].
 *
 * INVARIANT: an identifier is `I` + SHA-256 of the first change's data; every later change names the hash of the one
 * before it and is signed by the new and by the previous key. A history that breaks this is refused whole.
 * This module never touches a clock, a file or a socket.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { decode, encode } from 'cborg';
import { PosternError } from '../kernel/index.ts';

export interface Identity {
  /** `I` followed by 64 lower-case hex digits. */
  readonly identifier: string;
  readonly changeHistory: Buffer;
}
export interface IdentityKeys {
  readonly identity: Identity;
  /** The current Ed25519 private key. */
  readonly privateKey: KeyObject;
}
export interface IdentityChange {
  readonly hash: Buffer;
  readonly publicKey: KeyObject;
  readonly revokeAllPurposeKeys: boolean;
  /** Seconds since the Unix epoch. */
  readonly validFrom: number;
  readonly validUntil: number;
}
export interface VerifiedHistory {
  readonly identifier: string;
  /** The current public key. */
  readonly publicKey: KeyObject;
  readonly changes: readonly IdentityChange[];
}

const TEN_YEARS_S = 10 * 365 * 24 * 3600;
const CHANGE_VERSION = 1;
const CHANGE_DATA_TYPE = 1;
const ED25519 = 0;
/** A history of this size holds about 150 rotations; more is hostile. */
const HISTORY_BYTES_MAX = 32 * 1024;
/** The fixed DER head of an Ed25519 SubjectPublicKeyInfo (RFC 8410 section 4). */
const ED25519_SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const refuse = (why: string, cause?: unknown): PosternError =>
  new PosternError('invalid', `The identity's change history is not valid: ${why}`, { cause });

/** Is the text an identifier: `I` and 64 lower-case hex digits? */
export function isIdentifier(text: string): boolean {
  return /^I[0-9a-f]{64}$/.test(text);
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(ED25519_SPKI_HEAD.length);
}

function encodeChangeData(key: KeyObject, previous: Buffer | null, nowMs: number): Buffer {
  const from = Math.floor(nowMs / 1000);
  const body = encode([previous, [ED25519, [rawPublicKey(key)]], false, from, from + TEN_YEARS_S]);
  return Buffer.from(encode([CHANGE_VERSION, CHANGE_DATA_TYPE, body]));
}

const encodeSignature = (signature: Buffer): unknown => [ED25519, [signature]];

/** Makes a fresh identity with one change in its history, valid for ten years. */
export function createIdentity(nowMs: number = Date.now()): IdentityKeys {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const data = encodeChangeData(publicKey, null, nowMs);
  const hash = sha256(data);
  const changeHistory = Buffer.from(
    encode([[data, encodeSignature(sign(null, hash, privateKey))]]),
  );
  return { identity: { identifier: `I${hash.toString('hex')}`, changeHistory }, privateKey };
}

/** Rotates to a fresh key by a change signed with the new and the old key; the identifier stays. Throws `exhausted`. */
export function rotateIdentity(keys: IdentityKeys, nowMs: number): IdentityKeys {
  const verified = verifyChangeHistory(keys.identity.changeHistory);
  const last = verified.changes.at(-1);
  if (last === undefined) throw refuse('it is empty');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const data = encodeChangeData(publicKey, last.hash, nowMs);
  const hash = sha256(data);
  const changes = asArray(decodeStrict(keys.identity.changeHistory), 'history');
  const change = [
    data,
    encodeSignature(sign(null, hash, privateKey)),
    encodeSignature(sign(null, hash, keys.privateKey)),
  ];
  const changeHistory = Buffer.from(encode([...changes, change]));
  // Nobody would verify it, and the old key would be gone.
  if (changeHistory.length > HISTORY_BYTES_MAX)
    throw new PosternError('exhausted', 'The identity has rotated as often as it can');
  return { identity: { identifier: keys.identity.identifier, changeHistory }, privateKey };
}

function decodeStrict(bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch (cause) {
    throw refuse('it is not CBOR', cause);
  }
}

function asArray(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw refuse(`${what} is not a list`);
  return value;
}

function asBytes(value: unknown, length: number | undefined, what: string): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw refuse(`${what} is not a byte string of the right length`);
  return value;
}

function tagged(value: unknown, length: number, what: string): Uint8Array {
  const [tag, inner] = asArray(value, what);
  if (tag !== ED25519) throw refuse(`${what} is not Ed25519, the only kind that is supported`);
  return asBytes(asArray(inner, what)[0], length, what);
}

function decodeChange(data: Uint8Array): IdentityChange & { readonly previous: Uint8Array | null } {
  const [version, type, body] = asArray(decodeStrict(data), 'a change');
  if (version !== CHANGE_VERSION || type !== CHANGE_DATA_TYPE)
    throw refuse('unknown change version');
  const [previous, key, revokeAll, from, until] = asArray(
    decodeStrict(asBytes(body, undefined, 'change data')),
    'change data',
  );
  if (typeof revokeAll !== 'boolean' || typeof from !== 'number' || typeof until !== 'number')
    throw refuse('a field of a change has the wrong type');
  const der = Buffer.concat([ED25519_SPKI_HEAD, tagged(key, 32, 'a public key')]);
  return {
    hash: sha256(data),
    publicKey: createPublicKey({ key: der, format: 'der', type: 'spki' }),
    revokeAllPurposeKeys: revokeAll,
    validFrom: from,
    validUntil: until,
    previous: previous === null ? null : asBytes(previous, 32, 'previous change'),
  };
}

/**
 * Verifies a change history from its first change to its last. Throws `invalid`.
 * @param nowMs when given, the current key must be within its validity (milliseconds since the epoch).
 */
export function verifyChangeHistory(bytes: Uint8Array, nowMs?: number): VerifiedHistory {
  if (bytes.length > HISTORY_BYTES_MAX) throw refuse('it is too long');
  const changes: IdentityChange[] = [];
  for (const item of asArray(decodeStrict(bytes), 'history')) {
    const [data, signature, previousSignature] = asArray(item, 'a change');
    const change = decodeChange(asBytes(data, undefined, 'change data'));
    const last = changes.at(-1);
    if (!verify(null, change.hash, change.publicKey, tagged(signature, 64, 'a signature')))
      throw refuse('a signature does not match');
    if (last === undefined) {
      if (change.previous !== null) throw refuse('the first change names a previous one');
    } else {
      if (change.previous === null || !last.hash.equals(change.previous))
        throw refuse('a change does not follow the one before it');
      if (change.validFrom < last.validFrom)
        throw refuse('a change is older than the one before it');
      const previous = tagged(previousSignature, 64, 'a previous signature');
      if (!verify(null, change.hash, last.publicKey, previous))
        throw refuse('a change is not signed by the key before it');
    }
    changes.push(change);
  }
  const [first] = changes;
  const current = changes.at(-1);
  if (first === undefined || current === undefined) throw refuse('it is empty');
  if (nowMs !== undefined && nowMs / 1000 > current.validUntil) throw refuse('its key has expired');
  return { identifier: `I${first.hash.toString('hex')}`, publicKey: current.publicKey, changes };
}

/** Encodes a private key for the home's database (PKCS #8 PEM). */
export function exportPrivateKey(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

/** Reads a private key that `exportPrivateKey` wrote. */
export function importPrivateKey(pem: string): KeyObject {
  return createPrivateKey(pem);
}
