/**
 * Relation tuples in the server's database: every write one transaction with a revision of its own. The counter's row is
 * taken first, so that writers (of several servers too) follow one another and revisions are in the order of commits.
 */
import { createHash } from 'node:crypto';
import type { ExpressionBuilder, ExpressionWrapper, SqlBool, Transaction } from 'kysely';
import { PosternError } from '../kernel/index.ts';
import {
  type Database,
  nextNumber,
  type PermissionTuplesTable,
  type Store,
} from '../store/index.ts';
import type { Change, WriteRequest } from './permissions.ts';
import { type Tuple, type TupleQuery, tupleKey } from './tuple.ts';

/** Tuples that one write may hold. */
export const TUPLES_PER_WRITE_MAX = 10_000;

const REVISION_COUNTER = 'permissions.revision';
const FLOOR_COUNTER = 'permissions.floor';
/** Rows a statement: PostgreSQL takes 65,535 parameters, SQLite 32,766. */
const CHUNK_ROWS = 500;

export interface StoredTuple {
  readonly tuple: Tuple;
  readonly createdRevision: number;
  readonly ordinal: number;
  readonly deletedRevision?: number;
}

/** A change, without its instant and token. */
export interface StoredChange extends Omit<Change, 'atMs' | 'token'> {
  /** Of an insertion: its place in the revision. */
  readonly ordinal: number;
}

export interface WriteOutcome {
  readonly revision: number;
  readonly inserted: number;
  readonly deleted: number;
}

function hashOf(t: Tuple): string {
  return createHash('sha256').update(tupleKey(t)).digest('hex');
}

function toTuple(row: PermissionTuplesTable): Tuple {
  const { namespace, object, relation } = row;
  const subject =
    row.subject_id === null
      ? {
          set: {
            namespace: row.subject_namespace ?? '',
            object: row.subject_object ?? '',
            relation: row.subject_relation ?? '',
          },
        }
      : { id: row.subject_id };
  const expiry = row.expires_at_ms === null ? {} : { expiresAtMs: row.expires_at_ms };
  return { namespace, object, relation, subject, ...expiry };
}

const toStored = (row: PermissionTuplesTable): StoredTuple => ({
  tuple: toTuple(row),
  createdRevision: row.created_revision,
  ordinal: row.ordinal,
  ...(row.deleted_revision === null ? {} : { deletedRevision: row.deleted_revision }),
});

function toRow(
  { tuple, hash }: { tuple: Tuple; hash: string },
  revision: number,
  ordinal: number,
): PermissionTuplesTable {
  const set = 'set' in tuple.subject ? tuple.subject.set : undefined;
  return {
    tuple_hash: hash,
    created_revision: revision,
    ordinal,
    namespace: tuple.namespace,
    object: tuple.object,
    relation: tuple.relation,
    subject_id: 'id' in tuple.subject ? tuple.subject.id : null,
    subject_namespace: set?.namespace ?? null,
    subject_object: set?.object ?? null,
    subject_relation: set?.relation ?? null,
    expires_at_ms: tuple.expiresAtMs ?? null,
    deleted_revision: null,
  };
}

type Where = ExpressionBuilder<Database, 'permission_tuples'>;

/** The condition of a filter: live tuples alone. */
function matching(query: TupleQuery, nowMs: number) {
  return (eb: Where): ExpressionWrapper<Database, 'permission_tuples', SqlBool> => {
    const parts = [
      eb('deleted_revision', 'is', null),
      eb.or([eb('expires_at_ms', 'is', null), eb('expires_at_ms', '>', nowMs)]),
    ];
    if (query.namespace !== undefined) parts.push(eb('namespace', '=', query.namespace));
    if (query.object !== undefined) parts.push(eb('object', '=', query.object));
    if (query.relation !== undefined) parts.push(eb('relation', '=', query.relation));
    if (query.subject !== undefined && 'id' in query.subject)
      parts.push(eb('subject_id', '=', query.subject.id));
    if (query.subject !== undefined && 'set' in query.subject) {
      const { namespace, object, relation } = query.subject.set;
      parts.push(eb('subject_namespace', '=', namespace));
      parts.push(eb('subject_object', '=', object), eb('subject_relation', '=', relation));
    }
    return eb.and(parts);
  };
}

function* chunks<T>(list: readonly T[]): Generator<T[]> {
  for (let i = 0; i < list.length; i += CHUNK_ROWS) yield list.slice(i, i + CHUNK_ROWS);
}

export class TupleStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async #counter(name: string): Promise<number> {
    const row = await this.#store.db
      .selectFrom('counters')
      .select('value')
      .where('name', '=', name)
      .executeTakeFirst();
    return row?.value ?? 0;
  }

  /** The newest revision that is committed. */
  head(): Promise<number> {
    return this.#counter(REVISION_COUNTER);
  }
  /** Revisions at or below it can't be asked about any more. */
  floor(): Promise<number> {
    return this.#counter(FLOOR_COUNTER);
  }

  /** Takes the next revision; whoever holds it is the only writer until the transaction ends. */
  async takeRevision(trx: Transaction<Database>, by: string, nowMs: number): Promise<number> {
    const revision = await nextNumber(trx, REVISION_COUNTER);
    await trx
      .insertInto('permission_revisions')
      .values({ revision, at_ms: nowMs, written_by: by })
      .execute();
    return revision;
  }

  /** Writes within a transaction that holds `revision`. Throws `conflict` when a precondition does not hold. */
  async write(
    trx: Transaction<Database>,
    revision: number,
    request: WriteRequest,
    nowMs: number,
  ): Promise<WriteOutcome> {
    for (const { matches, query } of request.preconditions ?? []) {
      const found = await trx
        .selectFrom('permission_tuples')
        .select('tuple_hash')
        .where(matching(query, nowMs))
        .limit(1)
        .executeTakeFirst();
      if ((found !== undefined) !== matches)
        throw new PosternError(
          'conflict',
          matches
            ? 'A precondition does not hold: no tuple matches'
            : 'A precondition does not hold: a tuple matches',
          { facts: { reason: 'precondition_failed' } },
        );
    }
    const doomed = new Set(request.deletes.map(hashOf));
    const wanted = new Map<string, { tuple: Tuple; hash: string }>();
    for (const tuple of request.inserts) {
      const hash = hashOf(tuple);
      if (!doomed.has(hash)) wanted.set(hash, { tuple, hash });
    }
    const replaced: string[] = [];
    for (const some of chunks([...wanted.keys()]))
      for (const row of await trx
        .selectFrom('permission_tuples')
        .select(['tuple_hash', 'expires_at_ms'])
        .where('tuple_hash', 'in', some)
        .where('deleted_revision', 'is', null)
        .execute()) {
        const expiry = wanted.get(row.tuple_hash)?.tuple.expiresAtMs ?? null;
        const hasExpired = row.expires_at_ms !== null && row.expires_at_ms <= nowMs;
        if (row.expires_at_ms === expiry && !hasExpired) wanted.delete(row.tuple_hash);
        else replaced.push(row.tuple_hash);
      }
    const deleted = await this.#end(trx, revision, [...doomed]);
    await this.#end(trx, revision, replaced);
    let ordinal = 0;
    const rows = [...wanted.values()].map((w) => toRow(w, revision, ordinal++));
    for (const some of chunks(rows))
      await trx.insertInto('permission_tuples').values(some).execute();
    return { revision, inserted: rows.length, deleted };
  }

  /** Ends the lives of tuples; answers how many there were. */
  async #end(
    trx: Transaction<Database>,
    revision: number,
    hashes: readonly string[],
  ): Promise<number> {
    let count = 0;
    for (const some of chunks(hashes)) {
      const done = await trx
        .updateTable('permission_tuples')
        .set({ deleted_revision: revision })
        .where('tuple_hash', 'in', some)
        .where('deleted_revision', 'is', null)
        .executeTakeFirst();
      count += Number(done.numUpdatedRows);
    }
    return count;
  }

  /** Deletes what matches; answers how many. */
  async deleteMatching(
    trx: Transaction<Database>,
    revision: number,
    query: TupleQuery,
    nowMs: number,
  ): Promise<number> {
    const done = await trx
      .updateTable('permission_tuples')
      .set({ deleted_revision: revision })
      .where(matching(query, nowMs))
      .executeTakeFirst();
    return Number(done.numUpdatedRows);
  }

  /** Every life that is not over, or ended above the floor, up to a revision; in order, page by page. */
  async *all(upTo: number): AsyncGenerator<readonly StoredTuple[]> {
    let after = { revision: 0, ordinal: -1 };
    for (;;) {
      const { revision, ordinal } = after;
      const rows = await this.#store.db
        .selectFrom('permission_tuples')
        .selectAll()
        .where('created_revision', '<=', upTo)
        .where((eb) =>
          eb.or([
            eb('created_revision', '>', revision),
            eb.and([eb('created_revision', '=', revision), eb('ordinal', '>', ordinal)]),
          ]),
        )
        .orderBy('created_revision')
        .orderBy('ordinal')
        .limit(5_000)
        .execute();
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map(toStored);
      after = { revision: last.created_revision, ordinal: last.ordinal };
    }
  }

  /** The revisions above one, oldest first, with their instants. */
  async revisionsAfter(
    after: number,
    limit: number,
  ): Promise<readonly { revision: number; atMs: number }[]> {
    const rows = await this.#store.db
      .selectFrom('permission_revisions')
      .select(['revision', 'at_ms'])
      .where('revision', '>', after)
      .orderBy('revision')
      .limit(limit)
      .execute();
    return rows.map((r) => ({ revision: r.revision, atMs: r.at_ms }));
  }

  /** What changed above `after` and up to `upTo`, in order; deletions of a revision before its insertions. */
  async changes(after: number, upTo: number): Promise<readonly StoredChange[]> {
    const inserted = await this.#store.db
      .selectFrom('permission_tuples')
      .selectAll()
      .where('created_revision', '>', after)
      .where('created_revision', '<=', upTo)
      .orderBy('created_revision')
      .orderBy('ordinal')
      .execute();
    const deleted = await this.#store.db
      .selectFrom('permission_tuples')
      .selectAll()
      .where('deleted_revision', '>', after)
      .where('deleted_revision', '<=', upTo)
      .orderBy('deleted_revision')
      .execute();
    const changes: StoredChange[] = [
      ...deleted.map((r) => ({
        operation: 'delete' as const,
        tuple: toTuple(r),
        ordinal: r.ordinal,
        revision: r.deleted_revision ?? 0,
      })),
      ...inserted.map((r) => ({
        operation: 'insert' as const,
        tuple: toTuple(r),
        ordinal: r.ordinal,
        revision: r.created_revision,
      })),
    ];
    return changes.sort((a, b) => a.revision - b.revision);
  }

  /** The kinds of tuples that are stored, with an example of each. */
  async kinds(trx: Transaction<Database>): Promise<readonly StoredKind[]> {
    const rows = await trx
      .selectFrom('permission_tuples')
      .select(['namespace', 'relation', 'subject_namespace', 'subject_relation'])
      .select((eb) => [eb.fn.countAll().as('count'), eb.fn.min('object').as('object')])
      .where('deleted_revision', 'is', null)
      .groupBy(['namespace', 'relation', 'subject_namespace', 'subject_relation'])
      .execute();
    return rows.map((r) => ({
      namespace: r.namespace,
      relation: r.relation,
      subjectNamespace: r.subject_namespace ?? undefined,
      subjectRelation: r.subject_relation ?? undefined,
      exampleObject: r.object,
      count: Number(r.count),
    }));
  }

  /** Whether a tuple has expired that is not swept yet. */
  async hasExpired(nowMs: number): Promise<boolean> {
    const row = await this.#store.db
      .selectFrom('permission_tuples')
      .select('tuple_hash')
      .where('deleted_revision', 'is', null)
      .where('expires_at_ms', '<=', nowMs)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Makes deletions of the tuples that expired, so that watchers and memories hear of it; answers how many. */
  async sweep(trx: Transaction<Database>, revision: number, nowMs: number): Promise<number> {
    const done = await trx
      .updateTable('permission_tuples')
      .set({ deleted_revision: revision })
      .where('deleted_revision', 'is', null)
      .where('expires_at_ms', '<=', nowMs)
      .executeTakeFirst();
    return Number(done.numUpdatedRows);
  }

  /** Forgets what ended before the window, and moves the floor; answers the new floor. */
  async forget(trx: Transaction<Database>, beforeMs: number): Promise<number> {
    const head = await nextFloor(trx, beforeMs);
    if (head === undefined) return this.floor();
    await trx.deleteFrom('permission_tuples').where('deleted_revision', '<=', head).execute();
    await trx.deleteFrom('permission_revisions').where('revision', '<=', head).execute();
    await trx.deleteFrom('permission_requests').where('at_ms', '<=', beforeMs).execute();
    await trx
      .insertInto('counters')
      .values({ name: FLOOR_COUNTER, value: head })
      .onConflict((oc) => oc.column('name').doUpdateSet({ value: head }))
      .execute();
    return head;
  }
}

/** What a stored tuple asks of a model. */
export interface StoredKind {
  readonly namespace: string;
  readonly relation: string;
  readonly subjectNamespace: string | undefined;
  readonly subjectRelation: string | undefined;
  readonly exampleObject: string;
  readonly count: number;
}

/** The newest revision that was made before an instant, and is not the newest of all. */
async function nextFloor(
  trx: Transaction<Database>,
  beforeMs: number,
): Promise<number | undefined> {
  const row = await trx
    .selectFrom('permission_revisions')
    .select((eb) => eb.fn.max('revision').as('revision'))
    .where('at_ms', '<', beforeMs)
    .executeTakeFirst();
  const revision = Number(row?.revision ?? 0);
  return revision > 1 ? revision - 1 : undefined;
}
