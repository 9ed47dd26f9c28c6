/**
 * Who somebody is here by a provider's claims: whose account they are of, what they change in it, and what a new one would
 * be. Also the end of a sign-in whose claims are there already, a native app's. INVARIANT: an account is found by the
 * provider's subject; what a mapper was given or said is in no log.
 */
import { type PosternError, toPosternError } from '../../kernel/index.ts';
import type { Account, AuthenticationMethod, JsonObject } from '../account.ts';
import type { ClaimsEnd } from '../methods/oidc.ts';
import { withTraits } from '../methods/profile.ts';
import type { IdentitySchema } from '../schema/identity-schema.ts';
import { type Services, schemaOf } from '../services.ts';
import { assuranceOf, type Claims, isSecondFactorDone } from '../social/claims.ts';
import { socialCredential, socialIdentifier } from '../social/credential.ts';
import { type Mapped, mergeTraits } from '../social/mapper.ts';
import type { SocialProvider } from '../social/provider.ts';
import { FLOW } from '../ui/message.ts';
import { templateIdentity } from '../view.ts';
import { withAddresses } from './addresses.ts';
import { FlowFault } from './fault.ts';
import { type Flow, FlowProblem, problem } from './flow.ts';
import type { Authenticated, Registered } from './method.ts';

/** An account, and the address or name by which it stands in the way. */
export interface Holder {
  readonly account: Account;
  readonly name: string;
}

export class SocialPeople implements ClaimsEnd {
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  /** Whom a provider's subject belongs to. */
  find(provider: SocialProvider, { sub }: Claims): Promise<Account | undefined> {
    const name = socialIdentifier({ provider: provider.config.id, subject: sub });
    return this.#services.accounts.findByIdentifier(name, ['oidc']);
  }

  /** How somebody proved who they are; with both factors where the provider signed one of the values that are named. */
  method(provider: SocialProvider, claims: Claims): AuthenticationMethod {
    const completedAtMs = this.#services.clock.now();
    const { id } = provider.config;
    const assurance = assuranceOf(claims);
    const { acr, amr } = assurance;
    return {
      method: 'oidc',
      aal: isSecondFactorDone(assurance, provider.config) ? 'aal2' : 'aal1',
      ...{ completedAtMs, provider: id },
      ...(acr === undefined ? {} : { upstreamAcr: acr }),
      ...(amr.length === 0 ? {} : { upstreamAmr: amr }),
    };
  }

  /**
   * The account with what the provider says today, where the configuration asks for that. What does not fit the schema, or
   * is somebody else's address, is not taken over: it must shut nobody out of their own account.
   */
  async updated(
    account: Account,
    provider: SocialProvider,
    claims: Claims,
  ): Promise<Account | undefined> {
    if (provider.config.updateOnLogin !== 'automatic') return undefined;
    const mapped = this.#mapped(provider, claims, {
      ...templateIdentity(account),
      metadata_public: account.metadataPublic,
      metadata_admin: account.metadataAdmin,
    });
    const traits = mergeTraits(account.traits, mapped.traits);
    const schema = schemaOf(this.#services, account);
    if (schema.problems(traits).length > 0) return undefined;
    if ((await this.#holderOf(schema, traits, account.id)) !== undefined) return undefined;
    return withAddresses(this.#services, {
      ...withTraits(schema, account, traits),
      metadataPublic: mapped.metadataPublic ?? account.metadataPublic,
      metadataAdmin: mapped.metadataAdmin ?? account.metadataAdmin,
      updatedAtMs: this.#services.clock.now(),
    });
  }

  #mapped(provider: SocialProvider, claims: Claims, before?: JsonObject): Mapped {
    try {
      return provider.mapper(claims, before);
    } catch (reason) {
      // What a mapper says may be personal: where it failed is enough.
      const { message } = toPosternError(reason) satisfies PosternError;
      const [, place = ''] = /(line \d+, column \d+)/.exec(message) ?? [];
      const { id } = provider.config;
      this.#services.logger.error({ provider: id, place }, "a provider's mapper failed");
      throw problem(FLOW.system('The data of this provider could not be read.'));
    }
  }

  /** What would be typed into a registration that can't be stored yet. */
  traitsOf(provider: SocialProvider, claims: Claims, typed: JsonObject): JsonObject {
    try {
      return mergeTraits(provider.mapper(claims).traits, typed);
    } catch {
      return typed;
    }
  }

  /** What a registration by a provider is to become. Throws FlowProblem for traits that are missing or wrong. */
  registered(flow: Flow, provider: SocialProvider, claims: Claims, typed: JsonObject): Registered {
    const { schemas, clock } = this.#services;
    const schema = schemas.get(flow.schemaId);
    if (schema === undefined) throw new FlowFault('flow_not_found');
    const mapped = this.#mapped(provider, claims);
    const traits = mergeTraits(mapped.traits, typed);
    const problems = schema.problems(traits);
    if (problems.length > 0) throw new FlowProblem(problems);
    const link = { provider: provider.config.id, subject: claims.sub };
    return {
      ...{ kind: 'registered', traits, method: this.method(provider, claims) },
      credentials: [socialCredential([link], clock.now())],
      verified: mapped.verified,
      metadataPublic: mapped.metadataPublic,
      metadataAdmin: mapped.metadataAdmin,
    };
  }

  /** Who has an address or a name of these traits already, and which. */
  async holder(traits: JsonObject, flow: Flow): Promise<Holder | undefined> {
    const schema = this.#services.schemas.get(flow.schemaId);
    return schema === undefined ? undefined : this.#holderOf(schema, traits);
  }

  async #holderOf(
    schema: IdentitySchema,
    traits: JsonObject,
    exceptId?: string,
  ): Promise<Holder | undefined> {
    const { accounts } = this.#services;
    const isOther = (account: Account | undefined): account is Account =>
      account !== undefined && account.id !== exceptId;
    const names = [
      ...schema.identifiers('password', traits),
      ...schema.codeAddresses(traits).map((a) => a.value),
    ];
    for (const name of names) {
      const account = await accounts.findByIdentifier(name);
      if (isOther(account)) return { account, name };
    }
    for (const { value, via } of [...schema.verifiable(traits), ...schema.recovery(traits)]) {
      for (const kind of ['verifiable', 'recovery'] as const) {
        const account = await accounts.findByAddress(kind, value, via);
        if (isOther(account)) return { account, name: value };
      }
    }
    return undefined;
  }

  /** A sign-in whose claims a native app brought. Throws FlowProblem for somebody unknown. */
  async signIn(flow: Flow, provider: SocialProvider, claims: Claims): Promise<Authenticated> {
    const account = await this.find(provider, claims);
    if (account === undefined) throw problem(FLOW.accountUnknown);
    const changed = await this.updated(account, provider, claims);
    return {
      ...{ kind: 'authenticated', account, method: this.method(provider, claims), flow },
      ...(changed === undefined ? {} : { changed }),
    };
  }

  async register(
    flow: Flow,
    provider: SocialProvider,
    claims: Claims,
    typed: JsonObject,
  ): Promise<Registered> {
    return this.registered(flow, provider, claims, typed);
  }
}
