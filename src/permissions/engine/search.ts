/**
 * One run of a check: the depth-first search of check.ts, on a stack of frames. It must never answer what rests on a guess,
 * and never recurse: data decide how deep it goes.
 */
import type { Rewrite } from '../model.ts';
import type { Subject, SubjectSet } from '../tuple.ts';
import { type Around, isLookedUp, isTooDeep, levelsOf } from './levels.ts';
import type { Memo, Opened } from './memo.ts';
import {
  type Budget,
  type Cause,
  FALSE,
  FINAL,
  graver,
  type Result,
  TOO_DEEP,
  TRUE,
} from './result.ts';
import { findStored, follows, isWildcard, type Rule, type RuleBook } from './rules.ts';
import { answered, notePart, noteRelation, type Trace } from './trace.ts';
import type { TupleView } from './view.ts';

/** What every question of one check has in common. */
export interface Scope {
  readonly rules: RuleBook;
  readonly view: TupleView;
  readonly subject: Subject;
  readonly budget: Budget;
}

/** What a part of an expression is asked about. */
interface Place {
  readonly namespace: string;
  readonly object: string;
}

/** An open question or part of an expression: the answers of its parts are taken in one after the other. */
class Frame {
  /** Of a question: the relation itself; of a traversal: the relation that is traversed. */
  rule: Rule | undefined = undefined;
  opened: Opened | undefined = undefined;
  sets: Iterator<SubjectSet> | undefined = undefined;
  /** The next of the sets, where it was looked at already. */
  ahead: SubjectSet | undefined = undefined;
  /** The record of the part of an expression that this is the whole of. */
  outer: Trace | undefined = undefined;
  place = 0;
  low: number = FINAL;
  cause: Cause | undefined = undefined;
  readonly kind: Around;
  readonly namespace: string;
  readonly object: string;
  readonly depth: number;
  readonly rewrite: Rewrite | undefined;
  readonly trace: Trace | undefined;

  constructor(
    kind: Around,
    { namespace, object }: Place,
    depth: number,
    rewrite: Rewrite | undefined,
    trace: Trace | undefined,
  ) {
    this.kind = kind;
    this.namespace = namespace;
    this.object = object;
    this.depth = depth;
    this.rewrite = rewrite;
    this.trace = trace;
  }
}

/** No further part. */
const DONE: Result = { ...FALSE };
const STEPS_PER_LOOK = 256;

/** The key of a question within its rule: the object, with the depth where the answer may depend on it. */
export function questionKey(object: string, depth: number): string {
  return depth === FINAL ? object : `${depth}/${object}`;
}

export class Search {
  readonly #scope: Scope;
  readonly #memo: Memo;
  readonly #stack: Frame[] = [];
  #isEntangled = false;

  constructor(scope: Scope, memo: Memo) {
    this.#scope = scope;
    this.#memo = memo;
  }

  /** The answer; undefined where negation met an open question. Yields where it may be interrupted. Throws `exhausted`. */
  *run(
    on: SubjectSet,
    depth: number,
    trace: Trace | undefined,
  ): Generator<void, Result | undefined, void> {
    const { budget } = this.#scope;
    let result = this.#ask(on, depth, false, trace);
    let look = budget.used + STEPS_PER_LOOK;
    for (let top = this.#stack.at(-1); top !== undefined; top = this.#stack.at(-1)) {
      result = this.#step(top, result, look);
      if (this.#isEntangled) return undefined;
      if (budget.used > look) {
        yield;
        look = budget.used + STEPS_PER_LOOK;
      }
    }
    return result;
  }

  /** Takes in answers until the frame has its own; undefined when another was opened above it, or it is time to look up. */
  #step(frame: Frame, given: Result | undefined, look: number): Result | undefined {
    let part = given ?? this.#next(frame);
    while (part !== undefined) {
      const own = part === DONE ? conclude(frame) : this.#take(frame, part);
      if (own !== undefined) return this.#close(frame, own);
      if (this.#isEntangled || this.#scope.budget.used > look) return undefined;
      part = this.#next(frame);
    }
    return undefined;
  }

  /** Takes in the answer of a part; the frame's own answer where that decides it. */
  #take(frame: Frame, { verdict, low, cause }: Result): Result | undefined {
    if (frame.kind === 'not') {
      if (low !== FINAL) this.#isEntangled = true;
      if (verdict === undefined) return { verdict, low, cause };
      return verdict ? FALSE : TRUE;
    }
    // True never rests on a guess: it comes of what is stored, and of final answers under a negation.
    if (verdict === true) return frame.kind === 'and' ? undefined : TRUE;
    if (verdict === false && frame.kind === 'and') return { verdict, low, cause: undefined };
    frame.low = Math.min(frame.low, low);
    frame.cause = graver(frame.cause, cause);
    return undefined;
  }

  #close(frame: Frame, own: Result): Result {
    this.#stack.pop();
    let result = own;
    if (frame.opened !== undefined) {
      const closed = this.#memo.close(frame.opened, own);
      result = closed.result;
      this.#scope.budget.spend(closed.steps);
    }
    if (frame.outer !== undefined) frame.outer.allowed = result.verdict;
    return answered(frame.trace, result);
  }

  /** Asks the next part: its answer, DONE where there is none, undefined when it was opened. */
  #next(frame: Frame): Result | undefined {
    const { kind, rewrite } = frame;
    if (kind === 'relation') return this.#nextOfRelation(frame);
    switch (rewrite?.kind) {
      case 'or':
      case 'and': {
        const child = rewrite.children[frame.place++];
        return child === undefined ? DONE : this.#part(frame, frame, child);
      }
      case 'traverse': {
        const parent = this.#nextParent(frame);
        return parent === undefined ? DONE : this.#part(frame, parent, rewrite.through);
      }
      case 'not':
        return this.#part(frame, frame, rewrite.child);
    }
    return DONE;
  }

  #nextOfRelation(frame: Frame): Result | undefined {
    if (frame.rewrite !== undefined && frame.place++ === 0)
      return this.#part(frame, frame, frame.rewrite);
    const set = frame.ahead ?? this.#nextSet(frame.rule, frame.sets);
    if (set === undefined) return DONE;
    frame.ahead = undefined;
    return this.#ask(set, frame.depth - 1, true, noteRelation(frame.trace, set));
  }

  #nextSet(rule: Rule | undefined, sets: Iterator<SubjectSet> | undefined): SubjectSet | undefined {
    if (rule === undefined || sets === undefined) return undefined;
    for (let next = sets.next(); next.done !== true; next = sets.next()) {
      if (follows(rule, next.value)) return next.value;
      this.#scope.budget.spend(1);
    }
    return undefined;
  }

  #nextParent({ rule, sets }: Frame): SubjectSet | undefined {
    if (rule === undefined || sets === undefined) return undefined;
    for (let next = sets.next(); next.done !== true; next = sets.next())
      if (!isWildcard(rule, next.value)) return next.value;
    return undefined;
  }

  /** Asks a part of an expression about an object: the frame's own, or a parent of it. */
  #part(frame: Frame, at: Place, rewrite: Rewrite): Result | undefined {
    const { namespace, object } = at;
    const depth = frame.depth - levelsOf(frame.kind, rewrite);
    const trace = notePart(frame.trace, at, rewrite);
    if (rewrite.kind === 'computed') {
      const on = { namespace, object, relation: rewrite.relation };
      const inner = noteRelation(trace, on);
      const known = this.#ask(on, depth, isLookedUp(frame.kind, rewrite), inner, trace);
      return known === undefined ? undefined : answered(trace, known);
    }
    this.#scope.budget.spend(1);
    if (isTooDeep(rewrite, depth)) return answered(trace, TOO_DEEP);
    if ((rewrite.kind === 'or' || rewrite.kind === 'and') && rewrite.children.length === 0)
      return answered(trace, FALSE);
    const opening = new Frame(rewrite.kind, at, depth, rewrite, trace);
    if (rewrite.kind === 'traverse') {
      const { rules, view } = this.#scope;
      opening.rule = rules.find(namespace, rewrite.relation);
      if (opening.rule.refusal !== undefined) return answered(trace, opening.rule.refusal);
      opening.sets = view.sets(namespace, object, rewrite.relation)[Symbol.iterator]();
    }
    this.#stack.push(opening);
    return undefined;
  }

  /** Asks a relation of an object: the answer where it is known or at hand, else opens a frame. */
  #ask(
    on: SubjectSet,
    depth: number,
    isLookup: boolean,
    trace: Trace | undefined,
    outer?: Trace,
  ): Result | undefined {
    const { namespace, object, relation } = on;
    const { rules, view, subject, budget } = this.#scope;
    budget.spend(1);
    const rule = rules.find(namespace, relation);
    if (rule.refusal !== undefined) return answered(trace, rule.refusal);
    const key = questionKey(object, depth);
    const known = this.#memo.recall(rule, object, key);
    if (known !== undefined) {
      if (trace !== undefined) trace.isRepeated = true;
      return answered(trace, known);
    }
    if (depth > 0 || isLookup) {
      const stored = findStored(view, rule, object, subject);
      if (stored !== undefined && trace !== undefined) trace.stored = stored;
      if (stored !== undefined) return answered(trace, TRUE);
    }
    if (depth <= 0) return answered(trace, TOO_DEEP);
    const { rewrite } = rule;
    const sets = rule.isStorable
      ? view.sets(namespace, object, relation)[Symbol.iterator]()
      : undefined;
    const ahead = this.#nextSet(rule, sets);
    if (rewrite === undefined && ahead === undefined) return answered(trace, FALSE);
    const opening = new Frame('relation', on, depth, rewrite, trace);
    opening.rule = rule;
    opening.sets = sets;
    opening.ahead = ahead;
    opening.outer = outer;
    opening.opened = this.#memo.open(rule, object, key);
    this.#stack.push(opening);
    return undefined;
  }
}

/** The answer of a frame that no part decided. */
function conclude(frame: Frame): Result {
  const { kind, low, cause } = frame;
  if (cause !== undefined) return { verdict: undefined, low, cause };
  if (kind === 'and') return TRUE;
  return low === FINAL ? FALSE : { verdict: false, low, cause: undefined };
}
