/**
 * Every page that people see, in Chromium without script, as a person goes through them: nothing that axe finds wrong
 * (WCAG 2.2 A and AA, best practice), light and dark, at 320 and 1280 px, under 50 KB, by keyboard. Once as it comes and
 * once with a brand. `POSTERN_SHOTS=FOLDER` leaves pictures there.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret, TOTP } from 'otpauth';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fillIn, startChromium } from '../harness/chromium.ts';
import { CALLBACK, type Made, OidcSite, PASSWORD } from '../harness/oidc.ts';
import { PageInspector } from '../harness/page-inspector.ts';
import { has, missingPeers } from '../harness/peers.ts';
import { freePort, World } from '../harness/postern.ts';
import { SocialProviderFixture } from '../harness/social-provider.ts';

const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 180 40"><path fill="#0a5f38" d="M4 34 20 6l16 28z"/><text x="46" y="28" font-family="sans-serif" font-weight="700" font-size="22" fill="#16191d">Northwind</text></svg>';
const BRAND = {
  name: 'Northwind Traders',
  ...{ logo: './logo.svg', logo_dark: './logo-dark.svg' },
  accent: { light: '#0a6b3d', dark: '#5fd39a' },
  support: 'help@northwind.example',
  privacy_url: 'https://northwind.example/privacy',
  terms_url: 'https://northwind.example/terms',
  ...{ corners: 'round', font: 'humanist' },
};
const base64 = (value: unknown): string =>
  `base64://${Buffer.from(JSON.stringify(value)).toString('base64')}`;
const codes = { verification: { via: 'email' }, recovery: { via: 'email' } };
const SCHEMA = {
  $id: 'https://pages.example/person.json',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          ...{ type: 'string', format: 'email', title: 'E-mail', minLength: 3 },
          'ory.sh/kratos': {
            credentials: {
              password: { identifier: true },
              webauthn: { identifier: true },
              passkey: { display_name: true },
              totp: { account_name: true },
            },
            ...codes,
          },
        },
        name: {
          type: 'object',
          properties: {
            first: { type: 'string', title: 'First name' },
            last: { type: 'string', title: 'Last name' },
          },
        },
        newsletter: { type: 'boolean', title: 'Send me the newsletter' },
      },
      required: ['email'],
    },
  },
};

const MAKES = new Set([
  ...['sign-in', 'sign-in-error', 'registration-2-error', 'settings', 'settings-codes'],
  ...['welcome-signed-in', 'consent', 'device-code', 'error', 'applications', 'sessions-two'],
]);

const missing = missingPeers({ chromium: has.program('chromium') });
const shots = process.env['POSTERN_SHOTS'];

describe.skipIf(missing.length > 0).each([
  ['as they come', undefined],
  ['with a brand', BRAND],
])('our pages %s', (_, brand) => {
  let world: World;
  let provider: SocialProviderFixture;
  let site: OidcSite;
  let browser: Browser;
  let inspector: PageInspector;
  let context: BrowserContext;
  let page: Page;
  let [third, native]: Made[] = [];

  beforeAll(async () => {
    provider = await SocialProviderFixture.start();
    const port = await freePort();
    const base = `http://localhost:${port}`;
    world = new World({
      POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}`,
      POSTERN_ACCOUNTS_PUBLIC_URL: base,
    });
    const { url, clientId, clientSecret } = provider;
    const social = (id: string, label: string): object => ({
      ...{ id, provider: 'generic', label, issuer_url: url, client_id: clientId },
      ...{ client_secret: clientSecret, scope: ['email'] },
      mapper_url: `base64://${Buffer.from('{ identity: { traits: {} } }').toString('base64')}`,
    });
    const enabled = { enabled: true };
    const kratos = {
      selfservice: {
        default_browser_return_url: `${base}/ui/`,
        allowed_return_urls: ['https://shop.example.org'],
        methods: {
          ...{ password: enabled, totp: enabled, lookup_secret: enabled, passkey: enabled },
          ...{ webauthn: enabled, code: enabled },
          oidc: {
            ...enabled,
            config: { providers: [social('company', 'the company'), social('forge', 'Forge')] },
          },
        },
        flows: {
          ...{ recovery: { ...enabled, use: 'code' }, verification: { ...enabled, use: 'code' } },
          registration: { after: { hooks: [{ hook: 'session' }] } },
        },
      },
      session: { whoami: { required_aal: 'highest_available' } },
      identity: { schemas: [{ id: 'default', url: base64(SCHEMA) }] },
    };
    writeFileSync(join(world.folder, 'kratos.yml'), JSON.stringify(kratos));
    writeFileSync(join(world.folder, 'logo.svg'), LOGO);
    writeFileSync(join(world.folder, 'logo-dark.svg'), LOGO.replace('#16191d', '#fff'));
    const file = join(world.folder, 'server.yaml');
    const accounts = { kratos: './kratos.yml', ...(brand === undefined ? {} : { brand }) };
    writeFileSync(file, JSON.stringify({ accounts }));
    site = await OidcSite.start(world, '--config', file);
    third = await site.client({
      first_party: false,
      name: 'Shop',
      uri: 'https://shop.example.org/',
    });
    native = await site.client({ type: 'native', callback_urls: [], name: 'Night shift TV' });
    browser = await startChromium();
    if (shots !== undefined) mkdirSync(shots, { recursive: true });
    inspector = await PageInspector.open(browser, shots);
    context = await browser.newContext({ javaScriptEnabled: false });
    page = await context.newPage();
    page.setDefaultTimeout(20_000);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await world?.close();
    await provider?.close();
  }, 60_000);

  const open = (path: string): Promise<unknown> =>
    page.goto(new URL(path, publicBase()).toString());
  const publicBase = (): string => site.base.replace('127.0.0.1', 'localhost');
  /** A brand changes colours, corners and the frame: a page of each make shows that, and pictures show all. */
  const look = async (name: string): Promise<void> => {
    if (brand === undefined) return inspector.look(name, page);
    if (shots !== undefined || MAKES.has(name)) await inspector.look(`brand-${name}`, page);
  };
  const press = (name: string | RegExp, fields: Record<string, string> = {}): Promise<void> =>
    fillIn(page, fields, name);
  const clean = (): void => expect(inspector.findings).toEqual([]);

  it('hold while somebody registers', async () => {
    await open('/ui/');
    await look('welcome-signed-out');
    await open('/self-service/registration/browser');
    await look('registration-1');
    const who = { 'traits.email': 'ann.longname@example.com', 'traits.name.first': 'Ann' };
    await press('Sign up', who);
    await look('registration-2');
    await press('Sign up', { password: 'short' });
    await look('registration-2-error');
    await press('Sign up', { password: PASSWORD });
    expect(page.url()).toBe(`${publicBase()}/ui/`);
    await look('welcome-signed-in');
    await open('/self-service/verification/browser');
    await look('verification-1');
    await press('Send a code', { email: 'ann.longname@example.com' });
    await look('verification-2');
    await press('Continue', { code: '000000' });
    await look('verification-2-error');
    clean();
  }, 180_000);

  it('hold in the settings and what else is one’s own', async () => {
    await open('/self-service/settings/browser');
    await look('settings');
    await page
      .locator('section', { hasText: 'Password' })
      .locator('input[type=password]')
      .fill('x');
    await page.locator('button[value=password]').click();
    await look('settings-error');
    await setUpFactors();
    await open('/self-service/settings/browser');
    const secret = (await page.locator('span.code').first().textContent()) ?? '';
    const token = new TOTP({ secret: Secret.fromBase32(secret) }).generate();
    await page.locator('input[name=totp_code]').fill(token);
    await page.locator('button[value=totp]').click();
    await look('settings-saved');
    await page.locator('button[name=lookup_secret_regenerate]').click();
    await look('settings-codes');
    await page.locator('button[name=lookup_secret_confirm]').click();
    await open('/ui/sessions');
    await look('sessions-one');
    await otherSession();
    await open('/ui/sessions');
    await look('sessions-two');
    clean();
  }, 180_000);

  /** A passkey and a security key, which take a page with script. */
  async function setUpFactors(): Promise<void> {
    const own = await browser.newContext();
    await own.addCookies(await context.cookies());
    const scripted = await own.newPage();
    const devices = await own.newCDPSession(scripted);
    await devices.send('WebAuthn.enable');
    await devices.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true },
        ...{ hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
      },
    });
    await scripted.goto(`${publicBase()}/self-service/settings/browser`);
    await scripted.getByRole('button', { name: 'Add passkey' }).click();
    await scripted.getByText('Your changes have been saved').waitFor();
    await scripted.locator('input[name="webauthn_register_displayname"]').fill('Blue key');
    await scripted.getByRole('button', { name: 'Add security key' }).click();
    await scripted.getByText('Your changes have been saved').waitFor();
    await context.addCookies(await own.cookies());
    await own.close();
  }

  async function otherSession(): Promise<void> {
    const begun = await fetch(`${site.base}/self-service/login/api`);
    const { id } = (await begun.json()) as { id: string };
    const answer = await fetch(`${site.base}/self-service/login?flow=${id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ method: 'password', identifier: 'ann.longname@example.com', password: PASSWORD },
      }),
    });
    expect(answer.status).toBe(200);
  }

  it('hold for applications and authtokens', async () => {
    await open('/ui/applications');
    await look('applications-empty');
    await page.locator('#name').fill('Shop');
    await page.locator('#callbacks').fill('not an address');
    await press('Create application');
    await look('applications-error');
    await page.locator('#callbacks').fill(CALLBACK);
    await press('Create application');
    await look('application-created');
    await page.getByRole('link', { name: 'Done' }).click();
    await page.locator('#token-name').fill('deploy script');
    await press('Create authtoken');
    await look('authtoken-created');
    await page.getByRole('link', { name: 'Done' }).click();
    await look('applications');
    await page.locator('main').getByRole('link', { name: 'Shop' }).click();
    await look('application');
    await press('Save');
    await look('application-saved');
    await press('Delete application', { confirm: 'Chop' });
    await look('application-error');
    await open('/ui/applications/none');
    await look('application-absent');
    clean();
  }, 180_000);

  it('hold while an application asks', async () => {
    await open(
      site
        .authorize(third as Made, { scope: 'openid profile email offline_access' })
        .replace('127.0.0.1', 'localhost'),
    );
    await look('consent');
    await open('/activate');
    await look('device-code');
    await press('Continue', { user_code: 'BBBB-BBBB' });
    await look('device-code-error');
    const begun = await fetch(`${site.base}/oauth/device/code`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: native?.id ?? '', scope: 'openid' }),
    });
    const { user_code } = (await begun.json()) as { user_code: string };
    await press('Continue', { user_code });
    await look('device-confirm');
    await press('Connect');
    await look('device-done');
    await open('/authorize?client_id=nobody&response_type=code');
    await look('provider-error');
    await open('/interaction/none');
    await look('interaction-over');
    await open('/ui/error?id=none');
    await look('error');
    await open(`/oidc/logout?client_id=${third?.id}`);
    await look('logout-confirm');
    await press('Sign out');
    await look('logged-out');
    clean();
  }, 180_000);

  it('hold while somebody signs in', async () => {
    await context.clearCookies();
    await open('/self-service/login/browser');
    await look('sign-in');
    await press('Sign in with password', {
      identifier: 'ann.longname@example.com',
      password: 'wrong',
    });
    await look('sign-in-error');
    const url = site.authorize(third as Made).replace('127.0.0.1', 'localhost');
    await open(url);
    await look('sign-in-to-application');
    expect(await page.textContent('main')).toContain('to go on to Shop');
    await press('Sign in with password', {
      ...{ identifier: 'ann.longname@example.com', password: PASSWORD },
    });
    await look('second-factor');
    await press('Use Authenticator', { totp_code: '000000' });
    await look('second-factor-error');
    await context.clearCookies();
    await open('/self-service/recovery/browser');
    await look('recovery-1');
    await press('Send a code', { email: 'ann.longname@example.com' });
    await look('recovery-2');
    await press('Continue', { code: '000000' });
    await look('recovery-2-error');
    clean();
  }, 180_000);

  it('say whose they are and where, whatever the brand', async () => {
    const answer = await fetch(`${site.base}/ui/`);
    const text = await answer.text();
    const { host } = new URL(publicBase());
    expect(text).toMatch(new RegExp(`[Ss]erved by Postern at ${host}</p>`));
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    const [, path] = /<img src="([^"]+)"/.exec(text) ?? [];
    if (brand === undefined) return expect(path).toBeUndefined();
    expect(text).toContain('alt="Northwind Traders"');
    expect(text).toContain('href="mailto:help@northwind.example"');
    const image = await fetch(`${site.base}${path}`);
    expect(await image.text()).toBe(LOGO);
    expect(image.headers.get('content-type')).toBe('image/svg+xml');
    expect(image.headers.get('cache-control')).toContain('immutable');
    expect(image.headers.get('content-security-policy')).toMatch(/^default-src 'none';.* sandbox$/);
  });
});
