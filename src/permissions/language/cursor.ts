/**
 * Where a parser stands in the tokens of a source. The first thing that does not fit ends the parsing: `SyntaxFailure`
 * is thrown within the parser and must never leave it.
 */
import type { Name } from './ast.ts';
import type { Lexed, Token } from './lexer.ts';
import { quote, type Span } from './text.ts';

export class SyntaxFailure extends Error {
  readonly span: Span;

  constructor(span: Span, message: string) {
    super(message);
    this.span = span;
  }
}

/** The name of a token's kind in messages. */
function kindOf(token: Token): string {
  return token.kind === 'sign' ? `"${token.value}"` : token.kind;
}

export class Cursor {
  readonly #lexed: Lexed;
  #at = 0;

  constructor(lexed: Lexed) {
    this.#lexed = lexed;
  }

  /** The index of the token that is next. */
  get at(): number {
    return this.#at;
  }

  /** The next token, still to be taken. Throws where the lexer gave up. */
  peek(ahead = 0): Token {
    const { tokens, failure } = this.#lexed;
    const index = this.#at + ahead;
    const token = tokens[Math.min(index, tokens.length - 1)];
    if (token === undefined) throw new Error('A source without an EOF');
    if (failure !== undefined && ahead === 0 && index >= tokens.length - 1)
      throw new SyntaxFailure(failure, failure.message);
    return token;
  }

  take(): Token {
    const token = this.peek();
    if (token.kind !== 'EOF') this.#at++;
    return token;
  }

  /** Whether the next token is that sign or word; a word may be quoted, a sign not. */
  is(value: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    if (token.value !== value || token.kind === 'EOF') return false;
    return token.kind !== 'StringLiteral' || /^\w/.test(value);
  }

  /** Takes the next token if it is that one. */
  accept(value: string): boolean {
    const fits = this.is(value);
    if (fits) this.#at++;
    return fits;
  }

  expect(...values: readonly string[]): void {
    for (const value of values)
      if (!this.accept(value))
        this.fail(`expected ${quote(value)}, got ${quote(this.peek().value)}`);
  }

  /** Takes a name. Keto has its own words as names only in quotes, except behind a dot: `orKeyword`. */
  name(orKeyword: 'orKeyword' | 'noKeyword' = 'noKeyword'): Name {
    const token = this.peek();
    const isName =
      token.kind === 'Identifier' ||
      token.kind === 'StringLiteral' ||
      (orKeyword === 'orKeyword' && token.kind.startsWith('Keyword'));
    if (!isName) this.fail(`expected identifier, got ${kindOf(token)}`);
    return { at: this.#at++, token, value: token.value };
  }

  /** Takes the name of an argument. */
  argument(): Name {
    const token = this.peek();
    if (token.kind !== 'Identifier') this.fail(`expected identifier, got ${kindOf(token)}`);
    return this.name();
  }

  /** Takes the name of a relation or permit that is declared here, or the `}` behind the last one: undefined. */
  member(): Name | undefined {
    const token = this.peek();
    if (token.kind === 'Identifier' || token.kind === 'StringLiteral') return this.name();
    if (this.accept('}')) return undefined;
    this.fail(`expected identifier or '}', got ${kindOf(token)} ${quote(token.value)}`);
  }

  /** Ends the parsing because of the token that is next. */
  fail(message: string, at: Span = this.peek()): never {
    throw new SyntaxFailure(at, message);
  }
}
