/**
 * Keeps the tuples and models in memory in step with the database: loads all once, then takes up what any server
 * committed, in the order of revisions. NOTIFY and commits only wake it; it catches up by number.
 *
 * INVARIANT: `revision` rises alone, and everything that was committed at or below it is in memory.
 */
import { type Logger, PosternError, toPosternError } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';
import { type GraphChange, TupleGraph } from './graph/index.ts';
import { ModelHistory } from './model-history.ts';
import { TUPLES_PER_WRITE_MAX, TupleStore } from './tuple-store.ts';

/** How long a question waits for a revision that this server has not seen yet. */
const REACH_MS = 5_000;
const RETRY_MS = 250;
const REVISIONS_PER_STEP = 200;

/** The place of a tuple among all, the same on every server and after every restart. */
function sequenceOf(revision: number, ordinal: number): number {
  return revision * TUPLES_PER_WRITE_MAX + ordinal + 1;
}

export class Follower {
  readonly tuples: TupleStore;
  readonly models: ModelHistory;
  readonly graph: TupleGraph = new TupleGraph();
  readonly #logger: Logger;
  readonly #listeners = new Set<() => void>();
  readonly #unlisten: () => void;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(store: Store, logger: Logger) {
    this.tuples = new TupleStore(store);
    this.models = new ModelHistory(store);
    this.#logger = logger;
    this.#unlisten = store.onCommit(() => this.#wake());
  }

  /** Loads what is stored and follows it from then on. */
  static async open(store: Store, logger: Logger): Promise<Follower> {
    const follower = new Follower(store, logger);
    try {
      follower.#running = follower.#load();
      await follower.#running;
    } catch (reason) {
      follower.close();
      throw reason;
    } finally {
      follower.#running = undefined;
    }
    follower.#wake();
    return follower;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#unlisten();
  }

  get revision(): number {
    return this.graph.revision;
  }

  /** Calls back after new revisions were taken up. Returns its undoing. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #load(): Promise<void> {
    const head = await this.tuples.head();
    await this.models.follow(head);
    for await (const page of this.tuples.all(head))
      this.graph.apply(
        page.map(({ tuple, createdRevision, ordinal, deletedRevision }) => ({
          tuple,
          createdRevision,
          sequence: sequenceOf(createdRevision, ordinal),
          // One that ended after the head ends again when that revision is taken up.
          ...(deletedRevision !== undefined && deletedRevision <= head ? { deletedRevision } : {}),
        })),
      );
    if (this.graph.revision < head) this.graph.applyRevision(head, []);
  }

  #wake(): void {
    if (this.#isClosed) return;
    this.follow().catch((reason: unknown) => {
      if (this.#isClosed) return;
      this.#logger.warn({ err: toPosternError(reason) }, 'the tuples could not be followed');
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#wake(), RETRY_MS).unref();
    });
  }

  /** When it resolves, all that was committed before the call is in memory. */
  follow(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#catchUp().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    // The round under way may have looked before the caller's commit: it needs the next one.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.follow();
      });
    return this.#next;
  }

  /** Waits until a revision is in memory. Throws `unavailable` when that takes too long, `invalid` when there is none. */
  async reach(revision: number): Promise<void> {
    if (this.revision >= revision) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const error = new PosternError('unavailable', 'The database did not answer in time');
      timer = setTimeout(() => reject(error), REACH_MS);
    });
    try {
      await Promise.race([this.follow(), late]);
    } finally {
      clearTimeout(timer);
    }
    if (this.revision < revision)
      throw new PosternError('invalid', 'The snaptoken is of a revision that does not exist');
  }

  async #catchUp(): Promise<void> {
    const head = await this.tuples.head();
    const before = this.revision;
    while (this.revision < head && !this.#isClosed) await this.#step(head);
    if (this.revision > before) for (const listener of this.#listeners) listener();
  }

  async #step(head: number): Promise<void> {
    const from = this.revision;
    const found = await this.tuples.revisionsAfter(from, REVISIONS_PER_STEP);
    const revisions = found.filter((r) => r.revision <= head);
    const isLast = found.length < REVISIONS_PER_STEP || revisions.length < found.length;
    const upTo = isLast ? head : (revisions.at(-1)?.revision ?? head);
    const changes = await this.tuples.changes(from, upTo);
    await this.models.follow(upTo);
    let at = 0;
    for (const { revision } of revisions) {
      const some: GraphChange[] = [];
      for (let c = changes[at]; c !== undefined && c.revision <= revision; c = changes[++at])
        some.push(
          c.operation === 'delete' ? c : { ...c, sequence: sequenceOf(c.revision, c.ordinal) },
        );
      this.graph.applyRevision(revision, some);
    }
    if (this.revision < upTo) this.graph.applyRevision(upTo, []);
  }
}
