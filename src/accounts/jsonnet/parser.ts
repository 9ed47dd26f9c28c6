/**
 * Reads tokens into Jsonnet syntax. Pure and bounded in depth. What the subset leaves out (imports, bit
 * operators, unknown names of `std`) is refused here, by name and place, before anything is evaluated.
 */

import { JsonnetFault } from './fault.ts';
import { type Token, tokenize } from './lexer.ts';
import { ObjectReader } from './object-parser.ts';
import type { Argument, Binding, Clause, Parameter, Syntax } from './syntax.ts';

/** How deep expressions may nest in the source. */
export const MAX_NESTING: number = 100;

/** How many clauses a comprehension may have: each nests a loop in the one before. */
const MAX_CLAUSES = 8;

const PRECEDENCE: ReadonlyMap<string, number> = new Map([
  ['||', 1],
  ['&&', 2],
  ['==', 3],
  ['!=', 3],
  ['<', 4],
  ['>', 4],
  ['<=', 4],
  ['>=', 4],
  ['in', 4],
  ['+', 5],
  ['-', 5],
  ['*', 6],
  ['/', 6],
  ['%', 6],
]);

const REFUSED: ReadonlySet<string> = new Set(
  'import importstr importbin tailstrict & | ^ << >> ~'.split(' '),
);

/** Walks the tokens; the object literal's rules live in object-parser.ts. */
export class Parser {
  private readonly tokens: readonly Token[];
  private readonly isStandard: (name: string) => boolean;
  private position = 0;
  private depth = 0;

  constructor(source: string, isStandard: (name: string) => boolean) {
    this.tokens = tokenize(source);
    this.isStandard = isStandard;
  }

  /** The whole text as one expression. Throws JsonnetFault. */
  program(): Syntax {
    const body = this.expression();
    if (this.peek().kind !== 'end') throw this.unexpected();
    return body;
  }

  peek(ahead = 0): Token {
    const token = this.tokens[Math.min(this.position + ahead, this.tokens.length - 1)];
    if (token === undefined) throw new JsonnetFault('unexpected end of text', 0);
    return token;
  }

  next(): Token {
    const token = this.peek();
    this.position += 1;
    return token;
  }

  is(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return (token.kind === 'operator' || token.kind === 'keyword') && token.text === text;
  }

  accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.position += 1;
    return true;
  }

  expect(text: string): void {
    if (!this.accept(text)) throw this.unexpected(text);
  }

  unexpected(wanted?: string): JsonnetFault {
    const token = this.peek();
    if (token.kind !== 'string' && REFUSED.has(token.text)) {
      return new JsonnetFault(`\`${token.text}\` is not supported`, token.at);
    }
    const found = token.kind === 'string' ? 'a string' : `\`${token.text.slice(0, 40)}\``;
    return new JsonnetFault(
      `${found} is not expected${wanted === undefined ? '' : `, but \`${wanted}\``}`,
      token.at,
    );
  }

  name(): string {
    const token = this.peek();
    if (token.kind !== 'identifier') throw this.unexpected();
    if (token.text === 'std')
      throw new JsonnetFault('`std` can not be given another meaning', token.at);
    this.position += 1;
    return token.text;
  }

  expression(minimum = 1): Syntax {
    this.depth += 1;
    if (this.depth > MAX_NESTING) throw new JsonnetFault('nested too deeply', this.peek().at);
    let left = this.prefix();
    for (;;) {
      const token = this.peek();
      const rank = token.kind === 'string' ? undefined : PRECEDENCE.get(token.text);
      if (rank === undefined || rank < minimum) break;
      this.position += 1;
      if (token.text === 'in' && this.accept('super')) {
        throw new JsonnetFault('`in super` is not supported', token.at);
      }
      left = {
        kind: 'binary',
        at: token.at,
        operator: token.text,
        left,
        right: this.expression(rank + 1),
      };
    }
    this.depth -= 1;
    return left;
  }

  private prefix(): Syntax {
    const { at, kind, text } = this.peek();
    if (kind === 'operator' && (text === '!' || text === '-' || text === '+')) {
      this.position += 1;
      return { kind: 'unary', at, operator: text, operand: this.expression(7) };
    }
    if (kind !== 'keyword') return this.suffixes(this.primary());
    if (this.accept('local')) return this.local(at);
    if (this.accept('if')) return this.condition(at);
    if (this.accept('function'))
      return { kind: 'function', at, parameters: this.parameters(), body: this.expression() };
    if (this.accept('error')) return { kind: 'error', at, message: this.expression() };
    if (this.accept('assert')) {
      const assert = this.assertion(at);
      this.expect(';');
      return { kind: 'assert', at, assert, body: this.expression() };
    }
    return this.suffixes(this.primary());
  }

  /** What follows the word `assert`. */
  assertion(at: number): { condition: Syntax; message?: Syntax; at: number } {
    const condition = this.expression();
    return this.accept(':') ? { condition, message: this.expression(), at } : { condition, at };
  }

  private local(at: number): Syntax {
    const bindings = [this.binding()];
    while (this.accept(',')) bindings.push(this.binding());
    this.expect(';');
    return { kind: 'local', at, bindings, body: this.expression() };
  }

  /** `name = body` or `name(parameters) = body`. */
  binding(): Binding {
    const at = this.peek().at;
    const name = this.name();
    const parameters = this.is('(') ? this.parameters() : undefined;
    this.expect('=');
    const body = this.expression();
    return {
      name,
      body: parameters === undefined ? body : { kind: 'function', at, parameters, body },
    };
  }

  private condition(at: number): Syntax {
    const condition = this.expression();
    this.expect('then');
    const then = this.expression();
    const base = { kind: 'if' as const, at, condition, then };
    return this.accept('else') ? { ...base, otherwise: this.expression() } : base;
  }

  parameters(): readonly Parameter[] {
    const parameters: Parameter[] = [];
    this.expect('(');
    while (!this.accept(')')) {
      const at = this.peek().at;
      const name = this.name();
      if (parameters.some((known) => known.name === name))
        throw new JsonnetFault('a parameter is there twice', at);
      parameters.push(this.accept('=') ? { name, fallback: this.expression() } : { name });
      if (!this.is(')')) this.expect(',');
    }
    return parameters;
  }

  private primary(): Syntax {
    const { at, kind, text } = this.next();
    if (kind === 'string') return { kind: 'literal', at, value: text };
    if (kind === 'number') return { kind: 'literal', at, value: this.number(text, at) };
    if (kind === 'identifier')
      return text === 'std' ? this.standard(at) : { kind: 'variable', at, name: text };
    if (text === 'null') return { kind: 'literal', at, value: null };
    if (text === 'true' || text === 'false') return { kind: 'literal', at, value: text === 'true' };
    if (text === 'self') return { kind: 'self', at };
    if (text === '$') return { kind: 'root', at };
    if (text === 'super') return { kind: 'super', at, name: this.selector() };
    if (text === '{') return new ObjectReader(this).read(at);
    if (text === '[') return this.array(at);
    if (text === '(') {
      const body = this.expression();
      this.expect(')');
      return body;
    }
    this.position -= 1;
    throw this.unexpected();
  }

  private number(text: string, at: number): number {
    const value = Number(text);
    if (!Number.isFinite(value)) throw new JsonnetFault('a number is too large', at);
    return value;
  }

  private standard(at: number): Syntax {
    this.expect('.');
    const token = this.next();
    if (token.kind !== 'identifier' || !this.isStandard(token.text)) {
      throw new JsonnetFault(`\`std.${token.text.slice(0, 40)}\` is not supported`, at);
    }
    return { kind: 'variable', at, name: `std.${token.text}` };
  }

  private selector(): Syntax {
    if (this.accept('.')) {
      const token = this.next();
      if (token.kind === 'identifier') return { kind: 'literal', at: token.at, value: token.text };
      this.position -= 1;
      throw this.unexpected();
    }
    this.expect('[');
    const name = this.expression();
    this.expect(']');
    return name;
  }

  private suffixes(first: Syntax): Syntax {
    let target = first;
    for (;;) {
      const { at } = this.peek();
      if (this.is('.')) target = { kind: 'index', at, target, name: this.selector() };
      else if (this.is('[')) target = this.bracket(target, at);
      else if (this.is('(')) target = { kind: 'call', at, target, arguments: this.callArguments() };
      else if (this.is('{')) {
        this.position += 1;
        target = {
          kind: 'binary',
          at,
          operator: '+',
          left: target,
          right: new ObjectReader(this).read(at),
        };
      } else return target;
    }
  }

  private bracket(target: Syntax, at: number): Syntax {
    this.expect('[');
    const parts: (Syntax | undefined)[] = [undefined];
    while (!this.accept(']')) {
      if (this.accept('::')) parts.push(undefined, undefined);
      else if (this.accept(':')) parts.push(undefined);
      else if (parts.at(-1) !== undefined) throw this.unexpected(']');
      else parts[parts.length - 1] = this.expression();
    }
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return { kind: 'index', at, target, name: only };
    if (parts.length === 1 || parts.length > 3)
      throw new JsonnetFault('a slice has two or three parts', at);
    return { kind: 'slice', at, target, parts };
  }

  private callArguments(): readonly Argument[] {
    const list: Argument[] = [];
    this.expect('(');
    while (!this.accept(')')) {
      if (this.peek().kind === 'identifier' && this.is('=', 1)) {
        const name = this.name();
        this.expect('=');
        list.push({ name, body: this.expression() });
      } else {
        if (list.at(-1)?.name !== undefined) throw this.unexpected();
        list.push({ body: this.expression() });
      }
      if (!this.is(')')) this.expect(',');
    }
    return list;
  }

  private array(at: number): Syntax {
    const items: Syntax[] = [];
    while (!this.accept(']')) {
      items.push(this.expression());
      const hasComma = this.accept(',');
      if (items.length === 1 && this.is('for')) {
        const clauses = this.clauses();
        this.expect(']');
        return { kind: 'array', at, items, clauses };
      }
      if (!hasComma && !this.is(']')) throw this.unexpected(']');
    }
    return { kind: 'array', at, items, clauses: [] };
  }

  /** One or more `for` and `if` of a comprehension. */
  clauses(): readonly Clause[] {
    const clauses: Clause[] = [];
    for (;;) {
      if (clauses.length > MAX_CLAUSES) throw new JsonnetFault('too many clauses', this.peek().at);
      if (this.accept('for')) {
        const name = this.name();
        this.expect('in');
        clauses.push({ kind: 'for', name, source: this.expression() });
      } else if (clauses.length > 0 && this.accept('if')) {
        clauses.push({ kind: 'if', condition: this.expression() });
      } else return clauses;
    }
  }
}
