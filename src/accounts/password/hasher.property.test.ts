import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHash } from './formats.ts';
import { createPasswordHasher, type PasswordHasher } from './hasher.ts';

const hasherOf = (algorithm: 'bcrypt' | 'argon2'): PasswordHasher =>
  createPasswordHasher({
    algorithm,
    bcryptCost: 4,
    argon2: { memoryKiB: 8, iterations: 1, parallelism: 1, saltLength: 8, keyLength: 12 },
  });
const HASHERS: Readonly<Record<'bcrypt' | 'argon2', PasswordHasher>> = {
  bcrypt: hasherOf('bcrypt'),
  argon2: hasherOf('argon2'),
};
/** Any text that bcrypt can take: lone surrogates, zero characters and emoji too. */
const password = fc
  .oneof(fc.string({ unit: 'binary', maxLength: 18 }), fc.string({ maxLength: 72 }))
  .filter((p) => Buffer.byteLength(p) <= 72);

const PREFIXES = [
  '$2a$',
  '$2b$04$',
  '$argon2id$v=19$',
  '$argon2i$',
  '$pbkdf2-sha256$i=1,l=1$',
  '$scrypt$ln=2,r=1,p=1$',
  '$firescrypt$ln=1,r=1,p=1$',
  '{SSHA}',
  '{SSHA512}',
  '$md5$',
  '$sha1$pf=',
  '$sha512$',
  '$hmac-sha1$',
  '$md5-crypt$',
  '$sha256-crypt$rounds=1000$',
  '$sha512-crypt$',
  '__proto__',
  '$hmac-constructor$',
];
const piece = fc.oneof(
  fc.constantFrom('$', '$$', '=', ',', 'm=8,t=1,p=1', 'AAAA', 'rounds=1000', '{PASSWORD}', 'v=19'),
  fc.base64String({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
const junk = fc
  .tuple(fc.constantFrom('', ...PREFIXES), fc.array(piece, { maxLength: 8 }))
  .map(([prefix, pieces]) => prefix + pieces.join(''));

describe.each(['bcrypt', 'argon2'] as const)('hashes of %s', (algorithm) => {
  it('verify for exactly the password they were made of', async () => {
    await fc.assert(
      fc.asyncProperty(password, password, async (one, two) => {
        const stored = await HASHERS[algorithm].hash(one);
        const isSame = Buffer.from(one).equals(Buffer.from(two));
        for (const h of Object.values(HASHERS)) {
          expect(await h.verify(one, stored)).toBe(true);
          expect(await h.verify(two, stored)).toBe(isSame);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('verify for nobody once a character is changed', async () => {
    const stored = await HASHERS[algorithm].hash('password');
    await fc.assert(
      fc.asyncProperty(
        fc.nat(stored.length - 1),
        fc.string({ minLength: 1, maxLength: 1 }),
        async (at, c) => {
          // `$2a$`, `$2b$` and `$2y$` mean the same, and four bits of the salt's last character mean nothing.
          fc.pre(stored[at] !== c && !(algorithm === 'bcrypt' && [2, 28].includes(at)));
          const changed = stored.slice(0, at) + c + stored.slice(at + 1);
          const read = readHash(changed);
          // A dearer one would only be slow.
          fc.pre(!('cost' in read) || read.cost < 8);
          fc.pre(!('iterations' in read) || !('memoryKiB' in read) || read.memoryKiB < 1_000);
          expect(await HASHERS[algorithm].verify('password', changed)).toBe(false);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('junk', () => {
  it('never crashes and never verifies', async () => {
    await fc.assert(
      fc.asyncProperty(junk, password, async (stored, tried) => {
        expect(await HASHERS.argon2.verify(tried, stored)).toBe(false);
        expect(await HASHERS.argon2.verify(stored, stored)).toBe(false);
        expect(typeof HASHERS.bcrypt.needsRehash(stored)).toBe('boolean');
      }),
      { numRuns: 400 },
    );
  });

  it('with costs beyond the bounds is refused in no time, so not computed', () => {
    const salt = 'c2FsdHNhbHRzYWx0';
    const beyond = fc.oneof(
      fc.integer({ min: 16, max: 99 }).map((c) => `$2b$${c}$${'.'.repeat(53)}`),
      fc.integer({ min: 11 }).map((t) => `$argon2id$v=19$m=8,t=${t},p=1$${salt}$${salt}`),
      fc.integer({ min: 1_048_577 }).map((m) => `$argon2i$v=19$m=${m},t=1,p=1$${salt}$${salt}`),
      fc.integer({ min: 10_000_001 }).map((i) => `$pbkdf2-sha512$i=${i},l=9$${salt}$${salt}`),
      fc.integer({ min: 18, max: 30 }).map((l) => `$scrypt$ln=${2 ** l},r=8,p=1$${salt}$${salt}`),
      fc.integer({ min: 1_000_001 }).map((r) => `$sha256-crypt$rounds=${r}$x$${'.'.repeat(43)}`),
    );
    const start = performance.now();
    fc.assert(
      fc.property(beyond, (stored) => 'problem' in readHash(stored)),
      { numRuns: 1_000 },
    );
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe('the event loop', () => {
  it('goes on while slow hashes are computed, crypt(3) too', async () => {
    const slow = [
      '$sha512-crypt$rounds=300000$salt$'.padEnd(33 + 86, '.'),
      '$scrypt$ln=65536,r=8,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0',
      '$pbkdf2-sha256$i=500000,l=12$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0',
    ];
    for (const stored of slow) expect(readHash(stored)).not.toHaveProperty('problem');
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const start = performance.now();
    const answers = await Promise.all(slow.map((s) => HASHERS.argon2.verify('x', s)));
    const tookMs = performance.now() - start;
    clearInterval(timer);
    expect(answers).toEqual([false, false, false]);
    expect(tookMs).toBeGreaterThan(100);
    // A blocked loop would count next to none of them.
    expect(ticks).toBeGreaterThan(tookMs / 5 / 4);
  });
});
