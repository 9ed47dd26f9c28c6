/** Permissions over an array of tuples, for tests of the surface: right, and slow. The token is a counter of writes. */
import { PosternError } from '../../kernel/index.ts';
import { CheckEvaluator } from '../engine/check.ts';
import type { ExpandTree } from '../engine/expand.ts';
import type { TupleView } from '../engine/view.ts';
import { getNamespace, type Model, type Relation } from '../model.ts';
import type { AskOptions, Page, PageOptions, Permissions, WriteRequest } from '../permissions.ts';
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

const relation = (name: string, ...types: [string, string][]): Relation => ({
  name,
  types: types.map(([namespace, r]) => ({ namespace, relation: r, isWildcard: false })),
});

/** `app` takes any relation; Group has members, Doc viewers and the permit view, which is viewers. */
export const MODEL: Model = {
  namespaces: new Map([
    ['app', { name: 'app', relations: new Map() }],
    [
      'Group',
      {
        name: 'Group',
        relations: new Map([['members', relation('members', ['Group', 'members'])]]),
      },
    ],
    [
      'Doc',
      {
        name: 'Doc',
        relations: new Map([
          ['viewers', relation('viewers', ['Group', 'members'])],
          ['view', { ...relation('view'), rewrite: { kind: 'computed', relation: 'viewers' } }],
        ]),
      },
    ],
  ]),
};

export class MemoryPermissions
  implements
    Pick<
      Permissions,
      | 'check'
      | 'batchCheck'
      | 'expand'
      | 'listTuples'
      | 'write'
      | 'deleteMatching'
      | 'namespaces'
      | 'checkModel'
      | 'status'
    >
{
  #tuples: Tuple[] = [];
  #revision = 0;
  /** The options of each question, as they came. */
  readonly asked: AskOptions[] = [];
  /** Thrown by whatever is asked next. */
  trouble: unknown;
  isStrict = false;

  get #view(): TupleView {
    const on = (n: string, o: string, r: string): Tuple[] =>
      this.#tuples.filter((t) => t.namespace === n && t.object === o && t.relation === r);
    return {
      has: (n, o, r, subject) => on(n, o, r).some((t) => sameSubject(t.subject, subject)),
      sets: (n, o, r) => on(n, o, r).flatMap((t) => ('set' in t.subject ? [t.subject.set] : [])),
      subjects: (n, o, r) => on(n, o, r).map((t) => t.subject),
      holders: () => [],
      holdersOfObject: () => [],
      objects: () => [],
      subjectIds: () => [],
    };
  }

  #ask(options: AskOptions = {}): { token: string } {
    this.asked.push(options);
    const trouble = this.trouble;
    this.trouble = undefined;
    if (trouble !== undefined) throw trouble;
    return { token: `r${this.#revision}` };
  }

  async check(
    on: SubjectSet,
    subject: Subject,
    o?: AskOptions,
  ): Promise<{ allowed: boolean; token: string }> {
    const answer = this.#ask(o);
    const { maxDepth } = o ?? {};
    const limits = {
      stepsMax: 1000,
      isStrict: this.isStrict,
      ...(maxDepth === undefined ? {} : { maxDepth }),
    };
    const allowed = await new CheckEvaluator(MODEL, this.#view, limits).check(on, subject);
    return { allowed, ...answer };
  }

  async batchCheck(
    questions: readonly { readonly on: SubjectSet; readonly subject: Subject }[],
    o?: AskOptions,
  ): Promise<{ results: { allowed: boolean; error?: Error }[]; token: string }> {
    const answer = this.#ask(o);
    const results = questions.map(async ({ on, subject }) => {
      try {
        return { allowed: (await this.check(on, subject, o)).allowed };
      } catch (error) {
        if (error instanceof Error) return { allowed: false, error };
        throw error;
      }
    });
    return { results: await Promise.all(results), ...answer };
  }

  async expand(subject: Subject, o?: AskOptions): Promise<{ tree: ExpandTree; token: string }> {
    const answer = this.#ask(o);
    if ('set' in subject) getNamespace(MODEL, subject.set.namespace);
    return { tree: this.#expand(subject, o?.maxDepth ?? 100), ...answer };
  }

  #expand(subject: Subject, depth: number): ExpandTree {
    if ('id' in subject || depth <= 1) return { type: 'leaf', subject, children: [] };
    const { namespace, object, relation: r } = subject.set;
    const children = [...this.#view.subjects(namespace, object, r)].map((s) =>
      this.#expand(s, depth - 1),
    );
    return { type: 'union', subject, children };
  }

  async listTuples(query: TupleQuery, o?: AskOptions & PageOptions): Promise<Page<Tuple>> {
    const answer = this.#ask(o);
    if (query.namespace !== undefined) getNamespace(MODEL, query.namespace);
    const start = Number(o?.pageToken === '' ? '0' : (o?.pageToken ?? '0'));
    if (Number.isNaN(start)) throw new PosternError('invalid', 'The page token is not one');
    const end = start + (o?.pageSize ?? 100);
    const all = this.#tuples.filter((t) => matches(t, query));
    const nextPageToken = end < all.length ? String(end) : '';
    return { items: all.slice(start, end), nextPageToken, ...answer };
  }

  async write({ inserts, deletes }: WriteRequest): Promise<{ token: string; revision: number }> {
    this.#ask();
    for (const t of [...inserts, ...deletes]) {
      checkTuple(t);
      getNamespace(MODEL, t.namespace);
    }
    const byKey = new Map([...this.#tuples, ...inserts].map((t) => [tupleKey(t), t]));
    for (const t of deletes) byKey.delete(tupleKey(t));
    this.#tuples = [...byKey.values()];
    return { token: `r${++this.#revision}`, revision: this.#revision };
  }

  async deleteMatching(query: TupleQuery): Promise<{ deleted: number; token: string }> {
    this.#ask();
    const left = this.#tuples.filter((t) => !matches(t, query));
    const deleted = this.#tuples.length - left.length;
    this.#tuples = left;
    return { deleted, token: `r${++this.#revision}` };
  }

  namespaces(): readonly string[] {
    return [...MODEL.namespaces.keys()].sort();
  }

  checkModel(source: string): ReturnType<Permissions['checkModel']> {
    const at = { start: { line: 1, column: 1 }, end: { line: 1, column: 6 } };
    return source === 'class'
      ? [
          { severity: 'error', message: 'expected "{"', ...at },
          { severity: 'warning', message: 'odd', ...at },
        ]
      : [];
  }

  async status(): ReturnType<Permissions['status']> {
    this.#ask();
    return {
      revision: this.#revision,
      modelId: undefined,
      tuples: this.#tuples.length,
      storedVersions: 0,
      memoryBytes: 0,
      memoryBudgetBytes: 0,
      historyWindowMs: 0,
    };
  }
}

function matches(t: Tuple, q: TupleQuery): boolean {
  return (
    (q.namespace ?? t.namespace) === t.namespace &&
    (q.object ?? t.object) === t.object &&
    (q.relation ?? t.relation) === t.relation &&
    subjectKey(q.subject ?? t.subject) === subjectKey(t.subject)
  );
}
