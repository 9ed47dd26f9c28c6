/**
 * Cuts a Go template (pkg.go.dev/text/template, "Text and spaces", "Actions") into literal text and actions, and an
 * action into tokens. Pure; linear in the length of the source. Trim markers are applied here, so that the parser sees
 * the text that will be written.
 */
import { type Place, templateFault } from './fault.ts';

/** Far more than a mail; a bound, so that a wrong path (a disk image) is refused and not read into memory twice. */
export const SOURCE_CHARACTERS_MAX: number = 256 * 1_024;

export type TokenKind =
  | 'dot' // .
  | 'field' // .Name
  | 'variable' // $ or $name
  | 'name' // a function or a keyword
  | 'string'
  | 'number'
  | 'sign'; // | ( ) , := =

export interface Token {
  readonly kind: TokenKind;
  /** Of a field without its dot; of a string its value. */
  readonly text: string;
  /** Whether white space stands before it: `.A.B` is one chain, `.A .B` are two values. */
  readonly isApart: boolean;
}

export type Piece =
  | { readonly kind: 'text'; readonly text: string; readonly place: Place }
  | { readonly kind: 'action'; readonly tokens: readonly Token[]; readonly place: Place };

const TOKEN =
  /(\s+)|(\.[\p{L}_][\p{L}\p{N}_]*)|(\.(?!\d))|(\$[\p{L}\p{N}_]*)|([\p{L}_][\p{L}\p{N}_]*)|("(?:[^"\\\n]|\\.)*")|(`[^`]*`)|([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)|(:=|[|(),=])/uy;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
  ['\\', '\\'],
  ['"', '"'],
  ["'", "'"],
]);

function unquote(literal: string, place: Place): string {
  return literal
    .slice(1, -1)
    .replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[\s\S])/gu, (_, code: string) => {
      if (code.length > 1) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
      const plain = ESCAPES.get(code);
      if (plain === undefined) throw templateFault(place, `The escape \\${code} is not known`);
      return plain;
    });
}

function toToken(match: RegExpExecArray, isApart: boolean, place: Place): Token {
  const [, , field, dot, variable, name, quoted, raw, number, sign] = match;
  if (field !== undefined) return { kind: 'field', text: field.slice(1), isApart };
  if (dot !== undefined) return { kind: 'dot', text: '.', isApart };
  if (variable !== undefined) return { kind: 'variable', text: variable, isApart };
  if (name !== undefined) return { kind: 'name', text: name, isApart };
  if (quoted !== undefined) return { kind: 'string', text: unquote(quoted, place), isApart };
  if (raw !== undefined) return { kind: 'string', text: raw.slice(1, -1), isApart };
  if (number !== undefined) return { kind: 'number', text: number, isApart };
  return { kind: 'sign', text: sign ?? '', isApart };
}

const lineBreaks = (text: string): number => text.split('\n').length - 1;

class Lexer {
  readonly #file: string;
  readonly #source: string;
  readonly #pieces: Piece[] = [];
  #at = 0;
  #line = 1;
  /** The text that follows loses its leading white space, since the action before it ended with ` -}}`. */
  #isTrimming = false;

  constructor(file: string, source: string) {
    this.#file = file;
    this.#source = source;
  }

  run(): readonly Piece[] {
    for (;;) {
      const open = this.#source.indexOf('{{', this.#at);
      const end = open < 0 ? this.#source.length : open;
      const isTrimmedBefore = open >= 0 && /^-\s/u.test(this.#source.slice(open + 2, open + 4));
      this.#text(this.#source.slice(this.#at, end), isTrimmedBefore);
      if (open < 0) return this.#pieces;
      this.#at = open + (isTrimmedBefore ? 3 : 2);
      this.#action();
    }
  }

  get #place(): Place {
    return { file: this.#file, line: this.#line };
  }

  #text(literal: string, isTrimmedAfter: boolean): void {
    const started = this.#isTrimming ? literal.trimStart() : literal;
    const text = isTrimmedAfter ? started.trimEnd() : started;
    if (text !== '') this.#pieces.push({ kind: 'text', text, place: this.#place });
    this.#line += lineBreaks(literal);
    this.#isTrimming = false;
  }

  #action(): void {
    const place = this.#place;
    const spaces = /\s*/uy;
    spaces.lastIndex = this.#at;
    const before = spaces.exec(this.#source)?.[0] ?? '';
    if (this.#source.startsWith('/*', this.#at + before.length)) {
      this.#comment(place);
      return;
    }
    const tokens: Token[] = [];
    for (let isApart = true; ; ) {
      if (this.#closes(isApart && tokens.length > 0, place)) break;
      TOKEN.lastIndex = this.#at;
      const match = TOKEN.exec(this.#source);
      if (match === null) throw this.#strange(place);
      this.#at += match[0].length;
      this.#line += lineBreaks(match[0]);
      const isSpace = match[1] !== undefined;
      if (!isSpace) tokens.push(toToken(match, isApart, place));
      isApart = isSpace;
    }
    if (tokens.length === 0) throw templateFault(place, 'The action {{ }} is empty');
    this.#pieces.push({ kind: 'action', tokens, place });
  }

  /** Whether the action ends here; then the end was passed over. */
  #closes(isAfterSpace: boolean, place: Place): boolean {
    if (this.#source.startsWith('}}', this.#at)) {
      this.#at += 2;
      return true;
    }
    if (isAfterSpace && this.#source.startsWith('-}}', this.#at)) {
      this.#at += 3;
      this.#isTrimming = true;
      return true;
    }
    if (this.#at >= this.#source.length) throw templateFault(place, 'An action {{ is never closed');
    return false;
  }

  #comment(place: Place): void {
    const end = this.#source.indexOf('*/', this.#at);
    if (end < 0) throw templateFault(place, 'A comment {{/* is never closed');
    const rest = /\s*-?\}\}/uy;
    rest.lastIndex = end + 2;
    const close = rest.exec(this.#source)?.[0];
    if (close === undefined || /^-/u.test(close))
      throw templateFault(place, 'A comment must end with */}} or */ -}}');
    this.#isTrimming = close.includes('-');
    this.#line += lineBreaks(this.#source.slice(this.#at, rest.lastIndex));
    this.#at = rest.lastIndex;
  }

  #strange(place: Place): Error {
    const found = JSON.stringify(String.fromCodePoint(this.#source.codePointAt(this.#at) ?? 0));
    return templateFault(place, `${found} is not understood in an action`);
  }
}

/** Cuts a source into pieces. Throws `invalid` with file and line for what is not a template. */
export function cutTemplate(file: string, source: string): readonly Piece[] {
  if (source.length > SOURCE_CHARACTERS_MAX)
    throw templateFault(
      { file, line: 1 },
      `The template is over ${SOURCE_CHARACTERS_MAX} characters`,
    );
  return new Lexer(file, source).run();
}
