/**
 * What the classes of a source declare, for the checks that need to know all of it. The first declaration of a name is
 * the one that counts, as in Keto; every further one is an error here, since whoever wrote it meant it.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Relation, Rewrite, SubjectType } from '../model.ts';
import { checkName } from '../tuple.ts';
import type { ClassNode, Expression, Name, PermitNode, RelationNode, TypeNode } from './ast.ts';
import { type Problems, quote } from './text.ts';

export interface Declared extends Relation {
  /** Where it is declared. */
  readonly at: Name;
}

/** Relations and permits by the name of their namespace and their own. */
export type Declarations = ReadonlyMap<string, ReadonlyMap<string, Declared>>;

/** Collects the declarations of all classes; reports what is declared twice, and names that no tuple can carry. */
export function declare(classes: readonly ClassNode[], problems: Problems): Declarations {
  const namespaces = new Map<string, ReadonlyMap<string, Declared>>();
  for (const { name, blocks } of classes) {
    checkDeclared('namespace', name, problems);
    if (namespaces.has(name.value))
      problems.error(name.token, `namespace ${quote(name.value)} was already declared`);
    const relations = new Map<string, Declared>();
    for (const block of blocks)
      for (const member of block.members) {
        const at = member.name;
        checkDeclared('relation', at, problems);
        if (relations.has(at.value))
          problems.error(
            at.token,
            `relation ${quote(at.value)} was already declared in namespace ${quote(name.value)}`,
          );
        else relations.set(at.value, { name: at.value, at, ...contentsOf(member) });
      }
    if (!namespaces.has(name.value)) namespaces.set(name.value, relations);
  }
  return namespaces;
}

function checkDeclared(what: string, name: Name, problems: Problems): void {
  try {
    checkName(`name of a ${what}`, name.value);
    if (name.value === '') problems.error(name.token, `The name of a ${what} is empty`);
  } catch (reason) {
    if (!(reason instanceof PosternError)) throw reason;
    problems.error(name.token, reason.message);
  }
}

function contentsOf(member: RelationNode | PermitNode): Pick<Relation, 'types' | 'rewrite'> {
  if ('expression' in member) return { types: [], rewrite: rewriteOf(member.expression) };
  const types = new Map(member.types.map((t) => [typeKey(t), typeOf(t)]));
  return { types: [...types.values()] };
}

function typeKey({ kind, namespace, relation }: TypeNode): string {
  return JSON.stringify([kind, namespace.value, relation?.value]);
}

function typeOf({ kind, namespace, relation }: TypeNode): SubjectType {
  return {
    namespace: namespace.value,
    relation: relation?.value ?? '',
    isWildcard: kind === 'wildcard',
  };
}

function rewriteOf(e: Expression): Rewrite {
  switch (e.kind) {
    case 'group':
      return { kind: e.operator === '&&' ? 'and' : 'or', children: e.children.map(rewriteOf) };
    case 'not':
      return { kind: 'not', child: rewriteOf(e.child) };
    case 'traverse':
      return { kind: 'traverse', relation: e.name.value, through: rewriteOf(e.body) };
    default:
      return { kind: 'computed', relation: e.name.value };
  }
}
