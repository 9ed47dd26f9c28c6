/** A server with an OpenID Provider, people who are signed in, and clients of it. For tests alone. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as client from 'openid-client';
import { Browser } from './browser.ts';
import type { World } from './postern.ts';

export const PASSWORD = 'correct horse battery';
export const CALLBACK = 'http://127.0.0.1:3999/callback';

export interface Made {
  readonly id: string;
  readonly secret: string | null;
}

export class OidcSite {
  readonly base: string;
  readonly token: string;
  #people = 0;
  private constructor(base: string, token: string) {
    this.base = base;
    this.token = token;
  }
  static async start(world: World, ...options: readonly string[]): Promise<OidcSite> {
    await world.startServer(...options);
    await world.ok('admin', 'enroll');
    const state: { public: string } = JSON.parse(
      readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
    );
    const token = await world.ok('admin', 'token', 'create', 'apps', '--scope', 'clients:*');
    return new OidcSite(`http://${state.public}`, token);
  }

  async api(
    method: string,
    path: string,
    json?: unknown,
    bearer: string = this.token,
  ): Promise<Response> {
    return fetch(`${this.base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
  }
  async client(o: Record<string, unknown> = {}): Promise<Made> {
    const answer = await this.api('POST', '/api/v1/clients', {
      name: 'Shop',
      type: 'web',
      callback_urls: [CALLBACK],
      logout_urls: ['http://127.0.0.1:3999/'],
      ...o,
    });
    if (answer.status !== 201) throw new Error(await answer.text());
    return (await answer.json()) as Made;
  }
  /** A browser of a new person who is signed in. */
  async person(): Promise<Browser> {
    const begun = await fetch(`${this.base}/self-service/registration/api`);
    const flow = (await begun.json()) as { id: string };
    this.#people++;
    const done = await fetch(`${this.base}/self-service/registration?flow=${flow.id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        method: 'password',
        password: PASSWORD,
        traits: { email: `person${this.#people}@example.com`, name: { first: 'Ann' } },
      }),
    });
    const told = (await done.json()) as { session_token: string };
    const browser = new Browser(this.base);
    browser.cookies.set('ory_kratos_session', told.session_token);
    return browser;
  }
  /** How openid-client sees the provider; without `auth`, it proves itself by its secret if it has one. */
  async config(made: Made, auth?: client.ClientAuth): Promise<client.Configuration> {
    const secret = made.secret === null ? {} : { client_secret: made.secret };
    const how = auth ?? (made.secret === null ? client.None() : undefined);
    return client.discovery(new URL(this.base), made.id, secret, how, {
      execute: [client.allowInsecureRequests],
    });
  }
  /** Begins a sign-in by hand, so that anything may be asked. */
  authorize(made: Made, o: Record<string, string> = {}): string {
    const url = new URL(`${this.base}/authorize`);
    url.search = new URLSearchParams({
      client_id: made.id,
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid',
      state: 's',
      ...o,
    }).toString();
    return url.toString();
  }
  async exchange(
    form: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(`${this.base}/oauth/token`, {
      method: 'POST',
      headers,
      body: new URLSearchParams(form),
    });
  }
}

/** Follows redirects until one leads to the application. */
export async function toCallback(
  browser: Browser,
  url: URL | string,
  to: string = CALLBACK,
): Promise<URL> {
  let page = await browser.ask('GET', url.toString());
  for (let hops = 0; hops < 10; hops++) {
    if (page.location === undefined) throw new Error(`it stopped at ${page.url}: ${page.text}`);
    if (page.location.startsWith(to)) return new URL(page.location);
    page = await browser.ask('GET', page.location);
  }
  throw new Error('too many redirects');
}
