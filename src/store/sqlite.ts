/**
 * The SQLite store: reads on the main thread (microseconds each), writes on a thread of their own.
 * The file belongs to one server process.
 */
import { mkdirSync } from 'node:fs';
import { dirname, extname } from 'node:path';

import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { PosternError, toPosternError } from '../kernel/index.ts';
import { type Execute, kyselyOver, type StatementResult, type WriteLane } from './lane.ts';
import { migrate } from './migrations.ts';
import { openSqliteFile, type PreparedStatement, runStatement } from './sqlite-file.ts';
import type { Store } from './store.ts';
import { WriteQueue } from './write-queue.ts';

/** SQLite's primary result code for a lost race on a unique key. */
const SQLITE_CONSTRAINT = 19;

/** What the writer thread met, as an error of this program where it has a name for it. */
function sqliteError(message: string, errcode: unknown): Error {
  const cause = Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode });
  if (typeof errcode === 'number' && (errcode & 0xff) === SQLITE_CONSTRAINT)
    return new PosternError('conflict', 'That exists already', { cause });
  const error = toPosternError(cause);
  return error.code === 'internal' ? cause : error;
}

/** One message to the writer thread: statements to run first, which answer nothing, and one to answer. */
export interface WriterOrder {
  readonly id: number;
  readonly first: readonly string[];
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** What the writer thread answers to an order. */
export interface WriterAnswer {
  readonly id: number;
  /** Whether all that was to run first has run. */
  readonly hasPreceded: boolean;
  readonly rows?: unknown[];
  readonly changes?: number;
  readonly error?: string;
  readonly errcode?: unknown;
}

/** The lane to the writer thread. */
class WriterThread implements WriteLane {
  readonly #worker: Worker;
  readonly #pending = new Map<
    number,
    { resolve(result: StatementResult): void; reject(reason: unknown): void }
  >();
  /** What runs before the next statement. */
  #preceding: string[] = [];
  #nextId = 1;
  #hasBegun = false;
  /** Why the group's transaction did not open: whatever is asked of it fails with that. */
  #failure: Error | undefined;
  #ended: PosternError | undefined;

  constructor(path: string) {
    // The published build has writer.js beside this file; from the sources it is writer.ts.
    const extension = extname(fileURLToPath(import.meta.url));
    this.#worker = new Worker(new URL(`./writer${extension}`, import.meta.url), {
      workerData: path,
    });
    this.#worker.on('message', (answer: WriterAnswer) => this.#answered(answer));
    this.#worker.on('error', (cause) => this.#end(cause));
    this.#worker.on('exit', () => this.#end(undefined));
  }

  readonly execute: Execute = (sql, parameters) => {
    const failure = this.#ended ?? this.#failure;
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      const first = this.#preceding;
      this.#preceding = [];
      const order: WriterOrder = { id, first, sql, parameters };
      this.#worker.postMessage(order);
    });
  };

  readonly precede = async (sql: string): Promise<void> => void this.#preceding.push(sql);

  get hasBegun(): boolean {
    return this.#hasBegun;
  }
  async begin(savepoint: string): Promise<void> {
    this.#hasBegun = false;
    this.#failure = undefined;
    this.#preceding = ['begin immediate', `savepoint ${savepoint}`];
  }
  async commit(): Promise<void> {
    await this.execute('commit', []);
  }
  async rollback(): Promise<void> {
    this.#preceding = [];
    this.#failure = undefined;
    // Refused when SQLite has already rolled back by itself, which is as good.
    await this.execute('rollback', []).catch(() => undefined);
  }
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered(answer: WriterAnswer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    const error =
      answer.error === undefined ? undefined : sqliteError(answer.error, answer.errcode);
    if (answer.hasPreceded) this.#hasBegun = true;
    else if (!this.#hasBegun) this.#failure = error;
    if (error !== undefined) pending?.reject(error);
    else pending?.resolve({ rows: answer.rows ?? [], changes: answer.changes ?? 0 });
  }

  #end(cause: unknown): void {
    this.#ended ??= new PosternError('unavailable', 'The database writer has ended', { cause });
    for (const pending of this.#pending.values()) pending.reject(this.#ended);
    this.#pending.clear();
  }
}

/** Opens (and creates, 0700 folder and 0600 file) the SQLite store at `path`. */
export async function openSqliteStore(path: string): Promise<Store> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const reader = openSqliteFile(path);
  const statements = new Map<string, PreparedStatement>();
  const read: Execute = async (sql, parameters) => {
    try {
      return runStatement(reader, statements, sql, parameters);
    } catch (reason) {
      if (!(reason instanceof Error)) throw reason;
      throw sqliteError(reason.message, Reflect.get(reason, 'errcode'));
    }
  };
  const db = kyselyOver('sqlite', { execute: read });
  await migrate(db, 'sqlite');
  reader.exec('pragma query_only = on');

  const listeners = new Set<() => void>();
  const lane = new WriterThread(path);
  const queue = new WriteQueue(lane, kyselyOver('sqlite', lane), () => {
    for (const listener of listeners) listener();
  });
  return {
    dialect: 'sqlite',
    db,
    write: (fn) => queue.write(fn),
    onCommit: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    ping: async () => void (await read('select 1', [])),
    close: async () => {
      await queue.close();
      await lane.close();
      statements.clear();
      reader.close();
    },
  };
}
