/**
 * How a session ends through the provider: `/v2/logout` as at Auth0, RP-initiated logout, and the word to clients that
 * asked for it (OpenID Connect Back-Channel Logout). INVARIANT: the accounts' session ends before anything is answered;
 * telling clients comes after it and can fail without bringing it back.
 */

import type Provider from 'oidc-provider';
import type { AdapterPayload, Client, KoaContextWithOIDC } from 'oidc-provider';
import { type Logger, PosternError } from '../kernel/index.ts';
import { allowedLogoutUrl } from './client-urls.ts';
import type { ClientManager } from './clients.ts';
import type { Records } from './records.ts';
import type { People } from './types.ts';

const TRIES = 3;
const BETWEEN_TRIES_MS = 1_000;

export interface LogoutParts {
  readonly records: Records;
  readonly clients: ClientManager;
  readonly people: People;
  readonly logger: Logger;
  /** Where `/v2/logout` may lead when it names no client. */
  readonly logoutUrls: readonly string[];
}

/**
 * Where `/v2/logout` leads; undefined when it names nothing. Throws `invalid` for an address that is not listed
 * (reference: identity, section 9).
 */
export async function v2Target(
  parts: LogoutParts,
  o: { readonly returnTo: string | undefined; readonly clientId: string | undefined },
): Promise<string | undefined> {
  const client = o.clientId === undefined ? undefined : await parts.clients.find(o.clientId);
  if (o.clientId !== undefined && client === undefined)
    throw new PosternError('invalid', 'There is no application with this client_id');
  const listed = client === undefined ? parts.logoutUrls : client.logoutUrls;
  if (o.returnTo === undefined) return client?.logoutUrls.find((url) => !url.includes('*'));
  const allowed = allowedLogoutUrl(o.returnTo, listed);
  if (allowed !== undefined) return allowed;
  throw new PosternError(
    'invalid',
    client === undefined
      ? 'The returnTo address is not one that sign-outs may lead to'
      : `The returnTo address is not among the logout URLs of ${client.name}`,
    { hint: 'An administrator adds it to the logout URLs.' },
  );
}

/** Ends everything of a session at the provider, and tells the clients that want to know. */
export async function forgetSession(
  provider: Provider,
  parts: LogoutParts,
  sessionId: string,
): Promise<void> {
  const sessions = await parts.records.removeSession(sessionId);
  const told = sessions.flatMap((session) => authorizationsOf(session));
  // Nobody who signs out waits for a client that does not answer.
  void Promise.all(told.map((one) => tell(provider, parts, one)));
}

interface Told {
  readonly clientId: string;
  readonly accountId: string;
  readonly sid: string;
}

function authorizationsOf(session: AdapterPayload): Told[] {
  const { accountId, authorizations = {} } = session;
  if (accountId === undefined) return [];
  return Object.entries(authorizations).flatMap(([clientId, { sid }]) =>
    sid === undefined ? [] : [{ clientId, accountId, sid }],
  );
}

async function tell(
  provider: Provider,
  { logger }: LogoutParts,
  { clientId, accountId, sid }: Told,
): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      const client: Client | undefined = await provider.Client.find(clientId);
      if (client?.backchannelLogoutUri === undefined) return;
      // Of the library's own, and missing in its types.
      const logout = client['backchannelLogout'] as (
        accountId: string,
        sid: string,
      ) => Promise<void>;
      await logout.call(client, accountId, sid);
      return;
    } catch (reason) {
      const err = { err: reason, client: clientId };
      if (tried === TRIES) {
        logger.warn(err, 'an application could not be told of a sign-out');
        return;
      }
      await new Promise<void>((resolve) => setTimeout(resolve, tried * BETWEEN_TRIES_MS).unref());
    }
  }
}

/** RP-initiated logout, before and after what the library does of it. */
export async function rpLogout(
  ctx: KoaContextWithOIDC,
  next: () => Promise<unknown>,
  o: {
    readonly issuer: string;
    readonly cookieName: string;
    readonly people: People;
    /** Ends the accounts' session and everything that rests on it. */
    readonly end: (sessionId: string) => Promise<void>;
  },
): Promise<void> {
  const signedIn = await o.people.sessionOf(ctx.req.headers);
  await next();
  const { oidc } = ctx;
  const { session } = oidc;
  const isDestroyed = session !== undefined && Reflect.get(session, 'destroyed') === true;
  const isConfirmed = oidc.route === 'end_session_confirm' && isDestroyed;
  const sub: unknown = oidc.entities.IdTokenHint?.payload['sub'];
  const isSure =
    oidc.route === 'end_session' &&
    ctx.status === 200 &&
    (session?.accountId === undefined || session.accountId === sub);
  if (!isConfirmed && !isSure) return;
  if (signedIn !== undefined) await o.end(signedIn.sessionId);
  if (signedIn !== undefined || isConfirmed)
    for (const text of o.people.forgetting) ctx.append('Set-Cookie', text);
  if (!isSure) return;
  await session?.destroy();
  ctx.cookies.set(o.cookieName, null, { signed: true });
  const target: unknown = oidc.params?.['post_logout_redirect_uri'];
  const state: unknown = oidc.params?.['state'];
  ctx.body = '';
  ctx.status = 303;
  ctx.redirect(
    typeof target === 'string' ? withState(target, state) : `${o.issuer}oidc/logout/success`,
  );
}

function withState(target: string, state: unknown): string {
  if (typeof state !== 'string') return target;
  const url = new URL(target);
  url.searchParams.set('state', state);
  return url.toString();
}
