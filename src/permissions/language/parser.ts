/**
 * Parses a source of the permission language into its syntax tree, by Keto's grammar (reference/permissions.md §6) with
 * two additions: full expressions within `traverse`, and the type `Wildcard<Namespace>`. Parsing stops at the first
 * error. It must never throw, and never accept what Keto takes for something else.
 */
import type { Block, ClassNode, PermitNode, RelationNode, TypeNode } from './ast.ts';
import { Cursor, SyntaxFailure } from './cursor.ts';
import { ExpressionParser } from './expression.ts';
import type { Lexed } from './lexer.ts';
import { type Problems, quote } from './text.ts';

/** Parses what the lexer read; problems go to `problems`. With errors among them the classes are not complete. */
export function parse(lexed: Lexed, problems: Problems): readonly ClassNode[] {
  const classes: ClassNode[] = [];
  const cursor = new Cursor(lexed);
  try {
    for (;;) {
      const { at } = cursor;
      const token = cursor.take();
      if (token.kind === 'EOF') break;
      // What stands between classes (imports, `export`) is for TypeScript alone.
      if (token.kind === 'KeywordClass') classes.push(parseClass(cursor, problems, at));
    }
  } catch (failure) {
    if (!(failure instanceof SyntaxFailure)) throw failure;
    problems.error(failure.span, failure.message);
  }
  return classes;
}

/** Behind the word `class`. */
function parseClass(cursor: Cursor, problems: Problems, at: number): ClassNode {
  const name = cursor.name();
  cursor.expect('implements', 'Namespace', '{');
  const blocks: Block[] = [];
  for (;;) {
    const start = cursor.at;
    if (cursor.accept('}')) return { at, name, blocks, end: start };
    if (cursor.accept('related')) blocks.push(parseRelated(cursor, start));
    else if (cursor.accept('permits')) blocks.push(parsePermits(cursor, problems, start));
    else if (!cursor.accept(';'))
      cursor.fail(`expected 'permits' or 'related', got ${quote(cursor.peek().value)}`);
  }
}

function parseRelated(cursor: Cursor, at: number): Block {
  cursor.expect(':', '{');
  const members: RelationNode[] = [];
  for (;;) {
    if (cursor.accept(';')) continue;
    const end = cursor.at;
    const name = cursor.member();
    if (name === undefined) return { kind: 'related', at, members, end };
    cursor.expect(':');
    members.push({ name, types: parseTypes(cursor) });
    cursor.accept(',');
  }
}

function parseTypes(cursor: Cursor): readonly TypeNode[] {
  if (isWord(cursor, 'Array')) {
    cursor.take();
    cursor.expect('<');
    return parseUnion(cursor, '>');
  }
  const types = cursor.accept('(') ? parseUnion(cursor, ')') : [parseType(cursor)];
  cursor.expect('[', ']');
  return types;
}

/** One or more types, up to and with `end`. */
function parseUnion(cursor: Cursor, end: ')' | '>'): readonly TypeNode[] {
  const types: TypeNode[] = [];
  for (;;) {
    types.push(parseType(cursor));
    if (cursor.accept(end)) return types;
    if (!cursor.accept('|')) cursor.fail(`expected '|', got ${quote(cursor.peek().value)}`);
  }
}

function parseType(cursor: Cursor): TypeNode {
  if (isWord(cursor, 'SubjectSet')) {
    cursor.take();
    cursor.expect('<');
    const namespace = cursor.name();
    cursor.expect(',');
    const relation = cursor.name('orKeyword');
    cursor.expect('>');
    return { kind: 'set', namespace, relation };
  }
  // A namespace may be called so in Keto: only the `<` makes the difference.
  if (isWord(cursor, 'Wildcard') && cursor.is('<', 1)) {
    cursor.take();
    cursor.expect('<');
    const namespace = cursor.name();
    cursor.expect('>');
    return { kind: 'wildcard', namespace };
  }
  return { kind: 'plain', namespace: cursor.name() };
}

/** Whether the next token is that word, not in quotes: in quotes it is the name of a namespace. */
function isWord(cursor: Cursor, word: string): boolean {
  const { kind, value } = cursor.peek();
  return kind === 'Identifier' && value === word;
}

function parsePermits(cursor: Cursor, problems: Problems, at: number): Block {
  const expressions = new ExpressionParser(cursor, problems);
  const members: PermitNode[] = [];
  cursor.expect('=', '{');
  for (;;) {
    const end = cursor.at;
    const name = cursor.member();
    if (name === undefined) return { kind: 'permits', at, members, end };
    cursor.expect(':', '(', 'ctx');
    if (cursor.accept(':')) cursor.expect('Context');
    cursor.expect(')');
    if (cursor.accept(':')) cursor.expect('boolean');
    cursor.expect('=>');
    members.push({ name, expression: expressions.parse() });
    if (!cursor.is('}')) cursor.expect(',');
  }
}
