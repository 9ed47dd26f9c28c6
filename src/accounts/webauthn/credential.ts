/**
 * Public keys of security keys and passkeys as a credential keeps them, in Kratos's shape, so that they come in and go
 * out by the admin API. Pure.
 */
import {
  type Account,
  type Credential,
  isJsonObject,
  type Json,
  type JsonObject,
} from '../account.ts';

export type KeyType = 'webauthn' | 'passkey';

/** One registered key. */
export interface PublicKey {
  /** Of the authenticator's choice, base64url. */
  readonly id: string;
  /** COSE, base64url. */
  readonly publicKey: string;
  readonly signCount: number;
  readonly displayName: string;
  readonly addedAtMs: number;
  /** Whether it is a way to sign in by itself, and not a second factor. */
  readonly isPasswordless: boolean;
  readonly aaguid: string;
  /** Its counter once did not advance: there may be a copy of it. */
  readonly hasCloneWarning: boolean;
  /** As it was stored: what else Kratos keeps of a key (`flags`, `transport`) goes out as it came in. */
  readonly raw: JsonObject;
}

export interface KeyRing {
  readonly keys: readonly PublicKey[];
  /** What the authenticator calls the person by, base64url of its bytes. */
  readonly userHandle: string;
}

const textOf = (o: JsonObject, name: string): string => {
  const value = Object.hasOwn(o, name) ? o[name] : undefined;
  return typeof value === 'string' ? value : '';
};
const toUrl = (base64: string): string => Buffer.from(base64, 'base64').toString('base64url');
const toStandard = (base64url: string): string =>
  Buffer.from(base64url, 'base64url').toString('base64');

function keyOf(value: Json): PublicKey[] {
  if (!isJsonObject(value)) return [];
  const authenticator = value['authenticator'];
  const known = isJsonObject(authenticator) ? authenticator : {};
  const addedAtMs = Date.parse(textOf(value, 'added_at'));
  const key: PublicKey = {
    id: toUrl(textOf(value, 'id')),
    publicKey: toUrl(textOf(value, 'public_key')),
    signCount: Number(known['sign_count'] ?? 0) || 0,
    displayName: textOf(value, 'display_name'),
    addedAtMs: Number.isFinite(addedAtMs) ? addedAtMs : 0,
    isPasswordless: value['is_passwordless'] === true,
    aaguid: textOf(known, 'aaguid'),
    hasCloneWarning: known['clone_warning'] === true,
    raw: value,
  };
  return key.id === '' || key.publicKey === '' ? [] : [key];
}

/** Keys as an import gives them. */
export function ringOfJson(list: readonly Json[], userHandle: string): KeyRing {
  return { keys: list.flatMap(keyOf), userHandle: toUrl(userHandle) };
}

/** The keys of an account; none when it has no credential of the type. */
export function ringOf(account: Account | undefined, type: KeyType): KeyRing {
  return ringOfConfig(account?.credentials.get(type)?.config);
}
function ringOfConfig(config: JsonObject | undefined): KeyRing {
  const list = config?.['credentials'];
  return {
    keys: Array.isArray(list) ? (list as readonly Json[]).flatMap(keyOf) : [],
    userHandle: config === undefined ? '' : toUrl(textOf(config, 'user_handle')),
  };
}

/** Whether a credential is asked for as a second factor: of security keys, those that are no first one. */
export function isSecondFactor(credential: Pick<Credential, 'type' | 'config'>): boolean {
  const { type, config } = credential;
  if (type === 'webauthn') return ringOfConfig(config).keys.some((k) => !k.isPasswordless);
  return type === 'totp' || type === 'lookup_secret';
}

function keyJson(key: PublicKey): JsonObject {
  return {
    attestation_type: 'none',
    ...key.raw,
    id: toStandard(key.id),
    public_key: toStandard(key.publicKey),
    authenticator: {
      aaguid: key.aaguid,
      sign_count: key.signCount,
      clone_warning: key.hasCloneWarning,
    },
    display_name: key.displayName,
    added_at: new Date(key.addedAtMs).toISOString(),
    is_passwordless: key.isPasswordless,
  };
}

/** The credential of keys, for the identifiers that it is found by. */
export function ringCredential(
  type: KeyType,
  ring: KeyRing,
  identifiers: readonly string[],
  nowMs: number,
  before?: Credential,
): Credential {
  return {
    type,
    identifiers,
    version: 1,
    config: {
      credentials: ring.keys.map(keyJson),
      user_handle: toStandard(ring.userHandle),
    },
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
}

/**
 * The identifier of a user handle (base64url), by which a passkey's account is found: Kratos's handles are 64 letters and
 * digits; bytes that are no such text stand in base64url.
 */
export function passkeyIdentifier(userHandle: string): string {
  const text = Buffer.from(userHandle, 'base64url').toString();
  return /^[\x21-\x7e]+$/.test(text) ? text : userHandle;
}

/** How a settings page names a key to remove: hex of its id, as Kratos's pages do. */
export function removalName(key: PublicKey): string {
  return Buffer.from(key.id, 'base64url').toString('hex');
}

/** How many ways to sign in without another an account has; one of them has to stay. */
export function firstFactorCount(account: Account): number {
  const has = (type: 'password' | 'code'): number => (account.credentials.has(type) ? 1 : 0);
  const social = account.credentials.get('oidc')?.identifiers.length ?? 0;
  const keys = [...ringOf(account, 'passkey').keys, ...ringOf(account, 'webauthn').keys];
  return has('password') + has('code') + social + keys.filter((k) => k.isPasswordless).length;
}
