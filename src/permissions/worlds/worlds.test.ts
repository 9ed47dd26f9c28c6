import { describe, expect, it } from 'vitest';
import { PosternError } from '../../kernel/index.ts';
import type { Model } from '../model.ts';
import { readWorld, runWorld, type World, type WorldReport } from './index.ts';
import type { WorldEnvironment } from './world.ts';

/** What the compiler would give for a document with owners, viewers, and a permit `view`. */
const MODEL: Model = {
  namespaces: new Map([
    ['User', { name: 'User', relations: new Map() }],
    [
      'Doc',
      {
        name: 'Doc',
        relations: new Map([
          [
            'viewers',
            {
              name: 'viewers',
              types: [
                { namespace: 'User', relation: '', isWildcard: false },
                { namespace: 'User', relation: '', isWildcard: true },
              ],
            },
          ],
          ['blocked', { name: 'blocked', types: [] }],
          [
            'view',
            {
              name: 'view',
              types: [],
              rewrite: {
                kind: 'and',
                children: [
                  { kind: 'computed', relation: 'viewers' },
                  { kind: 'not', child: { kind: 'computed', relation: 'blocked' } },
                ],
              },
            },
          ],
        ]),
      },
    ],
  ]),
};

const environment: WorldEnvironment = {
  compile: (source) =>
    source === 'broken'
      ? {
          model: undefined,
          problems: [
            {
              severity: 'error',
              message: 'expected "{"',
              start: { line: 2, column: 3 },
              end: { line: 2, column: 4 },
            },
          ],
        }
      : { model: MODEL, problems: [] },
  readFile: (path) => {
    throw new PosternError('not_found', `${path} is not there`);
  },
};

const read = (text: string): World => readWorld(text, environment);
const run = (text: string, nowMs = 0): Promise<WorldReport> => runWorld(read(text), nowMs);
const failures = (report: WorldReport): unknown[] =>
  report.tests.flatMap((t) => t.assertions).filter((a) => !a.isPassed);
const codeOf = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof PosternError) return `${error.code}: ${error.message}`;
  }
  return 'read';
};

describe("Postern's own format", () => {
  it('checks pairs, lists of allowed and denied, and tuples of one test alone', async () => {
    const report = await run(`
model: m
tuples: ["Doc:a#viewers@alice", {namespace: Doc, object: b, relation: viewers, subject_id: alice}]
tests:
  - name: pairs
    check: [{tuple: "Doc:a#view@alice", expect: true}, {tuple: "Doc:a#view@bob", expect: false}]
  - name: blocked
    tuples: ["Doc:a#blocked@alice"]
    check: {allowed: ["Doc:b#view@alice"], denied: ["Doc:a#view@alice"]}
  - check: {allowed: ["Doc:a#view@alice"]}
`);
    expect(failures(report)).toEqual([]);
    expect(report.passed).toBe(5);
    expect(report.tests.map((t) => t.name)).toEqual(['pairs', 'blocked', 'test 3']);
  });

  it('says what was missing from a list and what was too much', async () => {
    const report = await run(`
model: m
tuples: ["Doc:a#viewers@alice", "Doc:b#viewers@alice", "Doc:b#blocked@alice"]
tests:
  - list_objects: [{namespace: Doc, relation: view, subject: alice, expect: [b, c]}]
    list_subjects: [{namespace: Doc, object: a, relation: view, expect: [bob, alice]}]
`);
    expect(failures(report)).toMatchObject([
      { kind: 'list_objects', missing: ['b', 'c'], unexpected: ['a'] },
      { kind: 'list_subjects', missing: ['bob'], unexpected: [] },
    ]);
  });

  it('lists the objects of a namespace as subjects, and a wildcard by name', async () => {
    const report = await run(`
model: m
tuples: ["Doc:a#viewers@(User:*)", "Doc:a#blocked@(User:eve)", "Doc:b#viewers@(User:bob)", "Doc:a#viewers@alice"]
tests:
  - list_subjects:
      - {namespace: Doc, object: a, relation: view, subject_namespace: User, expect: ["User:*", "User:bob"]}
      - {namespace: Doc, object: a, relation: view, expect: [alice]}
    check: {allowed: ["Doc:a#view@(User:nobody)"], denied: ["Doc:a#view@(User:eve)", "Doc:a#view@bob"]}
`);
    expect(failures(report)).toEqual([]);
  });

  it('judges expiry at the instant of the test, else at the present', async () => {
    const text = `
model: m
tuples: [{namespace: Doc, object: a, relation: viewers, subject_id: alice, expires_at: 2030-01-01T00:00:00Z}]
tests:
  - {now: "2029-12-31T23:59:59.999Z", check: {allowed: ["Doc:a#view@alice"]}}
  - {now: "2030-01-01T00:00:00Z", check: {denied: ["Doc:a#view@alice"]}}
  - check: {allowed: ["Doc:a#view@alice"]}
`;
    expect(failures(await run(text, 0))).toEqual([]);
    expect(failures(await run(text, Date.parse('2031-01-01T00:00:00Z')))).toHaveLength(1);
  });

  it('gives the trace of a check that failed, and the error of one without an answer', async () => {
    const report = await run(`
model: m
tests:
  - check: {allowed: ["Doc:a#view@alice", "Doc:a#undeclared@alice", "Nowhere:a#view@alice"]}
`);
    expect(failures(report)).toMatchObject([
      { allowed: false, expected: true, trace: { children: [{ kind: 'and' }] } },
      { error: { code: 'invalid' } },
      { error: { code: 'not_found' } },
    ]);
  });

  it('takes namespaces without relations, as the legacy configuration has them', async () => {
    const report = await run(
      `{namespaces: [app], tuples: ["app:home#read@a"], tests: [{check: {allowed: ["app:home#read@a"]}}]}`,
    );
    expect(report).toMatchObject({ passed: 1, failed: 0 });
  });

  it('takes hostile names as names', async () => {
    const report = await run(`
namespaces: [__proto__]
tuples: [{namespace: __proto__, object: "constructor#:@", relation: "", subject_id: ""}]
tests:
  - check: [{tuple: {namespace: __proto__, object: "constructor#:@", relation: "", subject_id: ""}, expect: true}]
    list_objects: [{namespace: __proto__, relation: "", subject: "", expect: ["constructor#:@"]}]
`);
    expect(failures(report)).toEqual([]);
  });

  it.each([
    ['a: [', /^invalid: /],
    ['[]', /^invalid: A world is a map/],
    ['{tests: []}', /^invalid: Give exactly one of model/],
    ['{model: m, namespaces: [a]}', /not model and namespaces/],
    ['{model: broken}', /^invalid: model: 2:3 expected "{"/],
    ['{model: m, model: m}', /^invalid: Map keys must be unique/],
    ['{model: m, test: []}', /^invalid: test: this key is not known; there are name, model,/],
    ['{model: m, __proto__: 1}', /^invalid: __proto__: this key is not known/],
    [
      '{model: m, tests: [{check: [{tuple: "x", expect: true}]}]}',
      /tests\[0\]\.check\[0\]\.tuple: /,
    ],
    ['{model: m, tests: [{check: [{tuple: "a:b#c@d"}]}]}', /check\[0\]\.expect: missing/],
    [
      '{model: m, tests: [{list_objects: [{namespace: a, relation: b, subject: c}]}]}',
      /expect: mis/,
    ],
    ['{model: m, tuples: [{namespace: a, object: 1, relation: b}]}', /object: this is a number/],
    ['{model: m, tuples: [{namespace: a, object: b, relation: c}]}', /exactly one of subject_id/],
    ['{model: m, tests: [{now: tomorrow}]}', /"tomorrow" is not an instant/],
    ['{model: m, tests: [{now: "2030-13-01T00:00:00Z"}]}', /is not an instant/],
    ['{model_file: gone.opl}', /^not_found: gone.opl/],
    ['{model: m, tuples: ["a:b\\0#c@d"]}', /NUL/],
  ])('refuses %s with the place', (text, expected) => {
    expect(codeOf(text)).toMatch(expected);
  });

  it('refuses aliases of aliases that would fill the memory', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`);
    expect(codeOf(`a0: &a0 [x]\n${levels.join('\n')}\n`)).toMatch(/^invalid: /);
  });
});
