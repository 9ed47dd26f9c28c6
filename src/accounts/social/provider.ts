/**
 * One provider of social sign-in, over openid-client: the address that a browser is sent to, and the claims that its
 * answer is worth. INVARIANT: a request goes only where the configuration or the provider's own discovery says, follows
 * no redirect, and is bounded in time and size; ID tokens count only with a valid signature.
 */
import { createHmac } from 'node:crypto';
import * as oauth from 'openid-client';
import { type Clock, PosternError } from '../../kernel/index.ts';
import type { Json, JsonObject } from '../account.ts';
import type { OidcProviderConfig } from '../config/config.ts';
import { withAppleName } from './apple.ts';
import { PRESETS } from './catalogue.ts';
import { type Claims, claimsOf } from './claims.ts';
import { compileMapper, type Mapper } from './mapper.ts';
import { NativeTokens } from './native-token.ts';
import type { OAuthPreset, Preset, TokenShown } from './preset.ts';
import { ProviderClient } from './provider-client.ts';
import { ProviderRefusal } from './refusal.ts';

/** What is kept of a person's way to the provider, until they come back. */
export interface Trip {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string | undefined;
}

export class SocialProvider {
  readonly config: OidcProviderConfig;
  readonly mapper: Mapper;
  readonly redirectUri: string;
  readonly #preset: Preset;
  readonly #client: ProviderClient;
  readonly #native: NativeTokens;

  constructor(config: OidcProviderConfig, o: { readonly baseUrl: string; readonly clock: Clock }) {
    const preset = PRESETS.get(config.provider);
    if (preset === undefined)
      throw new PosternError('unsupported', `There is no provider "${config.provider}"`);
    this.config = config;
    this.#preset = preset;
    this.#client = new ProviderClient(config, preset, o.clock);
    this.#native = new NativeTokens(config, this.#client, o.clock);
    this.mapper = compileMapper(config.mapper);
    const own = config.pkce === 'force' ? '' : `/${encodeURIComponent(config.id)}`;
    this.redirectUri = `${o.baseUrl}/self-service/methods/oidc/callback${own}`;
  }

  /** Where the browser goes, and what has to be kept for the way back. Throws ProviderRefusal, when it is away too. */
  async begin(
    state: string,
    o: { readonly isForced: boolean; readonly upstream: Readonly<Record<string, string>> },
  ): Promise<{ readonly url: string; readonly trip: Trip }> {
    const client = await this.#client.get();
    const nonce = oauth.randomNonce();
    const verifier = this.#usesPkce(client) ? oauth.randomPKCECodeVerifier() : undefined;
    const { requestedClaims } = this.config;
    const { parameters = {}, forcedPrompt = 'login' } = oauthOnly(this.#preset);
    const url = oauth.buildAuthorizationUrl(client, {
      ...{ ...parameters, ...o.upstream },
      ...{ redirect_uri: this.redirectUri, scope: this.#scope(), state },
      ...(this.#hasNonce() ? { nonce } : {}),
      ...(o.isForced ? { prompt: forcedPrompt } : {}),
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
      const client = await this.#client.get();
      const url = new URL(this.redirectUri);
      url.search = this.#answered(parameters).toString();
      const preset = this.#preset;
      const tokens = await oauth.authorizationCodeGrant(
        client,
        url,
        {
          expectedState: trip.state,
          ...(trip.verifier === undefined ? {} : { pkceCodeVerifier: trip.verifier }),
          ...(this.#hasNonce() ? { expectedNonce: trip.nonce } : {}),
          ...(preset.kind === 'openid' ? { idTokenExpected: true } : {}),
        },
        preset.kind === 'openid' ? { ...preset.tokenParameters } : {},
      );
      return await this.#claims(client, tokens, parameters);
    } catch (reason) {
      if (reason instanceof ProviderRefusal) throw reason;
      const isTold = reason instanceof oauth.AuthorizationResponseError;
      throw new ProviderRefusal(isTold ? plain(reason.error) : 'invalid_answer', reason);
    }
  }

  /** The claims of an ID token that a native app got by itself. Throws ProviderRefusal. */
  async verify(idToken: string, nonce: string | undefined): Promise<Claims> {
    if (this.#preset.kind !== 'openid') throw new ProviderRefusal('id_token_not_supported');
    return this.#native.verify(idToken, nonce);
  }

  /** An answer's parameters as the library knows them. */
  #answered(parameters: URLSearchParams): URLSearchParams {
    const kept = new URLSearchParams(parameters);
    kept.delete('user');
    const { kind, codeParameter, answersAs } = oauthOnly(this.#preset);
    const code = kept.get(codeParameter ?? 'code');
    if (code !== null) kept.set('code', code);
    if (codeParameter !== undefined) kept.delete(codeParameter);
    // A name that nobody documents says nothing; the address that the answer came to does.
    if (kind === 'oauth' && answersAs === undefined) kept.delete('iss');
    return kept;
  }

  async #claims(
    client: oauth.Configuration,
    tokens: Awaited<ReturnType<typeof oauth.authorizationCodeGrant>>,
    parameters: URLSearchParams,
  ): Promise<Claims> {
    const { access_token: token } = tokens;
    const preset = this.#preset;
    if (preset.kind === 'oauth') {
      const { profileUrls, tokenShown } = preset;
      const answers = await Promise.all(
        profileUrls.map((url) =>
          this.#ask(client, token, this.#client.place(preset, url), tokenShown),
        ),
      );
      // Checked JSON of the library's.
      const raw = preset.claims(answers, tokens as unknown as JsonObject);
      const claims = claimsOf(
        withAssurance(raw, undefined),
        this.#client.place(preset, preset.issuer),
      );
      if (claims === undefined) throw new ProviderRefusal('no_subject');
      return claims;
    }
    const signed = tokens.claims();
    if (signed === undefined) throw new ProviderRefusal('no_id_token');
    const source = this.config.claimsSource ?? preset.claimsSource;
    const told =
      source === 'userinfo' ? await oauth.fetchUserInfo(client, token, signed.sub) : signed;
    // Checked JSON of the library's.
    const raw = { ...told, sub: await this.#subject(client, token, signed) } as JsonObject;
    const named =
      this.config.provider === 'apple' ? withAppleName(raw, parameters.get('user')) : raw;
    const claims = claimsOf(withAssurance(named, signed), signed.iss);
    if (claims === undefined) throw new ProviderRefusal('no_subject');
    return claims;
  }

  /** Microsoft's people can be known by other ids. Anything but text names nobody. */
  async #subject(
    client: oauth.Configuration,
    token: string,
    signed: oauth.IDToken,
  ): Promise<string> {
    const { provider, subjectSource } = this.config;
    if (provider !== 'microsoft' || subjectSource === 'userinfo') return signed.sub;
    if (subjectSource === 'oid') return textOr(signed['oid']);
    const me = await this.#ask(client, token, 'https://graph.microsoft.com/v1.0/me');
    return typeof me === 'object' && me !== null && 'id' in me ? textOr(me['id']) : '';
  }

  /** What an API of the provider's says to who holds the token; undefined when it refuses. */
  async #ask(
    client: oauth.Configuration,
    token: string,
    place: string,
    shown?: TokenShown,
  ): Promise<Json | undefined> {
    const url = new URL(place);
    if (this.config.provider === 'facebook') {
      // Facebook's proof that the asker holds the secret too.
      const proof = createHmac('sha256', this.config.clientSecret).update(token).digest('hex');
      url.searchParams.set('appsecret_proof', proof);
    }
    const headers = new Headers({ accept: 'application/json', 'user-agent': 'postern' });
    const asked =
      shown === undefined
        ? oauth.fetchProtectedResource(client, token, url, 'GET', undefined, headers)
        : this.#client.fetch(url, shownBy(shown, token, headers));
    const answer = await asked.catch(() => undefined);
    // JSON has no other values.
    return answer?.ok === true ? ((await answer.json()) as Json) : undefined;
  }

  #hasNonce(): boolean {
    return this.#preset.kind === 'openid' && this.#preset.isWithoutNonce !== true;
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
}

function oauthOnly(preset: Preset): Partial<OAuthPreset> {
  return preset.kind === 'oauth' ? preset : {};
}
function plain(code: string): string {
  return /^[\w.-]{1,64}$/.test(code) ? code : 'refused';
}
function textOr(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** How sure a provider was counts only by its signature: `acr` and `amr` from anywhere else are left out. */
function withAssurance(raw: JsonObject, signed: oauth.IDToken | undefined): JsonObject {
  const { acr: _acr, amr: _amr, ...rest } = raw;
  const acr = signed?.['acr'];
  const amr = signed?.['amr'];
  return {
    ...rest,
    ...(typeof acr === 'string' ? { acr } : {}),
    ...(Array.isArray(amr) ? { amr: amr.filter((item) => typeof item === 'string') } : {}),
  };
}

function shownBy(shown: TokenShown, token: string, headers: Headers): RequestInit {
  if ('field' in shown)
    return { method: 'POST', headers, body: new URLSearchParams({ [shown.field]: token }) };
  const { header, scheme } = shown;
  headers.set(header, scheme === undefined ? token : `${scheme} ${token}`);
  return { method: 'GET', headers };
}
