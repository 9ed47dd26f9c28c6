import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Served, serve } from './app.fixture.ts';

let s: Served;
beforeEach(() => {
  s = serve();
});
afterEach(() => s.app.close());

const PATHS = ['/admin/relation-tuples', '/relation-tuples'];
const MALFORMED = 'The request was malformed or contained invalid parameters';
const NOT_FOUND = 'The requested resource could not be found';
const tuple = (object: string, subject_id = 'ann'): Record<string, unknown> => ({
  namespace: 'app',
  object,
  relation: 'read',
  subject_id,
});
const set = { namespace: 'Group', object: 'g', relation: 'members' };
const insert = (t: unknown): object => ({ action: 'insert', relation_tuple: t });
const remove = (t: unknown): object => ({ action: 'delete', relation_tuple: t });
async function stored(): Promise<string[]> {
  const { items } = await s.permissions.listTuples({});
  return items.map((t) => t.object);
}

describe.each(PATHS)('PUT %s', (path) => {
  it('stores a tuple, answers it and says where it is', async () => {
    const { status, json, headers } = await s.ask('PUT', path, tuple('a b&c'));
    expect([status, json]).toEqual([201, tuple('a b&c')]);
    const location = 'namespace=app&object=a+b%26c&relation=read&subject_id=ann';
    expect(headers).toMatchObject({
      location: `/relation-tuples?${location}`,
      'content-type': 'application/json; charset=utf-8',
      'x-postern-snaptoken': 't1',
    });
    const { json: found } = await s.ask('GET', String(headers['location']));
    expect(found).toEqual({ relation_tuples: [tuple('a b&c')], next_page_token: '' });
    expect(s.permissions.writers).toEqual(['tester']);
  });

  it('stores a tuple of a subject set once', async () => {
    const body = { namespace: 'Doc', object: "d'(1)*~!", relation: 'readers', subject_set: set };
    for (let i = 0; i < 2; i++) {
      const { status, json, headers } = await s.ask('PUT', path, body);
      expect([status, json]).toEqual([201, body]);
      expect(headers['location']).toBe(
        '/relation-tuples?namespace=Doc&object=d%27%281%29%2A~%21&relation=readers&subject_set.namespace=Group&subject_set.object=g&subject_set.relation=members',
      );
    }
    expect(await stored()).toHaveLength(1);
  });

  it('takes missing names for empty ones', async () => {
    const { status, json } = await s.ask('PUT', path, { namespace: 'app', subject_id: '' });
    expect([status, json]).toEqual([
      201,
      { namespace: 'app', object: '', relation: '', subject_id: '' },
    ]);
  });

  it('leaves out a location that no client would read', async () => {
    const { status, headers } = await s.ask('PUT', path, tuple('x'.repeat(64 * 1024)));
    expect([status, headers['location']]).toEqual([201, undefined]);
  });

  it.each<[string, unknown, number, string, string | undefined]>([
    ['no body', undefined, 400, 'EOF', undefined],
    ['no JSON', '{', 400, 'Expected', undefined],
    ['a list', [], 400, 'a relation tuple must be an object', undefined],
    ['no subject', { namespace: 'app' }, 400, 'subject is not allowed to be nil', undefined],
    [
      'two subjects',
      { ...tuple('a'), subject_set: set },
      400,
      'exactly one of subject_set',
      undefined,
    ],
    [
      'an unknown namespace',
      { ...tuple('a'), namespace: 'x' },
      404,
      NOT_FOUND,
      'Unknown namespace with name "x".',
    ],
    [
      'an unknown namespace of the subject',
      { namespace: 'app', subject_set: {} },
      404,
      NOT_FOUND,
      'Unknown namespace with name "".',
    ],
    ['a NUL', tuple('\0'), 400, MALFORMED, 'The object contains a NUL character'],
    [
      'half a character',
      '{"namespace":"app","object":"\\udc00","subject_id":""}',
      400,
      MALFORMED,
      'The object is not well-formed Unicode',
    ],
    [
      'a name beyond the limit',
      tuple('é'.repeat(64 * 1024 + 1)),
      400,
      MALFORMED,
      'The object is longer than 131072 bytes',
    ],
    [
      'a time that is none',
      { ...tuple('a'), expires_at: 'tomorrow' },
      400,
      '"expires_at" must be a time',
      undefined,
    ],
    [
      'a day that is none',
      { ...tuple('a'), expires_at: '2026-02-30T00:00:00Z' },
      400,
      '"expires_at" must be a time',
      undefined,
    ],
    [
      'a time without zone',
      { ...tuple('a'), expires_at: '2026-02-03T00:00:00' },
      400,
      '"expires_at" must be a time',
      undefined,
    ],
    [
      'a number for a time',
      { ...tuple('a'), expires_at: 5 },
      400,
      '"expires_at" must be a string',
      undefined,
    ],
  ])('refuses %s', async (_, body, status, message, reason) => {
    const { status: got, error } = await s.ask('PUT', path, body);
    expect([got, error.message?.slice(0, message.length), error.reason]).toEqual([
      status,
      message,
      reason,
    ]);
    expect(await stored()).toEqual([]);
  });
});

describe.each(PATHS)('PATCH %s', (path) => {
  it('does all inserts before all deletes, in one transaction', async () => {
    const both = [remove(tuple('a')), insert(tuple('a')), insert(tuple('b'))];
    const { status, text, headers } = await s.ask('PATCH', path, both);
    expect([status, text, headers['content-type']]).toEqual([204, '', undefined]);
    expect(headers['x-postern-snaptoken']).toBe('t1');
    expect(await stored()).toEqual(['b']);
  });

  it('takes nothing for a success', async () => {
    for (const body of [[], {}, { deltas: [] }])
      expect((await s.ask('PATCH', path, body)).status).toBe(204);
  });

  it('applies nothing when one delta fails', async () => {
    const body = [insert(tuple('a')), remove({ ...tuple('b'), namespace: 'x' })];
    const { status, error } = await s.ask('PATCH', path, body);
    expect([status, error.reason]).toEqual([404, 'Unknown namespace with name "x".']);
    expect(await stored()).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ['a text', '"x"', 'the deltas must be an array'],
    ['null', 'null', 'the deltas must be an array'],
    ['null for a delta', [null], 'relation_tuple is missing'],
    ['no tuple', [{ action: 'insert' }], 'relation_tuple is missing'],
    ['no tuple and an unknown action', [{ action: 'x' }], 'relation_tuple is missing'],
    [
      'no subject and an unknown action',
      [{ action: 'x', relation_tuple: {} }],
      'subject is not allowed to be nil',
    ],
    ['an unknown action', [{ ...insert(tuple('a')), action: 'upsert' }], 'unknown action upsert'],
    ['no action', [{ relation_tuple: tuple('a') }], 'unknown action '],
    [
      'an action that is no text',
      [{ ...insert(tuple('a')), action: {} }],
      'unknown action (no text)',
    ],
    ['an unknown key', { deltas: [], precondition: [] }, 'key "precondition" unknown'],
    ['deltas that are no list', { deltas: {} }, 'the deltas must be an array'],
    ['preconditions that are no list', { preconditions: {} }, '"preconditions" must be an array'],
    ['validate that is no boolean', { validate: 'yes' }, '"validate" must be a boolean'],
    ['an empty precondition', { preconditions: [{}] }, 'a precondition has either'],
    [
      'a double precondition',
      { preconditions: [{ must_match: {}, must_not_match: {} }] },
      'a precondition has either',
    ],
    [
      'a misspelt filter',
      { preconditions: [{ must_match: { objects: 'a' } }] },
      'filter key "objects" unknown',
    ],
    [
      'a filter with half a set',
      { preconditions: [{ must_match: { subject_set: { object: 'a' } } }] },
      'incomplete subject',
    ],
  ])('refuses %s', async (_, body, message) => {
    const { status, error } = await s.ask('PATCH', path, body);
    expect([status, error.message?.slice(0, message.length)]).toEqual([400, message]);
  });

  it('writes only where the preconditions hold', async () => {
    await s.store('app:a#read@ann');
    const patch = (preconditions: unknown): object => ({
      deltas: [insert(tuple('b'))],
      preconditions,
    });
    const refused = await s.ask('PATCH', path, patch([{ must_not_match: { object: 'a' } }]));
    expect([refused.status, refused.error.message, refused.error.reason]).toEqual([
      409,
      'The resource could not be created due to a conflict',
      'A precondition does not hold',
    ]);
    expect((await s.ask('PATCH', path, patch([{ must_match: { object: 'z' } }]))).status).toBe(409);
    const held = [{ must_match: tuple('a') }, { must_not_match: { subject_set: set } }];
    expect((await s.ask('PATCH', path, patch(held))).status).toBe(204);
  });

  it('validates against the model where it is asked to', async () => {
    const deltas = [insert({ ...tuple('a'), namespace: 'Doc', relation: 'view' })];
    const { status, error } = await s.ask('PATCH', path, { deltas, validate: true });
    expect([status, error.reason]).toEqual([400, `relation "view" can't be written`]);
    expect((await s.ask('PATCH', path, { deltas, validate: false })).status).toBe(204);
  });

  it('answers the same request with the same key again, and writes nothing', async () => {
    const key = { 'idempotency-key': 'k1' };
    const first = await s.ask('PATCH', path, [insert(tuple('a'))], key);
    await s.ask('PATCH', path, [remove(tuple('a'))]);
    const again = await s.ask('PATCH', path, [insert(tuple('a'))], key);
    expect([again.status, again.headers['x-postern-snaptoken']]).toEqual([
      204,
      first.headers['x-postern-snaptoken'],
    ]);
    expect(await stored()).toEqual([]);
    expect((await s.ask('PATCH', path, [insert(tuple('b'))], key)).status).toBe(409);
    expect((await s.ask('PUT', path, tuple('c'), { 'idempotency-key': '' })).status).toBe(400);
    const long = { 'idempotency-key': 'k'.repeat(257) };
    expect((await s.ask('PUT', path, tuple('c'), long)).status).toBe(400);
  });
});

describe.each(PATHS)('DELETE %s', (path) => {
  it('removes what matches', async () => {
    await s.store(
      'app:a#read@ann',
      'app:a#read@Group:g#members',
      'app:b#read@ann',
      'Doc:a#owners@ann',
    );
    const url = `${path}?namespace=app&subject_id=ann`;
    const { status, text, headers } = await s.ask('DELETE', url);
    expect([status, text, headers['x-postern-snaptoken']]).toEqual([204, '', 't2']);
    expect(await stored()).toEqual(['a', 'a']);
    expect((await s.ask('DELETE', url)).status).toBe(204);
  });

  it('takes a content type without content, as clients send it', async () => {
    const headers = { 'content-type': 'application/json' };
    const { status } = await s.ask('DELETE', `${path}?namespace=app`, undefined, headers);
    expect(status).toBe(204);
  });

  const noNamespace = 'query parameters must specify at least one of the following: namespace';
  it.each<[string, string, unknown, number, string, string | undefined]>([
    ['no namespace', '', undefined, 400, MALFORMED, noNamespace],
    [
      'an unknown key',
      '?namespace=app&objects=a',
      undefined,
      400,
      MALFORMED,
      'query parameter key "objects" unknown',
    ],
    ['a body', '?namespace=app', '{}', 400, MALFORMED, 'body is not empty'],
    [
      'all at once',
      '?x=1',
      'x',
      400,
      MALFORMED,
      `query parameter key "x" unknown; ${noNamespace}; body is not empty`,
    ],
    [
      'subject',
      '?namespace=app&subject=ann',
      undefined,
      400,
      MALFORMED,
      'provide "subject_id" or "subject_set.*"; support for "subject" was dropped',
    ],
    [
      'a part of a set',
      '?namespace=app&subject_set.object=',
      undefined,
      400,
      'incomplete subject, provide "subject_id" or a complete "subject_set.*"',
      undefined,
    ],
    [
      'a repeated key',
      '?namespace=app&namespace=app',
      undefined,
      400,
      'query parameter key "namespace" is repeated',
      undefined,
    ],
    [
      'an unknown namespace',
      '?namespace=x',
      undefined,
      404,
      NOT_FOUND,
      'Unknown namespace with name "x".',
    ],
  ])('refuses %s', async (_, query, body, status, message, reason) => {
    await s.store('app:a#read@ann');
    const { status: got, error } = await s.ask('DELETE', path + query, body);
    expect([got, error.message, error.reason]).toEqual([status, message, reason]);
    expect(await stored()).toEqual(['a']);
  });
});

describe('who may write', () => {
  it.each(['PUT', 'PATCH', 'DELETE'] as const)(
    'is asked before the body of a %s is read',
    async (method) => {
      await s.store('app:a#read@ann');
      for (const path of PATHS) {
        const url = `${path}?namespace=app`;
        const none = await s.app.inject({
          method,
          url,
          payload: '{',
          headers: { 'x-request-id': 'r' },
        });
        expect(none.statusCode).toBe(401);
        expect(none.headers['www-authenticate']).toBe('Bearer');
        expect(none.json()).toEqual({
          error: {
            code: 401,
            status: 'Unauthorized',
            message: 'The request could not be authorized',
            reason: 'No token was given',
            request: 'r',
          },
        });
        const wrong = await s.ask(method, url, '{', { authorization: 'Bearer bad' });
        expect([wrong.status, wrong.error]).toEqual([
          403,
          {
            code: 403,
            status: 'Forbidden',
            message: 'The requested action was forbidden',
            reason: 'This token may not write',
            details: { decision_id: 'd1' },
          },
        ]);
      }
      expect(await stored()).toEqual(['a']);
    },
  );

  it('is not asked of readers', async () => {
    expect((await s.app.inject({ url: '/relation-tuples' })).statusCode).toBe(200);
  });
});

describe('hostile names', () => {
  const names = [
    '',
    ' ',
    '#:@',
    'a:b#c@d',
    '(x)',
    '__proto__',
    'constructor',
    '*',
    '...',
    'é̀𝔘🏴‍☠️',
    '\u202e',
    '%00',
    '"\\\n',
    '&=+?',
    'x'.repeat(64 * 1024),
  ];
  it.each(names.map((n) => [n]))('are stored, found and checked as they are: %j', async (name) => {
    const body = { namespace: 'app', object: name, relation: name, subject_id: name };
    const inSet = {
      namespace: 'app',
      object: name,
      relation: name,
      subject_set: { namespace: 'app', object: name, relation: name },
    };
    for (const t of [body, inSet]) {
      const put = await s.ask('PUT', '/admin/relation-tuples', t);
      expect([put.status, put.json]).toEqual([201, t]);
      expect((await s.ask('POST', '/relation-tuples/check', t)).json).toEqual({ allowed: true });
    }
    expect(
      (await s.ask('POST', '/relation-tuples/check', { ...body, object: `${name}x` })).status,
    ).toBe(403);
    const { json } = await s.ask('GET', '/relation-tuples');
    expect(json).toEqual({ relation_tuples: [body, inSet], next_page_token: '' });
    if (name.length > 1000) return;
    const q = new URLSearchParams({
      namespace: 'app',
      object: name,
      relation: name,
      subject_id: name,
    });
    expect((await s.ask('GET', `/relation-tuples/check?${q}`)).json).toEqual({ allowed: true });
    expect((await s.ask('DELETE', `/admin/relation-tuples?${q}`)).status).toBe(204);
    expect((await s.ask('GET', `/relation-tuples/check?${q}`)).status).toBe(403);
  });
});
