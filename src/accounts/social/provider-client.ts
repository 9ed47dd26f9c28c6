/**
 * A provider as this server asks it: where its endpoints are, by its own discovery or by the catalogue, and how the client
 * proves itself there. INVARIANT: whatever is asked, is asked within the bounds of bounded-fetch.ts.
 */
import * as oauth from 'openid-client';
import type { Clock } from '../../kernel/index.ts';
import type { OidcProviderConfig } from '../config/config.ts';
import { appleSecret } from './apple.ts';
import { boundedFetch, dialectFetch, type Fetch } from './bounded-fetch.ts';
import type { OAuthPreset, OpenIdPreset, Preset } from './preset.ts';
import { ProviderRefusal } from './refusal.ts';

const DISCOVERY_MS = 3_600_000;

export class ProviderClient {
  readonly fetch: Fetch;
  readonly #config: OidcProviderConfig;
  readonly #preset: Preset;
  readonly #clock: Clock;
  readonly #isPlain: boolean;
  #known: { readonly client: oauth.Configuration; readonly atMs: number } | undefined;
  /** Asked now, once for all who wait. */
  #asking: Promise<oauth.Configuration> | undefined;

  constructor(config: OidcProviderConfig, preset: Preset, clock: Clock) {
    this.#config = config;
    this.#preset = preset;
    this.#clock = clock;
    this.#isPlain = config.issuerUrl?.startsWith('http:') === true;
    this.fetch = boundedFetch({ isPlainAllowed: this.#isPlain });
  }

  /** The provider as it describes itself, asked for once an hour at the most. Throws ProviderRefusal. */
  async get(): Promise<oauth.Configuration> {
    const nowMs = this.#clock.now();
    if (this.#known !== undefined && nowMs - this.#known.atMs < DISCOVERY_MS)
      return this.#known.client;
    try {
      this.#asking ??= this.#describe().finally(() => {
        this.#asking = undefined;
      });
      const client = await this.#asking;
      this.#known = { client, atMs: nowMs };
      return client;
    } catch (reason) {
      // What was known a while ago is better than nobody signing in.
      if (this.#known !== undefined) return this.#known.client;
      throw new ProviderRefusal('unavailable', reason);
    }
  }

  /** Where a part of a provider of the catalogue is: there, or where the configuration moves it. */
  place({ isMovable, issuer }: OAuthPreset, url: string): string {
    const { issuerUrl } = this.#config;
    if (isMovable !== true || issuerUrl === undefined) return url;
    return url.replace(issuer, issuerUrl.replace(/\/+$/, ''));
  }

  async #describe(): Promise<oauth.Configuration> {
    const preset = this.#preset;
    return preset.kind === 'oauth' ? this.#fromCatalogue(preset) : this.#discover(preset);
  }

  #fromCatalogue(preset: OAuthPreset): oauth.Configuration {
    const { clientId, clientSecret } = this.#config;
    const tokenUrl = this.place(preset, preset.tokenUrl);
    const server = {
      issuer: preset.answersAs ?? this.place(preset, preset.issuer),
      authorization_endpoint: this.place(preset, preset.authorizeUrl),
      token_endpoint: tokenUrl,
    };
    const way =
      preset.authentication === 'basic' ? oauth.ClientSecretBasic : oauth.ClientSecretPost;
    const client = new oauth.Configuration(server, clientId, {}, way(clientSecret));
    if (this.#isPlain) oauth.allowInsecureRequests(client);
    client[oauth.customFetch] = libraryFetch(dialectFetch(this.fetch, tokenUrl, preset.dialect));
    return client;
  }

  #discover(preset: OpenIdPreset): Promise<oauth.Configuration> {
    const { clientId, issuerUrl } = this.#config;
    return oauth.discovery(new URL(issuerUrl ?? ''), clientId, {}, this.#authentication(preset), {
      [oauth.customFetch]: libraryFetch(this.fetch),
      execute: [
        oauth.enableNonRepudiationChecks,
        ...(this.#isPlain ? [oauth.allowInsecureRequests] : []),
      ],
    });
  }

  /** How the client proves itself at the token endpoint: as the provider says, the header's way where it says nothing. */
  #authentication({ isPostOnly }: OpenIdPreset): oauth.ClientAuth {
    const { provider, clientSecret } = this.#config;
    if (provider === 'apple')
      return async (_server, client, body) => {
        body.set('client_id', client.client_id);
        body.set('client_secret', await appleSecret(this.#config, this.#clock.now()));
      };
    const basic = oauth.ClientSecretBasic(clientSecret);
    const post = oauth.ClientSecretPost(clientSecret);
    if (isPostOnly === true) return post;
    return (server, client, body, headers) => {
      const ways = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
      const way = ways.includes('client_secret_basic') ? basic : post;
      return way(server, client, body, headers);
    };
  }
}

/** The library's kind of fetch; its bodies are text or forms, which are text too. */
function libraryFetch(fetch: Fetch): oauth.CustomFetch {
  return (url, { body, ...init }) =>
    fetch(url, body === undefined || body === null ? init : { ...init, body: String(body) });
}
