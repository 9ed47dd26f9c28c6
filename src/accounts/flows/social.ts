/**
 * The way back from a provider: what its claims mean for the flow that somebody left (reference: Kratos's method `oidc`).
 * A sign-in of somebody unknown becomes a registration, a registration of somebody known a sign-in. INVARIANT: who is
 * signed in is whom the provider's subject belongs to here; an address alone never links two people.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Account, JsonObject } from '../account.ts';
import { type Providers, type TripNote, tripOf, withoutTrip } from '../methods/oidc.ts';
import type { Services } from '../services.ts';
import type { Claims } from '../social/claims.ts';
import { linksOf, type SocialLink, withLinks } from '../social/credential.ts';
import type { SocialProvider } from '../social/provider.ts';
import { ProviderRefusal } from '../social/refusal.ts';
import { FLOW, INVALID, LOGIN } from '../ui/message.ts';
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
import type { SettingsFlows, SettingsOutcome } from './settings.ts';
import type { Holder, SocialPeople } from './social-people.ts';

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
  readonly #people: SocialPeople;

  constructor(
    services: Services,
    providers: Providers,
    flows: {
      readonly login: LoginFlows;
      readonly registration: RegistrationFlows;
      readonly settings: SettingsFlows;
    },
    people: SocialPeople,
  ) {
    this.#services = services;
    this.#providers = providers;
    this.#login = flows.login;
    this.#registration = flows.registration;
    this.#settings = flows.settings;
    this.#people = people;
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
    const known = await this.#people.find(provider, claims);
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
    const changed = await this.#people.updated(account, provider, claims);
    return {
      ...{ kind: 'authenticated', account, method: this.#people.method(provider, claims) },
      ...(changed === undefined ? {} : { changed }),
    };
  }

  // Registration

  async #register(
    flow: Flow,
    provider: SocialProvider,
    claims: Claims,
    typed: JsonObject,
    visitor: Visitor,
  ): Promise<SocialOutcome> {
    const known = await this.#people.find(provider, claims);
    if (known !== undefined) {
      const login = await this.#beginLogin(flow);
      const authenticated = await this.#authenticated(login, known, provider, claims, visitor);
      return { of: 'login', outcome: await this.#login.complete(login, authenticated, visitor) };
    }
    let traits = typed;
    try {
      const registered = this.#people.registered(flow, provider, claims, typed);
      traits = registered.traits;
      return await this.#store(flow, registered, provider, claims, visitor);
    } catch (reason) {
      if (!(reason instanceof FlowProblem)) throw reason;
      const merged = traits === typed ? this.#people.traitsOf(provider, claims, typed) : traits;
      return this.#shown(flow, reason, merged, visitor);
    }
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
      const holder = isTaken ? await this.#people.holder(registered.traits, flow) : undefined;
      if (holder === undefined) throw reason;
      const link = { provider: provider.config.id, subject: claims.sub };
      return this.#offerLink(flow, holder, link, provider.config.label);
    }
  }

  /** A login flow that links, once the account that has the address has signed in. */
  async #offerLink(
    flow: Flow,
    { account, name }: Holder,
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
      ...{ isRefresh: false, aal: 'aal1', via: undefined, session: undefined, schemaId: undefined },
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
    const other = await this.#people.find(provider, claims);
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
