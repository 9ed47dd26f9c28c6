/**
 * Social sign-in, the part that sends people away (reference: Kratos's method `oidc`): a button for each provider, and
 * the trip that the flow remembers. What they bring back is flows/social.ts's. INVARIANT: a trip belongs to one flow, one
 * browser and one provider, and is made once.
 */
import { randomBytes } from 'node:crypto';
import type { Account, Json, JsonObject } from '../account.ts';
import {
  type Flow,
  problem,
  recordOf,
  type Submission,
  textOf,
  type Visitor,
  withNote,
} from '../flows/flow.ts';
import type {
  Authenticated,
  Changed,
  Detour,
  LoginMethod,
  Method,
  Registered,
  RegistrationMethod,
  SettingsMethod,
} from '../flows/method.ts';
import type { Services } from '../services.ts';
import type { Claims } from '../social/claims.ts';
import { linksOf, withLinks } from '../social/credential.ts';
import type { SocialProvider, Trip } from '../social/provider.ts';
import { ProviderRefusal } from '../social/refusal.ts';
import { FLOW, INVALID, LOGIN, REGISTRATION, SETTINGS } from '../ui/message.ts';
import { submit, type UiNode } from '../ui/node.ts';
import { firstFactorCount } from '../webauthn/credential.ts';

const NOTE = 'oidc';
const STATE_BYTES = 32;
/**
 * What an app may pass on to the provider. `login_hint` is not among them: whoever sends people here could choose an
 * account, a tenant or, at some providers, another client by it.
 */
const UPSTREAM = ['hd', 'prompt', 'auth_type', 'acr_values'];
const UPSTREAM_MAX = 512;

/** The providers of the configuration, by id. */
export type Providers = ReadonlyMap<string, SocialProvider>;

/** What a flow knows of somebody who is at a provider. */
export interface TripNote extends Trip {
  readonly provider: string;
  /** What was typed before. */
  readonly traits: JsonObject;
}

/** The state's first part says whose it is; the rest is random. */
function newState(flow: Flow): string {
  return `${flow.kind}.${flow.id}.${randomBytes(STATE_BYTES).toString('base64url')}`;
}
export function tripOf(flow: Flow): TripNote | undefined {
  return recordOf(flow, NOTE);
}
/** The flow without its trip: nobody comes back from it twice. */
export function withoutTrip(flow: Flow): Flow {
  return withNote(flow, NOTE, undefined);
}

function upstreamOf(submission: Submission): Record<string, string> {
  const { upstream_parameters: nested } = submission.fields;
  const given: Record<string, string> = {};
  for (const name of UPSTREAM) {
    const within =
      typeof nested === 'object' && nested !== null && Object.hasOwn(nested, name)
        ? (Reflect.get(nested, name) as Json)
        : undefined;
    const value = within ?? textOf(submission, `upstream_parameters.${name}`);
    if (typeof value === 'string' && value !== '' && value.length <= UPSTREAM_MAX)
      given[name] = value;
  }
  return given;
}

function find(providers: Providers, id: string | undefined): SocialProvider {
  const provider = providers.get(id ?? '');
  if (provider === undefined) throw problem(INVALID.required('provider'));
  return provider;
}

/** Sends a flow's person to a provider. */
async function depart(
  flow: Flow,
  provider: SocialProvider,
  submission: Submission,
  traits: JsonObject,
): Promise<Detour> {
  const { id, label } = provider.config;
  const isForced = flow.kind === 'login' && flow.isRefresh;
  const o = { isForced, upstream: upstreamOf(submission) };
  try {
    const { url, trip } = await provider.begin(newState(flow), o);
    const { state, nonce, verifier } = trip;
    const note: Json = {
      ...{ provider: id, state, nonce, traits },
      ...(verifier === undefined ? {} : { verifier }),
    };
    return { kind: 'detour', url, flow: withNote({ ...flow, active: 'oidc' }, NOTE, note) };
  } catch (reason) {
    if (!(reason instanceof ProviderRefusal)) throw reason;
    throw problem(FLOW.providerRefused(label, reason.code));
  }
}

/** What finishes a sign-in whose claims are there already: a native app's ID token. */
export interface ClaimsEnd {
  signIn(flow: Flow, provider: SocialProvider, claims: Claims): Promise<Authenticated>;
  register(
    flow: Flow,
    provider: SocialProvider,
    claims: Claims,
    typed: JsonObject,
  ): Promise<Registered>;
}

/** The claims of a submitted ID token; undefined when there is none. Throws FlowProblem. */
async function submittedClaims(
  provider: SocialProvider,
  submission: Submission,
): Promise<Claims | undefined> {
  const token = textOf(submission, 'id_token');
  if (token === undefined) return undefined;
  try {
    return await provider.verify(token, textOf(submission, 'id_token_nonce'));
  } catch (reason) {
    if (!(reason instanceof ProviderRefusal)) throw reason;
    throw problem(FLOW.providerRefused(provider.config.label, reason.code));
  }
}

class SocialLogin implements LoginMethod {
  readonly name = 'oidc';
  readonly aal = 'aal1';
  readonly #providers: Providers;
  readonly #end: ClaimsEnd;
  constructor(providers: Providers, end: ClaimsEnd) {
    this.#providers = providers;
    this.#end = end;
  }

  async nodes(_flow: Flow, account: Account | undefined): Promise<readonly UiNode[]> {
    const linked = new Set(linksOf(account).map((l) => l.provider));
    return [...this.#providers.values()]
      .filter(({ config }) => account === undefined || linked.has(config.id))
      .map(({ config: { id, label } }) =>
        submit('oidc', 'provider', id, LOGIN.signInWith(label, id)),
      );
  }

  async submit(flow: Flow, submission: Submission): Promise<Authenticated | Detour> {
    const provider = find(this.#providers, textOf(submission, 'provider'));
    const claims = await submittedClaims(provider, submission);
    if (claims !== undefined) return this.#end.signIn(flow, provider, claims);
    return depart(flow, provider, submission, {});
  }
}

class SocialRegistration implements RegistrationMethod {
  readonly name = 'oidc';
  readonly isDetour = true;
  readonly #providers: Providers;
  readonly #end: ClaimsEnd;
  constructor(providers: Providers, end: ClaimsEnd) {
    this.#providers = providers;
    this.#end = end;
  }

  async nodes(): Promise<readonly UiNode[]> {
    return [...this.#providers.values()].map(({ config: { id, label } }) =>
      submit('oidc', 'provider', id, REGISTRATION.signUpWith(label, id)),
    );
  }

  async submit(
    flow: Flow,
    submission: Submission,
    traits: JsonObject,
  ): Promise<Detour | Registered> {
    const provider = find(this.#providers, textOf(submission, 'provider'));
    const claims = await submittedClaims(provider, submission);
    if (claims !== undefined) return this.#end.register(flow, provider, claims, traits);
    return depart(flow, provider, submission, traits);
  }
}

class SocialSettings implements SettingsMethod {
  readonly name = 'oidc';
  readonly #services: Services;
  readonly #providers: Providers;
  constructor(services: Services, providers: Providers) {
    this.#services = services;
    this.#providers = providers;
  }
  isPrivileged(): boolean {
    return true;
  }

  async nodes(_flow: Flow, account: Account): Promise<readonly UiNode[]> {
    const linked = new Set(linksOf(account).map((l) => l.provider));
    const known = [...this.#providers.values()].map(({ config }) => config);
    const isLast = firstFactorCount(account) < 2;
    return [
      ...known
        .filter(({ id }) => !linked.has(id))
        .map(({ id, label }) => submit('oidc', 'link', id, SETTINGS.link(label))),
      ...known
        .filter(({ id }) => linked.has(id) && !isLast)
        .map(({ id, label }) => submit('oidc', 'unlink', id, SETTINGS.unlink(label))),
    ];
  }

  async submit(
    flow: Flow,
    submission: Submission,
    account: Account,
    _visitor: Visitor,
  ): Promise<Changed | Detour> {
    const removed = textOf(submission, 'unlink');
    if (removed !== undefined) return this.#unlink(account, removed);
    const provider = find(this.#providers, textOf(submission, 'link'));
    // A program has no browser that could be shown to be the person's.
    if (flow.type === 'api')
      throw problem(INVALID.generic('An account is linked in a browser: begin a browser flow.'));
    if (linksOf(account).some((l) => l.provider === provider.config.id))
      throw problem(INVALID.generic(`${provider.config.label} is linked already.`));
    return depart(flow, provider, submission, {});
  }

  #unlink(account: Account, provider: string): Changed {
    const links = linksOf(account);
    const kept = links.filter((l) => l.provider !== provider);
    if (kept.length === links.length) throw problem(INVALID.required('unlink'));
    const without = withLinks(account, kept, this.#services.clock.now());
    if (firstFactorCount(without) < 1) throw problem(INVALID.lastCredential);
    return { kind: 'changed', account: without, what: `${provider} unlinked` };
  }
}

export function createSocialMethod(
  services: Services,
  providers: Providers,
  end: ClaimsEnd,
): Method {
  return {
    name: 'oidc',
    login: new SocialLogin(providers, end),
    registration: new SocialRegistration(providers, end),
    settings: new SocialSettings(services, providers),
  };
}
