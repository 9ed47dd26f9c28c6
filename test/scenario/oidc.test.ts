/** The OpenID Provider at the real program, with a certified client library: people sign in to applications, and out. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { until, World } from '../harness/postern.ts';

const world = new World();
const PASSWORD = 'correct horse battery';
const CALLBACK = 'http://127.0.0.1:3999/callback';
let base = '';
let token = '';

interface Made {
  readonly id: string;
  readonly secret: string;
}

async function api(
  method: string,
  path: string,
  json?: unknown,
  bearer = token,
): Promise<Response> {
  return fetch(`${base}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
}
async function makeClient(o: Record<string, unknown> = {}): Promise<Made> {
  const answer = await api('POST', '/api/v1/clients', {
    name: 'Shop',
    type: 'web',
    callback_urls: [CALLBACK],
    logout_urls: ['http://127.0.0.1:3999/'],
    ...o,
  });
  expect(answer.status).toBe(201);
  return (await answer.json()) as Made;
}
/** Registers by the API and gives a browser that is signed in. */
async function signedIn(email: string): Promise<Browser> {
  const begun = await fetch(`${base}/self-service/registration/api`);
  const flow = (await begun.json()) as { id: string };
  const done = await fetch(`${base}/self-service/registration?flow=${flow.id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      method: 'password',
      password: PASSWORD,
      traits: { email, name: { first: 'Ann', last: 'Miller' } },
    }),
  });
  const told = (await done.json()) as { session_token: string };
  const browser = new Browser(base);
  browser.cookies.set('ory_kratos_session', told.session_token);
  return browser;
}
async function configOf(made: Made, auth?: client.ClientAuth): Promise<client.Configuration> {
  return client.discovery(new URL(base), made.id, { client_secret: made.secret }, auth, {
    execute: [client.allowInsecureRequests],
  });
}
/** Follows redirects until one leads to the application. */
async function toCallback(browser: Browser, url: URL | string): Promise<URL> {
  let page = await browser.ask('GET', url.toString());
  for (let hops = 0; hops < 10; hops++) {
    if (page.location === undefined) throw new Error(`it stopped at ${page.url}: ${page.text}`);
    if (page.location.startsWith(CALLBACK)) return new URL(page.location);
    page = await browser.ask('GET', page.location);
  }
  throw new Error('too many redirects');
}

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  const state: { public: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  base = `http://${state.public}`;
  token = await world.ok('admin', 'token', 'create', 'apps', '--scope', 'clients:*');
}, 60_000);
afterAll(() => world.close(), 60_000);

describe('an application that keeps a secret', () => {
  it('signs a person in without PKCE, by Basic, with who they are in the ID token', async () => {
    const made = await makeClient();
    const config = await configOf(made, client.ClientSecretBasic(made.secret));
    const meta = config.serverMetadata();
    expect(meta.issuer).toBe(`${base}/`);
    expect(meta.token_endpoint).toBe(`${base}/oauth/token`);
    expect(meta.end_session_endpoint).toBe(`${base}/oidc/logout`);
    const browser = await signedIn('ann@example.com');
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid profile email',
      state: 's1',
      nonce: 'n1',
    });
    const back = await toCallback(browser, url);
    const tokens = await client.authorizationCodeGrant(config, back, {
      expectedState: 's1',
      expectedNonce: 'n1',
    });
    const claims = tokens.claims();
    expect(claims).toMatchObject({
      iss: `${base}/`,
      aud: made.id,
      name: 'Ann Miller',
      nickname: 'ann',
      email: 'ann@example.com',
      email_verified: false,
    });
    expect(claims?.['sid']).toMatch(/./);
    expect(tokens.refresh_token).toBeUndefined();
    const info = await client.fetchUserInfo(config, tokens.access_token, claims?.sub ?? '');
    expect(info.name).toBe('Ann Miller');
    await expect(
      client.authorizationCodeGrant(config, back, { expectedState: 's1', expectedNonce: 'n1' }),
    ).rejects.toThrow(/invalid_grant|server responded/);
    // The code came twice: what it gave is void.
    await expect(
      client.fetchUserInfo(config, tokens.access_token, claims?.sub ?? ''),
    ).rejects.toThrow();
  });

  it('asks who is not signed in to sign in, and comes back by itself', async () => {
    await signedIn('login@example.com');
    const made = await makeClient();
    const config = await configOf(made);
    const browser = new Browser(base);
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid email',
      state: 's2',
    });
    const page = await browser.open(url.toString());
    expect(page.text).toContain('Sign in');
    const form = { identifier: 'login@example.com', password: PASSWORD, method: 'password' };
    const { formAction, hiddenFields } = await import('../harness/browser.ts');
    const answer = await browser.ask('POST', formAction(page), {
      form: { ...hiddenFields(page), ...form },
    });
    const back = await toCallback(browser, answer.location ?? '');
    const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's2' });
    expect(tokens.claims()?.['email']).toBe('login@example.com');
  });
});

describe('signing out', () => {
  it('at the accounts ends the tokens of every application, refresh tokens among them', async () => {
    const made = await makeClient();
    const config = await configOf(made);
    const browser = await signedIn('out@example.com');
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid offline_access',
      state: 's',
    });
    const back = await toCallback(browser, url);
    const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    const rotated = await client.refreshTokenGrant(config, tokens.refresh_token ?? '');
    expect(rotated.refresh_token).not.toBe(tokens.refresh_token);
    const flow = await browser.ask('GET', '/self-service/logout/browser', {
      headers: { accept: 'application/json' },
    });
    await browser.ask('GET', JSON.parse(flow.text).logout_url);
    await expect(client.refreshTokenGrant(config, rotated.refresh_token ?? '')).rejects.toThrow();
    await expect(
      client.fetchUserInfo(config, rotated.access_token, client.skipSubjectCheck),
    ).rejects.toThrow();
    const again = await browser.ask('GET', url.toString());
    expect(again.location).toContain('/interaction/');
  });

  it('by /v2/logout ends the session of the accounts, and leads to listed addresses alone', async () => {
    const made = await makeClient();
    const browser = await signedIn('v2@example.com');
    const bad = await browser.ask(
      'GET',
      `/v2/logout?client_id=${made.id}&returnTo=https%3A%2F%2Fevil.example`,
    );
    expect(bad.status).toBe(400);
    expect((await browser.ask('GET', '/sessions/whoami')).status).toBe(200);
    const out = await browser.ask(
      'GET',
      `/v2/logout?client_id=${made.id}&returnTo=http%3A%2F%2F127.0.0.1%3A3999%2F%3Fx%3D1`,
    );
    expect(out.status).toBe(302);
    expect(out.location).toBe('http://127.0.0.1:3999/?x=1');
    expect((await browser.ask('GET', '/sessions/whoami')).status).toBe(401);
    expect(browser.cookies.has('ory_kratos_session')).toBe(false);
  });

  it('by the end_session endpoint with an ID token asks nothing, and tells the application behind', async () => {
    const heard: string[] = [];
    const ear: Server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        heard.push(body);
        response.end();
      });
    });
    await new Promise<void>((resolve) => ear.listen(0, '127.0.0.1', resolve));
    const address = ear.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const made = await makeClient({ backchannel_logout_url: `http://127.0.0.1:${port}/gone` });
    const config = await configOf(made);
    const browser = await signedIn('rp@example.com');
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      state: 's',
    });
    const back = await toCallback(browser, url);
    const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    const end = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: 'http://127.0.0.1:3999/',
      state: 'bye',
    });
    const out = await browser.ask('GET', end.toString());
    expect(out.location).toBe('http://127.0.0.1:3999/?state=bye');
    expect((await browser.ask('GET', '/sessions/whoami')).status).toBe(401);
    const told = await until(() => {
      const [first] = heard;
      if (first === undefined) throw new Error('nothing was heard');
      return first;
    }, 'the word to the application');
    const jwt = new URLSearchParams(told).get('logout_token') ?? '';
    const keys = createRemoteJWKSet(new URL(`${base}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(jwt, keys, { issuer: `${base}/`, audience: made.id });
    expect(payload['sid']).toBe(tokens.claims()?.['sid']);
    ear.close();
  });
});
