import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import { SortedPages } from './sorted-pages.ts';

function contents(pages: SortedPages, after = -1): number[] {
  const keys: number[] = [];
  pages.visitAfter(after, (key, value) => {
    expect(value).toBe(key);
    keys.push(key);
    return true;
  });
  return keys;
}

const shuffled = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i * 7919) % count);

describe('sorted pages', () => {
  it('hold what a sorted array holds, whatever is inserted and removed', () => {
    const change = fc.record({ start: fc.nat(4000), count: fc.nat(900), isAdded: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), fc.nat(4000), (changes, bound) => {
        const pages = new SortedPages();
        const model = new Set<number>();
        for (const { start, count, isAdded } of changes)
          for (const key of shuffled(count).map((k) => k + start))
            if (isAdded && !model.has(key)) {
              pages.insert(key, key);
              model.add(key);
            } else if (!isAdded && model.delete(key)) pages.remove(key);
        const sorted = [...model].sort((a, b) => a - b);
        expect(contents(pages)).toEqual(sorted);
        expect(contents(pages, bound)).toEqual(sorted.filter((k) => k > bound));
        expect(pages.countUpTo(bound)).toBe(sorted.filter((k) => k <= bound).length);
        expect(pages.has(bound)).toBe(model.has(bound));
        expect(pages.size).toBe(model.size);
      }),
      { numRuns: 60 },
    );
  });

  it('give equal keys back in the order in which they came', () => {
    const pages = new SortedPages();
    for (let value = 0; value < 5000; value++) pages.insert(value % 2, value);
    const order: number[] = [];
    for (let next = pages.shift(1); next !== undefined; next = pages.shift(1))
      order.push(next.value);
    const even = Array.from({ length: 2500 }, (_, i) => i * 2);
    expect(order).toEqual([...even, ...even.map((v) => v + 1)]);
  });

  it('shift nothing above the bound', () => {
    const pages = new SortedPages();
    pages.insert(5, 1);
    expect(pages.shift(4)).toBeUndefined();
    expect(pages.shift(5)).toEqual({ key: 5, value: 1 });
    expect(pages.shift(5)).toBeUndefined();
  });

  it('give memory back when few entries are left in many pages, wherever they lie', () => {
    const pages = new SortedPages();
    for (let key = 0; key < 100_000; key++) pages.insert(key, key);
    const full = pages.bytes;
    for (let key = 0; key < 100_000; key++) if (key % 1000 !== 0) pages.remove(key);
    expect(pages.size).toBe(100);
    expect(pages.bytes).toBeLessThan(full / 20);
  });

  it('refuse to remove what is not there', () => {
    const pages = new SortedPages();
    pages.insert(1, 1);
    expect(() => pages.remove(2)).toThrow(PosternError);
    expect(() => pages.remove(0)).toThrow(PosternError);
  });
});
