import { describe, expect, it } from 'vitest';
import { isFlatEnough } from './nesting.ts';

const nested = (depth: number): unknown =>
  JSON.parse(`${'{"a":['.repeat(depth / 2)}1${']}'.repeat(depth / 2)}`);

describe('JSON of another server', () => {
  it('is flat enough up to a depth, however wide it is', () => {
    expect(isFlatEnough(1)).toBe(true);
    expect(isFlatEnough(null)).toBe(true);
    expect(isFlatEnough({ a: [], b: {} })).toBe(true);
    expect(isFlatEnough(Array.from({ length: 100_000 }, () => ({ a: 1 })))).toBe(true);
    expect(isFlatEnough(nested(64))).toBe(true);
  });
  it('is not beyond, and telling so needs no stack', () => {
    expect(isFlatEnough(nested(66))).toBe(false);
    expect(isFlatEnough(nested(1_000_000))).toBe(false);
  });
});
