/** Security keys as a first factor (`passwordless`), as a page in a browser sends them, with keys made in software. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SoftAuthenticator } from '../../src/accounts/webauthn/authenticator.fixture.ts';
import { Browser } from '../harness/browser.ts';
import { freePort, World } from '../harness/postern.ts';

const port = await freePort();
const base = `http://localhost:${port}`;
const world = new World({ POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}` });
const kratos = (isPasswordless: boolean): string => `
serve: { public: { base_url: "${base}" } }
selfservice:
  default_browser_return_url: "${base}/ui/"
  methods:
    password: { enabled: true, config: { haveibeenpwned_enabled: false } }
    webauthn: { enabled: true, config: { passwordless: ${isPasswordless}, rp: { id: localhost, display_name: Here, origins: [ "${base}", "https://app.localhost" ] } } }
  flows:
    registration: { after: { webauthn: { hooks: [ { hook: session } ] } } }
`;

const config = join(world.folder, 'postern.yaml');
async function start(isPasswordless: boolean): Promise<void> {
  writeFileSync(join(world.folder, 'kratos.yml'), kratos(isPasswordless));
  await world.startServer('--config', config);
}

beforeAll(async () => {
  writeFileSync(config, 'accounts: { kratos: kratos.yml }\n');
  await start(true);
}, 60_000);
afterAll(() => world.close(), 60_000);

interface Told {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked at by the tests.
  readonly body: any;
}
const JSON_ONLY = { headers: { accept: 'application/json' } };
async function begin(me: Browser, path: string): Promise<Told['body']> {
  return JSON.parse((await me.ask('GET', `/self-service/${path}`, JSON_ONLY)).text);
}
async function send(me: Browser, flow: Told['body'], fields: object): Promise<Told> {
  const json = { csrf_token: fieldOf(flow, 'csrf_token'), ...fields };
  const page = await me.ask('POST', flow.ui.action, { json });
  return { status: page.status, body: JSON.parse(page.text) };
}
function fieldOf(flow: Told['body'], name: string): string {
  const node = flow.ui.nodes.find(
    (n: { attributes: { name?: string } }) => n.attributes.name === name,
  );
  return node?.attributes.value;
}
const ids = (told: Told): number[] =>
  (told.body.ui?.messages ?? []).map((m: { id: number }) => m.id);
const names = (flow: Told['body']): string[] =>
  flow.ui.nodes.map((n: { attributes: { name?: string; id?: string } }) =>
    String(n.attributes.name ?? n.attributes.id),
  );
const here = (challenge: string, origin = base) => ({ challenge, origin, rpId: 'localhost' });

async function register(me: Browser, email: string, device: SoftAuthenticator): Promise<Told> {
  const flow = await begin(me, 'registration/browser');
  const { body } = await send(me, flow, { method: 'profile', traits: { email } });
  expect(names(body)).toEqual(
    expect.arrayContaining([
      ...['webauthn_register_displayname', 'webauthn_register_trigger'],
      ...['webauthn_script', 'webauthn_register'],
    ]),
  );
  const { publicKey } = JSON.parse(fieldOf(body, 'webauthn_register_trigger'));
  device.userHandle = Buffer.from(publicKey.user.id, 'base64url');
  return send(me, body, {
    traits: { email },
    webauthn_register: device.register(here(publicKey.challenge)),
    webauthn_register_displayname: 'the red one',
  });
}
/** The second screen of a sign-in. */
async function named(me: Browser, identifier: string): Promise<Told> {
  const flow = await begin(me, 'login/browser');
  return send(me, flow, { method: 'webauthn', identifier });
}

describe('a security key without a password', () => {
  it('registers, and signs in who says their name; a second origin of the same party may ask', async () => {
    const device = new SoftAuthenticator();
    const made = await register(new Browser(base), 'kai@example.com', device);
    expect(made.status).toBe(200);
    expect(made.body.session.authentication_methods[0]).toMatchObject({ method: 'webauthn' });
    for (const origin of [base, 'https://app.localhost']) {
      const me = new Browser(base);
      const second = await named(me, ' Kai@Example.com');
      expect(ids(second)).toEqual([1010012]);
      const { publicKey } = JSON.parse(fieldOf(second.body, 'webauthn_login_trigger'));
      expect(publicKey.allowCredentials).toHaveLength(1);
      const done = await send(me, second.body, {
        ...{ method: 'webauthn', identifier: 'kai@example.com' },
        webauthn_login: device.login(here(publicKey.challenge, origin)),
      });
      expect(done.status).toBe(200);
      expect(done.body.session.authenticator_assurance_level).toBe('aal1');
    }
  });

  it('is refused for another person, for another origin, and with a challenge that was answered', async () => {
    const [mine, theirs] = [new SoftAuthenticator(), new SoftAuthenticator()];
    await register(new Browser(base), 'mo@example.com', mine);
    await register(new Browser(base), 'ned@example.com', theirs);
    const me = new Browser(base);
    const second = await named(me, 'ned@example.com');
    const { challenge } = JSON.parse(fieldOf(second.body, 'webauthn_login_trigger')).publicKey;
    const as = (identifier: string, answer: string): Promise<Told> =>
      send(me, second.body, { method: 'webauthn', identifier, webauthn_login: answer });
    expect(ids(await as('ned@example.com', mine.login(here(challenge))))).toEqual([4000043]);
    expect(ids(await as('ned@example.com', theirs.login(here(challenge))))).toEqual([4000043]);
    const again = await named(me, 'ned@example.com');
    const fresh = JSON.parse(fieldOf(again.body, 'webauthn_login_trigger')).publicKey.challenge;
    const wrong = await send(me, again.body, {
      ...{ method: 'webauthn', identifier: 'ned@example.com' },
      webauthn_login: theirs.login(here(fresh, 'https://evil.example.net')),
    });
    expect([wrong.status, ids(wrong)]).toEqual([400, [4000043]]);
    expect(ids(await named(me, 'nobody@example.com'))).toEqual([4000015]);
  });

  it('can not be taken away while it is the last way to sign in, nor be a second factor', async () => {
    const device = new SoftAuthenticator();
    const me = new Browser(base);
    await register(me, 'lou@example.com', device);
    const settings = await begin(me, 'settings/browser');
    const removal = settings.ui.nodes.find(
      (n: { attributes: { name?: string } }) => n.attributes.name === 'webauthn_remove',
    );
    expect(removal.meta.label).toMatchObject({
      ...{ id: 1050018, context: { display_name: 'the red one' } },
    });
    expect(removal.attributes).toMatchObject({
      ...{ disabled: true, value: device.id.toString('hex') },
    });
    const told = await send(me, settings, { webauthn_remove: removal.attributes.value });
    expect([told.status, ids(told)]).toEqual([400, [4000001]]);
    const raise = await begin(me, 'login/browser?aal=aal2');
    expect(names(raise)).not.toContain('webauthn_login');
  });

  it('stays a first factor when keys are second ones from now on, and those stay second when it is undone', async () => {
    const mine = new SoftAuthenticator();
    const me = new Browser(base);
    await register(me, 'pia@example.com', mine);
    const whoami = async (): Promise<number> =>
      (await me.ask('GET', '/sessions/whoami', JSON_ONLY)).status;
    expect(await whoami()).toBe(200);
    await world.ok('admin', 'server', 'stop');
    await start(false);
    expect(await whoami()).toBe(200);
    const settings = await begin(me, 'settings/browser');
    const { publicKey } = JSON.parse(fieldOf(settings, 'webauthn_register_trigger'));
    const second = new SoftAuthenticator();
    const added = await send(me, settings, {
      ...{ method: 'webauthn', webauthn_register: second.register(here(publicKey.challenge)) },
      webauthn_register_displayname: 'the blue one',
    });
    expect(added.status).toBe(200);
    await world.ok('admin', 'server', 'stop');
    await start(true);
    const again = new Browser(base);
    const asked = await named(again, 'pia@example.com');
    const { challenge, allowCredentials } = JSON.parse(
      fieldOf(asked.body, 'webauthn_login_trigger'),
    ).publicKey;
    expect(allowCredentials).toHaveLength(1);
    const done = await send(again, asked.body, {
      ...{ method: 'webauthn', identifier: 'pia@example.com' },
      webauthn_login: mine.login(here(challenge)),
    });
    expect([done.status, done.body.redirect_browser_to ?? '']).toEqual([
      422,
      expect.stringContaining('aal=aal2'),
    ]);
    const told = await again.ask('GET', '/sessions/whoami', JSON_ONLY);
    expect([told.status, JSON.parse(told.text).error.id]).toEqual([403, 'session_aal2_required']);
  }, 60_000);
});
