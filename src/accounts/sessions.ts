/**
 * Sessions of people. A session is a grant of the kind `session` whose id is the session's; what Kratos's clients see of
 * it stands in the grant's data. INVARIANT: a session is read from the store for every question, so that a revoked one
 * is over with the next request, on whichever server.
 */
import { createHmac, randomInt, timingSafeEqual } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import type { Fabric, Grant } from '../fabric/index.ts';
import { type Clock, newUuid, PosternError, Secret } from '../kernel/index.ts';
import type { Database, Store } from '../store/index.ts';
import type { Aal, AuthenticationMethod, Device, ListPlace, Session } from './account.ts';
import { networkOf } from './budgets.ts';

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const TOKEN_CHARACTERS = 32;
const SESSION_TOKEN = /^ory_st_[A-Za-z0-9]{32}$/;
const LOGOUT_KEY = 'accounts/logout';
/** How far back it is remembered where somebody signed in: scripts leave thousands of sessions, and everyone waits. */
const REMEMBERED_SESSIONS_MAX = 100;
const SWEEP_ROWS = 500;
const USER_AGENT_MAX = 512;

/** 32 random alphanumerics behind a prefix: 190 bits. */
export function newToken(prefix: string): string {
  let text = prefix;
  for (let i = 0; i < TOKEN_CHARACTERS; i++) text += ALPHANUMERIC[randomInt(ALPHANUMERIC.length)];
  return text;
}

interface SessionData {
  readonly authenticated_at_ms: number;
  readonly aal: Aal;
  readonly methods: readonly AuthenticationMethod[];
  readonly devices: readonly Device[];
}

function dataOf(session: Session): Readonly<Record<string, unknown>> {
  const data: SessionData = {
    authenticated_at_ms: session.authenticatedAtMs,
    aal: session.aal,
    methods: session.methods,
    devices: session.devices,
  };
  return { ...data };
}

function sessionOf(grant: Grant, nowMs: number): Session {
  // Written by this module.
  const data = grant.data as unknown as SessionData;
  const expiresAtMs = grant.expiresAtMs ?? 0;
  return {
    id: grant.id,
    accountId: grant.principalId ?? '',
    isActive: grant.revokedAtMs === undefined && expiresAtMs > nowMs,
    issuedAtMs: grant.createdAtMs,
    authenticatedAtMs: data.authenticated_at_ms,
    expiresAtMs,
    aal: data.aal,
    methods: data.methods,
    devices: data.devices,
  };
}

/** Two first factors are still one; a second kind of factor makes aal2. A provider that asked for both is both. */
export function aalOf(methods: readonly AuthenticationMethod[]): Aal {
  const isSecond = methods.some((m) => m.aal === 'aal2');
  const isFirst = methods.some(
    (m) => m.aal === 'aal1' || (m.method === 'oidc' && m.aal === 'aal2'),
  );
  if (isFirst) return isSecond ? 'aal2' : 'aal1';
  return 'aal0';
}

export function newDevice(ipAddress: string, userAgent: string): Device {
  return {
    id: newUuid(),
    ipAddress,
    userAgent: userAgent.slice(0, USER_AGENT_MAX),
    location: '',
  };
}

export interface IssuedSession {
  readonly session: Session;
  readonly token: Secret;
}

export interface NewSession {
  /** Where it was told of before: the id of its draft. */
  readonly id?: string;
  readonly accountId: string;
  readonly methods: readonly AuthenticationMethod[];
  readonly device: Device;
}

export class SessionManager {
  readonly #store: Store;
  readonly #fabric: Fabric;
  readonly #clock: Clock;
  readonly #lifespanMs: number;

  constructor(o: {
    readonly store: Store;
    readonly fabric: Fabric;
    readonly clock: Clock;
    readonly lifespanMs: number;
  }) {
    this.#store = o.store;
    this.#fabric = o.fabric;
    this.#clock = o.clock;
    this.#lifespanMs = o.lifespanMs;
  }

  /** A session as it would begin now; nothing is stored. */
  draft(o: NewSession): Session {
    const nowMs = this.#clock.now();
    return {
      id: o.id ?? newUuid(),
      accountId: o.accountId,
      isActive: true,
      issuedAtMs: nowMs,
      authenticatedAtMs: nowMs,
      expiresAtMs: nowMs + this.#lifespanMs,
      aal: aalOf(o.methods),
      methods: o.methods,
      devices: [o.device],
    };
  }

  /** Begins a session, always under a token that nobody knew before. */
  async issue(trx: Transaction<Database>, o: NewSession): Promise<IssuedSession> {
    const session = this.draft(o);
    const token = new Secret(newToken('ory_st_'));
    await this.#fabric.grants.create(trx, {
      kind: 'session',
      id: session.id,
      secret: token,
      principalId: o.accountId,
      data: dataOf(session),
      expiresAtMs: session.expiresAtMs,
    });
    return { session, token };
  }

  /** The standing session of a token; undefined when it is over or its person is shut out. */
  async find(token: string): Promise<Session | undefined> {
    if (!SESSION_TOKEN.test(token)) return undefined;
    const grant = await this.#fabric.grants.findBySecret(token, 'session');
    return grant === undefined ? undefined : sessionOf(grant, this.#clock.now());
  }

  /** A session, standing or not; undefined when there is none of the id. */
  async get(id: string): Promise<Session | undefined> {
    const row = await this.#fabric.grants.get(id).catch((reason: unknown) => {
      if (reason instanceof PosternError && reason.code === 'not_found') return undefined;
      throw reason;
    });
    return row?.kind === 'session' ? sessionOf(row, this.#clock.now()) : undefined;
  }

  /** False once a session was revoked, or its person shut out; one that merely expired still stood to its end. */
  async isUnrevoked(id: string, db: Kysely<Database> = this.#store.db): Promise<boolean> {
    const row = await db
      .selectFrom('grants')
      .innerJoin('principals', 'principals.id', 'grants.principal_id')
      .select(['grants.revoked_at_ms', 'principals.disabled_at_ms'])
      .where('grants.id', '=', id)
      .where('grants.kind', '=', 'session')
      .executeTakeFirst();
    return row !== undefined && row.revoked_at_ms === null && row.disabled_at_ms === null;
  }

  async list(accountId: string): Promise<Session[]> {
    const grants = await this.#fabric.grants.list({ kind: 'session', principalId: accountId });
    const nowMs = this.#clock.now();
    return grants.map((g) => sessionOf(g, nowMs)).sort((a, b) => b.issuedAtMs - a.issuedAtMs);
  }

  /**
   * Whether one of a person's latest sessions, standing or over, was seen in the network of an address. Of level aal2 where
   * that is asked: who has only the password has sessions too.
   */
  async wasInNetworkOf(
    accountId: string | undefined,
    ipAddress: string,
    aal: Aal = 'aal1',
  ): Promise<boolean> {
    if (accountId === undefined) return false;
    const network = networkOf(ipAddress);
    const rows = await this.#store.db
      .selectFrom('grants')
      .select('data_json')
      .where('kind', '=', 'session')
      .where('principal_id', '=', accountId)
      .orderBy('created_at_ms', 'desc')
      .limit(REMEMBERED_SESSIONS_MAX)
      .execute();
    // Written by this module.
    const seen = rows.map(({ data_json }) => JSON.parse(data_json) as SessionData);
    return seen.some(
      (session) =>
        (aal === 'aal1' || session.aal === aal) &&
        session.devices.some((d) => networkOf(d.ipAddress) === network),
    );
  }

  /** A page of all sessions, newest first. */
  async listAll(page: {
    readonly limit: number;
    /** The page begins behind it. */
    readonly after?: ListPlace | undefined;
    readonly isActive?: boolean;
    /** Only those that nobody ended, though they may have expired. */
    readonly isUnrevoked?: boolean;
  }): Promise<Session[]> {
    const { db } = this.#store;
    const nowMs = this.#clock.now();
    let query = db
      .selectFrom('grants')
      .select('id')
      .where('kind', '=', 'session')
      .orderBy('created_at_ms', 'desc')
      .orderBy('id', 'desc')
      .limit(page.limit);
    if (page.isActive === true)
      query = query.where('revoked_at_ms', 'is', null).where('expires_at_ms', '>', nowMs);
    if (page.isActive === false)
      query = query.where((eb) =>
        eb.or([eb('revoked_at_ms', 'is not', null), eb('expires_at_ms', '<=', nowMs)]),
      );
    if (page.isUnrevoked === true) query = query.where('revoked_at_ms', 'is', null);
    const { after } = page;
    if (after !== undefined)
      query = query.where((eb) =>
        eb.or([
          eb('created_at_ms', '<', after.createdAtMs),
          eb.and([eb('created_at_ms', '=', after.createdAtMs), eb('id', '<', after.id)]),
        ]),
      );
    const found = await Promise.all((await query.execute()).map(({ id }) => this.get(id)));
    return found.filter((s) => s !== undefined);
  }

  /**
   * Adds a factor, or proves one again; the session keeps its token. `isFresh` false: it was added just now, which says
   * nothing new about who sits there.
   */
  async addMethod(
    trx: Transaction<Database>,
    session: Session,
    method: AuthenticationMethod,
    isFresh: boolean = true,
  ): Promise<Session> {
    // As it is now: two proofs at once are both kept.
    const row = await trx
      .selectFrom('grants')
      .select('data_json')
      .where('id', '=', session.id)
      .executeTakeFirst();
    // Written by this module.
    const data = row === undefined ? undefined : (JSON.parse(row.data_json) as SessionData);
    const now = data === undefined ? session : { ...session, methods: data.methods };
    const changed = this.raised(now, method, isFresh);
    await this.#fabric.grants.update(trx, session.id, { data: dataOf(changed) });
    return changed;
  }

  /** The session as one more proof makes it; nothing is stored. */
  raised(session: Session, method: AuthenticationMethod, isFresh: boolean = true): Session {
    const methods = [...session.methods, method];
    return {
      ...session,
      methods,
      aal: aalOf(methods),
      ...(isFresh ? { authenticatedAtMs: this.#clock.now() } : {}),
    };
  }

  /** Lets a session live its whole time again, from now. */
  async extend(trx: Transaction<Database>, session: Session): Promise<Session> {
    const expiresAtMs = this.#clock.now() + this.#lifespanMs;
    await this.#fabric.grants.update(trx, session.id, { expiresAtMs });
    return { ...session, expiresAtMs };
  }

  /** Ends a session; false when it was over already. Throws `not_found`. */
  revoke(trx: Transaction<Database>, id: string): Promise<boolean> {
    return this.#fabric.grants.revoke(trx, id);
  }

  /**
   * Ends all sessions of a person but one; answers how many. Those that expired too: refresh tokens of an application live
   * on from them (`isUnrevoked`).
   */
  async revokeAll(trx: Transaction<Database>, accountId: string, exceptId = ''): Promise<number> {
    const rows = await trx
      .selectFrom('grants')
      .select('id')
      .where('kind', '=', 'session')
      .where('principal_id', '=', accountId)
      .where('id', '!=', exceptId)
      .where('revoked_at_ms', 'is', null)
      .select('expires_at_ms')
      .execute();
    for (const { id } of rows) await this.#fabric.grants.revoke(trx, id);
    const nowMs = this.#clock.now();
    return rows.filter((row) => (row.expires_at_ms ?? 0) > nowMs).length;
  }

  /** Forgets sessions altogether, as administrators do. */
  async delete(trx: Transaction<Database>, ids: readonly string[]): Promise<number> {
    if (ids.length === 0) return 0;
    for (const id of ids) await this.#fabric.grants.revoke(trx, id).catch(() => false);
    const gone = await trx
      .deleteFrom('grants')
      .where('kind', '=', 'session')
      .where('id', 'in', [...ids])
      .executeTakeFirst();
    return Number(gone.numDeletedRows);
  }

  /** The log-out token of a session: nothing is stored for it, and it ends that session alone. */
  async logoutToken(sessionId: string): Promise<string> {
    const key = await this.#fabric.keyring.secret(LOGOUT_KEY);
    const mac = createHmac('sha256', key).update(sessionId).digest();
    let text = 'ory_lo_';
    for (let i = 0; i < TOKEN_CHARACTERS; i++)
      text += ALPHANUMERIC[(mac[i] ?? 0) % ALPHANUMERIC.length];
    return text;
  }
  async isLogoutToken(sessionId: string, token: string): Promise<boolean> {
    const expected = Buffer.from(await this.logoutToken(sessionId));
    const given = Buffer.from(token);
    return expected.length === given.length && timingSafeEqual(expected, given);
  }

  /** Removes sessions that were over long ago, some at a time; answers how many. */
  async sweep(keptMs: number): Promise<number> {
    const before = this.#clock.now() - keptMs;
    return this.#store.write(async (trx) => {
      const old = trx
        .selectFrom('grants')
        .select('id')
        .where('kind', '=', 'session')
        .where('expires_at_ms', '<', before)
        .limit(SWEEP_ROWS);
      const gone = await trx.deleteFrom('grants').where('id', 'in', old).executeTakeFirst();
      return Number(gone.numDeletedRows);
    });
  }
}
