/** For tests: models in few words. */
import type { Model, Namespace, Relation, Rewrite, SubjectType } from '../model.ts';

export const computed = (relation: string): Rewrite => ({ kind: 'computed', relation });
export const or = (...children: Rewrite[]): Rewrite => ({ kind: 'or', children });
export const and = (...children: Rewrite[]): Rewrite => ({ kind: 'and', children });
export const not = (child: Rewrite): Rewrite => ({ kind: 'not', child });
export const traverse = (relation: string, through: Rewrite): Rewrite => ({
  kind: 'traverse',
  relation,
  through,
});

/** `User`, `Group#members`, or `User:*` for a wildcard. */
function typeOf(text: string): SubjectType {
  const isWildcard = text.endsWith(':*');
  const [namespace = '', relation = ''] = text.replace(/:\*$/, '').split('#');
  return { namespace, relation, isWildcard };
}

/** By namespace: relations with the types that they declare, and permits with their expressions. */
export function modelOf(
  namespaces: Readonly<Record<string, Readonly<Record<string, readonly string[] | Rewrite>>>>,
): Model {
  const found = new Map<string, Namespace>();
  for (const [name, members] of Object.entries(namespaces)) {
    const relations = new Map<string, Relation>();
    for (const [relation, member] of Object.entries(members))
      relations.set(
        relation,
        'kind' in member
          ? { name: relation, types: [], rewrite: member }
          : { name: relation, types: member.map(typeOf) },
      );
    found.set(name, { name, relations });
  }
  return { namespaces: found };
}
