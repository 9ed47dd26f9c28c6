import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  keyOf,
  type Subject,
  type SubjectSet,
  subjectKey,
  type Tuple,
  tupleKey,
} from '../tuple.ts';
import { TupleGraph } from './graph.ts';
import { CONTEXTUAL_TUPLES_MAX } from './overlay.ts';
import type { SnapshotView } from './view.ts';

const name = fc.constantFrom('', 'a', '__proto__');
const set = fc.record({ namespace: name, object: name, relation: name });
const subject: fc.Arbitrary<Subject> = fc.oneof(fc.record({ id: name }), fc.record({ set }));
const tuple: fc.Arbitrary<Tuple> = fc
  .tuple(set, subject, fc.constantFrom(undefined, 5, 15))
  .map(([on, s, expiresAtMs]) => ({
    ...on,
    subject: s,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  }));
const NOW = 10;
const nodeKey = (n: SubjectSet): string => keyOf(n.namespace, n.object, n.relation);

/** Everything that a view answers about a tuple's parts. */
function answers(view: SnapshotView, { namespace, object, relation, subject }: Tuple): unknown {
  return {
    has: view.has(namespace, object, relation, subject),
    sets: [...view.sets(namespace, object, relation)].map(nodeKey).sort(),
    subjects: [...view.subjects(namespace, object, relation)].map(subjectKey).sort(),
    holders: [...view.holders(subject)].map(nodeKey).sort(),
    holdersOfObject: [...view.holdersOfObject(namespace, object)].map(nodeKey).sort(),
    objects: [...view.objects(namespace)].sort(),
    subjectIds: [...view.subjectIds()].sort(),
  };
}

function viewOf(tuples: readonly Tuple[]): { graph: TupleGraph; view: SnapshotView } {
  const graph = new TupleGraph();
  const distinct = new Map(tuples.map((t) => [tupleKey(t), t]));
  graph.applyRevision(
    1,
    [...distinct.values()].map((t) => ({ operation: 'insert', tuple: t })),
  );
  return { graph, view: graph.viewAt(1, NOW) };
}

describe('a view with contextual tuples', () => {
  it('answers as if they were stored, and leaves the view beneath as it is', () => {
    const some = fc.array(tuple, { maxLength: 15 });
    const distinct = fc.uniqueArray(tuple, { maxLength: 15, selector: tupleKey });
    fc.assert(
      fc.property(distinct, some, tuple, (stored, added, about) => {
        const { graph, view } = viewOf(stored);
        const before = answers(view, about);
        const live = (t: Tuple): boolean => (t.expiresAtMs ?? NOW + 1) > NOW;
        // One that expired hides nothing that lives.
        const both = viewOf([...stored, ...added].filter(live));
        const overlaid = graph.withContextual(view, added);
        expect(answers(overlaid, about)).toEqual(answers(both.view, about));
        const twice = graph.withContextual(overlaid, added);
        if ('set' in about.subject && [...overlaid.holders(about.subject)].length > 0) {
          const { namespace, relation } = about.subject.set;
          expect(overlaid.mayHoldSet(namespace, relation)).toBe(true);
        }
        expect(answers(twice, about)).toEqual(answers(both.view, about));
        expect(answers(view, about)).toEqual(before);
        expect([overlaid.revision, overlaid.nowMs]).toEqual([1, NOW]);
      }),
      { numRuns: 500 },
    );
  });

  it('takes a hundred of them and no more', () => {
    const { graph, view } = viewOf([]);
    const tuples = Array.from({ length: CONTEXTUAL_TUPLES_MAX + 1 }, (_, i) => ({
      namespace: 'n',
      object: `o${i}`,
      relation: 'r',
      subject: { id: 's' },
    }));
    expect(() => graph.withContextual(view, tuples)).toThrow('More than 100 contextual tuples');
    expect([...graph.withContextual(view, tuples.slice(1)).objects('n')].length).toBe(100);
  });
});
