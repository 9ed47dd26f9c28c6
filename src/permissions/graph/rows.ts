/**
 * Records of numbers in pages of typed arrays: a million small records that the garbage collector never looks at. A page
 * is never moved nor copied, so growing holds the thread for one page alone. It must never hand out a record twice.
 *
 * A record of `stride` int32 fields may keep float64 values too: float field `f` lies over the int fields `2f` and `2f+1`.
 */
import { PosternError } from '../../kernel/index.ts';

/** "No record": the end of a list, an empty bucket, a name that is not there. */
export const NONE = -1;

const PAGE_BITS = 12;
const PAGE_ROWS: number = 1 << PAGE_BITS;
const PAGE_MASK: number = PAGE_ROWS - 1;
/** Row numbers stay positive int32. */
const ROWS_MAX: number = 2 ** 31 - 1;

/** A link that leads nowhere: the index broke, and no answer may come from it. */
export function brokenIndex(what: string): PosternError {
  return new PosternError('internal', `The index of tuples is broken: ${what}`);
}

export class Rows {
  readonly #ints: Int32Array[] = [];
  readonly #floats: Float64Array[] = [];
  readonly #stride: number;
  #end = 0;
  #free: number = NONE;
  #used = 0;

  /** `stride` int32 fields, an even number. The last field of a free record links it to the next free one. */
  constructor(stride: number) {
    this.#stride = stride;
  }

  /** Records in use. */
  get used(): number {
    return this.#used;
  }

  get bytes(): number {
    return this.#ints.length * PAGE_ROWS * this.#stride * 4;
  }

  /** A record with every int field at NONE; the caller sets its floats. Throws `exhausted` when numbers run out. */
  allocate(): number {
    this.#used++;
    let row = this.#free;
    if (row === NONE) {
      row = this.#end;
      if (row >= ROWS_MAX) throw new PosternError('exhausted', 'The index of tuples is full');
      if (row >>> PAGE_BITS >= this.#ints.length) this.#addPage();
      this.#end++;
    } else this.#free = this.int(row, this.#stride - 1);
    const start = (row & PAGE_MASK) * this.#stride;
    this.#ints[row >>> PAGE_BITS]?.fill(NONE, start, start + this.#stride);
    return row;
  }

  /** Gives a record back. Nothing may link to it any more. */
  release(row: number): void {
    this.setInt(row, this.#stride - 1, this.#free);
    this.#free = row;
    this.#used--;
  }

  int(row: number, field: number): number {
    const value = this.#ints[row >>> PAGE_BITS]?.[(row & PAGE_MASK) * this.#stride + field];
    if (value === undefined) throw brokenIndex(`no record ${row}`);
    return value;
  }

  setInt(row: number, field: number, value: number): void {
    const page = this.#ints[row >>> PAGE_BITS];
    if (page === undefined) throw brokenIndex(`no record ${row}`);
    page[(row & PAGE_MASK) * this.#stride + field] = value;
  }

  float(row: number, field: number): number {
    const at = (row & PAGE_MASK) * (this.#stride >> 1) + field;
    const value = this.#floats[row >>> PAGE_BITS]?.[at];
    if (value === undefined) throw brokenIndex(`no record ${row}`);
    return value;
  }

  setFloat(row: number, field: number, value: number): void {
    const page = this.#floats[row >>> PAGE_BITS];
    if (page === undefined) throw brokenIndex(`no record ${row}`);
    page[(row & PAGE_MASK) * (this.#stride >> 1) + field] = value;
  }

  #addPage(): void {
    const ints = new Int32Array(PAGE_ROWS * this.#stride);
    this.#ints.push(ints);
    this.#floats.push(new Float64Array(ints.buffer));
  }
}
