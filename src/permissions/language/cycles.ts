/**
 * Finds permits that negate themselves through a cycle of the model, such as `a: !this.permits.a(ctx)`: they have no true
 * answer, so a model with one is refused. Cycles that only tuples make are the engine's to find.
 */
import type { Model, Rewrite } from '../model.ts';
import { keyOf } from '../tuple.ts';

interface Edge {
  readonly to: string;
  readonly isNegative: boolean;
}
interface Vertex {
  readonly namespace: string;
  readonly relation: string;
  readonly edges: Edge[];
}

function addEdges(
  model: Model,
  vertex: Vertex,
  rewrite: Rewrite,
  namespace: string,
  isNegative: boolean,
): void {
  switch (rewrite.kind) {
    case 'or':
    case 'and':
      for (const c of rewrite.children) addEdges(model, vertex, c, namespace, isNegative);
      return;
    case 'not':
      // Twice negated is still asked below a negation: no order of asking settles a cycle through it.
      addEdges(model, vertex, rewrite.child, namespace, true);
      return;
    case 'computed':
      vertex.edges.push({ to: keyOf(namespace, rewrite.relation), isNegative });
      return;
    case 'traverse': {
      const types = model.namespaces.get(namespace)?.relations.get(rewrite.relation)?.types ?? [];
      const targets = new Set(types.filter((t) => !t.isWildcard).map((t) => t.namespace));
      for (const target of targets) addEdges(model, vertex, rewrite.through, target, isNegative);
    }
  }
}

function graphOf(model: Model): ReadonlyMap<string, Vertex> {
  const graph = new Map<string, Vertex>();
  for (const [namespace, { relations }] of model.namespaces)
    for (const [relation, { types, rewrite }] of relations) {
      const vertex: Vertex = { namespace, relation, edges: [] };
      graph.set(keyOf(namespace, relation), vertex);
      for (const type of types)
        if (type.relation !== '')
          vertex.edges.push({ to: keyOf(type.namespace, type.relation), isNegative: false });
      if (rewrite !== undefined) addEdges(model, vertex, rewrite, namespace, false);
    }
  return graph;
}

/** Whether `to` can be reached, and by which way. */
function wayTo(graph: ReadonlyMap<string, Vertex>, from: string, to: string): string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
  for (const key of cameFrom.keys()) {
    if (key === to) {
      const way: string[] = [];
      for (let k: string | undefined = key; k !== undefined; k = cameFrom.get(k)) way.unshift(k);
      return way;
    }
    for (const edge of graph.get(key)?.edges ?? [])
      if (!cameFrom.has(edge.to)) cameFrom.set(edge.to, key);
  }
  return undefined;
}

export interface NegativeCycle {
  readonly namespace: string;
  readonly relation: string;
  /** The cycle in words: `Doc.a -> !Doc.b -> Doc.a`. */
  readonly path: string;
}

/** Every permit that negates itself through a cycle, each once. */
export function negativeCycles(model: Model): readonly NegativeCycle[] {
  const graph = graphOf(model);
  const name = (key: string): string => {
    const v = graph.get(key);
    return v === undefined ? '?' : `${v.namespace}.${v.relation}`;
  };
  const found: NegativeCycle[] = [];
  for (const [key, { namespace, relation, edges }] of graph) {
    const tried = new Set<string>();
    for (const { to, isNegative } of edges) {
      if (!isNegative || tried.has(to)) continue;
      tried.add(to);
      const way = wayTo(graph, to, key);
      if (way === undefined) continue;
      const path = [name(key), `!${name(to)}`, ...way.slice(1).map(name)].join(' -> ');
      found.push({ namespace, relation, path });
      break;
    }
  }
  return found;
}
