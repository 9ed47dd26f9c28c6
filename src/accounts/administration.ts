/**
 * What administrators do with accounts: create, import, change, shut out, delete, recover. INVARIANT: an import is checked
 * as strictly as a registration; a password that comes in plain is hashed and forgotten.
 */
import { newUuid, PosternError } from '../kernel/index.ts';
import {
  type Account,
  type Credential,
  type CredentialType,
  isJsonObject,
  type Json,
  type JsonObject,
  type VerifiableAddress,
} from './account.ts';
import { newRecoveryAddress, newVerifiableAddress } from './addresses.ts';
import { withAddresses } from './flows/addresses.ts';
import { storeNew } from './flows/finish.ts';
import { passwordCredential } from './methods/password.ts';
import { withTraits } from './methods/profile.ts';
import { assertImportable } from './password/formats.ts';
import { isChanged } from './repository.ts';
import { type IdentitySchema, normaliseIdentifier } from './schema/identity-schema.ts';
import type { Services } from './services.ts';
import { type KeyRing, passkeyIdentifier, ringCredential, ringOf } from './webauthn/credential.ts';

/** What an administrator says of an account. */
export interface AccountSpec {
  readonly schemaId: string;
  readonly traits: JsonObject;
  readonly externalId?: string | undefined;
  readonly state?: 'active' | 'inactive' | undefined;
  readonly metadataPublic?: Json | undefined;
  readonly metadataAdmin?: Json | undefined;
  readonly organizationId?: string | undefined;
  readonly password?: { readonly plain?: string; readonly hash?: string } | undefined;
  readonly oidc?: readonly { readonly provider: string; readonly subject: string }[] | undefined;
  readonly webauthn?: KeyRing | undefined;
  readonly passkey?: KeyRing | undefined;
  readonly verifiableAddresses?:
    | readonly {
        readonly value: string;
        readonly via: 'email' | 'sms';
        readonly verified: boolean;
        readonly verifiedAtMs?: number | undefined;
      }[]
    | undefined;
  readonly recoveryAddresses?:
    | readonly { readonly value: string; readonly via: 'email' | 'sms' }[]
    | undefined;
}

const UPDATE_TRIES = 5;

export class Administration {
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  /** Throws `invalid` for what does not fit the schema, `conflict` for what is another's. */
  async create(spec: AccountSpec, by: string): Promise<Account> {
    const { store, accounts } = this.#services;
    const account = await this.#build(spec);
    const prepared = await accounts.prepare(account);
    await store.write((trx) => storeNew(this.#services, trx, prepared, by));
    return account;
  }

  async #build(spec: AccountSpec, before?: Account): Promise<Account> {
    const { clock } = this.#services;
    const schema = this.#schema(spec.schemaId);
    const [problem] = schema.problems(spec.traits);
    if (problem !== undefined)
      throw new PosternError('invalid', `${problem.node || 'traits'}: ${problem.message.text}`);
    const nowMs = clock.now();
    const state = spec.state ?? before?.state ?? 'active';
    const base: Account = {
      id: before?.id ?? newUuid(),
      externalId: spec.externalId,
      schemaId: schema.id,
      state,
      stateChangedAtMs: before?.state === state ? before.stateChangedAtMs : nowMs,
      traits: spec.traits,
      metadataPublic: spec.metadataPublic ?? null,
      metadataAdmin: spec.metadataAdmin ?? null,
      organizationId: spec.organizationId,
      verifiableAddresses: before?.verifiableAddresses ?? [],
      recoveryAddresses: before?.recoveryAddresses ?? [],
      credentials: before?.credentials ?? new Map(),
      createdAtMs: before?.createdAtMs ?? nowMs,
      updatedAtMs: nowMs,
      ...(before?.revision === undefined ? {} : { revision: before.revision }),
    };
    const known = withAddresses(this.#services, withTraits(schema, base, spec.traits));
    const credentials = await this.#credentials(spec, schema, known, nowMs);
    const keyed = withKeys({ ...known, credentials }, spec, schema, nowMs);
    return withGivenAddresses(keyed, spec, nowMs);
  }

  #schema(id: string): IdentitySchema {
    const schema = this.#services.schemas.get(id);
    if (schema === undefined)
      throw new PosternError('invalid', `There is no identity schema "${id}"`);
    return schema;
  }

  async #credentials(
    spec: AccountSpec,
    schema: IdentitySchema,
    account: Account,
    nowMs: number,
  ): Promise<ReadonlyMap<CredentialType, Credential>> {
    const credentials = new Map(account.credentials);
    if (spec.password !== undefined) {
      const identifiers = schema.identifiers('password', spec.traits);
      const { plain, hash } = spec.password;
      if (hash !== undefined) assertImportable(hash);
      const stored = hash ?? (await this.#services.hasher.hash(plain ?? ''));
      credentials.set(
        'password',
        passwordCredential(identifiers, stored, nowMs, credentials.get('password')),
      );
    }
    if (spec.oidc !== undefined) {
      credentials.set('oidc', {
        type: 'oidc',
        version: 0,
        identifiers: spec.oidc.map((p) => `${p.provider}:${p.subject}`),
        config: {
          providers: spec.oidc.map((p) => ({ provider: p.provider, subject: p.subject })),
        },
        createdAtMs: credentials.get('oidc')?.createdAtMs ?? nowMs,
        updatedAtMs: nowMs,
      });
    }
    return credentials;
  }

  /**
   * Replaces an account's facts by those that `specOf` makes of what is stored; its credentials stay unless the spec has
   * others. Throws `not_found`.
   */
  update(id: string, specOf: (before: Account) => AccountSpec, by: string): Promise<Account> {
    return this.#change(id, (before) => this.#build(specOf(before), before), by, 'accounts:update');
  }

  async #change(
    id: string,
    change: (before: Account) => Account | Promise<Account>,
    by: string,
    action: string,
  ): Promise<Account> {
    for (let tries = 1; ; tries++) {
      const account = await change(await this.get(id));
      try {
        await this.#store(account, by, action);
        return account;
      } catch (reason) {
        // What an administrator decides, such as to shut somebody out, is not undone by what that person does meanwhile.
        if (!isChanged(reason) || tries === UPDATE_TRIES) throw reason;
      }
    }
  }

  async #store(account: Account, by: string, action: string): Promise<void> {
    const { store, accounts, sessions, audit } = this.#services;
    const prepared = await accounts.prepare(account);
    await store.write(async (trx) => {
      await accounts.replace(trx, prepared);
      if (account.state === 'inactive') await sessions.revokeAll(trx, account.id);
      await audit.append(trx, { actor: by, action, resource: `account/${account.id}` });
    });
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<Account> {
    const account = await this.#services.accounts.get(id);
    if (account === undefined) throw new PosternError('not_found', 'There is no such account');
    return account;
  }

  async delete(id: string, by: string): Promise<void> {
    const { store, accounts, sessions, audit } = this.#services;
    const isThere = await store.write(async (trx) => {
      await sessions.revokeAll(trx, id);
      const gone = await accounts.delete(trx, id);
      if (gone)
        await audit.append(trx, {
          actor: by,
          action: 'accounts:delete',
          resource: `account/${id}`,
        });
      return gone;
    });
    if (!isThere) throw new PosternError('not_found', 'There is no such account');
  }

  /** Takes a credential away. Throws `not_found`, and `invalid` for the last way to sign in. */
  async deleteCredential(
    id: string,
    type: CredentialType,
    identifier: string | undefined,
    by: string,
  ): Promise<void> {
    const { clock } = this.#services;
    const change = (account: Account): Account => {
      const nowMs = clock.now();
      const credentials = withoutCredential(account, type, identifier, nowMs);
      if (canBegin(account) && !canBegin({ ...account, credentials }))
        throw new PosternError('invalid', 'That is the last way to sign in');
      return { ...account, credentials, updatedAtMs: nowMs };
    };
    await this.#change(id, change, by, 'accounts:credential-delete');
  }
}

/** The credentials without one, or without one of its parts. Throws `not_found`, and `invalid` where it is not said which. */
function withoutCredential(
  account: Account,
  type: CredentialType,
  identifier: string | undefined,
  nowMs: number,
): ReadonlyMap<CredentialType, Credential> {
  const credential = account.credentials.get(type);
  if (credential === undefined)
    throw new PosternError('not_found', `The account has no credential of the type ${type}`);
  const credentials = new Map(account.credentials);
  if (type === 'oidc') {
    if (identifier === undefined)
      throw new PosternError('invalid', 'identifier: which of the linked accounts');
    const left = credential.identifiers.filter((i) => i !== identifier);
    if (left.length === credential.identifiers.length)
      throw new PosternError('not_found', 'The account has no such linked account');
    const { providers } = credential.config;
    const kept = (Array.isArray(providers) ? providers : []).filter(
      (p) => isJsonObject(p) && left.includes(`${String(p['provider'])}:${String(p['subject'])}`),
    );
    if (left.length === 0) credentials.delete('oidc');
    else credentials.set('oidc', { ...credential, identifiers: left, config: { providers: kept } });
  } else if (type === 'webauthn') {
    // As with Kratos, second factors go first: who lost a key can still begin a session.
    const ring = ringOf(account, type);
    const first = ring.keys.filter((k) => k.isPasswordless);
    const { identifiers } = credential;
    if (first.length === 0 || first.length === ring.keys.length) credentials.delete(type);
    else
      credentials.set(
        type,
        ringCredential(type, { ...ring, keys: first }, identifiers, nowMs, credential),
      );
  } else credentials.delete(type);
  return credentials;
}

/** Whether any credential begins a session. */
function canBegin(account: Account): boolean {
  const first: readonly CredentialType[] = ['password', 'code', 'oidc', 'passkey'];
  const { keys } = ringOf(account, 'webauthn');
  return first.some((t) => account.credentials.has(t)) || keys.some((k) => k.isPasswordless);
}

/** The ring with others put in: a key of a known id takes its place. Throws `invalid` for none. */
function merged(before: KeyRing, given: KeyRing, name: string): KeyRing {
  if (given.keys.length === 0)
    throw new PosternError('invalid', `credentials.${name}.config.credentials: at least one`);
  const kept = before.keys.filter((k) => !given.keys.some((g) => g.id === k.id));
  return { userHandle: given.userHandle || before.userHandle, keys: [...kept, ...given.keys] };
}

/** The account with the security keys and passkeys of the spec. Throws `invalid` for what could never serve. */
function withKeys(
  account: Account,
  spec: AccountSpec,
  schema: IdentitySchema,
  nowMs: number,
): Account {
  const credentials = new Map(account.credentials);
  if (spec.webauthn !== undefined) {
    const ring = merged(ringOf(account, 'webauthn'), spec.webauthn, 'webauthn');
    const named = schema.identifiers('webauthn', account.traits);
    const identifiers = named.length > 0 ? named : [account.id];
    const before = credentials.get('webauthn');
    credentials.set('webauthn', ringCredential('webauthn', ring, identifiers, nowMs, before));
  }
  if (spec.passkey !== undefined) {
    const ring = merged(ringOf(account, 'passkey'), spec.passkey, 'passkey');
    // Authenticators name the account by it: without it no passkey would find it.
    if (ring.userHandle === '')
      throw new PosternError('invalid', 'credentials.passkey.config.user_handle is missing');
    const identifiers = [passkeyIdentifier(ring.userHandle)];
    const before = credentials.get('passkey');
    credentials.set('passkey', ringCredential('passkey', ring, identifiers, nowMs, before));
  }
  return { ...account, credentials };
}

function addressOf(given: string): string {
  const value = normaliseIdentifier(given);
  if (value !== '') return value;
  throw new PosternError('invalid', 'An address is empty or has more than 1,024 characters');
}

/** Addresses that the spec names take the place of those that the traits gave, as far as they are the same. */
function withGivenAddresses(account: Account, spec: AccountSpec, nowMs: number): Account {
  const verifiable = [...account.verifiableAddresses];
  for (const given of spec.verifiableAddresses ?? []) {
    const value = addressOf(given.value);
    const at = verifiable.findIndex((a) => a.value === value && a.via === given.via);
    const before = verifiable[at] ?? newVerifiableAddress({ value, via: given.via }, nowMs);
    if (at !== -1 && before.verified === given.verified && given.verifiedAtMs === undefined)
      continue;
    const changed: VerifiableAddress = {
      ...before,
      verified: given.verified,
      status: given.verified ? 'completed' : 'pending',
      verifiedAtMs: given.verified ? (given.verifiedAtMs ?? nowMs) : undefined,
      updatedAtMs: nowMs,
    };
    if (at === -1) verifiable.push(changed);
    else verifiable[at] = changed;
  }
  const recovery = [...account.recoveryAddresses];
  for (const given of spec.recoveryAddresses ?? []) {
    const value = addressOf(given.value);
    if (!recovery.some((a) => a.value === value && a.via === given.via))
      recovery.push(newRecoveryAddress({ value, via: given.via }, nowMs));
  }
  return { ...account, verifiableAddresses: verifiable, recoveryAddresses: recovery };
}
