/**
 * What a way to sign in (password, code, passkey …) does in each flow. The flows know methods by these interfaces alone;
 * a method never issues a session, never writes an account: it answers what is to become, and the flow does it in one
 * transaction.
 */
import type { Account, AuthenticationMethod, Credential, Json, JsonObject } from '../account.ts';
import type { CodeAddress, IdentitySchema } from '../schema/identity-schema.ts';
import type { NewMessage } from '../services.ts';
import type { AttemptBudget } from '../throttle.ts';
import type { UiNode } from '../ui/node.ts';
import type { Flow, Submission, Visitor } from './flow.ts';

/** The flow comes back to be shown: a code was sent, a challenge was made. */
export interface Shown {
  readonly kind: 'shown';
  readonly flow: Flow;
  /** Put into the courier's queue in the transaction that keeps the flow. */
  readonly messages?: readonly NewMessage[];
  /** True where JSON callers get 200, not 400. */
  readonly isOk?: boolean;
}

export interface Authenticated {
  readonly kind: 'authenticated';
  readonly account: Account;
  /** The flow as the method left it in the store, where it wrote there (an attempt counted). */
  readonly flow?: Flow;
  readonly method: AuthenticationMethod;
  /** The account as it is to be stored, where signing in changed it (a re-hash, a used code, a verified address). */
  readonly changed?: Account;
  /** What the attempt took, of which its success gives back. */
  readonly spent?: readonly AttemptBudget[];
}

export interface Registered {
  readonly kind: 'registered';
  /** As in Authenticated. */
  readonly flow?: Flow;
  readonly traits: JsonObject;
  readonly credentials: readonly Credential[];
  readonly method: AuthenticationMethod;
  /** Addresses that were proved on the way. */
  readonly verified?: readonly CodeAddress[];
  readonly metadataPublic?: Json;
  readonly metadataAdmin?: Json;
}

/** What settings are to become. */
export interface Changed {
  readonly kind: 'changed';
  readonly account: Account;
  /** For hooks and the audit. */
  readonly what: string;
  /** What was shown by adding it: the session counts it as given. */
  readonly proved?: AuthenticationMethod;
}

/** Another site has to be visited first (social sign-in). */
export interface Detour {
  readonly kind: 'detour';
  readonly url: string;
  readonly flow: Flow;
}

export interface LoginMethod {
  readonly name: string;
  readonly aal: 'aal1' | 'aal2';
  /** What a person sees; `account` is known for a second factor and a refresh, and only then. */
  nodes(flow: Flow, account: Account | undefined): Promise<readonly UiNode[]>;
  /** Throws FlowProblem for whatever the person can put right. */
  submit(
    flow: Flow,
    submission: Submission,
    visitor: Visitor,
    account: Account | undefined,
  ): Promise<Authenticated | Shown | Detour>;
}

export interface RegistrationMethod {
  readonly name: string;
  /** True where traits come from elsewhere: those that were typed need not be whole. Shown on the first screen too. */
  readonly isDetour?: boolean;
  nodes(flow: Flow, schema: IdentitySchema): Promise<readonly UiNode[]>;
  /** `traits` are checked already, unless the method is a detour. */
  submit(
    flow: Flow,
    submission: Submission,
    traits: JsonObject,
    schema: IdentitySchema,
    visitor: Visitor,
  ): Promise<Registered | Shown | Detour>;
}

export interface SettingsMethod {
  readonly name: string;
  nodes(flow: Flow, account: Account): Promise<readonly UiNode[]>;
  /** Whether a submission needs a session that was proved a short while ago. */
  isPrivileged(submission: Submission, account: Account): boolean;
  submit(
    flow: Flow,
    submission: Submission,
    account: Account,
    visitor: Visitor,
  ): Promise<Changed | Shown | Detour>;
}

/** A way to sign in, with the flows that it takes part in. */
export interface Method {
  readonly name: string;
  readonly login?: LoginMethod;
  /** A second one of the same name, where a method serves as a first and as a second factor. */
  readonly secondFactor?: LoginMethod;
  readonly registration?: RegistrationMethod;
  readonly settings?: SettingsMethod;
  /** What a new login or registration flow has to know before it is shown: a challenge. */
  readonly prepare?: (flow: Flow) => Flow;
  /** What a new settings flow has to know before it is shown: a fresh secret, a challenge. */
  readonly prepareSettings?: (flow: Flow, account: Account) => Flow;
  /** Takes back what a settings flow knew, once something was changed. */
  readonly afterSettings?: (flow: Flow) => Flow;
}

/** The flow with challenges that nobody has answered, in the place of those that it had. */
export function withFreshChallenges(methods: readonly Method[], flow: Flow): Flow {
  return methods.reduce((fresh, { prepare }) => prepare?.(fresh) ?? fresh, flow);
}
