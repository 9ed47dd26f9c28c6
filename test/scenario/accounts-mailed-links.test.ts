/** Links and codes of mails: a mail scanner that opens them changes nothing, and their owner still gets in, in any browser. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, hiddenFields, type Page } from '../harness/browser.ts';
import { accountsAt, type People } from '../harness/people.ts';
import { World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const ANOTHER = 'another horse entirely';
const STALE = '127.9.9.9';

interface Stage {
  readonly world: World;
  readonly people: People;
  readonly mail: (recipient: string) => Promise<string>;
  readonly isVerified: (email: string) => Promise<boolean>;
}

type Use = 'link' | 'code';

/** A server that recovers by `use`. */
async function stage(use: Use, verification: Use = 'code'): Promise<Stage> {
  const world = new World();
  const file = join(world.folder, 'kratos.yml');
  writeFileSync(
    file,
    `selfservice:
  default_browser_return_url: /ui/
  flows:
    recovery: { enabled: true, use: ${use} }
    verification: { enabled: true, use: ${verification} }
  methods: { link: { enabled: true }, code: { enabled: true } }
`,
  );
  const config = join(world.folder, 'server.yaml');
  writeFileSync(config, 'accounts: { kratos: ./kratos.yml }\n');
  await world.startServer('--config', config);
  await world.ok('admin', 'enroll');
  const state: { public: string; accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  const token = await world.ok('admin', 'token', 'create', 't', '--scope', 'accounts:*');
  const admin = accountsAt(`http://${state.accounts_admin}`);
  const headers = { authorization: `Bearer ${token}` };
  return {
    world,
    people: accountsAt(`http://${state.public}`),
    mail: async (recipient) => {
      const { json } = await admin.ask('GET', `/admin/courier/messages?recipient=${recipient}`, {
        headers,
      });
      return json[0].body;
    },
    isVerified: async (email) => {
      const query = `credentials_identifier=${email}`;
      const { json } = await admin.ask('GET', `/admin/identities?${query}`, { headers });
      return json[0].verifiable_addresses[0].verified;
    },
  };
}

const linkIn = (mail: string): string => /https?:\S+self-service\S+/.exec(mail)?.[0] ?? '';
const pathOf = (link: string): string => new URL(link).pathname + new URL(link).search;

/** What a scanner does: HEAD, then GET with its redirects, some of it from a browser of its own. */
async function scan({ people }: Stage, link: string): Promise<Page> {
  const head = await people.ask('HEAD', pathOf(link));
  expect([head.status, head.headers.getSetCookie()]).toEqual([200, []]);
  const scanner = people.browser();
  const seen = await scanner.open(link);
  expect(scanner.cookies.has('ory_kratos_session')).toBe(false);
  return seen;
}
/** Whoever recovered sets a password, by the page that they were led to. */
async function setPassword(me: Browser, settings: Page): Promise<Page> {
  expect(settings.text).toContain('successfully recovered');
  expect(hiddenFields(settings)['csrf_token']).not.toBe('');
  const at = settings.text.indexOf('name="password"');
  const form = settings.text.slice(settings.text.lastIndexOf('<form', at));
  return me.submit({ ...settings, text: form }, { password: ANOTHER }, ['method', 'password']);
}

const USED = 'invalid or has already been used';

describe('recovery by a mailed link', () => {
  let s: Stage;
  beforeAll(async () => {
    s = await stage('link');
  }, 60_000);
  afterAll(() => s.world.close(), 60_000);

  async function ask(email: string): Promise<{ me: Browser; waiting: Page; link: string }> {
    await s.people.register(email, PASSWORD);
    const me = s.people.browser();
    const begun = await me.open('/self-service/recovery/browser');
    const waiting = await me.submit(begun, { email }, ['method', 'link']);
    return { me, waiting, link: linkIn(await s.mail(email)) };
  }

  it('is not spent by a scanner; its owner presses one button, in any browser', async () => {
    const { link } = await ask('lin@example.com');
    for (let i = 0; i < 7; i++) await scan(s, link);
    const phone = s.people.browser();
    const opened = await phone.open(link);
    expect(opened.text).toContain('Continue signs you in');
    expect(hiddenFields(opened)['token']).toBe(new URL(link).searchParams.get('token'));
    const settings = await phone.submit(opened, {}, ['method', 'link']);
    await setPassword(phone, settings);
    expect((await s.people.login('lin@example.com', ANOTHER)).status).toBe(200);
  });

  it('is asked for again by the form of the first time, as Kratos has it', async () => {
    const { me, waiting, link } = await ask('again@example.com');
    expect(waiting.text).toMatch(/<input type="email"[^>]* name="email" value="again@example.com"/);
    expect(waiting.text).toContain('>Send the link again</button>');
    const id = new URL(waiting.url).searchParams.get('flow');
    const headers = { accept: 'application/json' };
    const told = await me.ask('GET', `/self-service/recovery/flows?id=${id}`, { headers });
    const { nodes }: { nodes: { attributes: object; meta: object }[] } = JSON.parse(told.text).ui;
    expect(nodes.slice(1)).toMatchObject([
      { group: 'link', attributes: { name: 'email', type: 'email', value: 'again@example.com' } },
      { group: 'link', attributes: { name: 'method', type: 'submit', value: 'link' } },
    ]);
    expect(nodes[2]?.meta).toMatchObject({ label: { id: 1070009 } });
    await me.submit(waiting, { email: 'again@example.com' }, ['method', 'link']);
    expect(linkIn(await s.mail('again@example.com'))).not.toBe(link);
  });

  it('works once: the other openings, and the link itself, say that it was used', async () => {
    const { link } = await ask('once@example.com');
    const [first, second] = [s.people.browser(), s.people.browser()];
    const [one, two] = [await first.open(link), await second.open(link)];
    await first.submit(one, {}, ['method', 'link']);
    expect(first.cookies.has('ory_kratos_session')).toBe(true);
    const late = await second.submit(two, {}, ['method', 'link']);
    expect(late.text).toContain(USED);
    expect(second.cookies.has('ory_kratos_session')).toBe(false);
    expect((await s.people.browser().open(link)).text).toContain(USED);
  });

  it('is told in the flow where it brings nothing or rubbish, and in no error log', async () => {
    const { me, waiting, link } = await ask('none@example.com');
    const id = new URL(waiting.url).searchParams.get('flow');
    for (const path of [
      `/self-service/recovery?flow=${id}`,
      `/self-service/recovery?flow=${id}&token=`,
    ])
      expect((await me.open(path)).text).toContain('The recovery token is invalid');
    const fresh = await me.open('/self-service/recovery/browser');
    const freshId = new URL(fresh.url).searchParams.get('flow');
    const bare = await me.open(`/self-service/recovery?flow=${freshId}&token=x`);
    expect(bare.text).toContain('The recovery token is invalid');
    const rubbish = await me.open(link.replace(/token=.*/, 'token=%22%3E%3Cscript%3E'));
    expect(rubbish.text).not.toContain('"><script>');
    const told = await me.submit(rubbish, {}, ['method', 'link']);
    expect(told.text).toContain('The recovery token is invalid');
    // Whoever has a wrong link learns nothing of whose it is.
    expect(told.text).not.toContain('none@example.com');
    const log = await s.world.ok('admin', 'server', 'logs');
    expect(readFileSync(log, 'utf8')).not.toContain('met a fault');
  });

  it('is shown on our own page to whoever is signed in: pages elsewhere send them away', async () => {
    const { link } = await ask('here@example.com');
    const me = s.people.browser();
    const page = await me.open('/self-service/login/browser');
    await me.submit(page, { identifier: 'here@example.com', password: PASSWORD }, [
      'method',
      'password',
    ]);
    const opened = await me.open(link);
    expect(opened.url).toContain('/ui/recovery?flow=');
    await setPassword(me, await me.submit(opened, {}, ['method', 'link']));
  });

  it('counts the guesses of all openings together', async () => {
    const { link } = await ask('guess@example.com');
    for (let i = 0; i < 5; i++) {
      const guesser = s.people.browser();
      const opened = await guesser.open(link.replace(/token=.*/, `token=wrong${i}`));
      await guesser.submit(opened, {}, ['method', 'link']);
    }
    const late = s.people.browser();
    await late.submit(await late.open(link), {}, ['method', 'link']);
    expect(late.cookies.has('ory_kratos_session')).toBe(false);
  });

  it('still lets a program post the token', async () => {
    const email = 'prog@example.com';
    await s.people.register(email, PASSWORD);
    const begun = await s.people.ask('GET', '/self-service/recovery/api');
    const path = `/self-service/recovery?flow=${begun.json.id}`;
    await s.people.ask('POST', path, { json: { method: 'link', email } });
    const link = linkIn(await s.mail(email));
    await scan(s, link);
    const token = new URL(link).searchParams.get('token');
    const told = await s.people.ask('POST', path, { json: { method: 'link', token } });
    expect(told.json.continue_with[0].action).toBe('set_ory_session_token');
  });

  it('of an administrator works the same way', async () => {
    await s.people.register('adm@example.com', PASSWORD);
    const made = JSON.parse(
      await s.world.ok('admin', 'account', 'recover', 'adm@example.com', '--output', 'json'),
    );
    expect(made.recovery_link).toContain('/ui/recovery?flow=');
    const me = s.people.browser();
    const page = await me.open(made.recovery_link);
    const settings = await me.submit(page, { code: made.recovery_code }, ['method', 'code']);
    await setPassword(me, settings);
    expect((await s.people.login('adm@example.com', ANOTHER, STALE)).status).toBe(200);
  });
});

describe('verification by a mailed link', () => {
  let s: Stage;
  beforeAll(async () => {
    s = await stage('link', 'link');
  }, 60_000);
  afterAll(() => s.world.close(), 60_000);
  const DONE = 'You successfully verified your email address';

  it('begins with the registration, is not spent by a scanner, and is done by one button', async () => {
    const email = 'reg@example.com';
    await s.people.register(email, PASSWORD);
    const link = linkIn(await s.mail(email));
    expect(link).toMatch(/\/self-service\/verification\?flow=[^&]+&token=[\w-]{32}$/);
    for (let i = 0; i < 7; i++) await scan(s, link);
    expect(await s.isVerified(email)).toBe(false);
    const phone = s.people.browser();
    const opened = await phone.open(link);
    expect(opened.text).toContain('Continue verifies that the address is yours');
    const done = await phone.submit(opened, {}, ['method', 'link']);
    expect(done.text).toContain(DONE);
    expect(await s.isVerified(email)).toBe(true);
    expect(phone.cookies.has('ory_kratos_session')).toBe(false);
    expect((await s.people.browser().open(link)).text).toContain('already completed');
    expect((await s.people.browser().open(link.replace(/&token=.*/, ''))).status).toBe(200);
  });

  it('can be asked for, and again; the form and what it says are those of links', async () => {
    const email = 'vera@example.com';
    await s.people.register(email, PASSWORD);
    const first = linkIn(await s.mail(email));
    const me = s.people.browser();
    const begun = await me.open('/self-service/verification/browser');
    expect(begun.text).toContain('>Send a link</button>');
    const waiting = await me.submit(begun, { email }, ['method', 'link']);
    const id = new URL(waiting.url).searchParams.get('flow');
    const headers = { accept: 'application/json' };
    const told = await me.ask('GET', `/self-service/verification/flows?id=${id}`, { headers });
    expect(JSON.parse(told.text)).toMatchObject({
      ...{ state: 'sent_email', active: 'link' },
      ui: {
        messages: [{ id: 1080001 }],
        nodes: [
          { attributes: { name: 'csrf_token' } },
          { group: 'link', attributes: { name: 'email', type: 'email', value: email } },
          { group: 'link', attributes: { name: 'method', value: 'link' } },
        ],
      },
    });
    expect(waiting.text).toContain('>Send the link again</button>');
    await me.submit(waiting, { email }, ['method', 'link']);
    const link = linkIn(await s.mail(email));
    expect(link).not.toBe(first);
    const done = await me.submit(await me.open(link), {}, ['method', 'link']);
    expect(done.text).toContain(DONE);
  });

  it('is refused with what is missing or wrong, and counts the guesses of all openings', async () => {
    const email = 'guess@example.com';
    await s.people.register(email, PASSWORD);
    const link = linkIn(await s.mail(email));
    const bare = await s.people.browser().open(link.replace(/&token=.*/, ''));
    expect(bare.text).toContain('The verification token is invalid');
    for (let i = 0; i < 5; i++) {
      const guesser = s.people.browser();
      const opened = await guesser.open(link.replace(/token=.*/, `token=wrong${i}`));
      const told = await guesser.submit(opened, {}, ['method', 'link']);
      expect(told.text).toContain('The verification token is invalid');
      expect(told.text).not.toContain(email);
    }
    const late = s.people.browser();
    await late.submit(await late.open(link), {}, ['method', 'link']);
    expect(await s.isVerified(email)).toBe(false);
  });
});

describe('codes by mail', () => {
  let s: Stage;
  beforeAll(async () => {
    s = await stage('code');
  }, 60_000);
  afterAll(() => s.world.close(), 60_000);

  async function ask(
    email: string,
  ): Promise<{ me: Browser; waiting: Page; link: string; code: string }> {
    await s.people.register(email, PASSWORD);
    const me = s.people.browser();
    const begun = await me.open('/self-service/verification/browser');
    const waiting = await me.submit(begun, { email }, ['method', 'code']);
    const link = linkIn(await s.mail(email));
    return { me, waiting, link, code: new URL(link).searchParams.get('code') ?? '' };
  }

  it('after a scanner went by, the waiting tab still takes the code', async () => {
    const { me, waiting, link, code } = await ask('tab@example.com');
    expect((await scan(s, link)).text).toContain(`value="${code}"`);
    const done = await me.submit(waiting, { code }, ['method', 'code']);
    expect(done.text).toContain('successfully verified');
    expect(await s.isVerified('tab@example.com')).toBe(true);
    const again = s.people.browser();
    expect((await again.open(link)).text).toContain('already completed');
    expect((await me.open(link)).text).toContain('successfully verified');
  });

  it('a phone that opens the link verifies too, and then the code is spent everywhere', async () => {
    const { me, waiting, link, code } = await ask('phone@example.com');
    const phone = s.people.browser();
    const opened = await phone.open(link);
    expect(await s.isVerified('phone@example.com')).toBe(false);
    const done = await phone.submit(opened, { code }, ['method', 'code']);
    expect(done.text).toContain('successfully verified');
    const late = await me.submit(waiting, { code }, ['method', 'code']);
    expect(late.text).toContain('already completed');
  });

  it('guesses are counted together, in whichever browser they are made', async () => {
    const { me, waiting, link, code } = await ask('sum@example.com');
    const wrong = code === '000000' ? '111111' : '000000';
    let page = waiting;
    for (let i = 0; i < 3; i++) page = await me.submit(page, { code: wrong }, ['method', 'code']);
    for (let i = 0; i < 2; i++) {
      const other = s.people.browser();
      await other.submit(await other.open(link), { code: wrong }, ['method', 'code']);
    }
    const phone = s.people.browser();
    await phone.submit(await phone.open(link), { code }, ['method', 'code']);
    const late = await me.submit(page, { code }, ['method', 'code']);
    expect(late.text).toContain('submitted too often. Please request another code');
    expect(await s.isVerified('sum@example.com')).toBe(false);
  });

  it('the form that a link filled in is shown to its own browser alone', async () => {
    const { link, me } = await ask('own@example.com');
    const phone = s.people.browser();
    const id = new URL((await phone.open(link)).url).searchParams.get('flow');
    const read = `/self-service/verification/flows?id=${id}`;
    expect((await me.ask('GET', read)).status).toBe(403);
    expect((await phone.ask('GET', read)).status).toBe(200);
  });

  it("an administrator's code leads a fresh browser to settings that can be saved, after a wrong one too", async () => {
    await s.people.register('help@example.com', PASSWORD);
    const made = JSON.parse(
      await s.world.ok('admin', 'account', 'recover', 'help@example.com', '--output', 'json'),
    );
    const me = s.people.browser();
    const page = await me.open(made.recovery_link);
    const wrong = made.recovery_code === '000000' ? '111111' : '000000';
    const again = await me.submit(page, { code: wrong }, ['method', 'code']);
    expect(again.text).toContain('recovery code is invalid');
    const settings = await me.submit(again, { code: made.recovery_code }, ['method', 'code']);
    await setPassword(me, settings);
    expect((await s.people.login('help@example.com', ANOTHER, STALE)).status).toBe(200);
  });
});

describe('HEAD', () => {
  let s: Stage;
  beforeAll(async () => {
    s = await stage('code');
  }, 60_000);
  afterAll(() => s.world.close(), 60_000);

  it('signs nobody out and begins nothing', async () => {
    await s.people.register('head@example.com', PASSWORD);
    const me = s.people.browser();
    const login = await me.open('/self-service/login/browser');
    const home = await me.submit(login, { identifier: 'head@example.com', password: PASSWORD }, [
      'method',
      'password',
    ]);
    const out = /href="([^"]*\/self-service\/logout\?token=[^"]*)"/.exec(home.text)?.[1] ?? '';
    expect((await me.ask('HEAD', out)).status).toBe(200);
    expect((await me.ask('HEAD', '/v2/logout')).status).toBe(404);
    expect((await me.ask('GET', '/sessions/whoami')).status).toBe(200);
    const begun = await s.people.ask('HEAD', '/self-service/login/browser');
    expect([begun.headers.get('location'), begun.headers.getSetCookie()]).toEqual([null, []]);
  });
});
