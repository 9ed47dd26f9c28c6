/**
 * oidc-provider over our parts: one instance for a set of signing keys. INVARIANT: every address in an answer comes from
 * the configured issuer, whatever Host or Forwarded headers say; a provider's session is that of the accounts or nobody's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JWK } from 'jose';
import { type Adapter, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Audit } from '../audit/index.ts';
import type { Store } from '../store/index.ts';
import { clientAdapter, type FindInitialAccess, initialAccessAdapter } from './client-records.ts';
import { isClientSecret } from './client-secret.ts';
import { isUrlAllowed } from './client-urls.ts';
import { configurationOf, ROUTES } from './configuration.ts';
import { type LogoutParts, rpLogout } from './logout.ts';
import { boundUid, sessionOfUid } from './records.ts';
import type { Api, InitialAccess, Pages, People, SignedIn } from './types.ts';

const USER_CODE_MAX = 32;

export interface ProviderParts extends LogoutParts {
  readonly issuer: string;
  readonly store: Store;
  readonly audit: Audit;
  readonly pages: Pages;
  readonly apis: readonly Api[];
  readonly initialAccess: FindInitialAccess;
}

/** What an access token says. */
export interface TokenOwner {
  readonly accountId: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  readonly sessionId: string;
}

/** Makes a provider that signs with the first of the keys. */
export function createProvider(
  parts: ProviderParts,
  keys: { readonly jwks: readonly JWK[]; readonly cookies: readonly string[] },
  end: (sessionId: string) => Promise<void>,
): Provider {
  const registrants = new WeakMap<object, InitialAccess>();
  const adapterOf = (model: string): Adapter => {
    if (model === 'Client')
      return clientAdapter(parts.clients, () =>
        Provider.ctx === undefined ? undefined : registrants.get(Provider.ctx.req),
      );
    if (model === 'InitialAccessToken')
      return initialAccessAdapter(parts.initialAccess, (access) => {
        if (Provider.ctx !== undefined) registrants.set(Provider.ctx.req, access);
      });
    return parts.records.adapter(model);
  };
  const provider = new Provider(
    parts.issuer,
    configurationOf({
      ...parts,
      adapterOf,
      jwks: keys.jwks,
      cookieKeys: keys.cookies,
      isSecure: parts.issuer.startsWith('https:'),
    }),
  );
  // Safe, since `takeHeaders` sets what is believed of a proxy.
  provider.proxy = true;
  bindClients(provider);
  bindSessions(provider, parts.people);
  const cookieName = provider.cookieName('session');
  provider.use(async (ctx, next) => {
    const route = ctx.path.startsWith('/oidc/logout');
    const oidc = ctx as KoaContextWithOIDC;
    if (!route) return next();
    return rpLogout(oidc, next, { ...parts, cookieName, end });
  });
  provider.use(async (ctx, next) => {
    try {
      await next();
    } catch (reason) {
      // A form for codes from a browser that was never on its page: the library's own handler of faults stumbles over it.
      const { session } = (ctx as KoaContextWithOIDC).oidc ?? {};
      const isForm = ctx.method === 'POST' && ctx.path === ROUTES.code_verification;
      if (!isForm || session?.exp !== undefined) throw reason;
      const detail = 'Open the page for codes in this browser, and enter the code there.';
      const page = parts.pages.error({
        title: 'That did not work',
        detail,
        code: 'invalid_request',
      });
      ctx.status = 400;
      ctx.set({ ...page.headers });
      ctx.body = page.html;
    }
  });
  provider.use(async (ctx, next) => {
    // The library would post the code on by a script; our page shows it filled in, and needs none.
    if (ctx.method === 'GET' && ctx.path === ROUTES.code_verification) {
      const given = ctx.query['user_code'];
      if (typeof given === 'string' && given.length <= USER_CODE_MAX) ctx.state['userCode'] = given;
      ctx.querystring = '';
    }
    return next();
  });
  provider.use(async (ctx, next) => {
    await next();
    await recordSignIn(parts, ctx as KoaContextWithOIDC);
  });
  provider.on('server_error', (_ctx, err) =>
    parts.logger.error({ err }, 'the OpenID Provider met a fault'),
  );
  return provider;
}

/** Addresses with wildcards, and secrets held against what is kept of them. */
function bindClients(provider: Provider): void {
  const { prototype } = provider.Client;
  Object.assign(prototype, {
    redirectUriAllowed(this: typeof prototype, url: string): boolean {
      const isNative = this.applicationType === 'native';
      return isUrlAllowed(url, this.redirectUris ?? [], { isNative });
    },
    postLogoutRedirectUriAllowed(this: typeof prototype, url: string): boolean {
      const isNative = this.applicationType === 'native';
      return isUrlAllowed(url, this.postLogoutRedirectUris ?? [], { isNative });
    },
    compareClientSecret(this: typeof prototype, given: string): boolean {
      return this.clientSecret !== undefined && isClientSecret(given, this.clientSecret);
    },
    // Auth0's ID tokens name their session whether or not a client asked to be told of its end.
    includeSid: (): boolean => true,
  });
}

function signIn(session: InstanceType<Provider['Session']>, signedIn: SignedIn): void {
  session.loginAccount({
    accountId: signedIn.accountId,
    loginTs: Math.floor(signedIn.authenticatedAtMs / 1_000),
    acr: signedIn.acr,
    amr: [...signedIn.amr],
  });
}

/** Whoever is signed in to the accounts is signed in here, and nobody else is. */
function bindSessions(provider: Provider, people: People): void {
  const { Session } = provider;
  const original = Session.get.bind(Session);
  const get = async (ctx: KoaContextWithOIDC): Promise<InstanceType<Provider['Session']>> => {
    let session = await original(ctx);
    const known = await people.sessionOf(ctx.req.headers);
    const signedIn = known?.isEnough === true ? known : undefined;
    const isOther =
      session.accountId !== undefined && sessionOfUid(session.uid) !== signedIn?.sessionId;
    if (isOther) {
      // Made of something, so that the library sets its cookie in place of the one that came.
      session = Reflect.construct(Session, [{}]) as InstanceType<Provider['Session']>;
      ctx.oidc?.entity('Session', session);
    }
    if (signedIn === undefined) return session;
    if (session.accountId === undefined) {
      session.uid = boundUid(signedIn.sessionId, session.uid);
      // An identifier that somebody may have planted before is nobody's from now on.
      session.resetIdentifier();
    }
    signIn(session, signedIn);
    return session;
  };
  Object.assign(Session, { get });
}

async function recordSignIn(parts: ProviderParts, ctx: KoaContextWithOIDC): Promise<void> {
  const { AuthorizationCode: code, DeviceCode: device, Client: client } = ctx.oidc?.entities ?? {};
  const accountId = code?.accountId ?? device?.accountId;
  const { route } = ctx.oidc ?? {};
  const isSignIn =
    route === 'authorization' ||
    route === 'resume' ||
    route?.startsWith('code_') ||
    route === 'device_resume';
  if (!isSignIn || accountId === undefined || client === undefined) return;
  await parts.store.write((trx) =>
    parts.audit.append(trx, {
      actor: accountId,
      action: 'oidc:sign-in',
      resource: `oidc-client/${client.clientId}`,
    }),
  );
}

/** What an access token of ours says; undefined when it is not standing. */
export async function ownerOf(provider: Provider, token: string): Promise<TokenOwner | undefined> {
  const found = await provider.AccessToken.find(token);
  const sessionId = sessionOfUid(found?.sessionUid);
  if (found?.accountId === undefined || found.clientId === undefined || sessionId === undefined)
    return undefined;
  return { accountId: found.accountId, clientId: found.clientId, scopes: found.scopes, sessionId };
}

/** Sets what the library reads of the connection to what is true, and the headers that every answer has. */
export function takeHeaders(
  req: IncomingMessage,
  res: ServerResponse,
  o: { readonly issuer: URL; readonly ipAddress: string },
): void {
  const { issuer } = o;
  req.headers.host = issuer.host;
  req.headers['x-forwarded-host'] = issuer.host;
  req.headers['x-forwarded-proto'] = issuer.protocol.slice(0, -1);
  req.headers['x-forwarded-for'] = o.ipAddress;
  delete req.headers.forwarded;
  res.setHeader('x-content-type-options', 'nosniff');
  res.setHeader('x-frame-options', 'DENY');
  res.setHeader('referrer-policy', 'no-referrer');
  // `script-src` is there for the library to add the hash of its one script to, which posts a form on its own.
  res.setHeader(
    'content-security-policy',
    "default-src 'none'; script-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
}
