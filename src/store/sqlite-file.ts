/** Opening the SQLite file and running statements on it: shared by the reading connection and the writer thread. */
import { chmodSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

/** How long a connection waits for another process, such as a backup, before it gives up. */
const BUSY_TIMEOUT_MS = 10_000;
/** The server has a bounded set of statements; this bound is for the unexpected. */
const STATEMENTS_MAX = 500;

/** Opens the file (0600) with WAL and a flush to disk at every commit. */
export function openSqliteFile(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  chmodSync(path, 0o600);
  db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on');
  return db;
}

function toInput(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
    return value;
  }
  if (value instanceof Uint8Array) return value;
  throw new TypeError('not a value that the store can keep');
}

/** A statement that is prepared once for its text; whether it gives rows is asked once too, since that costs a description of each column. */
export interface PreparedStatement {
  readonly statement: StatementSync;
  readonly givesRows: boolean;
}

/** Runs one statement, prepared once a text. */
export function runStatement(
  db: DatabaseSync,
  statements: Map<string, PreparedStatement>,
  sql: string,
  parameters: readonly unknown[],
): { rows: unknown[]; changes: number } {
  let prepared = statements.get(sql);
  if (prepared === undefined) {
    if (statements.size >= STATEMENTS_MAX) statements.clear();
    const statement = db.prepare(sql);
    prepared = { statement, givesRows: statement.columns().length > 0 };
    statements.set(sql, prepared);
  }
  const { statement, givesRows } = prepared;
  const inputs = parameters.map(toInput);
  if (givesRows) {
    const rows = statement.all(...inputs);
    return { rows, changes: rows.length };
  }
  return { rows: [], changes: Number(statement.run(...inputs).changes) };
}
