import { describe, expect, it } from 'vitest';
import type { Model } from '../model.ts';
import { parseTuple, printSubject, type Tuple } from '../tuple.ts';
import { chain, GROUPS } from './ask.fixture.ts';
import { type ExpandLimits, type ExpandTree, expand } from './expand.ts';
import { IndexedView } from './indexed-view.fixture.ts';
import { and, computed, modelOf, not, or, traverse } from './models.fixture.ts';

const LIMITS: ExpandLimits = { maxSize: 4000, isRewriting: true };

/** A tree in few words: a leaf is its subject alone. */
type Short = string | { [node: string]: Short[] };

function short({ type, subject, children, truncated }: ExpandTree): Short {
  const name = subject === undefined ? '' : printSubject(subject);
  const mark = truncated === undefined ? '' : ` (${truncated})`;
  if (type === 'leaf') return name + mark;
  return { [`${type} ${name}${mark}`.trim()]: children.map(short) };
}

function tree(
  model: Model,
  tuples: readonly (string | Tuple)[],
  on: string,
  o: Partial<ExpandLimits> = {},
): Short {
  const view = new IndexedView(tuples.map((t) => (typeof t === 'string' ? parseTuple(t) : t)));
  const { namespace, object, relation } = parseTuple(`${on}@x`);
  return short(expand(model, view, { set: { namespace, object, relation } }, { ...LIMITS, ...o }));
}

const MODEL = modelOf({
  User: {},
  Group: {
    members: ['User'],
    parent: ['Group'],
    isMember: or(traverse('parent', computed('isMember')), computed('members')),
  },
  File: {
    viewers: ['User'],
    owners: ['User'],
    blocked: ['User'],
    groups: ['Group'],
    alone: computed('viewers'),
    open: not(computed('blocked')),
    view: and(
      or(computed('viewers'), traverse('groups', computed('members'))),
      computed('owners'),
      not(computed('blocked')),
    ),
    deep: traverse('groups', or(computed('members'), traverse('parent', computed('members')))),
  },
});

describe('expand', () => {
  it('gives a union of what is stored, with subject ids and plain objects as leaves', () => {
    const tuples = [
      'Group:a#members@alice',
      'Group:a#members@(User:bob)',
      'Group:a#members@Group:b#members',
      'Group:b#members@carol',
    ];
    expect(tree(GROUPS, tuples, 'Group:a#members')).toEqual({
      'union Group:a#members': ['alice', 'User:bob', { 'union Group:b#members': ['carol'] }],
    });
  });

  it('gives a leaf for what has nothing below it, whatever it is', () => {
    expect(tree(GROUPS, [], 'Group:a#members')).toBe('Group:a#members');
    expect(tree(MODEL, [], 'File:1#deep')).toEqual({ 'union File:1#deep': ['File:1#groups'] });
    expect(expand(MODEL, new IndexedView([]), { id: 'alice' }, LIMITS)).toEqual({
      type: 'leaf',
      subject: { id: 'alice' },
      children: [],
    });
  });

  it('follows permits: groups as unions and intersections, negation as exclusion, parents below what is traversed', () => {
    const tuples = [
      'File:1#viewers@alice',
      'File:1#owners@bob',
      'File:1#blocked@carol',
      'File:1#groups@(Group:g)',
      'Group:g#members@dan',
      'Group:g#parent@(Group:h)',
      'Group:h#members@eve',
    ];
    expect(tree(MODEL, tuples, 'File:1#alone')).toEqual({
      'union File:1#alone': [{ 'union File:1#viewers': ['alice'] }],
    });
    expect(tree(MODEL, tuples, 'File:1#open')).toEqual({
      'union File:1#open': [{ exclusion: [{ 'union File:1#blocked': ['carol'] }] }],
    });
    expect(tree(MODEL, tuples, 'File:1#view')).toEqual({
      'intersection File:1#view': [
        { 'union File:1#owners': ['bob'] },
        {
          union: [
            { 'union File:1#viewers': ['alice'] },
            { 'union File:1#groups': [{ 'union Group:g#members': ['dan'] }] },
          ],
        },
        { exclusion: [{ 'union File:1#blocked': ['carol'] }] },
      ],
    });
    expect(tree(MODEL, tuples, 'File:1#deep')).toEqual({
      'union File:1#deep': [
        {
          'union File:1#groups': [
            {
              union: [
                { 'union Group:g#members': ['dan'] },
                { 'union Group:g#parent': [{ 'union Group:h#members': ['eve'] }] },
              ],
            },
          ],
        },
      ],
    });
  });

  it('shows only what is stored on a permit when permits are not to be followed', () => {
    const tuples = ['File:1#viewers@alice', 'File:1#alone@bob'];
    expect(tree(MODEL, tuples, 'File:1#alone', { isRewriting: false })).toEqual({
      'union File:1#alone': ['bob'],
    });
  });

  it('shows what is stored on a permit beside its expression, where that counts', () => {
    const tuples = ['File:1#viewers@alice', 'File:1#alone@bob', 'File:1#view@carol'];
    expect(tree(MODEL, tuples, 'File:1#alone')).toEqual({
      'union File:1#alone': [{ 'union File:1#viewers': ['alice'] }, 'bob'],
    });
    expect(tree(MODEL, tuples, 'File:1#view')).toMatchObject({
      'union File:1#view': [{ intersection: {} }, 'carol'],
    });
    expect(tree(MODEL, tuples, 'File:1#alone', { isStrict: true })).toEqual({
      'union File:1#alone': [{ 'union File:1#viewers': ['alice'] }],
    });
  });

  it('leaves out in strict mode what does not count', () => {
    const tuples = [
      'Group:a#members@alice',
      'Group:a#members@Group:b#members',
      'Group:a#members@File:1#viewers',
    ];
    expect(tree(GROUPS, tuples, 'Group:a#members', { isStrict: true })).toEqual({
      'union Group:a#members': ['alice', 'Group:b#members'],
    });
  });

  it('shows a set without children where it is below itself, and again where it is not', () => {
    const ring = [
      'Group:g1#members@4',
      'Group:g1#parent@(Group:g2)',
      'Group:g2#members@5',
      'Group:g2#parent@(Group:g1)',
    ];
    expect(tree(MODEL, ring, 'Group:g1#isMember')).toEqual({
      'union Group:g1#isMember': [
        { 'union Group:g1#members': ['4'] },
        {
          'union Group:g1#parent': [
            {
              'union Group:g2#isMember': [
                { 'union Group:g2#members': ['5'] },
                { 'union Group:g2#parent': ['Group:g1#isMember (cycle)'] },
              ],
            },
          ],
        },
      ],
    });
    const diamond = [
      'Group:a#members@Group:b#members',
      'Group:a#members@Group:c#members',
      'Group:b#members@Group:c#members',
      'Group:c#members@x',
    ];
    const c = { 'union Group:c#members': ['x'] };
    expect(tree(GROUPS, diamond, 'Group:a#members')).toEqual({
      'union Group:a#members': [{ 'union Group:b#members': [c] }, c],
    });
  });

  it('shows as many levels below the root as the depth has beyond one', () => {
    const tuples = chain(3);
    expect(tree(GROUPS, tuples, 'Group:0#members', { maxDepth: 1 })).toBe(
      'Group:0#members (depth)',
    );
    expect(tree(GROUPS, tuples, 'Group:0#members', { maxDepth: 2 })).toEqual({
      'union Group:0#members': ['Group:1#members (depth)'],
    });
    expect(tree(GROUPS, tuples, 'Group:0#members', { maxDepth: 9 })).toEqual({
      'union Group:0#members': [
        { 'union Group:1#members': [{ 'union Group:2#members': ['Group:3#members'] }] },
      ],
    });
  });

  it('runs out of no stack, however deep it is asked to go, and its tree can be printed', () => {
    const printed = JSON.stringify(
      tree(GROUPS, chain(20_000), 'Group:0#members', { maxDepth: 1e9 }),
    );
    expect(printed).toContain('(depth)');
  });

  it('stops at the size, width first', () => {
    const tuples = [
      'Group:11#members@Group:21#members',
      'Group:11#members@Group:22#members',
      'Group:21#members@Group:31#members',
      'Group:21#members@Group:32#members',
      'Group:31#members@x',
      'Group:32#members@y',
      'Group:22#members@z',
    ];
    expect(tree(GROUPS, tuples, 'Group:11#members', { maxSize: 4 })).toEqual({
      'union Group:11#members': [
        { 'union Group:21#members': ['Group:31#members (size)', 'Group:32#members (size)'] },
        'Group:22#members (size)',
      ],
    });
    const wide = Array.from({ length: 1000 }, (_, i) => `Group:a#members@${i}`);
    const view = new IndexedView(wide.map(parseTuple));
    const set = { namespace: 'Group', object: 'a', relation: 'members' };
    const found = expand(GROUPS, view, { set }, { maxSize: 300, isRewriting: true });
    expect([found.children.length, found.truncated]).toEqual([300, 'size']);
  });

  it('does not count parts of permits as tuples, and has a bound for them', () => {
    const tuples = ['File:1#viewers@1', 'File:1#viewers@2', 'File:1#groups@(Group:g)'];
    const model = modelOf({
      Group: { members: [] },
      File: {
        viewers: [],
        groups: [],
        a: computed('viewers'),
        b: traverse('groups', computed('members')),
        view: or(computed('a'), computed('b')),
      },
    });
    expect(tree(model, tuples, 'File:1#view', { maxSize: 2 })).toEqual({
      'union File:1#view': [
        { 'union File:1#a': [{ 'union File:1#viewers': ['1', '2'] }] },
        { 'union File:1#b': ['File:1#groups (size)'] },
      ],
    });
    const doubling: Record<string, ReturnType<typeof or>> = {};
    for (let i = 0; i < 40; i++)
      doubling[`p${i}`] = or(computed(`p${i + 1}`), computed(`p${i + 1}`));
    const found = tree(modelOf({ A: { ...doubling, p40: [] } }), [], 'A:1#p0');
    expect(JSON.stringify(found).length).toBeLessThan(1_000_000);
  });

  it('refuses an unknown namespace', () => {
    expect(() => tree(MODEL, [], 'No:1#x')).toThrow('Unknown namespace with name "No".');
  });
});
