/**
 * The tokens of a source in the permission language, with Keto's rules: TypeScript's words, signs, strings without
 * escapes and comments, and nothing else. It must never throw and never look at a character twice for long: every
 * source takes linear time.
 */
import { quote, type Span } from './text.ts';

export type TokenKind =
  | 'EOF'
  | 'Identifier'
  | 'StringLiteral'
  | 'KeywordClass'
  | 'KeywordImplements'
  | 'KeywordThis'
  | 'KeywordCtx'
  /** An operator or a bracket; Keto's messages name its kind by the quoted sign. */
  | 'sign';

export interface Token extends Span {
  readonly kind: TokenKind;
  /** Of a string literal what is between the quotes; `start` and `end` are those of the value. */
  readonly value: string;
}

/** A comment as it is written. */
export interface Comment extends Span {
  readonly text: string;
  /** The token that follows it. */
  readonly before: number;
}

export interface Lexed {
  /** Never empty: the last one is EOF, which stands where the lexer stopped. */
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
  /** Why the lexer stopped early; it must be reported only where the parser comes to it. */
  readonly failure: (Span & { readonly message: string }) | undefined;
}

const KEYWORDS: ReadonlyMap<string, TokenKind> = new Map([
  ['class', 'KeywordClass'],
  ['implements', 'KeywordImplements'],
  ['this', 'KeywordThis'],
  ['ctx', 'KeywordCtx'],
]);
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const SPACE = /[\t\n\v\f\r ]+/y;
const SIGN = /=>|\|\||&&|[:.()[\]{}<>=,;|!]/y;
/** More of the rest of a source is not repeated in a message. */
const REST_MAX = 20;

/** Where a sticky pattern ends that matches at `at`, or -1. */
function matchEnd(pattern: RegExp, source: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(source) ? pattern.lastIndex : -1;
}

function fail(source: string, start: number, at: number, why: string): Lexed['failure'] {
  const rest =
    source.length - at > REST_MAX ? `${source.slice(at, at + REST_MAX)}…` : source.slice(at);
  return { start, end: Math.max(at, start), message: `fatal: at ${quote(rest)}: ${why}` };
}

/** Cuts a source into tokens, as far as that goes. */
export function lex(source: string): Lexed {
  const tokens: Token[] = [];
  const comments: Comment[] = [];
  const stop = (failure: Lexed['failure'], at: number): Lexed => {
    tokens.push({ kind: 'EOF', value: '', start: at, end: at });
    return { tokens, comments, failure };
  };
  for (let at = 0; at < source.length; ) {
    const spaceEnd = matchEnd(SPACE, source, at);
    if (spaceEnd >= 0) {
      at = spaceEnd;
      continue;
    }
    const start = at;
    if (source.startsWith('//', at) || source.startsWith('/*', at)) {
      const isLine = source[at + 1] === '/';
      const found = source.indexOf(isLine ? '\n' : '*/', at + 2);
      if (found < 0 && !isLine)
        return stop(fail(source, start, source.length, 'unclosed comment'), start);
      at = found < 0 ? source.length : found + (isLine ? 0 : 2);
      const text = source.slice(start, at);
      comments.push({ text, start, end: at, before: tokens.length });
      continue;
    }
    const char = source[at] ?? '';
    if (char === '"' || char === "'") {
      const close = source.indexOf(char, at + 1);
      if (close < 0)
        return stop(fail(source, start + 1, source.length, 'unclosed string literal'), start);
      const value = source.slice(at + 1, close);
      tokens.push({ kind: 'StringLiteral', value, start: at + 1, end: close });
      at = close + 1;
      continue;
    }
    const wordEnd = matchEnd(WORD, source, at);
    at = wordEnd >= 0 ? wordEnd : matchEnd(SIGN, source, at);
    if (at < 0) {
      const shown = String.fromCodePoint(source.codePointAt(start) ?? 0);
      const end = start + shown.length;
      const failure = fail(source, start, start, `unexpected token ${shown}`);
      return stop(failure === undefined ? undefined : { ...failure, end }, start);
    }
    const value = source.slice(start, at);
    const kind = wordEnd < 0 ? 'sign' : (KEYWORDS.get(value) ?? 'Identifier');
    tokens.push({ kind, value, start, end: at });
  }
  return stop(undefined, source.length);
}
