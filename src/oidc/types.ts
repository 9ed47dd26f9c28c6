/**
 * What the OpenID Provider is told of people and sessions, and what it shows. Types alone; server/ hands them in, since
 * a domain imports no other.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** The standing session that came with a request. */
export interface SignedIn {
  readonly sessionId: string;
  readonly accountId: string;
  readonly authenticatedAtMs: number;
  /** Authentication context: `aal1` or `aal2`. */
  readonly acr: string;
  /** Authentication methods (RFC 8176). */
  readonly amr: readonly string[];
  /** Whether the person has a second factor to be asked for. */
  readonly canStepUp: boolean;
  /** False while the accounts ask for a second factor that this session has not shown. */
  readonly isEnough: boolean;
}

/** What clients may learn of a person, by OpenID Connect Core section 5.1. */
export interface Profile {
  readonly name: string;
  readonly nickname: string | undefined;
  readonly givenName: string | undefined;
  readonly familyName: string | undefined;
  readonly picture: string | undefined;
  readonly email: string | undefined;
  readonly isEmailVerified: boolean;
  readonly updatedAtMs: number;
}

export interface SignInOptions {
  readonly returnTo: string;
  /** Proves again who is signed in already. */
  readonly isRefresh: boolean;
  readonly acr?: 'aal2';
  readonly isSignup: boolean;
}

/** The accounts, as the provider sees them. */
export interface People {
  sessionOf(headers: IncomingHttpHeaders): Promise<SignedIn | undefined>;
  /** Undefined for nobody and for who is shut out. */
  profileOf(accountId: string): Promise<Profile | undefined>;
  /** False once a session was revoked or its person shut out; one that merely expired stood to its end. */
  isStanding(sessionId: string): Promise<boolean>;
  /** Ends a session with all that rests on it. */
  endSession(sessionId: string): Promise<void>;
  /** Set-Cookie texts that make the browser forget a session. */
  readonly forgetting: readonly string[];
  signInUrl(o: SignInOptions): string;
  /** Takes one try at a device's code. False when there is none left for this address or person. */
  spendGuess(o: {
    readonly address: string;
    readonly accountId: string | undefined;
  }): Promise<boolean>;
}

/** A grant by which somebody registers clients from outside. */
export interface InitialAccess {
  readonly ownerId: string;
  readonly isAdministrator: boolean;
}

export interface Scope {
  readonly name: string;
  /** In words a person understands. */
  readonly words: string;
}

/** The provider's pages. Each answers whole HTML with the headers that it needs. */
export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}
export interface ShownClient {
  readonly name: string;
  readonly uri: string | undefined;
}
export interface Pages {
  consent(o: {
    readonly client: ShownClient;
    readonly accountName: string;
    readonly scopes: readonly Scope[];
    readonly action: string;
    /** Where the browser is sent after the decision; a browser holds form-action against it. */
    readonly target: string | undefined;
  }): Page;
  deviceCode(o: {
    readonly action: string;
    readonly xsrf: string;
    readonly error: string | undefined;
    /** As it stood in the address. */
    readonly userCode: string;
  }): Page;
  deviceConfirm(o: {
    readonly action: string;
    readonly xsrf: string;
    readonly client: ShownClient;
    readonly userCode: string;
    /** As it goes back in the form. */
    readonly rawUserCode: string;
  }): Page;
  deviceDone(o: { readonly client: ShownClient }): Page;
  error(o: { readonly title: string; readonly detail: string; readonly code: string }): Page;
  confirmLogout(o: {
    readonly action: string;
    readonly xsrf: string;
    readonly client: ShownClient | undefined;
    readonly target: string | undefined;
  }): Page;
  loggedOut(): Page;
}

/** An API that clients ask access tokens for by `audience`. */
export interface Api {
  /** An absolute URI. */
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly lifespanMs: number;
}
