/**
 * For tests: random small worlds of a model and tuples. Names are few, so that cycles, repeated paths and contradictions
 * are common. Permits negate only what is of a lower rank, as the language demands; tuples may still tie any knot.
 */
import fc from 'fast-check';
import type { Model, Namespace, Relation, Rewrite, SubjectType } from '../model.ts';
import { keyOf, type Subject, type SubjectSet, type Tuple, tupleKey } from '../tuple.ts';

export interface World {
  readonly model: Model;
  readonly tuples: readonly Tuple[];
}

export const NAMESPACES: readonly string[] = ['A', 'B', '__proto__', 'old'];
export const OBJECTS: readonly string[] = ['1', '2', 'a:b#c@d', '*'];
export const IDS: readonly string[] = ['alice', 'bob', '', '*'];
const RELATIONS = ['r', 's', 'constructor'];
const PERMITS = ['p0', 'p1', 'p2'];
const ALL = [...RELATIONS, ...PERMITS];

/** An expression of a permit of a rank: what it negates is of a lower one. */
function rewriteOf(rank: number, depth: number): fc.Arbitrary<Rewrite> {
  const computed = fc
    .constantFrom(...RELATIONS, ...PERMITS.slice(0, rank + 1))
    .map((relation): Rewrite => ({ kind: 'computed', relation }));
  if (depth === 0) return computed;
  const inner = fc.oneof(computed, rewriteOf(rank, depth - 1));
  const below = rank > 0 ? rewriteOf(rank - 1, depth - 1) : relationsAlone();
  return fc.oneof(
    computed,
    fc
      .tuple(fc.constantFrom('or' as const, 'and' as const), fc.array(inner, { maxLength: 3 }))
      .map(([kind, children]): Rewrite => ({ kind, children })),
    below.map((child): Rewrite => ({ kind: 'not', child })),
    fc
      .tuple(fc.constantFrom(...RELATIONS), inner)
      .map(([relation, through]): Rewrite => ({ kind: 'traverse', relation, through })),
  );
}

const relationsAlone = (): fc.Arbitrary<Rewrite> =>
  fc.constantFrom(...RELATIONS).map((relation): Rewrite => ({ kind: 'computed', relation }));

const anyType: fc.Arbitrary<SubjectType> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    relation: fc.constantFrom('', '', ...ALL),
    isWildcard: fc.boolean(),
  })
  .map((t) => (t.isWildcard ? { ...t, relation: '' } : t));

const anyRelations: fc.Arbitrary<ReadonlyMap<string, Relation>> = fc
  .tuple(
    fc.tuple(...RELATIONS.map(() => fc.array(anyType, { minLength: 1, maxLength: 4 }))),
    fc.tuple(...PERMITS.map((_, rank) => rewriteOf(rank, 2))),
  )
  .map(([types, rewrites]) => {
    const relations = new Map<string, Relation>();
    for (const [i, name] of RELATIONS.entries())
      relations.set(name, { name, types: types[i] ?? [] });
    for (const [i, name] of PERMITS.entries()) {
      const rewrite = rewrites[i];
      if (rewrite !== undefined) relations.set(name, { name, types: [], rewrite });
    }
    return relations;
  });

const anyModel: fc.Arbitrary<Model> = fc
  .array(anyRelations, { minLength: 2, maxLength: 3 })
  .map((declared) => {
    const namespaces = new Map<string, Namespace>();
    for (const [i, relations] of declared.entries()) {
      const name = NAMESPACES[i] ?? '';
      namespaces.set(name, { name, relations });
    }
    namespaces.set('old', { name: 'old', relations: new Map() });
    return { namespaces };
  });

export interface WorldOptions {
  /** No set of a permit, and nothing undeclared: everything has an answer. */
  readonly isTame?: boolean;
}

function anySet(model: Model, relations: readonly string[]): fc.Arbitrary<SubjectSet> {
  return fc.record({
    namespace: fc.constantFrom(...model.namespaces.keys()),
    object: fc.constantFrom(...OBJECTS),
    relation: fc.constantFrom(...relations),
  });
}

function anyTuple(model: Model, { isTame = false }: WorldOptions): fc.Arbitrary<Tuple> {
  const wild = isTame ? [] : [...PERMITS, 'undeclared'];
  const subject: fc.Arbitrary<Subject> = fc.oneof(
    fc.constantFrom(...IDS).map((id) => ({ id })),
    anySet(model, ['', '', ...RELATIONS, ...RELATIONS, ...wild]).map((set) => ({ set })),
  );
  const relations = [
    ...RELATIONS,
    ...RELATIONS,
    ...(isTame ? PERMITS : [...PERMITS, 'undeclared', '']),
  ];
  return fc.tuple(anySet(model, relations), subject).map(([on, s]) => ({ ...on, subject: s }));
}

/** A model with tuples, each once. */
export function anyWorld(o: WorldOptions = {}): fc.Arbitrary<World> {
  return anyModel.chain((model) =>
    fc
      .uniqueArray(anyTuple(model, o), { minLength: 1, maxLength: 14, selector: tupleKey })
      .map((tuples) => ({ model, tuples })),
  );
}

/**
 * One namespace whose permits all rest on one another, and whose objects are parents of one another: nearly every question
 * goes round in circles. With `isNegating` also through negation, which no model may and only tuples can.
 */
export function anyKnot(isNegating: boolean): fc.Arbitrary<World> {
  const names = ['p0', 'p1', 'p2', 'p3', 'p4'];
  const leaves = [...names, ...names, ...names, 'r', 'r', 'r', 's', 's'];
  const rewrites = fc.tuple(...names.map(() => knotOf(leaves, 2, isNegating)));
  const place = (relation: fc.Arbitrary<string>): fc.Arbitrary<SubjectSet> =>
    fc.record({ namespace: fc.constant('A'), object: fc.constantFrom('1', '2'), relation });
  const set = fc.oneof(place(fc.constant('')), place(fc.constantFrom('r', 's', ...names)));
  const link = fc.tuple(place(fc.constantFrom('r', 's')), set);
  const fact = place(fc.constantFrom('r', 'r', 's'));
  return fc
    .tuple(
      rewrites,
      fc.array(link, { maxLength: 4 }),
      fc.array(fact, { minLength: 1, maxLength: 3 }),
    )
    .map(([found, links, facts]) => {
      const relations = new Map<string, Relation>();
      for (const name of ['r', 's']) relations.set(name, { name, types: [] });
      for (const [i, rewrite] of found.entries()) {
        const name = names[i] ?? '';
        relations.set(name, { name, types: [], rewrite });
      }
      const tuples = [
        ...links.map(([on, linked]) => ({ ...on, subject: { set: linked } })),
        ...facts.map((on) => ({ ...on, subject: { id: 'alice' } })),
      ];
      return { model: { namespaces: new Map([['A', { name: 'A', relations }]]) }, tuples };
    });
}

function knotOf(
  leaves: readonly string[],
  depth: number,
  isNegating: boolean,
): fc.Arbitrary<Rewrite> {
  const computed = fc
    .constantFrom(...leaves)
    .map((relation): Rewrite => ({ kind: 'computed', relation }));
  if (depth === 0) return computed;
  const inner = fc.oneof(computed, knotOf(leaves, depth - 1, isNegating));
  const group = fc
    .tuple(
      fc.constantFrom('or' as const, 'and' as const),
      fc.array(inner, { minLength: 2, maxLength: 3 }),
    )
    .map(([kind, children]): Rewrite => ({ kind, children }));
  const traverse = fc
    .tuple(fc.constantFrom('r', 's'), inner)
    .map(([relation, through]): Rewrite => ({ kind: 'traverse', relation, through }));
  const not = inner.map((child): Rewrite => ({ kind: 'not', child }));
  return fc.oneof(
    { arbitrary: group, weight: 5 },
    { arbitrary: traverse, weight: 1 },
    { arbitrary: not, weight: isNegating ? 2 : 0 },
  );
}

/** Every question that may be asked of a world. */
export function placesOf({ model }: World): SubjectSet[] {
  const places: SubjectSet[] = [];
  // Few in a knot, so that it is asked about what is in it.
  const objects = model.namespaces.size === 1 ? ['1', '2'] : OBJECTS;
  for (const namespace of model.namespaces.values())
    for (const relation of namespace.relations.size === 0 ? ['r', ''] : namespace.relations.keys())
      for (const object of objects) places.push({ namespace: namespace.name, object, relation });
  return places;
}

/** A subject of a world: an id, a plain object, or a set. */
export function anySubject({ model }: World): fc.Arbitrary<Subject> {
  if (model.namespaces.size === 1) return fc.constant({ id: 'alice' });
  return fc.oneof(
    fc.constantFrom(...IDS, 'nobody').map((id) => ({ id })),
    anySet(model, ['', '', '', ...RELATIONS])
      .filter(({ namespace, relation }) => relation === '' || namespace !== 'old')
      .map((set) => ({ set })),
  );
}

/** The key of a place. */
export function placeKey({ namespace, object, relation }: SubjectSet): string {
  return keyOf(namespace, object, relation);
}
