/**
 * How oidc-provider is set up: Auth0's paths and habits over our clients, people and records. INVARIANT: public clients
 * prove possession by PKCE or, a single-page app behind a server, by their secret; there is no implicit flow; nobody
 * signs with an algorithm but RS256.
 */
import type { JWK } from 'jose';
import {
  type ClientMetadata,
  type Configuration,
  errors,
  type KoaContextWithOIDC,
} from 'oidc-provider';
import { CLAIMS, claimsOf, SCOPES } from './claims.ts';
import type { OidcClient } from './client.ts';
import { newClientId, newClientSecret } from './client-secret.ts';
import { isOriginAllowed } from './client-urls.ts';
import { ACRS, policy } from './policy.ts';
import type { Records } from './records.ts';
import type { Api, Page, Pages, People } from './types.ts';

export const ROUTES = {
  authorization: '/authorize',
  backchannel_authentication: '/oauth/backchannel',
  code_verification: '/activate',
  device_authorization: '/oauth/device/code',
  end_session: '/oidc/logout',
  introspection: '/oauth/introspect',
  jwks: '/.well-known/jwks.json',
  pushed_authorization_request: '/oauth/par',
  registration: '/oidc/register',
  revocation: '/oauth/revoke',
  token: '/oauth/token',
  userinfo: '/userinfo',
} as const;

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;
/** However often it is exchanged, a refresh token's family ends. */
export const REFRESH_S: number = 30 * DAY_S;

/** A client as oidc-provider knows it (RFC 7591). `isBySecret` tells how it proves itself in this request. */
export function clientMetadata(
  client: OidcClient,
  secretHash: string | undefined,
  isBySecret: boolean,
): ClientMetadata {
  const { type } = client;
  const isUser = type !== 'service';
  const hasSecret = type === 'web' || type === 'service' || (type === 'spa' && isBySecret);
  return {
    client_id: client.id,
    client_name: client.name,
    ...(hasSecret && secretHash !== undefined ? { client_secret: secretHash } : {}),
    token_endpoint_auth_method: hasSecret ? 'client_secret_post' : 'none',
    application_type: type === 'native' ? 'native' : 'web',
    grant_types: isUser
      ? [
          'authorization_code',
          'refresh_token',
          ...(type === 'native' ? ['urn:ietf:params:oauth:grant-type:device_code'] : []),
        ]
      : ['client_credentials'],
    response_types: isUser && client.callbackUrls.length > 0 ? ['code'] : [],
    redirect_uris: isUser ? [...client.callbackUrls] : [],
    post_logout_redirect_uris: [...client.logoutUrls],
    id_token_signed_response_alg: 'RS256',
    ...(client.uri === undefined ? {} : { client_uri: client.uri }),
    ...(client.backchannelLogoutUrl === undefined
      ? {}
      : {
          backchannel_logout_uri: client.backchannelLogoutUrl,
          backchannel_logout_session_required: true,
        }),
    web_origins: [...client.webOrigins],
    is_first_party: client.isFirstParty,
    is_spa: type === 'spa',
  };
}

export const isFirstParty = (ctx: KoaContextWithOIDC): boolean =>
  ctx.oidc.client?.['is_first_party'] === true;

/** Carries through a pushed request that a refresh token was asked for. */
const OFFLINE = 'postern_offline';

/**
 * The library takes `offline_access` away from who does not also ask for consent anew; Auth0 does not, and its users'
 * clients do not ask. Whether a person has to agree is decided by the consent check.
 */
function keepOfflineAccess(ctx: KoaContextWithOIDC, value: string | undefined): void {
  const { params, client, body } = ctx.oidc;
  if (params === undefined || client?.grantTypeAllowed('refresh_token') !== true) return;
  const asked: unknown = ctx.method === 'POST' ? body?.['scope'] : ctx.query['scope'];
  const isAsked = typeof asked === 'string' && asked.split(' ').includes('offline_access');
  if (!isAsked && value !== '1') return;
  const scopes = new Set(ctx.oidc.requestParamScopes).add('offline_access');
  params['scope'] = [...scopes].join(' ');
  params[OFFLINE] = '1';
}

function show(ctx: KoaContextWithOIDC, page: Page): void {
  for (const [name, value] of Object.entries(page.headers)) ctx.set(name, value);
  ctx.body = page.html;
}

const shown = (ctx: KoaContextWithOIDC): { name: string; uri: string | undefined } => {
  const { client } = ctx.oidc;
  return {
    name: client?.clientName ?? client?.clientId ?? 'an application',
    uri: client?.clientUri,
  };
};

/** The token that a form of the library carries back against forgery. */
function xsrfOf(ctx: KoaContextWithOIDC): string {
  const secret: unknown = ctx.oidc.session?.state?.['secret'];
  return typeof secret === 'string' ? secret : '';
}

const USER_CODE_FAULTS: Readonly<Record<string, string>> = {
  NoCodeError: 'Enter the code that your device shows.',
  NotFoundError: 'There is no such code. Look at your device again.',
  ExpiredError: 'This code has expired. Start again on your device.',
  AlreadyUsedError: 'This code was used already. Start again on your device.',
  AbortedError: 'You refused. The device was told.',
  TooManyGuesses:
    'Too many codes were tried from here. Wait a few minutes, then enter yours again.',
};

export interface ConfigurationParts {
  readonly records: Records;
  readonly people: People;
  readonly pages: Pages;
  readonly apis: readonly Api[];
  readonly jwks: readonly JWK[];
  readonly cookieKeys: readonly string[];
  readonly isSecure: boolean;
  readonly adapterOf: (model: string) => ReturnType<Records['adapter']>;
}

/**
 * Fetches what the library asks for, with its guard against addresses of this network; but a client's back-channel
 * address, which only an administrator sets, may well be one.
 */
const fetchFor: NonNullable<Configuration['fetch']> = (url, options = {}) => {
  const { dispatcher: _, ...rest } = options;
  const isLogout = options.body instanceof URLSearchParams && options.body.has('logout_token');
  return fetch(url, isLogout ? rest : options);
};

/** The whole configuration. */
export function configurationOf(parts: ConfigurationParts): Configuration {
  const { records, people, pages, isSecure } = parts;
  const apis = new Map(parts.apis.map((api) => [api.audience, api]));
  const cookie = {
    httpOnly: true,
    sameSite: 'lax',
    secure: isSecure,
    signed: true,
    overwrite: true,
  } as const;
  return {
    adapter: (name: string) => parts.adapterOf(name),
    jwks: { keys: parts.jwks as never },
    routes: ROUTES,
    scopes: Object.keys(SCOPES),
    claims: CLAIMS,
    acrValues: ACRS,
    conformIdTokenClaims: false,
    fetch: fetchFor,
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    responseTypes: ['code'],
    enabledJWA: { idTokenSigningAlgValues: ['RS256'], userinfoSigningAlgValues: ['RS256'] },
    cookies: {
      names: {
        session: 'postern_oidc',
        interaction: 'postern_oidc_interaction',
        resume: 'postern_oidc_resume',
      },
      keys: [...parts.cookieKeys],
      long: cookie,
      short: cookie,
    },
    extraParams: {
      audience: null,
      screen_hint: null,
      connection: null,
      organization: null,
      [OFFLINE]: keepOfflineAccess,
    },
    extraClientMetadata: {
      properties: ['web_origins', 'is_first_party', 'is_spa'],
      validator: (ctx, key, value) => {
        // A context is there when a client is registered from outside: it does not say what it is trusted with.
        if (ctx !== undefined && key !== 'web_origins' && value !== undefined)
          throw new errors.InvalidClientMetadata(`${key} is not for a client to say`);
      },
    },
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'RS256',
    },
    pkce: {
      // A single-page app may leave it out and prove itself by its secret: see the exchange below.
      required: (_ctx, client) => client.clientAuthMethod === 'none' && client['is_spa'] !== true,
    },
    clientBasedCORS: (_ctx, origin, client) => {
      const origins: unknown = client['web_origins'];
      return Array.isArray(origins) && isOriginAllowed(origin, origins.map(String));
    },
    findAccount: async (ctx, accountId, token) => {
      if (
        token?.kind === 'AuthorizationCode' &&
        ctx.oidc.client?.clientAuthMethod === 'none' &&
        Reflect.get(token, 'codeChallenge') === undefined
      )
        throw new errors.InvalidGrant('a public client proves itself by PKCE');
      const profile = await people.profileOf(accountId);
      if (profile === undefined) return undefined;
      return { accountId, claims: async () => claimsOf(accountId, profile) as { sub: string } };
    },
    loadExistingGrant: async (ctx) => {
      const { oidc } = ctx;
      const { client, session, provider } = oidc;
      if (client === undefined || session?.accountId === undefined) return undefined;
      const given =
        oidc.result?.consent?.grantId ??
        session.grantIdFor(client.clientId) ??
        (await records.grantIdFor(session.accountId, client.clientId));
      const known = given === undefined ? undefined : await provider.Grant.find(given);
      if (!isFirstParty(ctx)) return known;
      const grant =
        known ?? new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
      const before = JSON.stringify([grant.getOIDCScope(), grant.resources]);
      grant.addOIDCScope([...oidc.requestParamOIDCScopes].join(' '));
      for (const [audience, server] of Object.entries(oidc.resourceServers ?? {}))
        grant.addResourceScope(
          audience,
          [...oidc.requestParamScopes].filter((s) => server.scopes.has(s)).join(' '),
        );
      if (known === undefined || before !== JSON.stringify([grant.getOIDCScope(), grant.resources]))
        await grant.save();
      return grant;
    },
    // Records end with the accounts' session by themselves, on every server: see records.ts.
    expiresWithSession: async () => false,
    issueRefreshToken: async (_ctx, client, code) =>
      client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    rotateRefreshToken: true,
    interactions: {
      policy: policy(),
      url: async (_ctx, interaction) => `/interaction/${interaction.uid}`,
    },
    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? HOUR_S,
      AuthorizationCode: MINUTE_S,
      ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? HOUR_S,
      DeviceCode: 10 * MINUTE_S,
      Grant: 90 * DAY_S,
      IdToken: HOUR_S,
      Interaction: HOUR_S,
      RefreshToken: (_ctx, token) => {
        const begun = token.iiat ?? Math.floor(Date.now() / 1_000);
        return Math.max(1, begun + REFRESH_S - Math.floor(Date.now() / 1_000));
      },
      Session: REFRESH_S,
    },
    renderError: (ctx, out) => {
      show(
        ctx,
        pages.error({
          title: 'This sign-in request does not work',
          detail: String(out.error_description ?? out.error),
          code: String(out.error),
        }),
      );
    },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      claimsParameter: { enabled: true },
      dPoP: { enabled: false },
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      revocation: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx) => {
          const target: unknown = ctx.oidc.session?.state?.['postLogoutRedirectUri'];
          show(
            ctx,
            pages.confirmLogout({
              action: ctx.oidc.urlFor('end_session_confirm'),
              xsrf: xsrfOf(ctx),
              client: ctx.oidc.client === undefined ? undefined : shown(ctx),
              target: typeof target === 'string' ? target : undefined,
            }),
          );
        },
        postLogoutSuccessSource: (ctx) => show(ctx, pages.loggedOut()),
      },
      deviceFlow: {
        enabled: true,
        charset: 'base-20',
        mask: '****-****',
        userCodeInputSource: (ctx, _form, _out, err) => {
          const known = err === undefined ? undefined : USER_CODE_FAULTS[err.constructor.name];
          const error =
            err === undefined ? undefined : (known ?? 'That did not work. Enter the code again.');
          const action = ctx.oidc.urlFor('code_verification');
          const given: unknown = ctx.state['userCode'];
          const userCode = typeof given === 'string' ? given : '';
          show(ctx, pages.deviceCode({ action, xsrf: xsrfOf(ctx), error, userCode }));
        },
        userCodeConfirmSource: (ctx, _form, _client, _info, userCode) => {
          const raw: unknown = ctx.oidc.params?.['user_code'];
          show(
            ctx,
            pages.deviceConfirm({
              action: ctx.oidc.urlFor('code_verification'),
              xsrf: xsrfOf(ctx),
              client: shown(ctx),
              userCode,
              rawUserCode: typeof raw === 'string' ? raw : '',
            }),
          );
        },
        successSource: (ctx) => show(ctx, pages.deviceDone({ client: shown(ctx) })),
      },
      registration: {
        enabled: true,
        initialAccessToken: true,
        issueRegistrationAccessToken: false,
        idFactory: () => newClientId(),
        secretFactory: async () => newClientSecret().reveal(),
      },
      resourceIndicators: {
        enabled: true,
        // Auth0's `audience` is RFC 8707's `resource`.
        defaultResource: async (ctx, _client, oneOf) => {
          if (oneOf !== undefined && oneOf.length > 0) return oneOf;
          // At the token endpoint it is in the body alone.
          const audience: unknown = ctx.oidc.params?.['audience'] ?? ctx.oidc.body?.['audience'];
          return typeof audience === 'string' && audience !== '' ? audience : (undefined as never);
        },
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_ctx, audience) => {
          const api = apis.get(audience);
          if (api === undefined) throw new errors.InvalidTarget('there is no API of this audience');
          return {
            scope: api.scopes.join(' '),
            audience,
            accessTokenTTL: Math.floor(api.lifespanMs / 1_000),
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          };
        },
      },
    },
  };
}
