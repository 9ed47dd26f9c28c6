/**
 * Random worlds within what both SpiceDB and Postern have: a model and tuples of the types that it declares. Names are few,
 * so that cycles, diamonds and contradictions are common. What only one of the two can say never comes out of here: see
 * docs/divergences/permissions.md.
 */
import type {
  Model,
  Namespace,
  Relation,
  Rewrite,
  SubjectType,
} from '../../src/permissions/model.ts';
import {
  type SubjectSet,
  type Tuple,
  tupleKey,
  WILDCARD_OBJECT,
} from '../../src/permissions/tuple.ts';
import type { Dice } from '../fuzz/dice.ts';
import { withoutKnots } from './spicedb-knots.ts';

export interface World {
  readonly model: Model;
  readonly tuples: readonly Tuple[];
}

/** What a world may be of: most are small and dense, some have dozens of groups. */
interface Size {
  readonly objects: number;
  readonly tuplesPerPlace: number;
}

const DEFINITIONS = ['user', 'group', 'folder', 'document'];
const RELATIONS = ['rel_a', 'rel_b', 'rel_c'];
const PERMITS = ['can_a', 'can_b', 'can_c'];
const IDS = ['a', 'b', 'c', '0', 'x/y', 'd|e', '-=+_'];
const PLAIN_USER: SubjectType = { namespace: 'user', relation: '', isWildcard: false };
const DEPTH = 2;
const DOZENS = 36;

type Names = ReadonlyMap<string, { readonly relations: string[]; readonly permits: string[] }>;

/** Makes one world; the same dice give the same world. */
export function worldOf(dice: Dice): World {
  const model = withoutKnots(new ModelMaker(dice).make());
  return { model, tuples: new TupleMaker(dice, model).make() };
}

function some<T>(dice: Dice, from: readonly T[], atLeast: number): T[] {
  const count = atLeast + dice.roll(from.length - atLeast + 1);
  return from.slice(0, count);
}

class ModelMaker {
  readonly #dice: Dice;
  readonly #names: Names;
  readonly #types = new Map<string, Map<string, SubjectType[]>>();

  constructor(dice: Dice) {
    this.#dice = dice;
    const names = new Map<string, { relations: string[]; permits: string[] }>();
    for (const definition of some(dice, DEFINITIONS, 2)) {
      const isPlain = definition === 'user' && dice.roll(4) > 0;
      const relations = isPlain ? [] : some(dice, RELATIONS, 1);
      names.set(definition, { relations, permits: isPlain ? [] : some(dice, PERMITS, 0) });
    }
    this.#names = names;
  }

  make(): Model {
    for (const [definition, { relations }] of this.#names) {
      const types = new Map(relations.map((r) => [r, this.#typesOf(definition)]));
      this.#types.set(definition, types);
    }
    this.#dropWildSets();
    const namespaces = new Map<string, Namespace>();
    for (const [name, { relations, permits }] of this.#names) {
      const declared = new Map<string, Relation>();
      for (const r of relations)
        declared.set(r, { name: r, types: this.#types.get(name)?.get(r) ?? [] });
      for (const p of permits)
        declared.set(p, { name: p, types: [], rewrite: this.#rewriteOf([name], DEPTH, p) });
      namespaces.set(name, { name, relations: declared });
    }
    return { namespaces };
  }

  /** Users of some kind, or of any; else parents: plain objects, mostly of one definition. */
  #typesOf(definition: string): SubjectType[] {
    if (this.#dice.roll(3) === 0) {
      const parent =
        this.#dice.roll(2) === 0 ? definition : this.#dice.pick([...this.#names.keys()]);
      return [{ namespace: parent, relation: '', isWildcard: false }];
    }
    const types = new Map<string, SubjectType>();
    for (let left = 1 + this.#dice.roll(4); left > 0; left--) {
      const type = this.#typeOf(this.#dice.pick(['user', ...this.#names.keys()]));
      types.set(`${type.namespace}#${type.relation}${type.isWildcard}`, type);
    }
    return [...types.values()];
  }

  /** SpiceDB takes no set of a relation that lets a wildcard in, be it through other sets. */
  #dropWildSets(): void {
    const isWild = (
      { namespace, relation, isWildcard }: SubjectType,
      seen: Set<string>,
    ): boolean => {
      const key = `${namespace}#${relation}`;
      if (isWildcard || seen.has(key)) return isWildcard;
      seen.add(key);
      return (
        this.#types
          .get(namespace)
          ?.get(relation)
          ?.some((t) => isWild(t, seen)) === true
      );
    };
    for (const relations of this.#types.values())
      for (const [relation, types] of relations) {
        const kept = types.filter((t) => t.isWildcard || !isWild(t, new Set()));
        relations.set(relation, kept.length > 0 ? kept : [PLAIN_USER]);
      }
  }

  #typeOf(namespace: string): SubjectType {
    const own = this.#names.get(namespace);
    const names = [...(own?.relations ?? []), ...(own?.permits ?? [])];
    const isSet = names.length > 0 && this.#dice.roll(3) > 0;
    if (isSet) return { namespace, relation: this.#dice.pick(names), isWildcard: false };
    return { namespace, relation: '', isWildcard: this.#dice.roll(4) === 0 };
  }

  /** An expression that can be asked of each of these definitions; below a permit only what comes before it. */
  #rewriteOf(at: readonly string[], depth: number, permit?: string): Rewrite {
    const kind = depth === 0 ? 0 : this.#dice.roll(10);
    // Below an operator now and then any permit of the object: SpiceDB refuses circles of bare names alone.
    const before = depth < DEPTH && this.#dice.roll(12) === 0 ? undefined : permit;
    if (kind < 3) return this.#computed(at, before);
    if (kind < 6) return this.#traverse(at, depth, permit) ?? this.#computed(at, permit);
    // SpiceDB's `nil`.
    if (kind === 6 && this.#dice.roll(6) === 0) return { kind: 'or', children: [] };
    const children = Array.from({ length: 2 + this.#dice.roll(2) }, () =>
      this.#rewriteOf(at, depth - 1, permit),
    );
    if (kind < 8) return { kind: 'or', children };
    if (this.#dice.roll(2) === 0) return { kind: 'and', children };
    const child = this.#rewriteOf(at, depth - 1, permit);
    // Anywhere among them, but never alone.
    const where = this.#dice.roll(children.length + 1);
    return { kind: 'and', children: children.toSpliced(where, 0, { kind: 'not', child }) };
  }

  #computed(at: readonly string[], permit?: string): Rewrite {
    const before = PERMITS.filter((p) => permit === undefined || p < permit);
    const names = [...RELATIONS, ...before].filter((n) => at.every((d) => this.#has(d, n)));
    const name = names.length === 0 ? undefined : this.#dice.pick(names);
    return name === undefined ? { kind: 'or', children: [] } : { kind: 'computed', relation: name };
  }

  #has(definition: string, name: string): boolean {
    const own = this.#names.get(definition);
    return own?.relations.includes(name) === true || own?.permits.includes(name) === true;
  }

  #traverse(at: readonly string[], depth: number, permit?: string): Rewrite | undefined {
    const parents = RELATIONS.filter((r) => at.every((d) => this.#isTraversable(d, r)));
    if (parents.length === 0) return undefined;
    const relation = this.#dice.pick(parents);
    const types = at.flatMap((d) => this.#types.get(d)?.get(relation) ?? []);
    const to = [...new Set(types.map((t) => t.namespace))];
    // Of another object every permit may be asked, also this one.
    const through = this.#rewriteOf(to, depth - 1);
    const isEmpty = through.kind === 'or' && through.children.length === 0;
    return isEmpty ? this.#computed(at, permit) : { kind: 'traverse', relation, through };
  }

  #isTraversable(definition: string, relation: string): boolean {
    const types = this.#types.get(definition)?.get(relation);
    return types?.every((t) => !t.isWildcard && this.#isAskable(t.namespace)) === true;
  }

  #isAskable(definition: string): boolean {
    return (this.#names.get(definition)?.relations.length ?? 0) > 0;
  }
}

class TupleMaker {
  readonly #dice: Dice;
  readonly #model: Model;
  readonly #objects = new Map<string, string[]>();
  /** Sets and parents point from an object to later ones alone, so that nothing goes round; SpiceDB has an answer then. */
  readonly #isOrdered: boolean;

  constructor(dice: Dice, model: Model) {
    this.#dice = dice;
    this.#model = model;
    this.#isOrdered = dice.roll(3) > 0;
  }

  make(): Tuple[] {
    const hasDozens = this.#dice.roll(12) === 0;
    const size: Size = hasDozens
      ? { objects: DOZENS, tuplesPerPlace: 2 }
      : { objects: 2 + this.#dice.roll(3), tuplesPerPlace: 3 };
    const large = this.#dice.pick([...this.#model.namespaces.keys()]);
    for (const name of this.#model.namespaces.keys())
      this.#objects.set(name, this.#namesOf(hasDozens && name !== large ? 3 : size.objects));
    const least = this.#dice.roll(2);
    const tuples = new Map<string, Tuple>();
    for (const on of this.#places())
      for (let left = least + this.#dice.roll(size.tuplesPerPlace); left > 0; left--) {
        const tuple = this.#tupleOn(on);
        if (tuple !== undefined) tuples.set(tupleKey(tuple), tuple);
      }
    return [...tuples.values()];
  }

  #namesOf(count: number): string[] {
    const chosen = Array.from({ length: count }, (_, i) => IDS[i] ?? `n${i}`);
    return chosen.map((name) =>
      this.#dice.roll(8) === 0 ? `${name}${this.#dice.roll(10)}` : name,
    );
  }

  *#places(): Generator<SubjectSet> {
    for (const { name, relations } of this.#model.namespaces.values())
      for (const object of new Set(this.#objects.get(name)))
        for (const { name: relation, rewrite } of relations.values())
          if (rewrite === undefined) yield { namespace: name, object, relation };
  }

  #tupleOn(on: SubjectSet): Tuple | undefined {
    const types = this.#model.namespaces.get(on.namespace)?.relations.get(on.relation)?.types ?? [];
    const { namespace, relation, isWildcard } = this.#dice.pick(types);
    const object = isWildcard ? WILDCARD_OBJECT : this.#subjectFor(on, namespace);
    if (object === undefined) return undefined;
    return { ...on, subject: { set: { namespace, object, relation } } };
  }

  #subjectFor(on: SubjectSet, namespace: string): string | undefined {
    const all = this.#objects.get(namespace) ?? [];
    const definitions = [...this.#model.namespaces.keys()];
    const isLater = definitions.indexOf(namespace) < definitions.indexOf(on.namespace);
    if (!this.#isOrdered || isLater) return this.#dice.pick(all);
    const own = this.#objects.get(on.namespace) ?? [];
    const later = all.slice(own.indexOf(on.object) + 1);
    return later.length === 0 ? undefined : this.#dice.pick(later);
  }
}
