import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  fromErrorBody,
  newName,
  PosternError,
  parseDurationMs,
  Secret,
  toErrorBody,
} from './index.ts';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['7', 7_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['90s', 90_000],
    ['1m0.5s', 60_500],
    ['2h45m30s500ms', 9_930_500],
    ['1500us', 2],
    ['250000ns', 0],
    ['0s', 0],
  ])('reads %s', (text, ms) => expect(parseDurationMs(text)).toBe(ms));
  it.each([
    ...[
      '',
      '-1s',
      '1w',
      'ten',
      '9'.repeat(20),
      '1.5',
      '1h30',
      '1h 30m',
      '1h-30m',
      '+1h',
      'h',
      '.5h',
    ],
    ...['1..5h', '1.h', '1e3s', '1H', '1h30m!', '1s'.repeat(9), '0x1s', 'Infinity'],
  ])('refuses %j', (text) => expect(() => parseDurationMs(text)).toThrow(PosternError));
});

describe('secrets', () => {
  it('never prints its value', () => {
    const s = new Secret('hunter2');
    expect(
      [`${s}`, JSON.stringify({ s }), inspect(s), inspect({ deep: { s } })].join(),
    ).not.toContain('hunter2');
    expect(s.reveal()).toBe('hunter2');
  });
});

describe('error bodies', () => {
  it('cross the wire unchanged', () => {
    const e = new PosternError('denied', 'no', {
      hint: 'ask',
      decisionId: 'dec_1',
      facts: { n: 1 },
    });
    const back = fromErrorBody(JSON.parse(JSON.stringify(toErrorBody(e))));
    expect(back).toMatchObject({
      code: 'denied',
      message: 'no',
      hint: 'ask',
      decisionId: 'dec_1',
      facts: { n: 1 },
    });
  });
  it.each([null, 1, {}, { error: 1 }, { error: { code: 'nope', message: 'x' } }])(
    'refuses %j',
    (v) => expect(fromErrorBody(v)).toBeUndefined(),
  );
});

it('names are two lower-case words', () => expect(newName()).toMatch(/^[a-z]+-[a-z]+$/));
