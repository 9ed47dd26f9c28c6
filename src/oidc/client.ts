/** What a client of the OpenID Provider is: an application with its addresses and who made it. Types alone. */

/**
 * `web` keeps a secret; `spa` runs in a browser (PKCE) and may use its secret from a server; `native` runs on a device
 * (PKCE, loopback and private-scheme callbacks, device flow); `service` acts for itself (client credentials).
 */
export const CLIENT_TYPES = ['web', 'spa', 'native', 'service'] as const;
export type ClientType = (typeof CLIENT_TYPES)[number];

export interface OidcClient {
  readonly id: string;
  readonly name: string;
  readonly type: ClientType;
  readonly callbackUrls: readonly string[];
  readonly logoutUrls: readonly string[];
  readonly webOrigins: readonly string[];
  /** Told when a session ends (OpenID Connect Back-Channel Logout). */
  readonly backchannelLogoutUrl: string | undefined;
  /** Made by an administrator for this site: people are not asked for their consent. */
  readonly isFirstParty: boolean;
  readonly uri: string | undefined;
  readonly hasSecret: boolean;
  /** The principal that made it; undefined for the site's own. */
  readonly ownerId: string | undefined;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface ClientSpec {
  readonly id?: string | undefined;
  readonly name: string;
  readonly type: ClientType;
  readonly callbackUrls?: readonly string[] | undefined;
  readonly logoutUrls?: readonly string[] | undefined;
  readonly webOrigins?: readonly string[] | undefined;
  readonly backchannelLogoutUrl?: string | undefined;
  readonly isFirstParty?: boolean | undefined;
  readonly uri?: string | undefined;
  /** True for a single-page app that has no secret to use. */
  readonly isPublic?: boolean | undefined;
}

/** Who changes a client: an administrator, or a person with their own. */
export interface Actor {
  readonly principalId: string;
  readonly isAdministrator: boolean;
}
