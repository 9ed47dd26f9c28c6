/** Identities: a foreign history verifies, keys rotate, and a history that was touched anywhere is refused. */
import { sign, verify } from 'node:crypto';
import { decode, encode } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../kernel/index.ts';
import {
  createIdentity,
  exportPrivateKey,
  type IdentityKeys,
  importPrivateKey,
  isIdentifier,
  rotateIdentity,
  verifyChangeHistory,
} from './identity.ts';

/** The history of an identity that Ockam made. */
const FIXTURE = Buffer.from(
  '81825837830101583285f68200815820f405e06d988fa8039cce1cd0ae607e46847c1b64bc459ca9d89dd9b21ae3' +
    '0681f41a654cebe91a7818eee98200815840494c9b70e8a9ad5593fceb478f722a513b4bd39fa70f4265d5842' +
    '53bc24617d0eb498ce532273f6d0d5326921e013696fce57c20cc6c4008f74b816810f0b009',
  'hex',
);
const FIXTURE_IDENTIFIER = 'I923829d0397a06fa862be5a87b7966959b8ef99ab6455b843ca9131a747b4819';
const NOW_MS = 1_750_000_000_000;
const TEN_YEARS_MS = 10 * 365 * 86_400_000;

const changesOf = (keys: IdentityKeys): unknown[] => decode(keys.identity.changeHistory);
/** Refused as it should be; any other failure is a crash and comes through. */
const isRefused = (bytes: Uint8Array): boolean => {
  try {
    verifyChangeHistory(bytes);
    return false;
  } catch (reason) {
    if (reason instanceof PosternError && reason.code === 'invalid') return true;
    throw reason;
  }
};

describe('a change history', () => {
  it('that Ockam made verifies as the identifier that Ockam gave it', () => {
    const { identifier, changes } = verifyChangeHistory(FIXTURE);
    expect(identifier).toBe(FIXTURE_IDENTIFIER);
    expect(changes).toMatchObject([{ revokeAllPurposeKeys: false, validFrom: 0x654cebe9 }]);
  });
  it('of a fresh identity verifies, lasts ten years and takes as many bytes as one of Ockam', () => {
    const { identity } = createIdentity(NOW_MS);
    expect(isIdentifier(identity.identifier)).toBe(true);
    expect(identity.changeHistory).toHaveLength(FIXTURE.length);
    const verified = verifyChangeHistory(identity.changeHistory, NOW_MS + TEN_YEARS_MS);
    expect(verified.identifier).toBe(identity.identifier);
    expect(() =>
      verifyChangeHistory(identity.changeHistory, NOW_MS + TEN_YEARS_MS + 1_000),
    ).toThrow('its key has expired');
  });
  it('differs from identity to identity', () =>
    expect(createIdentity(NOW_MS).identity).not.toEqual(createIdentity(NOW_MS).identity));
});

describe('rotation', () => {
  const first = createIdentity(NOW_MS);
  const second = rotateIdentity(first, NOW_MS + 1_000);
  const third = rotateIdentity(second, NOW_MS + 2_000);

  it('keeps the identifier and changes the key', () => {
    const verified = verifyChangeHistory(third.identity.changeHistory, NOW_MS);
    expect(verified.identifier).toBe(first.identity.identifier);
    expect(verified.changes).toHaveLength(3);
    const text = Buffer.from('x');
    const isSignedBy = (keys: IdentityKeys): boolean =>
      verify(null, text, verified.publicKey, sign(null, text, keys.privateKey));
    expect([first, second, third].map(isSignedBy)).toEqual([false, false, true]);
  });
  it('by whoever lacks the previous key is refused', () => {
    const { identity } = first;
    const stolen = rotateIdentity({ identity, privateKey: createIdentity().privateKey }, NOW_MS);
    expect(() => verifyChangeHistory(stolen.identity.changeHistory)).toThrow(
      'not signed by the key before it',
    );
  });
  it('with a change left out, doubled, swapped or taken from another identity is refused', () => {
    const [a, b, c] = changesOf(third);
    const [stranger] = changesOf(createIdentity());
    const histories = [
      [],
      [b],
      [b, c],
      [a, c],
      [a, a],
      [a, c, b],
      [a, b, b],
      [a, stranger],
      [stranger, b],
    ];
    for (const history of histories) expect(isRefused(encode(history))).toBe(true);
    expect(isRefused(encode([a, b, c]))).toBe(false);
  });
  it('without the signature of the previous key is refused', () => {
    const [a, b] = decode(second.identity.changeHistory) as [unknown, unknown[]];
    const [data, signature] = b;
    for (const change of [
      [data, signature],
      [data, signature, null],
      [data, signature, signature],
    ])
      expect(isRefused(encode([a, change]))).toBe(true);
  });
});

describe('what was touched', () => {
  const histories: readonly [string, Buffer][] = [
    ['Ockam', FIXTURE],
    ['a rotated identity', rotateIdentity(createIdentity(NOW_MS), NOW_MS).identity.changeHistory],
  ];
  it.each(histories)('the history of %s is refused with any single bit changed', (_, history) => {
    for (let bit = 0; bit < history.length * 8; bit++) {
      const mutated = Buffer.from(history);
      mutated[bit >> 3] = (mutated[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (!isRefused(mutated)) expect.fail(`bit ${bit} changed was accepted`);
    }
  });
  it('the history of Ockam is refused with any byte outside key and signature changed to any other', () => {
    const [key, signature] = [16, 64];
    for (let at = 0; at < signature; at++)
      for (let by = 1; by < 256 && (at < key || at >= key + 32); by++) {
        const mutated = Buffer.from(FIXTURE);
        mutated[at] = (mutated[at] ?? 0) ^ by;
        if (!isRefused(mutated)) expect.fail(`byte ${at} changed by ${by} was accepted`);
      }
  });
  it('a history is refused with bytes left out or added', () => {
    for (let end = 0; end < FIXTURE.length; end++)
      expect(isRefused(FIXTURE.subarray(0, end))).toBe(true);
    for (let byte = 0; byte < 256; byte++)
      expect(isRefused(Buffer.concat([FIXTURE, Buffer.from([byte])]))).toBe(true);
  });
  it('a history is refused that is too long, or nested without end', () => {
    expect(() => verifyChangeHistory(Buffer.alloc(32 * 1024 + 1))).toThrow('it is too long');
    for (const byte of [0x81, 0x9f, 0xd8, 0xa1])
      expect(isRefused(Buffer.alloc(32 * 1024, byte))).toBe(true);
  });
});

describe('properties', () => {
  it('random bytes and random CBOR are refused and never crash', () => {
    const bytes = fc.uint8Array({ maxLength: 400 });
    const tagged = fc.tuple(
      fc.constant(0),
      fc.tuple(fc.uint8Array({ minLength: 32, maxLength: 64 })),
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        ...[fc.integer(), fc.boolean(), fc.constant(null), fc.double(), fc.string(), bytes, tagged],
        fc.array(tie('value'), { maxLength: 6 }),
      ),
    }));
    const wrapped = value.map((v) =>
      encode([[encode([1, 1, encode(v)]), [0, [new Uint8Array(64)]]]]),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          bytes,
          value.map((v) => encode(v)),
          wrapped,
        ),
        (b) => {
          expect(isRefused(b)).toBe(true);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

it('a private key reads back from what is kept of it', () => {
  const { privateKey } = createIdentity();
  const pem = exportPrivateKey(privateKey);
  expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  expect(importPrivateKey(pem).equals(privateKey)).toBe(true);
});

it.each([
  '',
  'I',
  `I${'a'.repeat(63)}`,
  `I${'A'.repeat(64)}`,
  `x${'a'.repeat(64)}`,
  ` I${'a'.repeat(64)}\n`,
])('%j is no identifier', (text) => expect(isIdentifier(text)).toBe(false));
