/**
 * The way back from a provider: what its claims mean for the flow that somebody left (reference: Kratos's method `oidc`).
 * A sign-in of somebody unknown becomes a registration, a registration of somebody known a sign-in. INVARIANT: who is
 * signed in is whom the provider's subject belongs to here; an address alone never links two people.
 */
import { timingSafeEqual } from 'node:crypto';
import { type PosternError, toPosternError } from '../../kernel/index.ts';
import type { Account, AuthenticationMethod, JsonObject } from '../account.ts';
import { type Providers, type TripNote, tripOf, withoutTrip } from '../methods/oidc.ts';
import { type Services, schemaOf } from '../services.ts';
import type { Claims } from '../social/claims.ts';
import {
  linksOf,
  type SocialLink,
  socialCredential,
  socialIdentifier,
  withLinks,
} from '../social/credential.ts';
import { type Mapped, mergeTraits } from '../social/mapper.ts';
import type { SocialProvider } from '../social/provider.ts';
import { ProviderRefusal } from '../social/refusal.ts';
import { FLOW, INVALID, LOGIN } from '../ui/message.ts';
import { templateIdentity } from '../view.ts';
import { FlowFault } from './fault.ts';
import {
  type Flow,
  type FlowKind,
  FlowProblem,
  problem,
  type Submission,
  show,
  type Visitor,
} from './flow.ts';
import { withLinking } from './linking.ts';
import type { LoginFlows, LoginOutcome } from './login.ts';
import type { Authenticated, Registered } from './method.ts';
import type { RegistrationFlows, RegistrationOutcome } from './registration.ts';
import { rehearsalOf, rehearsed, rehearsedFault } from './rehearsal.ts';
import { type SettingsFlows, type SettingsOutcome, withAddresses } from './settings.ts';

const STATE = /^(login|registration|settings)\.([0-9a-f-]{36})\.[\w-]{43}$/;

/** What became of a way back, with the kind of flow that it ended in. */
export type SocialOutcome =
  | { readonly of: 'login'; readonly outcome: LoginOutcome }
  | { readonly of: 'registration'; readonly outcome: RegistrationOutcome }
  | { readonly of: 'settings'; readonly outcome: SettingsOutcome }
  /** Not kept yet: it is bound to the browser first. */
  | { readonly of: 'rehearsal'; readonly flow: Flow };

/** Somebody who came back, before the provider was asked. */
export interface Arrival {
  readonly flow: Flow;
  readonly trip: TripNote;
  readonly provider: SocialProvider;
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

export class SocialFlows {
  readonly #services: Services;
  readonly #providers: Providers;
  readonly #login: LoginFlows;
  readonly #registration: RegistrationFlows;
  readonly #settings: SettingsFlows;

  constructor(
    services: Services,
    providers: Providers,
    flows: {
      readonly login: LoginFlows;
      readonly registration: RegistrationFlows;
      readonly settings: SettingsFlows;
    },
  ) {
    this.#services = services;
    this.#providers = providers;
    this.#login = flows.login;
    this.#registration = flows.registration;
    this.#settings = flows.settings;
  }

  /** The flow that a state belongs to. Throws FlowFault when there is none, or the way back was used. */
  async find(state: string, providerId: string | undefined): Promise<Arrival> {
    const [, kind, id = ''] = STATE.exec(state) ?? [];
    const flow =
      kind === undefined ? undefined : await this.#services.flows.find(kind as FlowKind, id);
    const trip = flow === undefined ? undefined : tripOf(flow);
    if (flow === undefined || trip === undefined || !isSame(trip.state, state))
      throw new FlowFault(
        'bad_request',
        {},
        'This way back was used or belongs to no flow. Begin again.',
      );
    const provider = this.#providers.get(trip.provider);
    // An answer counts at the address of the provider that was asked, and of no other (mix-up, RFC 9700 4.4).
    const isOther = providerId !== undefined && providerId !== trip.provider;
    const isForced = provider?.config.pkce === 'force';
    if (provider === undefined || isOther || (providerId === undefined && !isForced))
      throw new FlowFault('bad_request', {}, 'The answer is of another provider than was asked.');
    return { flow, trip, provider };
  }

  /** Takes the provider's answer. Throws FlowFault; whatever the person can put right comes back in the flow. */
  async arrive(
    { flow: before, trip, provider }: Arrival,
    parameters: URLSearchParams,
    visitor: Visitor,
  ): Promise<SocialOutcome> {
    // Kept first: of two requests with one answer the second finds no trip, and asks no provider.
    const flow = await this.#services.flows.replace(withoutTrip(before));
    if (rehearsalOf(flow) !== undefined) return this.#rehearse(flow, provider, parameters, trip);
    try {
      const claims = await provider.finish(parameters, trip);
      switch (flow.kind) {
        case 'login':
          return await this.#signIn(flow, provider, claims, visitor);
        case 'registration':
          return await this.#register(flow, provider, claims, trip.traits, visitor);
        default:
          return await this.#link(flow, provider, claims, visitor);
      }
    } catch (reason) {
      if (reason instanceof ProviderRefusal) {
        const { id, label } = provider.config;
        const { code } = reason;
        this.#services.logger.warn({ provider: id, code }, 'a provider gave no one to sign in');
        return this.#shown(flow, problem(FLOW.providerRefused(label, code)), trip.traits, visitor);
      }
      if (reason instanceof FlowProblem) return this.#shown(flow, reason, trip.traits, visitor);
      throw reason;
    }
  }

  /** A dry run: what the answer is worth, and nothing of it. */
  async #rehearse(
    flow: Flow,
    provider: SocialProvider,
    parameters: URLSearchParams,
    trip: TripNote,
  ): Promise<SocialOutcome> {
    const told = await provider.finish(parameters, trip).then(
      (claims) => rehearsed(this.#services, flow, provider, claims),
      (reason: unknown) => rehearsedFault(flow, reason),
    );
    return { of: 'rehearsal', flow: told };
  }

  /** The flow as it is shown again. */
  async #shown(
    flow: Flow,
    reason: FlowProblem,
    traits: JsonObject,
    visitor: Visitor,
  ): Promise<SocialOutcome> {
    const submission: Submission = { ...NOTHING, method: 'oidc', traits };
    if (flow.kind === 'settings') {
      const account = await this.#settings.owner(flow, visitor.session);
      const told = await this.#settings.tell(flow, account, submission, reason);
      return { of: 'settings', outcome: { kind: 'shown', status: 400, flow: told } };
    }
    if (flow.kind === 'registration') {
      const told = await this.#registration.tell(flow, submission, reason);
      return { of: 'registration', outcome: { kind: 'shown', status: 400, flow: told } };
    }
    const told = await this.#login.tell(flow, submission, reason);
    return { of: 'login', outcome: { kind: 'shown', status: 400, flow: told } };
  }

  // Login

  async #signIn(
    flow: Flow,
    provider: SocialProvider,
    claims: Claims,
    visitor: Visitor,
  ): Promise<SocialOutcome> {
    const known = await this.#find(provider, claims);
    if (known !== undefined) {
      const authenticated = await this.#authenticated(flow, known, provider, claims, visitor);
      return { of: 'login', outcome: await this.#login.complete(flow, authenticated, visitor) };
    }
    if (flow.accountId !== undefined) throw new FlowFault('security_identity_mismatch');
    const { config } = this.#services;
    if (!config.flows.registration.isEnabled) throw problem(FLOW.accountUnknown);
    const fresh = await this.#registration.begin({
      ...common(flow),
      afterVerificationReturnTo: undefined,
      schemaId: undefined,
      session: undefined,
    });
    return this.#register(fresh, provider, claims, {}, visitor);
  }

  #find(provider: SocialProvider, { sub }: Claims): Promise<Account | undefined> {
    const name = socialIdentifier({ provider: provider.config.id, subject: sub });
    return this.#services.accounts.findByIdentifier(name, ['oidc']);
  }

  #method(provider: SocialProvider): AuthenticationMethod {
    const completedAtMs = this.#services.clock.now();
    return { method: 'oidc', aal: 'aal1', completedAtMs, provider: provider.config.id };
  }

  async #authenticated(
    flow: Flow,
    account: Account,
    provider: SocialProvider,
    claims: Claims,
    visitor: Visitor,
  ): Promise<Authenticated> {
    // Proving somebody again is that person's alone, and in their own browser.
    if (flow.accountId !== undefined) {
      const isTheirs = visitor.session?.accountId === flow.accountId || flow.type === 'api';
      if (flow.accountId !== account.id || !isTheirs)
        throw new FlowFault('security_identity_mismatch');
    }
    const changed = this.#updated(account, provider, claims);
    return {
      ...{ kind: 'authenticated', account, method: this.#method(provider) },
      ...(changed === undefined ? {} : { changed }),
    };
  }

  /** The account with what the provider says today, where the configuration asks for that. */
  #updated(account: Account, provider: SocialProvider, claims: Claims): Account | undefined {
    if (provider.config.updateOnLogin !== 'automatic') return undefined;
    const mapped = this.#mapped(provider, claims, {
      ...templateIdentity(account),
      metadata_public: account.metadataPublic,
      metadata_admin: account.metadataAdmin,
    });
    const traits = mergeTraits(account.traits, mapped.traits);
    if (schemaOf(this.#services, account).problems(traits).length > 0) return undefined;
    const next = withAddresses(this.#services, {
      ...{ ...account, traits },
      metadataPublic: mapped.metadataPublic ?? account.metadataPublic,
      metadataAdmin: mapped.metadataAdmin ?? account.metadataAdmin,
    });
    return next;
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

  // Registration

  async #register(
    flow: Flow,
    provider: SocialProvider,
    claims: Claims,
    typed: JsonObject,
    visitor: Visitor,
  ): Promise<SocialOutcome> {
    const known = await this.#find(provider, claims);
    if (known !== undefined) {
      const login = await this.#beginLogin(flow);
      const authenticated = await this.#authenticated(login, known, provider, claims, visitor);
      return { of: 'login', outcome: await this.#login.complete(login, authenticated, visitor) };
    }
    let traits = typed;
    try {
      const registered = this.registered(flow, provider, claims, typed);
      traits = registered.traits;
      return await this.#store(flow, registered, provider, claims, visitor);
    } catch (reason) {
      if (!(reason instanceof FlowProblem)) throw reason;
      const merged = traits === typed ? this.#traitsOf(provider, claims, typed) : traits;
      return this.#shown(flow, reason, merged, visitor);
    }
  }

  #traitsOf(provider: SocialProvider, claims: Claims, typed: JsonObject): JsonObject {
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
      ...{ kind: 'registered', traits, method: this.#method(provider) },
      credentials: [socialCredential([link], clock.now())],
      verified: mapped.verified,
      metadataPublic: mapped.metadataPublic,
      metadataAdmin: mapped.metadataAdmin,
    };
  }

  async #store(
    flow: Flow,
    registered: Registered,
    provider: SocialProvider,
    claims: Claims,
    visitor: Visitor,
  ): Promise<SocialOutcome> {
    const schema = this.#services.schemas.get(flow.schemaId);
    if (schema === undefined) throw new FlowFault('flow_not_found');
    try {
      const active = { ...flow, active: 'oidc' };
      const outcome = await this.#registration.finish(active, registered, schema, visitor);
      return { of: 'registration', outcome };
    } catch (reason) {
      const isTaken =
        reason instanceof FlowProblem &&
        reason.problems.some(({ message }) => message.id === INVALID.duplicate.id);
      const holder = isTaken ? await this.#holder(registered.traits, flow) : undefined;
      if (holder === undefined) throw reason;
      const link = { provider: provider.config.id, subject: claims.sub };
      return this.#offerLink(flow, holder, link, provider.config.label);
    }
  }

  /** Who has an address or a name of these traits already, and which. */
  async #holder(
    traits: JsonObject,
    flow: Flow,
  ): Promise<{ readonly account: Account; readonly name: string } | undefined> {
    const { accounts, schemas } = this.#services;
    const schema = schemas.get(flow.schemaId);
    if (schema === undefined) return undefined;
    const names = [
      ...schema.identifiers('password', traits),
      ...schema.codeAddresses(traits).map((a) => a.value),
    ];
    for (const name of names) {
      const account = await accounts.findByIdentifier(name);
      if (account !== undefined) return { account, name };
    }
    for (const { value, via } of [...schema.verifiable(traits), ...schema.recovery(traits)]) {
      const account =
        (await accounts.findByAddress('verifiable', value, via)) ??
        (await accounts.findByAddress('recovery', value, via));
      if (account !== undefined) return { account, name: value };
    }
    return undefined;
  }

  /** A login flow that links, once the account that has the address has signed in. */
  async #offerLink(
    flow: Flow,
    { account, name }: { readonly account: Account; readonly name: string },
    link: SocialLink,
    label: string,
  ): Promise<SocialOutcome> {
    const login = await this.#beginLogin(flow);
    const linking = withLinking(login, { ...link, accountId: account.id });
    const told = show(linking, linking.ui.nodes, [LOGIN.linkPrompt(name, label)]);
    const kept = await this.#services.flows.replace(told);
    return { of: 'login', outcome: { kind: 'shown', status: 400, flow: kept } };
  }

  #beginLogin(flow: Flow): Promise<Flow> {
    return this.#login.begin({
      ...common(flow),
      ...{ isRefresh: false, aal: 'aal1', via: undefined, session: undefined },
    });
  }

  // Settings

  async #link(
    flow: Flow,
    provider: SocialProvider,
    claims: Claims,
    visitor: Visitor,
  ): Promise<SocialOutcome> {
    const account = await this.#settings.owner(flow, visitor.session);
    const other = await this.#find(provider, claims);
    if (other !== undefined) throw problem(INVALID.duplicate);
    const { id } = provider.config;
    const links = [...linksOf(account), { provider: id, subject: claims.sub }];
    const changed = {
      kind: 'changed' as const,
      account: withLinks(account, links, this.#services.clock.now()),
      what: `${id} linked`,
    };
    const outcome = await this.#settings.complete(flow, account, changed, visitor);
    return { of: 'settings', outcome };
  }

  // ID tokens of native apps

  /** A sign-in whose claims a native app brought. Throws FlowProblem for somebody unknown. */
  async signIn(flow: Flow, provider: SocialProvider, claims: Claims): Promise<Authenticated> {
    const account = await this.#find(provider, claims);
    if (account === undefined) throw problem(FLOW.accountUnknown);
    const changed = this.#updated(account, provider, claims);
    return {
      ...{ kind: 'authenticated', account, method: this.#method(provider), flow },
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

const NOTHING: Submission = {
  method: undefined,
  fields: {},
  traits: undefined,
  transientPayload: undefined,
};

/** What a flow hands to the one that follows it. */
function common(flow: Flow): {
  readonly type: Flow['type'];
  readonly requestUrl: string;
  readonly csrf: string | undefined;
  readonly returnTo: string | undefined;
  readonly loginChallenge: string | undefined;
  readonly organizationId: string | undefined;
  readonly exchangeCode?: string;
  readonly returnToCode?: string;
} {
  const { type, requestUrl, csrf, returnTo, loginChallenge, organizationId } = flow;
  const { exchangeCode, returnToCode } = flow;
  return {
    ...{ type, requestUrl, csrf, returnTo, loginChallenge, organizationId },
    ...(exchangeCode === undefined ? {} : { exchangeCode }),
    ...(returnToCode === undefined ? {} : { returnToCode }),
  };
}
