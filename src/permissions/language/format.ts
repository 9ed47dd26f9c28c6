/** The canonical form of a source in the permission language: one member a line, two spaces a level, comments kept. */
import { PosternError } from '../../kernel/index.ts';
import { lex, type Token } from './lexer.ts';
import { parse } from './parser.ts';

const OPERATORS = new Set(['=', '=>', '&&', '||', '|']);
const OPENING = new Set(['(', '[', '<']);
const CLOSING = new Set([')', ']', '>']);

/** Whether a space stands between two tokens of a line. */
function isApart(left: Token, right: Token): boolean {
  if (left.kind === 'comment' || right.kind === 'comment') return true;
  if (OPERATORS.has(left.value) && left.kind === 'sign') return true;
  if (right.kind === 'sign') {
    if (OPERATORS.has(right.value) || right.value === '{') return true;
    if (right.value === '(') return left.value === ':' || left.value === ',';
    if (right.value === '!') return left.value !== '(' && left.value !== '!';
    return false;
  }
  return left.kind !== 'sign' || left.value === ':' || left.value === ',' || left.value === '}';
}

class Printer {
  readonly #source: string;
  #text = '';
  #line = '';
  #level = 0;
  #before: Token | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  get text(): string {
    this.break();
    return this.#text;
  }

  break(): void {
    if (this.#line !== '') this.#text += `${'  '.repeat(this.#level)}${this.#line}\n`;
    this.#line = '';
    this.#before = undefined;
  }
  indent(by: number): void {
    this.break();
    this.#level = Math.max(0, this.#level + by);
  }
  put(token: Token): void {
    if (this.#before !== undefined && isApart(this.#before, token)) this.#line += ' ';
    this.#line += this.#source.slice(token.start, token.end);
    this.#before = token;
  }
}

/** Formats a source. Throws `invalid` with the first syntax error. */
export function formatModel(source: string): string {
  const [problem] = parse(source).problems.filter((p) => p.severity === 'error');
  if (problem !== undefined)
    throw new PosternError(
      'invalid',
      `${problem.start.line}:${problem.start.column}: ${problem.message}`,
    );
  const tokens = lex(source).tokens.filter((t) => t.kind !== 'end');
  const printer = new Printer(source);
  let nesting = 0;
  tokens.forEach((token, i) => {
    const before = tokens[i - 1];
    const next = tokens[i + 1];
    if (token.kind === 'comment') {
      // A comment on a line of its own stays on one.
      const between = source.slice(before?.end ?? 0, token.start);
      if (between.includes('\n') || before === undefined) printer.break();
      printer.put(token);
      const hasMore = next !== undefined && !source.slice(token.end, next.start).includes('\n');
      if (token.value.startsWith('//') || !hasMore) printer.break();
      return;
    }
    if (token.kind === 'sign' && OPENING.has(token.value)) nesting++;
    if (token.kind === 'sign' && CLOSING.has(token.value)) nesting--;
    const trails = next?.kind === 'comment' && !source.slice(token.end, next.start).includes('\n');
    if (token.kind === 'sign' && token.value === '{') {
      printer.put(token);
      // An empty body stays on its line.
      if (next?.value === '}') return;
      printer.indent(1);
      return;
    }
    if (token.kind === 'sign' && token.value === '}') {
      if (before?.value !== '{') printer.indent(-1);
      printer.put(token);
      if (next?.value !== ',' && next?.value !== ';' && !trails) printer.break();
      return;
    }
    const startsMember =
      nesting === 0 &&
      token.kind !== 'sign' &&
      next?.value === ':' &&
      (before?.value === ']' || before?.value === '>');
    if (startsMember) printer.break();
    printer.put(token);
    const isSeparator = token.kind === 'sign' && (token.value === ',' || token.value === ';');
    if (isSeparator && nesting === 0 && !trails) printer.break();
  });
  return printer.text;
}
