import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBreachList } from './breaches.ts';
import { createPasswordPolicy, isTooSimilar } from './policy.ts';
import { commonSubstringLength, editDistance } from './similarity.ts';

const policy = createPasswordPolicy({
  isSimilarityChecked: true,
  breaches: createBreachList({ isOnline: false }),
});

describe('the policy for new passwords', () => {
  it.each([
    ['shorter than eight characters', 'xK3!mz7', 4000032],
    ['empty', '', 4000032],
    // 14 bytes, but seven characters.
    ['short in another script', 'ключиет', 4000032],
    ['longer than 72 bytes', 'xK3!'.repeat(18).concat('x'), 4000033],
    ['longer than 72 bytes in another script', 'ж'.repeat(37), 4000033],
    ['huge', 'x'.repeat(1_000_000), 4000033],
    ['the identifier', 'ada@example.org', 4000031],
    ['the identifier in other case', 'ADA@EXAMPLE.org', 4000031],
    ['the identifier with some letters changed', 'adb@exampla.orx', 4000031],
    ['mostly a part of the identifier', 'example.1x', 4000031],
    ['among the most common', 'trustno1', 4000034],
    ['among the most common in other case', 'TrustNo1', 4000034],
    ['a run of digits', '87654321', 4000034],
  ])('refuses one that is %s', async (_name, password, id) => {
    expect((await policy.check(password, ['+4915112345678', 'ada@example.org']))?.id).toBe(id);
  });

  it.each([
    ['of eight characters', 'xK3!mz7q'],
    ['of 72 bytes', 'xK3!'.repeat(18)],
    ['of eight emoji', '🦊🐻🐼🐨🐯🦁🐮🐷'],
    ['that shares half with the identifier', 'example.xK3!mz7q'],
    ['that is a name of an object', 'constructor-7'],
    ['with a zero character', 'xK3!\0mz7q'],
  ])('takes one %s', async (_name, password) => {
    expect(await policy.check(password, ['', 'ada@example.org', '__proto__'])).toBeUndefined();
  });

  it('says how long a password must and may be', async () => {
    const strict = createPasswordPolicy({
      minLength: 12,
      maxBytes: 20,
      isSimilarityChecked: false,
      breaches: undefined,
    });
    expect(await strict.check('xK3!mz7q', [])).toMatchObject({
      id: 4000032,
      context: { min_length: 12, actual_length: 8 },
    });
    expect(await strict.check('xK3!'.repeat(6), [])).toMatchObject({
      id: 4000033,
      context: { max_length: 20, actual_length: 24 },
    });
    expect(await strict.check('ada@example.org', ['ada@example.org'])).toBeUndefined();
  });

  it('never repeats the password', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 6 }), fc.string(), async (password, identifier) => {
        const refused = await policy.check(password, [identifier]);
        if (refused !== undefined && !/^[\d\s]*$/.test(password))
          expect(JSON.stringify(refused)).not.toContain(JSON.stringify(password));
      }),
    );
  });
});

describe('similarity', () => {
  it.each([
    ['kitten', 'sitting', 3, 3],
    ['', 'abc', 3, 0],
    ['flaw', 'lawn', 2, 3],
    ['🦊🐻', '🦊🐼', 1, 1],
    ['abcdef', 'zabcyabcdx', 7, 4],
  ])('of %s and %s is known', (a, b, distance, common) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(commonSubstringLength(a, b)).toBe(common);
  });

  it('is symmetric, and complete for a text with itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(commonSubstringLength(a, b)).toBe(commonSubstringLength(b, a));
        expect(editDistance(a, a)).toBe(0);
        expect(commonSubstringLength(a, a)).toBe([...a].length);
        const longest = Math.max([...a].length, [...b].length);
        expect(editDistance(a, b)).toBeLessThanOrEqual(longest);
      }),
    );
  });

  it('is not looked for in what is too long to be an identifier', () => {
    const long = 'ab'.repeat(200_000);
    const start = performance.now();
    expect(isTooSimilar('ababababab', long)).toBe(false);
    expect(isTooSimilar(long, 'ababababab')).toBe(false);
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});
