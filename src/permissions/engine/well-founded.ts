/**
 * The answer where negation goes round in a cycle of tuples (outside strict mode a stored set on a permit can do that):
 * the well-founded model (Van Gelder, Ross, Schlipf 1991) of everything that the question depends on, by the alternating
 * fixpoint. Whatever has a value there has it in every order of asking; the rest negates itself, and is unknown. Rare, so
 * it is plain rather than fast; it spends from the same budget of steps.
 */
import type { Rewrite } from '../model.ts';
import type { SubjectSet } from '../tuple.ts';
import { type Around, isLookedUp, isTooDeep, levelsOf } from './levels.ts';
import { Table } from './memo.ts';
import {
  type Cause,
  ENTANGLED,
  FALSE,
  FINAL,
  graver,
  type Result,
  TOO_DEEP,
  TRUE,
} from './result.ts';
import { findStored, follows, isWildcard } from './rules.ts';
import { questionKey, type Scope } from './search.ts';

type Formula =
  | { readonly kind: 'value'; readonly result: Result }
  | { readonly kind: 'question'; readonly index: number }
  | { readonly kind: 'or' | 'and'; readonly parts: readonly Formula[] }
  | { readonly kind: 'not'; readonly part: Formula };

interface Question {
  readonly on: SubjectSet;
  readonly depth: number;
}

interface Place {
  readonly namespace: string;
  readonly object: string;
}

const value = (result: Result): Formula => ({ kind: 'value', result });

/** Everything that a question depends on, as formulas over numbered questions. */
class Ground {
  readonly formulas: Formula[] = [];
  readonly questions: Question[] = [];
  /** What it costs to look through each formula. */
  readonly sizes: number[] = [];
  cause: Cause | undefined;
  readonly #scope: Scope;
  readonly #known: Table<Result>;
  readonly #numbers = new Table<number>();

  constructor(scope: Scope, known: Table<Result>) {
    this.#scope = scope;
    this.#known = known;
  }

  *build(on: SubjectSet, depth: number): Generator<void, Formula, void> {
    const root = this.#ask(on, depth, false);
    for (let at = 0; at < this.questions.length; at++) {
      const question = this.questions[at];
      const before = this.#scope.budget.used;
      if (question !== undefined) this.formulas.push(this.#define(question));
      this.sizes.push(this.#scope.budget.used - before);
      yield;
    }
    return root;
  }

  /** Files what was settled on the way: the next question may depend on it too. */
  remember(certain: Bits, possible: Bits): void {
    for (const [at, { on, depth }] of this.questions.entries()) {
      const rule = this.#scope.rules.find(on.namespace, on.relation);
      const key = questionKey(on.object, depth);
      if (certain[at] === 1) this.#known.set(rule, key, TRUE);
      else if (possible[at] === 0) this.#known.set(rule, key, FALSE);
    }
  }

  #value(result: Result): Formula {
    this.cause = graver(this.cause, result.cause);
    return value(result);
  }

  #ask(on: SubjectSet, depth: number, isLookup: boolean): Formula {
    const { rules, view, subject, budget } = this.#scope;
    budget.spend(1);
    const rule = rules.find(on.namespace, on.relation);
    if (rule.refusal !== undefined) return this.#value(rule.refusal);
    const key = questionKey(on.object, depth);
    const known = this.#known.get(rule, key);
    if (known !== undefined) return this.#value(known);
    if (depth > 0 || isLookup)
      if (findStored(view, rule, on.object, subject) !== undefined) return value(TRUE);
    if (depth <= 0) return this.#value(TOO_DEEP);
    const numbered = this.#numbers.get(rule, key);
    if (numbered !== undefined) return { kind: 'question', index: numbered };
    const index = this.questions.push({ on, depth }) - 1;
    this.#numbers.set(rule, key, index);
    return { kind: 'question', index };
  }

  #define({ on, depth }: Question): Formula {
    const { rules, view, budget } = this.#scope;
    const rule = rules.find(on.namespace, on.relation);
    const parts: Formula[] = [];
    if (rule.rewrite !== undefined) parts.push(this.#part('relation', on, rule.rewrite, depth));
    if (rule.isStorable)
      for (const set of view.sets(on.namespace, on.object, on.relation)) {
        budget.spend(1);
        if (follows(rule, set)) parts.push(this.#ask(set, depth - 1, true));
      }
    return { kind: 'or', parts };
  }

  #part(around: Around, at: Place, rewrite: Rewrite, above: number): Formula {
    const depth = above - levelsOf(around, rewrite);
    if (isTooDeep(rewrite, depth)) return this.#value(TOO_DEEP);
    const { namespace, object } = at;
    switch (rewrite.kind) {
      case 'computed': {
        const on = { namespace, object, relation: rewrite.relation };
        return this.#ask(on, depth, isLookedUp(around, rewrite));
      }
      case 'not':
        return { kind: 'not', part: this.#part('not', at, rewrite.child, depth) };
      case 'traverse':
        return this.#parents(at, rewrite, depth);
      case 'or':
      case 'and': {
        if (rewrite.children.length === 0) return value(FALSE);
        const parts = rewrite.children.map((c) => this.#part(rewrite.kind, at, c, depth));
        return { kind: rewrite.kind, parts };
      }
    }
  }

  #parents(at: Place, rewrite: Rewrite & { kind: 'traverse' }, depth: number): Formula {
    const { rules, view, budget } = this.#scope;
    const rule = rules.find(at.namespace, rewrite.relation);
    if (rule.refusal !== undefined) return this.#value(rule.refusal);
    const parts: Formula[] = [];
    for (const set of view.sets(at.namespace, at.object, rewrite.relation)) {
      budget.spend(1);
      if (!isWildcard(rule, set)) parts.push(this.#part('traverse', set, rewrite.through, depth));
    }
    return { kind: 'or', parts };
  }
}

/** Whether a formula is true, given what is taken as true, and what under a negation. An unknown value is as `unknown`. */
function holds(f: Formula, taken: Bits, negated: Bits, unknown: boolean): boolean {
  switch (f.kind) {
    case 'value':
      return f.result.verdict ?? unknown;
    case 'question':
      return taken[f.index] === 1;
    case 'not':
      return !holds(f.part, negated, taken, !unknown);
    case 'or':
      return f.parts.some((part) => holds(part, taken, negated, unknown));
    case 'and':
      return f.parts.every((part) => holds(part, taken, negated, unknown));
  }
}

type Bits = Uint8Array;

/** The least set of questions that are true when `negated` decides what is under a negation. */
function* least(
  ground: Ground,
  negated: Bits,
  unknown: boolean,
  scope: Scope,
): Generator<void, Bits, void> {
  const found: Bits = new Uint8Array(negated.length);
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    // Backwards: what a question depends on was mostly numbered after it.
    for (let at = negated.length - 1; at >= 0; at--) {
      const formula = ground.formulas[at];
      scope.budget.spend(1 + (ground.sizes[at] ?? 0));
      if (at % 64 === 0) yield;
      if (formula === undefined || found[at] === 1 || !holds(formula, found, negated, unknown))
        continue;
      found[at] = 1;
      isChanged = true;
    }
  }
  return found;
}

/** Answers one question for good. Yields where it may be interrupted; throws `exhausted` when the steps are used up. */
export function* solve(
  scope: Scope,
  known: Table<Result>,
  on: SubjectSet,
  depth: number,
): Generator<void, Result, void> {
  const ground = new Ground(scope, known);
  const root = yield* ground.build(on, depth);
  let certain: Bits = new Uint8Array(ground.questions.length);
  for (;;) {
    const possible = yield* least(ground, certain, true, scope);
    const next = yield* least(ground, possible, false, scope);
    if (next.every((bit, at) => bit === certain[at])) {
      ground.remember(certain, possible);
      return verdictOf(root, certain, possible, ground.cause);
    }
    certain = next;
  }
}

function verdictOf(root: Formula, certain: Bits, possible: Bits, cause: Cause | undefined): Result {
  if (holds(root, certain, possible, false)) return TRUE;
  if (!holds(root, possible, certain, true)) return FALSE;
  return { verdict: undefined, low: FINAL, cause: graver(cause, ENTANGLED.cause) };
}
