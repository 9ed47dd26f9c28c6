/** Many connections through one portal, and many nodes at one relay, at a size for every day; test/soak has the full one. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { Scale } from '../harness/scale.ts';

const scale = new Scale();
beforeAll(() => scale.start(), 120_000);
afterAll(() => scale.close(), 60_000);

describe('a portal', () => {
  it('holds 2,000 idle connections, each of which still answers', () => scale.idle(2_000));
  it('takes 300 connections a second for 3 s and loses none', () => scale.rate(300, 3));
});

describe('a relay', () => {
  it('holds 20 nodes, each reachable', () => scale.fleet(20, 1), 120_000);
});
