/** The door of the OpenID Provider. Loading it is cheap: the library behind it is loaded at the first request. */

export {
  type Actor,
  CLIENT_TYPES,
  type ClientSpec,
  type ClientType,
  type OidcClient,
} from './client.ts';
export { allowedLogoutUrl, isUrlAllowed } from './client-urls.ts';
export { ClientManager } from './clients.ts';
export { type HostParts, OidcHost } from './host.ts';
export type { SigningKeyInfo } from './keys.ts';
export type { TokenOwner } from './provider.ts';
export type {
  Api,
  InitialAccess,
  Page,
  Pages,
  People,
  Profile,
  Scope,
  ShownClient,
  SignedIn,
  SignInOptions,
} from './types.ts';
