import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import { type Served, serve } from './app.fixture.ts';

let s: Served;
beforeEach(async () => {
  s = serve();
  await s.store('Doc:d#owners@ann', 'Doc:d#readers@Group:g#members', 'Group:g#members@bob');
});
afterEach(() => s.app.close());

const NOT_FOUND = 'The requested resource could not be found';
const tuple = (object: string, relation: string, subject_id: string): object => ({
  namespace: 'Doc',
  object,
  relation,
  subject_id,
});

describe('batch check', () => {
  const batch = (body: unknown, query = '') =>
    s.ask('POST', `/relation-tuples/batch/check${query}`, body);

  it('answers in the order of the questions, each with its own error', async () => {
    await s.store('Doc:p#parents@Doc:p#');
    const tuples = [
      tuple('d', 'view', 'bob'),
      tuple('d', 'view', 'eve'),
      { ...tuple('d', 'view', 'bob'), namespace: 'x' },
      tuple('d', 'nope', 'bob'),
      { namespace: 'Doc' },
      tuple('p', 'odd', 'bob'),
      tuple('d', 'owners', 'ann'),
    ];
    const { status, json, headers } = await batch({ tuples });
    expect([status, json]).toEqual([
      200,
      {
        results: [
          { allowed: true },
          { allowed: false },
          { allowed: false, error: NOT_FOUND },
          { allowed: false, error: 'relation "nope" does not exist' },
          { allowed: false, error: 'subject is not allowed to be nil' },
          { allowed: false, error: 'negative_cycle' },
          { allowed: true },
        ],
      },
    ]);
    expect(headers['x-postern-snaptoken']).toBe('t2');
  });

  it('answers nothing for nothing', async () => {
    for (const body of [{ tuples: [] }, { tuples: null }, {}])
      expect((await batch(body)).json).toEqual({ results: [] });
  });

  it('takes contextual tuples for all of them', async () => {
    const tuples = [tuple('n', 'view', 'eve'), tuple('m', 'view', 'eve')];
    const contextual_tuples = [tuple('n', 'owners', 'eve')];
    expect((await batch({ tuples, contextual_tuples })).json).toEqual({
      results: [{ allowed: true }, { allowed: false }],
    });
  });

  it.each<[string, unknown, string, string]>([
    ['too many', { tuples: Array(11).fill({}) }, '', 'batch exceeds max size of 10'],
    ['no JSON', 'x', '', 'could not unmarshal json: '],
    ['no list', { tuples: {} }, '', 'could not unmarshal json: "tuples" must be an array'],
    ['null for a tuple', { tuples: [null] }, '', 'could not unmarshal json: a tuple must be'],
    ['two subjects', { tuples: [{ subject_id: '', subject_set: {} }] }, '', 'exactly one of'],
    ['a bad depth before a bad body', '', '?max-depth=foo', "unable to parse 'max-depth'"],
  ])('refuses %s', async (_, body, query, message) => {
    const { status, error } = await batch(body, query);
    expect([status, error.message?.slice(0, message.length)]).toEqual([400, message]);
  });

  it('takes as many as it was told', async () => {
    const many = serve({ limits: { maxBatchSize: 12 } });
    const body = { tuples: Array(12).fill(tuple('d', 'view', 'ann')) };
    expect((await many.ask('POST', '/relation-tuples/batch/check', body)).status).toBe(200);
    await many.app.close();
  });
});

describe('expand', () => {
  const g = 'namespace=Group&object=g&relation=members';
  const empty = { namespace: '', object: '', relation: '' };
  const set = (namespace: string, object: string, relation: string) => ({
    subject_set: { namespace, object, relation },
  });
  const leaf = { type: 'leaf', tuple: { ...empty, subject_id: 'bob' } };

  it('shows a union over the stored subjects, with empty names in their tuples', async () => {
    const query = 'namespace=Doc&object=d&relation=readers';
    const { status, json, headers } = await s.ask('GET', `/relation-tuples/expand?${query}`);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(json).toEqual({
      type: 'union',
      tuple: { ...empty, ...set('Doc', 'd', 'readers') },
      children: [
        { type: 'union', tuple: { ...empty, ...set('Group', 'g', 'members') }, children: [leaf] },
      ],
    });
  });

  it('shows whatever has no children as a leaf', async () => {
    const root = { type: 'leaf', tuple: { ...empty, ...set('Group', 'g', 'members') } };
    expect((await s.ask('GET', `/relation-tuples/expand?${g}&max-depth=1`)).json).toEqual(root);
    const none = await s.ask('GET', `/relation-tuples/expand?${g.replace('=g', '=none')}`);
    expect(none.json).toEqual({
      type: 'leaf',
      tuple: { ...empty, ...set('Group', 'none', 'members') },
    });
  });

  it.each([
    ['an unknown namespace', '/relation-tuples/expand?namespace=x', 404, NOT_FOUND],
    ['no namespace', '/relation-tuples/expand', 404, NOT_FOUND],
    [
      'a bad depth',
      `/relation-tuples/expand?${g}&max-depth=1.5`,
      400,
      "unable to parse 'max-depth' query",
    ],
    [
      'the old path without depth',
      `/expand?${g}`,
      400,
      "required query parameter 'max-depth' is missing",
    ],
  ])('refuses %s', async (_, url, status, message) => {
    const { status: got, error } = await s.ask('GET', url);
    expect([got, error.message?.slice(0, message.length)]).toEqual([status, message]);
  });

  it('shows the older shape on the older path', async () => {
    const { json } = await s.ask('GET', `/expand?${g}&max-depth=3`);
    expect(json).toEqual({
      type: 'union',
      subject: 'Group:g#members',
      ...set('Group', 'g', 'members'),
      children: [{ type: 'leaf', subject: 'bob', subject_id: 'bob' }],
    });
  });

  it.each(['/relation-tuples/expand', '/expand'])(
    'says on %s where a tree goes on',
    async (path) => {
      const node = (object: string) => ({
        type: 'union' as const,
        subject: { set: { namespace: 'Group', object, relation: 'members' } },
      });
      s.permissions.expand = async () => ({
        tree: {
          ...node('g'),
          children: [{ ...node('h'), children: [], truncated: 'depth' }],
          truncated: 'size',
        },
        token: '',
      });
      const { json } = await s.ask('GET', `${path}?${g}&max-depth=2`);
      expect(json).toMatchObject({
        type: 'union',
        truncated: 'size',
        children: [{ type: 'leaf', truncated: 'depth' }],
      });
    },
  );

  it('prints a tree that is deeper than the stack', async () => {
    const chain = Array.from({ length: 20_000 }, (_, i) => i);
    s.permissions.expand = async () => ({
      tree: chain.reduce<{ type: 'union'; subject: { id: string }; children: [] | [never] }>(
        (below) => ({ type: 'union', subject: { id: 'x' }, children: [below] as [never] }),
        { type: 'union', subject: { id: 'end' }, children: [] },
      ),
      token: '',
    });
    const answer = await s.app.inject({ url: `/relation-tuples/expand?${g}` });
    expect([answer.statusCode, answer.payload.match(/"children"/g)?.length]).toEqual([200, 20_000]);
  });
});

describe('list', () => {
  it('partitions the tuples into pages', async () => {
    await s.store(...Array.from({ length: 205 }, (_, i) => `app:o${i}#r@u`));
    const seen: unknown[] = [];
    const sizes: number[] = [];
    let token = '';
    do {
      const url = `/relation-tuples?namespace=app&page_token=${token}`;
      const { json } = await s.ask('GET', url);
      const page = json as { relation_tuples: { object: string }[]; next_page_token: string };
      seen.push(...page.relation_tuples.map((t) => t.object));
      sizes.push(page.relation_tuples.length);
      token = page.next_page_token;
    } while (token !== '');
    expect([new Set(seen).size, sizes]).toEqual([205, [100, 100, 5]]);
  });

  it.each([
    ['everything', '', 3],
    ['by namespace', '?namespace=Doc', 2],
    ['by subject', '?subject_id=bob', 1],
    [
      'by subject set',
      '?subject_set.namespace=Group&subject_set.object=g&subject_set.relation=members',
      1,
    ],
    ['nothing', '?namespace=app', 0],
    ['by an empty name', '?object=', 0],
    ['a page of a negative size', '?page_size=-5', 3],
    ['a page of size 0', '?page_size=0', 3],
    ['a page of no size', '?page_size=', 3],
    ['a huge page', '?page_size=99999999', 3],
    ['one', '?page_size=1', 1],
  ])('lists %s', async (_, query, count) => {
    const { status, json } = await s.ask('GET', `/relation-tuples${query}`);
    expect(status).toBe(200);
    const { relation_tuples } = json as { relation_tuples: unknown[] };
    expect(relation_tuples).toHaveLength(count);
  });

  it('shows when a tuple goes', async () => {
    const expires_at = '2099-01-02T03:04:05.678+01:00';
    await s.ask('PUT', '/admin/relation-tuples', { ...tuple('e', 'owners', 'eve'), expires_at });
    expect((await s.ask('GET', '/relation-tuples?object=e')).json).toEqual({
      relation_tuples: [{ ...tuple('e', 'owners', 'eve'), expires_at: '2099-01-02T02:04:05.678Z' }],
      next_page_token: '',
    });
  });

  it.each([
    ['an unknown namespace', '?namespace=x', 404, NOT_FOUND],
    [
      'an unknown namespace of the subject',
      '?subject_set.namespace=x&subject_set.object=&subject_set.relation=',
      404,
      NOT_FOUND,
    ],
    [
      'a size that is no number',
      '?page_size=ten',
      400,
      'strconv.Atoi: parsing "ten": invalid syntax',
    ],
    [
      'a size with a prefix',
      '?page_size=0x10',
      400,
      'strconv.Atoi: parsing "0x10": invalid syntax',
    ],
    [
      'a malformed page token',
      '?page_token=x',
      400,
      'The request was malformed or contained invalid parameters',
    ],
    ['subject', '?subject=x', 400, 'The request was malformed or contained invalid parameters'],
    [
      'a part of a subject set',
      '?subject_set.namespace=x',
      400,
      'incomplete subject, provide "subject_id" or a complete "subject_set.*"',
    ],
    [
      'a token from elsewhere',
      '?snaptoken=foreign',
      400,
      'The request was malformed or contained invalid parameters',
    ],
  ])('refuses %s', async (_, query, status, message) => {
    const { status: got, error } = await s.ask('GET', `/relation-tuples${query}`);
    expect([got, error.message]).toEqual([status, message]);
  });

  it('tells the unknown namespace, and nothing of another answer', async () => {
    const { error } = await s.ask('GET', '/relation-tuples?namespace=x');
    expect(error).toEqual({
      code: 404,
      status: 'Not Found',
      message: NOT_FOUND,
      reason: 'Unknown namespace with name "x".',
      details: { namespace: 'x' },
    });
  });

  it('answers 400 for a page token that is too old, and 410 for a snapshot', async () => {
    s.permissions.horizon = 1;
    const old = await s.ask('GET', '/relation-tuples?page_token=p0');
    expect([old.status, old.error.message]).toEqual([400, 'the page token has expired']);
    const body = { ...tuple('d', 'view', 'bob'), consistency: { at_exact_snapshot: 't0' } };
    expect((await s.ask('POST', '/relation-tuples/check', body)).status).toBe(410);
  });

  it('lists the namespaces', async () => {
    expect((await s.ask('GET', '/namespaces')).json).toEqual({
      namespaces: [{ name: 'Doc' }, { name: 'Group' }, { name: 'User' }, { name: 'app' }],
    });
  });
});

describe('freshness', () => {
  const url = '/relation-tuples/check?namespace=app&object=o&relation=r&subject_id=u';
  it.each([
    ['', undefined],
    ['&snaptoken=t1', { mode: 'at_least_as_fresh', token: 't1' }],
    ['&snaptoken=', undefined],
    ['&snaptoken=not+yet+implemented', undefined],
    ['&latest=true', { mode: 'fully_consistent' }],
    ['&latest=false', undefined],
    ['&latest=1&snaptoken=t1', { mode: 'fully_consistent' }],
  ])('reads %j', async (query, consistency) => {
    const { status, headers } = await s.ask('GET', url + query);
    expect([status, headers['x-postern-snaptoken']]).toEqual([403, 't1']);
    expect(s.permissions.asked.at(-1)).toEqual({
      isAbandoned: expect.any(Function),
      ...(consistency === undefined ? {} : { consistency }),
    });
  });

  it.each([
    ['', undefined, 7],
    ['&max-depth=3', undefined, 3],
    ['&max-depth=9', undefined, 7],
    ['&max-depth=0', undefined, 7],
    ['&max-depth=-4', undefined, 7],
    ['', 5, 5],
    ['&max-depth=3', 5, 5],
  ])('bounds the depth of %j and %j by the limit', async (query, inBody, expected) => {
    const limited = serve({ limits: { maxBatchSize: 10, maxReadDepth: 7 } });
    let asked: unknown;
    limited.permissions.check = async (_on, _subject, o) => {
      asked = o?.maxDepth;
      return { allowed: true, token: '' };
    };
    if (inBody === undefined) await limited.ask('GET', url + query);
    else
      await limited.ask('POST', `/check?${query}`, {
        ...tuple('d', 'view', 'bob'),
        'max-depth': inBody,
      });
    expect(asked).toBe(expected);
    await limited.app.close();
  });

  it('takes a model version, and says when there is none', async () => {
    const { status, error } = await s.ask('GET', `${url}&model_id=m1`);
    expect([status, error.reason]).toEqual([404, 'Unknown model version']);
  });
});

describe('errors', () => {
  it('tell nothing of a fault, and echo the id of the request', async () => {
    s.permissions.broken = new Error('secret: the password is 1234');
    const headers = { 'x-request-id': 'r-1' };
    const { status, json } = await s.ask('GET', '/relation-tuples', undefined, headers);
    expect([status, json]).toEqual([
      500,
      {
        error: {
          code: 500,
          status: 'Internal Server Error',
          message: 'An internal server error occurred, please contact the system administrator',
          request: 'r-1',
        },
      },
    ]);
  });

  it.each([
    [new PosternError('internal', 'secret'), 500, undefined],
    [new PosternError('unavailable', 'Too far behind', { hint: 'Wait' }), 503, 'Too far behind'],
    [new PosternError('exhausted', 'The store is full'), 429, 'The store is full'],
    [new PosternError('unsupported', 'Not here'), 501, 'Not here'],
    ['a text', 500, undefined],
    [undefined, 200, undefined],
  ])('have the status of %s', async (broken, status, reason) => {
    s.permissions.broken = broken;
    const answer = await s.ask('GET', '/relation-tuples');
    expect([answer.status, answer.error.reason]).toEqual([status, reason]);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it.each([
    ['GET', '/nowhere', 404],
    ['GET', '/', 404],
    ['POST', '/relation-tuples', 404],
    ['GET', '/admin/relation-tuples', 404],
    ['GET', '/%zz', 400],
  ] as const)('have one shape where there is no route: %s %s', async (method, url, status) => {
    const answer = await s.ask(method, url);
    expect([answer.status, answer.error.code]).toEqual([status, status]);
  });
});

describe('metadata', () => {
  it('is the same wherever it is asked', async () => {
    expect((await s.ask('GET', '/version')).json).toEqual({ version: '1.2.3' });
    expect((await s.ask('GET', '/health/alive')).json).toEqual({ status: 'ok' });
    expect((await s.ask('GET', '/health/ready')).json).toEqual({ status: 'ok' });
  });

  it('says why it is not ready, without what lies inside', async () => {
    const broken = serve({
      isReady: async () => {
        throw new Error('secret');
      },
    });
    const { status, json } = await broken.ask('GET', '/health/ready');
    expect(status).toBe(503);
    expect(json).toEqual({ errors: { permissions: 'Postern met an unexpected fault' } });
    await broken.app.close();
  });
});

describe('the permission language', () => {
  const check = (text: string) =>
    s.ask('POST', '/opl/syntax/check', text, { 'content-type': 'text/plain' });

  it('is clean', async () => {
    expect((await check('class User implements Namespace {}')).text).toBe('{}');
    expect((await s.ask('POST', '/opl/syntax/check')).text).toBe('{}');
  });

  it('shows errors with a capital Line, and warnings apart', async () => {
    const { status, json } = await check('ok\nerror here\nwarning');
    expect([status, json]).toEqual([
      200,
      {
        errors: [
          { message: 'error here', start: { Line: 2, column: 1 }, end: { Line: 2, column: 10 } },
        ],
        warnings: [
          { message: 'warning', start: { Line: 3, column: 1 }, end: { Line: 3, column: 7 } },
        ],
      },
    ]);
  });
});
