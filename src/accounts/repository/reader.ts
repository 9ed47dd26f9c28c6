/**
 * Accounts as they are stored. INVARIANT: what is sealed of a credential is opened for an `Account` alone; a `Person` knows
 * only that it is there.
 */
import type { Fabric } from '../../fabric/index.ts';
import type { AccountAddressesTable, Store } from '../../store/index.ts';
import {
  type Account,
  CREDENTIAL_TYPES,
  type Credential,
  type CredentialType,
  type Person,
  type Via,
} from '../account.ts';
import { openConfig } from './credential-seal.ts';
import { personOf } from './rows.ts';
import {
  type AccountFilter,
  type AccountPage,
  type AccountQuery,
  filtered,
  paged,
} from './search.ts';

export class AccountReader {
  readonly #store: Store;
  readonly #fabric: Fabric;

  constructor(store: Store, fabric: Fabric) {
    this.#store = store;
    this.#fabric = fabric;
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
      new Set(CREDENTIAL_TYPES.filter((t) => of.some((r) => r.type === t)));
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
    types: readonly CredentialType[] = CREDENTIAL_TYPES,
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

  /** A page of the accounts that a filter finds, in the order in which they were made. */
  async list(filter: AccountFilter, page: AccountPage): Promise<Account[]> {
    const narrow = await filtered(this.#store.db, filter);
    return narrow === undefined ? [] : this.#load((query) => paged(narrow(query), page));
  }

  /** How many accounts a filter finds. */
  async count(filter: AccountFilter): Promise<number> {
    const narrow = await filtered(this.#store.db, filter);
    if (narrow === undefined) return 0;
    const all = this.#store.db
      .selectFrom('accounts')
      .select((eb) => eb.fn.countAll<number | string>().as('n'));
    return Number((await narrow(all).executeTakeFirstOrThrow()).n);
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
          const type = CREDENTIAL_TYPES.find((t) => t === c.type);
          if (type === undefined) continue;
          known.set(type, {
            type,
            version: c.version,
            identifiers: where(identifiers, row.id)
              .filter((i) => i.type === type)
              .map((i) => i.identifier),
            config: await openConfig(this.#fabric, c.config_sealed),
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
}
