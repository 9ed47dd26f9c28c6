/**
 * Reads SpiceDB's schema language. Its operators have a precedence that surprises (the order in its parser.go, and its
 * associativity tests): `+` binds tightest, then `&`, then `-`, each from left to right, so `a - b + c` is `a - (b + c)`.
 * Caveats, `self`, partials and imports are refused with a clear word.
 */
import type { SubjectType } from '../model.ts';
import type { ForeignExpression, ForeignRelation, ForeignTypes } from './foreign.ts';
import { type Lexicon, Tokens } from './tokens.ts';

const LEXICON: Lexicon = {
  name: /[\p{L}\p{N}_]+/uy,
  mark: /->|\.\.\.|[{}()|+\-&/=:;#*.,<>]/y,
  skip: /\s+|\/\/[^\n]*|\/\*.*?\*\//sy,
};
/** Flags that change nothing in what is read here. */
const KNOWN_FLAGS: ReadonlySet<string> = new Set(['expiration', 'typechecking']);

/** Reads a schema. Throws `invalid` with the line, `unsupported` for caveats and the like. */
export function parseSpiceDbSchema(source: string): ForeignTypes {
  const tokens = new Tokens(source, LEXICON);
  const types = new Map<string, ReadonlyMap<string, ForeignRelation>>();
  while (!tokens.isEnd) {
    const token = tokens.next;
    if (tokens.accept(';')) continue;
    if (tokens.accept('use')) {
      const flag = tokens.next;
      if (!KNOWN_FLAGS.has(tokens.name('a flag')))
        throw tokens.unsupported(`use ${flag.text} is`, flag);
      continue;
    }
    if (token.text === 'caveat') throw tokens.unsupported('caveats are');
    if (token.text === 'partial') throw tokens.unsupported('partials are');
    if (token.text === 'import') throw tokens.unsupported('imports are');
    tokens.expect('definition');
    const name = typePath(tokens);
    if (types.has(name)) throw tokens.wrong(`the definition ${name} is there twice`, token);
    types.set(name, relationsOf(tokens));
  }
  return types;
}

function typePath(tokens: Tokens): string {
  let path = tokens.name('a type name');
  while (tokens.accept('/')) path += `/${tokens.name('a type name')}`;
  return path;
}

function relationsOf(tokens: Tokens): ReadonlyMap<string, ForeignRelation> {
  const relations = new Map<string, ForeignRelation>();
  tokens.expect('{');
  while (!tokens.accept('}')) {
    if (tokens.accept(';')) continue;
    if (tokens.next.text === '...') throw tokens.unsupported('partials are');
    const token = tokens.next;
    const relation = tokens.accept('relation') ? readRelation(tokens) : readPermission(tokens);
    if (relations.has(relation.name))
      throw tokens.wrong(`the name ${relation.name} is there twice`, token);
    relations.set(relation.name, relation);
  }
  return relations;
}

function readRelation(tokens: Tokens): ForeignRelation {
  const { line } = tokens.next;
  const name = tokens.name('a relation name');
  tokens.expect(':');
  const types: SubjectType[] = [];
  do types.push(readType(tokens));
  while (tokens.accept('|'));
  return { name, line, types, expression: { kind: 'direct' } };
}

function readType(tokens: Tokens): SubjectType {
  const namespace = typePath(tokens);
  let relation = '';
  let isWildcard = false;
  if (tokens.accept(':')) {
    tokens.expect('*');
    isWildcard = true;
  } else if (tokens.accept('#')) relation = tokens.accept('...') ? '' : tokens.name('a relation');
  // An expiry is read from the relationships; the trait only says that there may be one.
  if (tokens.accept('with') && !tokens.accept('expiration'))
    throw tokens.unsupported('caveats are');
  return { namespace, relation, isWildcard };
}

function readPermission(tokens: Tokens): ForeignRelation {
  tokens.expect('permission');
  const { line } = tokens.next;
  const name = tokens.name('a permission name');
  if (tokens.accept(':')) {
    // The types of an annotation are what SpiceDB would infer: nothing depends on them.
    do typePath(tokens);
    while (tokens.accept('|'));
  }
  tokens.expect('=');
  return { name, line, types: [], expression: readMinus(tokens) };
}

function readMinus(tokens: Tokens): ForeignExpression {
  let base = readGroup(tokens, 'and');
  while (tokens.accept('-')) base = { kind: 'minus', base, subtracted: readGroup(tokens, 'and') };
  return base;
}

function readGroup(tokens: Tokens, kind: 'and' | 'or'): ForeignExpression {
  const read = (): ForeignExpression =>
    kind === 'and' ? readGroup(tokens, 'or') : readOperand(tokens);
  const first = read();
  const children = [first];
  while (tokens.accept(kind === 'and' ? '&' : '+')) children.push(read());
  return children.length === 1 ? first : { kind, children };
}

function readOperand(tokens: Tokens): ForeignExpression {
  if (tokens.accept('(')) return tokens.nested(() => readMinus(tokens));
  if (tokens.next.text === 'self') throw tokens.unsupported('"self" is');
  if (tokens.accept('nil')) return { kind: 'or', children: [] };
  const name = tokens.name('a relation or permission');
  const arrow = readArrow(tokens, name);
  if (tokens.next.text === '->' || tokens.next.text === '.')
    throw tokens.unsupported('an arrow of an arrow is');
  return arrow;
}

function readArrow(tokens: Tokens, over: string): ForeignExpression {
  if (tokens.accept('->'))
    return { kind: 'arrow', over, relation: tokens.name('a relation'), isAll: false };
  if (!tokens.accept('.')) return { kind: 'computed', relation: over };
  const word = tokens.next;
  const isAll = word.text === 'all';
  if (!isAll && word.text !== 'any') throw tokens.wrong('expected "any" or "all"');
  tokens.take();
  tokens.expect('(');
  const relation = tokens.name('a relation');
  tokens.expect(')');
  return { kind: 'arrow', over, relation, isAll };
}
