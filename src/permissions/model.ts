/**
 * A permission model: namespaces, their relations (with the subject types that may be stored on them) and their permits
 * (computed from relations). Pure data; the language of it is in `language/`, its meaning in `engine/`.
 */
import { PosternError } from '../kernel/index.ts';

/** A subject type of a relation: `User` (relation ""), `SubjectSet<Group, "members">`, or `Wildcard<User>`. */
export interface SubjectType {
  readonly namespace: string;
  readonly relation: string;
  /** `Wildcard<Namespace>`: a stored `Namespace:*` grants all of the namespace. Postern's addition to the language. */
  readonly isWildcard: boolean;
}

/** An expression of a permit, asked about an object and a subject. An empty `or` or `and` is false. */
export type Rewrite =
  | { readonly kind: 'or' | 'and'; readonly children: readonly Rewrite[] }
  | { readonly kind: 'not'; readonly child: Rewrite }
  /** `this.related.r.includes(ctx.subject)` and `this.permits.p(ctx)`: the relation or permit of the same object. */
  | { readonly kind: 'computed'; readonly relation: string }
  /**
   * `this.related.r.traverse((x) => …)`: true when `through` is for any object that is stored, as a subject set, in
   * relation `relation`. Inside `through`, `computed` and `traverse` speak of that object.
   */
  | { readonly kind: 'traverse'; readonly relation: string; readonly through: Rewrite };

export interface Relation {
  readonly name: string;
  /** The types that may be stored; empty for a permit. */
  readonly types: readonly SubjectType[];
  /** Present on a permit. */
  readonly rewrite?: Rewrite;
}

export interface Namespace {
  readonly name: string;
  /** Empty: any relation name is accepted (a legacy namespace). */
  readonly relations: ReadonlyMap<string, Relation>;
}

export interface Model {
  readonly namespaces: ReadonlyMap<string, Namespace>;
}

export const EMPTY_MODEL: Model = { namespaces: new Map() };

/** The relation, or undefined for one without declaration (in a legacy namespace, or ""). */
export function findRelation(model: Model, namespace: string, name: string): Relation | undefined {
  return model.namespaces.get(namespace)?.relations.get(name);
}

/** Throws `not_found` for a namespace that the model does not have. */
export function getNamespace(model: Model, name: string): Namespace {
  const namespace = model.namespaces.get(name);
  if (namespace === undefined)
    throw new PosternError('not_found', `Unknown namespace with name "${name}".`, {
      facts: { namespace: name },
    });
  return namespace;
}

/** Throws `invalid` for a relation that its namespace neither declares nor leaves open. */
export function checkRelation(namespace: Namespace, name: string): void {
  if (name !== '' && namespace.relations.size > 0 && !namespace.relations.has(name))
    throw new PosternError('invalid', `relation "${name}" does not exist`);
}
