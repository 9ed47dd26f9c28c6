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

/** Runs one statement, prepared once a text. */
export function runStatement(
  db: DatabaseSync,
  statements: Map<string, StatementSync>,
  sql: string,
  parameters: readonly unknown[],
): { rows: unknown[]; changes: number } {
  let statement = statements.get(sql);
  if (statement === undefined) {
    if (statements.size >= STATEMENTS_MAX) statements.clear();
    statement = db.prepare(sql);
    statements.set(sql, statement);
  }
  const inputs = parameters.map(toInput);
  if (statement.columns().length > 0) {
    const rows = statement.all(...inputs);
    return { rows, changes: rows.length };
  }
  return { rows: [], changes: Number(statement.run(...inputs).changes) };
}
