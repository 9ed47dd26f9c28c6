/**
 * From the models of OpenFGA and SpiceDB to ours. Both know relations and permissions much as we do
 * (reference: OpenFGA's type, SpiceDB's definition are our namespace; "x from y" and "y->x" are our traversal).
 *
 * Where the two differ from the model that comes out:
 * - OpenFGA lets one name be stored and computed (`define viewer: [user] or editor`). Here a permit is never stored, so the
 *   stored part becomes the relation `viewer_direct`, and tuples on `viewer` are kept on it.
 * - A traversal may lead to types that lack the relation; both take that as false. Here an undeclared relation is an
 *   error, so such a type is given an empty permit of that name.
 * - Both hold that `group:g#member` is a member of itself; here, as in Keto, it is not unless that is stored.
 * - Both limit the depth (25 and 50) and answer an error beyond it; here a check has its true answer.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Model, Namespace, Relation, Rewrite, SubjectType } from '../model.ts';
import { type SubjectSet, type Tuple, WILDCARD_OBJECT } from '../tuple.ts';

export type ForeignExpression =
  /** What is stored under the relation's own name. */
  | { readonly kind: 'direct' }
  | { readonly kind: 'computed'; readonly relation: string }
  /** `isAll`: every parent must have it, and there must be one. */
  | {
      readonly kind: 'arrow';
      readonly over: string;
      readonly relation: string;
      readonly isAll: boolean;
    }
  /** Without children it is false, SpiceDB's `nil`. */
  | { readonly kind: 'or' | 'and'; readonly children: readonly ForeignExpression[] }
  | {
      readonly kind: 'minus';
      readonly base: ForeignExpression;
      readonly subtracted: ForeignExpression;
    };

export interface ForeignRelation {
  readonly name: string;
  readonly line: number;
  /** What may be stored; empty where nothing may. */
  readonly types: readonly SubjectType[];
  readonly expression: ForeignExpression;
}

/** Types, or definitions, and their relations. */
export type ForeignTypes = ReadonlyMap<string, ReadonlyMap<string, ForeignRelation>>;

/** A translated model and what places its tuples and questions in it. */
export class Translation {
  readonly model: Model;
  readonly #types: ForeignTypes;

  /** Throws `invalid` for a reference to what is not declared, with its line. */
  constructor(types: ForeignTypes) {
    this.#types = types;
    checkReferences(types);
    const lacking = lackingTargets(types);
    const namespaces = [...types].map(([name, relations]): [string, Namespace] => {
      const found = [...relations.values()].flatMap((r) => translateRelation(r, relations));
      for (const lacked of lacking.get(name) ?? [])
        found.push({ name: lacked, types: [], rewrite: { kind: 'or', children: [] } });
      return [name, { name, relations: new Map(found.map((r) => [r.name, r])) }];
    });
    this.model = { namespaces: new Map(namespaces) };
  }

  /** The place of a question. Throws `invalid` when the model does not declare it. */
  place(on: SubjectSet): SubjectSet {
    if (on.relation !== '') this.#relation(on);
    else this.type(on.namespace);
    return on;
  }

  /** A type's name. Throws `invalid` when the model does not declare it. */
  type(name: string): string {
    if (!this.#types.has(name))
      throw new PosternError('invalid', `the type ${name} is not declared`);
    return name;
  }

  /** The tuple where our model stores it. Throws `invalid` when the model does not allow it. */
  stored(tuple: Tuple): Tuple {
    const relation = this.#relation(tuple);
    if (relation.types.length === 0)
      throw new PosternError(
        'invalid',
        `nothing can be stored on ${tuple.relation}: it is computed`,
      );
    const { subject } = tuple;
    const isAllowed = 'set' in subject && relation.types.some((t) => allows(t, subject.set));
    if (!isAllowed)
      throw new PosternError(
        'invalid',
        `the type of the subject is not among those that ${tuple.namespace}#${tuple.relation} allows: ${relation.types.map(printType).join(', ')}`,
      );
    if (relation.expression.kind === 'direct') return tuple;
    const siblings = this.#types.get(tuple.namespace) ?? new Map();
    return { ...tuple, relation: directName(tuple.relation, siblings) };
  }

  #relation({ namespace, relation }: { namespace: string; relation: string }): ForeignRelation {
    const found = this.#types.get(this.type(namespace))?.get(relation);
    if (found !== undefined) return found;
    throw new PosternError('invalid', `the relation ${relation} is not declared in ${namespace}`);
  }
}

const printType = (t: SubjectType): string =>
  t.isWildcard
    ? `${t.namespace}:*`
    : t.relation === ''
      ? t.namespace
      : `${t.namespace}#${t.relation}`;

function allows(type: SubjectType, set: SubjectSet): boolean {
  if (type.namespace !== set.namespace) return false;
  const isWildcard = set.relation === '' && set.object === WILDCARD_OBJECT;
  return type.isWildcard ? isWildcard : !isWildcard && type.relation === set.relation;
}

/** A name of its own for what is stored under a name that is also computed. */
function directName(name: string, siblings: ReadonlyMap<string, unknown>): string {
  let candidate = `${name}_direct`;
  while (siblings.has(candidate)) candidate += '_';
  return candidate;
}

function translateRelation(
  { name, types, expression }: ForeignRelation,
  siblings: ReadonlyMap<string, ForeignRelation>,
): Relation[] {
  if (expression.kind === 'direct') return [{ name, types }];
  const direct = directName(name, siblings);
  const permit: Relation = { name, types: [], rewrite: rewriteOf(expression, direct) };
  return types.length === 0 ? [permit] : [permit, { name: direct, types }];
}

function rewriteOf(e: ForeignExpression, direct: string): Rewrite {
  switch (e.kind) {
    case 'direct':
      return { kind: 'computed', relation: direct };
    case 'computed':
      return { kind: 'computed', relation: e.relation };
    case 'or':
    case 'and':
      return { kind: e.kind, children: e.children.map((child) => rewriteOf(child, direct)) };
    case 'minus': {
      const not: Rewrite = { kind: 'not', child: rewriteOf(e.subtracted, direct) };
      return { kind: 'and', children: [rewriteOf(e.base, direct), not] };
    }
    case 'arrow': {
      const has: Rewrite = { kind: 'computed', relation: e.relation };
      const some: Rewrite = { kind: 'traverse', relation: e.over, through: has };
      if (!e.isAll) return some;
      // Every parent has it: there is one that has, and none that has not.
      const lacks: Rewrite = { kind: 'not', child: has };
      const none: Rewrite = { kind: 'traverse', relation: e.over, through: lacks };
      return { kind: 'and', children: [some, { kind: 'not', child: none }] };
    }
  }
}

/** Every arrow of an expression and every relation that it names. */
function* partsOf(e: ForeignExpression): Iterable<ForeignExpression> {
  yield e;
  if ('children' in e) for (const child of e.children) yield* partsOf(child);
  if (e.kind === 'minus') {
    yield* partsOf(e.base);
    yield* partsOf(e.subtracted);
  }
}

function* allRelations(types: ForeignTypes): Iterable<[string, ForeignRelation]> {
  for (const [name, relations] of types) for (const r of relations.values()) yield [name, r];
}

function checkReferences(types: ForeignTypes): void {
  for (const [name, relation] of allRelations(types)) {
    const wrong = (message: string): PosternError =>
      new PosternError('invalid', `line ${relation.line}: ${name}#${relation.name}: ${message}`);
    for (const t of relation.types) {
      const target = types.get(t.namespace);
      if (target === undefined) throw wrong(`the type ${t.namespace} is not declared`);
      if (t.relation !== '' && !target.has(t.relation))
        throw wrong(`the relation ${t.relation} is not declared in ${t.namespace}`);
    }
    for (const e of partsOf(relation.expression)) checkPart(e, name, types, wrong);
  }
}

function checkPart(
  e: ForeignExpression,
  type: string,
  types: ForeignTypes,
  wrong: (message: string) => PosternError,
): void {
  const own = e.kind === 'computed' ? e.relation : e.kind === 'arrow' ? e.over : undefined;
  if (own === undefined) return;
  const relation = types.get(type)?.get(own);
  if (relation === undefined) throw wrong(`the relation ${own} is not declared`);
  if (e.kind !== 'arrow') return;
  if (relation.expression.kind !== 'direct')
    throw wrong(`${own} is computed, and only what is stored can be followed`);
  const isSomewhere = relation.types.some((t) => types.get(t.namespace)?.has(e.relation));
  if (!isSomewhere) throw wrong(`no type of ${own} declares the relation ${e.relation}`);
}

/** For each type that traversals lead to, the relations that they look for and that it lacks. */
function lackingTargets(types: ForeignTypes): ReadonlyMap<string, ReadonlySet<string>> {
  const lacking = new Map<string, Set<string>>();
  for (const [name, relation] of allRelations(types))
    for (const e of partsOf(relation.expression)) {
      if (e.kind !== 'arrow') continue;
      for (const { namespace } of types.get(name)?.get(e.over)?.types ?? []) {
        const target = types.get(namespace);
        // A type without relations answers any name with false.
        if (target === undefined || target.size === 0 || target.has(e.relation)) continue;
        lacking.set(namespace, (lacking.get(namespace) ?? new Set()).add(e.relation));
      }
    }
  return lacking;
}
