/**
 * Asks both systems everything about one world, and says where they differ. A difference of a kind that
 * docs/divergences/permissions.md lists is counted; every other one is a finding.
 */
import { printTuple, type SubjectSet } from '../../src/permissions/tuple.ts';
import type { Dice } from '../fuzz/dice.ts';
import { Ours, objectsOf, placesOf, UNSEEN } from './spicedb-ours.ts';
import { type Answer, NO_ANSWER, type SpiceDb } from './spicedb-peer.ts';
import { subjectRef } from './spicedb-schema.ts';
import type { World } from './spicedb-world.ts';

/** The kinds that may turn up in a run, as the table's first column names them. */
export const KINDS = {
  depth: 'depth',
  self: 'a subject set as a member of itself',
  wild: 'a subject set as granted by a wildcard',
} as const;

/** Of a world; all of them would be nearly all that is asked, and be false. */
const SETS_MAX = 24;
/** Of a world, and of each of the two kinds: a list costs as much as ten checks. */
const LISTS_MAX = 100;
const OVERDUE_MAX = 2;

export class Tally {
  readonly counts: Map<string, number> = new Map();

  add(what: string, count: number = 1): void {
    this.counts.set(what, this.get(what) + count);
  }

  get(what: string): number {
    return this.counts.get(what) ?? 0;
  }
}

/** What is asked as a subject. */
interface Subjects {
  readonly plain: readonly SubjectSet[];
  readonly sets: readonly SubjectSet[];
}

/** Every plain object, also one of each definition that no tuple names; sets that are stored, and some of every kind. */
function subjectsOf(world: World, dice: Dice): Subjects {
  const plain = [...world.model.namespaces.keys()].flatMap((namespace) =>
    objectsOf(world, namespace, true).map((object) => ({ namespace, object, relation: '' })),
  );
  const sets = shuffled(placesOf(world, false), dice);
  const stored = new Set(
    world.tuples.map((t) => ('set' in t.subject ? textOf(t.subject.set) : '')),
  );
  const byKind = new Map(sets.map((s) => [`${s.namespace}#${s.relation}`, s]));
  const first = [...byKind.values(), ...sets.filter((s) => stored.has(textOf(s))), ...sets];
  return { plain, sets: [...new Set(first)].slice(0, SETS_MAX) };
}

function shuffled<T>(items: readonly T[], dice: Dice): T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(dice.roll(left.length), 1));
}

/** Of what goes round there is the error of the depth, or no answer. */
function isDepth(error: string): boolean {
  return error.includes('max depth exceeded') || error === NO_ANSWER;
}

const textOf = ({ namespace, object, relation }: SubjectSet): string =>
  relation === '' ? `${namespace}:${object}` : `${namespace}:${object}#${relation}`;
const listText = (s: ReadonlySet<string>): string => `[${[...s].toSorted().join(' ')}]`;

/** One world in both systems. */
export class Comparison {
  readonly findings: string[] = [];
  readonly #world: World;
  readonly #theirs: SpiceDb;
  readonly #ours: Ours;
  readonly #dice: Dice;
  readonly #subjects: Subjects;
  readonly #tally: Tally;

  constructor(world: World, theirs: SpiceDb, dice: Dice, tally: Tally) {
    this.#world = world;
    this.#theirs = theirs;
    this.#dice = dice;
    this.#subjects = subjectsOf(world, dice);
    this.#ours = new Ours(world);
    this.#tally = tally;
  }

  /** A world in which SpiceDB waits for itself again and again would cost more than it shows. */
  #isLeft(): boolean {
    return this.#theirs.overdue >= OVERDUE_MAX;
  }

  #sample<T>(asked: readonly T[]): T[] {
    return shuffled(asked, this.#dice).slice(0, LISTS_MAX);
  }

  #differ(question: string, ours: string, theirs: string): void {
    this.findings.push(`${question}: Postern ${ours}, SpiceDB ${theirs}`);
  }

  /** The value of an answer; undefined, counted, when there is none. */
  #valueOf<T>(what: string, question: string, answer: Answer<T>): T | undefined {
    this.#tally.add(what);
    if ('value' in answer) return answer.value;
    if (isDepth(answer.error)) this.#tally.add(`${what}: ${KINDS.depth}`);
    else this.#differ(question, 'asked', answer.error);
    return undefined;
  }

  /** Every relation and permit of every object, for every subject. */
  async checks(): Promise<void> {
    const subjects = [...this.#subjects.plain, ...this.#subjects.sets];
    const asked = [...this.#world.model.namespaces.values()].flatMap(({ name, relations }) =>
      [...relations.keys()].flatMap((relation) =>
        subjects.map((subject) => ({ namespace: name, relation, subject })),
      ),
    );
    for (const { namespace, relation, subject } of shuffled(asked, this.#dice)) {
      if (this.#isLeft()) return;
      const objects = objectsOf(this.#world, namespace, true);
      const places = objects.map((object) => ({ namespace, object, relation }));
      await this.#checkAll(places, relation, subject);
    }
  }

  /** One bulk at a time: bulks whose questions lead to each other's wait for each other until SpiceDB ends the call. */
  async #checkAll(
    places: readonly SubjectSet[],
    relation: string,
    subject: SubjectSet,
  ): Promise<void> {
    const objects = places.map((on) => subjectRef(on).object);
    const answers = await this.#theirs.check(objects, relation, subjectRef(subject));
    for (const [i, on] of places.entries()) {
      const answer = answers[i] ?? { error: 'no answer' };
      await this.#checked(on, subject, answer);
    }
  }

  async #checked(on: SubjectSet, subject: SubjectSet, answer: Answer<boolean>): Promise<void> {
    const question = `check ${textOf(on)}@${textOf(subject)}`;
    const theirs = this.#valueOf('checks', question, answer);
    if (theirs === undefined) return;
    if (theirs) this.#tally.add('checks: true');
    const ours = await this.#ours.check(on, subject);
    if (ours !== theirs) this.#differ(question, `${ours}`, `${theirs}`);
    const asStored = await this.#ours.checkAsStored(on, subject);
    if (asStored !== theirs)
      if (subject.relation === '')
        this.#differ(`${question} as stored`, `${asStored}`, `${theirs}`);
      else this.#tally.add(`checks: ${await this.#kindOf(on, subject, theirs)}`);
    const strict = await this.#ours.checkStrictly(on, subject);
    if (strict !== asStored) this.#differ(`${question} strictly`, `${strict}`, `${asStored} else`);
  }

  /** Which of SpiceDB's two rules for sets made the difference. */
  async #kindOf(on: SubjectSet, subject: SubjectSet, theirs: boolean): Promise<string> {
    const isSelf = (await this.#ours.checkAsListed(on, subject)) === theirs;
    return isSelf ? KINDS.self : KINDS.wild;
  }

  /** Lists of objects for every subject. */
  async lookupsOfResources(): Promise<void> {
    const asked = [...this.#subjects.plain, ...this.#subjects.sets].flatMap((subject) =>
      [...this.#world.model.namespaces.values()].flatMap(({ name: namespace, relations }) =>
        [...relations.keys()].map((relation) => ({ namespace, relation, subject })),
      ),
    );
    for (const { namespace, relation, subject } of this.#sample(asked)) {
      if (this.#isLeft()) return;
      const question = `objects ${namespace}#${relation}@${textOf(subject)}`;
      const answer = await this.#theirs.lookupResources(namespace, relation, subjectRef(subject));
      const theirs = this.#valueOf('lists of objects', question, answer);
      if (theirs === undefined) continue;
      const ours = await this.#ours.listObjects(namespace, relation, subject);
      if (listText(ours) !== listText(theirs))
        this.#differ(question, listText(ours), listText(theirs));
    }
  }

  /** Lists of subjects of every definition, and of every kind of set. */
  async lookupsOfSubjects(): Promise<void> {
    const kinds = new Map(
      [...this.#subjects.plain, ...this.#subjects.sets].map((s) => [
        `${s.namespace}#${s.relation}`,
        s,
      ]),
    );
    const asked = placesOf(this.#world, false).flatMap((on) =>
      [...kinds.values()].map(({ namespace, relation }) => ({ on, namespace, relation })),
    );
    for (const { on, namespace, relation } of this.#sample(asked))
      if (!this.#isLeft()) await this.#lookUpSubjects(on, namespace, relation);
  }

  async #lookUpSubjects(on: SubjectSet, namespace: string, relation: string): Promise<void> {
    const question = `subjects ${textOf(on)}@${namespace}:?#${relation}`;
    const { object } = subjectRef(on);
    const answer = await this.#theirs.lookupSubjects(object, on.relation, namespace, relation);
    const theirs = this.#valueOf('lists of subjects', question, answer);
    if (theirs === undefined) return;
    const known = objectsOf(this.#world, namespace, false);
    const all = theirs.allBut;
    const granted = all === undefined ? [] : known.filter((o) => !all.has(o));
    const theirList = listText(new Set([...theirs.ids, ...granted]));
    const ourList = listText(await this.#ours.listSubjects(on, namespace, relation));
    if (ourList !== theirList) this.#differ(question, ourList, theirList);
    if (relation !== '') return;
    if (all !== undefined) this.#tally.add('lists of subjects: with a wildcard');
    const grantsAnyone = await this.#ours.check(on, { namespace, object: UNSEEN, relation });
    if (grantsAnyone !== (all !== undefined))
      this.#differ(`${question}, anyone`, `${grantsAnyone}`, `${all !== undefined}`);
  }
}

/** A world as text: SpiceDB's schema is printed beside it by who has it. */
export function tuplesText(world: World): string {
  return world.tuples.map(printTuple).join('\n');
}
