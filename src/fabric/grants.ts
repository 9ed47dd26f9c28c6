/**
 * Grants: whatever lets a principal in. One row each, revoked in one place. A secret leaves this module once, when the
 * grant is made; the store keeps its SHA-256 alone (secrets are 256 random bits, so a slow hash would add nothing).
 *
 * INVARIANT: a use is taken by one statement that also checks expiry and revocation, so a ticket for one use is
 * redeemed once however many ask at the same time.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Selectable, Transaction } from 'kysely';
import { type Clock, newId, PosternError, Secret, systemClock } from '../kernel/index.ts';
import type { Database, GrantsTable, Store } from '../store/index.ts';
import { type Events, readObject } from './events.ts';
import { hashSecret } from './root-key.ts';

const SECRET_BYTES = 32;

export type GrantKind = 'ticket' | 'token' | 'authtoken' | 'session' | 'role' | 'credential';

export interface NewGrant {
  readonly kind: GrantKind;
  readonly principalId?: string;
  readonly projectId?: string;
  readonly name?: string;
  readonly scopes?: readonly string[];
  readonly attributes?: Readonly<Record<string, string>>;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly expiresAtMs?: number;
  /** How often it may be redeemed; no limit when absent. */
  readonly uses?: number;
  readonly createdBy?: string;
  /** False for grants that are no secret, such as roles. */
  readonly hasSecret?: boolean;
  /** Where clients expect a form of their own, such as a session's UUID. */
  readonly id?: string;
  /** Of at least 128 random bits, where clients expect a form of their own. */
  readonly secret?: Secret;
}

export interface Grant {
  readonly id: string;
  readonly kind: string;
  readonly principalId: string | undefined;
  readonly projectId: string | undefined;
  readonly name: string | undefined;
  readonly scopes: readonly string[];
  readonly attributes: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, unknown>>;
  readonly usesLeft: number | undefined;
  readonly createdAtMs: number;
  readonly createdBy: string | undefined;
  readonly expiresAtMs: number | undefined;
  readonly revokedAtMs: number | undefined;
}

export interface GrantFilter {
  readonly kind?: GrantKind;
  readonly principalId?: string;
  readonly projectId?: string;
}

export interface Grants {
  /** Makes a grant; `secret` is shown now and never again. Empty when `hasSecret` is false. */
  create(trx: Transaction<Database>, grant: NewGrant): Promise<{ grant: Grant; secret: Secret }>;
  /** The grant of a secret, as long as it, its time and its principal stand; undefined otherwise. Takes no use. */
  findBySecret(secret: string, kind: GrantKind): Promise<Grant | undefined>;
  get(id: string): Promise<Grant>;
  /** Changes what a standing grant carries or how long it lives. Throws `not_found`. */
  update(
    trx: Transaction<Database>,
    id: string,
    change: { readonly data?: Readonly<Record<string, unknown>>; readonly expiresAtMs?: number },
  ): Promise<void>;
  list(filter?: GrantFilter): Promise<Grant[]>;
  /** Takes one use. Throws `unauthenticated` for an unknown secret, `expired` for one whose time, uses or standing are over. */
  redeem(trx: Transaction<Database>, secret: string, kind: GrantKind): Promise<Grant>;
  /** Revokes one grant, with the event `grant.revoked`. Returns false when it was revoked already; throws `not_found`. */
  revoke(trx: Transaction<Database>, id: string): Promise<boolean>;
  /** Revokes every grant of a principal within one project; returns how many. */
  revokeAllOf(trx: Transaction<Database>, principalId: string, projectId: string): Promise<number>;
}

const strings = (json: string): string[] => {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [];
};
const stringMap = (json: string): Record<string, string> =>
  Object.fromEntries(Object.entries(readObject(json)).map(([k, v]) => [k, String(v)]));

const toGrant = (row: Selectable<GrantsTable>): Grant => ({
  id: row.id,
  kind: row.kind,
  principalId: row.principal_id ?? undefined,
  projectId: row.project_id ?? undefined,
  name: row.name ?? undefined,
  scopes: strings(row.scopes_json),
  attributes: stringMap(row.attributes_json),
  data: readObject(row.data_json),
  usesLeft: row.uses_left ?? undefined,
  createdAtMs: row.created_at_ms,
  createdBy: row.created_by ?? undefined,
  expiresAtMs: row.expires_at_ms ?? undefined,
  revokedAtMs: row.revoked_at_ms ?? undefined,
});

const isSameHash = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

function isOf<T extends Selectable<GrantsTable>>(
  row: T | undefined,
  hash: string,
  kind: GrantKind,
): row is T {
  return row?.secret_hash != null && row.kind === kind && isSameHash(row.secret_hash, hash);
}

const isStanding = (row: Selectable<GrantsTable>, nowMs: number): boolean =>
  row.revoked_at_ms === null &&
  (row.expires_at_ms === null || row.expires_at_ms > nowMs) &&
  (row.uses_left === null || row.uses_left > 0);

class StoreGrants implements Grants {
  readonly #store: Store;
  readonly #events: Events;
  readonly #clock: Clock;
  constructor(store: Store, events: Events, clock: Clock) {
    this.#store = store;
    this.#events = events;
    this.#clock = clock;
  }

  async create(
    trx: Transaction<Database>,
    grant: NewGrant,
  ): Promise<{ grant: Grant; secret: Secret }> {
    const hasSecret = grant.hasSecret ?? grant.kind !== 'role';
    const given = grant.secret?.reveal() ?? randomBytes(SECRET_BYTES).toString('hex');
    const secret = hasSecret ? given : '';
    const row: GrantsTable = {
      id: grant.id ?? newId('grt'),
      kind: grant.kind,
      principal_id: grant.principalId ?? null,
      project_id: grant.projectId ?? null,
      name: grant.name ?? null,
      scopes_json: JSON.stringify(grant.scopes ?? []),
      attributes_json: JSON.stringify(grant.attributes ?? {}),
      data_json: JSON.stringify(grant.data ?? {}),
      secret_hash: hasSecret ? hashSecret(secret) : null,
      uses_left: grant.uses ?? null,
      created_at_ms: this.#clock.now(),
      created_by: grant.createdBy ?? null,
      expires_at_ms: grant.expiresAtMs ?? null,
      revoked_at_ms: null,
    };
    await trx.insertInto('grants').values(row).execute();
    // Nobody waits for a session to begin, and there is one for every sign-in.
    if (grant.kind !== 'session') await this.#tell(trx, 'grant.created', row);
    return { grant: toGrant(row), secret: new Secret(secret) };
  }

  async findBySecret(secret: string, kind: GrantKind): Promise<Grant | undefined> {
    const hash = hashSecret(secret);
    // One question to the store: it is asked for every request that anybody makes.
    const row = await this.#store.db
      .selectFrom('grants')
      .leftJoin('principals', 'principals.id', 'grants.principal_id')
      .selectAll('grants')
      .select('principals.disabled_at_ms as shut_out_at_ms')
      .where('secret_hash', '=', hash)
      .executeTakeFirst();
    if (!isOf(row, hash, kind) || !isStanding(row, this.#clock.now())) return undefined;
    return row.shut_out_at_ms === null ? toGrant(row) : undefined;
  }

  async get(id: string): Promise<Grant> {
    const query = this.#store.db.selectFrom('grants').selectAll().where('id', '=', id);
    const row = await query.executeTakeFirst();
    if (row === undefined) throw new PosternError('not_found', 'No such grant');
    return toGrant(row);
  }

  async update(
    trx: Transaction<Database>,
    id: string,
    change: { readonly data?: Readonly<Record<string, unknown>>; readonly expiresAtMs?: number },
  ): Promise<void> {
    const changed = await trx
      .updateTable('grants')
      .set({
        ...(change.data === undefined ? {} : { data_json: JSON.stringify(change.data) }),
        ...(change.expiresAtMs === undefined ? {} : { expires_at_ms: change.expiresAtMs }),
      })
      .where('id', '=', id)
      .where('revoked_at_ms', 'is', null)
      .executeTakeFirst();
    if (changed.numUpdatedRows === 0n) throw new PosternError('not_found', 'No such grant');
  }

  async list(filter: GrantFilter = {}): Promise<Grant[]> {
    let query = this.#store.db.selectFrom('grants').selectAll().orderBy('created_at_ms');
    if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind);
    if (filter.principalId !== undefined) {
      query = query.where('principal_id', '=', filter.principalId);
    }
    if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId);
    return (await query.execute()).map(toGrant);
  }

  async redeem(trx: Transaction<Database>, secret: string, kind: GrantKind): Promise<Grant> {
    const row = await this.#findRow(trx, secret, kind);
    if (row === undefined) {
      throw new PosternError('unauthenticated', `This ${kind} is not known`);
    }
    const nowMs = this.#clock.now();
    const taken = await trx
      .updateTable('grants')
      .set((eb) => ({ uses_left: eb('uses_left', '-', 1) }))
      .where('id', '=', row.id)
      .where('revoked_at_ms', 'is', null)
      .where((eb) => eb.or([eb('expires_at_ms', 'is', null), eb('expires_at_ms', '>', nowMs)]))
      .where((eb) => eb.or([eb('uses_left', 'is', null), eb('uses_left', '>', 0)]))
      .returningAll()
      .executeTakeFirst();
    if (taken === undefined || (await this.#isShutOut(trx, row))) {
      throw new PosternError('expired', this.#whyOver(row, nowMs));
    }
    await this.#tell(trx, 'grant.redeemed', taken);
    return toGrant(taken);
  }

  async revoke(trx: Transaction<Database>, id: string): Promise<boolean> {
    const row = await trx.selectFrom('grants').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new PosternError('not_found', 'No such grant');
    if (row.revoked_at_ms !== null) return false;
    await trx
      .updateTable('grants')
      .set({ revoked_at_ms: this.#clock.now() })
      .where('id', '=', id)
      .execute();
    await this.#tell(trx, 'grant.revoked', row);
    return true;
  }

  async revokeAllOf(
    trx: Transaction<Database>,
    principalId: string,
    projectId: string,
  ): Promise<number> {
    const rows = await trx
      .updateTable('grants')
      .set({ revoked_at_ms: this.#clock.now() })
      .where('principal_id', '=', principalId)
      .where('project_id', '=', projectId)
      .where('revoked_at_ms', 'is', null)
      .returningAll()
      .execute();
    for (const row of rows) await this.#tell(trx, 'grant.revoked', row);
    return rows.length;
  }

  async #findRow(
    db: Store['db'],
    secret: string,
    kind: GrantKind,
  ): Promise<Selectable<GrantsTable> | undefined> {
    const hash = hashSecret(secret);
    const query = db.selectFrom('grants').selectAll().where('secret_hash', '=', hash);
    const row = await query.executeTakeFirst();
    return isOf(row, hash, kind) ? row : undefined;
  }

  async #isShutOut(db: Store['db'], row: Selectable<GrantsTable>): Promise<boolean> {
    if (row.principal_id === null) return false;
    const principal = await db
      .selectFrom('principals')
      .select('disabled_at_ms')
      .where('id', '=', row.principal_id)
      .executeTakeFirst();
    return principal !== undefined && principal.disabled_at_ms !== null;
  }

  #whyOver(row: Selectable<GrantsTable>, nowMs: number): string {
    if (row.revoked_at_ms !== null) return `This ${row.kind} was revoked`;
    if (row.expires_at_ms !== null && row.expires_at_ms <= nowMs) {
      return `This ${row.kind} has expired`;
    }
    if (row.uses_left !== null && row.uses_left <= 0) return `This ${row.kind} was used already`;
    return `The holder of this ${row.kind} is shut out`;
  }

  async #tell(
    trx: Transaction<Database>,
    kind: string,
    row: Selectable<GrantsTable>,
  ): Promise<void> {
    await this.#events.append(trx, {
      kind,
      ...(row.project_id === null ? {} : { projectId: row.project_id }),
      subject: row.id,
      data: { kind: row.kind, principal_id: row.principal_id },
    });
  }
}

/** The grants of a store. */
export function createGrants(store: Store, events: Events, clock: Clock = systemClock): Grants {
  return new StoreGrants(store, events, clock);
}
