/**
 * Decisions: every answer to "may this principal do that?" has an id, and `explain` tells afterwards who asked what,
 * which rule decided and what would have made it pass. The newest are kept, in memory first and then in the store:
 * a question never waits for the disk.
 */
import { type Clock, newId, PosternError, systemClock } from '../kernel/index.ts';
import { type DecisionsTable, nextNumber, type Store } from '../store/index.ts';
import { readObject } from './events.ts';

/** What the store keeps; older decisions go. */
const KEPT_MAX = 10_000;
/** Decisions that wait to be written; beyond it allowed ones are dropped first. */
const PENDING_MAX = 2_000;
const FLUSH_MS = 200;

export interface NewDecision {
  readonly principalId: string;
  readonly action: string;
  readonly resource: string;
  readonly isAllowed: boolean;
  /** The rule that decided, such as `role admin` or a policy's text. */
  readonly rule: string;
  readonly why: string;
  /** What would have made it pass. */
  readonly hint?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
  /** Given when the decision was made elsewhere, by a node. */
  readonly id?: string;
  readonly atMs?: number;
}

export interface Decision {
  readonly id: string;
  readonly atMs: number;
  readonly principalId: string;
  readonly action: string;
  readonly resource: string;
  readonly isAllowed: boolean;
  readonly rule: string;
  readonly why: string;
  readonly hint: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface Decisions {
  /** Keeps a decision and returns it with its id, at once. */
  record(decision: NewDecision): Decision;
  /** Tells of a decision by id, or of the newest (`last`), or of the newest denial (`last-denied`). Throws `not_found`. */
  explain(id: string): Promise<Decision>;
  /** Writes what waits. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const toDecision = (row: DecisionsTable): Decision => ({
  id: row.id,
  atMs: row.at_ms,
  principalId: row.principal_id,
  action: row.action,
  resource: row.resource,
  isAllowed: row.allowed === 1,
  rule: row.rule,
  why: row.why,
  hint: row.hint ?? undefined,
  facts: readObject(row.facts_json),
});

const toRow = (decision: Decision, number: number): DecisionsTable => ({
  id: decision.id,
  number,
  at_ms: decision.atMs,
  principal_id: decision.principalId,
  action: decision.action,
  resource: decision.resource,
  allowed: decision.isAllowed ? 1 : 0,
  rule: decision.rule,
  why: decision.why,
  hint: decision.hint ?? null,
  facts_json: JSON.stringify(decision.facts),
});

class StoreDecisions implements Decisions {
  readonly #store: Store;
  readonly #clock: Clock;
  #pending: Decision[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  record(made: NewDecision): Decision {
    const decision: Decision = {
      id: made.id ?? newId('dec'),
      atMs: made.atMs ?? this.#clock.now(),
      principalId: made.principalId,
      action: made.action,
      resource: made.resource,
      isAllowed: made.isAllowed,
      rule: made.rule,
      why: made.why,
      hint: made.hint,
      facts: made.facts ?? {},
    };
    this.#pending.push(decision);
    if (this.#pending.length > PENDING_MAX) {
      const allowed = this.#pending.findIndex((d) => d.isAllowed);
      this.#pending.splice(Math.max(allowed, 0), 1);
    }
    this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), FLUSH_MS).unref();
    return decision;
  }

  async explain(id: string): Promise<Decision> {
    const isLast = id === 'last' || id === 'last-denied';
    const isWanted = (d: Decision): boolean =>
      isLast ? id === 'last' || !d.isAllowed : d.id === id;
    const waiting = this.#pending.findLast(isWanted);
    if (waiting !== undefined) return waiting;
    let query = this.#store.db.selectFrom('decisions').selectAll();
    if (id === 'last-denied') query = query.where('allowed', '=', 0);
    if (!isLast) query = query.where('id', '=', id);
    const row = await query.orderBy('number', 'desc').limit(1).executeTakeFirst();
    if (row !== undefined) return toDecision(row);
    if (isLast)
      throw new PosternError(
        'not_found',
        id === 'last' ? 'Nothing was decided yet' : 'Nothing was denied yet',
        { hint: 'Decisions are kept for a while only' },
      );
    throw new PosternError('not_found', `There is no decision "${id}"`, {
      hint: 'Decisions are kept for a while only; `postern explain last` tells of the newest denial',
    });
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const writing = this.#pending.slice();
    if (writing.length === 0) return;
    await this.#store.write(async (trx) => {
      let number = 0;
      for (const decision of writing) {
        number = await nextNumber(trx, 'decisions');
        await trx
          .insertInto('decisions')
          .values(toRow(decision, number))
          .onConflict((oc) => oc.column('id').doNothing())
          .execute();
      }
      await trx
        .deleteFrom('decisions')
        .where('number', '<=', number - KEPT_MAX)
        .execute();
    });
    const written = new Set(writing);
    this.#pending = this.#pending.filter((d) => !written.has(d));
  }

  async close(): Promise<void> {
    await this.flush();
  }
}

/** The decisions of a store. */
export function createDecisions(store: Store, clock: Clock = systemClock): Decisions {
  return new StoreDecisions(store, clock);
}
