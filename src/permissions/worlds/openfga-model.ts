/**
 * Reads OpenFGA's modelling language, schema 1.1 (its grammar: OpenFGAParser.g4 of openfga/language). It has no precedence:
 * different operators side by side are an error there and here, `but not` takes exactly two sides, parentheses tell.
 * Conditions and modules are refused with a clear word.
 */
import { PosternError } from '../../kernel/index.ts';
import type { SubjectType } from '../model.ts';
import type { ForeignExpression, ForeignRelation, ForeignTypes } from './foreign.ts';
import { type Lexicon, Tokens } from './tokens.ts';

const LEXICON: Lexicon = {
  name: /[A-Za-z_][\w/.-]*/y,
  mark: /[[\]():,#*]|\d+\.\d+/y,
  // A comment begins a line or stands after white space; `group#member` holds none.
  skip: /^#[^\n]*|\s+(?:#[^\n]*)?/y,
};
const SCHEMAS: ReadonlySet<string> = new Set(['1.1', '1.2']);

/** Reads a model. Throws `invalid` with the line, `unsupported` for conditions and modules. */
export function parseOpenFgaModel(source: string): ForeignTypes {
  const tokens = new Tokens(source, LEXICON);
  if (tokens.next.text === 'module') throw tokens.unsupported('modular models are');
  tokens.expect('model');
  tokens.expect('schema');
  const schema = tokens.take();
  if (!SCHEMAS.has(schema.text))
    throw tokens.unsupported(`the schema version "${schema.text}" is`, schema);
  const types = new Map<string, ReadonlyMap<string, ForeignRelation>>();
  while (!tokens.isEnd) {
    if (tokens.next.text === 'condition') throw tokens.unsupported('conditions are');
    if (tokens.next.text === 'extend') throw tokens.unsupported('modular models are');
    const token = tokens.next;
    tokens.expect('type');
    const name = tokens.name('a type name');
    if (types.has(name)) throw tokens.wrong(`the type ${name} is declared twice`, token);
    types.set(name, relationsOf(tokens));
  }
  if (types.size === 0) throw new PosternError('invalid', 'The model declares no type');
  return types;
}

function relationsOf(tokens: Tokens): ReadonlyMap<string, ForeignRelation> {
  const relations = new Map<string, ForeignRelation>();
  if (!tokens.accept('relations')) return relations;
  while (tokens.next.text === 'define') {
    const { line } = tokens.take();
    const nameToken = tokens.next;
    const name = tokens.name('a relation name');
    if (relations.has(name))
      throw tokens.wrong(`the relation ${name} is declared twice`, nameToken);
    tokens.expect(':');
    const types: SubjectType[] = [];
    const expression = readExpression(tokens, types);
    relations.set(name, { name, line, types, expression });
  }
  if (relations.size === 0) throw tokens.wrong('expected "define"');
  return relations;
}

const OPERATORS: ReadonlySet<string> = new Set(['or', 'and', 'but']);

function readExpression(tokens: Tokens, types: SubjectType[]): ForeignExpression {
  const first = readTerm(tokens, types);
  const operator = tokens.next.text;
  if (!OPERATORS.has(operator)) return first;
  const children = [first];
  while (tokens.accept(operator)) {
    if (operator === 'but') tokens.expect('not');
    children.push(readTerm(tokens, types));
    if (operator === 'but') break;
  }
  if (OPERATORS.has(tokens.next.text))
    throw tokens.wrong(`"${operator}" and "${tokens.next.text}" side by side need parentheses`);
  const [base, subtracted] = children;
  if (operator === 'but' && base !== undefined && subtracted !== undefined)
    return { kind: 'minus', base, subtracted };
  return { kind: operator === 'or' ? 'or' : 'and', children };
}

function readTerm(tokens: Tokens, types: SubjectType[]): ForeignExpression {
  if (tokens.accept('(')) return tokens.nested(() => readExpression(tokens, types));
  if (tokens.next.text === '[') {
    if (types.length > 0) throw tokens.wrong('a relation has one list of types');
    readTypes(tokens, types);
    return { kind: 'direct' };
  }
  const relation = tokens.name('a relation');
  if (!tokens.accept('from')) return { kind: 'computed', relation };
  return { kind: 'arrow', relation, over: tokens.name('a relation'), isAll: false };
}

function readTypes(tokens: Tokens, types: SubjectType[]): void {
  tokens.expect('[');
  do {
    const namespace = tokens.name('a type');
    if (tokens.accept(':')) {
      tokens.expect('*');
      types.push({ namespace, relation: '', isWildcard: true });
    } else {
      const relation = tokens.accept('#') ? tokens.name('a relation') : '';
      types.push({ namespace, relation, isWildcard: false });
    }
    if (tokens.next.text === 'with') throw tokens.unsupported('conditions are');
  } while (tokens.accept(','));
  tokens.expect(']');
}
