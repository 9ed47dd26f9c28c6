/**
 * Which accounts a list shows: narrowed by ids, identifiers or organization, in the order in which they were made. Nothing
 * that is sealed is opened for it.
 */
import type { Kysely, SelectQueryBuilder } from 'kysely';
import type { AccountsTable, Database } from '../../store/index.ts';
import type { ListPlace } from '../account.ts';

export type AccountQuery<O = AccountsTable> = SelectQueryBuilder<Database, 'accounts', O>;

/** Accounts that one filter names, or finds by identifiers. */
export const IDS_MAX = 500;

export interface AccountFilter {
  readonly ids?: readonly string[];
  readonly identifier?: string;
  /** Any identifier that begins so. */
  readonly identifierPrefix?: string;
  readonly organizationId?: string;
}

export interface AccountPage {
  readonly limit: number;
  /** The page begins behind it. */
  readonly after?: ListPlace | undefined;
  readonly offset?: number | undefined;
}

export type Narrow = <O>(query: AccountQuery<O>) => AccountQuery<O>;

/** Narrows a query to what a filter finds; undefined where it can find nothing. */
export async function filtered(
  db: Kysely<Database>,
  filter: AccountFilter,
): Promise<Narrow | undefined> {
  const ids = await idsOf(db, filter);
  if (ids?.length === 0) return undefined;
  return (query) => {
    const known = ids === undefined ? query : query.where('id', 'in', [...ids]);
    const { organizationId } = filter;
    return organizationId === undefined
      ? known
      : known.where('organization_id', '=', organizationId);
  };
}

/** Narrows a query to a page, oldest first. */
export function paged<O>(query: AccountQuery<O>, page: AccountPage): AccountQuery<O> {
  const { limit, after, offset } = page;
  const ordered = query.orderBy('created_at_ms').orderBy('id').limit(limit);
  if (after !== undefined)
    return ordered.where((eb) =>
      eb.or([
        eb('created_at_ms', '>', after.createdAtMs),
        eb.and([eb('created_at_ms', '=', after.createdAtMs), eb('id', '>', after.id)]),
      ]),
    );
  return offset === undefined ? ordered : ordered.offset(offset);
}

/** The ids that a filter by identifiers or ids finds; undefined when it is of neither. */
async function idsOf(
  db: Kysely<Database>,
  filter: AccountFilter,
): Promise<readonly string[] | undefined> {
  if (filter.ids !== undefined) return filter.ids.slice(0, IDS_MAX);
  const { identifier, identifierPrefix } = filter;
  if (identifier === undefined && identifierPrefix === undefined) return undefined;
  let query = db.selectFrom('account_identifiers').select('account_id').distinct();
  if (identifier !== undefined) query = query.where('identifier', '=', identifier);
  if (identifierPrefix !== undefined)
    query = query
      .where('identifier', '>=', identifierPrefix)
      .where('identifier', '<', `${identifierPrefix}\u{10ffff}`);
  const found = (await query.limit(IDS_MAX).execute()).map((r) => r.account_id);
  if (identifier === undefined || found.length > 0) return found;
  // Whoever has no way to sign in yet is found by an address.
  const byAddress = await db
    .selectFrom('account_addresses')
    .select('account_id')
    .distinct()
    .where('value', '=', identifier)
    .limit(IDS_MAX)
    .execute();
  return byAddress.map((r) => r.account_id);
}
