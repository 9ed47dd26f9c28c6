/**
 * The index of all tuples in memory, with their history: checks run over it without a query to the database. It holds
 * what was committed and is never the place where a write is decided; the store tells it every revision, in order.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Tuple, TupleQuery } from '../tuple.ts';
import { newHashKey } from './hash.ts';
import { listTuples, type TuplePage } from './listing.ts';
import { withContextual } from './overlay.ts';
import { type Lifetime, TupleStore } from './tuple-store.ts';
import { GraphView, type SnapshotView } from './view.ts';

/** A version of a tuple as the database has it. */
export interface StoredTuple {
  readonly tuple: Tuple;
  readonly createdRevision: number;
  readonly deletedRevision?: number;
  /**
   * Its place in the order of insertion, above 0, and another one for every version: the database's row number makes
   * pages of a list go on across a restart. Absent: behind everything that is there.
   */
  readonly sequence?: number;
}

/** One change of a revision. */
export interface GraphChange {
  readonly operation: 'insert' | 'delete';
  readonly tuple: Tuple;
  /** Of an insert: see `StoredTuple`. */
  readonly sequence?: number;
}

/** Versions that one call of `forget` frees: below 5 ms also with cold caches. */
const FORGOTTEN_MAX = 512;

export class TupleGraph {
  readonly #store: TupleStore = new TupleStore(newHashKey());
  #revision = 0;
  #sequence = 0;

  /** The last revision that was applied. */
  get revision(): number {
    return this.#revision;
  }

  /** The oldest revision of which there is a view. */
  get oldestRevision(): number {
    return this.#store.horizon;
  }

  /** Tuples that are not deleted; expired ones count until they are. */
  get liveTuples(): number {
    return this.#store.live;
  }

  /** Live tuples and deleted ones that are not forgotten. */
  get versions(): number {
    return this.#store.versions;
  }

  /** What the index takes: typed arrays exactly, names by estimate. */
  get memoryBytes(): number {
    return this.#store.bytes;
  }

  /**
   * Takes in what the database holds, before any view is taken: versions of one tuple from old to new. The revision
   * becomes the highest one seen. Throws `internal` for versions of a tuple that overlap, and for numbers that are none.
   */
  apply(rows: readonly StoredTuple[]): void {
    for (const { tuple, createdRevision, deletedRevision, sequence } of rows) {
      checkRevision(createdRevision);
      if (deletedRevision !== undefined) checkRevision(deletedRevision);
      this.#revision = Math.max(this.#revision, createdRevision, deletedRevision ?? 0);
      const endRevision = deletedRevision ?? Number.POSITIVE_INFINITY;
      if (endRevision <= createdRevision) continue;
      this.#add(tuple, { createdRevision, deletedRevision: endRevision }, sequence);
    }
  }

  /**
   * Applies one revision: all deletes, then all inserts. Inserting what is there with the same expiry changes nothing,
   * with another expiry it ends the old version and begins a new one; deleting what is not there changes nothing.
   * Throws `internal` for a revision that is not above the last.
   */
  applyRevision(revision: number, changes: readonly GraphChange[]): void {
    checkRevision(revision);
    if (revision <= this.#revision)
      throw new PosternError('internal', 'A revision of the tuples came out of order', {
        facts: { revision, last: this.#revision },
      });
    for (const { operation, tuple } of changes)
      if (operation === 'delete') this.#store.end(tuple, revision);
    const life = { createdRevision: revision, deletedRevision: Number.POSITIVE_INFINITY };
    for (const { operation, tuple, sequence } of changes)
      if (operation === 'insert') this.#add(tuple, life, sequence);
    // Last: what an error left half done is not seen by a view.
    this.#revision = revision;
  }

  /**
   * The tuples at a revision, those that expired at `nowMs` or before left out. Throws `unavailable` for a revision that
   * was not applied yet, `expired` for a forgotten one; the view itself throws `expired` once it is forgotten.
   */
  viewAt(revision: number, nowMs: number): SnapshotView {
    this.#checkApplied(revision);
    this.#store.checkWindow(revision);
    return new GraphView(this.#store, revision, nowMs);
  }

  /** See `withContextual` of `overlay.ts`. Throws `invalid` for too many tuples. */
  withContextual(view: SnapshotView, tuples: readonly Tuple[]): SnapshotView {
    return withContextual(view, tuples);
  }

  /**
   * Forgets what was deleted at or before a revision (the last one applied at most): views before it throw `expired` from
   * now on. One call frees a bounded number of versions and answers how many are left: call again, later, until 0.
   */
  forget(beforeRevision: number): number {
    return this.#store.forget(Math.min(beforeRevision, this.#revision), FORGOTTEN_MAX);
  }

  /**
   * A page of the tuples that match, in order of insertion, after the place `afterRow` (0: from the beginning). It may be
   * short, even empty: the list has ended only when `nextAfterRow` is undefined. Throws as `viewAt` does.
   */
  list(
    query: TupleQuery,
    revision: number,
    nowMs: number,
    afterRow: number,
    limit: number,
  ): TuplePage {
    this.#checkApplied(revision);
    return listTuples(this.#store, query, { revision, nowMs, afterRow, limit });
  }

  #add(tuple: Tuple, life: Omit<Lifetime, 'sequence'>, given: number | undefined): void {
    const sequence = given ?? this.#sequence + 1;
    if (!Number.isSafeInteger(sequence) || sequence < 1)
      throw new PosternError('internal', 'A sequence number of a tuple is not above 0');
    if (sequence <= this.#sequence && this.#store.hasSequence(sequence))
      throw new PosternError('internal', 'Two tuples have one sequence number');
    this.#store.add(tuple, { ...life, sequence });
    this.#sequence = Math.max(this.#sequence, sequence);
  }

  #checkApplied(revision: number): void {
    if (revision > this.#revision)
      throw new PosternError('unavailable', 'That revision is not known here yet', {
        facts: { revision, latest: this.#revision },
      });
  }
}

function checkRevision(revision: number): void {
  if (!Number.isSafeInteger(revision) || revision < 0)
    throw new PosternError('internal', 'A revision of the tuples is not a whole number');
}
