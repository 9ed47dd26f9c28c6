/** Passkeys and security keys in Chromium with its virtual authenticator, on our own pages. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fillIn, startChromium } from '../harness/chromium.ts';
import { watchAnswers } from '../harness/ory/watch.ts';
import { has, missingPeers } from '../harness/peers.ts';
import { freePort, World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const SCHEMA = {
  $id: 'https://keys.example/person.json',
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          type: 'string',
          format: 'email',
          title: 'E-mail',
          'ory.sh/kratos': {
            credentials: {
              password: { identifier: true },
              webauthn: { identifier: true },
              passkey: { display_name: true },
            },
          },
        },
      },
      required: ['email'],
    },
  },
};
const KRATOS = `
selfservice:
  default_browser_return_url: RETURN
  methods:
    password: { enabled: true }
    passkey: { enabled: true }
    webauthn: { enabled: true }
  flows:
    registration: { after: { hooks: [ { hook: session } ] } }
session: { whoami: { required_aal: highest_available } }
identity: { default_schema_url: "base64://${Buffer.from(JSON.stringify(SCHEMA)).toString('base64')}" }
`;

const missing = missingPeers({ chromium: has.program('chromium') });

describe.skipIf(missing.length > 0)('in a browser with an authenticator', () => {
  const watch = watchAnswers();
  let world: World;
  let browser: Browser | undefined;
  let base = '';
  let context: BrowserContext;
  let page: Page;
  let devices: CDPSession;
  const faults: string[] = [];

  beforeAll(async () => {
    const port = await freePort();
    base = `http://localhost:${port}`;
    world = new World({
      POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}`,
      POSTERN_ACCOUNTS_PUBLIC_URL: base,
    });
    const file = join(world.folder, 'server.yaml');
    writeFileSync(join(world.folder, 'kratos.yml'), KRATOS.replace('RETURN', `${base}/ui/`));
    writeFileSync(file, 'accounts: { kratos: ./kratos.yml }\n');
    await world.startServer('--config', file);
    browser = await startChromium();
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await world?.close();
  }, 60_000);
  beforeEach(async () => {
    if (browser === undefined) throw new Error('no browser');
    context = await browser.newContext();
    page = await context.newPage();
    faults.length = 0;
    page.on('console', (m) => {
      if (m.type() === 'error') faults.push(m.text());
    });
    devices = await context.newCDPSession(page);
    await devices.send('WebAuthn.enable');
    await devices.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
  });
  afterEach(() => context.close());

  const open = (path: string): Promise<unknown> => page.goto(`${base}${path}`);
  /** Looks at the page's flow as JSON. */
  async function lookAtFlow(): Promise<void> {
    const { pathname, searchParams } = new URL(page.url());
    const kind = pathname.split('/').at(-1);
    const url = `${base}/self-service/${kind}/flows?id=${searchParams.get('flow')}`;
    const answer = await context.request.get(url, { headers: { accept: 'application/json' } });
    expect(answer.status()).toBe(200);
    watch.holdPlain('GET', url, { status: answer.status(), data: await answer.json() });
  }
  const leave = (): Promise<void> => page.getByRole('link', { name: 'Sign out' }).click();

  async function registerByPassword(email: string): Promise<void> {
    await open('/self-service/registration/browser');
    await fillIn(page, { 'traits.email': email }, 'Sign up');
    await fillIn(page, { password: PASSWORD }, 'Sign up');
    await page.waitForURL(`${base}/ui/`);
  }

  it('somebody registers by a passkey, leaves, and comes back by it without a name', async () => {
    await open('/self-service/registration/browser');
    await fillIn(page, { 'traits.email': 'kay@example.com' }, 'Sign up');
    await lookAtFlow();
    await page.getByRole('button', { name: 'Sign up with passkey' }).click();
    await page.waitForURL(`${base}/ui/`);
    expect(await page.textContent('main')).toContain('kay@example.com');
    await leave();
    // As an older browser, which offers nothing in the field: the virtual device takes every offer at once.
    await page.addInitScript('delete PublicKeyCredential.isConditionalMediationAvailable');
    await open('/self-service/login/browser');
    await lookAtFlow();
    await page.getByRole('button', { name: 'Sign in with passkey' }).click();
    await page.waitForURL(`${base}/ui/`);
    expect(await page.textContent('main')).toContain('kay@example.com');
    expect(faults).toEqual([]);
  }, 60_000);

  it('a browser that offers passkeys in the field signs in without a click', async () => {
    await open('/self-service/registration/browser');
    await fillIn(page, { 'traits.email': 'auto@example.com' }, 'Sign up');
    await page.getByRole('button', { name: 'Sign up with passkey' }).click();
    await page.waitForURL(`${base}/ui/`);
    await leave();
    await open('/self-service/login/browser');
    await page.waitForURL(`${base}/ui/`);
    expect(await page.textContent('main')).toContain('auto@example.com');
  }, 60_000);

  it('somebody with a password adds a passkey and removes it; the last way in stays', async () => {
    await registerByPassword('add@example.com');
    await open('/self-service/settings/browser');
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await page.getByText('Your changes have been saved').waitFor();
    await lookAtFlow();
    await page.getByRole('button', { name: /Remove passkey/ }).click();
    await page.getByText('Your changes have been saved').waitFor();
    expect(await page.getByRole('button', { name: /Remove passkey/ }).count()).toBe(0);
    await leave();
    await open('/self-service/registration/browser');
    await fillIn(page, { 'traits.email': 'only@example.com' }, 'Sign up');
    await page.getByRole('button', { name: 'Sign up with passkey' }).click();
    await page.waitForURL(`${base}/ui/`);
    await open('/self-service/settings/browser');
    expect(await page.getByRole('button', { name: /Remove passkey/ }).isDisabled()).toBe(true);
  }, 60_000);

  it('a security key becomes the second factor, and is asked for at the next sign-in', async () => {
    await registerByPassword('key@example.com');
    await open('/self-service/settings/browser');
    await page.locator('input[name="webauthn_register_displayname"]').fill('My key');
    await page.getByRole('button', { name: 'Add security key' }).click();
    await page.getByText('Your changes have been saved').waitFor();
    expect(await page.getByRole('button', { name: 'Remove security key "My key"' }).count()).toBe(
      1,
    );
    await leave();
    await open('/self-service/login/browser');
    await fillIn(page, { identifier: 'key@example.com', password: PASSWORD }, /^Sign in with pass/);
    expect(await page.textContent('h1')).toBe('One more step');
    await lookAtFlow();
    const before = await context.request.get(`${base}/sessions/whoami`);
    expect(before.status()).toBe(403);
    await page.getByRole('button', { name: 'Sign in with hardware key' }).click();
    await page.waitForURL(`${base}/ui/`);
    const after = await context.request.get(`${base}/sessions/whoami`);
    expect((await after.json()).authenticator_assurance_level).toBe('aal2');
  }, 60_000);
});
