import { describe, expect, it } from 'vitest';
import { ask, chain, evaluatorOf, GROUPS } from './ask.fixture.ts';
import { and, computed, modelOf, not, or } from './models.fixture.ts';
import { beginTrace } from './trace.ts';

describe('size', () => {
  it('follows a chain of 10,000 groups', async () => {
    const tuples = [...chain(10_000), 'Group:10000#members@alice'];
    expect(await ask(GROUPS, tuples, 'Group:0#members@alice')).toBe(true);
    expect(await ask(GROUPS, tuples, 'Group:0#members@bob')).toBe(false);
  });

  it('goes round a ring of 10,000 groups, and settles each of them', async () => {
    const tuples = [...chain(10_000), 'Group:10000#members@Group:0#members'];
    const evaluator = evaluatorOf(GROUPS, tuples, {});
    for (const object of ['5000', '0', '9999']) {
      const on = { namespace: 'Group', object, relation: 'members' };
      expect(await evaluator.check(on, { id: 'alice' })).toBe(false);
    }
    expect(evaluator.steps).toBeLessThan(30_000);
  });

  it('looks through 100,000 groups in one, and lets others have the thread meanwhile', async () => {
    const tuples = Array.from({ length: 100_000 }, (_, i) => `Group:g#members@Group:${i}#members`);
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    try {
      expect(await ask(GROUPS, [...tuples, 'Group:99999#members@a'], 'Group:g#members@a')).toBe(
        true,
      );
      expect(await ask(GROUPS, tuples, 'Group:g#members@a')).toBe(false);
    } finally {
      clearInterval(ticking);
    }
    expect(turns).toBeGreaterThan(1);
  });

  it('is exhausted when the steps are used up, and never false', async () => {
    const question = ask(GROUPS, chain(100), 'Group:0#members@alice', { stepsMax: 50 });
    await expect(question).rejects.toMatchObject({
      code: 'exhausted',
      facts: { reason: 'max_steps_exceeded', steps: 50 },
    });
  });

  it('takes steps for what it passes over too', async () => {
    const tuples = Array.from({ length: 1000 }, (_, i) => `Group:g#members@User:${i}`);
    const limits = { stepsMax: 500, isStrict: true };
    await expect(ask(GROUPS, tuples, 'Group:g#members@a', limits)).rejects.toThrow(
      'not be completed',
    );
  });
});

describe('cycles', () => {
  const model = modelOf({
    A: {
      r: [],
      s: [],
      p0: or(computed('p1'), computed('r')),
      p1: and(or(computed('p2'), computed('r')), computed('s')),
      p2: and(computed('p0'), computed('r')),
      q0: or(computed('q1'), computed('r')),
      q1: or(and(computed('q2'), computed('s')), and(computed('q3'), computed('s'))),
      q2: or(computed('q1'), computed('q0')),
      q3: or(and(computed('q2'), computed('s')), computed('q1')),
    },
  });

  it('forgets what rested on a question that came out true, also where its asker came out false', async () => {
    const names = ['p0', 'p1', 'p2', 'q0', 'q1', 'q2', 'q3'];
    const truth = { p0: true, p1: false, p2: true, q0: true, q1: false, q2: true, q3: false };
    for (let first = 0; first < names.length; first++) {
      const evaluator = evaluatorOf(model, ['A:1#r@alice'], {});
      const found: Record<string, boolean> = {};
      for (const relation of [...names.slice(first), ...names.slice(0, first)])
        found[relation] = await evaluator.check(
          { namespace: 'A', object: '1', relation },
          { id: 'alice' },
        );
      expect(found).toEqual(truth);
    }
  });

  it('finds the members of groups that contain one another', async () => {
    const ring = [
      'Group:a#members@Group:b#members',
      'Group:b#members@Group:c#members',
      'Group:c#members@Group:a#members',
      'Group:b#members@alice',
    ];
    for (const group of ['a', 'b', 'c']) {
      expect(await ask(GROUPS, ring, `Group:${group}#members@alice`)).toBe(true);
      expect(await ask(GROUPS, ring, `Group:${group}#members@bob`)).toBe(false);
      expect(await ask(GROUPS, ring, `Group:${group}#members@Group:${group}#members`)).toBe(true);
    }
  });
});

describe('negation', () => {
  const model = modelOf({
    Group: { members: ['User'] },
    Doc: {
      allowed: ['User', 'Group#members'],
      banned: ['User', 'Group#members'],
      view: and(computed('allowed'), not(computed('banned'))),
      unbanned: not(computed('banned')),
    },
  });

  it('takes away what it names', async () => {
    const tuples = [
      'Doc:1#allowed@alice',
      'Doc:1#allowed@bob',
      'Doc:1#banned@Group:g#members',
      'Group:g#members@bob',
    ];
    expect(await ask(model, tuples, 'Doc:1#view@alice')).toBe(true);
    expect(await ask(model, tuples, 'Doc:1#view@bob')).toBe(false);
    expect(await ask(model, [], 'Doc:1#unbanned@anybody')).toBe(true);
  });

  it('is exhausted where tuples make a permit negate itself, unless something else decides', async () => {
    const tuples = ['Doc:1#banned@Doc:1#unbanned', 'Doc:1#allowed@alice'];
    await expect(ask(model, tuples, 'Doc:1#view@alice')).rejects.toMatchObject({
      code: 'exhausted',
      facts: { reason: 'negative_cycle' },
    });
    expect(await ask(model, tuples, 'Doc:1#view@bob')).toBe(false);
    expect(await ask(model, [...tuples, 'Doc:1#banned@alice'], 'Doc:1#view@alice')).toBe(false);
    expect(await ask(model, [...tuples, 'Doc:1#view@alice'], 'Doc:1#view@alice')).toBe(true);
  });

  it('answers a knot of negation again when it is asked again', async () => {
    const evaluator = evaluatorOf(model, ['Doc:1#banned@Doc:1#unbanned'], {});
    const on = { namespace: 'Doc', object: '1', relation: 'unbanned' };
    for (let i = 0; i < 3; i++)
      await expect(evaluator.check(on, { id: 'alice' })).rejects.toMatchObject({
        code: 'exhausted',
      });
  });

  it('spends its steps on a knot too', async () => {
    const knots = Array.from(
      { length: 200 },
      (_, i) => `Doc:${i}#banned@Doc:${(i + 1) % 200}#unbanned`,
    );
    const limits = { stepsMax: 2000 };
    await expect(ask(model, knots, 'Doc:0#banned@alice', limits)).rejects.toMatchObject({
      facts: { reason: 'max_steps_exceeded' },
    });
  });
});

describe('what is not declared', () => {
  const model = modelOf({
    User: {},
    Group: { members: ['User'] },
    Doc: {
      a: ['User'],
      b: ['User'],
      any: or(computed('a'), computed('b')),
      all: and(computed('a'), computed('b')),
    },
  });
  const lost = ['Doc:1#a@Group:g#lost', 'Group:g#lost@alice'];

  it('refuses a question about an unknown namespace or relation', async () => {
    await expect(ask(model, [], 'No:1#a@x')).rejects.toMatchObject({ code: 'not_found' });
    await expect(ask(model, [], 'Doc:1#no@x')).rejects.toMatchObject({ code: 'invalid' });
    await expect(ask(model, [], 'Doc:1#a@No:1#x')).rejects.toMatchObject({ code: 'not_found' });
    await expect(ask(model, [], 'Doc:1#a@Group:1#no')).rejects.toMatchObject({ code: 'invalid' });
    await expect(ask(model, [], 'Doc:1#__proto__@x')).rejects.toMatchObject({ code: 'invalid' });
    expect(await ask(model, ['User:1#x@y'], 'User:1#x@y')).toBe(true);
  });

  it('answers with the refusal when the answer lies behind it, and without where it does not', async () => {
    await expect(ask(model, lost, 'Doc:1#any@alice')).rejects.toThrow(
      'relation "lost" does not exist',
    );
    expect(await ask(model, [...lost, 'Doc:1#b@alice'], 'Doc:1#any@alice')).toBe(true);
    expect(await ask(model, lost, 'Doc:1#all@alice')).toBe(false);
    await expect(ask(model, ['Doc:1#a@No:1#x'], 'Doc:1#a@alice')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('reports the same refusal whatever the order of the tuples', async () => {
    const tuples = ['Doc:1#a@No:1#x', 'Doc:1#a@Group:g#lost', 'Doc:1#a@Also:1#x'];
    for (const order of [tuples, tuples.toReversed()])
      await expect(ask(model, order, 'Doc:1#a@alice', { maxDepth: 3 })).rejects.toThrow('"Also"');
  });
});

describe('trace', () => {
  it('shows what was asked, what came of it and the tuple that decided', async () => {
    const model = modelOf({
      Doc: {
        owners: ['User'],
        banned: ['User'],
        view: and(computed('owners'), not(computed('banned'))),
      },
    });
    const on = { namespace: 'Doc', object: '1', relation: 'view' };
    const trace = beginTrace(on);
    const evaluator = evaluatorOf(model, ['Doc:1#owners@alice'], {});
    expect(await evaluator.check(on, { id: 'alice' }, trace)).toBe(true);
    const at = { namespace: 'Doc', object: '1' };
    const banned = { ...at, kind: 'relation', relation: 'banned', allowed: false, children: [] };
    const owners = {
      ...at,
      kind: 'relation',
      relation: 'owners',
      allowed: true,
      stored: { id: 'alice' },
      children: [],
    };
    expect(trace).toEqual({
      ...on,
      kind: 'relation',
      allowed: true,
      children: [
        {
          ...at,
          kind: 'and',
          relation: '',
          allowed: true,
          children: [
            { ...at, kind: 'computed', relation: 'owners', allowed: true, children: [owners] },
            {
              ...at,
              kind: 'not',
              relation: '',
              allowed: true,
              children: [
                { ...at, kind: 'computed', relation: 'banned', allowed: false, children: [banned] },
              ],
            },
          ],
        },
      ],
    });
  });

  it('names what is shown elsewhere, and the wildcard that granted', async () => {
    const model = modelOf({ User: {}, Group: { members: ['User:*', 'Group#members'] } });
    const tuples = [
      'Group:a#members@Group:b#members',
      'Group:b#members@Group:a#members',
      'Group:b#members@Group:c#members',
      'Group:c#members@(User:*)',
    ];
    const on = { namespace: 'Group', object: 'a', relation: 'members' };
    const trace = beginTrace(on);
    const evaluator = evaluatorOf(model, tuples, {});
    const subject = { set: { namespace: 'User', object: 'x', relation: '' } };
    expect(await evaluator.check(on, subject, trace)).toBe(true);
    expect(trace.children[0]?.children).toMatchObject([
      { object: 'a', allowed: false, isRepeated: true },
      { object: 'c', allowed: true, stored: { set: { namespace: 'User', object: '*' } } },
    ]);
  });

  it('is left unknown where the check could not be completed', async () => {
    const model = modelOf({ A: { r: [], p: not(computed('r')) } });
    const on = { namespace: 'A', object: '1', relation: 'p' };
    const trace = beginTrace(on);
    const evaluator = evaluatorOf(model, ['A:1#r@A:1#p'], {});
    await expect(evaluator.check(on, { id: 'a' }, trace)).rejects.toThrow('not be completed');
    expect(trace.allowed).toBe(undefined);
    expect(trace.children).toHaveLength(1);
  });
});
