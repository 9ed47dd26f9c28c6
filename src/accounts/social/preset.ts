/**
 * What is known of a provider by its name. Data, and one pure function for the providers that describe people in words of
 * their own. What a provider says of a person is its own to say; nothing here may invent a verified address.
 */
import type { Json, JsonObject } from '../account.ts';

/** A provider with OpenID Connect discovery. */
export interface OpenIdPreset {
  readonly kind: 'openid';
  /** Undefined: `issuer_url` says it. */
  readonly issuer: string | undefined;
  readonly claimsSource: 'id_token' | 'userinfo';
  /** Takes the client's secret in the form alone, though its discovery does not say so. */
  readonly isPostOnly?: boolean;
  /** Its ID tokens never repeat a nonce, so that none is sent: the state, bound to the browser, stands alone. */
  readonly isWithoutNonce?: boolean;
  /** Sent along to the token endpoint. */
  readonly tokenParameters?: Readonly<Record<string, string>>;
}

/** A token endpoint that departs from RFC 6749 by more than an answer without `token_type`. */
export interface TokenDialect {
  /** The request is JSON, with these names for the form's; what is not named is not sent. Undefined: a form. */
  readonly json?: Readonly<Record<string, string>>;
  /** The access token's name in the answer; undefined: `access_token`. */
  readonly accessToken?: string;
}

/** How an access token is shown to a provider's API, where it is no bearer token in the header (RFC 6750 2.1). */
export type TokenShown =
  | { readonly header: string; readonly scheme?: string }
  /** Posted as a form; never in the URL, which is logged on its way. */
  | { readonly field: string };

/** A provider with OAuth 2.0 and an API of its own. */
export interface OAuthPreset {
  readonly kind: 'oauth';
  /** `iss` of the claims. */
  readonly issuer: string;
  /** What it calls itself in its answers (RFC 9207); undefined: not known, and the parameter is not looked at. */
  readonly answersAs?: string;
  /** Whether `issuer_url` may put another place of the provider's (its staging) in the place of `issuer`. */
  readonly isMovable?: boolean;
  readonly authorizeUrl: string;
  readonly tokenUrl: string;
  /** Asked with the access token, in this order. */
  readonly profileUrls: readonly string[];
  /** `basic`: the client's secret goes into the header; undefined: into the form. */
  readonly authentication?: 'basic';
  /** Of the authorization request; people's own `upstream_parameters` go before them. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** `prompt` for somebody who has to prove themselves again; undefined: `login`. */
  readonly forcedPrompt?: string;
  /** What `pkce: auto` means, where the provider can do it and tells nobody. */
  readonly pkce?: 'force';
  /** The code's name in the answer, beside `code`. */
  readonly codeParameter?: string;
  readonly dialect?: TokenDialect;
  readonly tokenShown?: TokenShown;
  /** The claims of its answers, of which a refused one is undefined, and of the token endpoint's. */
  readonly claims: (answers: readonly (Json | undefined)[], token: JsonObject) => JsonObject;
}

export type Preset = OpenIdPreset | OAuthPreset;
