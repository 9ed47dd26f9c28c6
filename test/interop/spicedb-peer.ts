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

/** What goes to SpiceDB's process; the answer comes back alone. */
export type Question =
  | ({ readonly ask: 'load' } & World)
  | {
      readonly ask: 'check';
      readonly objects: readonly ObjectRef[];
      readonly permission: string;
      readonly subject: SubjectRef;
    }
  | {
      readonly ask: 'resources';
      readonly definition: string;
      readonly permission: string;
      readonly subject: SubjectRef;
    }
  | {
      readonly ask: 'subjects';
      readonly object: ObjectRef;
      readonly permission: string;
      readonly definition: string;
      readonly relation: string;
    };

/** The error of what SpiceDB did not answer in time. */
export const NO_ANSWER = 'no answer in time';
const ANSWER_MS = 1_500;
const START_MS = 30_000;

/** One world at a time in SpiceDB. */
export class SpiceDb {
  readonly #folder = mkdtempSync(join(tmpdir(), 'postern-spicedb-'));
  #process: ChildProcess | undefined;
  #world: World | undefined;
  /** Calls without an answer in time, in the world that is loaded. */
  overdue = 0;

  /** Takes in a world in place of the last one. Throws what SpiceDB says to a schema or a tuple that it refuses. */
  async load(world: World): Promise<void> {
    this.#world = world;
    this.overdue = 0;
    this.#process ??= await this.#start();
    const loaded: Answer<void> = await this.#send(
      this.#process,
      { ask: 'load', ...world },
      START_MS,
    );
    if ('error' in loaded) throw new Error(`SpiceDB refuses a world: ${loaded.error}`);
  }

  /** Ends its process. */
  close(): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Whether each of some objects of one definition grants a subject a permission, in their order. */
  async check(
    objects: readonly ObjectRef[],
    permission: string,
    subject: SubjectRef,
  ): Promise<Answer<boolean>[]> {
    const answers = await this.#ask<Answer<boolean>[]>({
      ask: 'check',
      objects,
      permission,
      subject,
    });
    return answers ?? objects.map(() => ({ error: NO_ANSWER }));
  }

  async lookupResources(
    definition: string,
    permission: string,
    subject: SubjectRef,
  ): Promise<Answer<ReadonlySet<string>>> {
    const question = { ask: 'resources', definition, permission, subject } as const;
    return (await this.#ask<Answer<ReadonlySet<string>>>(question)) ?? { error: NO_ANSWER };
  }

  async lookupSubjects(
    object: ObjectRef,
    permission: string,
    definition: string,
    relation: string,
  ): Promise<Answer<FoundSubjects>> {
    const question = { ask: 'subjects', object, permission, definition, relation } as const;
    return (await this.#ask<Answer<FoundSubjects>>(question)) ?? { error: NO_ANSWER };
  }

  async #ask<T>(question: Question): Promise<T | undefined> {
    if (this.#process === undefined) throw new Error('no world is loaded');
    try {
      return await this.#send<T>(this.#process, question, ANSWER_MS);
    } catch (reason) {
      if (!(reason instanceof Overdue)) throw reason;
    }
    this.#process.kill('SIGKILL');
    this.#process = undefined;
    const overdue = this.overdue + 1;
    if (this.#world !== undefined) await this.load(this.#world);
    this.overdue = overdue;
    return undefined;
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(join(import.meta.dirname, 'spicedb-process.ts'), {
      serialization: 'advanced',
      // It leaves a socket behind.
      env: { ...process.env, TMPDIR: this.#folder },
      execArgv: [],
    });
    await nextMessage(child, START_MS);
    return child;
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
