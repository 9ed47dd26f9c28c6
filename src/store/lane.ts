/** The write lane: the one connection on which all writes of this process run, and a Kysely over any such connection. */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Database } from './database.ts';
import type { StoreDialect } from './store.ts';

/** What came of one statement. */
export interface StatementResult {
  readonly rows: unknown[];
  readonly changes: number;
}

/** Runs one statement on a connection. */
export type Execute = (sql: string, parameters: readonly unknown[]) => Promise<StatementResult>;

/** A connection for writes, one group of writes at a time. */
export interface WriteLane {
  readonly execute: Execute;
  /** Opens the transaction of a group; throws `unavailable` when the database is out of reach. */
  begin(): Promise<void>;
  /** Makes the group durable. */
  commit(): Promise<void>;
  /** Gives the group up; never throws. */
  rollback(): Promise<void>;
  close(): Promise<void>;
}

class LaneConnection implements DatabaseConnection {
  readonly #execute: Execute;
  constructor(execute: Execute) {
    this.#execute = execute;
  }
  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, changes } = await this.#execute(query.sql, query.parameters);
    // The row type is the query builder's promise about the statement that it compiled itself.
    return { rows: rows as R[], numAffectedRows: BigInt(changes) };
  }
  // biome-ignore lint/correctness/useYield: a stream of rows has no use on these connections.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('the store does not stream rows');
  }
}

class LaneDriver implements Driver {
  readonly #connection: LaneConnection;
  readonly #execute: Execute;
  constructor(execute: Execute) {
    this.#execute = execute;
    this.#connection = new LaneConnection(execute);
  }
  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }
  /** A transaction of one write is a savepoint within the transaction of its group. */
  async beginTransaction(): Promise<void> {
    await this.#execute('savepoint one_write', []);
  }
  async commitTransaction(): Promise<void> {
    await this.#execute('release savepoint one_write', []);
  }
  async rollbackTransaction(): Promise<void> {
    await this.#execute('rollback to savepoint one_write', []);
    await this.#execute('release savepoint one_write', []);
  }
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}

/** A Kysely whose every statement goes through `execute`, and whose transactions are savepoints. */
export function kyselyOver(dialect: StoreDialect, execute: Execute): Kysely<Database> {
  const shared = { createDriver: (): Driver => new LaneDriver(execute) };
  const chosen: Dialect =
    dialect === 'sqlite'
      ? {
          ...shared,
          createAdapter: () => new SqliteAdapter(),
          createQueryCompiler: () => new SqliteQueryCompiler(),
          createIntrospector: (db) => new SqliteIntrospector(db),
        }
      : {
          ...shared,
          createAdapter: () => new PostgresAdapter(),
          createQueryCompiler: () => new PostgresQueryCompiler(),
          createIntrospector: (db) => new PostgresIntrospector(db),
        };
  return new Kysely<Database>({ dialect: chosen });
}
