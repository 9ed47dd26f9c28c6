import { describe, expect, it } from 'vitest';
import { createPasswordHasher, type PasswordHasherSettings } from './hasher.ts';

/** Cheap, since not the algorithms are under test. */
const CHEAP = {
  bcryptCost: 4,
  argon2: { memoryKiB: 64, iterations: 1, parallelism: 1, saltLength: 16, keyLength: 32 },
} as const;
const hasher = (
  algorithm: 'bcrypt' | 'argon2',
  other: Partial<PasswordHasherSettings> = {},
): ReturnType<typeof createPasswordHasher> =>
  createPasswordHasher({ algorithm, ...CHEAP, ...other });

describe.each(['bcrypt', 'argon2'] as const)('a hasher of %s', (algorithm) => {
  it('verifies what it hashed, and nothing else', async () => {
    const h = hasher(algorithm);
    const stored = await h.hash('correct horse');
    expect(await h.verify('correct horse', stored)).toBe(true);
    expect(await h.verify('correct horsf', stored)).toBe(false);
    expect(await h.verify('', stored)).toBe(false);
  });

  it('gives the same password another hash every time', async () => {
    const h = hasher(algorithm);
    expect(await h.hash('x')).not.toBe(await h.hash('x'));
  });

  it('refuses a longer password than it can tell apart', async () => {
    const h = hasher(algorithm);
    const longest = 'x'.repeat(h.passwordBytesMax);
    expect(await h.verify(longest, await h.hash(longest))).toBe(true);
    await expect(h.hash(`${longest}y`)).rejects.toMatchObject({ code: 'invalid' });
    expect(await h.verify(`${longest}y`, await h.hash(longest))).toBe(false);
  });

  it('finds no need to hash its own again, but the other algorithm and cheaper ones', async () => {
    const h = hasher(algorithm);
    const other = hasher(algorithm === 'bcrypt' ? 'argon2' : 'bcrypt');
    const stored = await h.hash('x');
    expect(h.needsRehash(stored)).toBe(false);
    expect(other.needsRehash(stored)).toBe(true);
    const dearer = hasher(algorithm, {
      bcryptCost: 5,
      argon2: { ...CHEAP.argon2, memoryKiB: 128 },
    });
    expect(dearer.needsRehash(stored)).toBe(true);
    expect(h.needsRehash(await dearer.hash('x'))).toBe(false);
    expect(h.needsRehash('junk')).toBe(true);
  });

  it('never confirms a password that is verified against nothing', async () => {
    const h = hasher(algorithm);
    expect(await h.verifyNothing('x'.repeat(100))).toBe(false);
    expect(await h.verifyNothing('')).toBe(false);
  });
});

describe('a hasher', () => {
  it('writes PHC strings of argon2id and $2b$ of bcrypt', async () => {
    expect(await hasher('argon2').hash('x')).toMatch(
      /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
    );
    expect(await hasher('bcrypt').hash('x')).toMatch(/^\$2b\$04\$[./A-Za-z0-9]{53}$/);
  });

  it('refuses settings whose hashes it could not verify', () => {
    for (const bcryptCost of [3, 16, 8.5, Number.NaN])
      expect(() => hasher('bcrypt', { bcryptCost })).toThrowError(/bcrypt cost/);
    for (const wrong of [
      { memoryKiB: 2 ** 21 },
      { iterations: 11 },
      { parallelism: 9 },
      { saltLength: 4 },
      { keyLength: 4 },
    ])
      expect(() => hasher('argon2', { argon2: { ...CHEAP.argon2, ...wrong } })).toThrowError(
        /argon2/,
      );
  });

  it('refuses at once what its queue can not hold, and goes on afterwards', async () => {
    const h = hasher('bcrypt', { bcryptCost: 8, concurrency: 1, waitingMax: 2 });
    const asked = await Promise.allSettled(Array.from({ length: 50 }, () => h.verifyNothing('x')));
    const refused = asked.flatMap((a) => (a.status === 'rejected' ? [a.reason] : []));
    expect(refused).toHaveLength(47);
    for (const reason of refused) expect(reason).toMatchObject({ code: 'exhausted' });
    expect(h.load).toEqual({ running: 0, waiting: 0 });
    expect(await h.verifyNothing('x')).toBe(false);
  });

  it('does as much work for an unknown account as for a wrong password, whatever the stored format', async () => {
    const h = hasher('bcrypt', { bcryptCost: 9 });
    const md5 = '$md5$CY9rzUYh03PK3k6DJie09g==';
    const own = await h.hash('right');
    const asks = [
      () => h.verifyNothing('wrong'),
      () => h.verify('wrong', own),
      () => h.verify('wrong', md5),
      () => h.verify('wrong', 'junk'),
      () => h.verify('wrong'.repeat(20), own),
      () => h.verify('wrong'.repeat(2_000), own),
    ];
    // Processor time of all threads, the least of many taken in turn: others on the machine hardly change that.
    const least = asks.map(() => Number.POSITIVE_INFINITY);
    for (let round = 0; round < 15; round++)
      for (const [i, ask] of asks.entries()) {
        const before = process.cpuUsage();
        expect(await ask()).toBe(false);
        const { user, system } = process.cpuUsage(before);
        least[i] = Math.min(least[i] ?? 0, user + system);
      }
    const [nothing = 0] = least;
    for (const time of least) {
      expect(time / nothing).toBeGreaterThan(0.7);
      expect(time / nothing).toBeLessThan(1.4);
    }
  });
});
