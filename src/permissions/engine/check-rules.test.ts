import { describe, expect, it } from 'vitest';
import { ask, chain, GROUPS } from './ask.fixture.ts';
import { and, computed, modelOf, not, or, traverse } from './models.fixture.ts';

describe('wildcards', () => {
  const model = modelOf({
    User: {},
    Group: { members: ['User'] },
    Doc: {
      viewers: ['User', 'User:*', 'Group#members'],
      editors: ['User'],
      parents: ['Doc', 'Doc:*'],
      banned: ['User:*'],
      view: or(computed('viewers'), traverse('parents', computed('view'))),
      edit: and(computed('editors'), not(computed('banned'))),
    },
  });

  it('grants all plain objects of the type, where the relation declares it', async () => {
    const tuples = ['Doc:1#viewers@(User:*)', 'Doc:1#editors@(User:*)'];
    for (const isStrict of [false, true]) {
      expect(await ask(model, tuples, 'Doc:1#view@(User:x)', { isStrict })).toBe(true);
      expect(await ask(model, tuples, 'Doc:1#viewers@(User:*)', { isStrict })).toBe(true);
      expect(await ask(model, tuples, 'Doc:1#editors@(User:x)', { isStrict })).toBe(false);
      expect(await ask(model, tuples, 'Doc:1#viewers@x', { isStrict })).toBe(false);
      expect(await ask(model, tuples, 'Doc:1#viewers@(Doc:x)', { isStrict })).toBe(false);
      expect(await ask(model, tuples, 'Doc:1#viewers@(Group:g#members)', { isStrict })).toBe(false);
      expect(await ask(model, tuples, 'Doc:1#viewers@(User:x#...)', { isStrict })).toBe(false);
    }
  });

  it('is no parent of a traversal', async () => {
    const tuples = ['Doc:1#parents@(Doc:*)', 'Doc:*#viewers@alice', 'Doc:2#viewers@bob'];
    expect(await ask(model, tuples, 'Doc:1#view@alice')).toBe(false);
    expect(await ask(model, tuples, 'Doc:1#view@bob')).toBe(false);
    expect(await ask(model, tuples, 'Doc:*#view@alice')).toBe(true);
  });

  it('excludes all of the type under a negation', async () => {
    const tuples = ['Doc:1#editors@(User:a)'];
    expect(await ask(model, tuples, 'Doc:1#edit@(User:a)')).toBe(true);
    expect(await ask(model, [...tuples, 'Doc:1#banned@(User:*)'], 'Doc:1#edit@(User:a)')).toBe(
      false,
    );
  });
});

describe('strict mode', () => {
  const model = modelOf({
    User: {},
    Group: { members: ['User'] },
    Doc: {
      owners: ['User', 'Group#members'],
      parents: ['Doc'],
      view: or(computed('owners'), traverse('parents', computed('view'))),
    },
  });
  const isStrict = true;

  it('looks at no tuple of a permit', async () => {
    const tuples = ['Doc:1#view@alice', 'Doc:1#view@Group:g#members', 'Group:g#members@bob'];
    expect(await ask(model, tuples, 'Doc:1#view@alice')).toBe(true);
    expect(await ask(model, tuples, 'Doc:1#view@bob')).toBe(true);
    expect(await ask(model, tuples, 'Doc:1#view@alice', { isStrict })).toBe(false);
    expect(await ask(model, tuples, 'Doc:1#view@bob', { isStrict })).toBe(false);
  });

  it('takes only sets of a declared type', async () => {
    const tuples = [
      'Doc:1#owners@Doc:2#owners',
      'Doc:2#owners@alice',
      'Doc:3#owners@Group:g#members',
      'Group:g#members@alice',
    ];
    expect(await ask(model, tuples, 'Doc:1#owners@alice')).toBe(true);
    expect(await ask(model, tuples, 'Doc:1#owners@alice', { isStrict })).toBe(false);
    expect(await ask(model, tuples, 'Doc:1#owners@Doc:2#owners', { isStrict })).toBe(false);
    expect(await ask(model, tuples, 'Doc:3#owners@alice', { isStrict })).toBe(true);
    expect(await ask(model, tuples, 'Doc:3#owners@Group:g#members', { isStrict })).toBe(true);
  });

  it('takes no set at all in a namespace that declares nothing, and still ids', async () => {
    const tuples = ['User:1#x@User:2#y', 'User:2#y@alice'];
    expect(await ask(model, tuples, 'User:1#x@alice')).toBe(true);
    expect(await ask(model, tuples, 'User:1#x@alice', { isStrict })).toBe(false);
    expect(await ask(model, tuples, 'User:1#x@User:2#y', { isStrict })).toBe(false);
    expect(await ask(model, tuples, 'User:2#y@alice', { isStrict })).toBe(true);
  });

  it('says that a depth did not suffice, where it passes for false otherwise', async () => {
    const tuples = [...chain(3), 'Group:3#members@alice'];
    expect(await ask(GROUPS, tuples, 'Group:0#members@alice', { maxDepth: 2 })).toBe(false);
    const strict = ask(GROUPS, tuples, 'Group:0#members@alice', { maxDepth: 2, isStrict });
    await expect(strict).rejects.toMatchObject({
      code: 'exhausted',
      facts: { reason: 'max_depth_exceeded' },
    });
  });
});

describe('depth, as Keto counts it', () => {
  const model = modelOf({
    Doc: {
      owners: ['User'],
      viewers: ['User'],
      parents: ['Doc'],
      alone: computed('owners'),
      aloneTwice: computed('alone'),
      ored: or(computed('alone'), computed('viewers')),
      anded: and(computed('aloneTwice'), computed('aloneTwice')),
      nested: or(and(computed('owners'), computed('owners')), computed('viewers')),
      inherited: traverse('parents', computed('owners')),
      negated: not(computed('aloneTwice')),
    },
  });
  const tuples = ['Doc:1#owners@alice', 'Doc:0#parents@(Doc:1)'];

  /** The least depth at which alice, who is allowed, is. */
  async function leastDepth(on: string, m = model, t: readonly string[] = tuples): Promise<number> {
    for (let maxDepth = 1; maxDepth < 20; maxDepth++)
      if (await ask(m, t, `${on}@alice`, { maxDepth })) return maxDepth;
    throw new Error('never');
  }

  it('spends nothing on a stored tuple, nor on one that is one set away', async () => {
    expect(await leastDepth('Doc:1#owners')).toBe(1);
    const reached = [0, 1, 2, 3].map((n) => {
      return leastDepth('Group:0#members', GROUPS, [...chain(n), `Group:${n}#members@alice`]);
    });
    expect(await Promise.all(reached)).toEqual([1, 1, 2, 3]);
  });

  it('spends a level on another relation alone or ORed, and looks its tuple up for free', async () => {
    expect(await leastDepth('Doc:1#alone')).toBe(1);
    expect(await leastDepth('Doc:1#aloneTwice')).toBe(2);
    expect(await leastDepth('Doc:1#ored')).toBe(2);
  });

  it('spends no level on what is ANDed, one on a group in a group and one on a parent', async () => {
    expect(await leastDepth('Doc:1#anded')).toBe(2);
    expect(await leastDepth('Doc:1#nested')).toBe(2);
    expect(await leastDepth('Doc:0#inherited')).toBe(2);
  });

  it('carries what it could not see through a negation, and so never grants for lack of depth', async () => {
    const bob = 'Doc:1#negated@bob';
    expect(await ask(model, tuples, 'Doc:1#negated@alice', { maxDepth: 1 })).toBe(false);
    expect(await ask(model, tuples, 'Doc:1#negated@alice', { maxDepth: 2 })).toBe(false);
    expect(await ask(model, tuples, bob, { maxDepth: 1 })).toBe(false);
    expect(await ask(model, tuples, bob, { maxDepth: 9 })).toBe(true);
  });

  it('ends a cycle where the depth suffices to go round it', async () => {
    const ring = ['Group:a#members@Group:b#members', 'Group:b#members@Group:a#members'];
    expect(await ask(GROUPS, ring, 'Group:a#members@alice', { maxDepth: 5, isStrict: true })).toBe(
      false,
    );
  });
});
