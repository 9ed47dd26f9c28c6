/** The policy language: both forms, its bounds, and that every doubt denies. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../kernel/index.ts';
import {
  evaluatePolicy,
  type PolicyEnvironment,
  parsePolicy,
  peerEnvironment,
  printPolicy,
  questionsOf,
} from './policy.ts';

const corpus = (name: string): string[] =>
  readFileSync(join(import.meta.dirname, '../../test/corpus', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
const peer = { identifier: 'Iabc', attributes: { component: 'web', web: 'true' } };
const env: PolicyEnvironment = peerEnvironment({ ...peer, hasCredential: true }, 'outlet');
const allows = (text: string, where = env): boolean =>
  evaluatePolicy(parsePolicy(text), where).allowed;
const printed = (text: string): string => printPolicy(parsePolicy(text));

describe('the corpus', () => {
  it.each(corpus('policy_valid.txt'))('%s parses, and prints as what parses the same', (text) => {
    const policy = parsePolicy(text);
    expect(parsePolicy(printPolicy(policy))).toEqual(policy);
  });
  it.each(corpus('policy_invalid.txt'))('%s is refused', (text) =>
    expect(() => parsePolicy(text)).toThrow(PosternError),
  );
});

describe('the boolean form', () => {
  it.each([
    ['a', '(= subject.a "true")'],
    ['notary', '(= subject.notary "true")'],
    ['a or b', '(or (= subject.a "true") (= subject.b "true"))'],
    [
      'a or b and not c',
      '(or (= subject.a "true") (and (= subject.b "true") (not (= subject.c "true"))))',
    ],
    ['(a or b) and c', '(and (or (= subject.a "true") (= subject.b "true")) (= subject.c "true"))'],
    ['(not subject.has_credential)', '(not subject.has_credential)'],
  ])('%s means %s', (text, meaning) => expect(printed(text)).toBe(meaning));
  it('names what was parsed and what was not', () =>
    expect(() => parsePolicy('a or')).toThrow(
      'successfully parsed: `a`, but ` or` cannot be parsed',
    ));
});

describe('evaluation', () => {
  it.each([
    'subject.has_credential',
    'web',
    '(= subject.component "web")',
    '(= subject.identifier "Iabc")',
    '(= resource.id "outlet")',
    '(= action.id "handle_message")',
    '(not (= subject.component "db"))',
    '(!= subject.component "db")',
    '(member? subject.component ["db" "web"])',
    '(exists? subject.component subject.web)',
    '(not (exists? subject.other))',
    '(if subject.has_credential (< 1 2 3) false)',
    '(> 3 2 1)',
    '(and)',
    '(or true subject.unknown)',
    '(not (and false subject.unknown))',
    '(not (member? "x" []))',
  ])('%s allows', (text) => expect(allows(text)).toBe(true));
  it.each(['db', 'false', '(or)', '(= subject.component "db")', '(< 1 3 2)', '(> 1 1)'])(
    '%s denies',
    (text) => expect(allows(text)).toBe(false),
  );

  // Each holds an unknown name or values of the wrong type.
  const doubtful = [
    'subject.unknown',
    'unknown.name',
    'subject.toString',
    'subject.__proto__',
    '(= subject.unknown "x")',
    '(!= subject.unknown "x")',
    '(= subject.component 1)',
    '(!= subject.component 1)',
    '(= subject.has_credential "true")',
    '(< subject.component 1)',
    '(= ["a"] ["a"])',
    '"true"',
    '1',
    '(and "true")',
    '(or 1 true)',
    '(or (= subject.unknown "x") true)',
    '(if "true" true true)',
    '(if true 1 true)',
    '(member? 1 ["a"])',
    '(member? "a" "a")',
    '(member? ["a"] ["a"])',
    '(member? "a" [subject.component subject.has_credential])',
    '(member? "a" [subject.unknown])',
  ];
  it.each(doubtful)('%s denies, also under not', (text) => {
    expect(allows(text)).toBe(false);
    expect(allows(`(not ${text})`)).toBe(false);
    expect(allows(`(not (not ${text}))`)).toBe(false);
  });
  it('says what decided', () =>
    expect(evaluatePolicy(parsePolicy('(= subject.component "db")'), env).why).toBe(
      'needs (= subject.component "db"); the credential says subject.component="web"',
    ));
  it('lets no attribute pose as the identifier or as the credential', () => {
    const attributes = { identifier: 'Ievil', has_credential: 'true' };
    const posing = peerEnvironment({ identifier: 'Iabc', attributes, hasCredential: false }, 'x');
    expect(allows('(= subject.identifier "Iabc")', posing)).toBe(true);
    expect(allows('subject.has_credential', posing)).toBe(false);
  });
});

describe('bounds', () => {
  const nested = (n: number): string => `${'(not '.repeat(n)}subject.a${')'.repeat(n)}`;
  it('takes 64 levels and refuses 65', () => {
    expect(printed(nested(64))).toBe(nested(64));
    expect(() => parsePolicy(nested(65))).toThrow('nested too deeply');
  });
  it.each(['(', '[', '(not ', 'not ', '(and ', '(a or ', 'a and ('])(
    'refuses %j many times over',
    (head) => expect(() => parsePolicy(head.repeat(2_000))).toThrow(PosternError),
  );
  it('refuses more than 16 KiB, also when only the printed form is so long', () => {
    expect(() => parsePolicy(`(= subject.a "${'x'.repeat(16_384)}")`)).toThrow('too long');
    expect(() => parsePolicy(`a${' or a'.repeat(2_000)}`)).toThrow('too long');
    expect(allows(`(= subject.a "${'x'.repeat(16_000)}")`)).toBe(false);
  });
});

describe('a policy that asks about a relation', () => {
  const member = { ...peer, hasCredential: true };
  const verdict = (text: string, answer?: (relation: string) => boolean | undefined): boolean =>
    evaluatePolicy(
      parsePolicy(text),
      peerEnvironment(member, 'outlet'),
      answer === undefined ? undefined : (q) => answer(`${q.namespace}:${q.object}#${q.relation}`),
    ).allowed;
  const ASKS = '(check "access" "db:prod")';

  it('prints as it was read, and says what it asks', () => {
    expect(printPolicy(parsePolicy(ASKS))).toBe(ASKS);
    expect(questionsOf(parsePolicy(`(or (not ${ASKS}) (check "own" "db:a:b"))`))).toEqual([
      { namespace: 'db', object: 'prod', relation: 'access' },
      { namespace: 'db', object: 'a:b', relation: 'own' },
    ]);
  });
  it('is as its answer', () => {
    expect(verdict(ASKS, () => true)).toBe(true);
    expect(verdict(ASKS, () => false)).toBe(false);
    expect(verdict(`(and (= subject.component "web") ${ASKS})`, () => true)).toBe(true);
    expect(verdict(`(not ${ASKS})`, () => false)).toBe(true);
  });
  it('denies as a whole when a question has no answer, also under not and beside what is true', () => {
    expect(verdict(ASKS)).toBe(false);
    expect(verdict(`(not ${ASKS})`)).toBe(false);
    expect(verdict(`(or (= subject.component "web") ${ASKS})`)).toBe(false);
  });
  it.each([
    '(check "access")',
    '(check "access" "db")',
    '(check "access" ":prod")',
    '(check subject.component "db:prod")',
    '(check "a" "b:c" "d")',
  ])('%s is refused', (text) => expect(() => parsePolicy(text)).toThrow());
  it('tells which relation decided', () => {
    const { why } = evaluatePolicy(parsePolicy(ASKS), env, () => false);
    expect(why).toContain('db:prod#access is no');
  });
});
