/**
 * The app's own database: how often somebody was here. The embedded one without `DATABASE_URL`, a PostgreSQL with it.
 * Its tables come from `migrations/`, each once, in the order of their names.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

export interface VisitBook {
  /** Counts a visit of a person; answers how often they were here. */
  visit(email: string): Promise<number>;
  close(): Promise<void>;
}

/** Runs a statement; `$1` … stand for the values. Answers the rows. */
type Run = (sql: string, ...values: string[]) => Promise<Record<string, unknown>[]>;

const VISIT = `INSERT INTO visits (email, times) VALUES ($1, 1)
  ON CONFLICT (email) DO UPDATE SET times = visits.times + 1 RETURNING times`;

async function migrate(run: Run): Promise<void> {
  const folder = join(import.meta.dirname, 'migrations');
  await run('CREATE TABLE IF NOT EXISTS migrations (name VARCHAR(200) PRIMARY KEY)');
  const done = new Set((await run('SELECT name FROM migrations')).map((row) => row['name']));
  for (const name of readdirSync(folder).sort()) {
    if (done.has(name)) continue;
    await run(readFileSync(join(folder, name), 'utf8'));
    await run('INSERT INTO migrations (name) VALUES ($1)', name);
  }
}

async function bookOf(run: Run, close: () => Promise<void>): Promise<VisitBook> {
  await migrate(run);
  return {
    visit: async (email) => Number((await run(VISIT, email))[0]?.['times']),
    close,
  };
}

/** Opens the book, its tables made. */
export async function openVisitBook(url: string | undefined, file: string): Promise<VisitBook> {
  if (url !== undefined) {
    const pool = new pg.Pool({ connectionString: url });
    const run: Run = async (sql, ...values) => (await pool.query(sql, values)).rows;
    return bookOf(run, () => pool.end());
  }
  const db = new DatabaseSync(file);
  const run: Run = async (sql, ...values) =>
    db.prepare(sql.replaceAll(/\$(\d+)/g, '?$1')).all(...values);
  return bookOf(run, async () => db.close());
}
