/** Opens the store that the options name, with its schema brought up to date. */
import { openPostgresStore } from './postgres.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Store, StoreOptions } from './store.ts';

/** Opens the database, runs what migrations it lacks, and hands out the store. Throws `unavailable` or `invalid`. */
export function openStore(options: StoreOptions): Promise<Store> {
  return 'sqlitePath' in options
    ? openSqliteStore(options.sqlitePath)
    : openPostgresStore(options.postgresUrl);
}
