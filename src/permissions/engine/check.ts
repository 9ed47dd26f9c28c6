/**
 * Check: is a subject in a relation to an object? The answer is the least fixpoint of the model's rules over one view of
 * the tuples (reference/permissions.md §5), so that cycles of groups, folders and permits have one true answer, whatever
 * the order of the tuples.
 *
 * How: a depth-first search on a stack of its own (a chain of 10,000 sets is no problem), with three values; see memo.ts
 * for what becomes of a question that is met again while it is still open. Negation below an open question is left to
 * well-founded.ts: no order of asking settles what negates itself.
 *
 * INVARIANT: never a silent false. What a limit cut off, what lies behind an undeclared relation, and what negates
 * itself through a cycle of tuples is unknown: true wins over it in an OR, false in an AND, NOT keeps it, and an unknown
 * answer is an error. The one exception is an explicit depth outside strict mode, which answers as Keto does.
 */
import { checkRelation, getNamespace, type Model } from '../model.ts';
import { type Subject, type SubjectSet, subjectKey } from '../tuple.ts';
import { decide } from './decide.ts';
import { Table } from './memo.ts';
import { Budget, FINAL, type Result, refuse } from './result.ts';
import { RuleBook } from './rules.ts';
import { inSlices, slice } from './slices.ts';
import type { Trace } from './trace.ts';
import type { TupleView } from './view.ts';

export type { UnknownReason } from './result.ts';
export type { Trace } from './trace.ts';

export interface CheckLimits {
  /** Sub-questions and tuples followed by one evaluator; above it the answer is `exhausted`. */
  readonly stepsMax: number;
  /** Levels as Keto counts them; absent or 0: no limit. */
  readonly maxDepth?: number;
  /** Keto's strict mode: permits are never stored, sets count only where their type is declared. */
  readonly isStrict: boolean;
  /** Whether nobody waits for the answer any more. */
  readonly isAbandoned?: () => boolean;
}

/** The depth that questions begin with. */
export function depthOf({ maxDepth = 0 }: CheckLimits): number {
  return maxDepth > 0 ? maxDepth : FINAL;
}

/** Throws `not_found` for an unknown namespace, `invalid` for an undeclared relation, of either side of a question. */
export function checkQuestion(model: Model, on: SubjectSet, subject: Subject): void {
  checkRelation(getNamespace(model, on.namespace), on.relation);
  if ('set' in subject)
    checkRelation(getNamespace(model, subject.set.namespace), subject.set.relation);
}

/** Answers checks over one model and one view, and remembers what it found: share one among the checks of a batch. */
export class CheckEvaluator {
  readonly #rules: RuleBook;
  readonly #view: TupleView;
  readonly #depth: number;
  readonly #budget: Budget;
  readonly #memos = new Map<string, Table<Result>>();

  /** With a budget, its steps are shared with whoever else spends from it. */
  constructor(model: Model, view: TupleView, limits: CheckLimits, budget?: Budget) {
    this.#rules = new RuleBook(model, limits.isStrict);
    this.#view = view;
    this.#depth = depthOf(limits);
    this.#budget = budget ?? new Budget(limits.stepsMax);
  }

  /** Sub-questions asked so far. */
  get steps(): number {
    return this.#budget.used;
  }

  /**
   * Answers one check; gives way to other work of the thread every few milliseconds. Throws `not_found` for an unknown
   * namespace (also the subject's), `invalid` for an undeclared relation, `exhausted` (facts.reason) when the steps, or in
   * strict mode the depth, did not suffice or tuples negate themselves.
   */
  check(on: SubjectSet, subject: Subject, trace?: Trace): Promise<boolean> {
    return inSlices(this.work(on, subject, trace));
  }

  /** As `check`, in slices that the caller calls until one answers. */
  start(on: SubjectSet, subject: Subject, trace?: Trace): () => boolean | undefined {
    const work = this.work(on, subject, trace);
    return () => slice(work)?.result;
  }

  /** As `check`, in steps for a caller with slices of its own. */
  *work(on: SubjectSet, subject: Subject, trace?: Trace): Generator<void, boolean, void> {
    const { model, isStrict } = this.#rules;
    checkQuestion(model, on, subject);
    const { verdict, cause } = yield* this.#answer(on, subject, trace);
    if (trace !== undefined) trace.allowed = verdict;
    if (verdict !== undefined) return verdict;
    if (cause?.reason === 'max_depth_exceeded' && !isStrict) return false;
    return refuse(cause);
  }

  *#answer(
    on: SubjectSet,
    subject: Subject,
    trace: Trace | undefined,
  ): Generator<void, Result, void> {
    const known = this.#knownOf(subject);
    const scope = { rules: this.#rules, view: this.#view, subject, budget: this.#budget };
    return yield* decide(scope, known, on, this.#depth, trace);
  }
  #knownOf(subject: Subject): Table<Result> {
    // With a depth, what one check has settled could spare another a level, and make its answer depend on the order.
    if (this.#depth !== FINAL) return new Table();
    const key = subjectKey(subject);
    const known = this.#memos.get(key) ?? new Table();
    this.#memos.set(key, known);
    return known;
  }
}
