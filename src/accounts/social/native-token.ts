/**
 * ID tokens that a native app got by itself (Google's and Apple's, and others' for which `additional_id_token_audiences`
 * names the apps). INVARIANT: one counts only with the provider's signature, for a client of the configuration, and with
 * the nonce that the app brings beside it.
 */
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../../kernel/index.ts';
import type { JsonObject } from '../account.ts';
import type { OidcProviderConfig } from '../config/config.ts';
import { ANSWER_MS } from './bounded-fetch.ts';
import { type Claims, claimsOf } from './claims.ts';
import type { ProviderClient } from './provider-client.ts';
import { ProviderRefusal } from './refusal.ts';

export class NativeTokens {
  readonly #config: OidcProviderConfig;
  readonly #client: ProviderClient;
  readonly #clock: Clock;
  #keys: { readonly url: string; readonly get: JWTVerifyGetKey } | undefined;

  constructor(config: OidcProviderConfig, client: ProviderClient, clock: Clock) {
    this.#config = config;
    this.#client = client;
    this.#clock = clock;
  }

  /** Throws ProviderRefusal. */
  async verify(idToken: string, nonce: string | undefined): Promise<Claims> {
    const { provider, clientId, additionalAudiences } = this.#config;
    const isNative = provider === 'google' || provider === 'apple';
    if (!isNative && additionalAudiences.length === 0)
      throw new ProviderRefusal('id_token_not_supported');
    try {
      const server = (await this.#client.get()).serverMetadata();
      const { payload } = await jwtVerify(idToken, this.#keysAt(server.jwks_uri ?? ''), {
        issuer: server.issuer,
        audience: [clientId, ...additionalAudiences],
        algorithms: ['RS256', 'ES256', 'PS256', 'EdDSA'],
        requiredClaims: ['sub', 'exp', 'iat'],
        currentDate: new Date(this.#clock.now()),
      });
      // Apps of these two can't always choose a nonce; one that is there has to be the caller's.
      const mayLack = isNative && payload['nonce'] === undefined;
      if (!mayLack && (nonce === undefined || payload['nonce'] !== nonce))
        throw new ProviderRefusal('nonce_mismatch');
      // JSON that was signed.
      const claims = claimsOf(payload as JsonObject, server.issuer);
      if (claims === undefined) throw new ProviderRefusal('no_subject');
      return claims;
    } catch (reason) {
      if (reason instanceof ProviderRefusal) throw reason;
      throw new ProviderRefusal('invalid_id_token', reason);
    }
  }

  /** The provider's keys; kept, since anybody may send ID tokens and each would ask the provider for them. */
  #keysAt(url: string): JWTVerifyGetKey {
    if (this.#keys?.url !== url) {
      const fetched = { [customFetch]: this.#client.fetch, timeoutDuration: ANSWER_MS };
      this.#keys = { url, get: createRemoteJWKSet(new URL(url), fetched) };
    }
    return this.#keys.get;
  }
}
