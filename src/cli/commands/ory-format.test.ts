/** The formats of `--format`, as scripts that call keto rely on them. */
import { afterEach, describe, expect, it } from 'vitest';
import { Flags } from '../command.ts';
import { session, startSession } from '../session.ts';
import { oryResult } from './ory-format.ts';

const JSON_SHOWN = {
  relation_tuples: [
    { namespace: 'app', object: 'a/b~c', relation: 'read', subject_id: 'x' },
    { namespace: 'app', object: 'o', relation: 'read' },
  ],
  'a.b': 1,
  is_last_page: false,
};
const shown = { text: 'table', json: JSON_SHOWN, quiet: 'app:o#read@x' };
const print = (format?: string): string | undefined =>
  oryResult(new Flags(format === undefined ? {} : { format }), shown).machine;
const value = (format: string): unknown => JSON.parse(print(format) ?? '');

const first = session();
afterEach(() => startSession(first));

describe('--format', () => {
  it('is text without a word, and in the words for it', () => {
    for (const format of [undefined, 'default', 'table']) expect(print(format)).toBe('table');
    expect(print('quiet')).toBe('app:o#read@x');
  });
  it('is JSON in one line or in many, and YAML', () => {
    expect(print('json')).toBe(JSON.stringify(JSON_SHOWN));
    expect(print('json-pretty')).toBe(JSON.stringify(JSON_SHOWN, undefined, 2));
    expect(print('yaml')).toMatch(/^relation_tuples:\n {2}- namespace: app\n/);
  });
  it.each([
    ['is_last_page', false],
    ['relation_tuples.#', 2],
    ['relation_tuples.1.object', 'o'],
    ['relation_tuples.#.object', ['a/b~c', 'o']],
    ['relation_tuples.#.subject_id', ['x']],
    ['a\\.b', 1],
    ['nothing.there', null],
    ['relation_tuples.length', null],
    ['constructor', null],
  ])('jsonpath=%s is %j', (path, expected) => {
    expect(value(`jsonpath=${path}`)).toEqual(expected);
  });
  it.each([
    ['/relation_tuples/0/object', 'a/b~c'],
    ['/a.b', 1],
  ])('jsonpointer=%s is %j', (pointer, expected) => {
    expect(value(`jsonpointer=${pointer}`)).toEqual(expected);
  });
  it('takes a pointer with escaped signs', () => {
    const json = { 'a/b~c': 7 };
    const flags = new Flags({ format: 'jsonpointer=/a~1b~0c' });
    expect(oryResult(flags, { text: '', json }).machine).toBe('7');
  });
  it.each([
    ['xml', 'is not known'],
    ['jsonpath', 'is missing what to select'],
    ['jsonpointer=', 'is missing what to select'],
    ['jsonpointer=a', 'does not begin with /'],
    ['jsonpointer=/nothing', 'leads nowhere'],
    ['jsonpath=a.#(b>1)', 'more than names'],
  ])('refuses %s', (format, message) => {
    expect(() => print(format)).toThrow(message);
  });
  it('gives way to -q', () => {
    startSession({ ...first, globals: { ...first.globals, isQuiet: true } });
    expect(print('json')).toBe('app:o#read@x');
  });
});
