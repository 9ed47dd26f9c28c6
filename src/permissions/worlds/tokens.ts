/** Splits a model of another product into words and marks, and walks along them. Complaints name the line. */
import { PosternError } from '../../kernel/index.ts';

export interface Token {
  /** "" at the end of the text. */
  readonly text: string;
  readonly line: number;
}

/** How a language is written. All patterns are sticky. */
export interface Lexicon {
  /** A name or a keyword. */
  readonly name: RegExp;
  /** What is not a name: one of several characters at most. */
  readonly mark: RegExp;
  /** White space and comments. */
  readonly skip: RegExp;
}

/** Deeper parentheses are refused: a parser that recurses must not be led to its end. */
const DEPTH_MAX = 100;

/** Walks along the tokens of a text. */
export class Tokens {
  readonly #tokens: readonly Token[];
  readonly #name: RegExp;
  #at = 0;
  #depth = 0;

  constructor(source: string, lexicon: Lexicon) {
    this.#tokens = split(source, lexicon);
    this.#name = new RegExp(`^(?:${lexicon.name.source})$`, 'u');
  }

  get next(): Token {
    return this.#tokens[this.#at] ?? { text: '', line: 0 };
  }

  get isEnd(): boolean {
    return this.next.text === '';
  }

  /** The failure to throw about the next token. */
  wrong(message: string, token: Token = this.next): PosternError {
    return new PosternError('invalid', `line ${token.line}: ${message}`);
  }

  /** The refusal of something that exists there and not here. */
  unsupported(what: string, token: Token = this.next): PosternError {
    return new PosternError('unsupported', `line ${token.line}: ${what} not supported`);
  }

  take(): Token {
    const token = this.next;
    if (token.text !== '') this.#at++;
    return token;
  }

  /** Takes the next token when it is that one. */
  accept(text: string): boolean {
    if (this.next.text !== text) return false;
    this.#at++;
    return true;
  }

  expect(text: string): void {
    if (!this.accept(text)) throw this.wrong(`expected "${text}", got ${shown(this.next)}`);
  }

  /** Takes a name. */
  name(what: string): string {
    if (!this.#name.test(this.next.text))
      throw this.wrong(`expected ${what}, got ${shown(this.next)}`);
    return this.take().text;
  }

  /** Reads something in parentheses, of which the first was taken. */
  nested<T>(read: () => T): T {
    this.#depth++;
    if (this.#depth > DEPTH_MAX) throw this.wrong('expression nested too deeply');
    const result = read();
    this.#depth--;
    this.expect(')');
    return result;
  }
}

const shown = (token: Token): string => (token.text === '' ? 'the end' : `"${token.text}"`);

const ANY = /./suy;

function split(source: string, { name, mark, skip }: Lexicon): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  const match = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const text = pattern.exec(source)?.[0] ?? '';
    at += text.length;
    return text;
  };
  while (at < source.length) {
    const skipped = match(skip);
    for (const c of skipped) if (c === '\n') line++;
    if (skipped !== '') continue;
    // A character that is not of the language, as far as it is read here, is a token: the reader says so, unless it
    // stops before.
    const text = match(name) || match(mark) || match(ANY);
    tokens.push({ text, line });
  }
  tokens.push({ text: '', line });
  return tokens;
}
