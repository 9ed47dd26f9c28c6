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
  /**
   * Opens the transaction of a group with its savepoint, at the latest with the first statement; it or that statement
   * throws `unavailable` when the database is out of reach.
   */
  begin(savepoint: string): Promise<void>;
  /** Whether the transaction of the group is known to be open. */
  readonly hasBegun: boolean;
  /**
   * Has a statement that answers nothing run before the next one, at the latest with the commit. Where each statement is a
   * message, it then costs none; what it fails with, the next one fails with.
   */
  precede(sql: string): Promise<void>;
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

/** What a Kysely needs of a connection; `precede` where it has one. */
export interface Statements {
  readonly execute: Execute;
  precede?(sql: string): Promise<void>;
}

class LaneDriver implements Driver {
  readonly #connection: LaneConnection;
  readonly #statements: Statements;
  constructor(statements: Statements) {
    this.#statements = statements;
    this.#connection = new LaneConnection(statements.execute);
  }
  async init(): Promise<void> {}
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }
  /** A transaction of one write is a savepoint within the transaction of its group. */
  async beginTransaction(): Promise<void> {
    await this.#precede('savepoint one_write');
  }
  async commitTransaction(): Promise<void> {
    await this.#precede('release savepoint one_write');
  }
  async rollbackTransaction(): Promise<void> {
    await this.#statements.execute('rollback to savepoint one_write', []);
    await this.#statements.execute('release savepoint one_write', []);
  }
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}

  async #precede(sql: string): Promise<void> {
    const { precede, execute } = this.#statements;
    await (precede === undefined ? execute(sql, []) : precede(sql));
  }
}

/** A Kysely whose every statement goes over the connection, and whose transactions are savepoints. */
export function kyselyOver(dialect: StoreDialect, statements: Statements): Kysely<Database> {
  const shared = { createDriver: (): Driver => new LaneDriver(statements) };
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
