/**
 * Accounts in the store: every change is one transaction with its event. INVARIANT: an account is replaced only as long as it
 * is what it was read as; uniqueness is checked inside the transaction; a credential's configuration is stored sealed and
 * never leaves but in an `Account`.
 */
import type { Transaction } from 'kysely';
import type { Fabric } from '../fabric/index.ts';
import { PosternError } from '../kernel/index.ts';
import type { Database, Store } from '../store/index.ts';
import type { Account } from './account.ts';
import { openSeal, type PreparedAccount, sealAccount } from './repository/credential-seal.ts';
import { AccountReader } from './repository/reader.ts';
import { addressRows, principalName, rowOf } from './repository/rows.ts';
import { refuseTaken } from './repository/uniqueness.ts';
import { isSecondFactor } from './webauthn/credential.ts';

export class AccountRepository extends AccountReader {
  readonly #fabric: Fabric;

  constructor(store: Store, fabric: Fabric) {
    super(store, fabric);
    this.#fabric = fabric;
  }

  /** Makes the key that seals credentials, so that later sealing waits for no transaction. */
  open(): Promise<void> {
    return openSeal(this.#fabric);
  }

  /** Seals what is stored of an account, before a transaction. */
  prepare(account: Account): Promise<PreparedAccount> {
    return sealAccount(this.#fabric, account);
  }

  /** Throws `conflict` when an identifier, address or external id is somebody else's. */
  async insert(trx: Transaction<Database>, prepared: PreparedAccount): Promise<void> {
    const { account } = prepared;
    await refuseTaken(trx, account);
    await trx.insertInto('accounts').values(rowOf(account)).execute();
    await insertParts(trx, prepared);
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
    await refuseTaken(trx, account);
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
    await deleteParts(trx, id);
    await insertParts(trx, prepared);
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

  /**
   * Deletes a person with their credentials, flows and addresses. Their principal stays, shut out, for the audit; applications
   * that they made go on for their users, and are the administrators' to delete.
   */
  async delete(trx: Transaction<Database>, id: string): Promise<boolean> {
    const gone = await trx.deleteFrom('accounts').where('id', '=', id).executeTakeFirst();
    if (gone.numDeletedRows === 0n) return false;
    await deleteParts(trx, id);
    await trx.deleteFrom('account_flows').where('account_id', '=', id).execute();
    await this.#fabric.principals.setDisabled(trx, id, true);
    await this.#fabric.events.append(trx, { kind: 'account.disabled', subject: id });
    return true;
  }
}

async function insertParts(trx: Transaction<Database>, p: PreparedAccount): Promise<void> {
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

async function deleteParts(trx: Transaction<Database>, id: string): Promise<void> {
  for (const table of ['account_credentials', 'account_identifiers', 'account_addresses'] as const)
    await trx.deleteFrom(table).where('account_id', '=', id).execute();
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
