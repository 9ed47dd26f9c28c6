/**
 * Postern's answers about a world, in the words of SpiceDB. There a subject set is a member of itself; its checks, but not
 * its lists, also count it among what a wildcard of its definition grants. In Postern a set is in what it is stored on, and
 * in nothing else. So each set is given two members that nobody else has: one of no definition, of which holds what holds of
 * the set in SpiceDB's lists, and one of its own, which the wildcards grant, as in SpiceDB's checks.
 */
import { CheckEvaluator, type CheckLimits } from '../../src/permissions/engine/check.ts';
import { IndexedView } from '../../src/permissions/engine/indexed-view.fixture.ts';
import { listObjects } from '../../src/permissions/engine/list-objects.ts';
import { listSubjects } from '../../src/permissions/engine/list-subjects.ts';
import { ArrayView } from '../../src/permissions/engine/memory-view.fixture.ts';
import type { TupleView } from '../../src/permissions/engine/view.ts';
import type { Model } from '../../src/permissions/model.ts';
import {
  type Subject,
  type SubjectSet,
  type Tuple,
  WILDCARD_OBJECT,
} from '../../src/permissions/tuple.ts';
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
  readonly #model: Model;
  readonly #view: TupleView;
  readonly #viewOfMembers: TupleView;
  readonly #setsByName: ReadonlyMap<string, SubjectSet>;
  readonly #withMembers: CheckEvaluator;
  readonly #asStored: CheckEvaluator;
  readonly #strict: CheckEvaluator;

  constructor(world: World) {
    this.#world = world;
    const sets = placesOf(world, false);
    this.#setsByName = new Map(sets.map((set) => [nameOf(set), set]));
    const namespaces = new Map(world.model.namespaces);
    namespaces.set(STRANGERS, { name: STRANGERS, relations: new Map() });
    this.#model = { namespaces };
    this.#view = new ArrayView(world.tuples);
    this.#viewOfMembers = new IndexedView([...world.tuples, ...sets.flatMap(membersOf)]);
    this.#withMembers = new CheckEvaluator(this.#model, this.#viewOfMembers, LIMITS);
    this.#asStored = new CheckEvaluator(world.model, this.#view, LIMITS);
    const strict = { ...LIMITS, isStrict: true };
    this.#strict = new CheckEvaluator(world.model, this.#view, strict);
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

  /** The known objects. */
  async listObjects(
    namespace: string,
    relation: string,
    subject: SubjectSet,
  ): Promise<ReadonlySet<string>> {
    const set = standIn(subject, STRANGERS);
    const question = { namespace, relation, subject: { set } };
    const found = await listObjects(this.#model, this.#viewOfMembers, question, LIMITS);
    return onceEach(found);
  }

  /** The known subjects of a definition, without the wildcard, or its sets of a relation. */
  async listSubjects(
    on: SubjectSet,
    namespace: string,
    relation: string,
  ): Promise<ReadonlySet<string>> {
    if (relation === '') {
      const question = { on, subjectNamespace: namespace };
      const found = await listSubjects(this.#world.model, this.#view, question, LIMITS);
      return onceEach(found.map(objectOf).filter((o) => o !== WILDCARD_OBJECT));
    }
    const question = { on, subjectNamespace: STRANGERS };
    const found = await listSubjects(this.#model, this.#viewOfMembers, question, LIMITS);
    const sets = found.flatMap((s) => this.#setsByName.get(objectOf(s)) ?? []);
    const ofKind = sets.filter((s) => s.namespace === namespace && s.relation === relation);
    return onceEach(ofKind.map((s) => s.object));
  }
}

function objectOf(subject: Subject): string {
  if ('id' in subject) throw new Error('a list of objects as subjects holds an id');
  return subject.set.object;
}

/** Throws when a list names something twice. */
function onceEach(found: readonly string[]): ReadonlySet<string> {
  const set = new Set(found);
  if (set.size !== found.length) throw new Error(`listed twice: ${found.join(' ')}`);
  return set;
}
