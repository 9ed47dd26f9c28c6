/**
 * Hash tables whose entries are the records themselves: a bucket is a list that is threaded through one field of them.
 * They grow by one bucket per entry (linear hashing: W. Litwin, "Linear hashing: a new tool for file and table
 * addressing", 1980), so that no insert ever stalls behind a rehash of everything, and removing leaves no tombstones.
 */
import { type HashKey, hashPair } from './hash.ts';
import { brokenIndex, NONE, type Rows } from './rows.ts';

const PAGE_BITS = 12;
const PAGE_SIZE: number = 1 << PAGE_BITS;
const PAGE_MASK: number = PAGE_SIZE - 1;
const BUCKETS_MIN = 1024;
/** A mask of 31 bits is the widest that stays positive. */
const BUCKETS_MAX: number = 2 ** 30;

/** The buckets of a table over `rows`, chained through the int field `chain`. */
export class Buckets {
  readonly #heads: Int32Array[] = [];
  readonly #rows: Rows;
  readonly #chain: number;
  readonly #hashOf: (row: number) => number;
  #buckets = BUCKETS_MIN;
  /** Buckets rounded up to a power of two, less one. */
  #mask: number = BUCKETS_MIN - 1;
  #entries = 0;

  /** `hashOf` must always answer the same for a record that is in the table. */
  constructor(rows: Rows, chain: number, hashOf: (row: number) => number) {
    this.#rows = rows;
    this.#chain = chain;
    this.#hashOf = hashOf;
    this.#heads.push(new Int32Array(PAGE_SIZE).fill(NONE));
  }

  get bytes(): number {
    return this.#heads.length * PAGE_SIZE * 4;
  }

  /** The first record of the bucket of a hash, or NONE; the next ones follow by the chain field. */
  first(hash: number): number {
    return this.#head(this.#bucketOf(hash));
  }

  /** Puts a record first in its bucket. */
  add(row: number, hash: number): void {
    if (this.#entries >= this.#buckets && this.#buckets < BUCKETS_MAX) this.#addBucket();
    this.#entries++;
    this.#push(this.#bucketOf(hash), row);
  }

  /** Takes a record out; it must be in the table. */
  remove(row: number, hash: number): void {
    this.#entries--;
    const bucket = this.#bucketOf(hash);
    const after = this.#rows.int(row, this.#chain);
    let at = this.#head(bucket);
    if (at === row) {
      this.#setHead(bucket, after);
      return;
    }
    for (let next = this.#rows.int(at, this.#chain); next !== row; ) {
      at = next;
      next = this.#rows.int(at, this.#chain);
    }
    this.#rows.setInt(at, this.#chain, after);
  }

  #push(bucket: number, row: number): void {
    this.#rows.setInt(row, this.#chain, this.#head(bucket));
    this.#setHead(bucket, row);
  }

  /** Splits the next bucket in turn: its entries go to it or to the new one, by one more bit of their hash. */
  #addBucket(): void {
    const added = this.#buckets;
    if (added > this.#mask) this.#mask = this.#mask * 2 + 1;
    if (added >>> PAGE_BITS >= this.#heads.length)
      this.#heads.push(new Int32Array(PAGE_SIZE).fill(NONE));
    const split = added & (this.#mask >>> 1);
    let row = this.#head(split);
    this.#setHead(split, NONE);
    this.#buckets = added + 1;
    while (row !== NONE) {
      const next = this.#rows.int(row, this.#chain);
      this.#push(this.#bucketOf(this.#hashOf(row)), row);
      row = next;
    }
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#buckets ? bucket : bucket & (this.#mask >>> 1);
  }

  #head(bucket: number): number {
    const head = this.#heads[bucket >>> PAGE_BITS]?.[bucket & PAGE_MASK];
    if (head === undefined) throw brokenIndex(`no bucket ${bucket}`);
    return head;
  }

  #setHead(bucket: number, row: number): void {
    const page = this.#heads[bucket >>> PAGE_BITS];
    if (page === undefined) throw brokenIndex(`no bucket ${bucket}`);
    page[bucket & PAGE_MASK] = row;
  }
}

/** Which int fields of a record are its key, and which one chains its bucket. */
export interface PairFields {
  readonly first: number;
  readonly second: number;
  readonly chain: number;
}

/** Finds a record by two int fields of it. */
export class PairTable {
  readonly #rows: Rows;
  readonly #key: HashKey;
  readonly #first: number;
  readonly #second: number;
  readonly #chain: number;
  readonly #buckets: Buckets;

  constructor(rows: Rows, fields: PairFields, key: HashKey) {
    this.#rows = rows;
    this.#key = key;
    this.#first = fields.first;
    this.#second = fields.second;
    this.#chain = fields.chain;
    this.#buckets = new Buckets(rows, fields.chain, (row) => this.#hashOf(row));
  }

  get bytes(): number {
    return this.#buckets.bytes;
  }

  /** The record with these two fields, or NONE. */
  find(first: number, second: number): number {
    let row = this.#buckets.first(hashPair(this.#key, first, second));
    while (row !== NONE) {
      if (
        this.#rows.int(row, this.#first) === first &&
        this.#rows.int(row, this.#second) === second
      )
        return row;
      row = this.#rows.int(row, this.#chain);
    }
    return NONE;
  }

  /** Enters a record whose two fields are set; no other record may have the same. */
  add(row: number): void {
    this.#buckets.add(row, this.#hashOf(row));
  }

  /** Takes out a record that was entered. */
  remove(row: number): void {
    this.#buckets.remove(row, this.#hashOf(row));
  }

  #hashOf(row: number): number {
    return hashPair(this.#key, this.#rows.int(row, this.#first), this.#rows.int(row, this.#second));
  }
}
