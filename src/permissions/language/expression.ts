/**
 * Parses the expressions of permits. `&&` and `||` bind equally, from left to right, as in Keto and unlike TypeScript: a
 * permission must never change its meaning on the way from there. Where both are mixed without parentheses a warning is
 * left.
 */
import type { Expression, Name, Operator, Term } from './ast.ts';
import type { Cursor } from './cursor.ts';
import type { Token } from './lexer.ts';
import { type Problems, quote } from './text.ts';

/** How deep `(`, `!` and traversals within traversals nest, the expression itself counted in. */
export const NESTING_MAX = 10;
const MIXED =
  '&& and || bind equally, from left to right, unlike in TypeScript: add parentheses to say what is meant';
/** How often operators may alternate in one group: each time nests it deeper. */
const CHANGES_MAX = 100;
const TOO_MIXED = `&& and || alternate more than ${CHANGES_MAX} times: add parentheses`;

/** What is around an expression. */
interface Scope {
  /** Whose relations and permits are asked: `this`, or the argument of the innermost traversal. */
  readonly subject: string;
  readonly depth: number;
}

export class ExpressionParser {
  readonly #cursor: Cursor;
  readonly #problems: Problems;

  constructor(cursor: Cursor, problems: Problems) {
    this.#cursor = cursor;
    this.#problems = problems;
  }

  /** Parses the expression of a permit, up to the `,` or `}` behind it. */
  parse(): Expression {
    return this.#group({ subject: 'this', depth: NESTING_MAX });
  }

  #enter(scope: Scope): Scope {
    const depth = scope.depth - 1;
    if (depth <= 0)
      this.#cursor.fail(`expression nested too deeply; maximal nesting depth is ${NESTING_MAX}`);
    return { ...scope, depth };
  }

  /** Operands and operators, up to what can be neither. */
  #group(scope: Scope): Expression {
    let root = this.#operand(scope);
    let last: Token | undefined;
    let changes = 0;
    for (;;) {
      const token = this.#cursor.peek();
      const operator = operatorOf(token);
      if (operator === undefined) {
        if (isOperand(token)) this.#cursor.fail('did not expect another expression');
        return root;
      }
      if (last !== undefined && last.value !== operator && ++changes === 1)
        this.#problems.warn(token, MIXED);
      if (changes > CHANGES_MAX) this.#cursor.fail(TOO_MIXED);
      last = this.#cursor.take();
      root = join(operator, root, this.#operand(scope));
    }
  }

  #operand(scope: Scope): Expression {
    const { at } = this.#cursor;
    if (this.#cursor.accept('(')) return this.#parentheses(scope);
    if (!this.#cursor.accept('!')) return this.#term(scope);
    const inner = this.#enter(scope);
    if (!this.#cursor.accept('(')) return { kind: 'not', at, child: this.#term(inner) };
    const child = this.#parentheses(inner);
    if (child.kind === 'group') return { kind: 'not', at, child };
    const group = { kind: 'group', at: at + 1, isParenthesised: true } as const;
    return { kind: 'not', at, child: { ...group, operator: '||', children: [child] } };
  }

  /** Behind the `(`, up to and with the `)`. */
  #parentheses(scope: Scope): Expression {
    const at = this.#cursor.at - 1;
    const expression = this.#group(this.#enter(scope));
    this.#cursor.expect(')');
    return expression.kind === 'group' ? { ...expression, at, isParenthesised: true } : expression;
  }

  #term(scope: Scope): Term {
    const cursor = this.#cursor;
    const { at } = cursor;
    const { subject } = scope;
    cursor.expect(subject, '.');
    const verb = cursor.take();
    const name = (): Name => {
      if (!cursor.accept('[')) cursor.expect('.');
      else {
        const inBrackets = cursor.name('orKeyword');
        cursor.expect(']');
        return inBrackets;
      }
      return cursor.name('orKeyword');
    };
    if (verb.value === 'permits') {
      const node: Term = { kind: 'permits', at, subject, name: name() };
      cursor.expect('(', 'ctx', ')');
      return node;
    }
    if (verb.value !== 'related')
      cursor.fail(`expected 'related' or 'permits', got ${quote(verb.value)}`, verb);
    const relation = name();
    cursor.expect('.');
    const ask = cursor.take();
    if (ask.value === 'traverse') return this.#traverse(scope, at, relation);
    if (ask.value !== 'includes')
      cursor.fail(`expected 'traverse' or 'includes', got ${quote(ask.value)}`, ask);
    cursor.expect('(', 'ctx', '.', 'subject');
    cursor.accept(',');
    cursor.expect(')');
    return { kind: 'related', at, subject, name: relation };
  }

  /** Behind the word `traverse`. */
  #traverse(scope: Scope, at: number, name: Name): Term {
    const cursor = this.#cursor;
    cursor.expect('(');
    const isInParentheses = cursor.accept('(');
    const argument = cursor.argument();
    if (isInParentheses) cursor.expect(')');
    cursor.expect('=>');
    // A traversal costs no nesting by itself: Keto has one term in it at any depth.
    const { depth } = scope.subject === 'this' ? scope : this.#enter(scope);
    const body = this.#group({ subject: argument.value, depth });
    cursor.accept(',');
    cursor.expect(')');
    return { kind: 'traverse', at, subject: scope.subject, name, argument, body };
  }
}

function operatorOf({ kind, value }: Token): Operator | undefined {
  return kind === 'sign' && (value === '&&' || value === '||') ? value : undefined;
}

function isOperand({ kind, value }: Token): boolean {
  return value === '(' || value === '!' || kind.startsWith('Keyword') || kind === 'Identifier';
}

/** Joins two operands, and merges groups of the same operator into one. */
function join(operator: Operator, left: Expression, right: Expression): Expression {
  const partsOf = (e: Expression): Expression[] =>
    e.kind === 'group' && e.operator === operator ? e.children : [e];
  // The left group grows in place: a copy for each operand would take quadratic time.
  const children = partsOf(left);
  for (const part of partsOf(right)) children.push(part);
  return { kind: 'group', at: left.at, operator, children, isParenthesised: false };
}
