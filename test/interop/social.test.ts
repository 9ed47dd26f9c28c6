/** Social sign-in in Chromium on our own pages, and for a native app by Ory's own client. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Configuration, FrontendApi, IdentityApi } from '@ory/client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formAction, hiddenFields, Browser as PlainBrowser } from '../harness/browser.ts';
import { startChromium } from '../harness/chromium.ts';
import { has, missingPeers } from '../harness/peers.ts';
import { freePort, World } from '../harness/postern.ts';
import { SocialProviderFixture, throughProvider } from '../harness/social-provider.ts';

const SCHEMA = {
  $id: 'https://social.example/person.json',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: { email: { type: 'string', format: 'email' } },
      required: ['email'],
    },
  },
};
const MAPPER = "{ identity: { traits: { email: std.extVar('claims').email } } }";
const base64 = (text: string): string => `base64://${Buffer.from(text).toString('base64')}`;

describe('social sign-in', () => {
  let world: World;
  let provider: SocialProviderFixture;
  let base = '';

  beforeAll(async () => {
    provider = await SocialProviderFixture.start();
    const port = await freePort();
    base = `http://127.0.0.1:${port}`;
    provider.redirectUris = [`${base}/self-service/methods/oidc/callback/company`];
    world = new World({ POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}` });
    const { url, clientId, clientSecret } = provider;
    const entry = {
      ...{ id: 'company', provider: 'generic', label: 'the company', issuer_url: url },
      ...{ client_id: clientId, client_secret: clientSecret, scope: ['email'] },
      mapper_url: base64(MAPPER),
    };
    writeFileSync(
      join(world.folder, 'kratos.yml'),
      `
selfservice:
  default_browser_return_url: ${base}/ui/
  allowed_return_urls: [ "myapp://signed-in" ]
  methods: { oidc: { enabled: true, config: { providers: [ ${JSON.stringify(entry)} ] } } }
  flows: { registration: { after: { hooks: [ { hook: session } ] } } }
identity: { schemas: [ { id: default, url: "${base64(JSON.stringify(SCHEMA))}" } ] }
`,
    );
    const file = join(world.folder, 'server.yaml');
    writeFileSync(file, 'accounts: { kratos: ./kratos.yml }\n');
    await world.startServer('--config', file);
  }, 90_000);
  afterAll(async () => {
    await world?.close();
    await provider?.close();
  }, 60_000);

  const missing = missingPeers({ chromium: has.program('chromium') });
  it.skipIf(missing.length > 0)(
    'takes a person to the provider and back by a button',
    async () => {
      const browser: Browser = await startChromium();
      try {
        provider.person = { sub: 'bea', email: 'bea@example.com' };
        const page = await browser.newPage();
        const faults: string[] = [];
        page.on('console', (m) => {
          if (m.type() === 'error') faults.push(m.text());
        });
        await page.goto(`${base}/self-service/login/browser`);
        await page.getByRole('button', { name: 'Sign in with the company' }).click();
        await page.waitForURL(`${base}/ui/`);
        expect(await page.textContent('main')).toContain('Signed in');
        expect(faults).toEqual([]);
      } finally {
        await browser.close();
      }
    },
    60_000,
  );

  it('rehearses a provider by createTestLoginFlow, signs nobody in, and forgets by deleteTestLoginFlow', async () => {
    provider.person = { sub: 'dry', email: 'dry@example.com' };
    await world.ok('admin', 'enroll');
    const accessToken = await world.ok('admin', 'token', 'create', 'p', '--scope', 'accounts:*');
    const state: { accounts_admin: string } = JSON.parse(
      readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
    );
    const admin = new Configuration({ basePath: `http://${state.accounts_admin}`, accessToken });
    const identities = new IdentityApi(admin);
    const frontend = new FrontendApi(new Configuration({ basePath: base }));
    const begin = () =>
      identities.createTestLoginFlow({ createTestLoginFlowBody: { provider_id: 'company' } });
    const { data: flow, status } = await begin();
    expect(status).toBe(201);
    expect(flow.test_context).toEqual({ provider_id: 'company' });
    const me = new PlainBrowser(base);
    const page = await me.open(`/ui/login?flow=${flow.id}`);
    const gone = await me.ask('POST', formAction(page), {
      form: { ...hiddenFields(page), provider: 'company' },
    });
    await me.open(await throughProvider(provider.url, gone.location ?? ''));
    const nobody = await me.ask('GET', '/sessions/whoami', {
      headers: { accept: 'application/json' },
    });
    expect(nobody.status).toBe(401);
    const cookie = [...me.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const { data: done } = await frontend.getLoginFlow({ id: flow.id, cookie });
    expect(done.state).toBe('passed_challenge');
    expect(done.test_context?.debug_payload).toMatchObject({
      id_token_claims: { sub: 'dry' },
      jsonnet_output: { identity: { traits: { email: 'dry@example.com' } } },
    });
    const { data: list } = await identities.listIdentities();
    expect(JSON.stringify(list)).not.toContain('dry@example.com');
    // What was captured is that browser's alone.
    const refusal = (work: Promise<unknown>): Promise<number | undefined> =>
      work.then(
        () => undefined,
        (reason: { response: { status: number } }) => reason.response.status,
      );
    expect(await refusal(frontend.getLoginFlow({ id: flow.id }))).toBe(403);
    expect(await refusal(frontend.deleteTestLoginFlow({ id: flow.id }))).toBe(403);
    expect((await frontend.deleteTestLoginFlow({ id: flow.id, cookie })).status).toBe(204);
    expect(await refusal(frontend.getLoginFlow({ id: flow.id, cookie }))).toBe(404);
    // It leads nowhere else: no password, no other provider, no ID token.
    const { data: other } = await begin();
    const [csrf] = other.ui.nodes;
    const token = String(Reflect.get(csrf?.attributes ?? {}, 'value'));
    for (const body of [
      { method: 'password', identifier: 'a@b.example', password: 'x', csrf_token: token },
      { method: 'oidc', provider: 'other', csrf_token: token },
      { method: 'oidc', provider: 'company', id_token: 'x', csrf_token: token },
    ]) {
      const told = await me.ask('POST', `/self-service/login?flow=${other.id}`, { json: body });
      expect(told.status, told.text).toBe(400);
      expect(told.text).toContain('dry run');
    }
    expect((await frontend.deleteTestLoginFlow({ id: other.id })).status).toBe(204);
    const wrong = { createTestLoginFlowBody: { provider_id: 'none' } };
    expect(await refusal(identities.createTestLoginFlow(wrong))).toBe(404);
    expect(await refusal(frontend.deleteTestLoginFlow({ id: 'x' }))).toBe(400);
  });

  it('has the script of keys by getWebAuthnJavaScript', async () => {
    const frontend = new FrontendApi(new Configuration({ basePath: base }));
    const { data } = await frontend.getWebAuthnJavaScript();
    expect(data).toContain('navigator.credentials');
  });

  it('hands a native app its session by exchangeSessionToken', async () => {
    provider.person = { sub: 'nat', email: 'nat@example.com' };
    const frontend = new FrontendApi(new Configuration({ basePath: base }));
    const { data: flow } = await frontend.createNativeLoginFlow({
      returnSessionTokenExchangeCode: true,
      returnTo: 'myapp://signed-in',
    });
    const initCode = flow.session_token_exchange_code ?? '';
    const told = await frontend
      .updateLoginFlow({
        flow: flow.id,
        updateLoginFlowBody: { method: 'oidc', provider: 'company' },
      })
      .then(
        () => undefined,
        (reason: { response: { status: number; data: { redirect_browser_to: string } } }) =>
          reason.response,
      );
    expect(told?.status).toBe(422);
    const back = await throughProvider(provider.url, told?.data.redirect_browser_to ?? '');
    const end = await new PlainBrowser(base).ask('GET', back);
    const returnToCode = new URL(end.location ?? '').searchParams.get('code') ?? '';
    const { data } = await frontend.exchangeSessionToken({ initCode, returnToCode });
    expect(data.session.identity?.traits).toEqual({ email: 'nat@example.com' });
    const { data: session } = await frontend.toSession({ xSessionToken: data.session_token ?? '' });
    expect(session.id).toBe(data.session.id);
    expect(session.authentication_methods).toEqual([
      expect.objectContaining({ method: 'oidc', provider: 'company' }),
    ]);
  });
});
