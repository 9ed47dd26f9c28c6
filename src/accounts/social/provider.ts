/**
 * One provider of social sign-in, over openid-client: the address that a browser is sent to, and the claims that its
 * answer is worth. INVARIANT: a request goes only where the configuration or the provider's own discovery says, follows
 * no redirect, and is bounded in time and size; ID tokens count only with a valid signature.
 */
import { createHmac } from 'node:crypto';
import {
  createRemoteJWKSet,
  customFetch,
  importPKCS8,
  type JWTVerifyGetKey,
  jwtVerify,
  SignJWT,
} from 'jose';
import * as oauth from 'openid-client';
import { type Clock, PosternError } from '../../kernel/index.ts';
import type { Json, JsonObject } from '../account.ts';
import type { OidcProviderConfig } from '../config/config.ts';
import { type OAuthPreset, type OpenIdPreset, PRESETS } from './catalogue.ts';
import { type Claims, claimsOf } from './claims.ts';
import { compileMapper, type Mapper } from './mapper.ts';
import { ProviderRefusal } from './refusal.ts';

const ANSWER_MS = 10_000;
const ANSWER_BYTES_MAX = 1024 * 1024;
const DISCOVERY_MS = 3_600_000;
const APPLE_SECRET_S = 300;

/** What is kept of a person's way to the provider, until they come back. */
export interface Trip {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string | undefined;
}

/** Fetches without redirects, within bounds of time and size. */
async function boundedFetch(url: string | URL, init: RequestInit): Promise<Response> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const answer = await fetch(url, { ...init, redirect: 'manual', signal });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.byteLength;
    if (size > ANSWER_BYTES_MAX) throw new Error('The answer is too large');
    chunks.push(chunk);
  }
  const { status, statusText, headers } = answer;
  const bare = [101, 204, 205, 304].includes(status);
  return new Response(bare ? null : Buffer.concat(chunks), { status, statusText, headers });
}

export class SocialProvider {
  readonly config: OidcProviderConfig;
  readonly mapper: Mapper;
  readonly redirectUri: string;
  readonly #preset: OpenIdPreset | OAuthPreset;
  readonly #clock: Clock;
  /** Apple's client secret is a token of ours, made for each use. */
  #appleSecret = '';
  #keys: { readonly url: string; readonly get: JWTVerifyGetKey } | undefined;
  #known: { readonly client: oauth.Configuration; readonly atMs: number } | undefined;

  constructor(config: OidcProviderConfig, o: { readonly baseUrl: string; readonly clock: Clock }) {
    const preset = PRESETS.get(config.provider);
    if (preset === undefined)
      throw new PosternError('unsupported', `There is no provider "${config.provider}"`);
    this.config = config;
    this.#preset = preset;
    this.#clock = o.clock;
    this.mapper = compileMapper(config.mapper);
    const own = config.pkce === 'force' ? '' : `/${encodeURIComponent(config.id)}`;
    this.redirectUri = `${o.baseUrl}/self-service/methods/oidc/callback${own}`;
  }

  /** Where the browser goes, and what has to be kept for the way back. Throws ProviderRefusal, when it is away too. */
  async begin(
    state: string,
    o: { readonly isForced: boolean; readonly upstream: Readonly<Record<string, string>> },
  ): Promise<{ readonly url: string; readonly trip: Trip }> {
    const client = await this.#client();
    const nonce = oauth.randomNonce();
    const verifier = this.#usesPkce(client) ? oauth.randomPKCECodeVerifier() : undefined;
    const { requestedClaims } = this.config;
    const url = oauth.buildAuthorizationUrl(client, {
      ...{ redirect_uri: this.redirectUri, scope: this.#scope(), state, ...o.upstream },
      ...(this.#preset.kind === 'openid' ? { nonce } : {}),
      ...(o.isForced ? { prompt: this.config.provider === 'discord' ? 'consent' : 'login' } : {}),
      ...(this.config.provider === 'google' && this.config.scope.includes('offline_access')
        ? { access_type: 'offline' }
        : {}),
      ...(this.#usesForm() ? { response_mode: 'form_post' } : {}),
      ...(requestedClaims === undefined ? {} : { claims: JSON.stringify(requestedClaims) }),
      ...(verifier === undefined
        ? {}
        : {
            code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
            code_challenge_method: 'S256',
          }),
    });
    return { url: url.toString(), trip: { state, nonce, verifier } };
  }

  /** The claims of an answer that came back with these parameters. Throws ProviderRefusal. */
  async finish(parameters: URLSearchParams, trip: Trip): Promise<Claims> {
    try {
      const client = await this.#client();
      if (this.config.provider === 'apple') this.#appleSecret = await this.#signAppleSecret();
      const url = new URL(this.redirectUri);
      url.search = withoutUser(parameters).toString();
      const isOpenId = this.#preset.kind === 'openid';
      const tokens = await oauth.authorizationCodeGrant(client, url, {
        expectedState: trip.state,
        ...(trip.verifier === undefined ? {} : { pkceCodeVerifier: trip.verifier }),
        ...(isOpenId ? { expectedNonce: trip.nonce, idTokenExpected: true } : {}),
      });
      return await this.#claims(client, tokens, parameters);
    } catch (reason) {
      if (reason instanceof ProviderRefusal) throw reason;
      const isTold = reason instanceof oauth.AuthorizationResponseError;
      throw new ProviderRefusal(isTold ? plain(reason.error) : 'invalid_answer', reason);
    }
  }

  /**
   * The claims of an ID token that a native app got by itself (Google's and Apple's, and others' for which
   * `additional_id_token_audiences` names the apps). Throws ProviderRefusal.
   */
  async verify(idToken: string, nonce: string | undefined): Promise<Claims> {
    const { provider, clientId, additionalAudiences } = this.config;
    const isNative = provider === 'google' || provider === 'apple';
    if (this.#preset.kind !== 'openid' || !(isNative || additionalAudiences.length > 0))
      throw new ProviderRefusal('id_token_not_supported');
    try {
      const server = (await this.#client()).serverMetadata();
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
      const fetched = { [customFetch]: boundedFetch, timeoutDuration: ANSWER_MS };
      this.#keys = { url, get: createRemoteJWKSet(new URL(url), fetched) };
    }
    return this.#keys.get;
  }

  async #claims(
    client: oauth.Configuration,
    tokens: Awaited<ReturnType<typeof oauth.authorizationCodeGrant>>,
    parameters: URLSearchParams,
  ): Promise<Claims> {
    const { access_token: token } = tokens;
    if (this.#preset.kind === 'oauth') {
      const answers = await Promise.all(
        this.#preset.profileUrls.map((url) => this.#ask(client, token, new URL(url))),
      );
      const claims = claimsOf(this.#preset.claims(answers), this.#preset.issuer);
      if (claims === undefined) throw new ProviderRefusal('no_subject');
      return claims;
    }
    const signed = tokens.claims();
    if (signed === undefined) throw new ProviderRefusal('no_id_token');
    const source = this.config.claimsSource ?? this.#preset.claimsSource;
    const told =
      source === 'userinfo' ? await oauth.fetchUserInfo(client, token, signed.sub) : signed;
    // Checked JSON of the library's.
    const raw = { ...told, sub: await this.#subject(client, token, signed) } as JsonObject;
    const claims = claimsOf(this.#named(raw, parameters), signed.iss);
    if (claims === undefined) throw new ProviderRefusal('no_subject');
    return claims;
  }

  /** Microsoft's people can be known by other ids. */
  async #subject(
    client: oauth.Configuration,
    token: string,
    signed: oauth.IDToken,
  ): Promise<string> {
    const { provider, subjectSource } = this.config;
    if (provider !== 'microsoft' || subjectSource === 'userinfo') return signed.sub;
    if (subjectSource === 'oid') return String(signed['oid'] ?? '');
    const me = await this.#ask(client, token, new URL('https://graph.microsoft.com/v1.0/me'));
    return typeof me === 'object' && me !== null && 'id' in me ? String(me['id']) : '';
  }

  /** Apple tells a person's name once, beside the code and unsigned: it is no more than what one types oneself. */
  #named(raw: JsonObject, parameters: URLSearchParams): JsonObject {
    if (this.config.provider !== 'apple') return raw;
    try {
      const user: unknown = JSON.parse(parameters.get('user') ?? '');
      const name: unknown = Reflect.get(user as object, 'name');
      const first: unknown = Reflect.get(name as object, 'firstName');
      const last: unknown = Reflect.get(name as object, 'lastName');
      const given = typeof first === 'string' ? { given_name: first } : {};
      const family = typeof last === 'string' ? { family_name: last, last_name: last } : {};
      return { ...given, ...family, ...raw };
    } catch {
      return raw;
    }
  }

  async #ask(client: oauth.Configuration, token: string, url: URL): Promise<Json | undefined> {
    if (this.config.provider === 'facebook') {
      // Facebook's proof that the asker holds the secret too.
      const proof = createHmac('sha256', this.config.clientSecret).update(token).digest('hex');
      url.searchParams.set('appsecret_proof', proof);
    }
    const headers = new Headers({ accept: 'application/json', 'user-agent': 'postern' });
    const answer = await oauth
      .fetchProtectedResource(client, token, url, 'GET', undefined, headers)
      .catch(() => undefined);
    return answer?.ok === true ? ((await answer.json()) as Json) : undefined;
  }

  #scope(): string {
    const { provider, scope } = this.config;
    const asked = provider === 'google' ? scope.filter((s) => s !== 'offline_access') : scope;
    const isOpenId = this.#preset.kind === 'openid';
    return [...new Set([...(isOpenId ? ['openid'] : []), ...asked])].join(' ');
  }
  #usesForm(): boolean {
    const { provider, scope } = this.config;
    return provider === 'apple' && (scope.includes('email') || scope.includes('name'));
  }
  #usesPkce(client: oauth.Configuration): boolean {
    if (this.config.pkce !== 'auto') return this.config.pkce === 'force';
    return client.serverMetadata().code_challenge_methods_supported?.includes('S256') === true;
  }

  /** The provider as it describes itself, asked for once an hour at the most. */
  async #client(): Promise<oauth.Configuration> {
    const nowMs = this.#clock.now();
    if (this.#known !== undefined && nowMs - this.#known.atMs < DISCOVERY_MS)
      return this.#known.client;
    try {
      const client = await this.#describe();
      this.#known = { client, atMs: nowMs };
      return client;
    } catch (reason) {
      // What was known a while ago is better than nobody signing in.
      if (this.#known !== undefined) return this.#known.client;
      throw new ProviderRefusal('unavailable', reason);
    }
  }

  async #describe(): Promise<oauth.Configuration> {
    const { clientId, clientSecret, issuerUrl } = this.config;
    const preset = this.#preset;
    if (preset.kind === 'oauth') {
      const server = {
        issuer: preset.issuer,
        authorization_endpoint: preset.authorizeUrl,
        token_endpoint: preset.tokenUrl,
      };
      const auth = oauth.ClientSecretPost(clientSecret);
      const client = new oauth.Configuration(server, clientId, {}, auth);
      client[oauth.customFetch] = boundedFetch as oauth.CustomFetch;
      return client;
    }
    const url = new URL(issuerUrl ?? '');
    const isPlain = url.protocol === 'http:';
    const client = await oauth.discovery(url, clientId, {}, this.#authentication(), {
      [oauth.customFetch]: boundedFetch as oauth.CustomFetch,
      execute: [
        oauth.enableNonRepudiationChecks,
        ...(isPlain ? [oauth.allowInsecureRequests] : []),
      ],
    });
    return client;
  }

  async #signAppleSecret(): Promise<string> {
    const { apple, clientId } = this.config;
    const seconds = Math.floor(this.#clock.now() / 1_000);
    return new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: apple?.keyId ?? '' })
      .setIssuer(apple?.teamId ?? '')
      .setSubject(clientId)
      .setAudience('https://appleid.apple.com')
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + APPLE_SECRET_S)
      .sign(await importPKCS8(apple?.privateKey ?? '', 'ES256'));
  }

  /** How the client proves itself at the token endpoint: as the provider says, the header's way where it says nothing. */
  #authentication(): oauth.ClientAuth {
    const { provider, clientSecret } = this.config;
    if (provider === 'apple')
      return (_server, client, body) => {
        body.set('client_id', client.client_id);
        body.set('client_secret', this.#appleSecret);
      };
    const basic = oauth.ClientSecretBasic(clientSecret);
    const post = oauth.ClientSecretPost(clientSecret);
    return (server, client, body, headers) => {
      const ways = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
      const way = ways.includes('client_secret_basic') ? basic : post;
      return way(server, client, body, headers);
    };
  }
}

function plain(code: string): string {
  return /^[\w.-]{1,64}$/.test(code) ? code : 'refused';
}
function withoutUser(parameters: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams(parameters);
  kept.delete('user');
  return kept;
}
