/** Somebody who is no administrator, on the pages of their own applications, authtokens and sessions. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, formAction, hiddenFields, type Page } from '../harness/browser.ts';
import { OidcSite, toCallback } from '../harness/oidc.ts';
import { World } from '../harness/postern.ts';

const world = new World();
const CALLBACK = 'http://127.0.0.1:3999/callback';
let site: OidcSite;

beforeAll(async () => {
  site = await OidcSite.start(world);
}, 60_000);
afterAll(() => world.close(), 60_000);

/** Submits a form of a page by where it goes. */
async function send(
  browser: Browser,
  page: Page,
  path: string,
  form: Record<string, string>,
): Promise<Page> {
  const { csrf_token = '' } = hiddenFields(page);
  return browser.ask('POST', path, { form: { csrf_token, ...form } });
}
const secretOf = (page: Page): string =>
  /<dt>Secret<\/dt><dd><code>([^<]+)</.exec(page.text)?.[1] ?? '';
const idOf = (page: Page): string =>
  /<dt>Client ID<\/dt><dd><code>([^<]+)</.exec(page.text)?.[1] ?? '';
const APP = { name: 'Shop', type: 'web', callbacks: CALLBACK, logouts: '', origins: '' };

async function made(browser: Browser): Promise<{ id: string; secret: string }> {
  const list = await browser.open('/ui/applications');
  const page = await send(browser, list, '/ui/applications', APP);
  expect(page.status).toBe(200);
  expect(page.headers.get('cache-control')).toContain('no-store');
  return { id: idOf(page), secret: secretOf(page) };
}

describe('one’s own applications', () => {
  it('are made, sign people in, get a new secret, and are deleted', async () => {
    const me = await site.person();
    const app = await made(me);
    expect(app.id).toMatch(/^\w{32}$/);
    const list = await me.open('/ui/applications');
    expect(list.text).toContain(app.id);
    expect(list.text).not.toContain(app.secret);
    // It is nobody's that asks no consent.
    const asked = await me.open(site.authorize({ ...app }, {}));
    expect(asked.text).toContain('Let Shop in?');
    const allowed = await me.ask('POST', formAction(asked), { form: { decision: 'allow' } });
    const back = await toCallback(me, allowed.location ?? '');
    const code = back.searchParams.get('code') ?? '';
    const exchange = {
      ...{ grant_type: 'authorization_code', code, redirect_uri: CALLBACK },
      ...{ client_id: app.id, client_secret: app.secret },
    };
    expect((await site.exchange(exchange)).status).toBe(200);
    const page = await me.open(`/ui/applications/${app.id}`);
    const renewed = await send(me, page, `/ui/applications/${app.id}`, { do: 'secret' });
    expect(secretOf(renewed)).not.toBe(app.secret);
    const kept = await send(me, page, `/ui/applications/${app.id}`, { do: 'delete', confirm: 'X' });
    expect(kept.status).toBe(400);
    await send(me, page, `/ui/applications/${app.id}`, { do: 'delete', confirm: 'Shop' });
    expect((await me.open('/ui/applications')).text).toContain('You have none yet');
  });

  it('are changed; what is wrong is said, and what was typed stays', async () => {
    const me = await site.person();
    const { id } = await made(me);
    const path = `/ui/applications/${id}`;
    const page = await me.open(path);
    const saved = await send(me, page, path, {
      ...{ ...APP, do: 'save', callbacks: `${CALLBACK}\r\nhttps://shop.example/cb\r\n` },
      origins: 'https://shop.example',
    });
    expect(saved.text).toContain('Saved.');
    expect(saved.text).toContain('https://shop.example/cb');
    for (const callbacks of ['javascript:alert(1)', 'https://*/', 'x', '']) {
      const told = await send(me, page, path, { ...APP, do: 'save', callbacks });
      expect(told.status, callbacks).toBe(400);
      expect(told.text).toMatch(/<textarea id="callbacks"[^>]* aria-invalid="true"/);
    }
    const list = await me.open('/ui/applications');
    const hostile = await send(me, list, '/ui/applications', {
      ...{ ...APP, name: '<script>alert(1)</script>', callbacks: 'nonsense' },
    });
    expect(hostile.status).toBe(400);
    expect(hostile.text).not.toContain('<script>alert');
    const service = await send(me, list, '/ui/applications', { ...APP, type: 'service' });
    expect(service.status).toBe(400);
  });

  it("are not another's to see or change, nor a form's from elsewhere", async () => {
    const [me, foe] = [await site.person(), await site.person()];
    const { id } = await made(me);
    const theirs = await foe.open('/ui/applications');
    expect(theirs.text).not.toContain(id);
    expect((await foe.open(`/ui/applications/${id}`)).status).toBe(404);
    for (const what of ['save', 'secret', 'delete'])
      expect(
        (await send(foe, theirs, `/ui/applications/${id}`, { ...APP, do: what, confirm: 'Shop' }))
          .status,
      ).toBe(404);
    for (const csrf_token of ['', 'x', 'A'.repeat(88)])
      await me.ask('POST', `/ui/applications/${id}`, {
        form: { csrf_token, do: 'delete', confirm: 'Shop' },
      });
    expect((await me.open(`/ui/applications/${id}`)).status).toBe(200);
  });

  it('take no form from a page of another site, whatever token comes with it', async () => {
    const me = await site.person();
    const { id } = await made(me);
    const page = await me.open(`/ui/applications/${id}`);
    const { csrf_token = '' } = hiddenFields(page);
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    const callbacks = 'https://evil.example/cb';
    await me.ask('POST', `/ui/applications/${id}`, {
      ...{ form: { ...APP, callbacks, csrf_token, do: 'save' }, headers: foreign },
    });
    expect((await me.open(`/ui/applications/${id}`)).text).not.toContain(callbacks);
    await send(me, page, `/ui/applications/${id}`, { ...APP, callbacks, do: 'save' });
    expect((await me.open(`/ui/applications/${id}`)).text).toContain(callbacks);
  });

  it('ask for consent again once their owner leads elsewhere what an administrator vouched for', async () => {
    const me = await site.person();
    const list = await me.open('/ui/applications');
    const token = secretOf(await send(me, list, '/ui/authtokens', { name: 'mine' }));
    const spec = { name: 'Trusted', type: 'web', callback_urls: [CALLBACK] };
    const { id } = (await (await site.api('POST', '/api/v1/clients', spec, token)).json()) as {
      id: string;
    };
    const path = `/api/v1/clients/${id}`;
    const shown = async (json: unknown, by?: string): Promise<unknown> => {
      const answer = await site.api('PATCH', path, json, by);
      expect(answer.status).toBe(200);
      return answer.json();
    };
    expect(await shown({ first_party: true })).toMatchObject({ first_party: true });
    expect(await shown({ name: 'Still' }, token)).toMatchObject({ first_party: true });
    const moved = { callback_urls: ['http://127.0.0.1:3998/callback'] };
    expect(await shown(moved, token)).toMatchObject({ first_party: false });
  });

  it('ask who is signed out to sign in, and bring them back', async () => {
    const nobody = new Browser(site.base);
    const page = await nobody.ask('GET', '/ui/applications');
    expect(page.status).toBe(303);
    const url = new URL(page.location ?? '');
    expect(url.pathname).toBe('/self-service/login/browser');
    expect(url.searchParams.get('return_to')).toBe(`${site.base}/ui/applications`);
    const posted = await nobody.ask('POST', '/ui/applications', { form: APP });
    expect(posted.location).toContain('/self-service/login/browser');
  });
});

describe('one’s own authtokens', () => {
  it('manage applications until they are revoked', async () => {
    const me = await site.person();
    const list = await me.open('/ui/applications');
    const page = await send(me, list, '/ui/authtokens', { name: 'agent' });
    const token = secretOf(page);
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    const spec = { name: 'By script', type: 'web', callback_urls: [CALLBACK] };
    expect((await site.api('POST', '/api/v1/clients', spec, token)).status).toBe(201);
    const after = await me.open('/ui/applications');
    expect(after.text).toContain('By script');
    expect(after.text).not.toContain(token);
    const [, action = ''] = /action="(\/ui\/authtokens\/[^"]+)"/.exec(after.text) ?? [];
    const foe = await site.person();
    await send(foe, await foe.open('/ui/applications'), action, { do: 'revoke' });
    expect((await site.api('GET', '/api/v1/clients', undefined, token)).status).toBe(200);
    await send(me, after, action, { do: 'revoke' });
    expect((await site.api('GET', '/api/v1/clients', undefined, token)).status).toBe(401);
    expect((await send(me, list, '/ui/authtokens', { name: '' })).status).toBe(400);
    const log = readFileSync(join(world.serverHome, 'server.log'), 'utf8');
    expect(log).not.toContain(token);
  });
});

describe('one’s own sessions', () => {
  it('are told apart, and signed out one by one or all together', async () => {
    const me = await site.person();
    const whoami = async (b: Browser): Promise<number> =>
      (await b.ask('GET', '/sessions/whoami', { headers: { accept: 'application/json' } })).status;
    const { traits } = JSON.parse(
      (await me.ask('GET', '/sessions/whoami', { headers: { accept: 'application/json' } })).text,
    ).identity;
    const elsewhere = async (): Promise<Browser> => {
      const other = new Browser(site.base);
      const page = await other.open('/self-service/login/browser');
      await other.submit(page, { identifier: traits.email, password: 'correct horse battery' }, [
        'method',
        'password',
      ]);
      expect(await whoami(other)).toBe(200);
      return other;
    };
    const [one, two, three] = [await elsewhere(), await elsewhere(), await elsewhere()];
    const page = await me.open('/ui/sessions');
    expect(page.text.match(/>Sign out there</g)).toHaveLength(3);
    const [, id = ''] = /name="end" value="([0-9a-f-]{36})"/.exec(page.text) ?? [];
    await send(me, page, '/ui/sessions', { end: id });
    const left = [await whoami(one), await whoami(two), await whoami(three)];
    expect(left.filter((status) => status === 200)).toHaveLength(2);
    const foe = await site.person();
    const theirs = await foe.open('/ui/sessions');
    await send(foe, theirs, '/ui/sessions', { end: 'others' });
    await me.ask('POST', '/ui/sessions', { form: { end: 'others' } });
    expect([await whoami(one), await whoami(two), await whoami(three)]).toEqual(left);
    await send(me, page, '/ui/sessions', { end: 'others' });
    expect([await whoami(one), await whoami(two), await whoami(three)]).toEqual([401, 401, 401]);
    expect(await whoami(me)).toBe(200);
  });
});
