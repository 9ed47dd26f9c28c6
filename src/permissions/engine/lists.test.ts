import { describe, expect, it } from 'vitest';
import type { Model } from '../model.ts';
import { parseSubject, parseTuple, printSubject } from '../tuple.ts';
import { chain, GROUPS, LIMITS } from './ask.fixture.ts';
import type { CheckLimits } from './check.ts';
import { IndexedView } from './indexed-view.fixture.ts';
import { listObjects } from './list-objects.ts';
import { listSubjects } from './list-subjects.ts';
import { and, computed, modelOf, not, or, traverse } from './models.fixture.ts';

const MODEL = modelOf({
  User: {},
  Group: { members: ['User', 'Group#members'] },
  Folder: {
    viewers: ['User', 'User:*', 'Group#members'],
    parents: ['Folder', 'Folder:*'],
    view: or(computed('viewers'), traverse('parents', computed('view'))),
  },
  Doc: {
    viewers: ['User', 'User:*', 'Group#members'],
    banned: ['User'],
    folders: ['Folder'],
    view: or(computed('viewers'), traverse('folders', computed('view'))),
    read: and(computed('view'), not(computed('banned'))),
    unbanned: not(computed('banned')),
    twice: traverse('folders', traverse('parents', computed('viewers'))),
  },
});

const TUPLES = [
  'Doc:direct#viewers@alice',
  'Doc:grouped#viewers@Group:a#members',
  'Group:a#members@Group:b#members',
  'Group:b#members@Group:a#members',
  'Group:b#members@alice',
  'Doc:filed#folders@(Folder:inner)',
  'Folder:inner#parents@(Folder:outer)',
  'Folder:outer#viewers@alice',
  'Doc:banned#viewers@alice',
  'Doc:banned#banned@alice',
  'Doc:other#viewers@bob',
  'Doc:all#viewers@(User:*)',
  'Doc:stored#view@(User:carol)',
];

const viewOf = (tuples: readonly string[]) => new IndexedView(tuples.map(parseTuple));

/** `namespace#relation` for a subject. */
async function objects(
  what: string,
  subject: string,
  tuples: readonly string[] = TUPLES,
  limits: Partial<CheckLimits> = {},
  model: Model = MODEL,
): Promise<string[]> {
  const [namespace = '', relation = ''] = what.split('#');
  const question = { namespace, relation, subject: parseSubject(subject) };
  return (await listObjects(model, viewOf(tuples), question, { ...LIMITS, ...limits })).toSorted();
}

async function subjects(
  on: string,
  subjectNamespace?: string,
  tuples: readonly string[] = TUPLES,
  limits: Partial<CheckLimits> = {},
  model: Model = MODEL,
): Promise<string[]> {
  const { namespace, object, relation } = parseTuple(`${on}@x`);
  const place = { on: { namespace, object, relation } };
  const question = subjectNamespace === undefined ? place : { ...place, subjectNamespace };
  const found = await listSubjects(model, viewOf(tuples), question, { ...LIMITS, ...limits });
  return found.map(printSubject).toSorted();
}

describe('list objects', () => {
  it('follows sets, parents and permits back from the subject', async () => {
    expect(await objects('Doc#view', 'alice')).toEqual(['banned', 'direct', 'filed', 'grouped']);
    expect(await objects('Doc#viewers', 'alice')).toEqual(['banned', 'direct', 'grouped']);
    expect(await objects('Doc#twice', 'alice')).toEqual(['filed']);
    expect(await objects('Group#members', 'alice')).toEqual(['a', 'b']);
    expect(await objects('Doc#view', 'nobody')).toEqual([]);
    expect(await objects('Doc#view', 'Group:b#members')).toEqual(['grouped']);
  });

  it('leaves out what a negation takes away, and finds what it alone grants', async () => {
    expect(await objects('Doc#read', 'alice')).toEqual(['direct', 'filed', 'grouped']);
    const all = ['all', 'direct', 'filed', 'grouped', 'other', 'stored'];
    expect(await objects('Doc#unbanned', 'alice')).toEqual(all);
  });

  it('counts wildcards and what is stored on permits as a check does', async () => {
    expect(await objects('Doc#view', 'User:carol')).toEqual(['all', 'stored']);
    expect(await objects('Doc#view', 'User:carol', TUPLES, { isStrict: true })).toEqual(['all']);
    expect(await objects('Doc#view', 'carol')).toEqual([]);
  });

  it('takes no wildcard for a parent, but what is stored beside it', async () => {
    const tuples = [
      'Folder:1#parents@(Folder:*)',
      'Folder:2#parents@(Folder:*#x)',
      'Folder:*#viewers@alice',
    ];
    expect(await objects('Folder#view', 'alice', tuples)).toEqual(['*', '2']);
  });

  it('leaves out an object of which the check has no answer', async () => {
    const tuples = [
      'Doc:1#viewers@Group:g#lost',
      'Doc:2#viewers@alice',
      'Doc:3#banned@Doc:3#unbanned',
    ];
    expect(await objects('Doc#view', 'alice', tuples)).toEqual(['2']);
    expect(await objects('Doc#unbanned', 'alice', tuples)).toEqual(['1', '2']);
  });

  it('refuses what is not declared, and is exhausted when the steps are used up', async () => {
    await expect(objects('No#view', 'alice')).rejects.toMatchObject({ code: 'not_found' });
    await expect(objects('Doc#no', 'alice')).rejects.toMatchObject({ code: 'invalid' });
    await expect(objects('Doc#view', 'No:1#x')).rejects.toMatchObject({ code: 'not_found' });
    const tuples = [...chain(100), 'Group:100#members@alice'];
    const few = objects('Group#members', 'alice', tuples, { stepsMax: 50 }, GROUPS);
    await expect(few).rejects.toMatchObject({ facts: { reason: 'max_steps_exceeded' } });
  });

  it('climbs 10,000 groups', async () => {
    const tuples = [...chain(10_000), 'Group:10000#members@alice'];
    expect(await objects('Group#members', 'alice', tuples, {}, GROUPS)).toHaveLength(10_001);
  });

  it('asks nothing of the objects that the subject has nothing to do with', async () => {
    const tuples = Array.from({ length: 20_000 }, (_, i) => `Doc:${i}#viewers@u${i % 200}`);
    const few = await objects('Doc#read', 'u7', tuples, { stepsMax: 2000 });
    expect(few).toHaveLength(100);
  });

  it('lets others have the thread meanwhile', async () => {
    const tuples = Array.from({ length: 50_000 }, (_, i) => `Doc:${i}#viewers@alice`);
    const view = viewOf(tuples);
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    try {
      const question = { namespace: 'Doc', relation: 'read', subject: { id: 'alice' } };
      expect(await listObjects(MODEL, view, question, LIMITS)).toHaveLength(50_000);
      const on = { namespace: 'Doc', object: '1', relation: 'unbanned' };
      expect(await listSubjects(MODEL, view, { on }, LIMITS)).toHaveLength(1);
    } finally {
      clearInterval(ticking);
    }
    expect(turns).toBeGreaterThan(1);
  });
});

describe('list subjects', () => {
  it('follows sets, parents and permits down to the subjects', async () => {
    expect(await subjects('Doc:grouped#view')).toEqual(['alice']);
    expect(await subjects('Doc:filed#view')).toEqual(['alice']);
    expect(await subjects('Doc:filed#twice')).toEqual(['alice']);
    expect(await subjects('Doc:stored#view')).toEqual([]);
    expect(await subjects('Doc:stored#view', 'User')).toEqual(['User:carol']);
    expect(await subjects('Doc:stored#view', 'User', TUPLES, { isStrict: true })).toEqual([]);
  });

  it('leaves out what a negation takes away, and finds what it alone grants', async () => {
    expect(await subjects('Doc:banned#read')).toEqual([]);
    expect(await subjects('Doc:banned#unbanned')).toEqual(['bob']);
    expect(await subjects('Doc:banned#unbanned', 'User')).toEqual(['User:*', 'User:carol']);
  });

  it('names a wildcard next to all that it grants, in the one type', async () => {
    expect(await subjects('Doc:all#view', 'User')).toEqual(['User:*', 'User:carol']);
    expect(await subjects('Doc:all#view', 'Group')).toEqual([]);
    expect(await subjects('Doc:all#view')).toEqual([]);
  });

  it('refuses what is not declared, and is exhausted when the steps are used up', async () => {
    await expect(subjects('No:1#view')).rejects.toMatchObject({ code: 'not_found' });
    await expect(subjects('Doc:1#no')).rejects.toMatchObject({ code: 'invalid' });
    await expect(subjects('Doc:1#view', 'No')).rejects.toMatchObject({ code: 'not_found' });
    const tuples = Array.from({ length: 100 }, (_, i) => `Doc:1#viewers@${i}`);
    const few = subjects('Doc:1#read', undefined, tuples, { stepsMax: 150 });
    await expect(few).rejects.toMatchObject({ facts: { reason: 'max_steps_exceeded' } });
  });

  it('descends 10,000 groups', async () => {
    const tuples = [...chain(10_000), 'Group:10000#members@alice'];
    expect(await subjects('Group:0#members', undefined, tuples, {}, GROUPS)).toEqual(['alice']);
  });
});
