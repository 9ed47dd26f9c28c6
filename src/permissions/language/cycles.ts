/**
 * Finds permits that negate themselves: `p` that rests on `!q` where `q` rests on `p`. Such a model has no meaning for
 * some tuples, and no evaluation could give it one, so it must never be put to use.
 *
 * The graph is over the relations and permits of all namespaces, and is that of the declared types: a stored tuple of a
 * type that was not declared can still close a circle, which the engine finds while it answers.
 */
import type { Rewrite } from '../model.ts';
import type { Declarations, Declared } from './declarations.ts';
import { isSet } from './subject-sets.ts';
import { type Problems, quote } from './text.ts';

interface Edge {
  readonly to: Vertex;
  readonly isNegative: boolean;
}

interface Vertex {
  readonly namespace: string;
  readonly declared: Declared;
  readonly edges: Edge[];
  /** The number of its strongly connected component; -1 until it is known. */
  component: number;
}

/** More of a circle is not named in a message. */
const PATH_MAX = 12;

/** Reports, once for each circle of permits that has a negation in it, the permit that negates. */
export function findNegativeCycles(declared: Declarations, problems: Problems): void {
  const vertices = buildGraph(declared);
  numberComponents(vertices);
  const reported = new Set<number>();
  for (const from of vertices)
    for (const { to, isNegative } of from.edges) {
      if (!isNegative || to.component !== from.component || reported.has(from.component)) continue;
      reported.add(from.component);
      const [first, ...others] = pathWithin(to, from).map(nameOf);
      const path = [nameOf(from), `not ${first}`, ...others];
      if (path.length > PATH_MAX) path.splice(PATH_MAX - 1, path.length - PATH_MAX, '…');
      problems.error(
        from.declared.at.token,
        `permit ${quote(from.declared.name)} negates itself: ${path.join(' -> ')}`,
      );
    }
}

function nameOf({ namespace, declared }: Vertex): string {
  return quote(`${namespace}.${declared.name}`);
}

function buildGraph(declared: Declarations): readonly Vertex[] {
  const index = new Map<string, Map<string, Vertex>>();
  const vertices: Vertex[] = [];
  for (const [namespace, relations] of declared) {
    const ofNamespace = new Map<string, Vertex>();
    index.set(namespace, ofNamespace);
    for (const [name, relation] of relations) {
      const vertex = { namespace, declared: relation, edges: [], component: -1 };
      ofNamespace.set(name, vertex);
      vertices.push(vertex);
    }
  }
  const find = (namespace: string, name: string): Vertex | undefined =>
    index.get(namespace)?.get(name);
  for (const vertex of vertices) {
    const { types, rewrite } = vertex.declared;
    // Each edge once: an expression may ask for the same again and again.
    const known = { positive: new Set<Vertex>(), negative: new Set<Vertex>() };
    const addEdge = (namespace: string, name: string, isNegative: boolean): void => {
      const to = find(namespace, name);
      const seen = isNegative ? known.negative : known.positive;
      if (to === undefined || seen.has(to)) return;
      seen.add(to);
      vertex.edges.push({ to, isNegative });
    };
    for (const type of types) if (isSet(type)) addEdge(type.namespace, type.relation, false);
    if (rewrite !== undefined)
      addEdges(rewrite, new Set([vertex.namespace]), false, declared, addEdge);
  }
  return vertices;
}

/** Adds an edge for every relation that the expression asks for, of an object of one of the namespaces. */
function addEdges(
  rewrite: Rewrite,
  namespaces: ReadonlySet<string>,
  isNegative: boolean,
  declared: Declarations,
  addEdge: (namespace: string, name: string, isNegative: boolean) => void,
): void {
  switch (rewrite.kind) {
    case 'computed':
      for (const namespace of namespaces) addEdge(namespace, rewrite.relation, isNegative);
      return;
    case 'not':
      // Two negations do not undo one another here: each asks for a final answer of what is under it.
      addEdges(rewrite.child, namespaces, true, declared, addEdge);
      return;
    case 'traverse': {
      const next = new Set<string>();
      for (const namespace of namespaces)
        for (const type of declared.get(namespace)?.get(rewrite.relation)?.types ?? [])
          if (!type.isWildcard) next.add(type.namespace);
      addEdges(rewrite.through, next, isNegative, declared, addEdge);
      return;
    }
    default:
      for (const child of rewrite.children)
        addEdges(child, namespaces, isNegative, declared, addEdge);
  }
}

/** Tarjan's algorithm (1972), with a stack of its own: chains of permits can be long. */
function numberComponents(vertices: readonly Vertex[]): void {
  const order = new Map<Vertex, number>();
  const low = new Map<Vertex, number>();
  const open: Vertex[] = [];
  let components = 0;
  const lower = (vertex: Vertex, to: number): void => {
    low.set(vertex, Math.min(low.get(vertex) ?? to, to));
  };
  for (const root of vertices) {
    if (order.has(root)) continue;
    const path: { readonly vertex: Vertex; next: number }[] = [];
    const enter = (vertex: Vertex): void => {
      order.set(vertex, order.size);
      lower(vertex, order.size - 1);
      open.push(vertex);
      path.push({ vertex, next: 0 });
    };
    enter(root);
    for (let frame = path.at(-1); frame !== undefined; frame = path.at(-1)) {
      const { vertex } = frame;
      const to = vertex.edges[frame.next++]?.to;
      if (to !== undefined) {
        const seen = order.get(to);
        if (seen === undefined) enter(to);
        else if (to.component < 0) lower(vertex, seen);
        continue;
      }
      path.pop();
      const lowest = low.get(vertex) ?? 0;
      const parent = path.at(-1);
      if (parent !== undefined) lower(parent.vertex, lowest);
      if (lowest !== order.get(vertex)) continue;
      for (let member = open.pop(); member !== undefined; member = open.pop()) {
        member.component = components;
        if (member === vertex) break;
      }
      components++;
    }
  }
}

/** A shortest path within one component, both ends included. */
function pathWithin(from: Vertex, to: Vertex): readonly Vertex[] {
  const before = new Map<Vertex, Vertex | undefined>([[from, undefined]]);
  // A map grows while it is walked over: breadth first.
  for (const vertex of before.keys()) {
    if (vertex === to) break;
    for (const edge of vertex.edges)
      if (edge.to.component === from.component && !before.has(edge.to)) before.set(edge.to, vertex);
  }
  const path: Vertex[] = [];
  for (let at: Vertex | undefined = to; at !== undefined; at = before.get(at)) path.push(at);
  return path.reverse();
}
