/**
 * A service proves who it is by its password. INVARIANT: an unknown name, a wrong password and a service that is shut out
 * look the same and take the same time; every attempt that a budget had room for is audited; a person is never let in here.
 */
import type { Transaction } from 'kysely';
import type { Grant } from '../../fabric/index.ts';
import { PosternError, type Secret } from '../../kernel/index.ts';
import type { Database } from '../../store/index.ts';
import { networkOf } from '../budgets.ts';
import { evenly } from '../flows/evenly.ts';
import { type AttemptBudget, attemptBudgets, STRANGERS_PER_HOUR } from '../throttle.ts';
import { BY_PASSWORD, endOf, type ServiceAccountsParts } from './manager.ts';
import { type ServiceRecord, ServiceRecords } from './records.ts';
import {
  isServiceId,
  type ServiceAccount,
  serviceNameKey,
  withNetwork,
} from './service-account.ts';

/** A longer one is refused before it costs anything. */
const PASSWORD_LENGTH_MAX = 1_024;
const TOKEN_LIFE_MS = 3_600_000;
const KEPT_MS = 24 * 3_600_000;
const MINUTE_MS = 60_000;

export interface ServiceAttempt {
  /** Its name, or its id. */
  readonly name: string;
  readonly password: string;
  /** The IP address that it came from. */
  readonly address: string;
  /** The space of the name, by id or name; the default one when absent. */
  readonly space?: string | undefined;
}

/** How services get in, for the surfaces that they sign in at. */
export interface ServiceSignIn {
  /**
   * The service of a name and a password. Throws `unauthenticated`, without a word of why, and `exhausted` when there were
   * too many attempts (fact `retry_after_ms`) or too many hashes wait.
   */
  authenticateService(attempt: ServiceAttempt): Promise<ServiceAccount>;
  /** The same, and a token of an hour with the service's scopes; it ends with the password. */
  openToken(attempt: ServiceAttempt): Promise<{ readonly grant: Grant; readonly token: Secret }>;
}

export function createServiceSignIn(parts: ServiceAccountsParts): ServiceSignIn {
  return new PasswordSignIn(parts);
}

type Refusal = 'unknown' | 'no password' | 'wrong password' | 'disabled' | 'expired' | 'changed';

class PasswordSignIn implements ServiceSignIn {
  readonly #parts: ServiceAccountsParts;
  readonly #records: ServiceRecords;
  constructor(parts: ServiceAccountsParts) {
    this.#parts = parts;
    this.#records = new ServiceRecords(parts.store, parts.fabric);
  }

  authenticateService(attempt: ServiceAttempt): Promise<ServiceAccount> {
    return this.#parts.hasher.admit(networkOf(attempt.address), () =>
      evenly(
        () => this.#authenticate(attempt),
        () => true,
      ),
    );
  }

  async #authenticate(attempt: ServiceAttempt): Promise<ServiceAccount> {
    const { budgets, hasher } = this.#parts;
    const known = await this.#find(attempt);
    const network = networkOf(attempt.address);
    const spent = attemptBudgets({
      ...{ what: 'service', visitor: { ipAddress: attempt.address } },
      subject: known?.service.id ?? `${attempt.space ?? ''} ${serviceNameKey(attempt.name)}`,
      isKnownNetwork: known?.networks.includes(network) === true,
      strangersPerHour: STRANGERS_PER_HOUR.password,
    });
    const waitMs = await budgets.take(spent);
    if (waitMs > 0) throw tooMany(waitMs);
    if (attempt.password.length > PASSWORD_LENGTH_MAX)
      return this.#refuse(attempt, known, 'wrong password');
    const hash = known?.passwordSealed ?? undefined;
    const isRight =
      hash === undefined
        ? await hasher.verifyNothing(attempt.password)
        : await hasher.verify(attempt.password, await this.#records.unseal(hash));
    const why = known === undefined ? 'unknown' : isRight ? this.#whyNot(known) : wrong(known);
    if (known === undefined || why !== undefined)
      return this.#refuse(attempt, known, why ?? 'unknown');
    const service = await this.#accept(attempt, known, { network, spent });
    return service ?? this.#refuse(attempt, known, 'changed');
  }

  async openToken(
    attempt: ServiceAttempt,
  ): Promise<{ readonly grant: Grant; readonly token: Secret }> {
    const { store, fabric, clock } = this.#parts;
    const service = await this.authenticateService(attempt);
    const nowMs = clock.now();
    return store.write(async (trx) => {
      const [still] = await this.#records.find(service.id, undefined, trx);
      if (still?.service.passwordSetAtMs !== service.passwordSetAtMs) throw refused();
      await forgetOld(trx, service.id, nowMs - KEPT_MS);
      const { grant, secret } = await fabric.grants.create(trx, {
        ...{ kind: 'token', principalId: service.id, name: 'sign-in', scopes: service.scopes },
        ...endOf(service, nowMs + TOKEN_LIFE_MS),
        ...{ data: BY_PASSWORD, createdBy: service.id },
      });
      return { grant, token: secret };
    });
  }

  async #find(attempt: ServiceAttempt): Promise<ServiceRecord | undefined> {
    if (attempt.name === '') return undefined;
    if (isServiceId(attempt.name)) return (await this.#records.find(attempt.name))[0];
    const space = await this.#parts.spaceOf(attempt.space);
    // Asked also where there is no such space, so that it takes as long.
    const [found] = await this.#records.find(attempt.name, space?.id ?? '');
    return found;
  }

  #whyNot({ service }: ServiceRecord): Refusal | undefined {
    if (service.isDisabled) return 'disabled';
    const { expiresAtMs } = service;
    return expiresAtMs !== undefined && expiresAtMs <= this.#parts.clock.now()
      ? 'expired'
      : undefined;
  }

  /** Undefined when the service is no longer what the password was held against: hashes wait in a queue. */
  #accept(
    attempt: ServiceAttempt,
    before: ServiceRecord,
    o: { readonly network: string; readonly spent: readonly AttemptBudget[] },
  ): Promise<ServiceAccount | undefined> {
    return this.#parts.store.write(async (trx) => {
      const [now] = await this.#records.find(before.service.id, undefined, trx);
      if (now === undefined || this.#whyNot(now) !== undefined) return undefined;
      if (now.service.passwordSetAtMs !== before.service.passwordSetAtMs) return undefined;
      const networks = withNetwork(now.networks, o.network);
      const { id } = now.service;
      if (networks !== undefined)
        await this.#records.change(trx, id, { networks_json: JSON.stringify(networks) });
      await this.#parts.audit.append(trx, {
        ...{ actor: id, action: 'service.login', resource: `service/${id}` },
        data: { method: 'password', ip: attempt.address },
      });
      await this.#parts.budgets.giveBack(trx, o.spent);
      return now.service;
    });
  }

  /** Tells the audit why, and whoever asked nothing. What was typed as a name is not kept: it may have been a password. */
  async #refuse(
    attempt: ServiceAttempt,
    known: ServiceRecord | undefined,
    why: Refusal,
  ): Promise<never> {
    await this.#parts.store.write((trx) =>
      this.#parts.audit.append(trx, {
        actor: 'stranger',
        action: 'service.login',
        resource: known === undefined ? 'service' : `service/${known.service.id}`,
        outcome: 'denied',
        data: { method: 'password', ip: attempt.address, why },
      }),
    );
    throw refused();
  }
}

const wrong = (known: ServiceRecord): Refusal =>
  known.passwordSealed === null ? 'no password' : 'wrong password';

function refused(): PosternError {
  return new PosternError('unauthenticated', 'The name or the password is wrong');
}
function tooMany(waitMs: number): PosternError {
  const minutes = Math.max(1, Math.ceil(waitMs / MINUTE_MS));
  return new PosternError('exhausted', 'Too many attempts', {
    facts: { retry_after_ms: waitMs },
    hint: `Try again in ${minutes === 1 ? 'a minute' : `${minutes} minutes`}`,
  });
}

/** What a service signed in for long ago needs no row any more. */
async function forgetOld(trx: Transaction<Database>, id: string, beforeMs: number): Promise<void> {
  await trx
    .deleteFrom('grants')
    .where('kind', '=', 'token')
    .where('principal_id', '=', id)
    .where('name', '=', 'sign-in')
    .where('data_json', '=', JSON.stringify(BY_PASSWORD))
    .where('expires_at_ms', '<', beforeMs)
    .execute();
}
