/** Flows and notes between requests, sealed. A flow is written only over the version that was read. */
import type { Transaction } from 'kysely';
import type { Fabric } from '../../fabric/index.ts';
import { type Clock, newUuid, PosternError } from '../../kernel/index.ts';
import type { Database, Store } from '../../store/index.ts';
import type { Json } from '../account.ts';
import type { Flow, FlowKind } from './flow.ts';

const SEAL = 'accounts/flows';
const SWEEP_ROWS = 500;
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export type NoteKind = 'error' | 'continuity' | 'exchange';

export interface Note {
  readonly id: string;
  readonly data: Json;
  readonly createdAtMs: number;
}

/** A flow with its bytes, to be written inside a transaction. */
export interface PreparedFlow {
  readonly flow: Flow;
  readonly sealed: Buffer;
}

export class FlowStore {
  readonly #store: Store;
  readonly #fabric: Fabric;
  readonly #clock: Clock;

  constructor(o: { readonly store: Store; readonly fabric: Fabric; readonly clock: Clock }) {
    this.#store = o.store;
    this.#fabric = o.fabric;
    this.#clock = o.clock;
  }

  async prepare(flow: Flow): Promise<PreparedFlow> {
    const sealed = await this.#fabric.keyring.seal(SEAL, Buffer.from(JSON.stringify(flow)));
    return { flow, sealed };
  }

  async insert(flow: Flow): Promise<Flow> {
    const prepared = await this.prepare(flow);
    await this.#store.write((trx) => this.insertPrepared(trx, prepared));
    return flow;
  }
  async insertPrepared(trx: Transaction<Database>, { flow, sealed }: PreparedFlow): Promise<void> {
    await trx
      .insertInto('account_flows')
      .values({
        id: flow.id,
        kind: flow.kind,
        account_id: flow.accountId ?? null,
        version: flow.version,
        data_sealed: sealed,
        expires_at_ms: flow.expiresAtMs,
      })
      .execute();
  }

  /** The flow of an id, expired or not; undefined when there is none of the kind. */
  async find(kind: FlowKind, id: string): Promise<Flow | undefined> {
    if (!UUID.test(id)) return undefined;
    const row = await this.#store.db
      .selectFrom('account_flows')
      .select(['data_sealed', 'version'])
      .where('id', '=', id)
      .where('kind', '=', kind)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const plain = await this.#fabric.keyring.open(SEAL, row.data_sealed);
    // Sealed by this module.
    const flow = JSON.parse(plain.toString()) as Flow;
    return { ...flow, version: row.version };
  }

  /** Writes a flow over the version that was read. Throws `conflict` when another request was first. */
  async replace(flow: Flow): Promise<Flow> {
    const prepared = await this.prepare(flow);
    return this.#store.write((trx) => this.replacePrepared(trx, prepared));
  }
  async replacePrepared(trx: Transaction<Database>, { flow, sealed }: PreparedFlow): Promise<Flow> {
    const changed = await trx
      .updateTable('account_flows')
      .set({
        version: flow.version + 1,
        data_sealed: sealed,
        account_id: flow.accountId ?? null,
        expires_at_ms: flow.expiresAtMs,
      })
      .where('id', '=', flow.id)
      .where('version', '=', flow.version)
      .executeTakeFirst();
    if (changed.numUpdatedRows === 0n)
      throw new PosternError('conflict', 'Another request changed this flow; try again');
    return { ...flow, version: flow.version + 1 };
  }

  /** Takes a finished flow away; throws `conflict` when another request was first. */
  async finish(trx: Transaction<Database>, flow: Flow): Promise<void> {
    const gone = await trx
      .deleteFrom('account_flows')
      .where('id', '=', flow.id)
      .where('version', '=', flow.version)
      .executeTakeFirst();
    if (gone.numDeletedRows === 0n)
      throw new PosternError('conflict', 'Another request finished this flow');
  }

  async putNote(
    kind: NoteKind,
    data: Json,
    lifespanMs: number,
    id: string = newUuid(),
  ): Promise<string> {
    const sealed = await this.#fabric.keyring.seal(SEAL, Buffer.from(JSON.stringify(data)));
    const nowMs = this.#clock.now();
    await this.#store.write(async (trx) => {
      await trx
        .insertInto('account_notes')
        .values({
          id,
          kind,
          data_sealed: sealed,
          created_at_ms: nowMs,
          expires_at_ms: nowMs + lifespanMs,
        })
        .onConflict((oc) =>
          oc.column('id').doUpdateSet({ data_sealed: sealed, expires_at_ms: nowMs + lifespanMs }),
        )
        .execute();
    });
    return id;
  }
  async findNote(kind: NoteKind, id: string): Promise<Note | undefined> {
    const row = await this.#store.db
      .selectFrom('account_notes')
      .selectAll()
      .where('id', '=', id)
      .where('kind', '=', kind)
      .where('expires_at_ms', '>', this.#clock.now())
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const plain = await this.#fabric.keyring.open(SEAL, row.data_sealed);
    return { id, data: JSON.parse(plain.toString()) as Json, createdAtMs: row.created_at_ms };
  }
  /** A note that is read once. */
  async takeNote(kind: NoteKind, id: string): Promise<Note | undefined> {
    const note = await this.findNote(kind, id);
    if (note === undefined) return undefined;
    const isFirst = await this.#store.write(async (trx) => {
      const gone = await trx.deleteFrom('account_notes').where('id', '=', id).executeTakeFirst();
      return gone.numDeletedRows > 0n;
    });
    return isFirst ? note : undefined;
  }

  /** Removes what expired a day ago, some at a time; answers how many rows. */
  async sweep(keptMs: number): Promise<number> {
    const before = this.#clock.now() - keptMs;
    return this.#store.write(async (trx) => {
      let count = 0n;
      for (const table of ['account_flows', 'account_notes'] as const) {
        const old = trx
          .selectFrom(table)
          .select('id')
          .where('expires_at_ms', '<', before)
          .limit(SWEEP_ROWS);
        const gone = await trx.deleteFrom(table).where('id', 'in', old).executeTakeFirst();
        count += gone.numDeletedRows;
      }
      return Number(count);
    });
  }
}
