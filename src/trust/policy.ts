/**
 * The policy expression language: who may use a resource. Two forms: an S-expression whose first element is an operator
 * (`(= subject.component "web")`), and a boolean shorthand (`web or db`) in which a name `a` means `(= subject.a "true")`.
 * `(check "access" "db:prod")` asks whether the peer is in relation `access` to `db:prod`. Such questions are collected and
 * answered first, by whoever knows the relations; the language itself asks nobody.
 *
 * INVARIANT: evaluation is pure and denies on any doubt: an unknown identifier, a type mismatch or an unanswered
 * question makes the whole expression false, also under `not`.
 */
import { PosternError } from '../kernel/index.ts';

type Literal = string | number | boolean;
export type Expression =
  | { readonly kind: 'literal'; readonly value: Literal; readonly isFloat?: boolean }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'sequence'; readonly items: readonly Expression[] }
  | { readonly kind: 'call'; readonly operator: Operator; readonly args: readonly Expression[] };
export interface Policy {
  readonly expression: Expression;
}
export interface PolicyEnvironment {
  readonly subject: Readonly<Record<string, Literal>>;
  readonly resource: { readonly id: string };
  readonly action: { readonly id: string };
}
/** Whether the peer is in a relation to an object. */
export interface RelationQuestion {
  readonly namespace: string;
  readonly object: string;
  readonly relation: string;
}
/** The answer to a question; undefined when there is none. */
export type RelationAnswer = (question: RelationQuestion) => boolean | undefined;
export interface Verdict {
  readonly allowed: boolean;
  /** One sentence: what decided, safe to show to an authenticated peer. */
  readonly why: string;
}

const OPERATORS = [
  'and',
  'or',
  'not',
  'if',
  '<',
  '>',
  '=',
  '!=',
  'member?',
  'exists?',
  'check',
] as const;
type Operator = (typeof OPERATORS)[number];
const TEXT_MAX = 16 * 1024;
const DEPTH_MAX = 64;
const NAME = /^[A-Za-z!$%&*/<=>?~_^][A-Za-z0-9!$%&*/<=>?~_^.+\-@]*/;

const invalid = (text: string, why: string): PosternError =>
  new PosternError('invalid', `invalid value '${text.slice(0, 200)}': ${why}`);

type Token =
  | { readonly kind: '(' | ')' | '[' | ']' }
  | { readonly kind: 'literal'; readonly value: Literal; readonly isFloat?: boolean }
  | { readonly kind: 'name'; readonly name: string };

function readString(text: string, start: number): { value: string; end: number } {
  let value = '';
  for (let i = start + 1; i < text.length; i++) {
    const c = text[i];
    if (c === '"') return { value, end: i + 1 };
    if (c === '\\') {
      i++;
      value += text[i] ?? '';
    } else value += c;
  }
  throw invalid(text, 'a string is not closed');
}

/** An integer that a double holds exactly, or a float that prints without an exponent: what prints can be read again. */
function readNumber(text: string, word: string): Token {
  const isFloat = word.includes('.');
  const magnitude = Number(word.replace(/^[+-]/, ''));
  const number = word.startsWith('-') && magnitude !== 0 ? -magnitude : magnitude;
  if (!(isFloat ? Number.isFinite(number) : Number.isSafeInteger(number)) || /e/.test(`${number}`))
    throw invalid(text, `the number ${word.slice(0, 40)} is out of range`);
  return { kind: 'literal', value: number, isFloat };
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  while (i < text.length) {
    const c = text[i] ?? '';
    if (/\s/.test(c)) {
      i++;
      continue;
    }
    if (c === '(' || c === ')' || c === '[' || c === ']') {
      tokens.push({ kind: c });
      i++;
      continue;
    }
    if (c === '"') {
      const { value, end } = readString(text, i);
      tokens.push({ kind: 'literal', value });
      i = end;
      continue;
    }
    const rest = text.slice(i);
    const number = /^[+-]?(0x[0-9a-fA-F]+|\d+\.\d+|\d+)(?=[\s()[\]]|$)/.exec(rest);
    const name = number ? null : NAME.exec(rest);
    const word = number?.[0] ?? name?.[0];
    if (word === undefined) throw invalid(text, `unexpected character "${c}" at ${i}`);
    if (number) tokens.push(readNumber(text, word));
    else if (word === 'true' || word === 'false')
      tokens.push({ kind: 'literal', value: word === 'true' });
    else tokens.push({ kind: 'name', name: word });
    i += word.length;
  }
  return tokens;
}

function arity(operator: Operator, count: number): boolean {
  switch (operator) {
    case 'and':
    case 'or':
      return true;
    case 'not':
      return count === 1;
    case 'if':
      return count === 3;
    case 'member?':
      return count === 2;
    case 'check':
      return count === 2;
    case 'exists?':
      return count >= 1;
    case '<':
    case '>':
    case '=':
    case '!=':
      return count >= 2;
    default: {
      const never: never = operator;
      return never;
    }
  }
}

/** The question of a `check`: the relation, and the object as `namespace:object`. */
function relationOf(text: string, [first, second]: readonly Expression[]): RelationQuestion {
  const relation = first?.kind === 'literal' ? first.value : undefined;
  const on = second?.kind === 'literal' ? second.value : undefined;
  if (typeof relation !== 'string' || typeof on !== 'string' || on.indexOf(':') < 1)
    throw invalid(text, 'check takes two texts: (check "relation" "namespace:object")');
  const at = on.indexOf(':');
  return { relation, namespace: on.slice(0, at), object: on.slice(at + 1) };
}

function parseList(text: string): Expression {
  const tokens = tokenize(text);
  let at = 0;
  const call = (items: readonly Expression[]): Expression => {
    const [head, ...args] = items;
    const operator = OPERATORS.find((o) => head?.kind === 'name' && head.name === o);
    if (operator === undefined)
      throw invalid(text, `a list must begin with one of ${OPERATORS.join(' ')}`);
    if (!arity(operator, args.length))
      throw invalid(text, `wrong number of arguments for ${operator}`);
    if (operator === 'exists?' && args.some((a) => a.kind !== 'name'))
      throw invalid(text, 'exists? takes names');
    if (operator === 'check') relationOf(text, args);
    return { kind: 'call', operator, args };
  };
  const until = (close: ')' | ']', depth: number): Expression[] => {
    const items: Expression[] = [];
    while (tokens[at]?.kind !== close) {
      if (at >= tokens.length) throw invalid(text, `a ${close} is missing`);
      items.push(one(depth));
    }
    at++;
    return items;
  };
  const one = (depth: number): Expression => {
    if (depth > DEPTH_MAX) throw invalid(text, 'it is nested too deeply');
    const token = tokens[at++];
    if (token === undefined) throw invalid(text, 'it is empty');
    if (token.kind === 'literal' || token.kind === 'name') return token;
    if (token.kind === '(') return call(until(')', depth + 1));
    if (token.kind === '[') {
      const items = until(']', depth + 1);
      const kinds = new Set(items.map((i) => (i.kind === 'literal' ? typeof i.value : i.kind)));
      if (kinds.size > 1) throw invalid(text, 'a sequence holds values of one type');
      return { kind: 'sequence', items };
    }
    throw invalid(text, `unexpected ${token.kind}`);
  };
  const items: Expression[] = [];
  while (at < tokens.length) items.push(one(0));
  const [single] = items;
  if (single === undefined) throw invalid(text, 'it is empty');
  return items.length === 1 ? single : call(items);
}

/** The boolean shorthand; undefined when the text is not one. A word such as `notary` is a name, not `not ary`. */
function parseBoolean(text: string): Expression | undefined {
  const words = text.match(/[()]|[A-Za-z_-][A-Za-z0-9._-]*|\S/g) ?? [];
  if (words.some((w) => !/^([()]|[A-Za-z_-][A-Za-z0-9._-]*)$/.test(w))) return undefined;
  // A full name or a number is no attribute's name: `(not subject.has_credential)` is the list form.
  if (words.some((w) => /^((subject|resource|action)\.|-\d)/.test(w))) return undefined;
  let at = 0;
  let isBad = words.length === 0;
  const attribute = (name: string): Expression => ({
    kind: 'call',
    operator: '=',
    args: [
      { kind: 'name', name: `subject.${name}` },
      { kind: 'literal', value: 'true' },
    ],
  });
  const not = (depth: number): Expression => {
    const word = words[at++];
    if (
      word === undefined ||
      depth > DEPTH_MAX ||
      word === ')' ||
      word === 'and' ||
      word === 'or'
    ) {
      isBad = true;
      return { kind: 'literal', value: false };
    }
    if (word === 'not') return { kind: 'call', operator: 'not', args: [not(depth + 1)] };
    if (word === '(') {
      const inner = or(depth + 1);
      if (words[at++] !== ')') isBad = true;
      return inner;
    }
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
    return attribute(word);
  };
  const chain = (
    operator: 'and' | 'or',
    next: (depth: number) => Expression,
    depth: number,
  ): Expression => {
    const args = [next(depth)];
    while (words[at] === operator && !isBad) {
      const before = at++;
      const operand = next(depth);
      if (isBad) {
        // What follows the operator is no operand: what came before it was parsed, and the message says so.
        isBad = false;
        at = before;
        break;
      }
      args.push(operand);
    }
    const [only] = args;
    return args.length === 1 && only !== undefined ? only : { kind: 'call', operator, args };
  };
  const and = (depth: number): Expression => chain('and', not, depth);
  const or = (depth: number): Expression => chain('or', and, depth);
  const expression = or(0);
  if (isBad) return undefined;
  if (at === words.length) return expression;
  const rest = text.trim().slice(words.slice(0, at).join(' ').length);
  const isListForm = /["=<>]|^\s*\(/.test(text);
  if (isListForm || OPERATORS.some((o) => o === words[0])) return undefined;
  throw invalid(
    text,
    `successfully parsed: \`${words.slice(0, at).join(' ')}\`, but \`${rest}\` cannot be parsed`,
  );
}

/** Parses a policy in either form. Throws `invalid`. */
export function parsePolicy(text: string): Policy {
  const trimmed = text.trim();
  if (trimmed.length > TEXT_MAX) throw invalid(trimmed, 'it is too long');
  const expression = parseBoolean(trimmed) ?? parseList(trimmed);
  // A policy is kept as it prints, which is longer and deeper than the shorthand: that form has to keep the bounds too.
  const printed = print(expression);
  if (printed.length > TEXT_MAX) throw invalid(trimmed, 'it is too long');
  parseList(printed);
  return { expression };
}

function print(e: Expression): string {
  switch (e.kind) {
    case 'literal':
      if (typeof e.value === 'string')
        return `"${e.value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
      return e.isFloat && Number.isInteger(e.value) ? `${e.value}.0` : String(e.value);
    case 'name':
      return e.name;
    case 'sequence':
      return `[${e.items.map(print).join(' ')}]`;
    case 'call':
      return `(${[e.operator, ...e.args.map(print)].join(' ')})`;
    default: {
      const never: never = e;
      return never;
    }
  }
}

/** Prints a policy in its S-expression form. */
export function printPolicy(policy: Policy): string {
  return print(policy.expression);
}

class Doubt extends Error {}

type Value = Literal | readonly Literal[];

function lookup(name: string, env: PolicyEnvironment): Literal | undefined {
  if (name === 'resource.id') return env.resource.id;
  if (name === 'action.id') return env.action.id;
  const key = name.startsWith('subject.') ? name.slice('subject.'.length) : undefined;
  return key !== undefined && Object.hasOwn(env.subject, key) ? env.subject[key] : undefined;
}

/** What is known while a policy is evaluated. */
interface Known extends PolicyEnvironment {
  readonly relation: RelationAnswer;
}

function value(e: Expression, env: Known): Value {
  if (e.kind === 'literal') return e.value;
  if (e.kind === 'sequence')
    return e.items.map((i) => {
      const v = value(i, env);
      if (typeof v === 'object') throw new Doubt('a sequence inside a sequence');
      return v;
    });
  if (e.kind === 'call') return call(e.operator, e.args, env);
  const found = lookup(e.name, env);
  if (found === undefined) throw new Doubt(`${e.name} is not set`);
  return found;
}

function truth(e: Expression, env: Known): boolean {
  const v = value(e, env);
  if (typeof v !== 'boolean') throw new Doubt(`${print(e)} is not true or false`);
  return v;
}

function compare(operator: '<' | '>' | '=', args: readonly Expression[], env: Known): boolean {
  const values = args.map((a) => value(a, env));
  return values.slice(1).every((right, i) => {
    const left = values[i];
    if (typeof left !== typeof right || typeof left === 'object' || left === undefined)
      throw new Doubt(`${operator} compares values of different types`);
    if (operator === '=') return left === right;
    return operator === '<' ? left < right : left > right;
  });
}

function call(operator: Operator, args: readonly Expression[], env: Known): Value {
  const [first, second, third] = args;
  switch (operator) {
    case 'and':
      return args.every((a) => truth(a, env));
    case 'or':
      return args.some((a) => truth(a, env));
    case 'not':
      return first !== undefined && !truth(first, env);
    case 'if':
      if (!first || !second || !third) throw new Doubt('if takes three arguments');
      return truth(first, env) ? value(second, env) : value(third, env);
    case '<':
    case '>':
    case '=':
      return compare(operator, args, env);
    case '!=':
      return !compare('=', args, env);
    case 'member?': {
      if (!first || !second) throw new Doubt('member? takes two arguments');
      const sequence = value(second, env);
      const item = value(first, env);
      if (typeof sequence !== 'object' || typeof item === 'object')
        throw new Doubt('member? wants a value and a sequence');
      if (sequence.some((i) => typeof i !== typeof item))
        throw new Doubt('member? compares values of different types');
      return sequence.includes(item);
    }
    case 'check': {
      const answer = env.relation(relationOf('check', args));
      if (answer === undefined) throw new Doubt('a relation is not answered');
      return answer;
    }
    case 'exists?':
      return args.every((a) => a.kind === 'name' && lookup(a.name, env) !== undefined);
    default: {
      const never: never = operator;
      return never;
    }
  }
}

function namesIn(e: Expression): string[] {
  if (e.kind === 'name') return [e.name];
  if (e.kind === 'call') return e.args.flatMap(namesIn);
  return e.kind === 'sequence' ? e.items.flatMap(namesIn) : [];
}

/** What the credential says of every name that the policy asks about. */
function said(e: Expression, env: PolicyEnvironment): string {
  const names = [...new Set(namesIn(e))];
  const parts = names.map((name) => {
    const v = lookup(name, env);
    return v === undefined ? `no ${name}` : `${name}=${JSON.stringify(v)}`;
  });
  return parts.length === 0 ? 'it names no attribute' : `the credential says ${parts.join(', ')}`;
}

function questionsIn(e: Expression): RelationQuestion[] {
  if (e.kind !== 'call') return [];
  return e.operator === 'check' ? [relationOf('check', e.args)] : e.args.flatMap(questionsIn);
}

/** The questions that a policy asks, all of them, whatever its evaluation would come to. */
export function questionsOf(policy: Policy): readonly RelationQuestion[] {
  return questionsIn(policy.expression);
}

function heard(questions: readonly RelationQuestion[], answer: RelationAnswer): string {
  const words = (verdict: boolean | undefined): string => {
    if (verdict === undefined) return 'not answered';
    return verdict ? 'yes' : 'no';
  };
  return questions
    .map((q) => `; ${q.namespace}:${q.object}#${q.relation} is ${words(answer(q))}`)
    .join('');
}

/** Evaluates a policy; never throws. Any doubt denies, and so does any question without an answer. */
export function evaluatePolicy(
  policy: Policy,
  env: PolicyEnvironment,
  answer: RelationAnswer = () => undefined,
): Verdict {
  const questions = questionsOf(policy);
  const facts = said(policy.expression, env) + heard(questions, answer);
  const why = `needs ${printPolicy(policy)}; ${facts}`;
  if (questions.some((q) => answer(q) === undefined)) return { allowed: false, why };
  try {
    return { allowed: truth(policy.expression, { ...env, relation: answer }), why };
  } catch (reason) {
    if (!(reason instanceof Doubt)) throw reason;
    return { allowed: false, why: `${why} (${reason.message})` };
  }
}

/** The environment of a policy for a verified peer. */
export function peerEnvironment(
  peer: {
    readonly identifier: string;
    readonly attributes: Readonly<Record<string, string>>;
    readonly hasCredential: boolean;
  },
  resourceId: string,
): PolicyEnvironment {
  return {
    subject: {
      ...peer.attributes,
      identifier: peer.identifier,
      has_credential: peer.hasCredential,
    },
    resource: { id: resourceId },
    action: { id: 'handle_message' },
  };
}
