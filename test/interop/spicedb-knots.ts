/**
 * Takes out of a model what negates itself: both systems refuse such permits, in ways of their own. A name depends on a
 * name when the answer of the one may rest on the other, whatever the tuples; where a `!` lies on a circle of these, the
 * permit loses its negations.
 */
import type { Model, Relation, Rewrite, SubjectType } from '../../src/permissions/model.ts';

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly isNegated: boolean;
}

const keyFor = (namespace: string, relation: string): string => `${namespace}#${relation}`;

function typesOf(model: Model, at: string, relation: string): readonly SubjectType[] {
  return model.namespaces.get(at)?.relations.get(relation)?.types ?? [];
}

/** What an expression rests on, when it is asked of an object of a definition. */
function* reads(
  model: Model,
  at: string,
  r: Rewrite,
  isNegated: boolean,
): Generator<{ to: string; isNegated: boolean }> {
  switch (r.kind) {
    case 'computed':
      yield { to: keyFor(at, r.relation), isNegated };
      return;
    case 'not':
      yield* reads(model, at, r.child, true);
      return;
    case 'traverse':
      for (const { namespace } of typesOf(model, at, r.relation))
        yield* reads(model, namespace, r.through, isNegated);
      return;
    default:
      for (const child of r.children) yield* reads(model, at, child, isNegated);
  }
}

function edgesOf(model: Model): Edge[] {
  const edges: Edge[] = [];
  for (const { name: namespace, relations } of model.namespaces.values())
    for (const { name, types, rewrite } of relations.values()) {
      const from = keyFor(namespace, name);
      for (const t of types)
        if (t.relation !== '')
          edges.push({ from, to: keyFor(t.namespace, t.relation), isNegated: false });
      if (rewrite !== undefined)
        for (const read of reads(model, namespace, rewrite, false)) edges.push({ from, ...read });
    }
  return edges;
}

function reaches(edges: readonly Edge[], start: string, goal: string): boolean {
  const met = new Set([start]);
  for (const name of met) {
    if (name === goal) return true;
    for (const e of edges) if (e.from === name) met.add(e.to);
  }
  return false;
}

function withoutNot(r: Rewrite): Rewrite {
  switch (r.kind) {
    case 'traverse':
      return { ...r, through: withoutNot(r.through) };
    case 'or':
    case 'and':
      return {
        ...r,
        children: r.children.filter((child) => child.kind !== 'not').map(withoutNot),
      };
    default:
      return r;
  }
}

/** The model, with permits that could negate themselves shorn of their negations. */
export function withoutKnots(model: Model): Model {
  const edges = edgesOf(model);
  const knotted = new Set(
    edges.filter((e) => e.isNegated && reaches(edges, e.to, e.from)).map((e) => e.from),
  );
  const shorn = (namespace: string, relation: Relation): Relation =>
    relation.rewrite !== undefined && knotted.has(keyFor(namespace, relation.name))
      ? { ...relation, rewrite: withoutNot(relation.rewrite) }
      : relation;
  const namespaces = [...model.namespaces.values()].map(({ name, relations }) => {
    const kept = [...relations.values()].map((r): [string, Relation] => [r.name, shorn(name, r)]);
    return [name, { name, relations: new Map(kept) }] as const;
  });
  return { namespaces: new Map(namespaces) };
}
