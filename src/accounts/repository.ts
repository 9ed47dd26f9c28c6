/**
 * Accounts in the store. Every change is one transaction with its event; uniqueness of identifiers and addresses is
 * checked inside it, where writes run one after another. INVARIANT: a credential's configuration is sealed before it is
 * stored and never leaves this module unsealed but in an `Account`; what a service is called no person signs in by.
 */
import type { Kysely, SelectQueryBuilder, Transaction } from 'kysely';
import type { Fabric } from '../fabric/index.ts';
import { newUuid, PosternError } from '../kernel/index.ts';
import type { AccountAddressesTable, AccountsTable, Database, Store } from '../store/index.ts';
import type {
  Account,
  Credential,
  CredentialType,
  Json,
  JsonObject,
  Person,
  RecoveryAddress,
  VerifiableAddress,
  Via,
} from './account.ts';
import { isSecondFactor } from './webauthn/credential.ts';

type AccountQuery = SelectQueryBuilder<Database, 'accounts', AccountsTable>;

const SEAL = 'accounts/credentials';
const IDS_MAX = 500;

/** Sealing is done before a transaction, which may await nothing else. */
export interface PreparedAccount {
  readonly account: Account;
  readonly sealed: ReadonlyMap<CredentialType, Buffer>;
}

export interface AccountFilter {
  readonly ids?: readonly string[];
  readonly identifier?: string;
  /** Any identifier that begins so. */
  readonly identifierPrefix?: string;
  readonly organizationId?: string;
}

const TYPES: readonly CredentialType[] = [
  'password',
  'code',
  'oidc',
  'totp',
  'lookup_secret',
  'webauthn',
  'passkey',
];

function viaOf(text: string): Via {
  return text === 'sms' ? 'sms' : 'email';
}

function verifiableOf(row: AccountAddressesTable): VerifiableAddress {
  return {
    id: row.id,
    value: row.value,
    via: viaOf(row.via),
    verified: row.verified === 1,
    status: row.status === 'completed' || row.status === 'sent' ? row.status : 'pending',
    verifiedAtMs: row.verified_at_ms ?? undefined,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}
function recoveryOf(row: AccountAddressesTable): RecoveryAddress {
  return {
    id: row.id,
    value: row.value,
    via: viaOf(row.via),
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}

function rowOf(account: Account): AccountsTable {
  return {
    id: account.id,
    external_id: account.externalId ?? null,
    schema_id: account.schemaId,
    state: account.state,
    state_changed_at_ms: account.stateChangedAtMs,
    traits_json: JSON.stringify(account.traits),
    metadata_public_json: JSON.stringify(account.metadataPublic),
    metadata_admin_json: JSON.stringify(account.metadataAdmin),
    organization_id: account.organizationId ?? null,
    created_at_ms: account.createdAtMs,
    updated_at_ms: account.updatedAtMs,
  };
}

function addressRows(account: Account): AccountAddressesTable[] {
  return [
    ...account.verifiableAddresses.map((a) => ({
      id: a.id,
      account_id: account.id,
      kind: 'verifiable',
      via: a.via,
      value: a.value,
      verified: a.verified ? 1 : 0,
      status: a.status,
      verified_at_ms: a.verifiedAtMs ?? null,
      created_at_ms: a.createdAtMs,
      updated_at_ms: a.updatedAtMs,
    })),
    ...account.recoveryAddresses.map((a) => ({
      id: a.id,
      account_id: account.id,
      kind: 'recovery',
      via: a.via,
      value: a.value,
      verified: 0,
      status: 'pending',
      verified_at_ms: null,
      created_at_ms: a.createdAtMs,
      updated_at_ms: a.updatedAtMs,
    })),
  ];
}

/** Everything of a person but how they sign in. */
function personOf(
  row: AccountsTable,
  addresses: readonly AccountAddressesTable[],
): Omit<Account, 'credentials'> {
  return {
    id: row.id,
    externalId: row.external_id ?? undefined,
    schemaId: row.schema_id,
    state: row.state === 'inactive' ? 'inactive' : 'active',
    stateChangedAtMs: row.state_changed_at_ms,
    // Written by this module.
    traits: JSON.parse(row.traits_json) as JsonObject,
    metadataPublic: JSON.parse(row.metadata_public_json) as Json,
    metadataAdmin: JSON.parse(row.metadata_admin_json) as Json,
    organizationId: row.organization_id ?? undefined,
    verifiableAddresses: addresses.filter((a) => a.kind === 'verifiable').map(verifiableOf),
    recoveryAddresses: addresses.filter((a) => a.kind === 'recovery').map(recoveryOf),
    revision: row.updated_at_ms,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}

/** The name by which administrators see a person among the principals. */
function principalName(account: Account): string {
  const [address] = account.verifiableAddresses;
  const [identifier] = [...account.credentials.values()].flatMap((c) => c.identifiers);
  return address?.value ?? identifier ?? account.id;
}

export class AccountRepository {
  readonly #store: Store;
  readonly #fabric: Fabric;

  constructor(store: Store, fabric: Fabric) {
    this.#store = store;
    this.#fabric = fabric;
  }

  /** Makes the key that seals credentials, so that later sealing waits for no transaction. */
  async open(): Promise<void> {
    await this.#fabric.keyring.secret(SEAL);
  }

  async prepare(account: Account): Promise<PreparedAccount> {
    const sealed = new Map<CredentialType, Buffer>();
    for (const { type, config } of account.credentials.values())
      sealed.set(type, await this.#fabric.keyring.seal(SEAL, Buffer.from(JSON.stringify(config))));
    return { account, sealed };
  }

  /** Throws `conflict` when an identifier, address or external id is somebody else's. */
  async insert(trx: Transaction<Database>, prepared: PreparedAccount): Promise<void> {
    const { account } = prepared;
    await this.#refuseTaken(trx, account);
    await trx.insertInto('accounts').values(rowOf(account)).execute();
    await this.#insertParts(trx, prepared);
    await this.#fabric.principals.ensure(trx, {
      kind: 'account',
      name: principalName(account),
      id: account.id,
    });
    if (account.state === 'inactive')
      await this.#fabric.principals.setDisabled(trx, account.id, true);
    await this.#fabric.events.append(trx, { kind: 'account.created', subject: account.id });
  }

  /** Insists, inside a transaction, that an account is stored as it was read. Throws `not_found`, `conflict` (`isChanged`). */
  async insistOnRevision(trx: Transaction<Database>, account: Account): Promise<void> {
    const row = await trx
      .selectFrom('accounts')
      .select('updated_at_ms')
      .where('id', '=', account.id)
      .executeTakeFirst();
    if (row === undefined) throw new PosternError('not_found', 'No such account');
    if (row.updated_at_ms !== account.revision) throw changedMeanwhile();
  }

  /**
   * Replaces what is stored, as long as nobody else did since the account was read: a password that was changed, a code
   * that was used or a person who was shut out meanwhile stays so. Throws `not_found`, `conflict` (`isChanged`), and
   * `conflict` as `insert` does.
   */
  async replace(trx: Transaction<Database>, prepared: PreparedAccount): Promise<void> {
    const { account } = prepared;
    await this.#refuseTaken(trx, account);
    const { id, ...columns } = rowOf(account);
    const before = await trx
      .selectFrom('accounts')
      .select(['state', 'updated_at_ms'])
      .where('id', '=', id)
      .executeTakeFirst();
    if (before === undefined) throw new PosternError('not_found', 'No such account');
    if (before.updated_at_ms !== account.revision) throw changedMeanwhile();
    // The time of the change is also what tells one state from the next, so it never stands still.
    const updated_at_ms = Math.max(columns.updated_at_ms, before.updated_at_ms + 1);
    await trx
      .updateTable('accounts')
      .set({ ...columns, updated_at_ms })
      .where('id', '=', id)
      .execute();
    await this.#deleteParts(trx, id);
    await this.#insertParts(trx, prepared);
    await trx
      .updateTable('principals')
      .set({ name: principalName(account) })
      .where('id', '=', id)
      .execute();
    if (before.state !== account.state)
      await this.#fabric.principals.setDisabled(trx, id, account.state === 'inactive');
    await this.#fabric.events.append(trx, {
      kind: account.state === 'inactive' ? 'account.disabled' : 'account.changed',
      subject: id,
    });
  }

  /** Deletes a person with all that belongs to them; their principal stays, shut out, for the audit. */
  async delete(trx: Transaction<Database>, id: string): Promise<boolean> {
    const gone = await trx.deleteFrom('accounts').where('id', '=', id).executeTakeFirst();
    if (gone.numDeletedRows === 0n) return false;
    await this.#deleteParts(trx, id);
    await trx.deleteFrom('account_flows').where('account_id', '=', id).execute();
    await this.#fabric.principals.setDisabled(trx, id, true);
    await this.#fabric.events.append(trx, { kind: 'account.disabled', subject: id });
    return true;
  }

  async get(id: string): Promise<Account | undefined> {
    const [account] = await this.#load((q) => q.where('id', '=', id));
    return account;
  }
  /** A person, without opening what is sealed. */
  async person(id: string): Promise<Person | undefined> {
    const row = await this.#select().where('id', '=', id).executeTakeFirst();
    if (row === undefined) return undefined;
    const addresses = await this.#addresses([id]);
    const rows = await this.#store.db
      .selectFrom('account_credentials')
      .select(['type', 'is_second_factor'])
      .where('account_id', '=', id)
      .execute();
    const types = (of: typeof rows): Set<CredentialType> =>
      new Set(TYPES.filter((t) => of.some((r) => r.type === t)));
    return {
      ...personOf(row, addresses),
      credentials: types(rows),
      secondFactors: types(rows.filter((r) => r.is_second_factor === 1)),
    };
  }
  async getByExternalId(id: string): Promise<Account | undefined> {
    const [account] = await this.#load((q) => q.where('external_id', '=', id));
    return account;
  }

  /** The account that a credential of one of the types is known by. The identifier is normalised by the caller. */
  async findByIdentifier(
    identifier: string,
    types: readonly CredentialType[] = TYPES,
  ): Promise<Account | undefined> {
    const row = await this.#store.db
      .selectFrom('account_identifiers')
      .select('account_id')
      .where('identifier', '=', identifier)
      .where('type', 'in', [...types])
      .executeTakeFirst();
    return row === undefined ? undefined : this.get(row.account_id);
  }

  /** The account of an address, whose kind is `verifiable` or `recovery`. */
  async findByAddress(
    kind: 'verifiable' | 'recovery',
    value: string,
    via: Via = 'email',
  ): Promise<Account | undefined> {
    const row = await this.#store.db
      .selectFrom('account_addresses')
      .select('account_id')
      .where('kind', '=', kind)
      .where('via', '=', via)
      .where('value', '=', value)
      .executeTakeFirst();
    return row === undefined ? undefined : this.get(row.account_id);
  }

  /** A page of accounts in the order in which they were made, after the given one. */
  async list(
    filter: AccountFilter,
    page: { readonly limit: number; readonly afterId?: string; readonly offset?: number },
  ): Promise<Account[]> {
    const ids = await this.#idsOf(filter);
    if (ids?.length === 0) return [];
    const after =
      page.afterId === undefined
        ? undefined
        : await this.#store.db
            .selectFrom('accounts')
            .select(['id', 'created_at_ms'])
            .where('id', '=', page.afterId)
            .executeTakeFirst();
    return this.#load((q) => {
      let query = q.orderBy('created_at_ms').orderBy('id').limit(page.limit);
      if (ids !== undefined) query = query.where('id', 'in', [...ids]);
      if (filter.organizationId !== undefined)
        query = query.where('organization_id', '=', filter.organizationId);
      if (page.offset !== undefined) query = query.offset(page.offset);
      if (after !== undefined)
        query = query.where((eb) =>
          eb.or([
            eb('created_at_ms', '>', after.created_at_ms),
            eb.and([eb('created_at_ms', '=', after.created_at_ms), eb('id', '>', after.id)]),
          ]),
        );
      return query;
    });
  }

  async count(): Promise<number> {
    const row = await this.#store.db
      .selectFrom('accounts')
      .select((eb) => eb.fn.countAll().as('n'))
      .executeTakeFirstOrThrow();
    return Number(row.n);
  }

  async #idsOf(filter: AccountFilter): Promise<readonly string[] | undefined> {
    if (filter.ids !== undefined) return filter.ids.slice(0, IDS_MAX);
    const { identifier, identifierPrefix } = filter;
    if (identifier === undefined && identifierPrefix === undefined) return undefined;
    let query = this.#store.db.selectFrom('account_identifiers').select('account_id').distinct();
    if (identifier !== undefined) query = query.where('identifier', '=', identifier);
    if (identifierPrefix !== undefined)
      query = query
        .where('identifier', '>=', identifierPrefix)
        .where('identifier', '<', `${identifierPrefix}\u{10ffff}`);
    const found = (await query.limit(IDS_MAX).execute()).map((r) => r.account_id);
    if (identifier === undefined || found.length > 0) return found;
    // Whoever has no way to sign in yet is found by an address.
    const byAddress = await this.#store.db
      .selectFrom('account_addresses')
      .select('account_id')
      .distinct()
      .where('value', '=', identifier)
      .limit(IDS_MAX)
      .execute();
    return byAddress.map((r) => r.account_id);
  }

  async #load(narrow: (query: AccountQuery) => AccountQuery): Promise<Account[]> {
    const rows = await narrow(this.#select()).execute();
    if (rows.length === 0) return [];
    const ids = rows.map((r) => r.id);
    const { db } = this.#store;
    const where = <T extends { account_id: string }>(list: readonly T[], id: string): T[] =>
      list.filter((r) => r.account_id === id);
    const credentials = await db
      .selectFrom('account_credentials')
      .selectAll()
      .where('account_id', 'in', ids)
      .execute();
    const identifiers = await db
      .selectFrom('account_identifiers')
      .selectAll()
      .where('account_id', 'in', ids)
      .orderBy('identifier')
      .execute();
    const addresses = await this.#addresses(ids);
    return Promise.all(
      rows.map(async (row) => {
        const known = new Map<CredentialType, Credential>();
        for (const c of where(credentials, row.id)) {
          const type = TYPES.find((t) => t === c.type);
          if (type === undefined) continue;
          known.set(type, {
            type,
            version: c.version,
            identifiers: where(identifiers, row.id)
              .filter((i) => i.type === type)
              .map((i) => i.identifier),
            config: await this.#unseal(c.config_sealed),
            createdAtMs: c.created_at_ms,
            updatedAtMs: c.updated_at_ms,
          });
        }
        return { ...personOf(row, where(addresses, row.id)), credentials: known };
      }),
    );
  }

  #addresses(ids: readonly string[]): Promise<AccountAddressesTable[]> {
    return this.#store.db
      .selectFrom('account_addresses')
      .selectAll()
      .where('account_id', 'in', [...ids])
      .orderBy('created_at_ms')
      .orderBy('id')
      .execute();
  }

  #select(): AccountQuery {
    return this.#store.db.selectFrom('accounts').selectAll();
  }

  async #unseal(sealed: Uint8Array): Promise<JsonObject> {
    const plain = await this.#fabric.keyring.open(SEAL, sealed);
    // Sealed by this module.
    return JSON.parse(plain.toString()) as JsonObject;
  }

  async #refuseTaken(trx: Kysely<Database>, account: Account): Promise<void> {
    for (const { type, identifiers } of account.credentials.values()) {
      if (identifiers.length === 0) continue;
      const taken = await trx
        .selectFrom('account_identifiers')
        .select('account_id')
        .where('type', '=', type)
        .where('identifier', 'in', [...identifiers])
        .where('account_id', '!=', account.id)
        .executeTakeFirst();
      if (taken !== undefined) throw identifierTaken();
      const service = await trx
        .selectFrom('service_accounts')
        .select('id')
        .where('name_key', 'in', [...identifiers])
        .executeTakeFirst();
      if (service !== undefined) throw identifierTaken();
    }
    for (const { kind, via, value } of addressRows(account)) {
      const taken = await trx
        .selectFrom('account_addresses')
        .select('account_id')
        .where('kind', '=', kind)
        .where('via', '=', via)
        .where('value', '=', value)
        .where('account_id', '!=', account.id)
        .executeTakeFirst();
      if (taken !== undefined) throw identifierTaken();
    }
    if (account.externalId === undefined) return;
    const taken = await trx
      .selectFrom('accounts')
      .select('id')
      .where('external_id', '=', account.externalId)
      .where('id', '!=', account.id)
      .executeTakeFirst();
    if (taken !== undefined) throw identifierTaken();
  }

  async #insertParts(trx: Transaction<Database>, p: PreparedAccount): Promise<void> {
    const { account, sealed } = p;
    for (const c of account.credentials.values()) {
      const config = sealed.get(c.type);
      if (config === undefined)
        throw new PosternError('internal', 'A credential was not sealed before it is stored');
      await trx
        .insertInto('account_credentials')
        .values({
          account_id: account.id,
          type: c.type,
          version: c.version,
          is_second_factor: isSecondFactor(c) ? 1 : 0,
          config_sealed: config,
          created_at_ms: c.createdAtMs,
          updated_at_ms: c.updatedAtMs,
        })
        .execute();
      for (const identifier of new Set(c.identifiers))
        await trx
          .insertInto('account_identifiers')
          .values({ type: c.type, identifier, account_id: account.id })
          .execute();
    }
    for (const row of addressRows(account))
      await trx.insertInto('account_addresses').values(row).execute();
  }

  async #deleteParts(trx: Transaction<Database>, id: string): Promise<void> {
    for (const table of [
      'account_credentials',
      'account_identifiers',
      'account_addresses',
    ] as const)
      await trx.deleteFrom(table).where('account_id', '=', id).execute();
  }
}

const CHANGED = 'account_changed';

function changedMeanwhile(): PosternError {
  return new PosternError('conflict', 'The account was changed meanwhile; try again', {
    facts: { id: CHANGED },
  });
}
/** Whether something failed because an account is no longer as it was read: it may be tried again with what it is now. */
export function isChanged(reason: unknown): boolean {
  return reason instanceof PosternError && reason.facts['id'] === CHANGED;
}

/** The one error for anything that is another person's already. */
export function identifierTaken(): PosternError {
  return new PosternError(
    'conflict',
    'An account with the same identifier or address exists already',
  );
}

/** An address as it begins. */
export function newVerifiableAddress(
  a: { readonly value: string; readonly via: Via },
  nowMs: number,
): VerifiableAddress {
  return {
    id: newUuid(),
    ...a,
    verified: false,
    status: 'pending',
    verifiedAtMs: undefined,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}
export function newRecoveryAddress(
  a: { readonly value: string; readonly via: Via },
  nowMs: number,
): RecoveryAddress {
  return { id: newUuid(), ...a, createdAtMs: nowMs, updatedAtMs: nowMs };
}
