/** Kinds of clients and what each has to prove, as certified client libraries and hostile ones ask. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify, SignJWT, UnsecuredJWT } from 'jose';
import * as client from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { World } from '../harness/postern.ts';

const world = new World();
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
    ...{ name: 'Shop', type: 'web', callback_urls: [CALLBACK] },
    ...o,
  });
  expect(answer.status, await answer.clone().text()).toBe(201);
  return (await answer.json()) as Made;
}
async function signedIn(email: string): Promise<Browser> {
  const begun = await fetch(`${base}/self-service/registration/api`);
  const { id } = (await begun.json()) as { id: string };
  const done = await fetch(`${base}/self-service/registration?flow=${id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      method: 'password',
      password: 'correct horse battery',
      traits: { email },
    }),
  });
  const browser = new Browser(base);
  const { session_token } = (await done.json()) as { session_token: string };
  browser.cookies.set('ory_kratos_session', session_token);
  return browser;
}
const configOf = (id: string, auth: client.ClientAuth): Promise<client.Configuration> =>
  client.discovery(new URL(base), id, undefined, auth, { execute: [client.allowInsecureRequests] });
/** Follows redirects until one leads to the application, or a page is shown. */
async function follow(browser: Browser, url: URL | string, to = CALLBACK) {
  let page = await browser.ask('GET', url.toString());
  for (let hops = 0; hops < 10; hops++) {
    if (page.location === undefined) return { page, back: undefined };
    if (page.location.startsWith(to)) return { page, back: new URL(page.location) };
    page = await browser.ask('GET', page.location);
  }
  throw new Error('too many redirects');
}
async function backFrom(browser: Browser, url: URL, to?: string): Promise<URL> {
  const { back, page } = await follow(browser, url, to);
  if (back === undefined) throw new Error(`it stopped at ${page.url}: ${page.text}`);
  return back;
}
async function exchange(
  form: Record<string, string>,
  headers = {},
): Promise<Record<string, unknown>> {
  const answer = await fetch(`${base}/oauth/token`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(form),
  });
  return { status: answer.status, ...((await answer.json()) as object) };
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

describe('a client that runs in a browser', () => {
  it('without a secret in its hands needs PKCE with S256, and proves itself by it', async () => {
    const made = await makeClient({ type: 'spa' });
    const config = await configOf(made.id, client.None());
    const browser = await signedIn('spa@example.com');
    const verifier = client.randomPKCECodeVerifier();
    const asked = { redirect_uri: CALLBACK, scope: 'openid', state: 's' };
    const url = client.buildAuthorizationUrl(config, {
      ...asked,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const back = await backFrom(browser, url);
    await expect(
      client.authorizationCodeGrant(config, back, {
        ...{ expectedState: 's', pkceCodeVerifier: client.randomPKCECodeVerifier() },
      }),
    ).rejects.toThrow();
    const again = await backFrom(browser, url);
    const tokens = await client.authorizationCodeGrant(config, again, {
      ...{ expectedState: 's', pkceCodeVerifier: verifier },
    });
    expect(tokens.claims()?.sub).toMatch(/./);
    const plain = client.buildAuthorizationUrl(config, {
      ...{ ...asked, code_challenge: verifier, code_challenge_method: 'plain' },
    });
    expect((await backFrom(browser, plain)).searchParams.get('error')).toBe('invalid_request');
  });

  it('may leave PKCE out when its server proves itself by the secret, and only then', async () => {
    const made = await makeClient({ type: 'spa' });
    const config = await configOf(made.id, client.None());
    const browser = await signedIn('secret@example.com');
    const url = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: CALLBACK, scope: 'openid', state: 's' },
    });
    const code = async (): Promise<string> =>
      (await backFrom(browser, url)).searchParams.get('code') ?? '';
    const form = { grant_type: 'authorization_code', redirect_uri: CALLBACK };
    const bare = await exchange({ ...form, client_id: made.id, code: await code() });
    expect(bare).toMatchObject({ status: 400, error: 'invalid_grant' });
    const post = { ...form, client_id: made.id, client_secret: made.secret };
    expect(await exchange({ ...post, code: await code() })).toMatchObject({ status: 200 });
    const basic = Buffer.from(`${made.id}:${made.secret}`).toString('base64');
    const headers = { authorization: `Basic ${basic}` };
    expect(await exchange({ ...form, code: await code() }, headers)).toMatchObject({ status: 200 });
    const wrong = { ...post, client_secret: `${made.secret}x`, code: await code() };
    expect(await exchange(wrong)).toMatchObject({ status: 401, error: 'invalid_client' });
  });
});

describe('a code', () => {
  it('is exchanged once, however many ask at the same time', async () => {
    const made = await makeClient();
    const config = await configOf(made.id, client.ClientSecretPost(made.secret));
    const browser = await signedIn('once@example.com');
    const url = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: CALLBACK, scope: 'openid', state: 's' },
    });
    const code = (await backFrom(browser, url)).searchParams.get('code') ?? '';
    const form = {
      ...{ grant_type: 'authorization_code', redirect_uri: CALLBACK, code },
      ...{ client_id: made.id, client_secret: made.secret },
    };
    const all = await Promise.all(Array.from({ length: 20 }, () => exchange(form)));
    expect(all.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(all.every(({ status }) => status === 200 || status === 400)).toBe(true);
  });

  it('of one client is nothing to another, nor with another callback', async () => {
    const [mine, other] = [await makeClient(), await makeClient()];
    const config = await configOf(mine.id, client.ClientSecretPost(mine.secret));
    const browser = await signedIn('inject@example.com');
    const url = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: CALLBACK, scope: 'openid', state: 's' },
    });
    const back = await backFrom(browser, url);
    expect(back.searchParams.get('iss')).toBe(`${base}/`);
    const code = back.searchParams.get('code') ?? '';
    const form = { grant_type: 'authorization_code', redirect_uri: CALLBACK, code };
    const by = { client_id: other.id, client_secret: other.secret };
    expect(await exchange({ ...form, ...by })).toMatchObject({ error: 'invalid_grant' });
  });
});

describe('a refresh token', () => {
  it('is taken again within moments, and after them its whole family is void', async () => {
    const made = await makeClient();
    const config = await configOf(made.id, client.ClientSecretPost(made.secret));
    const browser = await signedIn('family@example.com');
    const url = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: CALLBACK, scope: 'openid offline_access', state: 's' },
    });
    const tokens = await client.authorizationCodeGrant(config, await backFrom(browser, url), {
      expectedState: 's',
    });
    const first = tokens.refresh_token ?? '';
    const two = await Promise.all([
      client.refreshTokenGrant(config, first),
      client.refreshTokenGrant(config, first),
    ]);
    expect(new Set(two.map((t) => t.refresh_token)).size).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 5_500));
    await expect(client.refreshTokenGrant(config, first)).rejects.toThrow();
    for (const t of two) {
      await expect(client.refreshTokenGrant(config, t.refresh_token ?? '')).rejects.toThrow();
      const info = client.fetchUserInfo(config, t.access_token, client.skipSubjectCheck);
      await expect(info).rejects.toThrow();
    }
  }, 30_000);
});

describe('somebody else’s application', () => {
  it('asks people first, is told when they refuse, and is remembered when they agree', async () => {
    const made = await makeClient({ first_party: false, name: '<b>Blog</b>' });
    const config = await configOf(made.id, client.ClientSecretPost(made.secret));
    const browser = await signedIn('consent@example.com');
    const url = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: CALLBACK, scope: 'openid email', state: 's' },
    });
    const { page } = await follow(browser, url);
    expect(page.text).toContain('&lt;b&gt;Blog&lt;/b&gt;');
    expect(page.text).toContain('See your e-mail address');
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    const action = new URL(page.url).pathname;
    // Another browser, and one without the cookie of this interaction, decide nothing.
    const stranger = await signedIn('stranger@example.com');
    const forged = await stranger.ask('POST', action, { form: { decision: 'allow' } });
    expect(forged.status).toBe(400);
    const refused = await browser.ask('POST', action, { form: { decision: 'deny' } });
    const told = await backFrom(browser, new URL(refused.location ?? '', base));
    expect(told.searchParams.get('error')).toBe('access_denied');
    const asked = await follow(browser, url);
    const agreed = await browser.ask('POST', new URL(asked.page.url).pathname, {
      form: { decision: 'allow' },
    });
    const back = await backFrom(browser, new URL(agreed.location ?? '', base));
    const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    expect(tokens.claims()?.['email']).toBe('consent@example.com');
    expect((await follow(browser, url)).back?.searchParams.get('code')).toMatch(/./);
  });
});

describe('registration from outside', () => {
  const register = (body: object, bearer?: string): Promise<Response> =>
    fetch(`${base}/oidc/register`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      body: JSON.stringify(body),
    });

  it('needs a token with the scope, and makes a client that people are asked about', async () => {
    const body = { client_name: 'Robot', redirect_uris: [CALLBACK] };
    expect((await register(body)).status).toBe(401);
    const narrow = await world.ok('admin', 'token', 'create', 'no', '--scope', 'accounts:read');
    expect((await register(body, narrow)).status).toBe(401);
    const made = (await (await register(body, token)).json()) as Record<string, string>;
    expect(made['client_secret']).toMatch(/^[\w-]{64}$/);
    const known = await api('GET', `/api/v1/clients/${made['client_id']}`);
    expect(await known.json()).toMatchObject({ name: 'Robot', first_party: false });
    const config = await configOf(
      made['client_id'] ?? '',
      client.ClientSecretBasic(made['client_secret'] ?? ''),
    );
    const url = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: CALLBACK, scope: 'openid', state: 's' },
    });
    const { page } = await follow(await signedIn('dcr@example.com'), url);
    expect(page.text).toContain('Robot');
  });

  it.each([
    { client_name: 'x', redirect_uris: [CALLBACK], is_first_party: true },
    { client_name: 'x', redirect_uris: ['javascript:alert(1)'] },
    { client_name: 'x', redirect_uris: ['https://a.example/cb#x'] },
    { client_name: 'x', redirect_uris: ['https://*.*.example/cb'] },
    { client_name: 'x', redirect_uris: [CALLBACK], backchannel_logout_uri: 'http://127.0.0.1:1/' },
    { client_name: 'x', redirect_uris: [CALLBACK], sector_identifier_uri: 'http://127.0.0.1:1/' },
    { client_name: 'x', redirect_uris: [CALLBACK], id_token_signed_response_alg: 'none' },
    {
      client_name: 'x',
      redirect_uris: [CALLBACK],
      jwks_uri: 'http://127.0.0.1:1/jwks',
      token_endpoint_auth_method: 'private_key_jwt',
    },
  ])('refuses %j', async (body) => {
    const answer = await register(body, token);
    expect(answer.status, await answer.text()).toBe(400);
  });
});

describe('an attacker', () => {
  it('poisons no address by Host or forwarding headers', async () => {
    const { request } = await import('node:http');
    const { port } = new URL(base);
    const text = await new Promise<string>((resolve, reject) => {
      const asked = request(
        {
          ...{ host: '127.0.0.1', port, path: '/.well-known/openid-configuration' },
          headers: {
            host: 'evil.example',
            'x-forwarded-host': 'evil.example',
            'x-forwarded-proto': 'https',
            forwarded: 'host=evil.example',
          },
        },
        (answer) => {
          let body = '';
          answer.on('data', (chunk: Buffer) => {
            body += chunk.toString();
          });
          answer.on('end', () => resolve(body));
        },
      );
      asked.once('error', reject);
      asked.end();
    });
    expect(text).not.toContain('evil');
    expect(JSON.parse(text).issuer).toBe(`${base}/`);
  });

  it('signs out nobody by an ID token of their own making', async () => {
    const made = await makeClient();
    const browser = await signedIn('confusion@example.com');
    const who = await browser.ask('GET', '/sessions/whoami');
    const sub: string = JSON.parse(who.text).identity.id;
    const keys = (await (await fetch(`${base}/.well-known/jwks.json`)).json()) as {
      keys: { n: string; kid: string }[];
    };
    const claims = { iss: `${base}/`, aud: made.id, sub };
    const none = new UnsecuredJWT(claims).setIssuedAt().setExpirationTime('1h').encode();
    const hmac = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: keys.keys[0]?.kid ?? '' })
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(Buffer.from(keys.keys[0]?.n ?? '', 'base64url'));
    for (const hint of [none, hmac, 'x.y.z']) {
      const page = await browser.ask('GET', `/oidc/logout?id_token_hint=${hint}`);
      expect(page.status).toBe(400);
      expect((await browser.ask('GET', '/sessions/whoami')).status).toBe(200);
    }
  });

  it('gets no code sent to an address that is not registered to the letter', async () => {
    const made = await makeClient({
      callback_urls: ['https://app.example/cb', 'http://*.ngrok-free.app/callback'],
    });
    const browser = await signedIn('redirect@example.com');
    const ask = (to: string): ReturnType<Browser['ask']> =>
      browser.ask(
        'GET',
        `/authorize?client_id=${made.id}&response_type=code&scope=openid&redirect_uri=${encodeURIComponent(to)}`,
      );
    for (const to of HOSTILE) {
      const page = await ask(to);
      expect([page.status, page.location], to).toEqual([400, undefined]);
    }
    for (const to of ['https://app.example/cb', 'http://my-app.ngrok-free.app/callback'])
      expect((await ask(to)).location, to).toContain(to);
  }, 30_000);
});

describe('keys', () => {
  it('are rotated while tokens of before are still verified', async () => {
    const made = await makeClient();
    const config = await configOf(made.id, client.ClientSecretPost(made.secret));
    const browser = await signedIn('keys@example.com');
    const url = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: CALLBACK, scope: 'openid', state: 's' },
    });
    const idToken = async (): Promise<string> => {
      const back = await backFrom(browser, url);
      const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
      return tokens.id_token ?? '';
    };
    const before = await idToken();
    await world.ok('admin', 'client', 'keys', '--rotate');
    const jwks = createRemoteJWKSet(new URL(`${base}/.well-known/jwks.json`), {
      cooldownDuration: 0,
    });
    const options = { issuer: `${base}/`, audience: made.id, algorithms: ['RS256'] };
    let kid = '';
    for (let i = 0; i < 50 && (kid === '' || kid === kidOf(before)); i++)
      kid = kidOf(await idToken());
    expect(kid).not.toBe(kidOf(before));
    const after = await idToken();
    for (const jwt of [before, after])
      expect((await jwtVerify(jwt, jwks, options)).payload.sub).toMatch(/./);
  }, 30_000);
});

const kidOf = (jwt: string): string =>
  JSON.parse(Buffer.from(jwt.split('.')[0] ?? '', 'base64url').toString()).kid;

/** Of addresses that differ a little from those that are registered. */
const HOSTILE = [
  ...[
    'https://evil.example/cb',
    'http://app.example/cb',
    'https://app.example/cb/',
    'https://app.example/CB',
  ],
  ...[
    'https://app.example/cb?x=1',
    'https://app.example/cb#x',
    'https://app.example/',
    'https://app.example',
  ],
  ...[
    'https://app.example:443/cb',
    'https://app.example:8443/cb',
    'https://app.example./cb',
    'https://APP.example/cb',
  ],
  ...[
    'https://app.example@evil.example/cb',
    'https://evil.example/https://app.example/cb',
    'https://app.example.evil.example/cb',
  ],
  ...[
    'https://app.example/cb/../x',
    'https://app.example/x/../cb',
    'https://app.example/%63b',
    'https://app.example\\@evil.example/cb',
  ],
  ...[
    '//app.example/cb',
    '/cb',
    'cb',
    'javascript:alert(1)//https://app.example/cb',
    'data:text/html,x',
    'https:app.example/cb',
  ],
  ...[
    'https:///app.example/cb',
    'https://app.example%2fcb',
    'https://app.example\t/cb',
    ' https://app.example/cb',
    'https://app.example/cb ',
  ],
  ...[
    'https://user:pw@app.example/cb',
    'https://xn--pp-xka.example/cb',
    'https://аpp.example/cb',
    'https://app.example/cb\u0000',
  ],
  ...[
    'http://ngrok-free.app/callback',
    'http://a.b.ngrok-free.app/callback',
    'http://*.ngrok-free.app/callback',
    'http://.ngrok-free.app/callback',
  ],
  ...[
    'https://a.ngrok-free.app/callback',
    'http://a.ngrok-free.app/callback/',
    'http://a.ngrok-free.app:80/callback',
    'http://evil.example#.ngrok-free.app/callback',
  ],
  ...[
    'http://evil.example/.ngrok-free.app/callback',
    'http://evil.example?.ngrok-free.app/callback',
    'http://a@b.ngrok-free.app/callback',
    'http://-a.ngrok-free.app/callback',
  ],
];
