/**
 * The parser of the permission language: Keto's grammar (reference/permissions.md §6) with full expressions inside
 * `traverse` and the type `Wildcard<Namespace>`. It stops at the first syntax error.
 *
 * INVARIANT: `&&` and `||` bind alike, from left to right, as in Keto: `a || b && c` is `(a || b) && c`. Whoever mixes
 * them without parentheses is warned.
 */
import { lex, SourceMap, type Token } from './lexer.ts';
import type { Problem } from './problem.ts';
import type { ClassSyntax, Expression, RelationSyntax, TypeSyntax } from './syntax.ts';

/** As Keto's: nine parentheses or negations may be open at once. */
const NESTING_MAX = 10;

class SyntaxProblem extends Error {
  readonly at: Token;
  constructor(message: string, at: Token) {
    super(message);
    this.at = at;
  }
}

/** What a source says, and every problem of its syntax. */
export interface Parsed {
  readonly classes: readonly ClassSyntax[];
  readonly problems: readonly Problem[];
  readonly map: SourceMap;
}

/** Parses; never throws. */
export function parse(source: string): Parsed {
  const map = new SourceMap(source);
  const { tokens, broken } = lex(source);
  const last: Token = broken?.at ?? {
    kind: 'end',
    value: '',
    start: source.length,
    end: source.length,
  };
  const parser = new Parser(
    tokens.filter((t) => t.kind !== 'comment' && t.kind !== 'end'),
    last,
  );
  const classes: ClassSyntax[] = [];
  const problems: Problem[] = [];
  try {
    for (let next = parser.class(); next !== undefined; next = parser.class()) classes.push(next);
    if (broken !== undefined) problems.push(map.problem('error', broken.message, broken.at));
  } catch (reason) {
    if (!(reason instanceof SyntaxProblem)) throw reason;
    // What is no token at all is the cause of what the parser misses there.
    const isBroken = broken !== undefined && reason.at === last;
    const message = isBroken ? broken.message : reason.message;
    problems.push(map.problem('error', message, reason.at));
  }
  for (const at of parser.mixed)
    problems.push(
      map.problem(
        'warning',
        '"&&" and "||" bind alike, from left to right: add parentheses to say what is meant',
        at,
      ),
    );
  return { classes, problems, map };
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #last: Token;
  readonly mixed: Token[] = [];
  #at = 0;

  constructor(tokens: readonly Token[], last: Token) {
    this.#tokens = tokens;
    this.#last = last;
  }

  get #peek(): Token {
    return this.#tokens[this.#at] ?? this.#last;
  }
  #next(): Token {
    const token = this.#peek;
    this.#at++;
    return token;
  }
  #is(value: string): boolean {
    const token = this.#peek;
    return token.value === value && token.kind !== 'string' && token !== this.#last;
  }
  #take(value: string): boolean {
    const isThere = this.#is(value);
    if (isThere) this.#at++;
    return isThere;
  }
  #expect(...values: readonly string[]): void {
    for (const value of values)
      if (!this.#take(value)) {
        const got = this.#peek;
        throw new SyntaxProblem(
          `expected ${JSON.stringify(value)}, got ${JSON.stringify(got.value)}`,
          got,
        );
      }
  }
  #name(): Token {
    const token = this.#next();
    if (token.kind === 'name' || token.kind === 'string') return token;
    throw new SyntaxProblem(`expected identifier, got ${JSON.stringify(token.value)}`, token);
  }

  /** The next class; whatever is before it (imports, `export`) is skipped. */
  class(): ClassSyntax | undefined {
    while (this.#peek !== this.#last && !this.#is('class')) this.#at++;
    if (!this.#take('class')) return undefined;
    const name = this.#name();
    this.#expect('implements', 'Namespace', '{');
    const relations: RelationSyntax[] = [];
    for (;;) {
      if (this.#take('}')) return { name, relations };
      if (this.#take(';')) continue;
      const section = this.#next();
      if (section.value === 'related') this.#related(relations);
      else if (section.value === 'permits') this.#permits(relations);
      else
        throw new SyntaxProblem(
          `expected 'permits' or 'related', got ${JSON.stringify(section.value)}`,
          section,
        );
    }
  }

  #member(): Token | undefined {
    if (this.#take('}')) return undefined;
    const token = this.#next();
    if (token.kind === 'name' || token.kind === 'string') return token;
    throw new SyntaxProblem(
      `expected identifier or '}', got ${JSON.stringify(token.value)}`,
      token,
    );
  }

  #related(relations: RelationSyntax[]): void {
    this.#expect(':', '{');
    for (;;) {
      if (this.#take(';')) continue;
      const name = this.#member();
      if (name === undefined) return;
      this.#expect(':');
      relations.push({ name, types: this.#types() });
    }
  }

  #types(): readonly TypeSyntax[] {
    if (this.#take('Array')) {
      this.#expect('<');
      const types = this.#union('>');
      this.#take(',');
      return types;
    }
    const types = this.#take('(') ? this.#union(')') : [this.#type()];
    this.#expect('[', ']');
    this.#take(',');
    return types;
  }

  #union(end: string): readonly TypeSyntax[] {
    const types = [this.#type()];
    while (!this.#take(end)) {
      const bar = this.#peek;
      if (!this.#take('|'))
        throw new SyntaxProblem(`expected '|', got ${JSON.stringify(bar.value)}`, bar);
      types.push(this.#type());
    }
    return types;
  }

  #type(): TypeSyntax {
    const first = this.#name();
    if (!this.#is('<')) return { namespace: first, isWildcard: false };
    this.#expect('<');
    const namespace = this.#name();
    if (first.value === 'Wildcard') {
      this.#expect('>');
      return { namespace, isWildcard: true };
    }
    if (first.value !== 'SubjectSet') throw new SyntaxProblem(`expected "[", got "<"`, first);
    this.#expect(',');
    const relation = this.#name();
    this.#expect('>');
    return { namespace, relation, isWildcard: false };
  }

  #permits(relations: RelationSyntax[]): void {
    this.#expect('=', '{');
    for (;;) {
      const name = this.#member();
      if (name === undefined) return;
      this.#expect(':', '(', 'ctx');
      if (this.#take(':')) this.#expect('Context');
      this.#expect(')');
      if (this.#take(':')) this.#expect('boolean');
      this.#expect('=>');
      const rewrite = this.#expression('this', NESTING_MAX);
      if (!this.#is('}')) this.#expect(',');
      relations.push({ name, types: [], rewrite });
    }
  }

  #expression(base: string, depth: number): Expression {
    if (depth <= 0)
      throw new SyntaxProblem(
        `expression nested too deeply; maximal nesting depth is ${NESTING_MAX}`,
        this.#peek,
      );
    let root = this.#unary(base, depth);
    let before: string | undefined;
    for (;;) {
      const operator = this.#peek;
      const isOr = this.#take('||');
      if (!isOr && !this.#take('&&')) return root;
      if (before !== undefined && before !== operator.value) this.mixed.push(operator);
      before = operator.value;
      root = join(isOr ? 'or' : 'and', root, this.#unary(base, depth));
    }
  }

  #unary(base: string, depth: number): Expression {
    if (this.#take('!')) {
      if (depth <= 1)
        throw new SyntaxProblem(
          `expression nested too deeply; maximal nesting depth is ${NESTING_MAX}`,
          this.#peek,
        );
      return { kind: 'not', child: this.#operand(base, depth - 1) };
    }
    return this.#operand(base, depth);
  }
  #operand(base: string, depth: number): Expression {
    if (!this.#take('(')) return this.#term(base, depth);
    const inner = this.#expression(base, depth - 1);
    this.#expect(')');
    return inner;
  }

  #property(): Token {
    if (this.#take('[')) {
      const name = this.#name();
      this.#expect(']');
      return name;
    }
    this.#expect('.');
    return this.#name();
  }

  #term(base: string, depth: number): Expression {
    this.#expect(base, '.');
    const section = this.#next();
    if (section.value === 'permits') {
      const relation = this.#property();
      this.#expect('(', 'ctx', ')');
      return { kind: 'computed', relation };
    }
    if (section.value !== 'related')
      throw new SyntaxProblem(
        `expected 'related' or 'permits', got ${JSON.stringify(section.value)}`,
        section,
      );
    const relation = this.#property();
    this.#expect('.');
    const verb = this.#next();
    if (verb.value === 'includes') {
      this.#expect('(', 'ctx', '.', 'subject');
      this.#take(',');
      this.#expect(')');
      return { kind: 'computed', relation };
    }
    if (verb.value === 'traverse') return this.#traverse(relation, depth);
    throw new SyntaxProblem(
      `expected 'traverse' or 'includes', got ${JSON.stringify(verb.value)}`,
      verb,
    );
  }

  #traverse(relation: Token, depth: number): Expression {
    this.#expect('(');
    const isBracketed = this.#take('(');
    const parameter = this.#name();
    if (isBracketed) this.#expect(')');
    this.#expect('=>');
    const through = this.#expression(parameter.value, depth - 1);
    this.#take(',');
    this.#expect(')');
    return { kind: 'traverse', relation, through };
  }
}

/** Runs of one operator become one group, also across parentheses. */
function join(kind: 'or' | 'and', left: Expression, right: Expression): Expression {
  const parts = (e: Expression): readonly Expression[] => (e.kind === kind ? e.children : [e]);
  return { kind, children: [...parts(left), ...parts(right)] };
}
