import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Served, serve } from './app.fixture.ts';

let s: Served;
beforeEach(async () => {
  s = serve();
  await s.store(
    'Doc:a#owners@ann',
    'Doc:b#readers@Group:g#members',
    'Group:g#members@bob',
    'Group:g#members@User:eve',
    'Doc:c#parents@Doc:b#',
  );
});
afterEach(() => s.app.close());

describe('list objects', () => {
  const url = '/relation-tuples/list-objects';
  it('answers the same for a query and a body', async () => {
    const expected = { objects: ['b', 'c'], next_page_token: '' };
    const query = await s.ask('GET', `${url}?namespace=Doc&relation=view&subject_id=bob`);
    expect([query.status, query.json]).toEqual([200, expected]);
    expect(query.headers['x-postern-snaptoken']).toBe('t1');
    const body = { namespace: 'Doc', relation: 'view', subject_id: 'bob' };
    expect((await s.ask('POST', url, body)).json).toEqual(expected);
    const eve = { namespace: 'User', object: 'eve', relation: '' };
    const set = { namespace: 'Doc', relation: 'view', subject_set: eve };
    expect((await s.ask('POST', url, set)).json).toEqual(expected);
  });

  it('answers an empty list, and pages', async () => {
    const none = await s.ask('GET', `${url}?namespace=Doc&relation=view&subject_id=nobody`);
    expect(none.json).toEqual({ objects: [], next_page_token: '' });
    const body = { namespace: 'Doc', relation: 'view', subject_id: 'bob', page_size: 1 };
    const first = await s.ask('POST', url, body);
    expect(first.json).toEqual({ objects: ['b'], next_page_token: 'p1' });
    const next = await s.ask('POST', url, { ...body, page_token: 'p1' });
    expect(next.json).toEqual({ objects: ['c'], next_page_token: '' });
    const query = 'namespace=Doc&relation=view&subject_id=bob&page_size=1&page_token=p1';
    expect((await s.ask('GET', `${url}?${query}`)).json).toEqual(next.json);
  });

  it('takes contextual tuples', async () => {
    const contextual_tuples = [
      { namespace: 'Doc', object: 'z', relation: 'owners', subject_id: 'bob' },
    ];
    const body = { namespace: 'Doc', relation: 'view', subject_id: 'bob', contextual_tuples };
    const { json } = await s.ask('POST', url, body);
    expect(json).toEqual({ objects: ['b', 'c', 'z'], next_page_token: '' });
  });

  it.each([
    [
      'no relation',
      'namespace=Doc&subject_id=a',
      400,
      'incomplete query, provide "namespace", "relation"',
    ],
    ['no subject', 'namespace=Doc&relation=view', 400, 'subject is not allowed to be nil'],
    [
      'an unknown namespace',
      'namespace=x&relation=view&subject_id=a',
      404,
      'The requested resource could not be found',
    ],
    [
      'an undeclared relation',
      'namespace=Doc&relation=x&subject_id=a',
      400,
      'The request was malformed or contained invalid parameters',
    ],
    [
      'a bad page size',
      'namespace=Doc&relation=view&subject_id=a&page_size=x',
      400,
      'strconv.Atoi: parsing "x": invalid syntax',
    ],
  ])('refuses %s', async (_, query, status, message) => {
    const { status: got, error } = await s.ask('GET', `${url}?${query}`);
    expect([got, error.message]).toEqual([status, message]);
  });

  it('refuses a body that says two things', async () => {
    const body = { namespace: 'Doc', relation: 'view', subject_id: 'a', subject_set: {} };
    expect((await s.ask('POST', url, body)).status).toBe(400);
    expect((await s.ask('POST', url, { ...body, page_size: 'x' })).status).toBe(400);
    expect((await s.ask('POST', url, [])).status).toBe(400);
  });
});

describe('list subjects', () => {
  const url = '/relation-tuples/list-subjects';
  it('answers ids, or the objects of a namespace', async () => {
    const ids = await s.ask('GET', `${url}?namespace=Doc&object=c&relation=view`);
    expect([ids.status, ids.json]).toEqual([
      200,
      { subjects: [{ subject_id: 'bob' }], next_page_token: '' },
    ]);
    const eve = { subject_set: { namespace: 'User', object: 'eve', relation: '' } };
    const expected = { subjects: [eve], next_page_token: '' };
    const query = 'namespace=Doc&object=c&relation=view&subject_namespace=User';
    expect((await s.ask('GET', `${url}?${query}`)).json).toEqual(expected);
    const body = { namespace: 'Doc', object: 'c', relation: 'view', subject_namespace: 'User' };
    expect((await s.ask('POST', url, body)).json).toEqual(expected);
  });

  it('refuses a question that lacks a name', async () => {
    const { status, error } = await s.ask('GET', `${url}?namespace=Doc&object=c`);
    expect([status, error.message]).toEqual([
      400,
      'incomplete query, provide "namespace", "object", "relation"',
    ]);
    expect((await s.ask('POST', url, { namespace: 'Doc', object: 'c' })).status).toBe(400);
  });
});

describe('explain', () => {
  const url = '/relation-tuples/explain';
  const query = 'namespace=Doc&object=b&relation=view';

  it('shows what an answer rests on', async () => {
    const { status, json, headers } = await s.ask('GET', `${url}?${query}&subject_id=bob`);
    expect([status, headers['x-postern-snaptoken']]).toEqual([200, 't1']);
    expect(json).toMatchObject({
      allowed: true,
      tree: { type: 'relation', namespace: 'Doc', object: 'b', relation: 'view', allowed: true },
    });
    expect(JSON.stringify(json)).toContain('"stored":{"subject_id":"bob"}');
    const body = { namespace: 'Doc', object: 'b', relation: 'view', subject_id: 'bob' };
    expect((await s.ask('POST', url, body)).json).toEqual(json);
  });

  it('answers 200 for a denial, and for a check without an answer', async () => {
    const denied = await s.ask('GET', `${url}?${query}&subject_id=nobody`);
    expect([denied.status, denied.json]).toMatchObject([200, { allowed: false }]);
    await s.store('Doc:p#parents@Doc:p#');
    const odd = await s.ask('GET', `${url}?namespace=Doc&object=p&relation=odd&subject_id=bob`);
    expect([odd.status, odd.json]).toMatchObject([
      200,
      { allowed: null, error: { code: 422, reason: 'negative_cycle' }, tree: { allowed: null } },
    ]);
  });

  it('refuses what check refuses', async () => {
    expect((await s.ask('GET', `${url}?${query}`)).status).toBe(400);
    expect((await s.ask('POST', url, {})).status).toBe(400);
    const x = await s.ask('GET', `${url}?namespace=x&object=&relation=&subject_id=`);
    expect([x.status, x.error.reason]).toEqual([404, 'Unknown namespace with name "x".']);
  });
});
