import { describe, expect, it } from 'vitest';
import { lex } from './lexer.ts';
import { PROBLEMS_MAX, Problems, quote } from './text.ts';

const values = (source: string): string[] => lex(source).tokens.map((t) => t.value);

describe('the lexer of the permission language', () => {
  it('cuts words, signs and strings, and keeps comments apart', () => {
    expect(values('class A1{a:b=>c&&d||!e|f /*x*/ "g h"[]}')).toEqual(
      [
        'class',
        'A1',
        '{',
        'a',
        ':',
        'b',
        '=>',
        'c',
        '&&',
        'd',
        '||',
        '!',
        'e',
        '|',
        'f',
        'g h',
      ].concat(['[', ']', '}', '']),
    );
    expect(lex('a /* b */ c // d').comments).toEqual([
      { text: '/* b */', start: 2, end: 9, before: 1 },
      { text: '// d', start: 12, end: 16, before: 2 },
    ]);
  });
  it.each([
    ['/* open', 'fatal: at "": unclosed comment', 0, 7],
    ['/*/', 'fatal: at "": unclosed comment', 0, 3],
    ['a \'open"', 'fatal: at "": unclosed string literal', 3, 8],
    ['a ü', 'fatal: at "ü": unexpected token ü', 2, 3],
    ['😀', 'fatal: at "😀": unexpected token 😀', 0, 2],
    ['&', 'fatal: at "&": unexpected token &', 0, 1],
    ['1 "a"\n', 'fatal: at "1 \\"a\\"\\n": unexpected token 1', 0, 1],
  ])('stops at %j', (source, message, start, end) => {
    expect(lex(source).failure).toEqual({ message, start, end });
  });
  it('ends with EOF, also of nothing', () => {
    expect(lex('').tokens).toEqual([{ kind: 'EOF', value: '', start: 0, end: 0 }]);
  });
});

describe('messages', () => {
  it('quote as Go does', () => {
    expect(quote('a"\\\n\0\u007f\u00a0\ud800\u{10ffff}é😀')).toBe(
      '"a\\"\\\\\\n\\x00\\x7f\\u00a0\\ud800\\U0010ffffé😀"',
    );
    expect(quote('x'.repeat(300))).toBe(`"${'x'.repeat(200)}…"`);
  });
  it('have the line and column, counted from 1 in UTF-16 code units', () => {
    const problems = new Problems('a\n😀b\n');
    problems.error({ start: 4, end: 5 }, 'x');
    problems.error({ start: 4, end: 5 }, 'x');
    problems.warn({ start: 0, end: 6 }, 'y');
    expect(problems.all).toEqual([
      {
        severity: 'error',
        message: 'x',
        start: { line: 2, column: 3 },
        end: { line: 2, column: 4 },
      },
      {
        severity: 'warning',
        message: 'y',
        start: { line: 1, column: 1 },
        end: { line: 3, column: 1 },
      },
    ]);
  });
  it('are bounded in number, and warnings never push an error out', () => {
    const problems = new Problems('');
    for (let i = 0; i < 2 * PROBLEMS_MAX; i++) problems.warn({ start: 0, end: 0 }, `${i}`);
    expect(problems.isFull).toBe(false);
    for (let i = 0; i < 2 * PROBLEMS_MAX; i++) problems.error({ start: 0, end: 0 }, `e${i}`);
    expect(problems.isFull).toBe(true);
    expect(problems.all).toHaveLength(PROBLEMS_MAX);
    expect(problems.all.some((p) => p.severity === 'error')).toBe(true);
  });
});
