import { describe, expect, it } from 'vitest';
import { createPasswordHasher } from './hasher.ts';
import { compare, createPasswordPolicy } from './policy.ts';

const argon2 = { memoryKiB: 64, iterations: 2, parallelism: 1, saltLength: 16, keyLength: 32 };
const hasher = createPasswordHasher({ algorithm: 'argon2', bcryptCost: 4, argon2 });

describe('the hasher', () => {
  it('verifies what it hashed, and nothing else', async () => {
    const hash = await hasher.hash('secret phrase');
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=64,t=2,p=1\$/);
    expect(await hasher.verify('secret phrase', hash)).toBe(true);
    expect(await hasher.verify('secret phrasE', hash)).toBe(false);
    expect(hasher.needsRehash(hash)).toBe(false);
  });
  it('verifies bcrypt, and wants it hashed anew', async () => {
    const bcrypt = createPasswordHasher({ algorithm: 'bcrypt', bcryptCost: 4, argon2 });
    const hash = await bcrypt.hash('secret phrase');
    expect(await hasher.verify('secret phrase', hash)).toBe(true);
    expect(await hasher.verify('other', hash)).toBe(false);
    expect([hasher.needsRehash(hash), bcrypt.needsRehash(hash)]).toEqual([true, false]);
  });
  it('computes nothing for junk and for what costs too much', async () => {
    const startMs = performance.now();
    for (const junk of [
      '',
      '$argon2id$',
      '$argon2id$v=19$m=9999999,t=2,p=1$AAAAAAAAAAA$AAAA',
      `$2b$31$${'a'.repeat(53)}`,
      '$1$x',
    ])
      expect(await hasher.verify('x', junk)).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });
  it('refuses at once when too many wait, and serves the rest', async () => {
    const narrow = createPasswordHasher({
      algorithm: 'argon2',
      bcryptCost: 4,
      argon2,
      concurrency: 1,
    });
    const all = await Promise.allSettled(Array.from({ length: 700 }, () => narrow.hash('x')));
    const refused = all.filter((r) => r.status === 'rejected');
    expect(refused.length).toBeGreaterThan(100);
    expect(refused[0]).toMatchObject({ reason: { code: 'exhausted' } });
    expect(await narrow.hash('x')).toContain('$argon2id$');
  });
});

describe('the policy', () => {
  const policy = createPasswordPolicy({
    ...{ minLength: 8, isSimilarityChecked: true, isBcrypt: true, maxBreaches: 0 },
    breaches: async (p) => (p === 'breached phrase' ? 3 : 0),
  });
  const idOf = async (password: string): Promise<number | undefined> =>
    (await policy.check(password, ['ann.smith@example.org']))?.id;
  it('tells what is wrong by the ids that clients know', async () => {
    expect(await idOf('short')).toBe(4000032);
    expect(await idOf('x'.repeat(73))).toBe(4000033);
    expect(await idOf('ann.smith@example.0rg')).toBe(4000031);
    expect(await idOf('Ann.Smith@Exam')).toBe(4000031);
    expect(await idOf('breached phrase')).toBe(4000034);
    expect(await idOf('a good long phrase')).toBeUndefined();
  });
  it('measures distance and overlap', () => {
    expect(compare('kitten', 'sitting')).toEqual({ distance: 3, common: 3 });
    expect(compare('', 'abc')).toEqual({ distance: 3, common: 0 });
  });
});
