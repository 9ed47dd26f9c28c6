/** The graph against an array that is searched from end to end, with iterators that pause while the graph changes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import {
  keyOf,
  type Subject,
  type SubjectSet,
  sameSubject,
  subjectKey,
  type Tuple,
  type TupleQuery,
  tupleKey,
} from '../tuple.ts';
import { TupleGraph } from './graph.ts';
import type { SnapshotView } from './view.ts';

interface Version {
  readonly tuple: Tuple;
  readonly key: string;
  readonly created: number;
  deleted: number;
}

/** All versions ever, in the order of insertion. */
class Model {
  readonly versions: Version[] = [];

  apply(revision: number, changes: readonly Operation[]): void {
    const live = (key: string) => this.versions.find((v) => v.key === key && v.deleted === FOREVER);
    for (const c of changes.filter((c) => c.operation === 'delete')) {
      const version = live(tupleKey(c.tuple));
      if (version !== undefined) version.deleted = revision;
    }
    for (const { tuple } of changes.filter((c) => c.operation === 'insert')) {
      const key = tupleKey(tuple);
      const known = live(key);
      if (known?.tuple.expiresAtMs === tuple.expiresAtMs && known !== undefined) continue;
      if (known?.created === revision) {
        this.versions[this.versions.indexOf(known)] = { ...known, tuple };
        continue;
      }
      if (known !== undefined) known.deleted = revision;
      this.versions.push({ tuple, key, created: revision, deleted: FOREVER });
    }
  }

  at(revision: number, nowMs: number): Tuple[] {
    return this.versions
      .filter((v) => v.created <= revision && v.deleted > revision)
      .map((v) => v.tuple)
      .filter((t) => (t.expiresAtMs ?? FOREVER) > nowMs);
  }
}

const FOREVER = Number.POSITIVE_INFINITY;
const nodeKey = (n: SubjectSet): string => keyOf(n.namespace, n.object, n.relation);
const setsOf = (tuples: readonly Tuple[]): SubjectSet[] =>
  tuples.flatMap(({ subject }) => ('set' in subject ? [subject.set] : []));

/** Whether the view says that a set which it shows may be there. */
function admitsHeld(view: SnapshotView, subject: Subject): boolean {
  const set = 'set' in subject ? subject.set : { namespace: '', relation: '' };
  const mayBe = view.mayHoldSet(set.namespace, set.relation);
  return mayBe || 'id' in subject || [...view.holders(subject)].length === 0;
}

/** A question to a view, and its answer from a plain list of tuples; answers are sorted keys. */
interface Question {
  readonly name: string;
  readonly ask: (view: SnapshotView) => Iterable<unknown>;
  readonly key: (item: never) => string;
  readonly expected: (tuples: readonly Tuple[]) => string[];
}

function questionsAbout(at: Tuple): Question[] {
  const { namespace, object, relation, subject } = at;
  const isOn = (t: Tuple): boolean => nodeKey(t) === nodeKey(at);
  const on = [namespace, object, relation] as const;
  const isObject = (s: SubjectSet): boolean => s.namespace === namespace && s.object === object;
  const question = <T>(
    name: string,
    ask: (view: SnapshotView) => Iterable<T>,
    key: (item: T) => string,
    expected: (tuples: readonly Tuple[]) => T[],
  ): Question => ({ name, ask, key, expected: (tuples) => expected(tuples).map(key).sort() });
  const same = (text: string): string => text;
  const distinct = <T>(items: T[], key: (item: T) => string): T[] => [
    ...new Map(items.map((i) => [key(i), i])).values(),
  ];
  return [
    question(
      'has',
      (v) => [String(v.has(...on, subject))],
      same,
      (ts) => [String(ts.some((t) => tupleKey(t) === tupleKey(at)))],
    ),
    question(
      'sets',
      (v) => v.sets(...on),
      nodeKey,
      (ts) => setsOf(ts.filter(isOn)),
    ),
    question(
      'subjects',
      (v) => v.subjects(...on),
      subjectKey,
      (ts) => ts.filter(isOn).map((t) => t.subject),
    ),
    question(
      'holders',
      (v) => v.holders(subject),
      nodeKey,
      (ts) => ts.filter((t) => sameSubject(t.subject, subject)),
    ),
    question(
      'holdersOfObject',
      (v) => v.holdersOfObject(namespace, object),
      nodeKey,
      (ts) =>
        distinct(
          ts.filter((t) => 'set' in t.subject && isObject(t.subject.set)),
          nodeKey,
        ),
    ),
    question(
      'objects',
      (v) => v.objects(namespace),
      same,
      (ts) =>
        distinct(
          [...ts, ...setsOf(ts)].filter((s) => s.namespace === namespace).map((s) => s.object),
          same,
        ),
    ),
    question(
      'mayHoldSet',
      (v) => [String(admitsHeld(v, subject))],
      same,
      () => ['true'],
    ),
    question(
      'subjectIds',
      (v) => v.subjectIds(),
      same,
      (ts) =>
        distinct(
          ts.flatMap((t) => ('id' in t.subject ? [t.subject.id] : [])),
          same,
        ),
    ),
  ];
}

const name = fc.constantFrom('', 'a', '__proto__', 'a:b#c@d', '\ud83d\ude00', 'é'.repeat(20));
const set = fc.record({
  namespace: fc.constantFrom('a', ''),
  object: name,
  relation: fc.constantFrom('a', 'constructor'),
});
const subject: fc.Arbitrary<Subject> = fc.oneof(fc.record({ id: name }), fc.record({ set }));
const tuple: fc.Arbitrary<Tuple> = fc
  .tuple(set, subject, fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }))
  .map(([on, s, expiresAtMs]) => ({
    ...on,
    subject: s,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  }));
type Operation = { readonly operation: 'insert' | 'delete'; readonly tuple: Tuple };
/** Few tuples, so that most are inserted, deleted and inserted again. */
const pool = fc.array(tuple, { minLength: 1, maxLength: 12, size: 'max' });
const step = fc.record({
  changes: fc.array(fc.record({ operation: fc.boolean(), pick: fc.nat(), expiry: fc.nat(3) }), {
    maxLength: 8,
  }),
  skip: fc.integer({ min: 1, max: 3 }),
  look: fc.record({ back: fc.nat(6), nowMs: fc.nat(10), pick: fc.nat(), which: fc.nat() }),
  pause: fc.nat(3),
  forget: fc.option(fc.nat(8), { nil: undefined }),
});

/** One of an array that is not empty. */
function pickFrom<T>(items: readonly T[], pick: number): T {
  const item = items[pick % items.length];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** An iterator that stands somewhere, with what it has given and what it must have given in the end. */
class Paused {
  readonly name: string;
  readonly revision: number;
  readonly #rest: Iterator<unknown>;
  readonly #given: string[] = [];
  readonly #key: (item: never) => string;
  readonly #expected: string[];
  isDone = false;

  constructor(question: Question, view: SnapshotView, expected: string[]) {
    this.name = question.name;
    this.revision = view.revision;
    this.#rest = question.ask(view)[Symbol.iterator]();
    this.#key = question.key;
    this.#expected = expected;
  }

  advance(steps: number): void {
    for (let i = 0; i < steps && !this.isDone; i++) {
      const { done, value } = this.#rest.next();
      if (done === true) this.isDone = true;
      else this.#given.push(this.#key(value as never));
    }
    if (this.isDone)
      expect([this.name, ...this.#given.sort()]).toEqual([this.name, ...this.#expected]);
  }
}

function expectExpired(run: () => unknown): void {
  let code: string | undefined;
  try {
    run();
  } catch (reason) {
    code = reason instanceof PosternError ? reason.code : String(reason);
  }
  expect(code).toBe('expired');
}

/** All pages of a list. */
function listAll(graph: TupleGraph, query: TupleQuery, view: SnapshotView, limit: number): Tuple[] {
  const tuples: Tuple[] = [];
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page = graph.list(query, view.revision, view.nowMs, after, limit);
    tuples.push(...page.tuples);
    after = page.nextAfterRow;
  }
  return tuples;
}

function queriesAbout(t: Tuple): TupleQuery[] {
  const { namespace, object, relation, subject } = t;
  return [
    {},
    { namespace },
    { object },
    { namespace, relation },
    { namespace, object },
    { namespace, object, relation },
    { namespace, object, subject },
    { namespace, object, relation, subject },
    { subject },
    { relation, subject },
  ];
}

function matches(query: TupleQuery, t: Tuple): boolean {
  const { subject: asked, ...names } = query;
  return (
    Object.entries(names).every(([part, text]) => Reflect.get(t, part) === text) &&
    (asked === undefined || sameSubject(asked, t.subject))
  );
}

describe('TupleGraph', () => {
  it('answers as a list of all versions does, also to iterators that pause while it changes', () => {
    fc.assert(
      fc.property(
        pool,
        fc.array(step, { minLength: 1, maxLength: 30, size: 'max' }),
        (tuples, steps) => {
          const graph = new TupleGraph();
          const model = new Model();
          const paused: Paused[] = [];
          for (const s of steps) {
            const revision = graph.revision + s.skip;
            const changes = s.changes.map(({ operation, pick, expiry }): Operation => {
              const picked = pickFrom(tuples, pick);
              const { expiresAtMs: _, ...plain } = picked;
              const changed =
                expiry === 0 ? picked : { ...plain, ...(expiry > 1 ? {} : { expiresAtMs: 5 }) };
              return { operation: operation ? 'insert' : 'delete', tuple: changed };
            });
            graph.applyRevision(revision, changes);
            model.apply(revision, changes);
            if (s.forget !== undefined) while (graph.forget(revision - s.forget) > 0);
            const seen = Math.max(0, revision - s.look.back);
            const about = pickFrom(tuples, s.look.pick);
            if (seen < graph.oldestRevision) {
              expectExpired(() => graph.viewAt(seen, 0));
              expectExpired(() => graph.list({}, seen, 0, 0, 1));
            } else {
              const view = graph.viewAt(seen, s.look.nowMs);
              const there = model.at(seen, s.look.nowMs);
              for (const question of questionsAbout(about)) {
                const given = [...question.ask(view)].map((item) => question.key(item as never));
                expect([question.name, ...given.sort()]).toEqual([
                  question.name,
                  ...question.expected(there),
                ]);
              }
              for (const query of queriesAbout(about)) {
                const listed = listAll(graph, query, view, 1 + (s.look.which % 4));
                expect(listed).toEqual(there.filter((t) => matches(query, t)));
              }
              const question = pickFrom(questionsAbout(about), s.look.which);
              // Those answer at once, and never pause.
              if (question.name !== 'has' && question.name !== 'mayHoldSet')
                paused.push(new Paused(question, view, question.expected(there)));
            }
            for (const p of paused.filter((p) => !p.isDone))
              if (p.revision < graph.oldestRevision) {
                expectExpired(() => p.advance(1));
                p.isDone = true;
              } else p.advance(s.pause);
          }
          for (const p of paused) if (!p.isDone) p.advance(FOREVER);
          expect(graph.liveTuples).toBe(model.versions.filter((v) => v.deleted === FOREVER).length);
          expect(graph.versions).toBe(
            model.versions.filter((v) => v.deleted > graph.oldestRevision).length,
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});
