/**
 * Parts of the syntax tree in one line of the language, and between which tokens of the source they stand. It must quote
 * every name that would be read as something else.
 */
import type { Expression, Name, TypeNode } from './ast.ts';

const WORD = /^[A-Za-z_][A-Za-z0-9_]*$/;
const KEYWORDS: ReadonlySet<string> = new Set(['class', 'implements', 'this', 'ctx']);
/** Words with a meaning of their own where a type is expected. */
const TYPE_WORDS: ReadonlySet<string> = new Set(['Array', 'SubjectSet']);

function quoted(name: string): string {
  return name.includes('"') ? `'${name}'` : `"${name}"`;
}

/** The name of a class, relation or permit where it is declared. */
export function nameText({ value }: Name): string {
  return WORD.test(value) && !KEYWORDS.has(value) ? value : quoted(value);
}

function propertyText({ value }: Name): string {
  return WORD.test(value) ? `.${value}` : `[${quoted(value)}]`;
}

export function typeText({ kind, namespace, relation }: TypeNode): string {
  const name = TYPE_WORDS.has(namespace.value) ? quoted(namespace.value) : nameText(namespace);
  if (kind === 'wildcard') return `Wildcard<${name}>`;
  return relation === undefined ? name : `SubjectSet<${name}, ${quoted(relation.value)}>`;
}

/** The last token of a type that is a name. */
export function typeEnd({ namespace, relation }: TypeNode): number {
  return (relation ?? namespace).at;
}

/** Whether a child of a group stands without parentheses although it is a group: it binds from the left by itself. */
export function isBare(child: Expression, index: number): boolean {
  return child.kind === 'group' && index === 0 && !child.isParenthesised;
}

/** An expression without parentheses around it. */
export function expressionText(e: Expression): string {
  if (e.kind !== 'group') return operandText(e);
  const operands = e.children.map((child, i) =>
    isBare(child, i) ? expressionText(child) : operandText(child),
  );
  return operands.join(` ${e.operator} `);
}

/** An expression in parentheses if it is a group. */
export function operandText(e: Expression): string {
  switch (e.kind) {
    case 'group':
      return `(${expressionText(e)})`;
    case 'not':
      return `!${operandText(e.child)}`;
    case 'traverse':
      return `${traverseHead(e)} ${expressionText(e.body)})`;
    case 'permits':
      return `${e.subject}.permits${propertyText(e.name)}(ctx)`;
    case 'related':
      return `${e.subject}.related${propertyText(e.name)}.includes(ctx.subject)`;
  }
}

/** A traversal up to its arrow. */
export function traverseHead({
  subject,
  name,
  argument,
}: Expression & { kind: 'traverse' }): string {
  return `${subject}.related${propertyText(name)}.traverse((${argument.value}) =>`;
}

/**
 * The token up to which comments go before an operand when it is written: those in its first words do, so that they are
 * found at the same place when it is formatted again.
 */
export function operandAnchor(e: Expression): number {
  if (e.kind === 'group') return e.at;
  if (e.kind === 'not') return operandAnchor(e.child);
  return e.kind === 'traverse' ? e.argument.at : e.name.at;
}

/** As `operandAnchor`, of an expression whose own parentheses are not written. */
export function expressionAnchor(e: Expression): number {
  const [first] = e.kind === 'group' ? e.children : [];
  if (first === undefined) return operandAnchor(e);
  return isBare(first, 0) ? expressionAnchor(first) : operandAnchor(first);
}

/** The last token of an expression that is a name. */
export function expressionEnd(e: Expression): number {
  switch (e.kind) {
    case 'group': {
      const last = e.children.at(-1);
      return last === undefined ? e.at : expressionEnd(last);
    }
    case 'not':
      return expressionEnd(e.child);
    case 'traverse':
      return expressionEnd(e.body);
    default:
      return e.name.at;
  }
}
