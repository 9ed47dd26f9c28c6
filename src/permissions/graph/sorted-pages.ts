/**
 * Numbers in order, each with a record: an order of insertion that pages are read from, and a queue of what can be
 * forgotten. Leaves of a tree with one level above them: finding is a binary search, and a change moves one small page.
 */
import { brokenIndex } from './rows.ts';

const PAGE_SIZE = 1024;
/** Neighbours that fill less than this together become one page. */
const MERGED_MAX: number = (PAGE_SIZE * 3) / 4;

class Page {
  readonly keys: Float64Array = new Float64Array(PAGE_SIZE);
  readonly values: Int32Array = new Int32Array(PAGE_SIZE);
  count = 0;

  /** How many keys are at most `key`. */
  countUpTo(key: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.keys[middle] ?? Number.POSITIVE_INFINITY) <= key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  insert(at: number, key: number, value: number): void {
    this.keys.copyWithin(at + 1, at, this.count);
    this.values.copyWithin(at + 1, at, this.count);
    this.keys[at] = key;
    this.values[at] = value;
    this.count++;
  }

  remove(at: number): void {
    this.keys.copyWithin(at, at + 1, this.count);
    this.values.copyWithin(at, at + 1, this.count);
    this.count--;
  }

  /** Takes the entries of another page from `start` on behind its own. */
  take(from: Page, start: number): void {
    this.keys.set(from.keys.subarray(start, from.count), this.count);
    this.values.set(from.values.subarray(start, from.count), this.count);
    this.count += from.count - start;
    from.count = start;
  }
}

export class SortedPages {
  readonly #pages: Page[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#pages.length * PAGE_SIZE * 12;
  }

  has(key: number): boolean {
    const page = this.#pages[this.#pagesUpTo(key) - 1];
    return page !== undefined && page.keys[page.countUpTo(key) - 1] === key;
  }

  /** Enters a key behind all that are not greater. */
  insert(key: number, value: number): void {
    this.#size++;
    const at = Math.max(0, this.#pagesUpTo(key) - 1);
    let page = this.#pages[at];
    if (page === undefined) {
      page = new Page();
      this.#pages.push(page);
    }
    let place = page.countUpTo(key);
    if (page.count === PAGE_SIZE) {
      const added = new Page();
      // Behind the last entry nothing is moved: what only grows at its end has full pages.
      if (place < PAGE_SIZE || at < this.#pages.length - 1) added.take(page, PAGE_SIZE / 2);
      this.#pages.splice(at + 1, 0, added);
      if (place >= page.count) {
        place -= page.count;
        page = added;
      }
    }
    page.insert(place, key, value);
  }

  /** Removes the entry of a key that is there once. Throws `internal` when it is not there. */
  remove(key: number): void {
    const at = this.#pagesUpTo(key) - 1;
    const page = this.#pages[at];
    const place = (page?.countUpTo(key) ?? 0) - 1;
    if (page?.keys[place] !== key) throw brokenIndex(`no entry ${key}`);
    this.#removeAt(page, at, place);
  }

  /** Removes the first entry and answers its value, when its key is at most `key`. */
  shift(key: number): { readonly key: number; readonly value: number } | undefined {
    const page = this.#pages[0];
    const first = page?.keys[0];
    const value = page?.values[0];
    if (page === undefined || first === undefined || value === undefined || first > key)
      return undefined;
    this.#removeAt(page, 0, 0);
    return { key: first, value };
  }

  /** How many entries have a key of at most `key`. */
  countUpTo(key: number): number {
    const pages = this.#pagesUpTo(key);
    let count = 0;
    for (let i = 0; i < pages - 1; i++) count += this.#pages[i]?.count ?? 0;
    return count + (this.#pages[pages - 1]?.countUpTo(key) ?? 0);
  }

  /** Visits the entries with a key above `key`, in order, until the visitor answers false. It must change nothing. */
  visitAfter(key: number, visit: (key: number, value: number) => boolean): void {
    let at = Math.max(0, this.#pagesUpTo(key) - 1);
    let place = this.#pages[at]?.countUpTo(key) ?? 0;
    for (let page = this.#pages[at]; page !== undefined; page = this.#pages[++at]) {
      for (; place < page.count; place++) {
        const found = page.keys[place];
        const value = page.values[place];
        if (found === undefined || value === undefined) throw brokenIndex('a page ends early');
        if (!visit(found, value)) return;
      }
      place = 0;
    }
  }

  /** How many pages begin with a key of at most `key`; a page is never empty. */
  #pagesUpTo(key: number): number {
    let low = 0;
    let high = this.#pages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#pages[middle]?.keys[0] ?? Number.POSITIVE_INFINITY) <= key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #removeAt(page: Page, at: number, place: number): void {
    this.#size--;
    page.remove(place);
    if (page.count === 0) this.#pages.splice(at, 1);
    else if (!this.#merge(at)) this.#merge(at - 1);
  }

  /** Makes one page of two neighbours that fill less than one; answers whether it did. */
  #merge(at: number): boolean {
    const page = this.#pages[at];
    const next = this.#pages[at + 1];
    if (page === undefined || next === undefined) return false;
    if (page.count + next.count > MERGED_MAX) return false;
    page.take(next, 0);
    this.#pages.splice(at + 1, 1);
    return true;
  }
}
