/**
 * Postern's answers about a world, in the words of SpiceDB. There a subject set is a member of itself; its checks, but not
 * its lists, also count it among what a wildcard of its definition grants. In Postern a set is in what it is stored on, and
 * in nothing else. So each set is given two members that nobody else has: one of no definition, of which holds what holds of
 * the set in SpiceDB's lists, and one of its own, which the wildcards grant, as in SpiceDB's checks.
 */
import { CheckEvaluator, type CheckLimits } from '../../src/permissions/engine/check.ts';
import { ArrayView } from '../../src/permissions/engine/memory-view.fixture.ts';
import type { Model } from '../../src/permissions/model.ts';
import { type SubjectSet, type Tuple, WILDCARD_OBJECT } from '../../src/permissions/tuple.ts';
import type { World } from './spicedb-world.ts';

const STRANGERS = 'stranger';
const LIMITS: CheckLimits = { stepsMax: 1_000_000, isStrict: false };
/** An object of every definition that no tuple names. */
export const UNSEEN = 'unseen';

function nameOf({ namespace, object, relation }: SubjectSet): string {
  return `${namespace}:${object}#${relation}`;
}

/** The subject that stands for one of SpiceDB's. */
function standIn(s: SubjectSet, namespace: string): SubjectSet {
  return s.relation === '' ? s : { namespace, object: nameOf(s), relation: '' };
}

/** Gives a set its two members, by way of a set of the strangers' open namespace: so no traversal leads anywhere. */
function membersOf(set: SubjectSet): Tuple[] {
  const inner = { namespace: STRANGERS, object: nameOf(set), relation: 'members' };
  return [
    { ...set, subject: { set: inner } },
    { ...inner, subject: { set: standIn(set, STRANGERS) } },
    { ...inner, subject: { set: standIn(set, set.namespace) } },
  ];
}

/** Every object of a definition that a tuple names, and perhaps the one that none names. */
export function objectsOf(world: World, namespace: string, hasUnseen: boolean): string[] {
  const known = [...new ArrayView(world.tuples).objects(namespace)];
  return [...known.filter((o) => o !== WILDCARD_OBJECT), ...(hasUnseen ? [UNSEEN] : [])];
}

/** All that can be asked about: each relation and permit of each object. */
export function placesOf(world: World, hasUnseen: boolean): SubjectSet[] {
  return [...world.model.namespaces.values()].flatMap(({ name: namespace, relations }) =>
    objectsOf(world, namespace, hasUnseen).flatMap((object) =>
      [...relations.keys()].map((relation) => ({ namespace, object, relation })),
    ),
  );
}

/** One world in Postern. */
export class Ours {
  readonly #world: World;
  readonly #withMembers: CheckEvaluator;
  readonly #asStored: CheckEvaluator;
  readonly #strict: CheckEvaluator;

  /** The sets are those that are asked for as subjects. */
  constructor(world: World, sets: readonly SubjectSet[]) {
    this.#world = world;
    const members = sets.flatMap(membersOf);
    const namespaces = new Map(world.model.namespaces);
    namespaces.set(STRANGERS, { name: STRANGERS, relations: new Map() });
    const model: Model = { namespaces };
    const view = new ArrayView(world.tuples);
    const viewOfAll = new ArrayView([...world.tuples, ...members]);
    this.#withMembers = new CheckEvaluator(model, viewOfAll, LIMITS);
    this.#asStored = new CheckEvaluator(world.model, view, LIMITS);
    this.#strict = new CheckEvaluator(world.model, view, { ...LIMITS, isStrict: true });
  }

  /** As SpiceDB's checks mean it. */
  check(on: SubjectSet, subject: SubjectSet): Promise<boolean> {
    return this.#withMembers.check(on, { set: standIn(subject, subject.namespace) });
  }

  /** As SpiceDB's lists mean it: no wildcard grants a set. */
  checkAsListed(on: SubjectSet, subject: SubjectSet): Promise<boolean> {
    return this.#withMembers.check(on, { set: standIn(subject, STRANGERS) });
  }

  /** As Postern's clients ask. */
  checkAsStored(on: SubjectSet, subject: SubjectSet): Promise<boolean> {
    return this.#asStored.check(on, { set: subject });
  }

  /** As they ask in strict mode: every tuple here is of a declared type. */
  checkStrictly(on: SubjectSet, subject: SubjectSet): Promise<boolean> {
    return this.#strict.check(on, { set: subject });
  }

  async listObjects(
    namespace: string,
    relation: string,
    subject: SubjectSet,
  ): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (const object of objectsOf(this.#world, namespace, false))
      if (await this.checkAsListed({ namespace, object, relation }, subject)) found.add(object);
    return found;
  }

  /** The known subjects of a definition, or its sets of a relation; without the wildcard. */
  async listSubjects(
    on: SubjectSet,
    namespace: string,
    relation: string,
  ): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (const object of objectsOf(this.#world, namespace, false))
      if (await this.checkAsListed(on, { namespace, object, relation })) found.add(object);
    return found;
  }
}
