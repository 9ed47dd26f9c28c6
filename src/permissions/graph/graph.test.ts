import { describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import { parseTuple, printSubject, printTuple, type Tuple, type TupleQuery } from '../tuple.ts';
import { TupleGraph } from './graph.ts';

const T = (text: string, expiresAtMs?: number): Tuple => ({
  ...parseTuple(text),
  ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
});
const insert = (text: string, expiresAtMs?: number) =>
  ({ operation: 'insert', tuple: T(text, expiresAtMs) }) as const;
const remove = (text: string) => ({ operation: 'delete', tuple: T(text) }) as const;

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (reason) {
    return reason instanceof PosternError ? reason.code : String(reason);
  }
  return 'none';
}

/** Every page of a list, and how many pages it took. */
function listAll(graph: TupleGraph, query: TupleQuery, limit: number, revision = graph.revision) {
  const found: string[] = [];
  let pages = 0;
  for (let after: number | undefined = 0; after !== undefined; pages++) {
    const page = graph.list(query, revision, 0, after, limit);
    expect(page.tuples.length).toBeLessThanOrEqual(limit);
    found.push(...page.tuples.map(printTuple));
    after = page.nextAfterRow;
  }
  return { found, pages };
}

const COUNT = 50_000;
const textOf = (i: number): string =>
  `Doc:d${i % 9973}#viewers@${i % 3 === 0 ? `Group:g${i % 50}#members` : `u${i % 4001}`}`;

function loaded(): { graph: TupleGraph; texts: readonly string[] } {
  const graph = new TupleGraph();
  const texts = [...new Set(Array.from({ length: COUNT }, (_, i) => textOf(i)))];
  graph.apply(texts.map((text, i) => ({ tuple: T(text), createdRevision: i + 1 })));
  return { graph, texts };
}

describe('a large graph', () => {
  const { graph, texts } = loaded();

  it('holds every tuple that was loaded', () => {
    expect(graph.revision).toBe(texts.length);
    expect(graph.liveTuples).toBe(texts.length);
    const view = graph.viewAt(graph.revision, 0);
    for (const text of texts) {
      const { namespace, object, relation, subject } = T(text);
      expect(view.has(namespace, object, relation, subject)).toBe(true);
      expect(view.has(namespace, object, 'owners', subject)).toBe(false);
    }
    expect([...view.subjectIds()].length).toBe(4001);
    expect([...view.objects('Doc')].length).toBe(9973);
    expect([...view.objects('Group')].length).toBe(50);
  });

  it('takes at most 160 bytes a tuple of short names', () => {
    expect(graph.memoryBytes / texts.length).toBeLessThan(160);
  });

  it.each<[string, TupleQuery]>([
    ['everything', {}],
    ['a large namespace', { namespace: 'Doc' }],
    ['a relation', { relation: 'viewers' }],
    ['one object', { namespace: 'Doc', object: 'd7' }],
    ['objects of any namespace', { object: 'd7' }],
    [
      'a subject of many tuples',
      { subject: { set: { namespace: 'Group', object: 'g6', relation: 'members' } } },
    ],
    ['a subject of few tuples', { subject: { id: 'u77' } }],
    ['nothing', { namespace: 'Nothing' }],
  ])('lists %s in the order of insertion', (_, query) => {
    const expected = texts.filter((text) => {
      const t = T(text);
      return (
        t.namespace === (query.namespace ?? t.namespace) &&
        t.object === (query.object ?? t.object) &&
        t.relation === (query.relation ?? t.relation) &&
        printSubject(t.subject) === printSubject(query.subject ?? t.subject)
      );
    });
    expect(listAll(graph, query, 500).found).toEqual(expected);
  });

  it('cuts a search along the order of insertion into pages that may be empty', () => {
    const { found, pages } = listAll(graph, { relation: 'nothing' }, 500);
    expect(found).toEqual([]);
    expect(pages).toBeGreaterThan(1);
  });
});

describe('a graph that changes', () => {
  it('is right about tuples that come and go thousands of times, and frees them', () => {
    const graph = new TupleGraph();
    const texts = Array.from({ length: 300 }, (_, i) => textOf(i * 31));
    /** The revisions at which each tuple came or went, in turn. */
    const turns = new Map<string, number[]>(texts.map((t) => [t, []]));
    const isThere = (text: string, revision: number): boolean =>
      (turns.get(text) ?? []).filter((r) => r <= revision).length % 2 === 1;
    let random = 1;
    const next = (below: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      return (random >>> 8) % below;
    };
    for (let revision = 1; revision <= 20_000; revision++) {
      const text = texts[next(texts.length)] ?? '';
      graph.applyRevision(revision, [isThere(text, revision) ? remove(text) : insert(text)]);
      turns.get(text)?.push(revision);
      if (revision % 10 === 0) graph.forget(revision - 1000 + next(500));
      if (revision % 100 !== 0) continue;
      const seen = graph.oldestRevision + next(revision - graph.oldestRevision + 1);
      const view = graph.viewAt(seen, 0);
      const there = texts.filter((t) => isThere(t, seen));
      const found = listAll(graph, {}, 100, seen).found;
      expect(new Set(found)).toEqual(new Set(there));
      for (const t of texts) {
        const { namespace, object, relation, subject } = T(t);
        expect(view.has(namespace, object, relation, subject)).toBe(isThere(t, seen));
      }
    }
    for (const t of texts) graph.applyRevision(graph.revision + 1, [remove(t)]);
    while (graph.forget(graph.revision) > 0);
    expect([graph.liveTuples, graph.versions]).toEqual([0, 0]);
  });

  it('does all deletes of a revision before its inserts', () => {
    const graph = new TupleGraph();
    graph.applyRevision(1, [insert('N:o#r@a', 10)]);
    graph.applyRevision(2, [insert('N:o#r@a', 20), remove('N:o#r@a')]);
    expect(graph.viewAt(1, 9).has('N', 'o', 'r', { id: 'a' })).toBe(true);
    expect(graph.viewAt(1, 10).has('N', 'o', 'r', { id: 'a' })).toBe(false);
    expect(graph.viewAt(2, 19).has('N', 'o', 'r', { id: 'a' })).toBe(true);
    expect([graph.liveTuples, graph.versions]).toEqual([1, 2]);
  });

  it('lists a tuple that was inserted again behind those that stayed', () => {
    const graph = new TupleGraph();
    graph.applyRevision(1, [insert('N:o#r@a'), insert('N:o#r@b')]);
    graph.applyRevision(2, [remove('N:o#r@a')]);
    graph.applyRevision(3, [insert('N:o#r@a')]);
    expect(listAll(graph, {}, 1, 1).found).toEqual(['N:o#r@a', 'N:o#r@b']);
    expect(listAll(graph, {}, 1).found).toEqual(['N:o#r@b', 'N:o#r@a']);
    expect(listAll(graph, { namespace: 'N' }, 1).found).toEqual(['N:o#r@b', 'N:o#r@a']);
  });

  it('keeps a list in pages whole while what it has passed is forgotten', () => {
    const graph = new TupleGraph();
    graph.applyRevision(1, [insert('N:o#r@a'), insert('N:o#r@b'), insert('N:o#r@c')]);
    const first = graph.list({}, 1, 0, 0, 2);
    graph.applyRevision(2, [remove('N:o#r@b')]);
    expect(graph.forget(2)).toBe(0);
    expect(graph.list({}, 2, 0, first.nextAfterRow ?? 0, 2).tuples.map(printTuple)).toEqual([
      'N:o#r@c',
    ]);
  });

  it('orders by the sequence numbers that it is given', () => {
    const graph = new TupleGraph();
    graph.apply([
      { tuple: T('N:o#r@b'), createdRevision: 1, sequence: 7 },
      { tuple: T('N:o#r@a'), createdRevision: 1, sequence: 5 },
    ]);
    graph.applyRevision(2, [insert('N:o#r@c')]);
    const page = graph.list({}, 2, 0, 5, 9);
    expect(page.tuples.map(printTuple)).toEqual(['N:o#r@b', 'N:o#r@c']);
    const again = { tuple: T('N:o#r@d'), createdRevision: 2 };
    for (const sequence of [7, 0, -1, 1.5, Number.NaN])
      expect(codeOf(() => graph.apply([{ ...again, sequence }]))).toBe('internal');
  });

  it('refuses revisions that go back, that are no numbers, and versions that overlap', () => {
    const graph = new TupleGraph();
    graph.applyRevision(5, [insert('N:o#r@a')]);
    for (const revision of [5, 4, 6.5, Number.NaN, -1])
      expect(codeOf(() => graph.applyRevision(revision, []))).toBe('internal');
    expect(
      codeOf(() => graph.apply([{ tuple: T('N:o#r@a'), createdRevision: 3, deletedRevision: 6 }])),
    ).toBe('internal');
    const gone = { tuple: T('N:o#r@b'), createdRevision: 3, deletedRevision: 6 };
    expect(codeOf(() => graph.apply([gone, { ...gone, createdRevision: 5 }]))).toBe('internal');
    expect(graph.revision).toBe(6);
  });

  it('gives views of what it knows alone: neither ahead of it nor behind its history', () => {
    const graph = new TupleGraph();
    graph.applyRevision(3, [insert('N:o#r@a')]);
    const old = graph.viewAt(2, 0);
    expect(codeOf(() => graph.viewAt(4, 0))).toBe('unavailable');
    expect(codeOf(() => graph.list({}, 4, 0, 0, 1))).toBe('unavailable');
    graph.applyRevision(4, []);
    graph.forget(Number.POSITIVE_INFINITY);
    expect(graph.oldestRevision).toBe(4);
    expect(codeOf(() => graph.viewAt(3, 0))).toBe('expired');
    for (const ask of [
      () => old.has('N', 'o', 'r', { id: 'a' }),
      () => [...old.sets('?', '', '')],
      () => [...old.subjects('?', '', '')],
      () => [...old.holders({ id: '?' })],
      () => [...old.holdersOfObject('?', '')],
      () => [...old.objects('?')],
      () => [...old.subjectIds()],
    ])
      expect(codeOf(ask)).toBe('expired');
    expect(graph.forget(1)).toBe(0);
    expect(graph.oldestRevision).toBe(4);
  });

  it('forgets in slices, and says how much is left', () => {
    const graph = new TupleGraph();
    const texts = Array.from({ length: 3000 }, (_, i) => `N:o${i}#r@a`);
    graph.apply(
      texts.map((t, i) => ({ tuple: T(t), createdRevision: 1, deletedRevision: 3000 - i + 1 })),
    );
    const lefts: number[] = [];
    do lefts.push(graph.forget(2001));
    while (lefts.at(-1) !== 0);
    expect(lefts.length).toBeGreaterThan(2);
    expect(graph.versions).toBe(1000);
    expect([...graph.viewAt(2001, 0).objects('N')].length).toBe(1000);
  });

  it('lets an iterable be looped over again', () => {
    const graph = new TupleGraph();
    graph.applyRevision(1, [insert('N:o#r@a')]);
    const ids = graph.viewAt(1, 0).subjectIds();
    expect([[...ids], [...ids]]).toEqual([['a'], ['a']]);
  });
});
