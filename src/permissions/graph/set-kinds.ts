/**
 * How many tuples have a subject set of which kind, a kind being a namespace and a relation: a list of objects need not
 * look for sets where none of their kind is stored. Names are numbers of the interner, which live as long as a tuple that
 * has them; whoever counts a tuple in must count it out before its names are let go.
 */
import { brokenIndex } from './rows.ts';

/** By estimate: an entry of a map, its key and its value, with room to grow. */
const ENTRY_BYTES = 64;

export class SetKinds {
  readonly #counts: Map<number, Map<number, number>> = new Map();
  #kinds = 0;

  get bytes(): number {
    return (this.#kinds + this.#counts.size) * ENTRY_BYTES;
  }

  has(namespace: number, relation: number): boolean {
    return this.#counts.get(namespace)?.has(relation) === true;
  }

  add(namespace: number, relation: number): void {
    let row = this.#counts.get(namespace);
    if (row === undefined) {
      row = new Map();
      this.#counts.set(namespace, row);
    }
    const count = row.get(relation) ?? 0;
    if (count === 0) this.#kinds++;
    row.set(relation, count + 1);
  }

  /** Throws `internal` for a kind of which nothing was added. */
  remove(namespace: number, relation: number): void {
    const row = this.#counts.get(namespace);
    const count = row?.get(relation);
    if (row === undefined || count === undefined) throw brokenIndex('a kind of set is not counted');
    if (count > 1) {
      row.set(relation, count - 1);
      return;
    }
    row.delete(relation);
    this.#kinds--;
    if (row.size === 0) this.#counts.delete(namespace);
  }
}
