/**
 * The rules of a model read backwards: which permits may become true when a relation of an object has. It speaks of the
 * model alone; what tuples add (sets stored on relations) is the lists' own work.
 *
 * An expression is grounded when it can't be true without one of its triggers being true. Of an AND one grounded part is
 * enough, since all its parts must hold; negation is grounded in nothing.
 */
import type { Model, Rewrite } from '../model.ts';

/** "When `leaf` holds of an object, this permit may hold of the object at the end of the path." */
export interface Trigger {
  readonly leaf: string;
  /** The relations to climb from the leaf's object, from parent to child; empty: the same object. */
  readonly path: readonly string[];
  readonly namespace: string;
  readonly permit: string;
  /** Whether it then does hold; otherwise it is to be checked. */
  readonly isSure: boolean;
}

export interface Dependencies {
  /** Triggers without a path, by namespace and leaf. */
  readonly same: ReadonlyMap<string, ReadonlyMap<string, readonly Trigger[]>>;
  /** Triggers with a path, by leaf: parents may be of any namespace. */
  readonly climbing: ReadonlyMap<string, readonly Trigger[]>;
  /** Permits that may be true of any object, each with all permits that it may make true, itself among them. */
  readonly ungrounded: readonly { readonly permit: Permit; readonly reach: readonly Permit[] }[];
}

export interface Permit {
  readonly namespace: string;
  readonly permit: string;
}

type Leaf = Pick<Trigger, 'leaf' | 'path' | 'isSure'>;

/** The triggers of an expression; undefined where it is not grounded. */
function leavesOf(r: Rewrite, path: readonly string[], isSure: boolean): Leaf[] | undefined {
  switch (r.kind) {
    case 'computed':
      return [{ leaf: r.relation, path, isSure }];
    case 'not':
      return undefined;
    case 'traverse':
      return leavesOf(r.through, [r.relation, ...path], isSure);
    case 'or': {
      const parts = r.children.map((c) => leavesOf(c, path, isSure));
      return parts.every((p) => p !== undefined) ? parts.flat() : undefined;
    }
    case 'and': {
      if (r.children.length === 0) return [];
      const part = groundOf(r.children);
      return part === undefined
        ? undefined
        : leavesOf(part, path, isSure && r.children.length === 1);
    }
  }
}

/** Of the parts of an AND the grounded one with the fewest triggers and the shortest ways; undefined if none is grounded. */
export function groundOf(parts: readonly Rewrite[]): Rewrite | undefined {
  let best: Rewrite | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const part of parts) {
    const leaves = leavesOf(part, [], false);
    if (leaves === undefined) continue;
    const cost = leaves.reduce((sum, leaf) => sum + 1 + 10 * leaf.path.length, 0);
    if (cost >= least) continue;
    best = part;
    least = cost;
  }
  return best;
}

const cache = new WeakMap<Model, Dependencies>();

/** The dependencies of a model; read once per model. */
export function dependenciesOf(model: Model): Dependencies {
  const known = cache.get(model);
  if (known !== undefined) return known;
  const same = new Map<string, Map<string, Trigger[]>>();
  const climbing = new Map<string, Trigger[]>();
  const ungrounded: Permit[] = [];
  for (const { name: namespace, relations } of model.namespaces.values())
    for (const { name: permit, rewrite } of relations.values()) {
      if (rewrite === undefined) continue;
      const leaves = leavesOf(rewrite, [], true);
      if (leaves === undefined) ungrounded.push({ namespace, permit });
      for (const leaf of leaves ?? []) {
        const trigger = { ...leaf, namespace, permit };
        if (leaf.path.length > 0) push(climbing, leaf.leaf, trigger);
        else push(rowOf(same, namespace), leaf.leaf, trigger);
      }
    }
  const reaching = ungrounded.map((permit) => ({ permit, reach: reachOf(permit, same, climbing) }));
  const found = { same, climbing, ungrounded: reaching };
  cache.set(model, found);
  return found;
}

/** What a permit may make true by the model alone, itself first. */
function reachOf(
  from: Permit,
  same: Dependencies['same'],
  climbing: Dependencies['climbing'],
): Permit[] {
  const reach: Permit[] = [from];
  const has = (t: Permit): boolean =>
    reach.some((p) => p.namespace === t.namespace && p.permit === t.permit);
  for (const { namespace, permit } of reach)
    for (const t of [...(same.get(namespace)?.get(permit) ?? []), ...(climbing.get(permit) ?? [])])
      if (!has(t)) reach.push({ namespace: t.namespace, permit: t.permit });
  return reach;
}

function rowOf(map: Map<string, Map<string, Trigger[]>>, key: string): Map<string, Trigger[]> {
  const row = map.get(key) ?? new Map<string, Trigger[]>();
  map.set(key, row);
  return row;
}

function push(map: Map<string, Trigger[]>, key: string, trigger: Trigger): void {
  const row = map.get(key);
  if (row === undefined) map.set(key, [trigger]);
  else row.push(trigger);
}
