/**
 * What the provider keeps (codes, tokens, grants, sessions, interactions) in the store, for oidc-provider's adapter
 * interface. Ids are secrets and are kept hashed; payloads are sealed. INVARIANT: whatever came from a sign-in carries
 * the accounts' session by which it came, and is not found once that session was revoked or its person shut out, on
 * whichever server it is asked for; a code is consumed once, however many ask at the same time.
 */
import { createHash, createHmac } from 'node:crypto';
import type { Adapter, AdapterPayload, KoaContextWithOIDC } from 'oidc-provider';
import { errors, Provider } from 'oidc-provider';
import type { Fabric } from '../fabric/index.ts';
import type { Clock } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';
import type { People } from './types.ts';

const SEAL = 'oidc/records';
const USER_CODES = 'oidc/user-codes';
const SWEEP_ROWS = 500;
const CONSENT_LEFT_MS = 31 * 24 * 3_600_000;
/** Between the accounts' session and what is random in the uid of a provider's session. */
const UID_MARK = '~';
/** Their consent outlives a session; nothing else of a person does. */
const UNBOUND = new Set(['Grant', 'Interaction']);

/** The uid of a provider's session that rests on a session of the accounts. */
export function boundUid(sessionId: string, random: string): string {
  return `${sessionId}${UID_MARK}${random}`;
}
/** The session of the accounts behind a uid; undefined for a provider's session of nobody. */
export function sessionOfUid(uid: string | undefined): string | undefined {
  const at = uid?.indexOf(UID_MARK) ?? -1;
  return uid === undefined || at < 1 ? undefined : uid.slice(0, at);
}

/** Shown on the page where codes are typed. */
export class TooManyGuesses extends Error {
  override readonly name = 'TooManyGuesses';
  readonly statusCode = 429;
  readonly expose = true;
  constructor() {
    super('too many user codes were tried');
  }
}

const hashId = (id: string): string => createHash('sha256').update(id).digest('hex');

export interface RecordParts {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly clock: Clock;
  readonly people: Pick<People, 'isStanding' | 'spendGuess'>;
  /** For how long a refresh token that was just exchanged is taken again, so that a lost answer signs nobody out. */
  readonly refreshOverlapMs: number;
}

export class Records {
  readonly parts: RecordParts;
  constructor(parts: RecordParts) {
    this.parts = parts;
  }

  /** Makes the keys beforehand that writes need. */
  async open(): Promise<void> {
    await this.parts.fabric.keyring.secret(SEAL);
    await this.parts.fabric.keyring.secret(USER_CODES);
  }

  adapter(model: string): Adapter {
    return new RecordAdapter(this, model);
  }

  async seal(payload: AdapterPayload): Promise<Buffer> {
    return this.parts.fabric.keyring.seal(SEAL, Buffer.from(JSON.stringify(payload)));
  }
  async unseal(sealed: Uint8Array): Promise<AdapterPayload> {
    const plain = await this.parts.fabric.keyring.open(SEAL, sealed);
    // Written by this module.
    return JSON.parse(plain.toString()) as AdapterPayload;
  }
  /** User codes are short, so a plain hash of one could be undone. */
  async hashUserCode(code: string): Promise<string> {
    const key = await this.parts.fabric.keyring.secret(USER_CODES);
    return createHmac('sha256', key).update(code).digest('hex');
  }

  /** The newest consent of a person to a client that outlives new tokens; undefined when there is none. */
  async grantIdFor(accountId: string, clientId: string): Promise<string | undefined> {
    const row = await this.parts.store.db
      .selectFrom('oidc_records')
      .select('payload_sealed')
      .where('model', '=', 'Grant')
      .where('account_id', '=', accountId)
      .where('uid', '=', clientId)
      .where('expires_at_ms', '>', this.parts.clock.now() + CONSENT_LEFT_MS)
      .orderBy('expires_at_ms', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? undefined : (await this.unseal(row.payload_sealed)).jti;
  }

  /** Takes everything of a session away; answers the provider's sessions among it, each to one caller alone. */
  async removeSession(sessionId: string): Promise<AdapterPayload[]> {
    const gone = await this.parts.store.write((trx) =>
      trx
        .deleteFrom('oidc_records')
        .where('session_id', '=', sessionId)
        .returning(['model', 'payload_sealed'])
        .execute(),
    );
    const sessions = gone.filter(({ model }) => model === 'Session');
    return Promise.all(sessions.map(({ payload_sealed }) => this.unseal(payload_sealed)));
  }

  /** Removes what has expired, some at a time; answers how many. */
  async sweep(): Promise<number> {
    const { store, clock } = this.parts;
    return store.write(async (trx) => {
      const rows = await trx
        .selectFrom('oidc_records')
        .select(['model', 'id_hash'])
        .where('expires_at_ms', '<', clock.now())
        .limit(SWEEP_ROWS)
        .execute();
      for (const { model, id_hash } of rows)
        await trx
          .deleteFrom('oidc_records')
          .where('model', '=', model)
          .where('id_hash', '=', id_hash)
          .execute();
      return rows.length;
    });
  }
}

class RecordAdapter implements Adapter {
  readonly #records: Records;
  readonly #model: string;
  constructor(records: Records, model: string) {
    this.#records = records;
    this.#model = model;
  }
  get #db(): Store['db'] {
    return this.#records.parts.store.db;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { store, clock } = this.#records.parts;
    const row = {
      model: this.#model,
      id_hash: hashId(id),
      payload_sealed: await this.#records.seal(payload),
      grant_id: payload.grantId ?? null,
      uid:
        (this.#model === 'Grant' ? payload.clientId : (payload.uid ?? payload.sessionUid)) ?? null,
      user_code_hash:
        payload.userCode === undefined ? null : await this.#records.hashUserCode(payload.userCode),
      session_id: this.#sessionOf(payload),
      account_id: payload.accountId ?? null,
      client_id: payload.clientId ?? null,
      expires_at_ms: expiresIn === undefined ? null : clock.now() + expiresIn * 1_000,
    };
    await store.write((trx) =>
      trx
        .insertInto('oidc_records')
        .values({ ...row, consumed_at_ms: null })
        .onConflict((oc) => oc.columns(['model', 'id_hash']).doUpdateSet(row))
        .execute(),
    );
  }

  /** Throws when something of a person would rest on no session: nothing could end it. */
  #sessionOf(payload: AdapterPayload): string | null {
    const sessionId = sessionOfUid(payload.uid ?? payload.sessionUid);
    if (payload.accountId !== undefined && sessionId === undefined && !UNBOUND.has(this.#model))
      throw new Error(`a ${this.#model} of a person without their session`);
    return UNBOUND.has(this.#model) ? null : (sessionId ?? null);
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.#read(await this.#select().where('id_hash', '=', hashId(id)).executeTakeFirst());
  }
  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    await this.#spendGuess();
    const hash = await this.#records.hashUserCode(userCode);
    return this.#read(await this.#select().where('user_code_hash', '=', hash).executeTakeFirst());
  }
  /** Short codes are guessed, not stolen: every look at one counts, by who looks and from where. */
  async #spendGuess(): Promise<void> {
    const { ctx } = Provider;
    const accountId = (ctx as KoaContextWithOIDC | undefined)?.oidc?.session?.accountId;
    // Set by `takeHeaders`.
    const address = ctx?.ip ?? '';
    if (!(await this.#records.parts.people.spendGuess({ address, accountId })))
      throw new TooManyGuesses();
  }
  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#read(await this.#select().where('uid', '=', uid).executeTakeFirst());
  }

  #select() {
    return this.#db
      .selectFrom('oidc_records')
      .select(['payload_sealed', 'session_id', 'consumed_at_ms'])
      .where('model', '=', this.#model);
  }

  async #read(
    row:
      | { payload_sealed: Uint8Array; session_id: string | null; consumed_at_ms: number | null }
      | undefined,
  ): Promise<AdapterPayload | undefined> {
    if (row === undefined) return undefined;
    const { people, clock, refreshOverlapMs } = this.#records.parts;
    if (row.session_id !== null && !(await people.isStanding(row.session_id))) return undefined;
    const payload = await this.#records.unseal(row.payload_sealed);
    if (row.consumed_at_ms === null) return payload;
    const isInOverlap =
      this.#model === 'RefreshToken' && clock.now() - row.consumed_at_ms < refreshOverlapMs;
    return isInOverlap ? payload : { ...payload, consumed: Math.floor(row.consumed_at_ms / 1_000) };
  }

  async consume(id: string): Promise<void> {
    const { store, clock } = this.#records.parts;
    const taken = await store.write((trx) =>
      trx
        .updateTable('oidc_records')
        .set({ consumed_at_ms: clock.now() })
        .where('model', '=', this.#model)
        .where('id_hash', '=', hashId(id))
        .where('consumed_at_ms', 'is', null)
        .executeTakeFirst(),
    );
    // A refresh token may be exchanged again within the overlap; whoever is second at anything else is refused.
    if (taken.numUpdatedRows === 0n && this.#model !== 'RefreshToken')
      throw new errors.InvalidGrant('it was used already');
  }

  async destroy(id: string): Promise<void> {
    await this.#records.parts.store.write((trx) =>
      trx
        .deleteFrom('oidc_records')
        .where('model', '=', this.#model)
        .where('id_hash', '=', hashId(id))
        .execute(),
    );
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.#records.parts.store.write((trx) =>
      trx
        .deleteFrom('oidc_records')
        .where('model', '=', this.#model)
        .where('grant_id', '=', grantId)
        .execute(),
    );
  }
}
