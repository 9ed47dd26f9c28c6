import { describe, expect, it } from 'vitest';
import { checkDisplayName, isShown } from './display-name.ts';

describe('a name that people read', () => {
  it.each([
    'Payroll',
    'Müller & Söhne (test)',
    'cafe\u0301',
    'نمونه می\u200cخواهم',
    'क्\u200dष',
    'Family \u{1f468}\u200d\u{1f469}\u200d\u{1f467}',
    'Heart \u2764\ufe0f',
    '経理',
    'שלום',
  ])('may be %s', (name) => {
    expect(checkDisplayName(` ${name} `, 'A name', 100)).toBe(name);
  });

  it.each([
    ['right-to-left override', 'Pay\u202elor'],
    ['left-to-right embedding', 'a\u202ab'],
    ['isolates', 'a\u2066b\u2069'],
    ['a mark of direction', 'a\u200fb'],
    ['an Arabic letter mark', 'a\u061cb'],
    ['a zero-width space', 'Goo\u200bgle'],
    ['a joiner in Latin', 'Goo\u200dgle'],
    ['a soft hyphen', 'Goo\u00adgle'],
    ['a byte order mark', '\ufeffGoogle'.slice(0, 1).concat('x')],
    ['a word joiner', 'a\u2060b'],
    ['a Hangul filler', 'a\u3164'],
    ['a blank of Braille', 'a\u2800'],
    ['a selector after a letter', 'a\ufe0fb'],
    ['tags', 'a\u{e0041}'],
    ['a line end', 'a\nb'],
    ['a line separator', 'a\u2028b'],
    ['a null', 'a\u0000b'],
    ['an escape', 'a\u001b[31m'],
    ['a lone surrogate', 'a\ud800'],
    ['private use', 'a\ue000'],
  ])('has no %s', (_what, name) => {
    expect(isShown(name) && name === name.trim()).toBe(false);
  });

  it('is neither empty nor long', () => {
    for (const name of ['', '   ', 'x'.repeat(101), 'x'.repeat(1_000_000)])
      expect(() => checkDisplayName(name, 'A name', 100)).toThrow('1 to 100');
    expect(() => checkDisplayName('a\u202eb', 'A name', 100)).toThrow('direction of writing');
  });
});
