/**
 * What belongs to one account alone: identifiers, addresses and external ids; what a service is called no person signs in by.
 * INVARIANT: it is asked inside the transaction that writes, where writes run one after another.
 */
import type { Transaction } from 'kysely';
import { PosternError } from '../../kernel/index.ts';
import type { Database } from '../../store/index.ts';
import type { Account } from '../account.ts';
import { addressRows } from './rows.ts';

/** Refuses an account that shares an identifier, address or external id with another. Throws `conflict`. */
export async function refuseTaken(trx: Transaction<Database>, account: Account): Promise<void> {
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

/** The one error for anything that is another person's already. */
function identifierTaken(): PosternError {
  return new PosternError(
    'conflict',
    'An account with the same identifier or address exists already',
  );
}
