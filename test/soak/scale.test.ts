/** The full sizes: 10,000 idle connections, 1,000 new ones a second, 200 nodes at one relay. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { Scale } from '../harness/scale.ts';

const scale = new Scale();
beforeAll(() => scale.start(), 120_000);
afterAll(() => scale.close(), 120_000);

describe('a portal', () => {
  it(
    'holds 10,000 idle connections, each of which still answers',
    () => scale.idle(10_000),
    300_000,
  );
  it(
    'takes 1,000 connections a second for 5 s and loses none',
    () => scale.rate(1_000, 5),
    120_000,
  );
});

describe('a relay', () => {
  it('holds 200 nodes, each reachable', () => scale.fleet(200, 4), 900_000);
});
