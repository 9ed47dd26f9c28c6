/** Social sign-in in Chromium on our own pages, and for a native app by Ory's own client. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Configuration, FrontendApi } from '@ory/client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser as PlainBrowser } from '../harness/browser.ts';
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
