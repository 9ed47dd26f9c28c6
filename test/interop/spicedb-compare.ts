/**
 * Asks both systems everything about one world, and says where they differ. A difference of a kind that
 * docs/divergences/permissions.md lists is counted; every other one is a finding.
 */
import { printTuple, type SubjectSet } from '../../src/permissions/tuple.ts';
import type { Dice } from '../fuzz/dice.ts';
import { goesRound } from './spicedb-cycles.ts';
import { Ours, objectsOf, placesOf, UNSEEN } from './spicedb-ours.ts';
import { type Answer, type FoundSubjects, NO_ANSWER, type SpiceDb } from './spicedb-peer.ts';
import { subjectRef } from './spicedb-schema.ts';
import type { World } from './spicedb-world.ts';

/** The kinds that may turn up in a run, as the table's first column names them. */
export const KINDS = {
  depth: 'depth',
  self: 'a subject set as a member of itself',
  wild: 'a subject set as granted by a wildcard',
} as const;

/** Of a world; all of them would be nearly all that is asked, and be false. */
const SETS_MAX = 20;
/** Of a world, and of each of the two kinds: a list costs as much as ten checks. */
const LISTS_MAX = 60;
/** Each a check of all objects of a definition; SpiceDB takes 10,000 checks. */
const QUESTIONS_AT_ONCE = 200;
/** Of a world that goes round: questions of a kind, and the time for all of them. */
const ROUND_MAX = 150;
const ROUND_MS = 1_000;

export class Tally {
  readonly counts: Map<string, number> = new Map();

  add(what: string, count: number = 1): void {
    this.counts.set(what, this.get(what) + count);
  }

  get(what: string): number {
    return this.counts.get(what) ?? 0;
  }
}

interface Check {
  readonly on: SubjectSet;
  readonly subject: SubjectSet;
}
interface SubjectsQuestion {
  readonly on: SubjectSet;
  readonly namespace: string;
  readonly relation: string;
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

const textOf = ({ namespace, object, relation }: SubjectSet): string =>
  relation === '' ? `${namespace}:${object}` : `${namespace}:${object}#${relation}`;
const listText = (s: ReadonlySet<string>): string => `[${[...s].toSorted().join(' ')}]`;

function answerAt<T>(answers: readonly Answer<T>[], at: number): Answer<T> {
  return answers[at] ?? { error: 'fewer answers than questions' };
}

/** One world in both systems. */
export class Comparison {
  readonly findings: string[] = [];
  readonly #world: World;
  readonly #theirs: SpiceDb;
  readonly #ours: Ours;
  readonly #dice: Dice;
  readonly #subjects: Subjects;
  readonly #tally: Tally;
  readonly #goesRound: boolean;
  readonly #leaveAt: number = performance.now() + ROUND_MS;

  constructor(world: World, theirs: SpiceDb, dice: Dice, tally: Tally) {
    this.#world = world;
    this.#theirs = theirs;
    this.#dice = dice;
    this.#subjects = subjectsOf(world, dice);
    this.#ours = new Ours(world);
    this.#tally = tally;
    this.#goesRound = goesRound(world);
    tally.add(this.#goesRound ? 'worlds that go round' : 'worlds that do not');
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
    if (answer.error.includes('max depth exceeded')) this.#tally.add(`${what}: ${KINDS.depth}`);
    else if (answer.error === NO_ANSWER && this.#goesRound)
      this.#tally.add(`${what}: ${NO_ANSWER}`);
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
    const questions = shuffled(asked, this.#dice).map(({ namespace, relation, subject }) =>
      objectsOf(this.#world, namespace, true).map((object) => ({
        on: { namespace, object, relation },
        subject,
      })),
    );
    await this.#inTurn(questions, QUESTIONS_AT_ONCE, async (some) => {
      const flat = some.flat();
      const answers = await this.#theirs.check(
        flat.map(({ on, subject }) => ({
          resource: subjectRef(on).object,
          permission: on.relation,
          subject: subjectRef(subject),
        })),
      );
      for (const [i, { on, subject }] of flat.entries())
        await this.#checked(on, subject, answerAt(answers, i));
    });
  }

  /**
   * Asks everything at once. Where things go round one question at a time: those that lead to each other's would wait for
   * each other until SpiceDB ends the call. As a question may do so by itself, or follow a way again and again, such a world
   * is left after a while.
   */
  async #inTurn<T>(
    questions: readonly T[],
    atOnce: number,
    ask: (some: readonly T[]) => Promise<void>,
  ): Promise<void> {
    const step = this.#goesRound ? 1 : atOnce;
    const asked = this.#goesRound ? questions.slice(0, ROUND_MAX) : questions;
    for (let at = 0; at < asked.length; at += step) {
      if (this.#goesRound && performance.now() > this.#leaveAt) return;
      await ask(asked.slice(at, at + step));
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

  /**
   * Lists are the same but for what rests on a wildcard that grants a set: SpiceDB's lists find nothing that way, yet check
   * what an intersection or a difference leads to, and such a check counts the wildcard again.
   */
  async #compareLists(
    what: string,
    question: string,
    ours: ReadonlySet<string>,
    theirs: ReadonlySet<string>,
    checkOf: (item: string) => Check,
  ): Promise<void> {
    for (const item of new Set([...ours, ...theirs])) {
      if (ours.has(item) === theirs.has(item)) continue;
      const { on, subject } = checkOf(item);
      const asChecked = await this.#ours.check(on, subject);
      const asListed = await this.#ours.checkAsListed(on, subject);
      if (asChecked === asListed) return this.#differ(question, listText(ours), listText(theirs));
      this.#tally.add(`${what}: ${KINDS.wild}`);
    }
  }

  /** Lists of objects for every subject. */
  async lookupsOfResources(): Promise<void> {
    const asked = [...this.#subjects.plain, ...this.#subjects.sets].flatMap((subject) =>
      [...this.#world.model.namespaces.values()].flatMap(({ name: namespace, relations }) =>
        [...relations.keys()].map((relation) => ({ namespace, relation, subject })),
      ),
    );
    await this.#inTurn(this.#sample(asked), LISTS_MAX, async (some) => {
      const answers = await this.#theirs.lookUpResources(
        some.map(({ namespace, relation, subject }) => ({
          resourceObjectType: namespace,
          permission: relation,
          subject: subjectRef(subject),
        })),
      );
      for (const [i, { namespace, relation, subject }] of some.entries()) {
        const question = `objects ${namespace}#${relation}@${textOf(subject)}`;
        const theirs = this.#valueOf('lists of objects', question, answerAt(answers, i));
        if (theirs === undefined) continue;
        const ours = await this.#ours.listObjects(namespace, relation, subject);
        await this.#compareLists('lists of objects', question, ours, theirs, (object) => ({
          on: { namespace, object, relation },
          subject,
        }));
      }
    });
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
    await this.#inTurn(this.#sample(asked), LISTS_MAX, async (some) => {
      const answers = await this.#theirs.lookUpSubjects(
        some.map(({ on, namespace, relation }) => ({
          resource: subjectRef(on).object,
          permission: on.relation,
          subjectObjectType: namespace,
          optionalSubjectRelation: relation,
        })),
      );
      for (const [i, question] of some.entries())
        await this.#listedSubjects(question, answerAt(answers, i));
    });
  }

  async #listedSubjects(
    { on, namespace, relation }: SubjectsQuestion,
    answer: Answer<FoundSubjects>,
  ): Promise<void> {
    const question = `subjects ${textOf(on)}@${namespace}:?#${relation}`;
    const theirs = this.#valueOf('lists of subjects', question, answer);
    if (theirs === undefined) return;
    const known = objectsOf(this.#world, namespace, false);
    const all = theirs.allBut;
    const granted = all === undefined ? [] : known.filter((o) => !all.has(o));
    const ours = await this.#ours.listSubjects(on, namespace, relation);
    const theirList = new Set([...theirs.ids, ...granted]);
    await this.#compareLists('lists of subjects', question, ours, theirList, (object) => ({
      on,
      subject: { namespace, object, relation },
    }));
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
