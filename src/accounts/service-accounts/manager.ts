/**
 * Service accounts: administrators make them, shut them out and give them passwords and tokens. INVARIANT: what a service
 * may is never more than what whoever made it, or opens a way in for it, may themselves; every secret is made here, and
 * shown once.
 */
import { randomBytes } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { Audit } from '../../audit/index.ts';
import { type Fabric, type Grant, scopeCovers } from '../../fabric/index.ts';
import { type Clock, newUuid, PosternError, Secret } from '../../kernel/index.ts';
import type { Database, Store } from '../../store/index.ts';
import type { Budgets } from '../budgets.ts';
import type { PasswordHasher } from '../services.ts';
import { hasServices, ServiceRecords } from './records.ts';
import { checkServiceName, type ServiceAccount } from './service-account.ts';

const TOKENS_MAX = 50;
const PASSWORD_BYTES = 24;

export interface Space {
  readonly id: string;
  readonly name: string;
}

export interface ServiceAccountsParts {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly budgets: Budgets;
  readonly hasher: PasswordHasher;
  /** The space of an id or a name; without one the first, which is the default. Undefined when there is none. */
  readonly spaceOf: (word: string | undefined) => Promise<Space | undefined>;
}

/** Who asks, and what they may themselves. */
export interface ServiceActor {
  readonly id: string;
  readonly scopes: readonly string[];
}

export interface NewService {
  readonly name: string;
  readonly space?: string | undefined;
  readonly scopes: readonly string[];
  readonly expiresAtMs?: number | undefined;
}
export interface NewServiceToken {
  readonly name: string;
  /** Those of the service when absent. */
  readonly scopes?: readonly string[] | undefined;
  readonly expiresAtMs?: number | undefined;
}

export class ServiceAccounts {
  readonly #parts: ServiceAccountsParts;
  readonly #records: ServiceRecords;

  private constructor(parts: ServiceAccountsParts, records: ServiceRecords) {
    this.#parts = parts;
    this.#records = records;
  }

  static async open(parts: ServiceAccountsParts): Promise<ServiceAccounts> {
    const records = new ServiceRecords(parts.store, parts.fabric);
    await records.open();
    return new ServiceAccounts(parts, records);
  }

  /** Throws `invalid` for a name or time that can't be, `denied` for scopes beyond the actor's, `conflict` for a taken name. */
  async create(spec: NewService, by: ServiceActor): Promise<ServiceAccount> {
    const { store, fabric, clock } = this.#parts;
    const { name, key } = checkServiceName(spec.name);
    refuseBeyond(by.scopes, spec.scopes);
    const nowMs = clock.now();
    refusePast(spec.expiresAtMs, nowMs);
    const space = await this.#space(spec.space);
    const id = newUuid().replaceAll('-', '');
    await store.write(async (trx) => {
      await this.#insistOnSpace(trx, space);
      await this.#records.insert(trx, {
        ...{ id, space_id: space.id, name, name_key: key },
        ...{ password_sealed: null, password_set_at_ms: null, networks_json: '[]' },
        scopes_json: JSON.stringify(spec.scopes),
        ...{ created_at_ms: nowMs, created_by: by.id, expires_at_ms: spec.expiresAtMs ?? null },
      });
      await fabric.principals.ensure(trx, { kind: 'service', name, id });
      await this.#tell(trx, by, 'service.create', id, { name, scopes: spec.scopes });
    });
    return this.get(id);
  }

  /** Those of a space, or of all. Throws `not_found` for an unknown space. */
  async list(space?: string): Promise<ServiceAccount[]> {
    return this.#records.list(space === undefined ? undefined : (await this.#space(space)).id);
  }

  /** By id or name. Throws `not_found`, and `conflict` when several spaces have one of the name. */
  async get(word: string, space?: string): Promise<ServiceAccount> {
    const spaceId = space === undefined ? undefined : (await this.#space(space)).id;
    const [found, other] = await this.#records.find(word, spaceId);
    if (found === undefined)
      throw new PosternError('not_found', `There is no service "${word.slice(0, 80)}"`, {
        hint: 'postern service list',
      });
    if (other !== undefined)
      throw new PosternError('conflict', 'Several spaces have a service of this name', {
        hint: 'Say which: --space NAME, or its id',
      });
    return found.service;
  }

  /** Shuts a service out, or lets it in again; meanwhile its password and all its tokens are void. */
  async setDisabled(id: string, isDisabled: boolean, by: ServiceActor): Promise<void> {
    const service = await this.get(id);
    if (!isDisabled) refuseBeyond(by.scopes, service.scopes);
    await this.#parts.store.write(async (trx) => {
      await this.#parts.fabric.principals.setDisabled(trx, service.id, isDisabled);
      await this.#tell(trx, by, isDisabled ? 'service.disable' : 'service.enable', service.id);
    });
  }

  /** Deletes a service and ends its tokens; its principal stays, shut out, for the audit. Throws `not_found`. */
  async delete(id: string, by: ServiceActor): Promise<void> {
    const { store, fabric } = this.#parts;
    const service = await this.get(id);
    await store.write(async (trx) => {
      await this.#records.delete(trx, service.id);
      await this.#revokeTokens(trx, service.id, 'all');
      await fabric.principals.setDisabled(trx, service.id, true);
      await this.#tell(trx, by, 'service.delete', service.id, { name: service.name });
    });
  }

  /** Gives a new password, shown now and never again; the old one and what was signed in by it end at once. */
  async setPassword(id: string, by: ServiceActor): Promise<Secret> {
    const service = await this.get(id);
    refuseBeyond(by.scopes, service.scopes);
    const password = randomBytes(PASSWORD_BYTES).toString('base64url');
    const sealed = await this.#records.seal(await this.#parts.hasher.hash(password));
    await this.#putPassword(service, sealed, by);
    return new Secret(password);
  }
  /** Takes the password away: tokens are then the only way in. */
  async removePassword(id: string, by: ServiceActor): Promise<void> {
    await this.#putPassword(await this.get(id), null, by);
  }

  async #putPassword(
    service: ServiceAccount,
    sealed: Buffer | null,
    by: ServiceActor,
  ): Promise<void> {
    const nowMs = this.#parts.clock.now();
    await this.#parts.store.write(async (trx) => {
      await this.#records.change(trx, service.id, {
        password_sealed: sealed,
        // What tells one password from the next, so it never stands still.
        password_set_at_ms: Math.max(nowMs, (service.passwordSetAtMs ?? 0) + 1),
      });
      await this.#revokeTokens(trx, service.id, 'by password');
      const action = sealed === null ? 'service.password-remove' : 'service.password';
      await this.#tell(trx, by, action, service.id);
    });
  }

  /** Throws `invalid` for a name that can't be, `denied` for scopes beyond the service's or the actor's, `conflict`, `exhausted`. */
  async addToken(
    id: string,
    spec: NewServiceToken,
    by: ServiceActor,
  ): Promise<{ readonly grant: Grant; readonly secret: Secret }> {
    const { store, fabric, clock } = this.#parts;
    const service = await this.get(id);
    const { name } = checkServiceName(spec.name, 'token');
    const scopes = spec.scopes ?? service.scopes;
    refuseBeyond(service.scopes, scopes);
    refuseBeyond(by.scopes, scopes);
    refusePast(spec.expiresAtMs, clock.now());
    const standing = (await this.tokens(service.id)).filter((g) => !isBySignIn(g));
    if (standing.length >= TOKENS_MAX)
      throw new PosternError('exhausted', `One service has at most ${TOKENS_MAX} tokens`, {
        hint: 'Revoke one that nobody uses.',
      });
    if (standing.some((g) => g.name === name))
      throw new PosternError('conflict', `The service has a token called ${name} already`);
    return store.write(async (trx) => {
      await this.#insist(trx, service.id);
      const made = await fabric.grants.create(trx, {
        ...{ kind: 'token', principalId: service.id, name, scopes },
        ...endOf(service, spec.expiresAtMs),
        createdBy: by.id,
      });
      await this.#tell(trx, by, 'service.token-create', service.id, {
        ...{ token: made.grant.id, name, scopes },
      });
      return made;
    });
  }

  /** The standing tokens of a service, also those that its password opened. */
  async tokens(id: string): Promise<Grant[]> {
    const all = await this.#parts.fabric.grants.list({ kind: 'token', principalId: id });
    const nowMs = this.#parts.clock.now();
    return all.filter((g) => g.revokedAtMs === undefined && (g.expiresAtMs ?? nowMs + 1) > nowMs);
  }

  /** By id or name. Throws `not_found`, also for another's. */
  async revokeToken(id: string, word: string, by: ServiceActor): Promise<void> {
    const service = await this.get(id);
    const token = (await this.tokens(service.id)).find((g) => g.id === word || g.name === word);
    if (token === undefined)
      throw new PosternError('not_found', 'The service has no such token', {
        hint: `postern service token list ${service.name}`,
      });
    await this.#parts.store.write(async (trx) => {
      await this.#parts.fabric.grants.revoke(trx, token.id);
      await this.#tell(trx, by, 'service.token-revoke', service.id, { token: token.id });
    });
  }

  /** For whoever deletes a space. Throws `conflict` as long as it has services. */
  async insistOnNone(trx: Transaction<Database>, spaceId: string): Promise<void> {
    if (await hasServices(trx, spaceId))
      throw new PosternError('conflict', 'The space still has services', {
        hint: 'Delete them first: postern service list',
      });
  }

  async #space(word: string | undefined): Promise<Space> {
    const space = await this.#parts.spaceOf(word);
    if (space === undefined)
      throw new PosternError(
        'not_found',
        word === undefined ? 'There is no space yet' : `There is no space "${word.slice(0, 80)}"`,
        {
          hint:
            word === undefined
              ? "`postern enroll` makes this server's first space and project"
              : 'postern space list',
        },
      );
    return space;
  }
  async #insistOnSpace(trx: Transaction<Database>, { id }: Space): Promise<void> {
    const found = await trx.selectFrom('spaces').select('id').where('id', '=', id).execute();
    if (found.length === 0) throw new PosternError('not_found', 'The space was deleted meanwhile');
  }
  async #insist(trx: Transaction<Database>, id: string): Promise<void> {
    if ((await this.#records.find(id, undefined, trx)).length === 0)
      throw new PosternError('not_found', 'The service was deleted meanwhile');
  }

  async #revokeTokens(
    trx: Transaction<Database>,
    id: string,
    which: 'all' | 'by password',
  ): Promise<void> {
    let query = trx
      .selectFrom('grants')
      .select('id')
      .where('kind', '=', 'token')
      .where('principal_id', '=', id)
      .where('revoked_at_ms', 'is', null);
    if (which === 'by password') query = query.where('data_json', '=', JSON.stringify(BY_PASSWORD));
    for (const grant of await query.execute())
      await this.#parts.fabric.grants.revoke(trx, grant.id);
  }

  async #tell(
    trx: Transaction<Database>,
    by: ServiceActor,
    action: string,
    id: string,
    data: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    await this.#parts.audit.append(trx, {
      ...{ actor: by.id, action, resource: `service/${id}`, data },
    });
    await this.#parts.fabric.events.append(trx, { kind: 'service.changed', subject: id });
  }
}

/** What a token that the password opened carries: it ends with the password. */
export const BY_PASSWORD: Readonly<Record<string, string>> = { by: 'password' };
export function isBySignIn({ data }: Pick<Grant, 'data'>): boolean {
  return data['by'] === BY_PASSWORD['by'];
}

/** When a token of a service ends: never after the service. */
export function endOf(
  service: ServiceAccount,
  wantedMs: number | undefined,
): { expiresAtMs?: number } {
  const ends = [service.expiresAtMs, wantedMs].filter((t) => t !== undefined);
  return ends.length === 0 ? {} : { expiresAtMs: Math.min(...ends) };
}

function refuseBeyond(own: readonly string[], wanted: readonly string[]): void {
  const beyond = wanted.find((scope) => !own.some((has) => scopeCovers(has, scope)));
  if (beyond !== undefined)
    throw new PosternError('denied', `The scope ${beyond.slice(0, 100)} can't be given on`, {
      hint: 'Nobody gives a service more than they may themselves, and no token more than its service may.',
    });
}
function refusePast(atMs: number | undefined, nowMs: number): void {
  if (atMs !== undefined && atMs <= nowMs)
    throw new PosternError('invalid', 'It would be over before it begins');
}
