/**
 * Check: is a subject in a relation to an object? The answer is the least fixpoint of the model's rules over one view of
 * the tuples (reference/permissions.md §5), so that cycles of groups, folders and permits have one true answer, whatever
 * the order of the tuples.
 *
 * How: a depth-first search on a stack of its own (10,000 levels deep is no problem), with three values. A question that
 * is asked again while it is still open is taken as false for the moment; what rests on that is provisional until the
 * open question has its answer: false makes it final, true throws it away. `low` is the place on the stack of the lowest
 * open question that a result rests on; a result with `low` at infinity is final. True is always final.
 *
 * INVARIANT: never a silent false. What a limit cut off, what lies behind an undeclared relation, and what negates
 * itself through a cycle of tuples is unknown: true wins over it in an OR, false in an AND, NOT keeps it, and an unknown
 * answer is an error. The one exception is an explicit depth outside strict mode, which answers as Keto does.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PosternError } from '../../kernel/index.ts';
import { checkRelation, findRelation, getNamespace, type Model, type Rewrite } from '../model.ts';
import { keyOf, type Subject, type SubjectSet, subjectKey, WILDCARD_OBJECT } from '../tuple.ts';
import type { TupleView } from './view.ts';

export interface CheckLimits {
  /** Sub-questions and tuples followed by one evaluator; above it the answer is `exhausted`. */
  readonly stepsMax: number;
  /** Levels as Keto counts them; absent: no limit. */
  readonly maxDepth?: number;
  /** Keto's strict mode: permits are never stored, sets count only where their type is declared. */
  readonly isStrict: boolean;
}

/** One question of a check and what it rested on. */
export interface Trace {
  /** What was asked: a relation of an object, or a part of a permit's expression. */
  readonly kind: 'relation' | 'or' | 'and' | 'not' | 'computed' | 'traverse';
  readonly namespace: string;
  readonly object: string;
  /** The relation; of a `computed` or `traverse` the one that it names; "" for `or`, `and` and `not`. */
  readonly relation: string;
  /** Undefined: unknown. */
  allowed: boolean | undefined;
  /** The stored subject that decided it: the subject itself, or a wildcard of its namespace. */
  stored?: Subject;
  /** Asked and shown elsewhere in this tree, or a cycle. */
  isRepeated?: true;
  readonly children: Trace[];
}

/** Why an answer is unknown, in the words that Keto uses where it has them. */
export type UnknownReason = 'max_depth_exceeded' | 'negative_cycle' | 'undeclared';

interface Result {
  readonly verdict: boolean | undefined;
  readonly low: number;
}
const FINAL = Number.POSITIVE_INFINITY;
const TRUE: Result = { verdict: true, low: FINAL };
const FALSE: Result = { verdict: false, low: FINAL };

interface Goal {
  readonly namespace: string;
  readonly object: string;
  /** Present: an expression of a permit of the object; absent: the relation itself. */
  readonly rewrite?: Rewrite;
  readonly relation: string;
  readonly depth: number;
  readonly trace: Trace | undefined;
}

interface Frame {
  readonly steps: Generator<Goal, Result, Result>;
  readonly goal: Goal;
  /** The key of a relation's question; undefined for an expression, which is never asked twice by itself. */
  readonly key: string | undefined;
  /** How many provisional results there were when the question was opened. */
  readonly provisionalStart: number;
}

/** How long one slice may hold the thread. */
const SLICE_MS = 4;
const STEPS_PER_LOOK = 256;

/** The questions about one subject: their answers rest on one another. */
class Subjects {
  readonly final = new Map<string, boolean | undefined>();
  readonly provisional = new Map<string, number>();
  readonly order: string[] = [];
  readonly open = new Map<string, number>();
}

/** Answers checks over one model and one view, and remembers what it found: share one among the checks of a batch. */
export class CheckEvaluator {
  readonly #model: Model;
  readonly #view: TupleView;
  readonly #limits: CheckLimits;
  readonly #memos = new Map<string, Subjects>();
  #steps = 0;
  #unknown: { reason: UnknownReason; error: PosternError } | undefined;

  constructor(model: Model, view: TupleView, limits: CheckLimits) {
    this.#model = model;
    this.#view = view;
    this.#limits = limits;
  }

  /** Sub-questions asked so far. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Answers one check; gives way to other work of the thread every few milliseconds. Throws `not_found` for an unknown
   * namespace (also the subject's), `invalid` for an undeclared relation, `exhausted` (facts.reason) when the steps, or in
   * strict mode the depth, did not suffice or tuples negate themselves.
   */
  async check(on: SubjectSet, subject: Subject, trace?: Trace): Promise<boolean> {
    const run = this.start(on, subject, trace);
    for (;;) {
      const verdict = run();
      if (verdict !== undefined) return verdict;
      await nextTurn();
    }
  }

  /** As `check`, in slices that the caller calls until one answers. */
  start(on: SubjectSet, subject: Subject, trace?: Trace): () => boolean | undefined {
    checkRelation(getNamespace(this.#model, on.namespace), on.relation);
    if ('set' in subject)
      checkRelation(getNamespace(this.#model, subject.set.namespace), subject.set.relation);
    const memoKey = subjectKey(subject);
    const known = this.#memos.get(memoKey) ?? new Subjects();
    this.#memos.set(memoKey, known);
    const stack: Frame[] = [];
    const depth = this.#limits.maxDepth ?? FINAL;
    this.#unknown = undefined;
    let result = this.#open(stack, known, subject, { ...on, depth, trace });
    return () => {
      const endMs = performance.now() + SLICE_MS;
      let look = this.#steps + STEPS_PER_LOOK;
      for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
        if (this.#steps > this.#limits.stepsMax)
          throw new PosternError('exhausted', 'The check could not be completed', {
            facts: { reason: 'max_steps_exceeded', steps: this.#limits.stepsMax },
            hint: 'Raise limit.max_check_steps, or make the model shallower',
          });
        // The first call of a generator ignores what it is given.
        const next = frame.steps.next(result ?? FALSE);
        if (next.done === true) {
          stack.pop();
          result = this.#close(known, stack.length, frame, next.value);
        } else result = this.#open(stack, known, subject, next.value);
        if (this.#steps > look) {
          if (performance.now() > endMs) return undefined;
          look = this.#steps + STEPS_PER_LOOK;
        }
      }
      return this.#conclude(result ?? FALSE);
    };
  }

  #conclude({ verdict }: Result): boolean {
    if (verdict !== undefined) return verdict;
    const { reason, error } = this.#unknown ?? {};
    if (reason === 'max_depth_exceeded' && !this.#limits.isStrict) return false;
    throw error ?? new PosternError('internal', 'A check is unknown without a reason');
  }

  /** Answers at once what is known, or opens the question on the stack. */
  #open(stack: Frame[], memo: Subjects, subject: Subject, goal: Goal): Result | undefined {
    this.#steps++;
    if (goal.rewrite !== undefined) {
      stack.push({
        steps: this.#expression(goal, goal.rewrite),
        goal,
        key: undefined,
        provisionalStart: 0,
      });
      return undefined;
    }
    const node = keyOf(goal.namespace, goal.object, goal.relation);
    const key = goal.depth === FINAL ? node : `${goal.depth}/${node}`;
    const known = this.#recall(memo, node, key);
    if (known !== undefined) {
      if (goal.trace !== undefined) {
        goal.trace.allowed = known.verdict;
        goal.trace.isRepeated = true;
      }
      return known;
    }
    if (goal.depth <= 0) return this.#leaveUnknown('max_depth_exceeded');
    memo.open.set(node, stack.length);
    const provisionalStart = memo.order.length;
    stack.push({ steps: this.#relation(goal, subject), goal, key, provisionalStart });
    return undefined;
  }

  #recall(memo: Subjects, node: string, key: string): Result | undefined {
    const verdict = memo.final.get(key);
    if (verdict !== undefined) return verdict ? TRUE : FALSE;
    if (memo.final.has(key)) return { verdict: undefined, low: FINAL };
    const open = memo.open.get(node);
    if (open !== undefined) return { verdict: false, low: open };
    const low = memo.provisional.get(key);
    return low === undefined ? undefined : { verdict: false, low };
  }

  /** Files a result; `place` is where its question stood on the stack. */
  #close(memo: Subjects, place: number, frame: Frame, result: Result): Result {
    const { goal, key } = frame;
    if (goal.trace !== undefined) goal.trace.allowed = result.verdict;
    if (key === undefined) return result;
    memo.open.delete(keyOf(goal.namespace, goal.object, goal.relation));
    const isFinal = result.low >= place;
    if (result.verdict === false && !isFinal) {
      memo.provisional.set(key, result.low);
      memo.order.push(key);
      return result;
    }
    // What rested on this question being false is final when it is so, and void otherwise.
    for (const dependent of memo.order.splice(frame.provisionalStart)) {
      memo.provisional.delete(dependent);
      if (result.verdict === false) memo.final.set(dependent, false);
    }
    if (result.verdict !== undefined || isFinal) memo.final.set(key, result.verdict);
    return isFinal ? { verdict: result.verdict, low: FINAL } : result;
  }

  #leaveUnknown(reason: UnknownReason, error?: PosternError): Result {
    this.#unknown ??= {
      reason,
      error:
        error ??
        new PosternError('exhausted', 'The check could not be completed', { facts: { reason } }),
    };
    return { verdict: undefined, low: FINAL };
  }

  *#relation(goal: Goal, subject: Subject): Generator<Goal, Result, Result> {
    const { namespace, object, relation, depth, trace } = goal;
    const { isStrict } = this.#limits;
    let declared: ReturnType<typeof findRelation>;
    try {
      checkRelation(getNamespace(this.#model, namespace), relation);
      declared = findRelation(this.#model, namespace, relation);
    } catch (reason) {
      if (!(reason instanceof PosternError)) throw reason;
      return this.#leaveUnknown('undeclared', reason);
    }
    const isPermit = declared?.rewrite !== undefined;
    const counts = (set: SubjectSet): boolean =>
      !isStrict ||
      declared === undefined ||
      declared.types.some(
        (t) => !t.isWildcard && t.namespace === set.namespace && t.relation === set.relation,
      );
    const mayBeStored = !isStrict || !isPermit;
    if (mayBeStored && ('id' in subject || counts(subject.set)))
      if (this.#view.has(namespace, object, relation, subject)) {
        if (trace !== undefined) trace.stored = subject;
        return TRUE;
      }
    if ('set' in subject && subject.set.relation === '' && subject.set.object !== WILDCARD_OBJECT) {
      const all = { set: { ...subject.set, object: WILDCARD_OBJECT } };
      const isDeclared = declared?.types.some(
        (t) => t.isWildcard && t.namespace === all.set.namespace,
      );
      if (isDeclared === true && this.#view.has(namespace, object, relation, all)) {
        if (trace !== undefined) trace.stored = all;
        return TRUE;
      }
    }
    let low = FINAL;
    let isUnknown = false;
    if (declared?.rewrite !== undefined) {
      const rewrite = declared.rewrite;
      // A permit that is another relation alone costs a level, as one of several does.
      const cost = rewrite.kind === 'computed' ? 1 : 0;
      const result = yield part(goal, rewrite, depth - cost);
      if (result.verdict === true) return TRUE;
      if (result.verdict === undefined) isUnknown = true;
      low = Math.min(low, result.low);
    }
    if (mayBeStored)
      for (const set of this.#view.sets(namespace, object, relation)) {
        if (!counts(set)) continue;
        const result = yield question(set, depth - 1, trace);
        if (result.verdict === true) return TRUE;
        if (result.verdict === undefined) isUnknown = true;
        low = Math.min(low, result.low);
      }
    return { verdict: isUnknown ? undefined : false, low };
  }

  *#expression(goal: Goal, rewrite: Rewrite): Generator<Goal, Result, Result> {
    const { namespace, object, depth, trace } = goal;
    switch (rewrite.kind) {
      case 'computed':
        return yield question({ namespace, object, relation: rewrite.relation }, depth, trace);
      case 'not': {
        const result = yield part(goal, rewrite.child, depth);
        if (result.verdict === undefined) return result;
        if (result.verdict) return FALSE;
        return result.low === FINAL
          ? TRUE
          : { ...this.#leaveUnknown('negative_cycle'), low: result.low };
      }
      case 'traverse': {
        let low = FINAL;
        let isUnknown = false;
        for (const set of this.#view.sets(namespace, object, rewrite.relation)) {
          if (set.object === WILDCARD_OBJECT && this.#declaresWildcard(goal, rewrite.relation, set))
            continue;
          const result = yield part({ ...goal, ...set }, rewrite.through, depth - 1);
          if (result.verdict === true) return TRUE;
          if (result.verdict === undefined) isUnknown = true;
          low = Math.min(low, result.low);
        }
        return { verdict: isUnknown ? undefined : false, low };
      }
      case 'or':
      case 'and': {
        const decides = rewrite.kind === 'or';
        if (rewrite.children.length === 0) return FALSE;
        let low = FINAL;
        let isUnknown = false;
        let provisional: Result | undefined;
        for (const child of rewrite.children) {
          const result = yield part(goal, child, depth - costOf(rewrite, child));
          if (result.verdict === undefined) isUnknown = true;
          else if (result.verdict === decides) {
            if (result.low === FINAL) return result;
            provisional ??= result;
            if (result.low > provisional.low) provisional = result;
          }
          low = Math.min(low, result.low);
        }
        // Only an AND has a deciding result that is provisional: true always is final.
        if (provisional !== undefined) return provisional;
        return { verdict: isUnknown ? undefined : !decides, low };
      }
    }
  }

  #declaresWildcard(at: Goal, relation: string, set: SubjectSet): boolean {
    const types = findRelation(this.#model, at.namespace, relation)?.types ?? [];
    return types.some((t) => t.isWildcard && t.namespace === set.namespace);
  }
}

/** Levels that Keto takes off for a part of a boolean group: one, but none for what is ANDed. */
function costOf(group: Rewrite, child: Rewrite): number {
  if (child.kind === 'or' || child.kind === 'and') return 1;
  return group.kind === 'or' && child.kind === 'computed' ? 1 : 0;
}

function note(kind: Trace['kind'], on: SubjectSet, parent: Trace | undefined): Trace | undefined {
  if (parent === undefined) return undefined;
  const { namespace, object, relation } = on;
  const trace: Trace = { kind, namespace, object, relation, allowed: undefined, children: [] };
  parent.children.push(trace);
  return trace;
}

function question(on: SubjectSet, depth: number, parent: Trace | undefined): Goal {
  const { namespace, object, relation } = on;
  return { namespace, object, relation, depth, trace: note('relation', on, parent) };
}

function part(at: Goal, rewrite: Rewrite, depth: number): Goal {
  const relation = 'relation' in rewrite ? rewrite.relation : '';
  const { namespace, object } = at;
  const trace = note(rewrite.kind, { namespace, object, relation }, at.trace);
  return { namespace, object, relation, rewrite, depth, trace };
}
