import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import { type BruteVerdict, bruteForce } from './brute.fixture.ts';
import { CheckEvaluator } from './check.ts';
import { ArrayView } from './memory-view.fixture.ts';
import { anyKnot, anySubject, anyWorld, placeKey, placesOf } from './worlds.fixture.ts';

const RUNS = Number(process.env['FC_RUNS'] ?? 300);
const limits = { stepsMax: 200_000, isStrict: false };

async function ask(work: Promise<boolean>): Promise<BruteVerdict> {
  try {
    return await work;
  } catch (reason) {
    if (reason instanceof PosternError && reason.facts['reason'] !== 'max_steps_exceeded')
      return 'unknown';
    throw reason;
  }
}

const WORLDS = {
  tame: anyWorld({ isTame: true }),
  wild: anyWorld(),
  'tied in knots': anyKnot(false),
  'tied in knots that negate': anyKnot(true),
} as const;

const anyCase = (kind: keyof typeof WORLDS) =>
  WORLDS[kind].chain((world) =>
    fc.record({
      world: fc.constant(world),
      subjects: fc.array(anySubject(world), { minLength: 1, maxLength: 3 }),
      places: fc.shuffledSubarray(placesOf(world), { minLength: placesOf(world).length }),
      isStrict: fc.boolean(),
    }),
  );

describe.each(['tame', 'wild', 'tied in knots', 'tied in knots that negate'] as const)(
  'check, in worlds that are %s',
  (kind) => {
    it('answers every question as the least fixpoint does, with a memo shared in any order', async () => {
      await fc.assert(
        fc.asyncProperty(anyCase(kind), async ({ world, subjects, places, isStrict }) => {
          const evaluator = new CheckEvaluator(world.model, new ArrayView(world.tuples), {
            ...limits,
            isStrict,
          });
          for (const subject of subjects) {
            const truth = bruteForce(world.model, world.tuples, subject, places, isStrict);
            for (const on of places)
              expect([placeKey(on), await ask(evaluator.check(on, subject))]).toEqual([
                placeKey(on),
                truth(on),
              ]);
          }
        }),
        { numRuns: RUNS },
      );
    });

    it('answers a question that is asked alone as it does among others', async () => {
      await fc.assert(
        fc.asyncProperty(anyCase(kind), async ({ world, subjects, places, isStrict }) => {
          for (const subject of subjects) {
            const truth = bruteForce(world.model, world.tuples, subject, places, isStrict);
            for (const on of places) {
              const alone = new CheckEvaluator(world.model, new ArrayView(world.tuples), {
                ...limits,
                isStrict,
              });
              expect(await ask(alone.check(on, subject))).toBe(truth(on));
            }
          }
        }),
        { numRuns: Math.ceil(RUNS / 3) },
      );
    });

    it('gives a depth no answer that is not true, or no answer', async () => {
      await fc.assert(
        fc.asyncProperty(anyCase(kind), fc.integer({ min: 1, max: 4 }), async (c, maxDepth) => {
          const { world, subjects, places } = c;
          const view = new ArrayView(world.tuples);
          const limited = new CheckEvaluator(world.model, view, {
            ...limits,
            isStrict: true,
            maxDepth,
          });
          for (const subject of subjects) {
            const truth = bruteForce(world.model, world.tuples, subject, places, true);
            for (const on of places) {
              const verdict = await ask(limited.check(on, subject));
              if (verdict !== 'unknown') expect(verdict).toBe(truth(on));
            }
          }
        }),
        { numRuns: Math.ceil(RUNS / 3) },
      );
    });
  },
);

it('answers checks that run at the same time on one memo as it does one by one', async () => {
  await fc.assert(
    fc.asyncProperty(anyCase('wild'), async ({ world, subjects, places }) => {
      const evaluator = new CheckEvaluator(world.model, new ArrayView(world.tuples), limits);
      const runs = subjects.flatMap((subject) => places.map((on) => evaluator.work(on, subject)));
      const found: BruteVerdict[] = runs.map(() => 'unknown');
      for (let isOpen = true; isOpen; ) {
        isOpen = false;
        for (const [i, run] of runs.entries()) {
          try {
            const next = run.next();
            if (next.done !== true) isOpen = true;
            else if (next.value !== undefined) found[i] = next.value;
          } catch (reason) {
            if (!(reason instanceof PosternError)) throw reason;
          }
        }
      }
      const truths = subjects.flatMap((s) => {
        const truth = bruteForce(world.model, world.tuples, s, places);
        return places.map((on) => truth(on));
      });
      expect(found).toEqual(truths);
    }),
    { numRuns: Math.ceil(RUNS / 3) },
  );
});
