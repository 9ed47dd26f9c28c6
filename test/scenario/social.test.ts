/** Social sign-in at the real program, with real OpenID Providers on loopback: people, programs, and attackers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Browser, formAction, hiddenFields, type Page } from '../harness/browser.ts';
import { freePort, World } from '../harness/postern.ts';
import { SocialProviderFixture, throughProvider } from '../harness/social-provider.ts';

const PASSWORD = 'correct horse battery';
const base64 = (text: string): string => `base64://${Buffer.from(text).toString('base64')}`;
const SCHEMA = {
  $id: 'https://example.com/person.json',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          type: 'string',
          format: 'email',
          'ory.sh/kratos': {
            credentials: { password: { identifier: true } },
            verification: { via: 'email' },
            recovery: { via: 'email' },
          },
        },
        name: { type: 'string', maxLength: 64 },
      },
      required: ['email'],
      additionalProperties: false,
    },
  },
};
const MAPPER = `
local claims = { email_verified: false } + std.extVar('claims');
{
  identity: {
    traits: {
      [if 'email' in claims then 'email' else null]: claims.email,
      [if 'given_name' in claims then 'name' else null]: claims.given_name,
    },
    [if 'email' in claims && claims.email_verified then 'verified_addresses' else null]: [
      { via: 'email', value: claims.email },
    ],
    metadata_public: { from: claims.iss },
  },
}`;

let world: World;
let one: SocialProviderFixture;
let other: SocialProviderFixture;
/** As UAE PASS is: OAuth 2.0 and a profile. */
let pass: SocialProviderFixture;
let base = '';
let people = 0;

function kratos(): string {
  const provider = (
    id: string,
    { url, clientId, clientSecret }: SocialProviderFixture,
    more = {},
  ): string =>
    JSON.stringify({
      ...{ id, provider: 'generic', label: id.toUpperCase(), issuer_url: url },
      ...{ client_id: clientId, client_secret: clientSecret, scope: ['email', 'profile'] },
      mapper_url: base64(MAPPER),
      additional_id_token_audiences: id === 'other' ? ['the.phone.app'] : [],
      update_identity_on_login: id === 'other' ? 'automatic' : 'never',
      ...more,
    });
  const strong = {
    ...{ claims_source: 'userinfo', auth_url: 'http://127.0.0.1:1/auth' },
    token_url: 'http://127.0.0.1:1/token',
    ...{ aal2_acr_values: ['urn:example:two'], aal2_amr_values: ['mfa'] },
  };
  const providers = [
    provider('one', one),
    provider('other', other),
    provider('strong', other, strong),
    provider('pass', pass, { provider: 'uaepass', scope: ['openid', 'email', 'profile'] }),
  ];
  return `
serve: { public: { base_url: "${base}/" } }
selfservice:
  default_browser_return_url: ${base}/
  allowed_return_urls: [ "myapp://signed-in" ]
  methods:
    password: { enabled: true }
    totp: { enabled: true, config: { issuer: Tests } }
    oidc: { enabled: true, config: { providers: [ ${providers.join(', ')} ] } }
  flows:
    error: { ui_url: "${base}/error" }
    registration: { after: { oidc: { hooks: [ { hook: session } ] }, password: { hooks: [ { hook: session } ] } } }
identity: { schemas: [ { id: default, url: "${base64(JSON.stringify(SCHEMA))}" } ] }
`;
}

beforeAll(async () => {
  one = await SocialProviderFixture.start();
  other = await SocialProviderFixture.start();
  pass = await SocialProviderFixture.start({
    ...{ authorization: '/idshub/authorize', token: '/idshub/token' },
    userinfo: '/idshub/userinfo',
  });
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  one.redirectUris = [`${base}/self-service/methods/oidc/callback/one`];
  other.redirectUris = ['other', 'strong'].map(
    (id) => `${base}/self-service/methods/oidc/callback/${id}`,
  );
  // Its PKCE is forced, and so nothing of the provider is in the address.
  pass.redirectUris = [`${base}/self-service/methods/oidc/callback`];
  world = new World({ POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}` });
  writeFileSync(join(world.folder, 'kratos.yml'), kratos());
  const file = join(world.folder, 'server.yaml');
  writeFileSync(file, 'accounts: { kratos: ./kratos.yml }\n');
  await world.startServer('--config', file);
}, 60_000);
afterEach(() => {
  one.intercept = undefined;
  other.intercept = undefined;
  other.unsigned = {};
  pass.intercept = undefined;
});
afterAll(async () => {
  await world.close();
  await one.close();
  await other.close();
  await pass.close();
}, 60_000);

/** A new person at provider one, known to nobody. */
function stranger(claims: Record<string, unknown> = {}): string {
  const sub = `person-${++people}`;
  const email = `${sub}@example.com`;
  one.person = { sub, email, email_verified: true, given_name: 'Ann', ...claims };
  return email;
}
type Button = readonly [name: string, value: string];
/** Presses a button of the first form; answers where the browser is sent. */
async function press(browser: Browser, page: Page, button: Button, typed = {}): Promise<Page> {
  return browser.ask('POST', formAction(page), {
    form: { ...hiddenFields(page), ...typed, [button[0]]: button[1] },
  });
}
const at = (provider: SocialProviderFixture, page: Page): Promise<string> =>
  throughProvider(provider.url, page.location ?? '');
/** The whole way: a flow, the provider, and back. */
async function through(browser: Browser, kind: string, provider = one, id = 'one'): Promise<Page> {
  const page = await browser.open(`/self-service/${kind}/browser`);
  return browser.open(await at(provider, await press(browser, page, ['provider', id])));
}
// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked at by the tests.
type Told = any;
async function json(browser: Browser, path: string): Promise<Told> {
  return JSON.parse(
    (await browser.ask('GET', path, { headers: { accept: 'application/json' } })).text,
  );
}
const whoami = (browser: Browser): ReturnType<typeof json> => json(browser, '/sessions/whoami');
async function withPassword(browser: Browser, email: string): Promise<void> {
  const first = await browser.open('/self-service/registration/browser');
  const second = await browser.submit(first, { 'traits.email': email }, ['method', 'profile']);
  await browser.submit(second, { 'traits.email': email, password: PASSWORD }, [
    'method',
    'password',
  ]);
  expect((await whoami(browser)).active).toBe(true);
}

describe('a browser', () => {
  it('registers by a provider, and signs in by it', async () => {
    const email = stranger();
    const me = new Browser(base);
    await through(me, 'registration');
    const session = await whoami(me);
    expect(session.identity.traits).toEqual({ email, name: 'Ann' });
    expect(session.identity.verifiable_addresses[0]).toMatchObject({
      value: email,
      verified: true,
    });
    expect(session.identity.metadata_public).toEqual({ from: one.url });
    expect(session.authentication_methods).toEqual([
      expect.objectContaining({ method: 'oidc', provider: 'one', aal: 'aal1' }),
    ]);
    const again = new Browser(base);
    await through(again, 'login');
    expect((await whoami(again)).identity.id).toBe(session.identity.id);
  });

  it('becomes a registration when nobody is known, and a sign-in when somebody is', async () => {
    stranger();
    const me = new Browser(base);
    await through(me, 'login');
    const { identity } = await whoami(me);
    const again = new Browser(base);
    await through(again, 'registration');
    expect((await whoami(again)).identity.id).toBe(identity.id);
  });

  it('is asked for what the provider does not say', async () => {
    stranger({ email: undefined });
    const me = new Browser(base);
    const page = await through(me, 'registration');
    expect(page.url).toContain('/registration?flow=');
    expect(page.text).toContain('traits.email');
    expect(page.text).toContain('value="Ann"');
    const typed = { 'traits.email': `typed-${people}@example.com`, 'traits.name': 'Ann' };
    const end = await at(one, await press(me, page, ['provider', 'one'], typed));
    await me.open(end);
    const { identity } = await whoami(me);
    expect(identity.traits).toEqual({ email: `typed-${people}@example.com`, name: 'Ann' });
    expect(identity.verifiable_addresses[0].verified).toBe(false);
  });

  it('gets the account brought up to date where the configuration says so', async () => {
    const sub = `fresh-${++people}`;
    other.person = { sub, email: `${sub}@example.com`, email_verified: true, given_name: 'Old' };
    const me = new Browser(base);
    await through(me, 'registration', other, 'other');
    other.person = { ...other.person, given_name: 'New' };
    const again = new Browser(base);
    await through(again, 'login', other, 'other');
    expect((await whoami(again)).identity.traits.name).toBe('New');
  });

  it('says so when the provider has nobody', async () => {
    const me = new Browser(base);
    const page = await me.open('/self-service/login/browser');
    const { location = '' } = await press(me, page, ['provider', 'one']);
    const state = new URL(location).searchParams.get('state') ?? '';
    const back = `${one.redirectUris[0]}?error=access_denied&error_description=%3Cscript%3E&state=${state}&iss=${encodeURIComponent(one.url)}`;
    const told = await me.open(back);
    expect(told.url).toContain('/login?flow=');
    expect(told.text).toContain('access_denied');
    expect(told.text).not.toContain('<script>');
  });
});

describe('a provider without OpenID Connect', () => {
  it('signs people in by its profile', async () => {
    const sub = `UAEPASS/${++people}`;
    const email = `pass-${people}@example.com`;
    pass.person = { sub, email, email_verified: true, firstnameEN: 'Ann', fullnameEN: 'Ann B' };
    const me = new Browser(base);
    await through(me, 'registration', pass, 'pass');
    const { identity } = await whoami(me);
    expect(identity.traits).toEqual({ email, name: 'Ann' });
    // A confirmed address is nothing that this provider promises.
    expect(identity.verifiable_addresses[0].verified).toBe(false);
    expect(identity.metadata_public).toEqual({ from: pass.url });
    const again = new Browser(base);
    await through(again, 'login', pass, 'pass');
    expect((await whoami(again)).identity.id).toBe(identity.id);
    expect(pass.asked).toContain('/idshub/userinfo');
    expect(pass.asked).not.toContain('/.well-known/openid-configuration');
  });

  it('signs nobody in by a profile that names nobody', async () => {
    for (const [status, body] of [
      [200, '{}'],
      [200, '{"sub":""}'],
      [200, '{"sub":7}'],
      [200, '[]'],
      [200, 'sub=admin'],
      [401, '{"sub":"admin"}'],
      [302, '{"sub":"admin"}'],
    ] as const) {
      pass.person = { sub: `UAEPASS/${++people}` };
      const me = new Browser(base);
      const page = await me.open('/self-service/login/browser');
      const back = await at(pass, await press(me, page, ['provider', 'pass']));
      pass.intercept = (request, response) => {
        const isToken = request.url === '/idshub/token';
        response.writeHead(isToken ? 200 : status, { 'content-type': 'application/json' });
        response.end(isToken ? '{"access_token":"x","token_type":"Bearer"}' : body);
      };
      const told = await me.open(back);
      pass.intercept = undefined;
      expect(told.url, body).toContain('/login?flow=');
      expect((await whoami(me)).error.code, body).toBe(401);
    }
  });
});

describe('a provider that asked for a second factor itself', () => {
  const person = (claims: Record<string, unknown> = {}): void => {
    const sub = `strong-${++people}`;
    other.person = { sub, email: `${sub}@example.com`, email_verified: true, ...claims };
  };
  it.each([
    [{ acr: 'urn:example:two' }, { upstream_acr: 'urn:example:two' }],
    [{ amr: ['pwd', 'mfa'] }, { upstream_amr: ['pwd', 'mfa'] }],
  ])('signs in with both, by %j', async (claims, upstream) => {
    person(claims);
    for (const kind of ['registration', 'login']) {
      const me = new Browser(base);
      await through(me, kind, other, 'strong');
      const session = await whoami(me);
      expect(session.authenticator_assurance_level, kind).toBe('aal2');
      expect(session.authentication_methods, kind).toEqual([
        expect.objectContaining({ method: 'oidc', aal: 'aal2', provider: 'strong', ...upstream }),
      ]);
    }
  });

  it.each([
    ['other values', { acr: 'urn:example:one', amr: ['pwd'] }, {}, 'strong'],
    ['values of another shape', { acr: ['urn:example:two'], amr: 'mfa' }, {}, 'strong'],
    ['what it did not sign', {}, { acr: 'urn:example:two', amr: ['mfa'] }, 'strong'],
    ['values that nobody asks for', { acr: 'urn:example:two', amr: ['mfa'] }, {}, 'other'],
  ])('signs in with one, by %s', async (_what, claims, unsigned, id) => {
    person(claims);
    other.unsigned = unsigned;
    const me = new Browser(base);
    await through(me, 'registration', other, id);
    const session = await whoami(me);
    expect(session.authenticator_assurance_level).toBe('aal1');
    expect(session.authentication_methods[0].aal).toBe('aal1');
  });
});

describe('a single-page app', () => {
  it('is told where to send its browser', async () => {
    const email = stranger();
    const me = new Browser(base);
    const flow = await json(me, '/self-service/login/browser');
    const csrf = flow.ui.nodes[0].attributes.value;
    const told = await me.ask('POST', `/self-service/login?flow=${flow.id}`, {
      json: { method: 'oidc', provider: 'one', csrf_token: csrf },
    });
    expect(told.status).toBe(422);
    const body = JSON.parse(told.text);
    expect(body.error.id).toBe('browser_location_change_required');
    await me.open(await throughProvider(one.url, body.redirect_browser_to));
    expect((await whoami(me)).identity.traits.email).toBe(email);
  });
});

describe('a native app', () => {
  async function begin(): Promise<{ code: string; back: string }> {
    const asked = await fetch(
      `${base}/self-service/login/api?return_session_token_exchange_code=true&return_to=myapp://signed-in`,
    );
    const flow: Told = await asked.json();
    expect(flow.session_token_exchange_code).toBeTypeOf('string');
    const told = await fetch(`${base}/self-service/login?flow=${flow.id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ method: 'oidc', provider: 'one' }),
    });
    expect(told.status).toBe(422);
    const { redirect_browser_to: url }: Told = await told.json();
    return { code: flow.session_token_exchange_code, back: await throughProvider(one.url, url) };
  }
  const exchange = (code: string, second: string): Promise<Response> =>
    fetch(`${base}/sessions/token-exchange?init_code=${code}&return_to_code=${second}`);

  it('gets its session for both codes, once', async () => {
    const email = stranger();
    const { code, back } = await begin();
    const end = await new Browser(base).ask('GET', back);
    expect(end.location).toMatch(/^myapp:\/\/signed-in\?code=/);
    expect(end.headers.getSetCookie().join()).not.toContain('session');
    const second = new URL(end.location ?? '').searchParams.get('code') ?? '';
    expect((await exchange(code, 'wrong')).status).toBe(404);
    expect((await exchange('wrong', second)).status).toBe(404);
    expect((await fetch(`${base}/sessions/token-exchange?init_code=${code}`)).status).toBe(400);
    const both = await exchange(code, second);
    expect(both.status).toBe(200);
    const { session, session_token: token }: Told = await both.json();
    expect(session.identity.traits.email).toBe(email);
    const who = await fetch(`${base}/sessions/whoami`, { headers: { 'x-session-token': token } });
    expect(who.status).toBe(200);
    expect((await exchange(code, second)).status).toBe(404);
  });

  it('hears what is missing', async () => {
    stranger({ email: undefined });
    const { code, back } = await begin();
    const end = await new Browser(base).ask('GET', back);
    const second = new URL(end.location ?? '').searchParams.get('code') ?? '';
    const told = await exchange(code, second);
    expect(told.status).toBe(422);
    const { ui }: Told = await told.json();
    expect(ui.nodes.length).toBeGreaterThan(1);
  });
});

describe('an ID token that an app got by itself', () => {
  /** One of the other provider's, for the client of the configuration. */
  async function idToken(nonce: string): Promise<string> {
    const sub = `phone-${++people}`;
    other.person = { sub, email: `${sub}@example.com`, email_verified: true };
    const asked = new URLSearchParams({
      ...{ client_id: other.clientId, response_type: 'code', scope: 'openid email', nonce },
      redirect_uri: other.redirectUris[0] ?? '',
    });
    const back = new URL(await throughProvider(other.url, `${other.url}/auth?${asked}`));
    const answer = await fetch(`${other.url}/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa(`${other.clientId}:${encodeURIComponent(other.clientSecret)}`)}`,
      },
      body: new URLSearchParams({
        ...{ grant_type: 'authorization_code', code: back.searchParams.get('code') ?? '' },
        redirect_uri: other.redirectUris[0] ?? '',
      }),
    });
    const { id_token: token }: Told = await answer.json();
    return token;
  }
  async function submit(kind: string, body: Record<string, string>): Promise<Told> {
    const flow: Told = await (await fetch(`${base}/self-service/${kind}/api`)).json();
    const answer = await fetch(`${base}/self-service/${kind}?flow=${flow.id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ method: 'oidc', ...body }),
    });
    return { status: answer.status, body: await answer.json() };
  }

  it('signs in, with the nonce that the app chose', async () => {
    const token = await idToken('n-1');
    const right = { provider: 'other', id_token: token, id_token_nonce: 'n-1' };
    const made = await submit('registration', right);
    expect(made.status).toBe(200);
    expect(made.body.session_token).toBeTypeOf('string');
    const again = await submit('login', right);
    expect(again.status).toBe(200);
    expect(again.body.session.identity.id).toBe(made.body.identity.id);
  });

  it('is worth nothing with another nonce, changed, of another provider, or unsigned', async () => {
    const token = await idToken('n-2');
    const [head = '', claims = '', signature = ''] = token.split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const hmac = Buffer.from('{"alg":"HS256"}').toString('base64url');
    for (const [provider, text, nonce] of [
      ['other', token, 'n-3'],
      ['other', token, ''],
      ['other', `${head}.${claims}.${signature.slice(0, -4)}AAAA`, 'n-2'],
      ['other', `${none}.${claims}.`, 'n-2'],
      ['other', `${hmac}.${claims}.${signature}`, 'n-2'],
      ['other', 'x', 'n-2'],
      ['one', token, 'n-2'],
    ] as const) {
      const told = await submit('login', { provider, id_token: text, id_token_nonce: nonce });
      expect(told.status, `${provider} ${text.slice(0, 20)} ${nonce}`).toBe(400);
      expect(told.body.session).toBeUndefined();
    }
  });
});

describe('an account that has the address already', () => {
  it('is linked after it signed in, and not before', async () => {
    const email = stranger();
    const owner = new Browser(base);
    await withPassword(owner, email);
    const { identity } = await whoami(owner);
    // The provider's word for the address signs nobody in.
    const me = new Browser(base);
    const page = await through(me, 'login');
    expect(page.text).toContain('ONE');
    expect((await whoami(me)).error.code).toBe(401);
    // Nor does the sign-in of another account link it.
    const foe = `foe-${people}@example.com`;
    await withPassword(new Browser(base), foe);
    const refused = await me.submit(page, { identifier: foe, password: PASSWORD }, [
      'method',
      'password',
    ]);
    expect(refused.text).toMatch(/other|link/i);
    // Its own does.
    await me.submit(refused, { identifier: email, password: PASSWORD }, ['method', 'password']);
    expect((await whoami(me)).identity.id).toBe(identity.id);
    const later = new Browser(base);
    await through(later, 'login');
    expect((await whoami(later)).identity.id).toBe(identity.id);
  });

  it('links and unlinks in the settings, and keeps a last way in', async () => {
    const email = stranger({ email: 'somebody.else@example.com' });
    expect(email).toBeTypeOf('string');
    const me = new Browser(base);
    await withPassword(me, `links-${people}@example.com`);
    const { identity } = await whoami(me);
    const page = await me.open('/self-service/settings/browser');
    await me.open(await at(one, await press(me, page, ['link', 'one'])));
    const later = new Browser(base);
    await through(later, 'login');
    expect((await whoami(later)).identity.id).toBe(identity.id);
    const settings = await me.open('/self-service/settings/browser');
    await me.submit(settings, {}, ['unlink', 'one']);
    const gone = new Browser(base);
    await through(gone, 'login');
    expect((await whoami(gone)).identity?.id).not.toBe(identity.id);
    // Whoever has nothing but a provider sees no way to lose it.
    stranger();
    const alone = new Browser(base);
    await through(alone, 'registration');
    const own = await alone.open('/self-service/settings/browser');
    expect(own.text).not.toContain('name="unlink"');
    const forced = await press(alone, own, ['unlink', 'one']);
    expect((await alone.open(forced.location ?? '')).text).toMatch(/last|only/i);
  });

  it('never gets a provider that belongs to somebody else', async () => {
    stranger();
    const victim = new Browser(base);
    await through(victim, 'registration');
    const { identity } = await whoami(victim);
    const foe = new Browser(base);
    await withPassword(foe, `foe2-${people}@example.com`);
    const page = await foe.open('/self-service/settings/browser');
    await foe.open(await at(one, await press(foe, page, ['link', 'one'])));
    const later = new Browser(base);
    await through(later, 'login');
    expect((await whoami(later)).identity.id).toBe(identity.id);
  });
});

describe('an attacker', () => {
  /** Somebody on the way back, and where they would go. */
  async function onTheWay(): Promise<{ me: Browser; back: string }> {
    stranger();
    const me = new Browser(base);
    const page = await me.open('/self-service/login/browser');
    return { me, back: await at(one, await press(me, page, ['provider', 'one'])) };
  }

  it('cannot use a way back twice', async () => {
    const { me, back } = await onTheWay();
    await me.open(back);
    const again = new Browser(base);
    for (const [name, value] of me.cookies)
      if (name.startsWith('csrf')) again.cookies.set(name, value);
    await again.open(back);
    expect((await whoami(again)).error.code).toBe(401);
  });

  it('cannot sign somebody else in with it: it belongs to its browser', async () => {
    const { back } = await onTheWay();
    const victim = new Browser(base);
    await victim.open('/self-service/login/browser');
    const page = await victim.open(back);
    expect(page.status).toBeGreaterThanOrEqual(200);
    expect((await whoami(victim)).error.code).toBe(401);
  });

  it('gets one session of one way back, however often it is opened at once', async () => {
    const { me, back } = await onTheWay();
    const before = one.asked.filter((path) => path === '/token').length;
    const browsers = Array.from({ length: 5 }, () => {
      const browser = new Browser(base);
      for (const [name, value] of me.cookies) browser.cookies.set(name, value);
      return browser;
    });
    await Promise.all(browsers.map((browser) => browser.open(back)));
    const told = await Promise.all(browsers.map(whoami));
    expect(told.filter(({ active }) => active === true)).toHaveLength(1);
    expect(one.asked.filter((path) => path === '/token').length - before).toBe(1);
  });

  it('cannot choose an account at the provider for somebody', async () => {
    const me = new Browser(base);
    const page = await me.open('/self-service/login/browser');
    const { location = '' } = await press(me, page, ['provider', 'one'], {
      ...{ 'upstream_parameters.login_hint': 'foe@example.com', 'upstream_parameters.hd': 'h' },
      'upstream_parameters.redirect_uri': 'https://foe.example',
    });
    const { searchParams } = new URL(location);
    expect(searchParams.has('login_hint')).toBe(false);
    expect(searchParams.get('hd')).toBe('h');
    expect(searchParams.get('redirect_uri')).toBe(one.redirectUris[0]);
  });

  it('cannot take an address of somebody else by what a provider says at a later sign-in', async () => {
    const victim = `victim-${++people}@example.com`;
    const owner = new Browser(base);
    await withPassword(owner, victim);
    const { identity } = await whoami(owner);
    const sub = `taker-${people}`;
    other.person = { sub, email: `${sub}@example.com`, email_verified: true };
    const me = new Browser(base);
    await through(me, 'registration', other, 'other');
    other.person = { ...other.person, email: victim };
    const again = new Browser(base);
    await through(again, 'login', other, 'other');
    const told = await whoami(again);
    expect(told.identity.id).not.toBe(identity.id);
    // Nor is one shut out by it.
    expect(told.identity.traits.email).toBe(`${sub}@example.com`);
  });

  it('cannot make up a state or borrow one', async () => {
    const { me, back } = await onTheWay();
    const url = new URL(back);
    const state = url.searchParams.get('state') ?? '';
    for (const wrong of [
      '',
      'x',
      `${state}x`,
      state.slice(0, -1),
      state.replace('login.', 'settings.'),
      'login.00000000-0000-0000-0000-000000000000.x',
      '__proto__',
      'a'.repeat(100_000),
    ]) {
      const told = new URL(back);
      told.searchParams.set('state', wrong);
      const answer = await me.ask('GET', told.toString());
      expect(answer.status, wrong.slice(0, 60)).toBeGreaterThanOrEqual(300);
      expect((await whoami(me)).error.code).toBe(401);
    }
  });

  it('cannot bring the code of another sign-in (PKCE and nonce are of the flow)', async () => {
    const first = await onTheWay();
    const second = await onTheWay();
    const mixed = new URL(second.back);
    mixed.searchParams.set('code', new URL(first.back).searchParams.get('code') ?? '');
    await second.me.open(mixed.toString());
    expect((await whoami(second.me)).error.code).toBe(401);
  });

  it('cannot answer for one provider with another (mix-up)', async () => {
    const { me, back } = await onTheWay();
    const asked = (): number => other.asked.filter((path) => path === '/token').length;
    const before = asked();
    const { search } = new URL(back);
    await me.open(`/self-service/methods/oidc/callback/other${search}`);
    expect((await whoami(me)).error.code).toBe(401);
    const foreign = new URL(back);
    foreign.searchParams.set('iss', other.url);
    await me.open(foreign.toString());
    expect((await whoami(me)).error.code).toBe(401);
    expect(asked()).toBe(before);
  });

  it('cannot make the server wait, or eat its memory, by way of a provider', async () => {
    for (const [what, answer] of [
      ['silent', () => {}],
      ['endless', endless],
      ['broken', (_q, r) => r.writeHead(200, { 'content-type': 'application/json' }).end('{')],
      ['failing', (_q, r) => r.writeHead(500).end('out of order')],
      ['elsewhere', (_q, r) => r.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ] as readonly [string, NonNullable<SocialProviderFixture['intercept']>][]) {
      const { me, back } = await onTheWay();
      one.intercept = answer;
      const began = Date.now();
      const page = await me.open(back);
      expect(Date.now() - began, what).toBeLessThan(15_000);
      expect(page.url, what).toContain('/login?flow=');
      one.intercept = undefined;
      expect((await whoami(me)).error.code).toBe(401);
    }
  }, 60_000);

  it('cannot sign an ID token by no algorithm', async () => {
    const { me, back } = await onTheWay();
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    one.intercept = (_request, response) => {
      const now = Math.floor(Date.now() / 1_000);
      const claims = { iss: one.url, sub: 'admin', aud: one.clientId, iat: now, exp: now + 60 };
      const token = `${part({ alg: 'none' })}.${part(claims)}.`;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ access_token: 'x', token_type: 'bearer', id_token: token }));
    };
    await me.open(back);
    expect((await whoami(me)).error.code).toBe(401);
  });
});

/** Bytes without an end. */
function endless(
  _request: unknown,
  response: Parameters<NonNullable<SocialProviderFixture['intercept']>>[1],
): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x20)));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}
