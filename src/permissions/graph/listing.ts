/**
 * Lists of tuples by a filter, in order of insertion. Two ways lead to them: over an index (collect what it names, sort
 * it) where that names few, else along the order of insertion from where the page before ended. Either is cut short
 * before it holds the thread for long; a page must never end a list that has not ended.
 */
import { type Subject, sameSubject, type Tuple, type TupleQuery } from '../tuple.ts';
import { NONE } from './rows.ts';
import type { TupleStore } from './tuple-store.ts';
import { FIRST_HELD, FIRST_ID, FIRST_SET } from './vertices.ts';

export interface TuplePage {
  readonly tuples: readonly Tuple[];
  /** Gives the next page as `afterRow`; undefined when there is none. Only this says whether the list has ended. */
  readonly nextAfterRow: number | undefined;
}

/** Where a list is read. */
export interface ListPosition {
  readonly revision: number;
  readonly nowMs: number;
  /** The place in the order of insertion after which to begin; 0 for the beginning. */
  readonly afterRow: number;
  readonly limit: number;
}

/** Versions that one call looks at along the order of insertion: about 2 ms. */
const SCANNED_MAX = 20_000;
/** Records that one call collects over an index at most, however large the store is. */
const COLLECTED_MAX = 20_000;

interface Found {
  readonly sequence: number;
  readonly tuple: Tuple;
}

/** A page of the tuples that match. It may be short, even empty, when looking on would have taken too long. */
export function listTuples(store: TupleStore, query: TupleQuery, at: ListPosition): TuplePage {
  store.checkWindow(at.revision);
  // An index that names k of n tuples costs k for each page, the order of insertion limit * n / k.
  const budget = Math.min(COLLECTED_MAX, 100 + 4 * Math.sqrt((at.limit + 1) * store.versions));
  const rows = candidates(store, query, budget);
  return rows === undefined ? scan(store, query, at) : collect(store, query, at, rows);
}

function collect(
  store: TupleStore,
  query: TupleQuery,
  at: ListPosition,
  rows: readonly number[],
): TuplePage {
  const found: Found[] = [];
  for (const row of rows) {
    const item = look(store, query, at, row);
    if (item !== undefined && item.sequence > at.afterRow) found.push(item);
  }
  found.sort((a, b) => a.sequence - b.sequence);
  const page = found.slice(0, at.limit);
  const last = page.at(-1)?.sequence ?? at.afterRow;
  return {
    tuples: page.map((f) => f.tuple),
    nextAfterRow: found.length > page.length ? last : undefined,
  };
}

function scan(store: TupleStore, query: TupleQuery, at: ListPosition): TuplePage {
  const tuples: Tuple[] = [];
  let scanned = 0;
  let last = at.afterRow;
  let hasMore = false;
  store.visitAfter(at.afterRow, (sequence, row) => {
    const item = look(store, query, at, row);
    // A tuple that was inserted again stands at several places; only one of them is that of the version seen.
    const isMatch = item?.sequence === sequence;
    hasMore = scanned === SCANNED_MAX || (isMatch && tuples.length === at.limit);
    if (hasMore) return false;
    if (item !== undefined && isMatch) tuples.push(item.tuple);
    last = sequence;
    scanned++;
    return true;
  });
  return { tuples, nextAfterRow: hasMore ? last : undefined };
}

function look(
  store: TupleStore,
  query: TupleQuery,
  at: ListPosition,
  row: number,
): Found | undefined {
  const version = store.seen(row, at.revision, at.nowMs);
  if (version === undefined) return undefined;
  const tuple = store.tuple(row, version);
  return matches(query, tuple) ? { sequence: version.sequence, tuple } : undefined;
}

/** Whether a tuple matches a filter. */
function matches(query: TupleQuery, t: Tuple): boolean {
  return (
    (query.namespace === undefined || query.namespace === t.namespace) &&
    (query.object === undefined || query.object === t.object) &&
    (query.relation === undefined || query.relation === t.relation) &&
    (query.subject === undefined || sameSubject(query.subject, t.subject))
  );
}

/** The tuples that an index names, among them all that match; undefined when they are more than the budget. */
function candidates(store: TupleStore, query: TupleQuery, budget: number): number[] | undefined {
  const walk = new Walk(store, budget);
  const { namespace, object, relation, subject } = query;
  if (namespace !== undefined && object !== undefined) {
    if (subject !== undefined && relation !== undefined)
      return walk.tuple(namespace, object, relation, subject);
    const isDone =
      relation === undefined
        ? walk.object(store.vertices.findObject(namespace, object))
        : walk.node(store.vertices.findNode(namespace, object, relation));
    if (isDone) return walk.rows;
  }
  if (subject !== undefined) return walk.restart().held(subject) ? walk.rows : undefined;
  if (namespace === undefined || object !== undefined) return undefined;
  return walk.namespace(namespace) ? walk.rows : undefined;
}

/** Collects tuples; each method answers false when the budget does not suffice for all. */
class Walk {
  rows: number[] = [];
  readonly #store: TupleStore;
  readonly #budget: number;
  #steps = 0;

  constructor(store: TupleStore, budget: number) {
    this.#store = store;
    this.#budget = budget;
  }

  restart(): this {
    this.rows = [];
    this.#steps = 0;
    return this;
  }

  tuple(namespace: string, object: string, relation: string, subject: Subject): number[] {
    const node = this.#store.vertices.findNode(namespace, object, relation);
    const row = this.#store.find(node, this.#store.findSubject(subject));
    return row === NONE ? [] : [row];
  }

  held(subject: Subject): boolean {
    return this.#list(this.#store.findSubject(subject), FIRST_HELD);
  }

  node(node: number): boolean {
    return this.#list(node, FIRST_ID) && this.#list(node, FIRST_SET);
  }

  object(object: number): boolean {
    const { vertices } = this.#store;
    let node = object === NONE ? NONE : vertices.firstNode(object);
    for (; node !== NONE; node = vertices.nextNode(node))
      if (++this.#steps > this.#budget || !this.node(node)) return false;
    return true;
  }

  namespace(namespace: string): boolean {
    const { vertices } = this.#store;
    let object = vertices.firstObject(namespace);
    for (; object !== NONE; object = vertices.nextObject(object))
      if (++this.#steps > this.#budget || !this.object(object)) return false;
    return true;
  }

  #list(node: number, list: number): boolean {
    let row = node === NONE ? NONE : this.#store.vertices.head(node, list);
    for (; row !== NONE; row = this.#store.next(row, list)) {
      if (++this.#steps > this.#budget) return false;
      this.rows.push(row);
    }
    return true;
  }
}
