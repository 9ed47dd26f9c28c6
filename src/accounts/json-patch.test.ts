import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSameJson, patched } from './json-patch.ts';

const FORBIDDEN = ['id', 'credentials', 'stateChangedAt'];
const before = { traits: { email: 'a@b.c', tags: ['x', 'y'] }, state: 'active', metadata: null };
const result = (...operations: unknown[]): unknown => patched(operations, before, FORBIDDEN);

describe('a JSON Patch', () => {
  it.each([
    ['add', { op: 'add', path: '/traits/name', value: 'Ann' }, { name: 'Ann' }],
    ['add over', { op: 'add', path: '/traits/email', value: 1 }, { email: 1 }],
    ['add in a list', { op: 'add', path: '/traits/tags/1', value: 'z' }, { tags: ['x', 'z', 'y'] }],
    [
      'add at the end',
      { op: 'add', path: '/traits/tags/-', value: 'z' },
      { tags: ['x', 'y', 'z'] },
    ],
    ['replace', { op: 'replace', path: '/traits/email', value: null }, { email: null }],
    ['replace in a list', { op: 'replace', path: '/traits/tags/0', value: 1 }, { tags: [1, 'y'] }],
    ['remove from a list', { op: 'remove', path: '/traits/tags/0' }, { tags: ['y'] }],
    ['copy', { op: 'copy', from: '/traits/tags', path: '/traits/more' }, { more: ['x', 'y'] }],
    [
      'move',
      { op: 'move', from: '/traits/tags/0', path: '/traits/first' },
      { tags: ['y'], first: 'x' },
    ],
    ['test', { op: 'test', path: '/traits/tags', value: ['x', 'y'] }, {}],
    ['escapes', { op: 'add', path: '/traits/a~1b~0c', value: 1 }, { 'a/b~c': 1 }],
  ])('can %s', (_name, operation, changed) => {
    expect(result(operation)).toEqual({ ...before, traits: { ...before.traits, ...changed } });
  });

  it('removes a member, moves within a list, and copies what is then its own', () => {
    expect(result({ op: 'remove', path: '/metadata' })).toEqual({
      ...{ traits: before.traits, state: 'active' },
    });
    expect(result({ op: 'move', from: '/traits/tags/1', path: '/traits/tags/0' })).toMatchObject({
      traits: { tags: ['y', 'x'] },
    });
    const copied = result(
      { op: 'copy', from: '/traits', path: '/metadata' },
      { op: 'add', path: '/metadata/tags/-', value: 'z' },
    );
    expect(copied).toMatchObject({ traits: before.traits, metadata: { tags: ['x', 'y', 'z'] } });
    expect(before.metadata).toBe(null);
  });

  it.each([
    [[{ op: 'add', path: '/id', value: 1 }], 'denied path: /id'],
    [[{ op: 'replace', path: '/CREDENTIALS/password', value: 1 }], 'denied path'],
    [[{ op: 'copy', from: '/credentials', path: '/traits/x' }], 'denied path: /credentials'],
    [[{ op: 'move', from: '/stateChangedAt', path: '/traits/x' }], 'denied path'],
    [[{ op: 'copy', from: '/traits', path: '/credentials' }], 'denied path'],
    [[{ op: 'test', path: '/credentials', value: 1 }], 'denied path'],
    [[{ op: 'move', from: '/traits', path: '/traits/x' }], 'into itself'],
    [[{ op: 'test', path: '/state', value: 'inactive' }], 'a test failed'],
    [[{ op: 'remove', path: '/none' }], 'no such path'],
    [[{ op: 'replace', path: '/none', value: 1 }], 'no such path'],
    [[{ op: 'add', path: '/none/deeper', value: 1 }], 'no such path'],
    [[{ op: 'add', path: '/traits/tags/01', value: 1 }], 'no such path'],
    [[{ op: 'add', path: '/traits/tags/3', value: 1 }], 'no such path'],
    [[{ op: 'remove', path: '/traits/tags/-' }], 'no such path'],
    [[{ op: 'add', path: '/traits/email/x', value: 1 }], 'no such path'],
    [[{ op: 'add', path: '/__proto__/polluted', value: 1 }], 'no such path'],
    [[{ op: 'add', path: '/constructor/prototype/polluted', value: 1 }], 'no such path'],
    [[{ op: 'copy', from: '/__proto__', path: '/traits/x' }], 'no such path'],
    [[{ op: 'add', path: '/a' }], 'has no value'],
    [[{ op: 'add', path: '', value: {} }], 'has no path'],
    [[{ op: 'add', path: '/a~2', value: {} }], 'no JSON Pointer'],
    [[{ op: 'copy', path: '/a' }], 'has no path'],
    [[{ op: 'merge', path: '/a', value: 1 }], 'unknown'],
    [[{ op: 'add', path: '/a', value: 1, extra: 1 }], 'unknown field'],
    [['add'], 'no JSON object'],
    [{ op: 'add', path: '/a', value: 1 }, 'a list'],
  ])('%j is refused: %s', (operations, why) => {
    expect(() => patched(operations, before, FORBIDDEN)).toThrow(why);
  });

  it('is no deeper than anything follows', () => {
    const value: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    expect(() => result({ op: 'add', path: '/traits/x', value })).toThrow('too deeply');
  });
  it('grows no document without end', () => {
    const doubling = Array.from({ length: 40 }, (_, i) => ({
      ...{ op: 'copy', from: '/traits', path: `/traits/t${i}` },
    }));
    expect(() => result(...doubling)).toThrow('too large');
  });

  it('changes nothing of what it was given, and reaches no prototype', () => {
    const kept = JSON.stringify(before);
    const part = fc.constantFrom('traits', 'tags', '0', '-', '__proto__', 'constructor', 'x', '');
    const path = fc.array(part, { maxLength: 4 }).map((p) => `/${p.join('/')}`);
    const operation = fc.record({
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
      ...{ path, from: path, value: fc.jsonValue({ maxDepth: 2 }) },
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 5 }), (operations) => {
        try {
          patched(operations, before, FORBIDDEN);
        } catch (reason) {
          expect(reason).toMatchObject({ code: 'invalid' });
        }
        expect(JSON.stringify(before)).toBe(kept);
        expect(Object.keys(Object.prototype)).toEqual([]);
        expect(Reflect.get({}, 'x')).toBeUndefined();
      }),
    );
  });

  it('tells the same JSON from another', () => {
    expect(isSameJson({ a: 1, b: [{}] }, { b: [{}], a: 1 })).toBe(true);
    for (const [a, b] of [
      [{ a: 1 }, { b: 1 }],
      [[], {}],
      [null, {}],
      [
        [1, 2],
        [2, 1],
      ],
      ['1', 1],
      [{ a: undefined }, {}],
    ])
      expect(isSameJson(a, b)).toBe(false);
  });
});
