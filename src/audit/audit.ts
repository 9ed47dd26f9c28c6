/** The audit log of a server: append in the transaction of the deed, list, sign heads, verify. */
import type { KeyObject } from 'node:crypto';
import type { Transaction } from 'kysely';
import { type Clock, systemClock } from '../kernel/index.ts';
import type { AuditTable, Database, Store } from '../store/index.ts';
import {
  type AuditEntry,
  type AuditOutcome,
  type ChainState,
  FIRST_HASH,
  followChain,
  hashEntry,
} from './entry.ts';
import { type AuditHead, type AuditSigner, isHeadGenuine, signHead } from './head.ts';

const PAGE_ENTRIES = 500;

export interface NewAuditEntry {
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly outcome?: AuditOutcome;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** The keys of the audit log; the server hands in the keyring's. */
export interface AuditKeys {
  signer(): Promise<AuditSigner>;
  verifying(): Promise<ReadonlyMap<number, KeyObject>>;
}

export type AuditVerdict =
  | { readonly isIntact: true; readonly entries: number; readonly headsChecked: number }
  | { readonly isIntact: false; readonly problem: string; readonly number: number };

export interface Audit {
  append(trx: Transaction<Database>, entry: NewAuditEntry): Promise<AuditEntry>;
  /** Up to 500 entries after a number, or the newest ones, in order. */
  list(after?: number, limit?: number): Promise<AuditEntry[]>;
  /** Signs the end of the chain and keeps the head; the caller may export it. Undefined when the log is empty. */
  signHead(): Promise<AuditHead | undefined>;
  heads(): Promise<AuditHead[]>;
  /** Follows the whole chain and checks it against the kept heads and one that was exported earlier. */
  verify(exported?: AuditHead): Promise<AuditVerdict>;
}

const toEntry = (row: AuditTable): AuditEntry => ({
  number: row.number,
  atMs: row.at_ms,
  actor: row.actor,
  action: row.action,
  resource: row.resource,
  outcome: row.outcome,
  dataJson: row.data_json,
  previousHash: row.previous_hash,
  hash: row.hash,
});

/** Verifies entries, which may come from an export, against heads and the audit keys. Needs no store. */
export async function verifyChain(
  entries: AsyncIterable<AuditEntry> | Iterable<AuditEntry>,
  heads: readonly AuditHead[],
  keys: ReadonlyMap<number, KeyObject>,
): Promise<AuditVerdict> {
  const expected = new Map<number, string>();
  for (const head of heads) {
    const bad = (problem: string): AuditVerdict => ({
      isIntact: false,
      problem,
      number: head.number,
    });
    if (!isHeadGenuine(head, keys)) return bad(`the head at ${head.number} is not signed by us`);
    if ((expected.get(head.number) ?? head.hash) !== head.hash) {
      return bad(`two heads at ${head.number} disagree`);
    }
    expected.set(head.number, head.hash);
  }
  let state: ChainState = { number: 0, hash: FIRST_HASH };
  for await (const entry of entries) {
    const next = followChain(state, entry);
    if (typeof next === 'string') {
      return { isIntact: false, problem: next, number: state.number + 1 };
    }
    state = next;
    if ((expected.get(state.number) ?? state.hash) !== state.hash) {
      const problem = `entry ${state.number} is not the one that its signed head names`;
      return { isIntact: false, problem, number: state.number };
    }
  }
  const last = Math.max(0, ...expected.keys());
  if (last > state.number) {
    const problem = `the log ends at ${state.number}, a signed head names entry ${last}`;
    return { isIntact: false, problem, number: state.number + 1 };
  }
  return { isIntact: true, entries: state.number, headsChecked: heads.length };
}

/** Takes the next number, with the hash of the entry before it: one question, since every deed asks it. */
async function nextPlace(
  trx: Transaction<Database>,
): Promise<{ readonly number: number; readonly previous: string | null }> {
  return trx
    .insertInto('counters')
    .values({ name: 'audit', value: 1 })
    .onConflict((oc) =>
      oc.column('name').doUpdateSet((eb) => ({ value: eb('counters.value', '+', 1) })),
    )
    .returning((eb) => [
      'counters.value as number',
      eb
        .selectFrom('audit')
        .select('audit.hash')
        .where('audit.number', '=', eb('counters.value', '-', 1))
        .as('previous'),
    ])
    .executeTakeFirstOrThrow();
}

class StoreAudit implements Audit {
  readonly #store: Store;
  readonly #keys: AuditKeys;
  readonly #clock: Clock;
  constructor(store: Store, keys: AuditKeys, clock: Clock) {
    this.#store = store;
    this.#keys = keys;
    this.#clock = clock;
  }

  async append(trx: Transaction<Database>, entry: NewAuditEntry): Promise<AuditEntry> {
    const { number, previous } = await nextPlace(trx);
    const content = {
      number,
      atMs: this.#clock.now(),
      actor: entry.actor,
      action: entry.action,
      resource: entry.resource,
      outcome: entry.outcome ?? 'done',
      dataJson: JSON.stringify(entry.data ?? {}),
      previousHash: previous ?? FIRST_HASH,
    };
    const hash = hashEntry(content);
    await trx
      .insertInto('audit')
      .values({
        number,
        at_ms: content.atMs,
        actor: content.actor,
        action: content.action,
        resource: content.resource,
        outcome: content.outcome,
        data_json: content.dataJson,
        previous_hash: content.previousHash,
        hash,
      })
      .execute();
    return { ...content, hash };
  }

  async list(after?: number, limit: number = PAGE_ENTRIES): Promise<AuditEntry[]> {
    if (after === undefined) {
      const newest = this.#store.db.selectFrom('audit').selectAll().orderBy('number', 'desc');
      return (await newest.limit(Math.min(limit, PAGE_ENTRIES)).execute()).reverse().map(toEntry);
    }
    const page = this.#store.db.selectFrom('audit').selectAll().where('number', '>', after);
    const rows = await page.orderBy('number').limit(Math.min(limit, PAGE_ENTRIES)).execute();
    return rows.map(toEntry);
  }

  async signHead(): Promise<AuditHead | undefined> {
    const signer = await this.#keys.signer();
    return this.#store.write(async (trx) => {
      const end = await trx
        .selectFrom('audit')
        .select(['number', 'hash'])
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst();
      if (end === undefined) return undefined;
      const head = signHead(end, signer, this.#clock.now());
      await trx
        .insertInto('audit_heads')
        .values({
          number: head.number,
          hash: head.hash,
          signed_at_ms: head.signedAtMs,
          key_version: head.keyVersion,
          signature: head.signature,
        })
        .onConflict((oc) => oc.column('number').doNothing())
        .execute();
      return head;
    });
  }

  async heads(): Promise<AuditHead[]> {
    const rows = await this.#store.db
      .selectFrom('audit_heads')
      .selectAll()
      .orderBy('number')
      .execute();
    return rows.map((r) => ({
      number: r.number,
      hash: r.hash,
      signedAtMs: r.signed_at_ms,
      keyVersion: r.key_version,
      signature: r.signature,
    }));
  }

  async verify(exported?: AuditHead): Promise<AuditVerdict> {
    const heads = await this.heads();
    if (exported !== undefined) heads.push(exported);
    return verifyChain(this.#entries(), heads, await this.#keys.verifying());
  }

  async *#entries(): AsyncGenerator<AuditEntry> {
    for (let after = 0; ; ) {
      const page = await this.list(after);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ENTRIES) return;
      after = last.number;
    }
  }
}

/** The audit log of a store. */
export function createAudit(store: Store, keys: AuditKeys, clock: Clock = systemClock): Audit {
  return new StoreAudit(store, keys, clock);
}
