/** Every way in which an application asks the OpenID Provider, with a certified client library at the real program. */
import * as client from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, formAction, hiddenFields, type Page } from '../harness/browser.ts';
import { CALLBACK, OidcSite, toCallback } from '../harness/oidc.ts';
import { World } from '../harness/postern.ts';

const world = new World();
let site: OidcSite;

beforeAll(async () => {
  site = await OidcSite.start(world);
}, 60_000);
afterAll(() => world.close(), 60_000);

describe('a public single-page app', () => {
  it('signs in by PKCE, and not without its verifier', async () => {
    const made = await site.client({ type: 'spa' });
    const asPublic = await site.config({ id: made.id, secret: null });
    const verifier = client.randomPKCECodeVerifier();
    const code_challenge = await client.calculatePKCECodeChallenge(verifier);
    const url = site.authorize(made, { code_challenge, code_challenge_method: 'S256' });
    const browser = await site.person();
    const back = await toCallback(browser, url);
    const tokens = await client.authorizationCodeGrant(asPublic, back, {
      pkceCodeVerifier: verifier,
      expectedState: 's',
    });
    expect(tokens.claims()?.aud).toBe(made.id);
    const stolen = await toCallback(browser, url);
    for (const code_verifier of [{}, { code_verifier: 'a'.repeat(43) }]) {
      const answer = await site.exchange({
        ...{ grant_type: 'authorization_code', client_id: made.id, redirect_uri: CALLBACK },
        code: stolen.searchParams.get('code') ?? '',
        ...code_verifier,
      });
      expect(answer.status).toBe(400);
    }
  });

  it('may not say plain', async () => {
    const made = await site.client({ type: 'spa' });
    const url = site.authorize(made, {
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'plain',
    });
    const back = await toCallback(await site.person(), url);
    expect(back.searchParams.get('error')).toBe('invalid_request');
    expect(back.searchParams.has('code')).toBe(false);
  });

  it('without PKCE needs its secret', async () => {
    const made = await site.client({ type: 'spa' });
    const browser = await site.person();
    const form = async (): Promise<Record<string, string>> => ({
      ...{ grant_type: 'authorization_code', client_id: made.id, redirect_uri: CALLBACK },
      code: (await toCallback(browser, site.authorize(made))).searchParams.get('code') ?? '',
    });
    const bare = await site.exchange(await form());
    expect(bare.status).toBe(400);
    expect(await bare.text()).not.toContain('access_token');
    const wrong = await site.exchange({ ...(await form()), client_secret: 'x' });
    expect(wrong.status).toBe(401);
    const basic = Buffer.from(`${made.id}:${made.secret}`).toString('base64');
    const right = await site.exchange({ ...(await form()), client_secret: made.secret ?? '' });
    expect(right.status).toBe(200);
    const also = await site.exchange(await form(), { authorization: `Basic ${basic}` });
    expect(also.status).toBe(200);
  });
});

describe('a code', () => {
  it('is exchanged once, by one of 20 that come at once', async () => {
    const made = await site.client();
    const back = await toCallback(await site.person(), site.authorize(made));
    const form = {
      ...{ grant_type: 'authorization_code', client_id: made.id, redirect_uri: CALLBACK },
      ...{ client_secret: made.secret ?? '', code: back.searchParams.get('code') ?? '' },
    };
    const all = await Promise.all(Array.from({ length: 20 }, () => site.exchange(form)));
    expect(all.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(all.every(({ status }) => status === 200 || status === 400)).toBe(true);
  });
  it('of another client is worth nothing', async () => {
    const [mine, other] = [await site.client(), await site.client()];
    const back = await toCallback(await site.person(), site.authorize(mine));
    const answer = await site.exchange({
      ...{ grant_type: 'authorization_code', client_id: other.id, redirect_uri: CALLBACK },
      ...{ client_secret: other.secret ?? '', code: back.searchParams.get('code') ?? '' },
    });
    expect(answer.status).toBe(400);
  });
});

describe('a refresh token', () => {
  it('may be exchanged by several at once, and ends its family when it comes late', async () => {
    const made = await site.client();
    const config = await site.config(made);
    const back = await toCallback(
      await site.person(),
      site.authorize(made, { scope: 'openid offline_access' }),
    );
    const first = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    const old = first.refresh_token ?? '';
    const both = await Promise.all([
      client.refreshTokenGrant(config, old),
      client.refreshTokenGrant(config, old),
    ]);
    const consumedBy = Date.now();
    expect(both.every(({ refresh_token }) => refresh_token !== old)).toBe(true);
    // The overlap is a time on the wall, so nothing can be awaited but it.
    await new Promise((resolve) => setTimeout(resolve, consumedBy + 5_200 - Date.now()));
    await expect(client.refreshTokenGrant(config, old)).rejects.toThrow();
    for (const { refresh_token } of both)
      await expect(client.refreshTokenGrant(config, refresh_token ?? '')).rejects.toThrow();
  }, 30_000);
});

describe('prompts', () => {
  it('login asks again who signed in a moment before', async () => {
    const browser = await site.person();
    const page = await browser.open(site.authorize(await site.client(), { prompt: 'login' }));
    expect(page.url).toContain('/login');
    expect(page.text).toContain('password');
  });

  it('none asks nobody: a code for who is signed in, an error for who is not', async () => {
    const made = await site.client();
    const url = site.authorize(made, { prompt: 'none' });
    const known = await toCallback(await site.person(), url);
    expect(known.searchParams.has('code')).toBe(true);
    expect(known.searchParams.get('iss')).toBe(`${site.base}/`);
    const nobody = await toCallback(new Browser(site.base), url);
    expect(nobody.searchParams.get('error')).toBe('login_required');
    expect(nobody.searchParams.get('iss')).toBe(`${site.base}/`);
  });
  it('login, and screen_hint=signup, lead to the page that is meant', async () => {
    const made = await site.client();
    const browser = await site.person();
    // Times are told in whole seconds, so a sign-in within the same one counts as made for the request.
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    for (const o of [{ prompt: 'login' }, { max_age: '0' }]) {
      const again = await browser.open(site.authorize(made, o));
      expect(again.url).toContain('/login');
    }
    const young = await toCallback(browser, site.authorize(made, { max_age: '600' }));
    expect(young.searchParams.has('code')).toBe(true);
    const page = await new Browser(site.base).open(site.authorize(made, { screen_hint: 'signup' }));
    expect(page.url).toContain('/registration');
  });
});

describe('a third party', () => {
  it('is agreed to once, and told when a person refuses', async () => {
    const made = await site.client({ first_party: false, name: 'Stranger' });
    const browser = await site.person();
    const asked = await browser.open(site.authorize(made));
    expect(asked.text).toContain('Stranger');
    const buttons = [...asked.text.matchAll(/<button[^>]*name="([^"]+)"[^>]*value="([^"]+)"/g)];
    expect(buttons.length).toBeGreaterThanOrEqual(2);
    const answer = async (page: typeof asked, want: RegExp): Promise<URL> => {
      const [, name = '', value = ''] = buttons.find((b) => want.test(b[2] ?? '')) ?? [];
      const sent = await browser.ask('POST', formAction(page), {
        form: { ...hiddenFields(page), [name]: value },
      });
      return toCallback(browser, sent.location ?? '');
    };
    const refused = await answer(asked, /refuse|deny|cancel|no/);
    expect(refused.searchParams.get('error')).toBe('access_denied');
    const allowed = await answer(
      await browser.open(site.authorize(made)),
      /allow|accept|yes|agree/,
    );
    expect(allowed.searchParams.has('code')).toBe(true);
    const remembered = await toCallback(browser, site.authorize(made));
    expect(remembered.searchParams.has('code')).toBe(true);
  });
});

describe('a device', () => {
  interface Begun {
    readonly device_code: string;
    readonly user_code: string;
    readonly verification_uri: string;
  }
  const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
  const begin = async (id: string): Promise<Begun> => {
    const answer = await fetch(`${site.base}/oauth/device/code`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: id, scope: 'openid offline_access' }),
    });
    expect(answer.status).toBe(200);
    return (await answer.json()) as Begun;
  };
  const poll = async (id: string, { device_code }: Begun): Promise<Record<string, unknown>> => {
    const answer = await site.exchange({ grant_type: GRANT, client_id: id, device_code });
    return (await answer.json()) as Record<string, unknown>;
  };
  const enter = async (browser: Browser, user_code: string): Promise<Page> => {
    const page = await browser.open('/activate');
    return browser.submit(page, {}, ['user_code', user_code]);
  };

  it('gets its tokens once a person entered its code and agreed, once', async () => {
    const { id } = await site.client({ type: 'native', callback_urls: [] });
    const begun = await begin(id);
    expect(await poll(id, begun)).toMatchObject({ error: 'authorization_pending' });
    const browser = await site.person();
    const confirm = await enter(browser, begun.user_code);
    expect(confirm.text).toContain('Shop');
    await browser.submit(confirm, {}, ['confirm', 'yes']);
    const tokens = await poll(id, begun);
    expect(tokens['access_token']).toBeTypeOf('string');
    expect(tokens['id_token']).toBeTypeOf('string');
    const again = await enter(browser, begun.user_code);
    expect(again.text).toContain('used already');
    expect(await poll(id, begun)).toMatchObject({ error: 'invalid_grant' });
  });

  it('is told when a person refuses, and no wrong or foreign code gives anything', async () => {
    const { id } = await site.client({ type: 'native', callback_urls: [] });
    const other = await site.client({ type: 'native', callback_urls: [] });
    const begun = await begin(id);
    const browser = await site.person();
    for (const wrong of ['BBBB-BBBB', 'x', '__proto__', 'a'.repeat(500), '\u0000'])
      expect((await enter(browser, wrong)).text).toContain('There is no such code');
    expect(await poll(other.id, begun)).toMatchObject({ error: 'invalid_grant' });
    const confirm = await enter(browser, begun.user_code);
    await browser.submit(confirm, {}, ['abort', 'yes']);
    expect(await poll(id, begun)).toMatchObject({ error: 'access_denied' });
  });

  it('has a code that nobody can go on guessing, here or from another browser', async () => {
    const foe = await site.person();
    const page = await foe.open('/activate');
    const guess = (): Promise<Page> => foe.submit(page, {}, ['user_code', 'BBBB-BBBB']);
    let told = await guess();
    for (let tries = 0; tries < 25 && told.status === 200; tries++)
      told = await enter(foe, 'BBBB-CCCC');
    expect(told.status).toBe(429);
    expect(told.text).toContain('Too many codes');
    // Somebody else behind the same address is let in still.
    const { id } = await site.client({ type: 'native', callback_urls: [] });
    const begun = await begin(id);
    expect((await enter(await site.person(), begun.user_code)).text).toContain('Shop');
  });

  it('is not agreed to by a form that another site posts', async () => {
    const { id } = await site.client({ type: 'native', callback_urls: [] });
    const begun = await begin(id);
    const browser = await site.person();
    const confirm = await enter(browser, begun.user_code);
    for (const xsrf of [{}, { xsrf: 'x' }])
      await browser.ask('POST', formAction(confirm), {
        form: { ...xsrf, user_code: begun.user_code, confirm: 'yes' },
      });
    expect(await poll(id, begun)).toMatchObject({ error: 'authorization_pending' });
  });
});

describe('other ways in', () => {
  it('are a form, as OpenID Connect asks for', async () => {
    const made = await site.client();
    const browser = await site.person();
    const asked = new URL(site.authorize(made));
    const posted = await browser.ask('POST', '/authorize', {
      form: Object.fromEntries(asked.searchParams),
    });
    expect(posted.status).toBe(303);
    const back = await toCallback(browser, posted.location ?? '');
    expect(back.searchParams.get('code')).toBeTypeOf('string');
    const twice = await fetch(`${site.base}/authorize`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `${asked.searchParams}&client_id=other`,
    });
    const told = await browser.ask('GET', twice.headers.get('location') ?? '');
    expect(told.status).toBe(400);
  });

  it('are a pushed request, and a wildcard callback', async () => {
    const made = await site.client({
      callback_urls: [CALLBACK, 'http://*.ngrok-free.app/callback'],
    });
    const config = await site.config(made);
    const url = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      state: 's',
    });
    expect(url.searchParams.has('request_uri')).toBe(true);
    const browser = await site.person();
    const back = await toCallback(browser, url);
    await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    const wild = 'http://a1b2.ngrok-free.app/callback';
    const there = await toCallback(browser, site.authorize(made, { redirect_uri: wild }), wild);
    expect(there.searchParams.has('code')).toBe(true);
  });

  it('are kept while signing keys rotate: old tokens are hints still', async () => {
    const made = await site.client();
    const config = await site.config(made);
    const browser = await site.person();
    const back = await toCallback(browser, site.authorize(made));
    const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    const before = (await (await site.api('GET', '/api/v1/oidc-keys')).json()) as {
      keys: object[];
    };
    expect((await site.api('POST', '/api/v1/oidc-keys')).status).toBeLessThan(300);
    const jwks = (await (await fetch(`${site.base}/.well-known/jwks.json`)).json()) as {
      keys: object[];
    };
    expect(jwks.keys).toHaveLength(before.keys.length + 1);
    const out = await browser.ask(
      'GET',
      `/oidc/logout?id_token_hint=${tokens.id_token}&post_logout_redirect_uri=${encodeURIComponent('http://127.0.0.1:3999/')}`,
    );
    expect(out.location).toBe('http://127.0.0.1:3999/');
  });
});

describe('an application that is deleted', () => {
  it('leaves no token that works', async () => {
    const made = await site.client();
    const config = await site.config(made);
    const url = site.authorize(made, { scope: 'openid offline_access' });
    const back = await toCallback(await site.person(), url);
    const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    expect((await site.api('DELETE', `/api/v1/clients/${made.id}`)).status).toBe(200);
    await expect(
      client.fetchUserInfo(config, tokens.access_token, client.skipSubjectCheck),
    ).rejects.toThrow();
    await expect(client.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toThrow();
  });

  it('leaves nothing to another that gets its id', async () => {
    const made = await site.client({ id: 'reused' });
    const config = await site.config(made);
    const url = site.authorize(made, { scope: 'openid offline_access' });
    const back = await toCallback(await site.person(), url);
    const tokens = await client.authorizationCodeGrant(config, back, { expectedState: 's' });
    expect((await site.api('DELETE', '/api/v1/clients/reused')).status).toBe(200);
    const next = await site.config(await site.client({ id: 'reused' }));
    await expect(
      client.fetchUserInfo(next, tokens.access_token, client.skipSubjectCheck),
    ).rejects.toThrow();
    await expect(client.refreshTokenGrant(next, tokens.refresh_token ?? '')).rejects.toThrow();
  });
});

describe('what Auth0’s clients and the specifications ask besides', () => {
  it('is JSON at the token endpoint', async () => {
    const made = await site.client({ type: 'service' });
    const ask = (body: string): Promise<Response> =>
      fetch(`${site.base}/oauth/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    const wanted = {
      ...{ grant_type: 'client_credentials', client_id: made.id, client_secret: made.secret },
    };
    const answer = await ask(JSON.stringify(wanted));
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ token_type: 'Bearer' });
    const wrong = await ask(JSON.stringify({ ...wanted, client_secret: 'x' }));
    expect(wrong.status).toBe(401);
    for (const body of ['', '{', '[]', '"x"', '{"grant_type":{"toString":1}}', '{"a":[1]}']) {
      const refused = await ask(body);
      expect(refused.status, body).toBe(400);
      expect(await refused.json()).toMatchObject({ error: 'invalid_request' });
    }
    // Its connection may be closed before it was read.
    const long = await ask(JSON.stringify({ a: 'b'.repeat(60_000) })).catch(() => undefined);
    expect([undefined, 413]).toContain(long?.status);
  });

  it('is a sign-out by POST', async () => {
    const made = await site.client();
    const browser = await site.person();
    const to = { client_id: made.id, post_logout_redirect_uri: 'http://127.0.0.1:3999/' };
    const sent = await browser.ask('POST', '/oidc/logout', { form: to });
    expect(sent.status).toBe(303);
    const page = await browser.open(sent.location ?? '');
    expect(page.status).toBe(200);
    expect(page.text).toContain('<form');
  });

  it('is an assurance that somebody can not reach: the application is told', async () => {
    const made = await site.client();
    const acr = { essential: true, value: 'aal2' };
    const claims = JSON.stringify({ id_token: { acr } });
    const back = await toCallback(await site.person(), site.authorize(made, { claims }));
    expect(back.searchParams.get('error')).toBe('unmet_authentication_requirements');
  });
});
