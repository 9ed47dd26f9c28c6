/**
 * The event log. An event is written in the transaction of the change that it tells of, and numbered in the order of
 * commits without gaps. Readers are only woken; they catch up by number, so that nothing is missed and nothing comes twice.
 */
import type { Transaction } from 'kysely';
import { type Clock, systemClock } from '../kernel/index.ts';
import { type Database, type EventsTable, nextNumber, type Store } from '../store/index.ts';

const PAGE_EVENTS = 500;
const RETRY_MS = 250;

export interface NewEvent {
  /** Such as `member.revoked`. */
  readonly kind: string;
  readonly projectId?: string;
  readonly subject?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface StoredEvent {
  readonly number: number;
  readonly kind: string;
  readonly projectId: string | undefined;
  readonly subject: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

export interface Subscription {
  /** The number of the last event that was handled. */
  readonly position: number;
  close(): void;
}

export interface Events {
  append(trx: Transaction<Database>, event: NewEvent): Promise<number>;
  /** Up to 500 events after a number, in order. */
  read(after: number, limit?: number): Promise<StoredEvent[]>;
  /** The number of the newest event; 0 when there is none. */
  latest(): Promise<number>;
  /** Calls `handle` for every event after a number, in order, one at a time. An event whose handler throws comes again. */
  subscribe(after: number, handle: (event: StoredEvent) => void | Promise<void>): Subscription;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a JSON object column; anything else is an empty object. */
export function readObject(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json);
  return isRecord(value) ? value : {};
}

const toEvent = (row: EventsTable): StoredEvent => ({
  number: row.number,
  kind: row.kind,
  projectId: row.project_id ?? undefined,
  subject: row.subject ?? undefined,
  data: readObject(row.data_json),
  atMs: row.at_ms,
});

class Reader implements Subscription {
  readonly #read: (after: number) => Promise<StoredEvent[]>;
  readonly #handle: (event: StoredEvent) => void | Promise<void>;
  readonly #unlisten: () => void;
  #position: number;
  #isAwake = false;
  #isBusy = false;
  #isClosed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(
    read: (after: number) => Promise<StoredEvent[]>,
    store: Store,
    after: number,
    handle: (event: StoredEvent) => void | Promise<void>,
  ) {
    this.#read = read;
    this.#handle = handle;
    this.#position = after;
    this.#unlisten = store.onCommit(() => this.#wake());
    this.#wake();
  }

  get position(): number {
    return this.#position;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#unlisten();
  }

  #wake(): void {
    this.#isAwake = true;
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    clearTimeout(this.#retry);
    void this.#catchUp().then((isDone) => {
      this.#isBusy = false;
      if (this.#isClosed) return;
      if (!isDone) this.#retry = setTimeout(() => this.#wake(), RETRY_MS);
      else if (this.#isAwake) this.#wake();
    });
  }

  /** False when the database or the handler failed, to try again soon. */
  async #catchUp(): Promise<boolean> {
    this.#isAwake = false;
    try {
      for (;;) {
        const page = await this.#read(this.#position);
        for (const event of page) {
          if (this.#isClosed) return true;
          await this.#handle(event);
          this.#position = event.number;
        }
        if (page.length < PAGE_EVENTS) return true;
      }
    } catch {
      return false;
    }
  }
}

/** The event log of a store. */
export function createEvents(store: Store, clock: Clock = systemClock): Events {
  // Readers that a commit wakes together stand at the same event: one question answers them all. A question from before
  // the commit may have missed it, so it is shared with nobody who was woken after.
  const asked = new Map<number, Promise<StoredEvent[]>>();
  store.onCommit(() => asked.clear());
  const events: Events = {
    append: async (trx, event) => {
      const number = await nextNumber(trx, 'events');
      await trx
        .insertInto('events')
        .values({
          number,
          kind: event.kind,
          project_id: event.projectId ?? null,
          subject: event.subject ?? null,
          data_json: JSON.stringify(event.data ?? {}),
          at_ms: clock.now(),
        })
        .execute();
      return number;
    },
    read: async (after, limit = PAGE_EVENTS) => {
      const page = store.db.selectFrom('events').selectAll().where('number', '>', after);
      const rows = await page.orderBy('number').limit(Math.min(limit, PAGE_EVENTS)).execute();
      return rows.map(toEvent);
    },
    latest: async () => {
      const row = await store.db
        .selectFrom('counters')
        .select('value')
        .where('name', '=', 'events')
        .executeTakeFirst();
      return row?.value ?? 0;
    },
    subscribe: (after, handle) => new Reader(readShared, store, after, handle),
  };
  const readShared = (after: number): Promise<StoredEvent[]> => {
    const known = asked.get(after);
    if (known !== undefined) return known;
    const page = events.read(after).finally(() => {
      if (asked.get(after) === page) asked.delete(after);
    });
    asked.set(after, page);
    return page;
  };
  return events;
}
