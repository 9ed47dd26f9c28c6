/**
 * The clients of the OpenID Provider in the store: made, found, changed and removed, each with its entry in the audit.
 * INVARIANT: a secret is shown when it is made and never again; the store keeps its SHA-256, sealed.
 */
import type { Selectable, Transaction } from 'kysely';
import type { Audit } from '../audit/index.ts';
import type { Fabric } from '../fabric/index.ts';
import { type Clock, PosternError, type Secret } from '../kernel/index.ts';
import type { Database, OidcClientsTable, Store } from '../store/index.ts';
import type { Actor, ClientSpec, OidcClient } from './client.ts';
import { clientOf, metadataOf } from './client-row.ts';
import { hashClientSecret, isClientId, newClientId, newClientSecret } from './client-secret.ts';
import { checkNewWildcards, checkSpec } from './client-spec.ts';

const SEAL = 'oidc/clients';
/** Applications of one person, so that nobody fills the store. */
const OWNED_MAX = 100;

export class ClientManager {
  readonly #store: Store;
  readonly #fabric: Fabric;
  readonly #audit: Audit;
  readonly #clock: Clock;

  constructor(o: {
    readonly store: Store;
    readonly fabric: Fabric;
    readonly audit: Audit;
    readonly clock: Clock;
  }) {
    this.#store = o.store;
    this.#fabric = o.fabric;
    this.#audit = o.audit;
    this.#clock = o.clock;
  }

  /** Makes a client; its secret is answered now and never again. Throws `invalid`, `denied`, `conflict`. */
  async create(
    spec: ClientSpec,
    actor: Actor,
    given?: Secret,
  ): Promise<{ readonly client: OidcClient; readonly secret: Secret | undefined }> {
    checkSpec(spec, actor);
    if (spec.id !== undefined && !actor.isAdministrator)
      throw new PosternError('denied', 'Only an administrator chooses the id of a client');
    return this.register(spec.id ?? newClientId(), spec, actor, given);
  }

  /** As `create`, under an id that was made for it. */
  async register(
    id: string,
    spec: ClientSpec,
    actor: Actor,
    given?: Secret,
  ): Promise<{ readonly client: OidcClient; readonly secret: Secret | undefined }> {
    checkSpec(spec, actor);
    await checkNewWildcards(spec, actor, {});
    if (!isClientId(id))
      throw new PosternError('invalid', 'A client id has 3 to 128 visible characters and no colon');
    const isPublic = spec.type === 'native' || (spec.type === 'spa' && spec.isPublic === true);
    const secret = isPublic ? undefined : (given ?? newClientSecret());
    const nowMs = this.#clock.now();
    const row: OidcClientsTable = {
      client_id: id,
      name: spec.name.trim(),
      owner_id: actor.principalId,
      secret_sealed: secret === undefined ? null : await this.#seal(secret),
      metadata_json: metadataOf(spec),
      created_at_ms: nowMs,
      updated_at_ms: nowMs,
    };
    await this.#store.write(async (trx) => {
      if (!actor.isAdministrator) await this.#checkCount(trx, actor.principalId);
      const made = await trx
        .insertInto('oidc_clients')
        .values(row)
        .onConflict((oc) => oc.column('client_id').doNothing())
        .executeTakeFirst();
      if (made.numInsertedOrUpdatedRows === 0n)
        throw new PosternError('conflict', `There is a client with the id ${id}`);
      await this.#log(trx, actor, 'oidc:client.create', id);
    });
    return { client: clientOf(row), secret };
  }

  async #checkCount(trx: Transaction<Database>, ownerId: string): Promise<void> {
    const row = await trx
      .selectFrom('oidc_clients')
      .select((eb) => eb.fn.countAll<number | string>().as('count'))
      .where('owner_id', '=', ownerId)
      .executeTakeFirst();
    if (Number(row?.count ?? 0) >= OWNED_MAX)
      throw new PosternError('exhausted', `One person has at most ${OWNED_MAX} applications`);
  }

  async #log(
    trx: Transaction<Database>,
    actor: Actor,
    action: string,
    clientId: string,
  ): Promise<void> {
    await this.#audit.append(trx, {
      actor: actor.principalId,
      action,
      resource: `oidc-client/${clientId}`,
    });
  }

  #seal(secret: Secret): Promise<Buffer> {
    const hash = hashClientSecret(secret.reveal());
    return this.#fabric.keyring.seal(SEAL, Buffer.from(JSON.stringify({ hash })));
  }

  async #row(id: string): Promise<Selectable<OidcClientsTable> | undefined> {
    if (!isClientId(id)) return undefined;
    return this.#store.db
      .selectFrom('oidc_clients')
      .selectAll()
      .where('client_id', '=', id)
      .executeTakeFirst();
  }

  /** Undefined when there is none of the id. */
  async find(id: string): Promise<OidcClient | undefined> {
    const row = await this.#row(id);
    return row === undefined ? undefined : clientOf(row);
  }

  /** A client with the SHA-256 (hex) of its secret, as the provider checks it. */
  async findWithSecret(
    id: string,
  ): Promise<{ readonly client: OidcClient; readonly secretHash: string | undefined } | undefined> {
    const row = await this.#row(id);
    if (row === undefined) return undefined;
    if (row.secret_sealed === null) return { client: clientOf(row), secretHash: undefined };
    const plain = await this.#fabric.keyring.open(SEAL, row.secret_sealed);
    // Written by this module.
    const { hash } = JSON.parse(plain.toString()) as { hash: string };
    return { client: clientOf(row), secretHash: hash };
  }

  /** The clients that an actor may see, oldest first: all of them, or their own. */
  async list(actor: Actor): Promise<OidcClient[]> {
    let query = this.#store.db.selectFrom('oidc_clients').selectAll().orderBy('created_at_ms');
    if (!actor.isAdministrator) query = query.where('owner_id', '=', actor.principalId);
    return (await query.execute()).map(clientOf);
  }

  /** A client that an actor may change. Throws `not_found`, also for another's. */
  async get(id: string, actor: Actor): Promise<OidcClient> {
    const client = await this.find(id);
    if (client === undefined || !(actor.isAdministrator || client.ownerId === actor.principalId))
      throw new PosternError('not_found', `There is no client with the id ${id.slice(0, 128)}`, {
        hint: 'postern client list',
      });
    return client;
  }

  /** Changes what is given of a client. Throws `not_found`, `invalid`, `denied`. */
  async update(
    id: string,
    change: Partial<Omit<ClientSpec, 'id' | 'type'>>,
    actor: Actor,
  ): Promise<OidcClient> {
    const before = await this.get(id, actor);
    const { id: _, ...known } = before;
    const isMoved = change.callbackUrls?.some((url) => !before.callbackUrls.includes(url)) === true;
    // What an administrator set stays as it is; a person may only not set it anew. But whom nobody is asked for was meant
    // for the addresses of then.
    const spec: ClientSpec = {
      ...{ ...known, ...change, type: before.type },
      ...(isMoved && !actor.isAdministrator ? { isFirstParty: false } : {}),
    };
    checkSpec(
      actor.isAdministrator
        ? spec
        : {
            ...spec,
            backchannelLogoutUrl: change.backchannelLogoutUrl,
            isFirstParty: change.isFirstParty === true && !before.isFirstParty,
          },
      actor,
    );
    await checkNewWildcards(spec, actor, before);
    await this.#store.write(async (trx) => {
      await trx
        .updateTable('oidc_clients')
        .set({
          name: spec.name.trim(),
          metadata_json: metadataOf(spec),
          updated_at_ms: this.#clock.now(),
        })
        .where('client_id', '=', id)
        .execute();
      await this.#log(trx, actor, 'oidc:client.update', id);
    });
    return this.get(id, actor);
  }

  /** A new secret in place of the old one, which is over at once. Throws `not_found`, `invalid`. */
  async rotateSecret(id: string, actor: Actor): Promise<Secret> {
    const client = await this.get(id, actor);
    if (client.type === 'native')
      throw new PosternError('invalid', 'A native client has no secret: nothing would keep it');
    const secret = newClientSecret();
    const secret_sealed = await this.#seal(secret);
    await this.#store.write(async (trx) => {
      await trx
        .updateTable('oidc_clients')
        .set({ secret_sealed, updated_at_ms: this.#clock.now() })
        .where('client_id', '=', id)
        .execute();
      await this.#log(trx, actor, 'oidc:client.rotate-secret', id);
    });
    return secret;
  }

  /** Removes a client with its tokens and what people agreed to. Throws `not_found`. */
  async delete(id: string, actor: Actor): Promise<void> {
    await this.get(id, actor);
    await this.#store.write(async (trx) => {
      await trx.deleteFrom('oidc_clients').where('client_id', '=', id).execute();
      // Its id may be given again one day; its tokens and what people agreed to are nobody's then.
      await trx.deleteFrom('oidc_records').where('client_id', '=', id).execute();
      await this.#log(trx, actor, 'oidc:client.delete', id);
    });
  }

  /** Makes the keys that are needed inside of transactions beforehand. */
  async open(): Promise<void> {
    await this.#fabric.keyring.secret(SEAL);
  }
}
