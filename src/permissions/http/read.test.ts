import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Served, serve } from './app.fixture.ts';

let s: Served;
beforeEach(async () => {
  s = serve();
  await s.store(
    'app:home#read@ann',
    'Doc:d#owners@ann',
    'Doc:d#readers@Group:g#members',
    'Group:g#members@bob',
    'Doc:sub#parents@Doc:d#',
  );
});
afterEach(() => s.app.close());

const MALFORMED = 'The request was malformed or contained invalid parameters';
const ANN = 'namespace=app&object=home&relation=read&subject_id=ann';

describe('GET check', () => {
  const part = 'namespace=app&object=home&relation=read';
  const set = 'subject_set.namespace=Group&subject_set.object=g&subject_set.relation=members';
  it.each([
    ['a stored tuple', ANN, 200, { allowed: true }],
    ['another subject', ANN.replace('ann', 'eve'), 403, { allowed: false }],
    ['an unknown namespace', ANN.replace('app', 'x'), 403, { allowed: false }],
    [
      'an unknown namespace of the subject',
      `${part}&${set.replace('Group', 'x')}`,
      403,
      { allowed: false },
    ],
    ['a subject set', `namespace=Doc&object=d&relation=readers&${set}`, 200, { allowed: true }],
    ['a permit', 'namespace=Doc&object=sub&relation=view&subject_id=bob', 200, { allowed: true }],
    [
      'a plus for a space, and percent',
      'namespace=app&object=a+b%2B&relation=&subject_id=',
      403,
      { allowed: false },
    ],
    ['empty names', 'namespace=app&object=&relation=&subject_id=', 403, { allowed: false }],
    ['a key without =', 'namespace=app&object&relation&subject_id', 403, { allowed: false }],
    ['unknown keys', `${ANN}&whatever=1`, 200, { allowed: true }],
    ['depth 0x10', `${ANN}&max-depth=0x10`, 200, { allowed: true }],
    ['a negative depth', `${ANN}&max-depth=-1`, 200, { allowed: true }],
  ])('answers %s', async (_, query, status, body) => {
    const answer = await s.ask('GET', `/relation-tuples/check?${query}`);
    expect([answer.status, answer.json]).toEqual([status, body]);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const open = await s.ask('GET', `/relation-tuples/check/openapi?${query}`);
    expect([open.status, open.json]).toEqual([200, body]);
    const old = await s.ask('GET', `/check?${query}`);
    expect([old.status, old.json]).toEqual([status, body]);
  });

  it.each([
    ['subject', `${part}&subject=ann`, MALFORMED],
    [
      'both subjects',
      `${ANN}&${set}`,
      'exactly one of subject_set or subject_id has to be provided',
    ],
    [
      'an id and a part of a set',
      `${ANN}&subject_set.object=`,
      'exactly one of subject_set or subject_id has to be provided',
    ],
    [
      'a part of a set',
      `${part}&subject_set.object=g`,
      'incomplete subject, provide "subject_id" or a complete "subject_set.*"',
    ],
    ['no subject', part, 'subject is not allowed to be nil'],
    ['no subject and no object', 'namespace=app', 'subject is not allowed to be nil'],
    [
      'no object',
      'namespace=app&relation=read&subject_id=a',
      'incomplete tuple, provide "namespace", "object", "relation", and a subject',
    ],
    [
      'a depth that is no number',
      `${ANN}&max-depth=foo`,
      `unable to parse 'max-depth' query parameter to int: strconv.ParseInt: parsing "foo": invalid syntax`,
    ],
    [
      'an empty depth',
      `${ANN}&max-depth=`,
      `unable to parse 'max-depth' query parameter to int: strconv.ParseInt: parsing "": invalid syntax`,
    ],
    [
      'a huge depth',
      `${ANN}&max-depth=99999999999999999999`,
      `unable to parse 'max-depth' query parameter to int: strconv.ParseInt: parsing "99999999999999999999": value out of range`,
    ],
    ['a repeated key', `${ANN}&object=other`, 'query parameter key "object" is repeated'],
    [
      'bytes that are no text',
      ANN.replace('home', '%ff'),
      'the query is not percent-encoded UTF-8',
    ],
    ['a broken escape', ANN.replace('home', '%zz'), 'the query is not percent-encoded UTF-8'],
    ['a NUL', ANN.replace('home', '%00'), MALFORMED],
    ['latest that is no boolean', `${ANN}&latest=maybe`, '"latest" must be true or false'],
  ])('refuses %s', async (_, query, message) => {
    for (const path of ['/relation-tuples/check', '/relation-tuples/check/openapi', '/check']) {
      const { status, error } = await s.ask('GET', `${path}?${query}`);
      expect(status).toBe(400);
      expect(error).toMatchObject({ code: 400, status: 'Bad Request', message });
    }
  });

  it('refuses an undeclared relation with the reason', async () => {
    const { status, error } = await s.ask(
      'GET',
      '/check?namespace=Doc&object=d&relation=x&subject_id=a',
    );
    expect(status).toBe(400);
    expect(error).toMatchObject({ message: MALFORMED, reason: 'relation "x" does not exist' });
  });

  it('answers 422 for a check that has no answer', async () => {
    await s.store('Doc:p#parents@Doc:p#');
    const { status, error } = await s.ask(
      'GET',
      '/check?namespace=Doc&object=p&relation=odd&subject_id=a',
    );
    expect(status).toBe(422);
    expect(error).toMatchObject({
      code: 422,
      status: 'Unprocessable Entity',
      message: 'The check could not be completed',
      reason: 'negative_cycle',
    });
  });
});

describe('POST check', () => {
  const ann = { namespace: 'app', object: 'home', relation: 'read', subject_id: 'ann' };
  it.each<[string, unknown, number, unknown]>([
    ['a stored tuple', ann, 200, { allowed: true }],
    ['a null set beside an id', { ...ann, subject_set: null }, 200, { allowed: true }],
    ['unknown keys', { ...ann, more: 1, __proto__x: 2 }, 200, { allowed: true }],
    ['missing names', { namespace: 'app', subject_id: 'ann' }, 403, { allowed: false }],
    ['an unknown namespace', { subject_id: 'ann' }, 403, { allowed: false }],
    [
      'a contextual tuple',
      { ...ann, subject_id: 'eve', contextual_tuples: [{ ...ann, subject_id: 'eve' }] },
      200,
      { allowed: true },
    ],
    ['consistency', { ...ann, consistency: 'fully_consistent' }, 200, { allowed: true }],
    [
      'the snapshot before',
      { ...ann, consistency: { at_exact_snapshot: 't0' } },
      403,
      { allowed: false },
    ],
    [
      'no token to be as fresh as',
      { ...ann, consistency: { at_least_as_fresh: 'not yet implemented' } },
      200,
      { allowed: true },
    ],
  ])('answers %s', async (_, body, status, answer) => {
    for (const path of ['/relation-tuples/check', '/check']) {
      const got = await s.ask('POST', path, body);
      expect([got.status, got.json]).toEqual([status, answer]);
    }
    const open = await s.ask('POST', '/relation-tuples/check/openapi', body);
    expect([open.status, open.json]).toEqual([200, answer]);
  });

  it.each<[string, unknown, string]>([
    ['no body', undefined, 'could not unmarshal json: EOF'],
    ['no JSON', 'not-json', 'could not unmarshal json: '],
    ['an array', [], 'could not unmarshal json: the body must be an object'],
    ['null', 'null', 'could not unmarshal json: the body must be an object'],
    ['no subject', { namespace: 'app' }, 'subject is not allowed to be nil'],
    [
      'both subjects',
      { ...ann, subject_set: {} },
      'exactly one of subject_set or subject_id has to be provided',
    ],
    ['a number for a name', { ...ann, object: 1 }, '"object" must be a string'],
    ['a list for a set', { subject_set: [] }, '"subject_set" must be an object'],
    ['unknown consistency', { ...ann, consistency: 'eventual' }, '"consistency" must be'],
    [
      'two consistencies',
      { ...ann, consistency: { at_least_as_fresh: 'a', at_exact_snapshot: 'b' } },
      '"consistency" must be',
    ],
    [
      'an empty snapshot',
      { ...ann, consistency: { at_exact_snapshot: '' } },
      '"consistency" must be',
    ],
    [
      'contextual tuples without subject',
      { ...ann, contextual_tuples: [{}] },
      'subject is not allowed to be nil',
    ],
    [
      'contextual tuples that are no list',
      { ...ann, contextual_tuples: {} },
      '"contextual_tuples" must be an array',
    ],
    ['a depth that is no integer', { ...ann, 'max-depth': 1.5 }, '"max-depth" must be an integer'],
    ['a surrogate alone', '{"namespace":"app","subject_id":"\\ud800"}', MALFORMED],
  ])('refuses %s', async (_, body, message) => {
    const { status, error } = await s.ask('POST', '/relation-tuples/check', body);
    expect(status).toBe(400);
    expect(error.message?.startsWith(message)).toBe(true);
  });

  it('takes JSON of any content type that can hold it, as curl and forms send it', async () => {
    for (const type of [
      'application/x-www-form-urlencoded',
      'text/plain',
      'application/json; charset=utf-8',
    ])
      expect((await s.ask('POST', '/check', ann, { 'content-type': type })).status).toBe(200);
  });

  it('tells content that it can not read in the shape of every error', async () => {
    const form = await s.ask('POST', '/check', ann, {
      'content-type': 'multipart/form-data; boundary=x',
    });
    expect([form.status, form.error.status]).toEqual([415, 'Unsupported Media Type']);
    const zipped = await s.ask('POST', '/check', ann, { 'content-encoding': 'gzip' });
    expect([zipped.status, zipped.error.code]).toEqual([415, 415]);
    const large = await s.ask('POST', '/check', `"${'x'.repeat(9 << 20)}"`);
    expect([large.status, large.error.status]).toEqual([413, 'Payload Too Large']);
    const bytes = await s.app.inject({
      method: 'POST',
      url: '/check',
      payload: Buffer.from([0xff]),
    });
    expect([bytes.statusCode, bytes.json()]).toMatchObject([
      400,
      { error: { message: 'the body is not UTF-8' } },
    ]);
  });
});
