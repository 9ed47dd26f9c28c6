/**
 * Cuts Jsonnet text into tokens, each with its line and column. Pure: it sees
 * the text and nothing else. It must never hang: every turn of its loop
 * consumes at least one character.
 */

import { JsonnetFault } from './fault.ts';

/** What a token is; `operator` covers punctuation too. */
export type TokenKind = 'end' | 'identifier' | 'keyword' | 'number' | 'operator' | 'string';

/** One token: `text` is the decoded value of a string, else the source text. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset in the source of the first character. */
  readonly at: number;
}

/** The longest source that is read, in UTF-16 units. */
export const MAX_SOURCE_LENGTH: number = 262_144;

const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'assert else error false for function if import importstr importbin in local null self super ' +
    'tailstrict then true'
  ).split(' '),
);

const OPERATORS: readonly string[] = [
  ...['+:::', '+::', ':::', '+:', '::', '==', '!=', '<=', '>=', '&&', '||', '<<', '>>'],
  ...'{}[](),.;:=<>+-*/%!~&|^$'.split(''),
];

const SPACE = /[ \t\r\n]+/y;
const COMMENT = /#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const NUMBER = /(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/y;

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["'", "'"],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

function match(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

interface Piece {
  readonly text: string;
  readonly end: number;
}

function escaped(source: string, at: number): Piece {
  const letter = source.charAt(at + 1);
  const plain = ESCAPES.get(letter);
  if (plain !== undefined) return { text: plain, end: at + 2 };
  const hex = source.slice(at + 2, at + 6);
  if (letter === 'u' && /^[0-9a-fA-F]{4}$/.test(hex)) {
    return { text: String.fromCharCode(Number.parseInt(hex, 16)), end: at + 6 };
  }
  throw new JsonnetFault('unknown escape in a string', at);
}

function quoted(source: string, start: number, isVerbatim: boolean): Piece {
  const open = isVerbatim ? start + 1 : start;
  const quote = source.charAt(open);
  const parts: string[] = [];
  let at = open + 1;
  while (at < source.length) {
    const letter = source.charAt(at);
    if (letter === quote) {
      if (!isVerbatim || source.charAt(at + 1) !== quote)
        return { text: parts.join(''), end: at + 1 };
      parts.push(quote);
      at += 2;
    } else if (letter === '\\' && !isVerbatim) {
      const piece = escaped(source, at);
      parts.push(piece.text);
      at = piece.end;
    } else {
      parts.push(letter);
      at += 1;
    }
  }
  throw new JsonnetFault('a string is not closed', start);
}

/** `|||` block: the first line's indent is cut from every line. */
function block(source: string, start: number): Piece {
  const head = match(/\|\|\|(-?)[ \t]*\r?\n/y, source, start);
  if (head === undefined) throw new JsonnetFault('||| must be followed by a new line', start);
  let at = start + head.length;
  const first = match(/(?:[ \t]*\r?\n)*([ \t]+)(?=[^ \t\r\n])/y, source, at);
  const indent = first === undefined ? '' : first.slice(first.lastIndexOf('\n') + 1);
  if (indent === '')
    throw new JsonnetFault('the first line of a ||| block must be indented', start);
  const lines: string[] = [];
  while (at < source.length) {
    const newline = source.indexOf('\n', at);
    const end = newline === -1 ? source.length : newline;
    const line = source.slice(at, end).replace(/\r$/, '');
    if (line.startsWith(indent)) lines.push(line.slice(indent.length));
    else if (line.trim() === '') lines.push('');
    else {
      const close = match(/[ \t]*\|\|\|/y, source, at);
      if (close === undefined) break;
      const text = `${lines.join('\n')}\n`;
      return { text: head.includes('-') ? text.replace(/\n$/, '') : text, end: at + close.length };
    }
    at = end + 1;
  }
  throw new JsonnetFault('a ||| block is not closed', start);
}

function tokenAt(source: string, at: number): { token: Token; end: number } {
  const letter = source.charAt(at);
  const piece =
    letter === '"' || letter === "'"
      ? quoted(source, at, false)
      : letter === '@' && /["']/.test(source.charAt(at + 1))
        ? quoted(source, at, true)
        : source.startsWith('|||', at)
          ? block(source, at)
          : undefined;
  if (piece !== undefined)
    return { token: { kind: 'string', text: piece.text, at }, end: piece.end };
  const number = match(NUMBER, source, at);
  if (number !== undefined)
    return { token: { kind: 'number', text: number, at }, end: at + number.length };
  const name = match(IDENTIFIER, source, at);
  if (name !== undefined) {
    const kind = KEYWORDS.has(name) ? 'keyword' : 'identifier';
    return { token: { kind, text: name, at }, end: at + name.length };
  }
  const operator = OPERATORS.find((text) => source.startsWith(text, at));
  if (operator === undefined) throw new JsonnetFault('unexpected character', at);
  return { token: { kind: 'operator', text: operator, at }, end: at + operator.length };
}

/** All tokens of `source`, the last of kind `end`. Throws JsonnetFault. */
export function tokenize(source: string): readonly Token[] {
  if (source.length > MAX_SOURCE_LENGTH) throw new JsonnetFault('the text is too long', 0);
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const skipped = match(SPACE, source, at) ?? match(COMMENT, source, at);
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    // Said here, for each further `/*` would search the rest of the text again.
    if (source.startsWith('/*', at)) throw new JsonnetFault('a comment is not closed', at);
    const { token, end } = tokenAt(source, at);
    tokens.push(token);
    at = end;
  }
  tokens.push({ kind: 'end', text: 'end of text', at: source.length });
  return tokens;
}
