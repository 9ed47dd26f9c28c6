/**
 * Asks what a world asserts. Lists are answered by brute force, a check for every name that the world knows: slow, simple
 * and the definition of what the faster lists of the server must answer.
 */

import { PosternError } from '../../kernel/index.ts';
import { CheckEvaluator, type Trace } from '../engine/check.ts';
import type { TupleView } from '../engine/view.ts';
import {
  printSubject,
  type Subject,
  type SubjectSet,
  subjectKey,
  type Tuple,
  WILDCARD_OBJECT,
} from '../tuple.ts';
import { viewOf } from './tuple-view.ts';
import type { Assertion, World, WorldTest } from './world.ts';

export interface WorldReport {
  readonly name: string;
  readonly tests: readonly TestReport[];
  readonly passed: number;
  readonly failed: number;
}

export interface TestReport {
  readonly name: string;
  readonly assertions: readonly AssertionReport[];
}

export interface AssertionReport {
  readonly kind: Assertion['kind'];
  readonly text: string;
  readonly isPassed: boolean;
  /** Of a check: what was expected. */
  readonly expected?: boolean;
  /** Of a check: the answer. */
  readonly allowed?: boolean;
  /** Of a list: what was expected and is not there, and what is there and was not expected. */
  readonly missing?: readonly string[];
  readonly unexpected?: readonly string[];
  /** The question could not be answered. */
  readonly error?: PosternError;
  /** Of a check that failed: how the answer came about. */
  readonly trace?: Trace;
}

/** Sub-questions of one test: above it a world does not end in a reasonable time. */
const STEPS_MAX = 10_000_000;

/**
 * Runs every test of a world. A failing assertion is in the report, never thrown; so is a question that the model can't
 * answer. `nowMs` is the present, for tests that name no instant.
 */
export async function runWorld(world: World, nowMs: number): Promise<WorldReport> {
  const tests: TestReport[] = [];
  for (const test of world.tests) tests.push(await new TestRun(world, test, nowMs).report());
  const all = tests.flatMap((t) => t.assertions);
  const passed = all.filter((a) => a.isPassed).length;
  return { name: world.name, tests, passed, failed: all.length - passed };
}

class TestRun {
  readonly #world: World;
  readonly #test: WorldTest;
  readonly #tuples: readonly Tuple[];
  readonly #view: TupleView;
  readonly #evaluator: CheckEvaluator;

  constructor(world: World, test: WorldTest, nowMs: number) {
    this.#world = world;
    this.#test = test;
    this.#tuples = [...world.tuples, ...test.tuples];
    this.#view = viewOf(this.#tuples, test.nowMs ?? nowMs);
    this.#evaluator = this.#newEvaluator();
  }

  #newEvaluator(): CheckEvaluator {
    const { model, isStrict } = this.#world;
    return new CheckEvaluator(model, this.#view, { stepsMax: STEPS_MAX, isStrict });
  }

  async report(): Promise<TestReport> {
    const assertions: AssertionReport[] = [];
    for (const assertion of this.#test.assertions) assertions.push(await this.#ask(assertion));
    return { name: this.#test.name, assertions };
  }

  async #ask(assertion: Assertion): Promise<AssertionReport> {
    const { kind, text } = assertion;
    try {
      if (assertion.kind === 'check') return await this.#check(assertion);
      const found =
        assertion.kind === 'list_objects'
          ? await this.#listObjects(assertion)
          : await this.#listSubjects(assertion);
      return {
        kind,
        text,
        isPassed: isEmpty(found.missing) && isEmpty(found.unexpected),
        ...found,
      };
    } catch (error) {
      if (!(error instanceof PosternError) || error.code === 'internal') throw error;
      return { kind, text, isPassed: false, error };
    }
  }

  async #check(assertion: Assertion & { kind: 'check' }): Promise<AssertionReport> {
    const { kind, text, on, subject, expect } = assertion;
    const allowed = await this.#evaluator.check(on, subject);
    const said = { kind, text, expected: expect, allowed };
    if (allowed === expect) return { ...said, isPassed: true };
    const trace: Trace = { kind: 'relation', ...on, allowed: undefined, children: [] };
    // With what is remembered already, the trace would be short of the reasons.
    await this.#newEvaluator().check(on, subject, trace);
    return { ...said, isPassed: false, trace };
  }

  async #listObjects(assertion: Assertion & { kind: 'list_objects' }): Promise<Difference> {
    const { namespace, relation, subject, expect } = assertion;
    const candidates = new Set(expect);
    for (const object of this.#view.objects(namespace)) candidates.add(object);
    const found = new Set<string>();
    for (const object of candidates)
      if (await this.#evaluator.check({ namespace, object, relation }, subject)) found.add(object);
    return differenceOf(new Set(expect), found, new Set());
  }

  async #listSubjects(assertion: Assertion & { kind: 'list_subjects' }): Promise<Difference> {
    const { on, of, expect } = assertion;
    const candidates = new Map(expect.map((s) => [subjectKey(s), s]));
    for (const s of this.#subjects(of)) candidates.set(subjectKey(s), s);
    const found = new Set<string>();
    const covered = new Set<string>();
    const covering = new Set(assertion.mayCover === true ? expect.filter(isWildcard) : []);
    for (const subject of candidates.values()) {
      // What is asked for is of one kind; an expectation of another kind is never met.
      if (!isOfKind(subject, of) || !(await this.#evaluator.check(on, subject))) continue;
      found.add(printSubject(subject));
      if (covering.size > 0 && isCovered(subject, covering)) covered.add(printSubject(subject));
    }
    return differenceOf(new Set(expect.map(printSubject)), found, covered);
  }

  /** Every subject of the kind that the world knows. */
  *#subjects(of: { namespace: string; relation: string } | undefined): Iterable<Subject> {
    if (of === undefined) {
      for (const id of this.#view.subjectIds()) yield { id };
      return;
    }
    for (const object of this.#view.objects(of.namespace)) yield { set: { ...of, object } };
  }
}

interface Difference {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

function differenceOf(
  expected: ReadonlySet<string>,
  found: ReadonlySet<string>,
  mayBeThere: ReadonlySet<string>,
): Difference {
  const without = (a: ReadonlySet<string>, b: ReadonlySet<string>): string[] =>
    [...a].filter((name) => !b.has(name)).sort();
  return {
    missing: without(expected, found),
    unexpected: without(found, expected).filter((name) => !mayBeThere.has(name)),
  };
}

const isEmpty = (list: readonly unknown[]): boolean => list.length === 0;

const isWildcard = (s: Subject): s is { readonly set: SubjectSet } =>
  'set' in s && s.set.relation === '' && s.set.object === WILDCARD_OBJECT;

function isOfKind(s: Subject, of: { namespace: string; relation: string } | undefined): boolean {
  if (of === undefined) return 'id' in s;
  return 'set' in s && s.set.namespace === of.namespace && s.set.relation === of.relation;
}

function isCovered(s: Subject, covering: ReadonlySet<Subject>): boolean {
  if (!('set' in s) || s.set.relation !== '') return false;
  return [...covering].some((c) => 'set' in c && c.set.namespace === s.set.namespace);
}
