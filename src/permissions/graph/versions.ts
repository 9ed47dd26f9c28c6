/**
 * The versions of one tuple. The newest lies in the tuple's own record; older ones, when it was deleted and inserted
 * again, hang on it from new to old. A version once made is only ever ended (its deletion) and forgotten, never changed:
 * that is why a view stays right while later revisions are applied.
 */
import { NONE, Rows } from './rows.ts';

/** Float fields of a tuple's record and of an older version's alike. */
export const CREATED = 0;
/** Infinity: not deleted. */
export const DELETED = 1;
/** Infinity: never. */
export const EXPIRES = 2;
/** The place in the order of insertion. */
export const SEQUENCE = 3;
const FLOATS = 4;

/** Int fields of an older version. */
const OLDER = 8;
/** Of the newest of them: the oldest, so that it is forgotten without a walk. */
const NEWER = 9;
const STRIDE = 10;

/** Where a version lies: in the tuple's record, nowhere, or (0 and more) in a record of its own. */
const IN_TUPLE: number = NONE;
const NOWHERE = -2;

/** What of a version a view of a revision needs. */
export interface SeenVersion {
  readonly sequence: number;
  readonly expiresAtMs: number;
}

export class Versions {
  readonly #tuples: Rows;
  /** The int field of a tuple with its newest older version. */
  readonly #field: number;
  readonly #older: Rows = new Rows(STRIDE);

  constructor(tuples: Rows, field: number) {
    this.#tuples = tuples;
    this.#field = field;
  }

  get bytes(): number {
    return this.#older.bytes;
  }

  /** Versions that are not the newest of their tuple. */
  get olderCount(): number {
    return this.#older.used;
  }

  isSeen(row: number, revision: number, nowMs: number): boolean {
    const at = this.#at(row, revision);
    if (at === NOWHERE) return false;
    const rows = at === IN_TUPLE ? this.#tuples : this.#older;
    const place = at === IN_TUPLE ? row : at;
    return rows.float(place, DELETED) > revision && rows.float(place, EXPIRES) > nowMs;
  }

  /** The version that is visible, or undefined. */
  seen(row: number, revision: number, nowMs: number): SeenVersion | undefined {
    if (!this.isSeen(row, revision, nowMs)) return undefined;
    const at = this.#at(row, revision);
    const rows = at === IN_TUPLE ? this.#tuples : this.#older;
    const place = at === IN_TUPLE ? row : at;
    return { sequence: rows.float(place, SEQUENCE), expiresAtMs: rows.float(place, EXPIRES) };
  }

  /** Moves the version in the tuple's record to a record of its own: a newer one is to take its place. */
  push(row: number): void {
    const added = this.#older.allocate();
    for (let field = 0; field < FLOATS; field++)
      this.#older.setFloat(added, field, this.#tuples.float(row, field));
    const newest = this.#tuples.int(row, this.#field);
    this.#older.setInt(added, OLDER, newest);
    this.#older.setInt(added, NEWER, newest === NONE ? added : this.#older.int(newest, NEWER));
    if (newest !== NONE) this.#older.setInt(newest, NEWER, added);
    this.#tuples.setInt(row, this.#field, added);
  }

  /** Drops the oldest version and answers its sequence number; undefined when only the newest is left. */
  shift(row: number): number | undefined {
    const newest = this.#tuples.int(row, this.#field);
    if (newest === NONE) return undefined;
    const oldest = this.#older.int(newest, NEWER);
    const sequence = this.#older.float(oldest, SEQUENCE);
    if (oldest === newest) this.#tuples.setInt(row, this.#field, NONE);
    else {
      const next = this.#older.int(oldest, NEWER);
      this.#older.setInt(next, OLDER, NONE);
      this.#older.setInt(newest, NEWER, next);
    }
    this.#older.release(oldest);
    return sequence;
  }

  /** Where the newest version lies that was created at or before a revision. */
  #at(row: number, revision: number): number {
    if (this.#tuples.float(row, CREATED) <= revision) return IN_TUPLE;
    let at = this.#tuples.int(row, this.#field);
    while (at !== NONE && this.#older.float(at, CREATED) > revision)
      at = this.#older.int(at, OLDER);
    return at === NONE ? NOWHERE : at;
  }
}
