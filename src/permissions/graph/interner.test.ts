import { describe, expect, it } from 'vitest';
import { hashText } from './hash.ts';
import { Interner } from './interner.ts';
import { NONE } from './rows.ts';

const KEY = { low: 1, high: 2 };

describe('the interner', () => {
  it('gives every text its own number, also where hashes collide', () => {
    const interner = new Interner(KEY);
    const count = 250_000;
    const ids = new Set<number>();
    const hashes = new Set<number>();
    for (let i = 0; i < count; i++) {
      ids.add(interner.claim(`name-${i}`));
      hashes.add(hashText(KEY, `name-${i}`));
    }
    expect(ids.size).toBe(count);
    expect(hashes.size).toBeLessThan(count);
    for (let i = 0; i < count; i += 7)
      expect(interner.text(interner.find(`name-${i}`))).toBe(`name-${i}`);
  });

  it('keeps a text as long as it is counted on, and then gives its number and memory to others', () => {
    const interner = new Interner(KEY);
    const empty = interner.bytes;
    const id = interner.claim('x'.repeat(100_000));
    expect(interner.claim('x'.repeat(100_000))).toBe(id);
    interner.release(id);
    expect(interner.find('x'.repeat(100_000))).toBe(id);
    expect(interner.bytes).toBeGreaterThan(empty + 100_000);
    interner.release(id);
    expect(interner.find('x'.repeat(100_000))).toBe(NONE);
    expect(() => interner.text(id)).toThrow('broken');
    expect(interner.claim('y')).toBe(id);
    interner.release(id);
    expect(interner.size).toBe(0);
    expect(interner.bytes).toBeLessThan(empty + 100_000);
  });

  it('tells texts apart that differ in one unit, in case, or in normal form', () => {
    const interner = new Interner(KEY);
    const texts = ['', '\0', '\0\0', 'a', 'A', 'é', 'e\u0301', '\ud800', '\ud801', 'a'.repeat(13)];
    const ids = texts.map((t) => interner.claim(t));
    expect(new Set(ids).size).toBe(texts.length);
    expect(ids.map((id) => interner.text(id))).toEqual(texts);
  });

  it('spreads names evenly, and otherwise under another key', () => {
    const texts = Array.from({ length: 1000 }, (_, i) => `u${i}`);
    const same = texts.filter((t) => hashText(KEY, t) === hashText({ low: 1, high: 3 }, t));
    expect(same.length).toBeLessThan(3);
    const buckets = new Set(texts.map((t) => hashText(KEY, t) & 1023));
    // 1000 balls into 1024 bins at random leave about 637 bins hit.
    expect(buckets.size).toBeGreaterThan(580);
  });
});
