/** What the rest of the server sees of the database, whichever dialect is below. */
import type { Kysely, Transaction } from 'kysely';
import type { Database } from './database.ts';

/** Where the server keeps its state. */
export type StoreOptions = { readonly sqlitePath: string } | { readonly postgresUrl: string };

export type StoreDialect = 'sqlite' | 'postgres';

export interface Store {
  readonly dialect: StoreDialect;
  /** For reads. Sees what is committed; never write through it. */
  readonly db: Kysely<Database>;
  /**
   * Runs `fn` in a transaction and resolves once its changes are durable. Writes run one after another on both
   * dialects and commit in groups. When `fn` throws, its changes alone are undone and the same error is thrown.
   * Throws `unavailable` when the database is out of reach. `fn` may await only the transaction it is given.
   */
  write<T>(fn: (trx: Transaction<Database>) => Promise<T>): Promise<T>;
  /** Calls `listener` after commits, of this process and (on PostgreSQL) of others, and after a lost connection returned. Returns its undoing. */
  onCommit(listener: () => void): () => void;
  /** Resolves when the database answers; throws `unavailable` when it does not. */
  ping(): Promise<void>;
  /** Waits for the writes under way, then lets go of the database. */
  close(): Promise<void>;
}

/** Takes the next number of a named sequence inside a transaction; numbers follow the order of commits. */
export async function nextNumber(trx: Transaction<Database>, name: string): Promise<number> {
  const row = await trx
    .insertInto('counters')
    .values({ name, value: 1 })
    .onConflict((oc) =>
      oc.column('name').doUpdateSet((eb) => ({ value: eb('counters.value', '+', 1) })),
    )
    .returning('value')
    .executeTakeFirstOrThrow();
  return row.value;
}
