/** The door of the store: one database behind two dialects. */
export type * from './account-tables.ts';
export type * from './database.ts';
export { openStore } from './open.ts';
export { nextNumber, type Store, type StoreDialect, type StoreOptions } from './store.ts';
export { sweepInTurns } from './sweep.ts';
