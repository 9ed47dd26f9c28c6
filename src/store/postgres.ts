/**
 * The PostgreSQL store. Several servers may share the database: writes of all of them run one after another under an
 * advisory lock, so that numbers follow the order of commits on every server, and NOTIFY wakes the readers of all.
 * A database that goes away makes reads and writes fail with `unavailable`; they work again when it is back.
 */
import { Client, Pool, type PoolClient, types } from 'pg';
import { PosternError } from '../kernel/index.ts';
import { type Execute, kyselyOver, type WriteLane } from './lane.ts';
import { migrate } from './migrations.ts';
import type { Store } from './store.ts';
import { WriteQueue } from './write-queue.ts';

const POOL_CONNECTIONS_MAX = 8;
const CONNECT_TIMEOUT_MS = 5_000;
/** How long to wait before listening again after a lost connection. */
const RELISTEN_MS = 500;
/** "post": the advisory lock that puts all writes in one order. */
const WRITE_LOCK = 0x706f7374;
const CHANNEL = 'postern_commit';
const BIGINT_OID = 20;
const UNIQUE_VIOLATION = '23505';

/** bigint columns hold milliseconds and counters, which fit a number. */
const typeReaders = {
  getTypeParser: (oid: number, format?: 'text' | 'binary'): ((value: string) => unknown) =>
    oid === BIGINT_OID ? Number : types.getTypeParser(oid, format ?? 'text'),
};

function postgresError(reason: unknown): Error {
  if (reason instanceof PosternError) return reason;
  const error = reason instanceof Error ? reason : new Error(String(reason));
  const code: unknown = Reflect.get(error, 'code');
  if (code === UNIQUE_VIOLATION) {
    return new PosternError('conflict', 'That exists already', { cause: error });
  }
  // Five characters are an SQLSTATE: 08 connection, 53 resources, 57P shutting down. Anything else never reached it.
  const isAnswer = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code);
  if (isAnswer && !/^(08|53|57P)/.test(code)) return error;
  return new PosternError('unavailable', 'The database is out of reach', { cause: error });
}

/** The writing connection, taken from the pool for a group and given back after it. */
class PostgresLane implements WriteLane {
  readonly #pool: Pool;
  #client: PoolClient | undefined;
  #hasBegun = false;
  constructor(pool: Pool) {
    this.#pool = pool;
  }

  readonly execute: Execute = async (sql, parameters) => {
    if (this.#client === undefined) throw new PosternError('internal', 'No write is under way');
    try {
      const result = await this.#client.query(sql, [...parameters]);
      return { rows: result.rows ?? [], changes: result.rowCount ?? 0 };
    } catch (reason) {
      throw postgresError(reason);
    }
  };

  readonly precede = async (sql: string): Promise<void> => void (await this.execute(sql, []));

  get hasBegun(): boolean {
    return this.#hasBegun;
  }
  async begin(savepoint: string): Promise<void> {
    this.#hasBegun = false;
    try {
      this.#client = await this.#pool.connect();
    } catch (reason) {
      throw postgresError(reason);
    }
    await this.execute(
      `begin; select pg_advisory_xact_lock(${WRITE_LOCK}); savepoint ${savepoint}`,
      [],
    );
    this.#hasBegun = true;
  }
  async commit(): Promise<void> {
    await this.execute(`notify ${CHANNEL}; commit`, []);
    this.#client?.release();
    this.#client = undefined;
  }
  async rollback(): Promise<void> {
    // The connection may be half dead: drop it, and the server rolls back.
    this.#client?.release(true);
    this.#client = undefined;
  }
  async close(): Promise<void> {}
}

/** Keeps one connection listening for commits of any server, for as long as the store is open. */
class CommitListener {
  readonly #url: string;
  readonly #wake: () => void;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  constructor(url: string, wake: () => void) {
    this.#url = url;
    this.#wake = wake;
  }

  async listen(): Promise<void> {
    const client = new Client({
      connectionString: this.#url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    this.#client = client;
    let isLost = false;
    const lost = (): void => {
      if (isLost || this.#isClosed) return;
      isLost = true;
      client.end().catch(() => undefined);
      this.#timer = setTimeout(() => void this.listen(), RELISTEN_MS);
    };
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', this.#wake);
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      // What was committed while nobody listened.
      this.#wake();
    } catch {
      lost();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#client?.end().catch(() => undefined);
  }
}

/** Opens the store in the PostgreSQL database at `url`. Throws `unavailable` when it does not answer. */
export async function openPostgresStore(url: string): Promise<Store> {
  const pool = new Pool({
    connectionString: url,
    max: POOL_CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types: typeReaders,
  });
  // Idle connections die with the database; the pool drops them and the next use opens new ones.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));

  const read: Execute = async (sql, parameters) => {
    try {
      const result = await pool.query(sql, [...parameters]);
      return { rows: result.rows ?? [], changes: result.rowCount ?? 0 };
    } catch (reason) {
      throw postgresError(reason);
    }
  };
  const lane = new PostgresLane(pool);
  try {
    await lane.begin('migration');
    await migrate(kyselyOver('postgres', lane), 'postgres');
    await lane.commit();
  } catch (reason) {
    await lane.rollback();
    await pool.end();
    throw postgresError(reason);
  }

  const listeners = new Set<() => void>();
  const wake = (): void => {
    for (const listener of listeners) listener();
  };
  const listener = new CommitListener(url, wake);
  await listener.listen();
  const queue = new WriteQueue(lane, kyselyOver('postgres', lane), wake);
  return {
    dialect: 'postgres',
    db: kyselyOver('postgres', { execute: read }),
    write: (fn) => queue.write(fn),
    onCommit: (added) => {
      listeners.add(added);
      return () => void listeners.delete(added);
    },
    ping: async () => void (await read('select 1', [])),
    close: async () => {
      await queue.close();
      await listener.close();
      await pool.end();
    },
  };
}
