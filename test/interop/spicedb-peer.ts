/**
 * SpiceDB as the comparison asks it. What it does not answer in time counts as no answer: on data that goes round, branches
 * of one call may wait for each other until its own deadline of half a minute. Its process is then ended, and another one
 * takes in the world again.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ObjectRef {
  readonly objectType: string;
  readonly objectId: string;
}
export interface SubjectRef {
  readonly object: ObjectRef;
  /** "" for the object itself. */
  readonly optionalRelation: string;
}
export interface Relationship {
  readonly resource: ObjectRef;
  readonly relation: string;
  readonly subject: SubjectRef;
}

/** Subjects that were found: those named, or all of the type but some. */
export interface FoundSubjects {
  readonly ids: ReadonlySet<string>;
  /** Present when the wildcard was found: those that it does not grant. */
  readonly allBut?: ReadonlySet<string>;
}

/** An answer, or what the error said in place of one. */
export type Answer<T> = { readonly value: T } | { readonly error: string };

interface World {
  readonly schema: string;
  readonly definitions: readonly string[];
  readonly tuples: readonly Relationship[];
}

export interface CheckItem {
  readonly resource: ObjectRef;
  readonly permission: string;
  readonly subject: SubjectRef;
}
export interface ResourcesItem {
  readonly resourceObjectType: string;
  readonly permission: string;
  readonly subject: SubjectRef;
}
export interface SubjectsItem {
  readonly resource: ObjectRef;
  readonly permission: string;
  readonly subjectObjectType: string;
  readonly optionalSubjectRelation: string;
}

/** What goes to SpiceDB's process; the answers come back alone. */
export type Question =
  | ({ readonly ask: 'load' } & World)
  | { readonly ask: 'check'; readonly items: readonly CheckItem[] }
  | { readonly ask: 'resources'; readonly items: readonly ResourcesItem[] }
  | { readonly ask: 'subjects'; readonly items: readonly SubjectsItem[] };

/** The error of what SpiceDB did not answer in time. */
export const NO_ANSWER = 'no answer in time';
const ANSWER_MS = 1_000;
const ANSWER_MS_EACH = 20;
/** With an installation, the first time. */
const START_MS = 330_000;
const LOAD_MS = 30_000;
/** What its process says in place of being ready. */
export const MISSING = 'missing';

/** One world at a time in SpiceDB. */
export class SpiceDb {
  readonly #folder = mkdtempSync(join(tmpdir(), 'postern-spicedb-'));
  #process: ChildProcess | undefined;
  #world: World | undefined;
  private constructor() {}

  /** A SpiceDB without a world yet; undefined where the peer can't be had, which is then printed. */
  static async start(): Promise<SpiceDb | undefined> {
    const started = new SpiceDb();
    try {
      started.#process = await started.#start();
    } finally {
      if (started.#process === undefined) started.close();
    }
    return started.#process === undefined ? undefined : started;
  }

  /** Takes in a world in place of the last one. Throws what SpiceDB says to a schema or a tuple that it refuses. */
  async load(world: World): Promise<void> {
    this.#world = world;
    this.#process ??= await this.#start();
    if (this.#process === undefined) throw new Error('SpiceDB can no longer be had');
    const question = { ask: 'load', ...world } as const;
    const loaded: Answer<void> = await this.#send(this.#process, question, LOAD_MS);
    if ('error' in loaded) throw new Error(`SpiceDB refuses a world: ${loaded.error}`);
  }

  /** Ends its process. */
  close(): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Answers in the order of the items, asked for at once. */
  check(items: readonly CheckItem[]): Promise<Answer<boolean>[]> {
    return this.#ask({ ask: 'check', items }, items.length);
  }

  lookUpResources(items: readonly ResourcesItem[]): Promise<Answer<ReadonlySet<string>>[]> {
    return this.#ask({ ask: 'resources', items }, items.length);
  }

  lookUpSubjects(items: readonly SubjectsItem[]): Promise<Answer<FoundSubjects>[]> {
    return this.#ask({ ask: 'subjects', items }, items.length);
  }

  async #ask<T>(question: Question, count: number): Promise<Answer<T>[]> {
    if (this.#process === undefined) throw new Error('no world is loaded');
    try {
      return await this.#send(this.#process, question, ANSWER_MS + count * ANSWER_MS_EACH);
    } catch (reason) {
      if (!(reason instanceof Overdue)) throw reason;
    }
    this.#process.kill('SIGKILL');
    this.#process = undefined;
    if (this.#world !== undefined) await this.load(this.#world);
    return Array.from({ length: count }, () => ({ error: NO_ANSWER }));
  }

  async #start(): Promise<ChildProcess | undefined> {
    const child = fork(join(import.meta.dirname, 'spicedb-process.ts'), {
      serialization: 'advanced',
      // It leaves a socket behind.
      env: { ...process.env, TMPDIR: this.#folder },
      execArgv: [],
    });
    return (await nextMessage(child, START_MS)) === MISSING ? undefined : child;
  }

  /** Its answer. What it can't be but by a fault of the two files is trusted. */
  async #send<T>(child: ChildProcess, question: Question, ms: number): Promise<T> {
    const answer = nextMessage(child, ms);
    child.send(question);
    return (await answer) as T;
  }
}

class Overdue extends Error {}

function nextMessage(child: ChildProcess, ms: number): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const timer = setTimeout(() => reject(new Overdue(NO_ANSWER)), ms);
  const onExit = (code: number | null): void => reject(new Error(`SpiceDB ended with ${code}`));
  child.once('message', resolve);
  child.once('exit', onExit);
  return promise.finally(() => {
    clearTimeout(timer);
    child.off('message', resolve);
    child.off('exit', onExit);
  });
}
