/**
 * Names as numbers. Each different text is kept once, under a number, as long as something counts on it; a number is
 * given again after that. It must never give two texts one number: hostile names differ in nothing but one unit.
 */
import { type HashKey, hashText } from './hash.ts';
import { detached, stringBytes } from './memory.ts';
import { Buckets } from './pair-table.ts';
import { brokenIndex, NONE, Rows } from './rows.ts';

const USES = 0;
const HASH = 1;
const CHAIN = 2;
const BYTES = 3;
const STRIDE = 4;

const PAGE_BITS = 12;
const PAGE_MASK: number = (1 << PAGE_BITS) - 1;

export class Interner {
  readonly #rows: Rows = new Rows(STRIDE);
  /** In pages, so that growing copies nothing. */
  readonly #texts: (string | undefined)[][] = [];
  readonly #buckets: Buckets;
  readonly #key: HashKey;
  #textBytes = 0;

  constructor(key: HashKey) {
    this.#key = key;
    this.#buckets = new Buckets(this.#rows, CHAIN, (id) => this.#rows.int(id, HASH));
  }

  /** Different texts that are kept. */
  get size(): number {
    return this.#rows.used;
  }

  get bytes(): number {
    const pointers = this.#texts.length * (1 << PAGE_BITS) * 8;
    return this.#rows.bytes + this.#buckets.bytes + pointers + this.#textBytes;
  }

  /** The number of a text, or NONE. */
  find(text: string): number {
    return this.#find(text, hashText(this.#key, text));
  }

  /** The number of a text, which is kept until `release` was called as often as this. */
  claim(text: string): number {
    const hash = hashText(this.#key, text);
    const known = this.#find(text, hash);
    if (known !== NONE) {
      this.#rows.setInt(known, USES, this.#rows.int(known, USES) + 1);
      return known;
    }
    const bytes = stringBytes(text);
    const id = this.#rows.allocate();
    this.#rows.setInt(id, USES, 1);
    this.#rows.setInt(id, HASH, hash);
    this.#rows.setInt(id, BYTES, bytes);
    this.#setText(id, detached(text));
    this.#textBytes += bytes;
    this.#buckets.add(id, hash);
    return id;
  }

  release(id: number): void {
    const uses = this.#rows.int(id, USES) - 1;
    this.#rows.setInt(id, USES, uses);
    if (uses > 0) return;
    this.#buckets.remove(id, this.#rows.int(id, HASH));
    this.#textBytes -= this.#rows.int(id, BYTES);
    this.#setText(id, undefined);
    this.#rows.release(id);
  }

  /** Throws `internal` for a number that is not in use. */
  text(id: number): string {
    const text = this.#texts[id >>> PAGE_BITS]?.[id & PAGE_MASK];
    if (text === undefined) throw brokenIndex(`no name ${id}`);
    return text;
  }

  #find(text: string, hash: number): number {
    let id = this.#buckets.first(hash);
    while (id !== NONE) {
      if (this.#rows.int(id, HASH) === hash && this.text(id) === text) return id;
      id = this.#rows.int(id, CHAIN);
    }
    return NONE;
  }

  #setText(id: number, text: string | undefined): void {
    const place = id >>> PAGE_BITS;
    let page = this.#texts[place];
    if (page === undefined) {
      page = [];
      this.#texts[place] = page;
    }
    page[id & PAGE_MASK] = text;
  }
}
