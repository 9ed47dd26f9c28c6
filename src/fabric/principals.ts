/** Principals: who acts. One id space for people, machines and programs. */
import type { Transaction } from 'kysely';
import { type Clock, newId, PosternError, systemClock } from '../kernel/index.ts';
import type { Database, PrincipalsTable, Store } from '../store/index.ts';

export type PrincipalKind = 'account' | 'node' | 'service';

export interface Principal {
  readonly id: string;
  readonly kind: PrincipalKind;
  readonly name: string;
  readonly createdAtMs: number;
  readonly isDisabled: boolean;
}

export interface Principals {
  /** Makes a principal; with an id that exists already, returns that one unchanged. A node's id is its identifier. */
  ensure(
    trx: Transaction<Database>,
    principal: { kind: PrincipalKind; name: string; id?: string },
  ): Promise<Principal>;
  find(id: string): Promise<Principal | undefined>;
  list(kind?: PrincipalKind): Promise<Principal[]>;
  /** Shuts a principal out, or lets it in again: every grant of it is void meanwhile. Throws `not_found`. */
  setDisabled(trx: Transaction<Database>, id: string, isDisabled: boolean): Promise<void>;
}

function toPrincipal(row: PrincipalsTable): Principal {
  const kind = row.kind === 'account' || row.kind === 'node' ? row.kind : 'service';
  return {
    id: row.id,
    kind,
    name: row.name,
    createdAtMs: row.created_at_ms,
    isDisabled: row.disabled_at_ms !== null,
  };
}

/** The principals of a store. */
export function createPrincipals(store: Store, clock: Clock = systemClock): Principals {
  return {
    ensure: async (trx, { kind, name, id = newId('prn') }) => {
      await trx
        .insertInto('principals')
        .values({ id, kind, name, created_at_ms: clock.now(), disabled_at_ms: null })
        .onConflict((oc) => oc.column('id').doNothing())
        .execute();
      const row = trx.selectFrom('principals').selectAll().where('id', '=', id);
      return toPrincipal(await row.executeTakeFirstOrThrow());
    },
    find: async (id) => {
      const row = store.db.selectFrom('principals').selectAll().where('id', '=', id);
      const found = await row.executeTakeFirst();
      return found && toPrincipal(found);
    },
    list: async (kind) => {
      let query = store.db.selectFrom('principals').selectAll().orderBy('created_at_ms');
      if (kind !== undefined) query = query.where('kind', '=', kind);
      return (await query.execute()).map(toPrincipal);
    },
    setDisabled: async (trx, id, isDisabled) => {
      const changed = await trx
        .updateTable('principals')
        .set({ disabled_at_ms: isDisabled ? clock.now() : null })
        .where('id', '=', id)
        .executeTakeFirst();
      if (changed.numUpdatedRows === 0n) throw new PosternError('not_found', 'No such principal');
    },
  };
}
