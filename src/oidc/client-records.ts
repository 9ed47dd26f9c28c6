/**
 * Clients as oidc-provider asks for them, and those that register from outside (RFC 7591). INVARIANT: a registration is
 * made with a token, belongs to who holds it, and never says what it is trusted with.
 */
import { type Adapter, type AdapterPayload, errors, Provider } from 'oidc-provider';
import { PosternError, Secret } from '../kernel/index.ts';
import type { ClientSpec } from './client.ts';
import type { ClientManager } from './clients.ts';
import { clientMetadata } from './configuration.ts';
import type { InitialAccess } from './types.ts';

const TOKEN_MAX = 512;

/** Whoever a token lets register clients; undefined for nobody. */
export type FindInitialAccess = (token: string) => Promise<InitialAccess | undefined>;

/** Refuses what a model never has to do. */
const never = async (): Promise<never> => {
  throw new Error('the provider does not do this with its clients');
};

/** Whether the request at hand brings a client secret, by header or body. */
function bringsSecret(): boolean {
  const { ctx } = Provider;
  if (ctx === undefined) return false;
  if (/^basic /i.test(ctx.get('authorization'))) return true;
  const given: unknown = ctx.oidc.params?.['client_secret'];
  return typeof given === 'string' && given !== '';
}

/** RFC 7591 metadata as a client of ours. Throws what a registration is answered with. */
function specOf(m: AdapterPayload): ClientSpec {
  const grants = m.grant_types ?? ['authorization_code'];
  const isPublic = m.token_endpoint_auth_method === 'none';
  const isService = grants.includes('client_credentials');
  if (isService && grants.length > 1)
    throw new errors.InvalidClientMetadata('client_credentials stands alone');
  const origins: unknown = m['web_origins'];
  return {
    name: m.client_name ?? 'Unnamed application',
    type: isService
      ? 'service'
      : isPublic
        ? m.application_type === 'native'
          ? 'native'
          : 'spa'
        : 'web',
    callbackUrls: m.redirect_uris ?? [],
    logoutUrls: m.post_logout_redirect_uris ?? [],
    webOrigins: Array.isArray(origins) ? origins.map(String) : [],
    backchannelLogoutUrl: m.backchannel_logout_uri,
    uri: m.client_uri,
    isPublic,
  };
}

/** The adapter of the model Client. `registrant` tells who holds the token of a registration. */
export function clientAdapter(
  clients: ClientManager,
  registrant: () => InitialAccess | undefined,
): Adapter {
  return {
    find: async (id) => {
      const found = await clients.findWithSecret(id);
      return found === undefined
        ? undefined
        : (clientMetadata(found.client, found.secretHash, bringsSecret()) as AdapterPayload);
    },
    upsert: async (id, payload) => {
      const by = registrant();
      if (by === undefined) throw new Error('a registration without its token');
      const secret = payload.client_secret;
      try {
        await clients.register(
          id,
          specOf(payload),
          { principalId: by.ownerId, isAdministrator: by.isAdministrator },
          secret === undefined ? undefined : new Secret(secret),
        );
      } catch (reason) {
        if (reason instanceof PosternError) throw new errors.InvalidClientMetadata(reason.message);
        throw reason;
      }
    },
    findByUid: never,
    findByUserCode: never,
    consume: never,
    destroy: never,
    revokeByGrantId: never,
  };
}

/** The adapter of the model InitialAccessToken, whose tokens are grants of the fabric. */
export function initialAccessAdapter(
  find: FindInitialAccess,
  remember: (access: InitialAccess) => void,
): Adapter {
  return {
    find: async (token) => {
      const access = token.length > TOKEN_MAX ? undefined : await find(token);
      if (access === undefined) return undefined;
      remember(access);
      return { jti: token, kind: 'InitialAccessToken', iat: Math.floor(Date.now() / 1_000) };
    },
    upsert: never,
    findByUid: never,
    findByUserCode: never,
    consume: never,
    destroy: never,
    revokeByGrantId: never,
  };
}
