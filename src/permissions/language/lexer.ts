/** The words of the permission language (reference/permissions.md §6). Linear in the length of the source. */
import type { Position, Problem } from './problem.ts';

export type TokenKind = 'name' | 'string' | 'sign' | 'comment' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Of a string without its quotes. */
  readonly value: string;
  readonly start: number;
  /** Behind the last character. */
  readonly end: number;
}

const SPACES = /[\t\n\v\f\r ]*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const SIGN = /=>|\|\||&&|[:.()[\]{}<>=,;|!]/y;
const LINE_COMMENT = /\/\/[^\n]*/y;

/** Turns offsets into lines and columns. */
export class SourceMap {
  readonly #lineStarts: number[] = [0];

  constructor(source: string) {
    for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1))
      this.#lineStarts.push(at + 1);
  }

  position(offset: number): Position {
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }

  problem(severity: Problem['severity'], message: string, at: Token): Problem {
    return { severity, message, start: this.position(at.start), end: this.position(at.end) };
  }
}

/** The tokens of a source, comments among them, ended by `end`; or the place and kind of what is no token. */
export function lex(source: string): { tokens: Token[]; broken?: { message: string; at: Token } } {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const push = (kind: TokenKind, value: string, length: number): void => {
    tokens.push({ kind, value, start: at, end: at + length });
    at += length;
  };
  const broken = (what: string): { tokens: Token[]; broken: { message: string; at: Token } } => {
    const where = JSON.stringify(source.slice(at, at + 40));
    const end = Math.min(at + 1, source.length);
    return {
      tokens,
      broken: {
        message: `fatal: at ${where}: ${what}`,
        at: { kind: 'sign', value: '', start: at, end },
      },
    };
  };
  for (;;) {
    at += match(SPACES)?.length ?? 0;
    if (at >= source.length) {
      push('end', '', 0);
      return { tokens };
    }
    const character = source[at] ?? '';
    const comment = match(LINE_COMMENT);
    const word = match(NAME);
    if (comment !== undefined) push('comment', comment, comment.length);
    else if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at + 2);
      if (end < 0) return broken('unclosed comment');
      push('comment', source.slice(at, end + 2), end + 2 - at);
    } else if (character === '"' || character === "'") {
      const end = source.indexOf(character, at + 1);
      if (end < 0) return broken('unclosed string literal');
      push('string', source.slice(at + 1, end), end + 1 - at);
    } else if (word !== undefined) push('name', word, word.length);
    else {
      const sign = match(SIGN);
      if (sign === undefined)
        return broken(`unexpected token ${String.fromCodePoint(source.codePointAt(at) ?? 0)}`);
      push('sign', sign, sign.length);
    }
  }
}
