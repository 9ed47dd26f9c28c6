/**
 * List objects: exactly those known objects of a namespace of which a check is true, found backwards from the subject: from
 * what it is stored on, over sets and the model's dependencies, to all that follows. What follows through an AND is checked
 * where it is met, so that everything beyond rests on truths. An object of which the check has no answer is not listed.
 */
import type { Model } from '../model.ts';
import { type Subject, type SubjectSet, WILDCARD_OBJECT } from '../tuple.ts';
import { type CheckLimits, checkQuestion, depthOf } from './check.ts';
import { decide } from './decide.ts';
import { type Dependencies, dependenciesOf, type Permit, type Trigger } from './dependencies.ts';
import { Table } from './memo.ts';
import { Budget, FINAL, type Result } from './result.ts';
import { counts, follows, isWildcard, type Rule, RuleBook, wildcardOf } from './rules.ts';
import { inSlices } from './slices.ts';
import type { TupleView } from './view.ts';

export interface ObjectsQuestion {
  readonly namespace: string;
  readonly relation: string;
  readonly subject: Subject;
}

/**
 * The objects, each once, in no order. Gives way to other work of the thread. Throws `not_found` for an unknown namespace,
 * `invalid` for an undeclared relation, `exhausted` when the steps do not suffice.
 */
export function listObjects(
  model: Model,
  view: TupleView,
  question: ObjectsQuestion,
  limits: CheckLimits,
): Promise<string[]> {
  const { namespace, relation, subject } = question;
  checkQuestion(model, { namespace, object: '', relation }, subject);
  return inSlices(new ObjectList(model, view, question, limits).work(), limits.isAbandoned);
}

interface Fact {
  readonly rule: Rule;
  readonly object: string;
  readonly isSure: boolean;
}

const STEPS_PER_LOOK = 256;

class ObjectList {
  readonly #rules: RuleBook;
  readonly #view: TupleView;
  readonly #subject: Subject;
  readonly #target: Rule;
  readonly #depth: number;
  readonly #budget: Budget;
  readonly #dependencies: Dependencies;
  readonly #known = new Table<Result>();
  /** What was met, and whether it is true, by how it was met or by a check. */
  readonly #met = new Table<boolean>();
  readonly #sure: Fact[] = [];
  readonly #unsure: Fact[] = [];
  readonly #found: string[] = [];
  #look = STEPS_PER_LOOK;

  constructor(model: Model, view: TupleView, question: ObjectsQuestion, limits: CheckLimits) {
    this.#rules = new RuleBook(model, limits.isStrict);
    this.#view = view;
    this.#subject = question.subject;
    this.#target = this.#rules.find(question.namespace, question.relation);
    this.#depth = depthOf(limits);
    this.#budget = new Budget(limits.stepsMax);
    this.#dependencies = dependenciesOf(model);
  }

  *work(): Generator<void, string[], void> {
    yield* this.#meetStored();
    yield* this.#meetUngrounded();
    // What is sure comes first: it needs no check, and may settle what would.
    for (let fact = this.#pop(); fact !== undefined; fact = this.#pop()) yield* this.#settle(fact);
    return this.#found;
  }

  #pop(): Fact | undefined {
    return this.#sure.pop() ?? this.#unsure.pop();
  }

  *#lookUp(): Generator<void, void, void> {
    if (this.#budget.used < this.#look) return;
    yield;
    this.#look = this.#budget.used + STEPS_PER_LOOK;
  }

  #meet(rule: Rule, object: string, isSure: boolean): void {
    this.#budget.spend(1);
    if (rule.refusal !== undefined) return;
    const met = this.#met.get(rule, object);
    if (met === true || met === isSure) return;
    this.#met.set(rule, object, isSure);
    (isSure ? this.#sure : this.#unsure).push({ rule, object, isSure });
  }

  /** Where the subject itself is stored, or a wildcard that grants it. */
  *#meetStored(): Generator<void, void, void> {
    for (const on of this.#view.holders(this.#subject)) {
      const rule = this.#rules.find(on.namespace, on.relation);
      if (counts(rule, this.#subject)) this.#meet(rule, on.object, true);
      yield* this.#lookUp();
    }
    if ('id' in this.#subject || this.#subject.set.relation !== '') return;
    const all = { set: { ...this.#subject.set, object: WILDCARD_OBJECT } };
    for (const on of this.#view.holders(all)) {
      const rule = this.#rules.find(on.namespace, on.relation);
      if (rule.isStorable && wildcardOf(rule, this.#subject) !== undefined)
        this.#meet(rule, on.object, true);
      yield* this.#lookUp();
    }
  }

  /** What may hold of any object: all of them are candidates, where it leads to what is asked for. */
  *#meetUngrounded(): Generator<void, void, void> {
    const { namespace, relation } = this.#target;
    for (const { permit, reach } of this.#dependencies.ungrounded)
      if (reach.some((p) => p.namespace === namespace && p.permit === relation))
        yield* this.#meetAll(permit, false);
      else for (const reached of reach) yield* this.#meetAll(reached, true);
  }

  /** All objects of a permit as candidates, or those alone of which it is stored as a set: the others lead nowhere. */
  *#meetAll({ namespace, permit }: Permit, isStored: boolean): Generator<void, void, void> {
    if (isStored && this.#view.mayHoldSet?.(namespace, permit) === false) return;
    const rule = this.#rules.find(namespace, permit);
    for (const object of this.#view.objects(namespace)) {
      this.#budget.spend(1);
      yield* this.#lookUp();
      const set = { namespace, object, relation: permit };
      if (!isStored || !isEmpty(this.#view.holders({ set })))
        this.#meet(rule, object, this.#depth !== FINAL);
    }
  }

  *#settle({ rule, object, isSure }: Fact): Generator<void, void, void> {
    if (!isSure && this.#met.get(rule, object) === true) return;
    // A depth cuts off what is true without it: then only the objects asked for are checked, and all of them.
    const isLimited = this.#depth !== FINAL;
    let isTrue = isSure;
    if (rule === this.#target) {
      if (!isTrue || isLimited) isTrue = yield* this.#holds(rule, object);
      if (!isTrue && !isLimited) return;
      if (isTrue) this.#found.push(object);
      this.#met.set(rule, object, true);
    }
    for (const next of this.#consequences(rule, object)) {
      yield* this.#lookUp();
      if (next === undefined) continue;
      if (!isTrue && !isLimited && !(yield* this.#holds(rule, object))) return;
      isTrue = true;
      this.#met.set(rule, object, true);
      this.#meet(next.rule, next.object, next.isSure || isLimited);
    }
  }

  *#holds(rule: Rule, object: string): Generator<void, boolean, void> {
    const { namespace, relation } = rule;
    const on: SubjectSet = { namespace, object, relation };
    const scope = {
      rules: this.#rules,
      view: this.#view,
      subject: this.#subject,
      budget: this.#budget,
    };
    // With a depth, what one object's check has settled could spare another's a level.
    const known = this.#depth === FINAL ? this.#known : new Table<Result>();
    return (yield* decide(scope, known, on, this.#depth)).verdict === true;
  }

  /** What may hold when a relation holds of an object; undefined for what was passed over. */
  *#consequences(rule: Rule, object: string): Generator<Fact | undefined, void, void> {
    const { namespace, relation } = rule;
    const set = { namespace, object, relation };
    for (const on of this.#view.holders({ set })) {
      const holder = this.#rules.find(on.namespace, on.relation);
      if (follows(holder, set)) yield { rule: holder, object: on.object, isSure: true };
    }
    for (const t of this.#dependencies.same.get(namespace)?.get(relation) ?? [])
      yield { rule: this.#rules.find(namespace, t.permit), object, isSure: t.isSure };
    for (const t of this.#dependencies.climbing.get(relation) ?? [])
      yield* this.#climb(t, namespace, object, 0);
  }

  *#climb(
    t: Trigger,
    namespace: string,
    object: string,
    at: number,
  ): Generator<Fact | undefined, void, void> {
    const relation = t.path[at];
    if (relation === undefined) {
      if (namespace === t.namespace)
        yield { rule: this.#rules.find(namespace, t.permit), object, isSure: t.isSure };
      return;
    }
    const isLast = at === t.path.length - 1;
    for (const child of this.#view.holdersOfObject(namespace, object)) {
      this.#budget.spend(1);
      const isOnPath = child.relation === relation && (!isLast || child.namespace === t.namespace);
      if (isOnPath && this.#isParent(child, namespace, object))
        yield* this.#climb(t, child.namespace, child.object, at + 1);
      else yield undefined;
    }
  }

  /** Whether the object, which is stored on a place, is a parent there and not just a wildcard. */
  #isParent(on: SubjectSet, namespace: string, object: string): boolean {
    const rule = this.#rules.find(on.namespace, on.relation);
    if (rule.refusal !== undefined) return false;
    if (object !== WILDCARD_OBJECT || !rule.wildcards.has(namespace)) return true;
    for (const set of this.#view.sets(on.namespace, on.object, on.relation)) {
      this.#budget.spend(1);
      const isSame = set.namespace === namespace && set.object === object;
      if (isSame && !isWildcard(rule, set)) return true;
    }
    return false;
  }
}

function isEmpty(items: Iterable<unknown>): boolean {
  for (const _ of items) return false;
  return true;
}
