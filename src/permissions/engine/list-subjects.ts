/**
 * List subjects: exactly those known subject ids, or plain objects of a namespace, of which a check is true, found forwards
 * from the object: everything that is stored on what it depends on. What was found below an AND is checked, one subject
 * after the other; where nothing but negation decides, every known subject is. A subject of which the check has no answer
 * is not listed.
 */
import { checkRelation, getNamespace, type Model, type Rewrite } from '../model.ts';
import type { Subject, SubjectSet } from '../tuple.ts';
import { type CheckLimits, depthOf } from './check.ts';
import { decide } from './decide.ts';
import { groundOf } from './dependencies.ts';
import { Table } from './memo.ts';
import { Budget, FINAL, type Result } from './result.ts';
import { counts, follows, isWildcard, type Rule, RuleBook } from './rules.ts';
import { inSlices } from './slices.ts';
import type { TupleView } from './view.ts';

export interface SubjectsQuestion {
  readonly on: SubjectSet;
  /** Plain objects of this namespace in place of subject ids. */
  readonly subjectNamespace?: string;
}

/**
 * The subjects, each once, in no order; a wildcard that is stored is one of them, next to all that it grants. Gives way to
 * other work of the thread. Throws `not_found` for an unknown namespace, `invalid` for an undeclared relation, `exhausted`
 * when the steps do not suffice.
 */
export function listSubjects(
  model: Model,
  view: TupleView,
  question: SubjectsQuestion,
  limits: CheckLimits,
): Promise<Subject[]> {
  const { on, subjectNamespace } = question;
  checkRelation(getNamespace(model, on.namespace), on.relation);
  if (subjectNamespace !== undefined) getNamespace(model, subjectNamespace);
  return inSlices(new SubjectList(model, view, question, limits).work(), limits.isAbandoned);
}

interface Node {
  readonly on: SubjectSet;
  readonly isSure: boolean;
}

const STEPS_PER_LOOK = 256;

class SubjectList {
  readonly #rules: RuleBook;
  readonly #view: TupleView;
  readonly #question: SubjectsQuestion;
  readonly #depth: number;
  readonly #budget: Budget;
  /** The names of those found: ids or objects. True: for sure; false: to be checked. */
  readonly #names = new Map<string, boolean>();
  /** What was met, and whether all that is on it is found for sure. */
  readonly #met = new Table<boolean>();
  readonly #sure: Node[] = [];
  readonly #unsure: Node[] = [];
  #isAllAdded = false;
  #look = STEPS_PER_LOOK;

  constructor(model: Model, view: TupleView, question: SubjectsQuestion, limits: CheckLimits) {
    this.#rules = new RuleBook(model, limits.isStrict);
    this.#view = view;
    this.#question = question;
    this.#depth = depthOf(limits);
    this.#budget = new Budget(limits.stepsMax);
  }

  *work(): Generator<void, Subject[], void> {
    // A depth cuts off what is true without it: then every candidate is checked.
    this.#meet({ on: this.#question.on, isSure: this.#depth === FINAL });
    for (let node = this.#pop(); node !== undefined; node = this.#pop()) yield* this.#enter(node);
    const found: Subject[] = [];
    for (const [name, isSure] of this.#names) {
      const subject = this.#subjectOf(name);
      if (isSure || (yield* this.#holds(subject))) found.push(subject);
      this.#budget.spend(1);
      yield* this.#lookUp();
    }
    return found;
  }

  #pop(): Node | undefined {
    return this.#sure.pop() ?? this.#unsure.pop();
  }

  *#lookUp(): Generator<void, void, void> {
    if (this.#budget.used < this.#look) return;
    yield;
    this.#look = this.#budget.used + STEPS_PER_LOOK;
  }

  #subjectOf(name: string): Subject {
    const { subjectNamespace } = this.#question;
    if (subjectNamespace === undefined) return { id: name };
    return { set: { namespace: subjectNamespace, object: name, relation: '' } };
  }

  #meet(node: Node): void {
    this.#budget.spend(1);
    const rule = this.#rules.find(node.on.namespace, node.on.relation);
    if (rule.refusal !== undefined) return;
    const met = this.#met.get(rule, node.on.object);
    if (met === true || met === node.isSure) return;
    this.#met.set(rule, node.on.object, node.isSure);
    (node.isSure ? this.#sure : this.#unsure).push(node);
  }

  #add(name: string, isSure: boolean): void {
    if (isSure || !this.#names.has(name)) this.#names.set(name, isSure);
  }

  *#enter({ on, isSure }: Node): Generator<void, void, void> {
    const rule = this.#rules.find(on.namespace, on.relation);
    if (!isSure && this.#met.get(rule, on.object) === true) return;
    if (rule.isStorable)
      for (const subject of this.#view.subjects(on.namespace, on.object, on.relation)) {
        this.#budget.spend(1);
        yield* this.#lookUp();
        yield* this.#takeStored(rule, subject, isSure);
        if ('set' in subject && follows(rule, subject.set)) this.#meet({ on: subject.set, isSure });
      }
    if (rule.rewrite !== undefined) yield* this.#descend(rule.rewrite, on, isSure);
  }

  *#takeStored(rule: Rule, subject: Subject, isSure: boolean): Generator<void, void, void> {
    const { subjectNamespace } = this.#question;
    if (!counts(rule, subject)) return;
    if ('id' in subject) {
      if (subjectNamespace === undefined) this.#add(subject.id, isSure);
      return;
    }
    if (subject.set.relation !== '' || subject.set.namespace !== subjectNamespace) return;
    this.#add(subject.set.object, isSure);
    if (isWildcard(rule, subject.set)) yield* this.#addAll(isSure);
  }

  *#addAll(isSure: boolean): Generator<void, void, void> {
    if (this.#isAllAdded && !isSure) return;
    this.#isAllAdded = true;
    const { subjectNamespace } = this.#question;
    const names =
      subjectNamespace === undefined
        ? this.#view.subjectIds()
        : this.#view.objects(subjectNamespace);
    for (const name of names) {
      this.#budget.spend(1);
      yield* this.#lookUp();
      this.#add(name, isSure);
    }
  }

  /** Everything that an expression can be true by. Of an AND, which needs all of its parts, one will do. */
  *#descend(
    r: Rewrite,
    at: { readonly namespace: string; readonly object: string },
    isSure: boolean,
  ): Generator<void, void, void> {
    const { namespace, object } = at;
    switch (r.kind) {
      case 'computed':
        this.#meet({ on: { namespace, object, relation: r.relation }, isSure });
        return;
      case 'not':
        yield* this.#addAll(false);
        return;
      case 'or':
        for (const child of r.children) yield* this.#descend(child, at, isSure);
        return;
      case 'and': {
        if (r.children.length === 0) return;
        const part = groundOf(r.children);
        if (part === undefined) yield* this.#addAll(false);
        else yield* this.#descend(part, at, isSure && r.children.length === 1);
        return;
      }
      case 'traverse': {
        const rule = this.#rules.find(namespace, r.relation);
        if (rule.refusal !== undefined) return;
        for (const parent of this.#view.sets(namespace, object, r.relation)) {
          this.#budget.spend(1);
          yield* this.#lookUp();
          if (!isWildcard(rule, parent)) yield* this.#descend(r.through, parent, isSure);
        }
      }
    }
  }

  *#holds(subject: Subject): Generator<void, boolean, void> {
    const scope = { rules: this.#rules, view: this.#view, subject, budget: this.#budget };
    const known = new Table<Result>();
    return (yield* decide(scope, known, this.#question.on, this.#depth)).verdict === true;
  }
}
