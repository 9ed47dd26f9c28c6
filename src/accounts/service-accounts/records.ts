/**
 * Service accounts in the store. INVARIANT: a password is kept as its hash alone, sealed; names are unique in a space, and
 * no person signs in by one.
 */
import type { Selectable, Transaction } from 'kysely';
import type { Fabric } from '../../fabric/index.ts';
import { PosternError } from '../../kernel/index.ts';
import type { Database, ServiceAccountsTable, Store } from '../../store/index.ts';
import { isServiceId, type ServiceAccount, serviceNameKey } from './service-account.ts';

const SEAL = 'accounts/services';
const LIST_MAX = 10_000;

type Row = Selectable<ServiceAccountsTable> & { readonly shut_out_at_ms: number | null };
type Db = Pick<Store['db'], 'selectFrom'>;

/** With what only the sign-in needs. */
export interface ServiceRecord {
  readonly service: ServiceAccount;
  readonly passwordSealed: Uint8Array | null;
  readonly networks: readonly string[];
}

const strings = (json: string): string[] => {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [];
};

const recordOf = (row: Row): ServiceRecord => ({
  service: {
    id: row.id,
    name: row.name,
    spaceId: row.space_id,
    scopes: strings(row.scopes_json),
    isDisabled: row.shut_out_at_ms !== null,
    hasPassword: row.password_sealed !== null,
    passwordSetAtMs: row.password_set_at_ms ?? undefined,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by ?? undefined,
    expiresAtMs: row.expires_at_ms ?? undefined,
  },
  passwordSealed: row.password_sealed,
  networks: strings(row.networks_json),
});

export class ServiceRecords {
  readonly #store: Store;
  readonly #fabric: Fabric;
  constructor(store: Store, fabric: Fabric) {
    this.#store = store;
    this.#fabric = fabric;
  }

  /** Makes the key that seals hashes, so that later sealing waits for no transaction. */
  async open(): Promise<void> {
    await this.#fabric.keyring.secret(SEAL);
  }
  seal(hash: string): Promise<Buffer> {
    return this.#fabric.keyring.seal(SEAL, Buffer.from(hash));
  }
  async unseal(sealed: Uint8Array): Promise<string> {
    return (await this.#fabric.keyring.open(SEAL, sealed)).toString();
  }

  /** Those of a space, or of all, in the order in which they were made. */
  async list(spaceId?: string): Promise<ServiceAccount[]> {
    let query = rows(this.#store.db)
      .orderBy('service_accounts.created_at_ms')
      .orderBy('service_accounts.id')
      .limit(LIST_MAX);
    if (spaceId !== undefined) query = query.where('space_id', '=', spaceId);
    return (await query.execute()).map((row) => recordOf(row).service);
  }

  /** By id, or by name: in a space, or wherever it is when none is named. Two of a name are both answered. */
  async find(word: string, spaceId?: string, db: Db = this.#store.db): Promise<ServiceRecord[]> {
    let query = rows(db).limit(2);
    query = isServiceId(word)
      ? query.where('service_accounts.id', '=', word)
      : query.where('name_key', '=', serviceNameKey(word));
    if (spaceId !== undefined) query = query.where('space_id', '=', spaceId);
    return (await query.execute()).map(recordOf);
  }

  /** Throws `conflict` for a name that is taken, by a service of the space or by a person. */
  async insert(trx: Transaction<Database>, row: ServiceAccountsTable): Promise<void> {
    const taken = await trx
      .selectFrom('service_accounts')
      .select('id')
      .where('space_id', '=', row.space_id)
      .where('name_key', '=', row.name_key)
      .executeTakeFirst();
    if (taken !== undefined)
      throw new PosternError('conflict', `The space has a service called ${row.name} already`);
    const person = await trx
      .selectFrom('account_identifiers')
      .select('account_id')
      .where('identifier', '=', row.name_key)
      .executeTakeFirst();
    if (person !== undefined)
      throw new PosternError('conflict', `A person signs in as ${row.name}: take another name`);
    await trx.insertInto('service_accounts').values(row).execute();
  }

  async change(
    trx: Transaction<Database>,
    id: string,
    columns: Partial<
      Pick<ServiceAccountsTable, 'password_sealed' | 'password_set_at_ms' | 'networks_json'>
    >,
  ): Promise<void> {
    const done = await trx
      .updateTable('service_accounts')
      .set(columns)
      .where('id', '=', id)
      .executeTakeFirst();
    if (done.numUpdatedRows === 0n) throw new PosternError('not_found', 'No such service');
  }

  async delete(trx: Transaction<Database>, id: string): Promise<void> {
    const done = await trx.deleteFrom('service_accounts').where('id', '=', id).executeTakeFirst();
    if (done.numDeletedRows === 0n) throw new PosternError('not_found', 'No such service');
  }
}

function rows(db: Db) {
  return db
    .selectFrom('service_accounts')
    .innerJoin('principals', 'principals.id', 'service_accounts.id')
    .selectAll('service_accounts')
    .select('principals.disabled_at_ms as shut_out_at_ms');
}

/** Whether a space has any, for whoever wants to delete it. */
export async function hasServices(db: Db, spaceId: string): Promise<boolean> {
  const found = db.selectFrom('service_accounts').select('id').where('space_id', '=', spaceId);
  return (await found.executeTakeFirst()) !== undefined;
}
