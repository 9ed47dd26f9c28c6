/**
 * What a check has found so far. An answer is final, or provisional: resting on an open question being false, because it
 * was asked again below itself. When the open question has its answer, false makes final what rests on it alone, and
 * anything else voids it. A cycle so gets its least fixpoint, and nothing that a guess had part in outlives the guess.
 *
 * Questions are numbered as they are opened. `low` of an answer is the lowest number of an open question that it rests
 * on. Answers that were found below a question which itself turned out provisional form a group with it: they may rest on
 * it, so they rest on all that it rests on. That is more than some of them do, which costs a second look and no truth.
 */
import { FALSE, FINAL, type Result, TRUE } from './result.ts';
import type { Rule } from './rules.ts';

/** A map by rule and object. Objects are of hostile names, so that a joined key would have to be built with care. */
export class Table<V> {
  readonly #rows = new Map<Rule, Map<string, V>>();

  get(rule: Rule, key: string): V | undefined {
    return this.#rows.get(rule)?.get(key);
  }

  set(rule: Rule, key: string, value: V): void {
    const row = this.#rows.get(rule);
    if (row === undefined) this.#rows.set(rule, new Map([[key, value]]));
    else row.set(key, value);
  }

  delete(rule: Rule, key: string): void {
    this.#rows.get(rule)?.delete(key);
  }
}

/** Provisional answers that stand side by side in the order of their finding, and rest on the same. */
interface Group {
  low: number;
  /** The place of the first of them. */
  start: number;
  /** The group that it has become part of. */
  into?: Group;
}

interface Provisional {
  readonly rule: Rule;
  readonly key: string;
  readonly result: Result;
  readonly group: Group;
}

/** The group that a group is part of by now. Shortens the way for the next time. */
function whole(group: Group): Group {
  let last = group;
  while (last.into !== undefined) last = last.into;
  for (let at = group; at !== last; ) {
    const next = at.into ?? last;
    at.into = last;
    at = next;
  }
  return last;
}

/** An opened question: hand it back when it is answered. */
export interface Opened {
  readonly rule: Rule;
  readonly object: string;
  /** The object, and the depth where that is part of the question. */
  readonly key: string;
  readonly index: number;
  /** How many provisional answers there were when it was opened. */
  readonly start: number;
}

/** The answers of one run of a check, over final ones that many runs may share. */
export class Memo {
  readonly #final: Table<Result>;
  readonly #open = new Table<number>();
  readonly #provisional = new Table<Provisional>();
  readonly #order: Provisional[] = [];
  readonly #groups: Group[] = [];
  #next = 0;

  constructor(final: Table<Result>) {
    this.#final = final;
  }

  /** The answer as far as it is known; an open question is taken as false. */
  recall(rule: Rule, object: string, key: string): Result | undefined {
    const final = this.#final.get(rule, key);
    if (final !== undefined) return final;
    const open = this.#open.get(rule, object);
    if (open !== undefined) return { verdict: false, low: open, cause: undefined };
    const found = this.#provisional.get(rule, key);
    if (found === undefined) return undefined;
    const { verdict, cause } = found.result;
    return { verdict, low: whole(found.group).low, cause };
  }

  open(rule: Rule, object: string, key: string): Opened {
    const index = this.#next++;
    this.#open.set(rule, object, index);
    return { rule, object, key, index, start: this.#order.length };
  }

  /** Files the answer of an opened question, and answers what it is worth. Costs a step for each answer looked through. */
  close(opened: Opened, result: Result): { readonly result: Result; readonly steps: number } {
    const { rule, object, key, index } = opened;
    this.#open.delete(rule, object);
    if (result.low < index) {
      const item: Provisional = { rule, key, result, group: this.#join(opened.start, result.low) };
      this.#provisional.set(rule, key, item);
      this.#order.push(item);
      return { result, steps: 0 };
    }
    const final = settled(result);
    this.#final.set(rule, key, final);
    return { result: final, steps: this.#settleDependents(opened, final.verdict === false) };
  }

  /** One group of all since a place. */
  #join(start: number, low: number): Group {
    const group: Group = { low, start };
    for (let last = this.#groups.at(-1); last !== undefined; last = this.#groups.at(-1)) {
      if (last.start < start) break;
      this.#groups.pop();
      last.into = group;
      group.low = Math.min(group.low, last.low);
    }
    this.#groups.push(group);
    return group;
  }

  #settleDependents({ index, start }: Opened, isFalse: boolean): number {
    if (this.#order.length === start) return 0;
    const dependents = this.#order.splice(start);
    while ((this.#groups.at(-1)?.start ?? -1) >= start) this.#groups.pop();
    for (const dependent of dependents) {
      const group = whole(dependent.group);
      // They may rest on a lower question that this one had no need of.
      if (isFalse && group.low < index) this.#keep(dependent, group);
      else {
        const { rule, key, result } = dependent;
        this.#provisional.delete(rule, key);
        if (isFalse) this.#final.set(rule, key, settled(result));
      }
    }
    return dependents.length;
  }

  #keep(item: Provisional, group: Group): void {
    if (this.#groups.at(-1) !== group) {
      group.start = this.#order.length;
      this.#groups.push(group);
    }
    this.#order.push(item);
  }
}

function settled({ verdict, cause }: Result): Result {
  if (verdict === undefined) return { verdict, low: FINAL, cause };
  return verdict ? TRUE : FALSE;
}
