import { describe, expect, it } from 'vitest';
import type { Subject, Tuple } from '../tuple.ts';
import { newHashKey } from './hash.ts';
import { NONE } from './rows.ts';
import { TupleStore } from './tuple-store.ts';

const NEVER = Number.POSITIVE_INFINITY;
const NAMES = ['', '__proto__', 'a:b#c@d', 'a', '*', '\u0000', '\ud800', 'x'.repeat(65_536)];

function add(store: TupleStore, tuple: Tuple, createdRevision: number): void {
  store.add(tuple, { createdRevision, deletedRevision: NEVER, sequence: createdRevision });
}

function isThere(store: TupleStore, t: Tuple, revision: number): boolean {
  const node = store.vertices.findNode(t.namespace, t.object, t.relation);
  const row = store.find(node, store.findSubject(t.subject));
  return row !== NONE && store.isSeen(row, revision, 0);
}

function allTuples(names: readonly string[]): Tuple[] {
  const tuples: Tuple[] = [];
  for (const namespace of names)
    for (const object of names)
      for (const other of names) {
        const set: Subject = { set: { namespace: other, object: namespace, relation: object } };
        tuples.push({ namespace, object, relation: other, subject: set });
        tuples.push({ namespace, object, relation: other, subject: { id: object } });
      }
  return tuples;
}

describe('the store of tuples', () => {
  it('keeps apart tuples whose names differ in nothing but their parts', () => {
    const store = new TupleStore(newHashKey());
    const tuples = allTuples(NAMES);
    tuples.forEach((t, i) => {
      if (i % 2 === 0) add(store, t, i + 1);
    });
    const now = tuples.length + 1;
    tuples.forEach((t, i) => {
      expect(isThere(store, t, now)).toBe(i % 2 === 0);
    });
  });

  it('keeps no name, object or node of what was deleted and forgotten', () => {
    const store = new TupleStore(newHashKey());
    const tuples = allTuples(['a', 'b', '']);
    const itself = { namespace: 'a', object: 'b', relation: '' };
    tuples.push({ ...itself, subject: { set: itself } });
    tuples.forEach((t, i) => {
      add(store, t, i + 1);
    });
    const { nodes } = store.vertices.counts;
    expect(nodes).toBeGreaterThan(0);
    let revision = tuples.length;
    for (const [i, t] of tuples.entries()) {
      store.end(t, ++revision);
      // Some were there twice.
      if (i % 3 === 0) add(store, t, ++revision);
    }
    for (const t of tuples) store.end(t, ++revision);
    expect(store.live).toBe(0);
    expect(store.vertices.counts.nodes).toBe(nodes);
    expect(store.forget(revision, 10)).toBe(store.versions);
    while (store.forget(revision, 10) > 0);
    expect(store.versions).toBe(0);
    expect(store.vertices.counts).toEqual({ names: 0, objects: 0, nodes: 0 });
  });

  it('knows of which kinds sets are held, until the last one of a kind is forgotten', () => {
    const store = new TupleStore(newHashKey());
    const held = (object: string): Tuple => ({
      ...{ namespace: 'Doc', object, relation: 'viewers' },
      subject: { set: { namespace: 'Group', object, relation: 'members' } },
    });
    const empty = store.bytes;
    add(store, held('a'), 1);
    add(store, held('b'), 2);
    add(store, { ...held('a'), subject: { id: 'Group' } }, 3);
    expect(store.holdsSet('Group', 'members')).toBe(true);
    expect(store.bytes).toBeGreaterThan(empty);
    for (const [namespace, relation] of [
      ['Group', ''],
      ['Doc', 'viewers'],
      ['Doc', 'members'],
      ['nobody', 'nothing'],
    ] as const)
      expect(store.holdsSet(namespace, relation)).toBe(false);
    store.end(held('a'), 4);
    while (store.forget(4, 10) > 0);
    expect(store.holdsSet('Group', 'members')).toBe(true);
    store.end(held('b'), 5);
    expect(store.holdsSet('Group', 'members')).toBe(true);
    while (store.forget(5, 10) > 0);
    expect(store.holdsSet('Group', 'members')).toBe(false);
  });

  it('takes no more memory when the same number of other tuples comes and goes', () => {
    const store = new TupleStore(newHashKey());
    let revision = 0;
    const name = (i: number): Tuple => ({
      namespace: 'n',
      object: `object-${i % 10_000}`,
      relation: 'r',
      subject: { id: `subject-${i}` },
    });
    const sizes: number[] = [];
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 2000; i++) add(store, name(round * 2000 + i), ++revision);
      for (let i = 0; i < 2000; i++) store.end(name(round * 2000 + i), ++revision);
      while (store.forget(revision, 512) > 0);
      sizes.push(store.bytes);
    }
    expect(sizes[3]).toBeLessThanOrEqual(sizes[0] ?? 0);
  });

  it('sees nothing in a gap between two versions when the one before the gap is forgotten', () => {
    const store = new TupleStore(newHashKey());
    const t: Tuple = { namespace: 'n', object: 'o', relation: 'r', subject: { id: 's' } };
    for (const created of [1, 5, 9]) {
      add(store, t, created);
      store.end(t, created + 2);
    }
    expect(store.forget(3, 10)).toBe(0);
    // Takes the record of the forgotten version.
    const other: Tuple = { ...t, object: 'p' };
    store.add(other, { createdRevision: 1, deletedRevision: 20, sequence: 100 });
    store.add(other, { createdRevision: 21, deletedRevision: NEVER, sequence: 101 });
    const seen = [3, 4, 5, 6, 7, 8, 9, 10, 11].map((revision) => isThere(store, t, revision));
    expect(seen).toEqual([false, false, true, true, false, false, true, true, false]);
  });
});
