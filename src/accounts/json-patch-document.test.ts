import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from './account.ts';
import { patched as patchedBy, speaksOf } from './json-patch.ts';

const FORBIDDEN = ['id', 'stateChangedAt', 'state_changed_at', 'credentials'];
const patched = (operations: unknown, document: JsonObject): JsonObject =>
  patchedBy(operations, document, FORBIDDEN);

const PERSON = {
  traits: { email: 'ann@example.com', tags: ['a', 'b'], 'a/b~c': 1 },
  state: 'active',
  metadata_public: null,
};
const invalid = expect.objectContaining({ code: 'invalid' });

describe('JSON Patch (RFC 6902)', () => {
  it.each([
    ['add', [{ op: 'add', path: '/traits/name', value: 'Ann' }], { name: 'Ann' }],
    [
      'add to a list',
      [{ op: 'add', path: '/traits/tags/1', value: 'x' }],
      { tags: ['a', 'x', 'b'] },
    ],
    [
      'add behind a list',
      [{ op: 'add', path: '/traits/tags/-', value: 'x' }],
      { tags: ['a', 'b', 'x'] },
    ],
    [
      'add at its length',
      [{ op: 'add', path: '/traits/tags/2', value: 'x' }],
      { tags: ['a', 'b', 'x'] },
    ],
    [
      'replace an item',
      [{ op: 'replace', path: '/traits/tags/1', value: 'x' }],
      { tags: ['a', 'x'] },
    ],
    ['remove an item', [{ op: 'remove', path: '/traits/tags/0' }], { tags: ['b'] }],
    [
      'copy',
      [{ op: 'copy', from: '/traits/tags/0', path: '/traits/tags/-' }],
      { tags: ['a', 'b', 'a'] },
    ],
    [
      'move',
      [{ op: 'move', from: '/traits/tags/0', path: '/traits/tags/-' }],
      { tags: ['b', 'a'] },
    ],
    [
      'escaped names (RFC 6901)',
      [{ op: 'replace', path: '/traits/a~1b~0c', value: 2 }],
      { 'a/b~c': 2 },
    ],
    [
      'a test of equal members in another order',
      [
        { op: 'add', path: '/traits/o', value: { a: 1, b: 2 } },
        { op: 'test', path: '/traits/o', value: { b: 2, a: 1 } },
      ],
      { o: { a: 1, b: 2 } },
    ],
    ['a test in a list', [{ op: 'test', path: '/traits/tags/1', value: 'b' }], {}],
  ])('%s', (_name, patch, traits) => {
    const before = structuredClone(PERSON);
    expect(patched(patch, PERSON)).toEqual({ ...PERSON, traits: { ...PERSON.traits, ...traits } });
    expect(PERSON).toEqual(before);
  });

  it.each([
    ['an item behind the last', [{ op: 'replace', path: '/traits/tags/2', value: 'x' }]],
    ['the place behind the last', [{ op: 'remove', path: '/traits/tags/2' }]],
    ['no number', [{ op: 'add', path: '/traits/tags/', value: 'x' }]],
    ['a number with a zero before it', [{ op: 'replace', path: '/traits/tags/01', value: 'x' }]],
    ['a member that is not there', [{ op: 'replace', path: '/traits/none', value: 1 }]],
    ['a prototype', [{ op: 'add', path: '/traits/__proto__/x', value: 1 }]],
    ['what every object has', [{ op: 'test', path: '/traits/toString', value: null }]],
    ['no value', [{ op: 'add', path: '/traits/name' }]],
    ['another operation', [{ op: 'swap', path: '/traits/name', value: 1 }]],
    ['a test that fails', [{ op: 'test', path: '/traits/tags', value: ['b', 'a'] }]],
    ['the whole document', [{ op: 'replace', path: '', value: {} }]],
    ['the id', [{ op: 'replace', path: '/id', value: 'x' }]],
    ['credentials, in any case', [{ op: 'add', path: '/Credentials/password', value: {} }]],
    ['a copy of credentials', [{ op: 'copy', from: '/credentials/oidc', path: '/traits/name' }]],
    ['the time of the state', [{ op: 'replace', path: '/stateChangedAt', value: 'x' }]],
    ['a foreign field', [{ op: 'remove', path: '/traits/name', other: 1 }]],
    ['no list', { op: 'remove', path: '/traits/name' }],
    ['too many', Array.from({ length: 1_001 }, () => ({ op: 'add', path: '/state', value: 'x' }))],
  ])('refuses %s', (_name, patch) => {
    expect(() => patched(patch, PERSON)).toThrow(invalid);
  });

  it('says what a patch speaks of', () => {
    const patch = [{ op: 'replace', path: '/verifiable_addresses/0/verified', value: true }];
    expect(speaksOf(patch, 'verifiable_addresses')).toBe(true);
    expect(speaksOf(patch, 'recovery_addresses')).toBe(false);
  });

  it('comes to an end with whatever is sent: a document, or a refusal', () => {
    const op = fc.record(
      {
        op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
        path: fc.oneof(
          fc.constantFrom('/traits/tags/0', '/traits', '/', '//', '/a/b'),
          fc.string(),
        ),
        from: fc.oneof(fc.constantFrom('/traits/tags/0', '/traits'), fc.string()),
        value: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(op), (patch) => {
        try {
          expect(patched(patch, PERSON)).toBeTypeOf('object');
        } catch (reason) {
          expect(reason).toMatchObject({ code: 'invalid' });
        }
      }),
    );
  });
});
