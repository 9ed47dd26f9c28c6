/** The OpenID Provider at the real program, as an enemy sees it. */
import { request as rawRequest } from 'node:http';
import { exportSPKI, importJWK, type JWK, SignJWT } from 'jose';
import * as client from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { CALLBACK, OidcSite, toCallback } from '../harness/oidc.ts';
import { World } from '../harness/postern.ts';

const world = new World();
let site: OidcSite;

beforeAll(async () => {
  site = await OidcSite.start(world);
}, 60_000);
afterAll(() => world.close(), 60_000);

/** As fetch, which would not let a Host be set. */
async function rawly(
  path: string,
  o: { method?: string; headers: Record<string, string>; body?: string },
): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const asked = rawRequest(`${site.base}${path}`, o, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }),
      );
    });
    asked.on('error', reject);
    asked.end(o.body);
  });
}

describe('poisoned headers', () => {
  const poison = {
    host: 'evil.example',
    forwarded: 'host=evil.example;proto=https',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-prefix': '/evil.example',
    'x-original-url': '/evil.example',
    'x-rewrite-url': '/evil.example',
  };
  it('change no address of discovery', async () => {
    const plain = await (await fetch(`${site.base}/.well-known/openid-configuration`)).text();
    const told = await rawly('/.well-known/openid-configuration', { headers: poison });
    expect(told.text).toBe(plain);
  });
  it('change no address that a device shows', async () => {
    const made = await site.client({ type: 'native', callback_urls: [] });
    const told = await rawly('/oauth/device/code', {
      method: 'POST',
      headers: { ...poison, 'content-type': 'application/x-www-form-urlencoded' },
      body: `client_id=${made.id}&scope=openid`,
    });
    expect(told.status).toBe(200);
    expect(told.text).not.toContain('evil.example');
    expect(JSON.parse(told.text).verification_uri).toBe(`${site.base}/activate`);
  });
  it('change no redirect', async () => {
    const made = await site.client();
    const path = site.authorize(made).slice(site.base.length);
    const told = await rawly(path, { headers: poison });
    expect(JSON.stringify(told.headers)).not.toContain('evil.example');
  });
});

describe('addresses over the wire', () => {
  it.each([
    'https://evil.example/callback',
    `${CALLBACK}/`,
    `${CALLBACK}?next=https://evil.example`,
    `${CALLBACK}#x`,
    'http://127.0.0.1:3999@evil.example/callback',
    'http://127.0.0.1:3999\\@evil.example/callback',
    'http://127.0.0.1:39990/callback',
    'http://127.0.0.1:3999/callback/../evil',
    'http://127.0.0.1:3999/%63allback',
    'http://localhost:3999/callback',
    '//evil.example/callback',
    'javascript:alert(1)',
  ])('shows a page and redirects nowhere for redirect_uri %j', async (redirect_uri) => {
    const made = await site.client();
    const page = await new Browser(site.base).ask('GET', site.authorize(made, { redirect_uri }));
    expect(page.status).toBe(400);
    expect(page.location).toBeUndefined();
  });
  it('takes no parameter twice', async () => {
    const made = await site.client();
    const url = `${site.authorize(made)}&redirect_uri=${encodeURIComponent('https://evil.example/')}`;
    const page = await new Browser(site.base).ask('GET', url);
    // To the one that is registered, as if none were named.
    expect(page.location).toMatch(/^http:\/\/127\.0\.0\.1:3999\/callback\?error=invalid_request&/);
    const twice = await fetch(`${site.base}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `grant_type=authorization_code&grant_type=refresh_token&client_id=${made.id}&client_secret=${made.secret}`,
    });
    expect(twice.status).toBe(400);
  });
  it('leads from a sign-out to no address that is not listed', async () => {
    const made = await site.client();
    const own = 'http://127.0.0.1:3999';
    const hostile = [
      ...['https://evil.example', '//evil.example', '///evil.example', '/\\evil.example', '/'],
      ...['\\\\evil.example', 'http:evil.example', 'https:/evil.example', 'javascript:alert(1)'],
      ...['JaVaScRiPt:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd', 'null'],
      ...[`${own}.evil.example/`, `${own}@evil.example/`, `${own}\\@evil.example/`, `${own}0/`],
      ...[`http://user@127.0.0.1:3999/`, `${own}/../x`, `${own}/x`, `${own}//`, `${own}/%2e`],
      ...[`https://127.0.0.1:3999/`, 'http://localhost:3999/', 'http://2130706433:3999/'],
      ...['http://127.1:3999/', 'http://[::1]:3999/', 'http://0x7f000001:3999/', `${own};x/`],
      ...[` ${own}/`, `${own}/ `, `\t${own}/`, `${own}/\r\nset-cookie: a=b`, `${own}/\u0000`],
      ...[`${own}/?a\r\nset-cookie: a=b`, `${own}/?\\@evil.example`, `${own}/#\n`, `${own}/\u2028`],
      ...['http://\uff11\uff12\uff17.0.0.1:3999/', 'http://evil.example?http://127.0.0.1:3999/'],
      ...['http://evil.example#http://127.0.0.1:3999/', `HTTP://127.0.0.1:3999/`, '__proto__'],
    ];
    expect(hostile.length).toBeGreaterThanOrEqual(40);
    const browser = await site.person();
    for (const url of hostile)
      for (const path of [
        `/v2/logout?client_id=${made.id}&returnTo=${encodeURIComponent(url)}`,
        `/v2/logout?returnTo=${encodeURIComponent(url)}`,
        `/oidc/logout?client_id=${made.id}&post_logout_redirect_uri=${encodeURIComponent(url)}`,
      ]) {
        const page = await browser.ask('GET', path);
        expect(page.location, path).toBeUndefined();
        expect(page.status, path).toBe(400);
      }
    expect((await browser.ask('GET', '/sessions/whoami')).status).toBe(200);
  });
});

describe('forged hints', () => {
  it('signed by nothing, or by the public key as a shared secret, end no session', async () => {
    const made = await site.client();
    const config = await site.config(made);
    const browser = await site.person();
    const back = await toCallback(browser, site.authorize(made));
    const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    const claims = tokens.claims() ?? {};
    const jwks = (await (await fetch(`${site.base}/.well-known/jwks.json`)).json()) as {
      keys: JWK[];
    };
    const [jwk = {}] = jwks.keys;
    for (const part of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(jwk).not.toHaveProperty(part);
    const key = await importJWK(jwk, 'RS256');
    if (key instanceof Uint8Array) throw new Error('the key is no RSA key');
    const pem = new TextEncoder().encode(await exportSPKI(key as CryptoKey));
    const text = (o: unknown): string => Buffer.from(JSON.stringify(o)).toString('base64url');
    const hs = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', kid: String(jwk.kid) })
      .sign(pem);
    const [head = '', body = ''] = (tokens.id_token ?? '').split('.');
    const forged = [
      `${text({ alg: 'none' })}.${body}.`,
      `${text({ alg: 'NONE' })}.${body}.`,
      hs,
      `${head}.${body}.`,
      `${head}.${text({ ...claims, sub: 'somebody' })}.${(tokens.id_token ?? '').split('.')[2]}`,
      'x',
    ];
    for (const hint of forged) {
      const page = await browser.ask(
        'GET',
        `/oidc/logout?id_token_hint=${encodeURIComponent(hint)}`,
      );
      expect(page.status, hint).toBe(400);
      const asked = await browser.ask(
        'GET',
        site.authorize(made, { id_token_hint: hint, prompt: 'none' }),
      );
      expect(asked.location, hint).not.toContain('code=');
    }
    expect((await browser.ask('GET', '/sessions/whoami')).status).toBe(200);
  });
});

describe('what is too much or not theirs', () => {
  it('is a body of 10 MB, which is refused while others are answered', async () => {
    for (const path of ['/oauth/token', '/oauth/par', '/oidc/register', '/oauth/device/code']) {
      const answer = await fetch(`${site.base}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `a=${'b'.repeat(10_000_000)}`,
      }).catch(() => undefined);
      expect(
        answer === undefined || answer.status === 413 || answer.status === 400,
        `${path} ${answer?.status}`,
      ).toBe(true);
    }
    expect((await fetch(`${site.base}/.well-known/openid-configuration`)).status).toBe(200);
  });
  it("is another's token to introspect or revoke", async () => {
    const [mine, other] = [await site.client(), await site.client()];
    const [config, theirs] = [await site.config(mine), await site.config(other)];
    const back = await toCallback(await site.person(), site.authorize(mine));
    const { access_token } = await client.authorizationCodeGrant(config, back, {
      expectedState: 's',
    });
    expect((await client.tokenIntrospection(config, access_token)).active).toBe(true);
    expect((await client.tokenIntrospection(theirs, access_token)).active).toBe(false);
    await client.tokenRevocation(theirs, access_token).catch(() => undefined);
    expect((await client.tokenIntrospection(config, access_token)).active).toBe(true);
    await client.tokenRevocation(config, access_token);
    expect((await client.tokenIntrospection(config, access_token)).active).toBe(false);
  });
  it("is trust that a registration claims, and a client without the scope's token", async () => {
    const body = { client_name: 'Agent', redirect_uris: ['https://agent.example/cb'] };
    const none = await fetch(`${site.base}/oidc/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(none.status).toBe(401);
    const reader = await world.ok('admin', 'token', 'create', 'r', '--scope', 'clients:read');
    expect((await site.api('POST', '/oidc/register', body, reader)).status).toBe(401);
    for (const more of [
      { is_first_party: true },
      { is_spa: true },
      { backchannel_logout_uri: 'http://127.0.0.1/' },
    ])
      expect((await site.api('POST', '/oidc/register', { ...body, ...more })).status).toBe(400);
    const right = await site.api('POST', '/oidc/register', body);
    expect(right.status).toBe(201);
    const made = (await right.json()) as { client_id: string };
    const seen = (await (await site.api('GET', `/api/v1/clients/${made.client_id}`)).json()) as {
      first_party: boolean;
    };
    expect(seen.first_party).toBe(false);
  });
});

describe('pages', () => {
  it('can not be framed', async () => {
    const made = await site.client({ first_party: false });
    const browser = await site.person();
    for (const path of [
      '/activate',
      '/oidc/logout',
      '/v2/logout?returnTo=x',
      '/authorize',
      site.authorize(made),
    ]) {
      const page = await browser.open(path);
      expect(page.headers.get('x-frame-options'), path).toBe('DENY');
      expect(page.headers.get('content-security-policy'), path).toContain("frame-ancestors 'none'");
      expect(page.headers.get('x-content-type-options'), path).toBe('nosniff');
    }
  });
});
