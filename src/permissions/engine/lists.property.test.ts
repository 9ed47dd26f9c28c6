import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Subject } from '../tuple.ts';
import { type BruteVerdict, bruteForce } from './brute.fixture.ts';
import { CheckEvaluator } from './check.ts';
import { IndexedView } from './indexed-view.fixture.ts';
import { listObjects } from './list-objects.ts';
import { listSubjects } from './list-subjects.ts';
import { ArrayView } from './memory-view.fixture.ts';
import { anyKnot, anySubject, anyWorld, placesOf, type World } from './worlds.fixture.ts';

const RUNS = Number(process.env['FC_RUNS'] ?? 300);
const WORLDS = {
  tame: anyWorld({ isTame: true }),
  wild: anyWorld(),
  'tied in knots': anyKnot(false),
  'tied in knots that negate': anyKnot(true),
} as const;
const KINDS = Object.keys(WORLDS) as (keyof typeof WORLDS)[];
const stepsMax = 200_000;

/** Each pair of a namespace and a relation that may be asked for. */
function relationsOf(world: World): { namespace: string; relation: string }[] {
  return placesOf(world).filter(({ object }) => object === '1');
}

const name = (s: Subject): string => ('id' in s ? s.id : s.set.object);

describe.each(KINDS)('lists, in worlds that are %s', (kind) => {
  const anyCase = WORLDS[kind].chain((world) =>
    fc.record({ world: fc.constant(world), subject: anySubject(world), isStrict: fc.boolean() }),
  );

  it('name exactly the objects that a check of each grants', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, async ({ world, subject, isStrict }) => {
        const view = new ArrayView(world.tuples);
        const truth = bruteForce(world.model, world.tuples, subject, placesOf(world), isStrict);
        for (const { namespace, relation } of relationsOf(world)) {
          const question = { namespace, relation, subject };
          const found = await listObjects(world.model, view, question, { stepsMax, isStrict });
          const expected = [...view.objects(namespace)].filter(
            (object) => truth({ namespace, object, relation }) === true,
          );
          const indexed = new IndexedView(world.tuples);
          const again = await listObjects(world.model, indexed, question, { stepsMax, isStrict });
          expect(again.toSorted()).toEqual(found.toSorted());
          expect([namespace, relation, found.toSorted()]).toEqual([
            namespace,
            relation,
            expected.toSorted(),
          ]);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('name exactly the ids, or plain objects, that a check of each grants', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, async ({ world, isStrict }) => {
        const view = new ArrayView(world.tuples);
        const spaces = [undefined, ...world.model.namespaces.keys()];
        for (const space of spaces) {
          const subjects: Subject[] =
            space === undefined
              ? [...view.subjectIds()].map((id) => ({ id }))
              : [...view.objects(space)].map((object) => ({
                  set: { namespace: space, object, relation: '' },
                }));
          const truths = new Map<
            string,
            (on: { namespace: string; object: string; relation: string }) => BruteVerdict
          >();
          for (const s of subjects)
            truths.set(
              name(s),
              bruteForce(world.model, world.tuples, s, placesOf(world), isStrict),
            );
          for (const on of placesOf(world)) {
            const question = space === undefined ? { on } : { on, subjectNamespace: space };
            const found = await listSubjects(world.model, view, question, { stepsMax, isStrict });
            const expected = subjects.map(name).filter((n) => truths.get(n)?.(on) === true);
            expect([on, space, found.map(name).toSorted()]).toEqual([
              on,
              space,
              expected.toSorted(),
            ]);
          }
        }
      }),
      { numRuns: Math.ceil(RUNS / 3) },
    );
  });

  it('name with a depth what a check with that depth grants', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, fc.integer({ min: 1, max: 4 }), async (c, maxDepth) => {
        const { world, subject, isStrict } = c;
        const view = new ArrayView(world.tuples);
        const limits = { stepsMax, isStrict, maxDepth };
        const granted = (on: { namespace: string; object: string; relation: string }) =>
          new CheckEvaluator(world.model, view, limits).check(on, subject).catch(() => false);
        for (const { namespace, relation } of relationsOf(world)) {
          const expected: string[] = [];
          for (const object of view.objects(namespace))
            if (await granted({ namespace, object, relation })) expected.push(object);
          const found = await listObjects(
            world.model,
            view,
            { namespace, relation, subject },
            limits,
          );
          expect(found.toSorted()).toEqual(expected.toSorted());
        }
      }),
      { numRuns: Math.ceil(RUNS / 3) },
    );
  });
});
