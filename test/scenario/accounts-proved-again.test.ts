/**
 * A person changes their password in a session that was proved too long ago: they sign in again, and what they had sent is
 * then done without being typed once more. It is done for them alone, once, and not before.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, formAction, hiddenFields, type Page } from '../harness/browser.ts';
import { accountsAt, type People } from '../harness/people.ts';
import { World } from '../harness/postern.ts';

const BEFORE = 'correct horse battery';
const AFTER = 'another long passphrase';
/** How long a session counts as proved: time enough for the way back on a busy machine. */
const PRIVILEGED_MS = 3_000;
const world = new World();
let people: People;

beforeAll(async () => {
  const email = {
    ...{ type: 'string', format: 'email' },
    'ory.sh/kratos': { credentials: { password: { identifier: true } } },
  };
  const schema = {
    properties: { traits: { type: 'object', properties: { email, nick: { type: 'string' } } } },
  };
  const url = `base64://${Buffer.from(JSON.stringify(schema)).toString('base64')}`;
  const file = join(world.folder, 'kratos.yml');
  const kratos = {
    selfservice: {
      default_browser_return_url: 'http://127.0.0.1/',
      flows: {
        registration: { after: { password: { hooks: [{ hook: 'session' }] } } },
        settings: { privileged_session_max_age: `${PRIVILEGED_MS}ms` },
      },
      methods: { password: { config: { haveibeenpwned_enabled: false } } },
    },
    identity: { default_schema_id: 'default', schemas: [{ id: 'default', url }] },
  };
  writeFileSync(file, JSON.stringify(kratos));
  mkdirSync(world.serverHome);
  writeFileSync(join(world.serverHome, 'server.yaml'), `accounts: { kratos: ${file} }\n`);
  await world.startServer();
  const state: { public: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  people = accountsAt(`http://${state.public}`);
}, 120_000);
afterAll(() => world.close(), 60_000);

interface Waiting {
  readonly me: Browser;
  /** The address of the sign-in that the server sends to. */
  readonly signIn: string;
  /** Where the browser comes back to. */
  readonly back: string;
}

const signedIn = async (email: string, password = BEFORE): Promise<number> =>
  (await people.login(email, password)).status;
const isSaved = (page: Page): boolean => page.text.includes('Your changes have been saved');

/** A browser in which somebody is signed in. */
async function browserOf(email: string): Promise<Browser> {
  const me = people.browser();
  const page = await me.open('/self-service/login/browser');
  const form = { ...hiddenFields(page), identifier: email, password: BEFORE, method: 'password' };
  expect((await me.ask('POST', formAction(page), { form })).status).toBe(303);
  return me;
}
async function register(email: string): Promise<Browser> {
  await people.register(email, BEFORE);
  return browserOf(email);
}
/** Somebody sends a new password too late. */
async function sendLate(email: string): Promise<Waiting> {
  const me = await register(email);
  const page = await me.open('/self-service/settings/browser');
  await sleep(PRIVILEGED_MS + 200);
  const flow = new URL(page.url).searchParams.get('flow');
  const { csrf_token = '' } = hiddenFields(page);
  const form = { csrf_token, method: 'password', password: AFTER };
  const told = await me.ask('POST', `/self-service/settings?flow=${flow}`, { form });
  expect(told.status).toBe(303);
  expect(told.location).toContain('/self-service/login/browser?refresh=true');
  return { me, signIn: told.location ?? '', back: `/self-service/settings?flow=${flow}` };
}
async function proveAgain({ me, signIn }: Waiting, email: string): Promise<Page> {
  return me.submit(await me.open(signIn), { identifier: email, password: BEFORE }, [
    'method',
    'password',
  ]);
}

describe('a password that was sent in a session proved too long ago', () => {
  it('is changed as soon as the person has signed in again, once', async () => {
    const email = 'ann@example.com';
    const waiting = await sendLate(email);
    expect(await signedIn(email)).toBe(200);
    const page = await proveAgain(waiting, email);
    expect(page.url).toContain('/ui/settings');
    expect(isSaved(page)).toBe(true);
    expect(await signedIn(email, AFTER)).toBe(200);
    expect(await signedIn(email)).toBe(400);
    const form = { ...hiddenFields(page), method: 'password', password: BEFORE };
    await waiting.me.ask('POST', waiting.back, { form });
    await waiting.me.open(waiting.back);
    expect(await signedIn(email)).toBe(200);
  });

  it('is not changed by coming back without signing in', async () => {
    const email = 'ben@example.com';
    const { me, back } = await sendLate(email);
    const page = await me.open(back);
    expect(page.status).toBe(200);
    expect(isSaved(page)).toBe(false);
    expect(await signedIn(email, AFTER)).toBe(400);
  });

  it('is not changed by another browser of the same person, nor by somebody else', async () => {
    const email = 'cid@example.com';
    const { back } = await sendLate(email);
    const other = await browserOf(email);
    await other.open(back);
    const eve = await register('eve@example.com');
    await eve.open(back);
    expect(await signedIn(email, AFTER)).toBe(400);
  });

  it('is forgotten when the person sends something else', async () => {
    const email = 'dot@example.com';
    const waiting = await sendLate(email);
    const { me, back } = waiting;
    const page = await me.open(back);
    const form = { ...hiddenFields(page), method: 'profile', 'traits.email': email };
    const saved = await me.ask('POST', back, { form: { ...form, 'traits.nick': 'Dot' } });
    expect(saved.status).toBe(303);
    await proveAgain(waiting, email);
    expect(await signedIn(email, AFTER)).toBe(400);
  });

  it('is refused with its reason when it can not be: the page says what to mend', async () => {
    const email = 'flo@example.com';
    const me = await register(email);
    const page = await me.open('/self-service/settings/browser');
    await sleep(PRIVILEGED_MS + 200);
    const flow = new URL(page.url).searchParams.get('flow');
    const form = { ...hiddenFields(page), method: 'password', password: 'short' };
    const told = await me.ask('POST', `/self-service/settings?flow=${flow}`, { form });
    const again = await proveAgain({ me, signIn: told.location ?? '', back: '' }, email);
    expect(again.text).toContain('The password must be at least 8 characters long');
    expect(await signedIn(email)).toBe(200);
  });

  it('has to be another one than before', async () => {
    const me = await register('gus@example.com');
    const page = await me.open('/self-service/settings/browser');
    const form = { ...hiddenFields(page), method: 'password', password: BEFORE };
    const flow = new URL(page.url).searchParams.get('flow');
    const told = await me.ask('POST', `/self-service/settings?flow=${flow}`, { form });
    const shown = await me.open(told.location ?? '');
    expect(shown.text).toContain('The new password must be different from the old password');
    expect(isSaved(shown)).toBe(false);
  });
});
