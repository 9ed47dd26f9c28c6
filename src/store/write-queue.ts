/**
 * Group commit. Writes wait in a queue; a group takes what waits, runs each in its own savepoint of one transaction,
 * commits once, and only then tells every caller that its write is durable. The disk is paid for once a group.
 *
 * INVARIANT: a promise of `write` resolves only after the commit that holds its changes returned.
 * A write inside a write would wait for itself and is refused.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Kysely, Transaction } from 'kysely';
import { PosternError } from '../kernel/index.ts';
import type { Database } from './database.ts';
import type { WriteLane } from './lane.ts';

/** Enough to spread one disk flush over a burst, few enough that the first of a group does not wait long. */
const GROUP_WRITES_MAX = 128;
/** A server that is this far behind answers `exhausted` instead of collecting more. */
const QUEUE_WRITES_MAX = 10_000;

interface Waiting {
  run(db: Kysely<Database>): Promise<void>;
  /** Called once the group is durable. */
  done(): void;
  fail(reason: unknown): void;
}

export class WriteQueue {
  readonly #lane: WriteLane;
  readonly #db: Kysely<Database>;
  readonly #committed: () => void;
  readonly #inside = new AsyncLocalStorage<true>();
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(lane: WriteLane, db: Kysely<Database>, committed: () => void) {
    this.#lane = lane;
    this.#db = db;
    this.#committed = committed;
  }

  write<T>(fn: (trx: Transaction<Database>) => Promise<T>): Promise<T> {
    if (this.#inside.getStore()) {
      return Promise.reject(new PosternError('internal', 'A write was begun inside a write'));
    }
    if (this.#isClosed) {
      return Promise.reject(new PosternError('unavailable', 'The store is closed'));
    }
    if (this.#waiting.length >= QUEUE_WRITES_MAX) {
      return Promise.reject(new PosternError('exhausted', 'Too many writes are waiting'));
    }
    return new Promise<T>((resolve, reject) => {
      let result: { readonly value: T } | undefined;
      this.#waiting.push({
        run: async (db) => {
          const value = await this.#inside.run(true, () => db.transaction().execute(fn));
          result = { value };
        },
        done: () => {
          if (result !== undefined) resolve(result.value);
        },
        fail: reject,
      });
      this.#running ??= this.#drain();
    });
  }

  /** Refuses new writes and waits for those under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #drain(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#group();
    this.#running = undefined;
  }

  async #group(): Promise<void> {
    const ran: Waiting[] = [];
    const refused: { readonly waiting: Waiting; readonly reason: unknown }[] = [];
    // Told once the group has ended: what a write failed on may be a change of the same group, and a caller that tries
    // again at once must find it committed, not hold the group open for ever.
    const tellRefused = (): void => {
      for (const { waiting, reason } of refused) waiting.fail(reason);
    };
    let current: Waiting | undefined;
    try {
      await this.#lane.begin('one_group');
      while (ran.length + refused.length < GROUP_WRITES_MAX) {
        current = this.#waiting.shift();
        if (current === undefined) break;
        const outcome = await this.#runOne(current);
        if (outcome === undefined) ran.push(current);
        else refused.push({ waiting: current, reason: outcome.reason });
        current = undefined;
      }
      await this.#lane.commit();
    } catch (reason) {
      const { hasBegun } = this.#lane;
      await this.#lane.rollback();
      tellRefused();
      // With nothing begun, the group is what waits: it must not wait for ever on a database that is away.
      const isAway = ran.length === 0 && refused.length === 0 && !hasBegun;
      const failed = isAway ? this.#waiting.splice(0) : ran;
      if (current !== undefined) failed.push(current);
      for (const waiting of failed) waiting.fail(reason);
      return;
    }
    for (const waiting of ran) waiting.done();
    tellRefused();
    if (ran.length > 0) this.#committed();
  }

  /** Why the write failed by itself, undefined when it did not; throws when the connection is lost, which ends the group. */
  async #runOne(waiting: Waiting): Promise<{ readonly reason: unknown } | undefined> {
    try {
      await waiting.run(this.#db);
      return undefined;
    } catch (reason) {
      // Throws when the group's transaction did not open or is gone: a lost connection, or SQLite undid it all by itself (disk full).
      await this.#lane.execute('release savepoint one_group', []);
      await this.#lane.execute('savepoint one_group', []);
      return { reason };
    }
  }
}
