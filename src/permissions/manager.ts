/**
 * The permissions of a server: writes go to the database and are answered once they are durable and in memory; questions
 * are answered from memory, each wholly at one revision. Several servers on one database follow one another by number.
 *
 * INVARIANT: a token that was given out is never answered with less than it names, whichever server is asked.
 */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transaction } from 'kysely';
import type { Audit } from '../audit/index.ts';
import type { Fabric } from '../fabric/index.ts';
import { type Clock, type Logger, newId, PosternError, toPosternError } from '../kernel/index.ts';
import type { Database, Store } from '../store/index.ts';
import {
  CheckEvaluator,
  type CheckLimits,
  expand,
  listObjects,
  listSubjects,
  type Trace,
  type TupleView,
} from './engine/index.ts';
import { abandoned } from './engine/slices.ts';
import { Follower } from './follower.ts';
import { Gate } from './gate.ts';
import type { TupleGraph } from './graph/index.ts';
import { compileModel } from './language/index.ts';
import { checkRelation, getNamespace, type Model } from './model.ts';
import { compileSource, lackOf, type ModelHistory } from './model-history.ts';
import type {
  AskOptions,
  Change,
  Consistency,
  ModelVersion,
  Page,
  PageOptions,
  Permissions,
  PermissionsStatus,
  WriteRequest,
  Writer,
} from './permissions.ts';
import { decodePageToken, decodeToken, encodePageToken, encodeToken } from './token.ts';
import type { TupleQuery } from './tuple.ts';
import { checkName, checkTuple, type Subject, type SubjectSet, type Tuple } from './tuple.ts';
import { TUPLES_PER_WRITE_MAX, type TupleStore, type WriteOutcome } from './tuple-store.ts';
import { validateTuple } from './validate.ts';

export interface PermissionLimits {
  /** Keto's `limit.max_read_depth`; absent: true answers without a depth. */
  readonly maxReadDepth?: number;
  readonly stepsMax: number;
  readonly isStrict: boolean;
  readonly memoryBudgetBytes: number;
  readonly historyWindowMs: number;
}

export const DEFAULT_LIMITS: PermissionLimits = {
  stepsMax: 500_000,
  isStrict: false,
  memoryBudgetBytes: 2 * 1024 ** 3,
  historyWindowMs: 24 * 3_600_000,
};

const PRECONDITIONS_MAX = 1_000;
const CONTEXTUAL_MAX = 100;
const BATCH_MAX = 10_000;
const MODEL_BYTES_MAX = 1024 * 1024;
const PAGE_SIZE = 100;
const PAGE_SIZE_MAX = 500;
const CHANGES_MAX = 1_000;
const REVISIONS_PER_READ = 50;
const EXPAND_SIZE_MAX = 4_000;
const TIDY_INTERVAL_MS = 10_000;
/** Lists that later pages are cut from, kept for a while so that paging does not compute each again. */
const LISTS_KEPT = 32;
const LONG_QUESTIONS = 4;
const LISTS_AT_ONCE = 2;
const LONG_QUESTIONS_WAITING = 256;

/** Ends a write's transaction without a change; the answer is that of an earlier write, or of none. */
class NothingToWrite extends Error {
  readonly revision: number | undefined;
  constructor(revision?: number) {
    super('nothing to write');
    this.revision = revision;
  }
}
function mustBeModelLength(source: string): void {
  if (Buffer.byteLength(source) > MODEL_BYTES_MAX)
    throw new PosternError('invalid', `The model is longer than ${MODEL_BYTES_MAX} bytes`);
}
/** The model changed between the look at it and the write. */
class ModelMoved extends Error {}

interface Scene {
  readonly revision: number;
  readonly atMs: number;
  readonly modelId: string;
  readonly model: Model;
  readonly view: TupleView;
  readonly limits: CheckLimits;
  readonly token: string;
}

export interface PermissionManagerParts {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<PermissionLimits>;
}

export class PermissionManager implements Permissions {
  readonly #parts: PermissionManagerParts;
  readonly #limits: PermissionLimits;
  readonly #tuples: TupleStore;
  readonly #models: ModelHistory;
  readonly #graph: TupleGraph;
  readonly #follower: Follower;
  readonly #gate = new Gate(LONG_QUESTIONS, LONG_QUESTIONS_WAITING);
  // A list may take a hundred times as long as a long check, so that none of those waits behind lists.
  readonly #listGate = new Gate(LISTS_AT_ONCE, LONG_QUESTIONS_WAITING);
  readonly #lists = new Map<string, readonly string[]>();
  readonly #closers: (() => void)[] = [];
  #storeId = '';
  #floor = 0;
  #isClosed = false;

  private constructor(parts: PermissionManagerParts, follower: Follower) {
    this.#parts = parts;
    this.#limits = { ...DEFAULT_LIMITS, ...parts.limits };
    this.#follower = follower;
    this.#tuples = follower.tuples;
    this.#models = follower.models;
    this.#graph = follower.graph;
  }

  /** Loads what is stored and follows it from then on. */
  static async open(parts: PermissionManagerParts): Promise<PermissionManager> {
    const manager = new PermissionManager(parts, await Follower.open(parts.store, parts.logger));
    await manager.#start();
    return manager;
  }

  async #start(): Promise<void> {
    this.#storeId = await this.#identifyStore();
    this.#floor = await this.#tuples.floor();
    const tidy = setInterval(() => {
      this.tidy().catch((reason: unknown) => {
        if (!this.#isClosed)
          this.#parts.logger.warn({ err: toPosternError(reason) }, 'tuples could not be tidied');
      });
    }, TIDY_INTERVAL_MS);
    this.#closers.push(
      () => clearInterval(tidy),
      () => this.#follower.close(),
    );
  }

  /** Calls back when this is closed. */
  onClose(closer: () => void): void {
    this.#closers.push(closer);
  }

  close(): void {
    this.#isClosed = true;
    for (const close of this.#closers) close();
  }

  async #identifyStore(): Promise<string> {
    const name = 'permissions.store_id';
    const find = (): Promise<{ value: string } | undefined> =>
      this.#parts.store.db
        .selectFrom('settings')
        .select('value')
        .where('name', '=', name)
        .executeTakeFirst();
    if ((await find()) === undefined)
      await this.#parts.store.write(async (trx) => {
        const value = createHash('sha256').update(newId('store')).digest('hex').slice(0, 16);
        await trx
          .insertInto('settings')
          .values({ name, value })
          .onConflict((oc) => oc.doNothing())
          .execute();
      });
    return (await find())?.value ?? '';
  }

  // Questions

  async #revisionFor(o: AskOptions): Promise<number> {
    const consistency: Consistency = o.consistency ?? { mode: 'minimize_latency' };
    if (consistency.mode === 'fully_consistent') {
      await this.#follower.reach(await this.#tuples.head());
      return this.#graph.revision;
    }
    if (!('token' in consistency)) return this.#graph.revision;
    if (consistency.token === '') return this.#graph.revision;
    const revision = decodeToken(this.#storeId, consistency.token);
    await this.#follower.reach(revision);
    if (consistency.mode === 'at_least_as_fresh') return this.#graph.revision;
    this.#mustBeKept(revision);
    return revision;
  }

  #mustBeKept(revision: number): void {
    if (revision < this.#floor)
      throw new PosternError('expired', 'That revision is out of the history window');
  }

  async #scene(o: AskOptions = {}, pinned?: { revision: number; atMs: number }): Promise<Scene> {
    const revision = pinned?.revision ?? (await this.#revisionFor(o));
    if (pinned !== undefined) {
      await this.#follower.reach(revision);
      this.#mustBeKept(revision);
    }
    const atMs = pinned?.atMs ?? this.#parts.clock.now();
    const version = o.modelId === undefined ? this.#models.at(revision) : this.#model(o.modelId);
    const { model } = version;
    const extra = o.contextualTuples ?? [];
    if (extra.length > CONTEXTUAL_MAX)
      throw new PosternError('invalid', `More than ${CONTEXTUAL_MAX} contextual tuples`);
    for (const tuple of extra) {
      checkTuple(tuple);
      validateTuple(model, tuple);
    }
    const stored = this.#graph.viewAt(revision, atMs);
    const { maxReadDepth, stepsMax, isStrict } = this.#limits;
    const asked = o.maxDepth !== undefined && o.maxDepth > 0 ? o.maxDepth : undefined;
    const maxDepth =
      asked === undefined || (maxReadDepth !== undefined && asked > maxReadDepth)
        ? maxReadDepth
        : asked;
    return {
      revision,
      atMs,
      modelId: version.id,
      model,
      view: extra.length === 0 ? stored : this.#graph.withContextual(stored, extra),
      limits: {
        ...{ stepsMax, isStrict },
        ...(maxDepth === undefined ? {} : { maxDepth }),
        ...(o.isAbandoned === undefined ? {} : { isAbandoned: o.isAbandoned }),
      },
      token: encodeToken(this.#storeId, revision),
    };
  }

  #model(id: string): ModelVersion {
    const found = this.#models.find(id);
    if (found === undefined) throw new PosternError('not_found', `Unknown model version "${id}"`);
    return found;
  }

  /** A first slice at once; what takes longer waits for its turn among the long ones. */
  async #evaluate(
    evaluator: CheckEvaluator,
    on: SubjectSet,
    subject: Subject,
    isAbandoned: (() => boolean) | undefined,
    trace?: Trace,
  ): Promise<boolean> {
    const slice = evaluator.start(on, subject, trace);
    const verdict = slice();
    if (verdict !== undefined) return verdict;
    return this.#gate.run(async () => {
      for (;;) {
        const later = slice();
        if (later !== undefined) return later;
        await nextTurn();
        if (isAbandoned?.() === true) throw abandoned();
      }
    }, isAbandoned);
  }

  async check(
    on: SubjectSet,
    subject: Subject,
    o?: AskOptions,
  ): Promise<{ allowed: boolean; token: string }> {
    const { model, view, limits, token } = await this.#scene(o);
    const evaluator = new CheckEvaluator(model, view, limits);
    return { allowed: await this.#evaluate(evaluator, on, subject, o?.isAbandoned), token };
  }

  async batchCheck(
    questions: readonly { readonly on: SubjectSet; readonly subject: Subject }[],
    o?: AskOptions,
  ): Promise<{ results: { allowed: boolean; error?: Error }[]; token: string }> {
    if (questions.length > BATCH_MAX)
      throw new PosternError('invalid', `batch exceeds max size of ${BATCH_MAX}`);
    const { model, view, limits, token } = await this.#scene(o);
    const evaluator = new CheckEvaluator(model, view, limits);
    const results: { allowed: boolean; error?: Error }[] = [];
    for (const { on, subject } of questions) {
      try {
        results.push({ allowed: await this.#evaluate(evaluator, on, subject, o?.isAbandoned) });
      } catch (reason) {
        results.push({ allowed: false, error: toPosternError(reason) });
      }
    }
    return { results, token };
  }

  async explain(
    on: SubjectSet,
    subject: Subject,
    o?: AskOptions,
  ): Promise<{
    allowed: boolean | undefined;
    trace: Trace;
    error?: Error;
    steps: number;
    token: string;
  }> {
    const { model, view, limits, token } = await this.#scene(o);
    const evaluator = new CheckEvaluator(model, view, limits);
    const trace: Trace = { kind: 'relation', ...on, allowed: undefined, children: [] };
    try {
      const allowed = await this.#evaluate(evaluator, on, subject, o?.isAbandoned, trace);
      return { allowed, trace, steps: evaluator.steps, token };
    } catch (reason) {
      const error = toPosternError(reason);
      if (error.code !== 'exhausted') throw reason;
      return { allowed: undefined, trace, error, steps: evaluator.steps, token };
    }
  }

  async expand(subject: Subject, o?: AskOptions): ReturnType<Permissions['expand']> {
    const { model, view, limits, token } = await this.#scene(o);
    if ('set' in subject) getNamespace(model, subject.set.namespace);
    const tree = expand(model, view, subject, {
      maxSize: EXPAND_SIZE_MAX,
      isRewriting: true,
      isStrict: limits.isStrict,
      ...(limits.maxDepth === undefined ? {} : { maxDepth: limits.maxDepth }),
    });
    return { tree, token };
  }

  // Lists

  #pageSize({ pageSize }: PageOptions): number {
    if (pageSize === undefined || pageSize <= 0) return PAGE_SIZE;
    return Math.min(pageSize, PAGE_SIZE_MAX);
  }

  /** The scene of a page: that of the first one when there is a token. */
  async #page(
    question: unknown,
    o: AskOptions & PageOptions,
  ): Promise<{ scene: Scene; after: string }> {
    if (o.pageToken === undefined || o.pageToken === '')
      return { scene: await this.#scene(o), after: '' };
    const now = this.#parts.clock.now();
    const page = decodePageToken(this.#storeId, question, o.pageToken, now);
    const model = page.modelId === '' ? {} : { modelId: page.modelId };
    return { scene: await this.#scene({ ...o, ...model }, page), after: page.after };
  }

  async listTuples(query: TupleQuery, o: AskOptions & PageOptions = {}): Promise<Page<Tuple>> {
    const question = ['tuples', query];
    const { scene, after } = await this.#page(question, o);
    if (query.namespace !== undefined) getNamespace(scene.model, query.namespace);
    if (query.subject !== undefined && 'set' in query.subject)
      getNamespace(scene.model, query.subject.set.namespace);
    const size = this.#pageSize(o);
    const start = after === '' ? 0 : Number(after);
    if (!Number.isSafeInteger(start) || start < 0)
      throw new PosternError('invalid', 'The page token is malformed');
    const items: Tuple[] = [];
    let place: number | undefined = start;
    while (items.length < size && place !== undefined)
      place = await this.#readList(query, scene, place, size - items.length, items);
    // A list has ended only when nothing matches behind its last page.
    const behind: Tuple[] = [];
    const end = place;
    while (behind.length === 0 && place !== undefined)
      place = await this.#readList(query, scene, place, 1, behind);
    return {
      items,
      nextPageToken: behind.length > 0 ? this.#nextPage(question, scene, String(end)) : '',
      token: scene.token,
    };
  }

  /** Reads on from a place; answers where to go on, undefined at the end. Gives way to other work of the thread. */
  async #readList(
    query: TupleQuery,
    { revision, atMs }: Scene,
    place: number,
    limit: number,
    into: Tuple[],
  ): Promise<number | undefined> {
    const page = this.#graph.list(query, revision, atMs, place, limit);
    into.push(...page.tuples);
    if (page.tuples.length < limit && page.nextAfterRow !== undefined) await nextTurn();
    return page.nextAfterRow;
  }

  #nextPage(question: unknown, scene: Scene, after: string): string {
    const { revision, atMs, modelId } = scene;
    return encodePageToken(this.#storeId, question, { revision, atMs, modelId, after });
  }

  /** A page of a list that is computed whole; `after` is the number of items before it. */
  async #cut(
    question: unknown,
    o: AskOptions & PageOptions,
    compute: (scene: Scene) => Promise<readonly string[]>,
  ): Promise<Page<string>> {
    const asked = [question, o.contextualTuples ?? [], o.maxDepth ?? 0];
    const { scene, after } = await this.#page(asked, o);
    const start = after === '' ? 0 : Number(after);
    if (!Number.isSafeInteger(start) || start < 0)
      throw new PosternError('invalid', 'The page token is malformed');
    const key = JSON.stringify([asked, scene.revision, scene.atMs, scene.modelId]);
    const known = this.#lists.get(key);
    const list = known ?? (await this.#listGate.run(() => compute(scene), o.isAbandoned));
    const size = this.#pageSize(o);
    const hasMore = start + size < list.length;
    this.#lists.delete(key);
    if (hasMore) this.#lists.set(key, list);
    const [oldest] = this.#lists.keys();
    if (this.#lists.size > LISTS_KEPT && oldest !== undefined) this.#lists.delete(oldest);
    return {
      items: list.slice(start, start + size),
      nextPageToken: hasMore ? this.#nextPage(asked, scene, String(start + size)) : '',
      token: scene.token,
    };
  }

  listObjects(
    question: { readonly namespace: string; readonly relation: string; readonly subject: Subject },
    o: AskOptions & PageOptions = {},
  ): Promise<Page<string>> {
    return this.#cut(['objects', question], o, async ({ model, view, limits }) => {
      checkRelation(getNamespace(model, question.namespace), question.relation);
      return (await listObjects(model, view, question, limits)).toSorted();
    });
  }

  async listSubjects(
    question: { readonly on: SubjectSet; readonly subjectNamespace?: string },
    o: AskOptions & PageOptions = {},
  ): Promise<Page<Subject>> {
    const page = await this.#cut(['subjects', question], o, async ({ model, view, limits }) => {
      checkRelation(getNamespace(model, question.on.namespace), question.on.relation);
      if (question.subjectNamespace !== undefined) getNamespace(model, question.subjectNamespace);
      const found = await listSubjects(model, view, question, limits);
      return found.map((s) => ('id' in s ? s.id : s.set.object)).toSorted();
    });
    const namespace = question.subjectNamespace;
    return {
      ...page,
      items: page.items.map((name) =>
        namespace === undefined ? { id: name } : { set: { namespace, object: name, relation: '' } },
      ),
    };
  }

  // Writes

  async write(request: WriteRequest, by: Writer): Promise<{ token: string; revision: number }> {
    const all = [...request.inserts, ...request.deletes];
    if (all.length > TUPLES_PER_WRITE_MAX)
      throw new PosternError('invalid', `More than ${TUPLES_PER_WRITE_MAX} tuples in one request`);
    if ((request.preconditions ?? []).length > PRECONDITIONS_MAX)
      throw new PosternError('invalid', `More than ${PRECONDITIONS_MAX} preconditions`);
    for (const tuple of all) checkTuple(tuple);
    if (request.inserts.length > 0) this.#mustHaveRoom();
    const revision = await this.#transact(by, (model) => {
      for (const tuple of all) {
        getNamespace(model, tuple.namespace);
        if ('set' in tuple.subject) getNamespace(model, tuple.subject.set.namespace);
      }
      if (request.isValidated === true)
        for (const tuple of request.inserts) validateTuple(model, tuple);
      return async (trx, taken, nowMs) => {
        await this.#refuseRepeat(trx, taken, request, nowMs);
        const outcome = await this.#tuples.write(trx, taken, request, nowMs);
        if (request.idempotencyKey === undefined) mustChange(outcome);
        await this.#tell(trx, by, 'permissions:write', outcome);
      };
    });
    return { token: encodeToken(this.#storeId, revision), revision };
  }

  async deleteMatching(query: TupleQuery, by: Writer): Promise<{ deleted: number; token: string }> {
    let deleted = 0;
    const revision = await this.#transact(by, (model) => {
      if (query.namespace !== undefined) getNamespace(model, query.namespace);
      if (query.subject !== undefined && 'set' in query.subject)
        getNamespace(model, query.subject.set.namespace);
      return async (trx, taken, nowMs) => {
        deleted = await this.#tuples.deleteMatching(trx, taken, query, nowMs);
        const outcome = { revision: taken, inserted: 0, deleted };
        mustChange(outcome);
        await this.#tell(trx, by, 'permissions:delete', outcome);
      };
    });
    return { deleted, token: encodeToken(this.#storeId, revision) };
  }

  #mustHaveRoom(): void {
    if (this.#graph.memoryBytes < this.#limits.memoryBudgetBytes) return;
    throw new PosternError('exhausted', 'The tuples fill the memory that they may take', {
      facts: { reason: 'memory_budget', budgetBytes: this.#limits.memoryBudgetBytes },
      hint: 'Raise permissions.memory_budget_mb, or delete tuples: deleting still works',
    });
  }

  /** Runs a write under the newest model, and takes it up. Answers the revision that holds its outcome. */
  async #transact(
    by: Writer,
    prepare: (
      model: Model,
    ) => (trx: Transaction<Database>, revision: number, nowMs: number) => Promise<void>,
  ): Promise<number> {
    for (;;) {
      const version = this.#models.at(Number.MAX_SAFE_INTEGER);
      const work = prepare(version.model);
      try {
        const revision = await this.#parts.store.write(async (trx) => {
          const nowMs = this.#parts.clock.now();
          const taken = await this.#tuples.takeRevision(trx, by.id, nowMs);
          const newest = await trx
            .selectFrom('permission_models')
            .select('id')
            .orderBy('revision', 'desc')
            .limit(1)
            .executeTakeFirst();
          if ((newest?.id ?? '') !== version.id) throw new ModelMoved();
          await work(trx, taken, nowMs);
          return taken;
        });
        await this.#follower.reach(revision);
        return revision;
      } catch (reason) {
        if (reason instanceof ModelMoved) await this.#follower.follow();
        else if (reason instanceof NothingToWrite) {
          await this.#follower.follow();
          return reason.revision ?? this.#graph.revision;
        } else throw reason;
      }
    }
  }

  /** Keeps the key with its request; throws when it was used before. */
  async #refuseRepeat(
    trx: Transaction<Database>,
    revision: number,
    request: WriteRequest,
    nowMs: number,
  ): Promise<void> {
    const { idempotencyKey, ...rest } = request;
    if (idempotencyKey === undefined) return;
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
    const key_hash = digest(idempotencyKey);
    const request_hash = digest(JSON.stringify(rest));
    const known = await trx
      .selectFrom('permission_requests')
      .selectAll()
      .where('key_hash', '=', key_hash)
      .executeTakeFirst();
    if (known === undefined) {
      await trx
        .insertInto('permission_requests')
        .values({ key_hash, request_hash, revision, at_ms: nowMs })
        .execute();
      return;
    }
    if (known.request_hash !== request_hash)
      throw new PosternError('conflict', 'The idempotency key was used for another request');
    throw new NothingToWrite(known.revision);
  }

  async #tell(
    trx: Transaction<Database>,
    by: Writer,
    action: string,
    { revision, inserted, deleted }: WriteOutcome,
  ): Promise<void> {
    await this.#parts.audit.append(trx, {
      actor: by.id,
      action,
      resource: 'relation-tuples',
      data: { revision, inserted, deleted },
    });
  }

  // Changes

  async headCursor(): Promise<string> {
    return encodeToken(this.#storeId, await this.#tuples.head());
  }

  async changes(
    cursor: string,
    limit: number = CHANGES_MAX,
  ): Promise<{ changes: readonly Change[]; cursor: string }> {
    const after = decodeToken(this.#storeId, cursor);
    this.#mustBeKept(after);
    const head = await this.#tuples.head();
    if (after > head) throw new PosternError('invalid', 'The cursor is ahead of the store');
    const changes: Change[] = [];
    let position = after;
    while (changes.length < limit && position < head) {
      const found = await this.#tuples.revisionsAfter(position, REVISIONS_PER_READ);
      const revisions = found.filter((r) => r.revision <= head);
      const upTo = revisions.at(-1)?.revision ?? head;
      const read = await this.#tuples.changes(position, upTo);
      // Whole revisions alone: a reader never sees half of a transaction.
      for (const { revision, atMs } of revisions) {
        if (changes.length >= limit) break;
        const token = encodeToken(this.#storeId, revision);
        for (const { operation, tuple, revision: of } of read)
          if (of === revision) changes.push({ operation, tuple, revision, token, atMs });
        position = revision;
      }
      if (changes.length < limit) position = upTo;
    }
    return { changes, cursor: encodeToken(this.#storeId, position) };
  }

  onChange(listener: () => void): () => void {
    return this.#follower.onChange(listener);
  }

  // The model

  namespaces(): readonly string[] {
    return [...(this.#models.current?.model.namespaces.keys() ?? [])].toSorted();
  }
  currentModel(): ModelVersion | undefined {
    return this.#models.current;
  }
  async listModels(): Promise<readonly ModelVersion[]> {
    return this.#models.all;
  }
  async getModel(id: string): Promise<ModelVersion> {
    return this.#model(id);
  }
  checkModel(source: string): ReturnType<Permissions['checkModel']> {
    mustBeModelLength(source);
    return compileModel(source).problems;
  }

  async applyModel(source: string, kind: ModelVersion['kind'], by: Writer): Promise<ModelVersion> {
    mustBeModelLength(source);
    checkName('model', source.slice(0, 1_000));
    const model = compileSource(source, kind);
    const { store, clock, audit, fabric } = this.#parts;
    const current = this.#models.current;
    if (current?.source === source && current.kind === kind) return current;
    const id = newId('model');
    const revision = await store.write(async (trx) => {
      const taken = await this.#tuples.takeRevision(trx, by.id, clock.now());
      for (const stored of await this.#tuples.kinds(trx)) {
        const lack = lackOf(model, stored);
        if (lack !== undefined)
          throw new PosternError(
            'conflict',
            `The model has no ${lack}, and ${stored.count} stored ${stored.count === 1 ? 'tuple needs' : 'tuples need'} it`,
            {
              facts: { example: `${stored.namespace}:${stored.exampleObject}#${stored.relation}` },
              hint: 'Delete those tuples first, or keep the declaration',
            },
          );
      }
      await trx
        .insertInto('permission_models')
        .values({
          id,
          revision: taken,
          kind,
          source,
          created_at_ms: clock.now(),
          created_by: by.id,
        })
        .execute();
      await fabric.events.append(trx, { kind: 'permissions.model', subject: id });
      await audit.append(trx, {
        actor: by.id,
        action: 'permissions:model',
        resource: `permission-model/${id}`,
        data: { revision: taken },
      });
      return taken;
    });
    await this.#follower.reach(revision);
    return this.#model(id);
  }

  async status(): Promise<PermissionsStatus> {
    return {
      revision: this.#graph.revision,
      modelId: this.#models.current?.id,
      tuples: this.#graph.liveTuples,
      storedVersions: this.#graph.versions,
      memoryBytes: this.#graph.memoryBytes,
      memoryBudgetBytes: this.#limits.memoryBudgetBytes,
      historyWindowMs: this.#limits.historyWindowMs,
    };
  }

  /** Turns expiries into deletions, and forgets what is out of the window. */
  async tidy(): Promise<void> {
    const { store, clock } = this.#parts;
    if (await this.#tuples.hasExpired(clock.now()))
      await store.write(async (trx) => {
        const nowMs = clock.now();
        const revision = await this.#tuples.takeRevision(trx, 'expiry', nowMs);
        await this.#tuples.sweep(trx, revision, nowMs);
      });
    const beforeMs = clock.now() - this.#limits.historyWindowMs;
    const [oldest] = await this.#tuples.revisionsAfter(this.#floor, 1);
    if (oldest !== undefined && oldest.atMs < beforeMs)
      this.#floor = await store.write((trx) => this.#tuples.forget(trx, beforeMs));
    else this.#floor = await this.#tuples.floor();
    while (this.#graph.forget(this.#floor) > 0) await nextTurn();
  }
}

function mustChange({ inserted, deleted }: WriteOutcome): void {
  if (inserted + deleted === 0) throw new NothingToWrite();
}
