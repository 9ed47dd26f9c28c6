/**
 * The permissions domain in naive arrays, so that real requests run through the routes in tests. Every revision is kept,
 * lists are found by asking about everything that is known, and models are made by hand.
 */
import { PosternError, toPosternError } from '../../kernel/index.ts';
import { CheckEvaluator, type CheckLimits, type Trace } from '../engine/check.ts';
import type { ExpandTree } from '../engine/expand.ts';
import type { TupleView } from '../engine/view.ts';
import type { Problem } from '../language/problem.ts';
import { getNamespace, type Model } from '../model.ts';
import type {
  AskOptions,
  Change,
  ModelVersion,
  Page,
  PageOptions,
  Permissions,
  PermissionsStatus,
  WriteRequest,
  Writer,
} from '../permissions.ts';
import {
  checkTuple,
  type Subject,
  type SubjectSet,
  sameSubject,
  subjectKey,
  type Tuple,
  type TupleQuery,
  tupleKey,
} from '../tuple.ts';

class ArrayView implements TupleView {
  readonly tuples: readonly Tuple[];
  constructor(tuples: readonly Tuple[]) {
    this.tuples = tuples;
  }
  subjects(namespace: string, object: string, relation: string): Subject[] {
    return this.tuples
      .filter((t) => matches(t, { namespace, object, relation }))
      .map((t) => t.subject);
  }
  has(namespace: string, object: string, relation: string, subject: Subject): boolean {
    return this.subjects(namespace, object, relation).some((s) => sameSubject(s, subject));
  }
  sets(namespace: string, object: string, relation: string): SubjectSet[] {
    return this.subjects(namespace, object, relation).flatMap((s) => ('set' in s ? [s.set] : []));
  }
  holders(subject: Subject): SubjectSet[] {
    return this.tuples.filter((t) => sameSubject(t.subject, subject));
  }
  holdersOfObject(namespace: string, object: string): SubjectSet[] {
    const isOf = (s: SubjectSet): boolean => s.namespace === namespace && s.object === object;
    return this.tuples.filter((t) => 'set' in t.subject && isOf(t.subject.set));
  }
  objects(namespace: string): string[] {
    const all = this.tuples.flatMap((t) => ('set' in t.subject ? [t, t.subject.set] : [t]));
    return [...new Set(all.filter((o) => o.namespace === namespace).map((o) => o.object))];
  }
  subjectIds(): string[] {
    return [...new Set(this.tuples.flatMap(({ subject: s }) => ('id' in s ? [s.id] : [])))];
  }
}

function matches(t: Tuple, q: TupleQuery): boolean {
  return (
    (q.namespace ?? t.namespace) === t.namespace &&
    (q.object ?? t.object) === t.object &&
    (q.relation ?? t.relation) === t.relation &&
    (q.subject === undefined || sameSubject(q.subject, t.subject))
  );
}

export class MemoryPermissions implements Permissions {
  readonly model: Model;
  readonly limits: CheckLimits;
  /** Revisions before it are out of the window. */
  horizon = 0;
  /** Thrown by whatever is asked next. */
  broken: unknown;
  readonly writers: string[] = [];
  readonly asked: AskOptions[] = [];
  readonly #revisions: (readonly Tuple[])[] = [[]];
  readonly #changes: Change[] = [];
  readonly #answers = new Map<string, { request: string; token: string; revision: number }>();
  readonly #listeners = new Set<() => void>();

  constructor(model: Model, limits: Partial<CheckLimits> = {}) {
    this.model = model;
    this.limits = { stepsMax: 100_000, isStrict: false, ...limits };
  }

  get #head(): number {
    return this.#revisions.length - 1;
  }
  get listeners(): number {
    return this.#listeners.size;
  }

  #revisionOf(token: string): number {
    const [, digits] = /^t(\d+)$/.exec(token) ?? [];
    const revision = Number(digits ?? Number.NaN);
    if (!(revision <= this.#head)) throw new PosternError('invalid', 'The snaptoken is malformed');
    if (revision < this.horizon)
      throw new PosternError('expired', 'That revision is out of the history window');
    return revision;
  }

  /** The tuples to answer from, and their revision. */
  #view(o: AskOptions = {}): { view: ArrayView; token: string; checks: CheckEvaluator } {
    if (this.broken !== undefined) throw this.broken;
    this.asked.push(o);
    const { consistency: c, contextualTuples: extra = [], maxDepth } = o;
    if (o.modelId !== undefined) throw new PosternError('not_found', 'Unknown model version');
    if (extra.length > 100) throw new PosternError('invalid', 'More than 100 contextual tuples');
    const named = c !== undefined && 'token' in c ? this.#revisionOf(c.token) : undefined;
    const revision = c?.mode === 'at_exact_snapshot' ? (named ?? 0) : this.#head;
    const live = (this.#revisions[revision] ?? []).filter(
      (t) => t.expiresAtMs === undefined || t.expiresAtMs > Date.now(),
    );
    const view = new ArrayView([...live, ...extra]);
    const limits = maxDepth === undefined ? this.limits : { ...this.limits, maxDepth };
    const checks = new CheckEvaluator(this.model, view, limits);
    return { view, token: `t${revision}`, checks };
  }

  async check(
    on: SubjectSet,
    subject: Subject,
    o?: AskOptions,
  ): Promise<{ allowed: boolean; token: string }> {
    const { checks, token } = this.#view(o);
    return { allowed: await checks.check(on, subject), token };
  }

  async batchCheck(
    questions: readonly { on: SubjectSet; subject: Subject }[],
    o?: AskOptions,
  ): Promise<{ results: { allowed: boolean; error?: Error }[]; token: string }> {
    const { checks, token } = this.#view(o);
    const results = await Promise.all(
      questions.map(({ on, subject }) =>
        checks.check(on, subject).then(
          (allowed) => ({ allowed }),
          (reason: unknown) => ({ allowed: false, error: toPosternError(reason) }),
        ),
      ),
    );
    return { results, token };
  }

  async explain(
    on: SubjectSet,
    subject: Subject,
    o?: AskOptions,
  ): ReturnType<Permissions['explain']> {
    const { checks, token } = this.#view(o);
    const trace: Trace = { kind: 'relation', ...on, allowed: undefined, children: [] };
    try {
      const allowed = await checks.check(on, subject, trace);
      return { allowed, trace, steps: checks.steps, token };
    } catch (reason) {
      const error = toPosternError(reason);
      if (error.code !== 'exhausted') throw reason;
      return { allowed: undefined, trace, error, steps: checks.steps, token };
    }
  }

  async expand(subject: Subject, o?: AskOptions): Promise<{ tree: ExpandTree; token: string }> {
    const { view, token } = this.#view(o);
    if ('set' in subject) getNamespace(this.model, subject.set.namespace);
    const below = (s: Subject, depth: number, path: readonly string[]): ExpandTree => {
      const isEnd = 'id' in s || depth <= 1 || path.includes(subjectKey(s));
      const found = isEnd ? [] : view.subjects(s.set.namespace, s.set.object, s.set.relation);
      const children = found.map((c) => below(c, depth - 1, [...path, subjectKey(s)]));
      return { type: 'union', subject: s, children };
    };
    return { tree: below(subject, o?.maxDepth ?? 50, []), token };
  }

  #page<T>(items: readonly T[], token: string, o: PageOptions = {}): Page<T> {
    const { pageSize = 100, pageToken = '' } = o;
    const [, digits] = /^p(\d+)$/.exec(pageToken === '' ? 'p0' : pageToken) ?? [];
    if (digits === undefined) throw new PosternError('invalid', 'The page token is malformed');
    if (Number(digits) < this.horizon) throw new PosternError('expired', 'Too old');
    const end = Number(digits) + pageSize;
    const nextPageToken = end < items.length ? `p${end}` : '';
    return { items: items.slice(Number(digits), end), nextPageToken, token };
  }

  async listTuples(query: TupleQuery, o?: AskOptions & PageOptions): Promise<Page<Tuple>> {
    const { view, token } = this.#view(o);
    this.#mustKnow(query);
    return this.#page(
      view.tuples.filter((t) => matches(t, query)),
      token,
      o,
    );
  }

  async listObjects(
    q: { namespace: string; relation: string; subject: Subject },
    o?: AskOptions & PageOptions,
  ): Promise<Page<string>> {
    const { view, checks, token } = this.#view(o);
    getNamespace(this.model, q.namespace);
    const found: string[] = [];
    for (const object of view.objects(q.namespace).sort())
      if (await checks.check({ ...q, object }, q.subject)) found.push(object);
    return this.#page(found, token, o);
  }

  async listSubjects(
    q: { on: SubjectSet; subjectNamespace?: string },
    o?: AskOptions & PageOptions,
  ): Promise<Page<Subject>> {
    const { view, checks, token } = this.#view(o);
    const { subjectNamespace: namespace } = q;
    const known: Subject[] =
      namespace === undefined
        ? view.subjectIds().map((id) => ({ id }))
        : view.objects(namespace).map((object) => ({ set: { namespace, object, relation: '' } }));
    const found: Subject[] = [];
    for (const subject of known) if (await checks.check(q.on, subject)) found.push(subject);
    return this.#page(found, token, o);
  }

  #mustKnow({ namespace, subject }: TupleQuery): void {
    if (namespace !== undefined) getNamespace(this.model, namespace);
    if (subject !== undefined && 'set' in subject) getNamespace(this.model, subject.set.namespace);
  }

  async write(w: WriteRequest, by: Writer): Promise<{ token: string; revision: number }> {
    if (this.broken !== undefined) throw this.broken;
    const request = JSON.stringify(w);
    const before = w.idempotencyKey === undefined ? undefined : this.#answers.get(w.idempotencyKey);
    if (before !== undefined && before.request !== request)
      throw new PosternError('conflict', 'The idempotency key was used for another request');
    if (before !== undefined) return before;
    for (const tuple of [...w.inserts, ...w.deletes]) {
      checkTuple(tuple);
      this.#mustKnow(tuple);
      const declared = this.model.namespaces.get(tuple.namespace)?.relations.get(tuple.relation);
      if (w.isValidated === true && (declared === undefined || declared.rewrite !== undefined))
        throw new PosternError('invalid', `relation "${tuple.relation}" can't be written`);
    }
    const tuples = this.#revisions[this.#head] ?? [];
    for (const p of w.preconditions ?? [])
      if (tuples.some((t) => matches(t, p.query)) !== p.matches)
        throw new PosternError('conflict', 'A precondition does not hold');
    const answer = this.#apply(w.inserts, w.deletes, by);
    if (w.idempotencyKey !== undefined) this.#answers.set(w.idempotencyKey, { ...answer, request });
    return answer;
  }

  #apply(
    inserts: readonly Tuple[],
    deletes: readonly Tuple[],
    by: Writer,
  ): { token: string; revision: number } {
    const old = new Map((this.#revisions[this.#head] ?? []).map((t) => [tupleKey(t), t]));
    const now = new Map(old);
    for (const t of inserts) if (!now.has(tupleKey(t))) now.set(tupleKey(t), t);
    for (const t of deletes) now.delete(tupleKey(t));
    const added = [...now].filter(([key]) => !old.has(key));
    const gone = [...old].filter(([key]) => !now.has(key));
    if (added.length + gone.length > 0) {
      this.writers.push(by.id);
      this.#revisions.push([...now.values()]);
      const of = { revision: this.#head, token: `t${this.#head}`, atMs: 1_000 * this.#head };
      for (const [, tuple] of added) this.#changes.push({ operation: 'insert', tuple, ...of });
      for (const [, tuple] of gone) this.#changes.push({ operation: 'delete', tuple, ...of });
      for (const listener of this.#listeners) listener();
    }
    return { token: `t${this.#head}`, revision: this.#head };
  }

  async deleteMatching(query: TupleQuery, by: Writer): Promise<{ deleted: number; token: string }> {
    this.#mustKnow(query);
    const found = (this.#revisions[this.#head] ?? []).filter((t) => matches(t, query));
    return { deleted: found.length, token: this.#apply([], found, by).token };
  }

  async changes(cursor: string, limit = 1000): Promise<{ changes: Change[]; cursor: string }> {
    if (this.broken !== undefined) throw this.broken;
    const after = this.#revisionOf(cursor);
    const all = this.#changes.filter((c) => c.revision > after);
    // Whole transactions alone.
    const last = all[limit - 1]?.revision ?? this.#head;
    return { changes: all.filter((c) => c.revision <= last), cursor: `t${last}` };
  }
  async headCursor(): Promise<string> {
    return `t${this.#head}`;
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  namespaces(): readonly string[] {
    return [...this.model.namespaces.keys()].sort();
  }
  currentModel(): ModelVersion | undefined {
    return undefined;
  }
  async listModels(): Promise<readonly []> {
    return [];
  }
  async getModel(): Promise<ModelVersion> {
    throw new PosternError('not_found', 'Unknown model version');
  }
  async applyModel(): Promise<ModelVersion> {
    throw new PosternError('unsupported', 'This model was made by hand');
  }
  /** A problem for each line that begins with `error` or `warning`. */
  checkModel(source: string): Problem[] {
    return source.split('\n').flatMap((text, i) => {
      const severity = (['error', 'warning'] as const).find((s) => text.startsWith(s));
      if (severity === undefined) return [];
      const [start, end] = [1, 1 + text.length].map((column) => ({ line: i + 1, column }));
      return start && end ? [{ severity, message: text, start, end }] : [];
    });
  }
  async status(): Promise<PermissionsStatus> {
    throw new PosternError('unsupported', 'Nothing is measured here');
  }
}
