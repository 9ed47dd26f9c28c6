/** A new address that counts only once it is verified (the hook verify_new_address), at the real program. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, formAction, hiddenFields } from '../harness/browser.ts';
import { World } from '../harness/postern.ts';

const world = new World();
const PASSWORD = 'correct horse battery';
const CONFIG = `
selfservice:
  default_browser_return_url: http://127.0.0.1/
  methods: { password: { enabled: true, config: { haveibeenpwned_enabled: false } } }
  flows:
    registration: { style: unified, after: { password: { hooks: [ { hook: session } ] } } }
    verification: { enabled: true }
    settings:
      after:
        profile: { hooks: [ { hook: verify_new_address }, { hook: notify_previous_addresses } ] }
identity: { schemas: [ { id: person, url: "file://person.json" } ] }
`;
const email = {
  ...{ type: 'string', format: 'email' },
  'ory.sh/kratos': {
    credentials: { password: { identifier: true } },
    verification: { via: 'email' },
  },
};
const SCHEMA = {
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: { email, second: email, name: { type: 'string' } },
      required: ['email'],
    },
  },
};
let base = '';
let admin = '';
let key = '';

interface Told {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked at by the tests.
  readonly body: any;
}
async function ask(url: string, headers: Record<string, string>, json?: unknown): Promise<Told> {
  const answer = await fetch(url, {
    method: json === undefined ? 'GET' : 'POST',
    headers: { ...headers, ...(json === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}
async function flow(kind: string, token: string | undefined, sent: unknown): Promise<Told> {
  const headers: Record<string, string> = token === undefined ? {} : { 'x-session-token': token };
  const { body } = await ask(`${base}/self-service/${kind}/api`, headers);
  return ask(`${base}/self-service/${kind}?flow=${body.id}`, headers, sent);
}
async function register(address: string): Promise<string> {
  const traits = { email: address };
  const done = await flow('registration', undefined, {
    ...{ method: 'password', password: PASSWORD, traits },
  });
  expect(done.status).toBe(200);
  return done.body.session_token;
}
const signIn = async (identifier: string): Promise<number> =>
  (await flow('login', undefined, { method: 'password', identifier, password: PASSWORD })).status;
const change = (token: string, traits: object): Promise<Told> =>
  flow('settings', token, { method: 'profile', traits });
async function person(token: string): Promise<{
  readonly traits: { readonly email: string };
  readonly verifiable_addresses: readonly { readonly value: string; readonly verified: boolean }[];
}> {
  return (await ask(`${base}/sessions/whoami`, { 'x-session-token': token })).body.identity;
}
async function mailsTo(
  recipient: string,
): Promise<readonly { readonly template_type: string; readonly body: string }[]> {
  const url = `http://${admin}/admin/courier/messages?recipient=${recipient}`;
  return (await ask(url, { authorization: `Bearer ${key}` })).body;
}
const newestCode = async (recipient: string): Promise<string> =>
  /\b\d{6}\b/.exec((await mailsTo(recipient))[0]?.body ?? '')?.[0] ?? '';
const verify = (id: string, sent: object): Promise<Told> =>
  ask(`${base}/self-service/verification?flow=${id}`, {}, { method: 'code', ...sent });
const messageIds = ({ body }: Told): number[] =>
  (body.ui.messages ?? []).map((m: { id: number }) => m.id);

beforeAll(async () => {
  writeFileSync(join(world.folder, 'kratos.yml'), CONFIG);
  writeFileSync(join(world.folder, 'person.json'), JSON.stringify(SCHEMA));
  const config = join(world.folder, 'postern.yaml');
  writeFileSync(config, 'accounts: { kratos: kratos.yml }\n');
  await world.startServer('--config', config);
  const state: { public: string; accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  [base, admin] = [`http://${state.public}`, state.accounts_admin];
  key = await world.ok('admin', 'token', 'create', 'ops', '--scope', 'accounts:*');
}, 60_000);
afterAll(() => world.close(), 60_000);

describe('a new address', () => {
  it('counts once its code is entered, and the old one is told of it then', async () => {
    const token = await register('ann@example.com');
    const asked = await change(token, { email: 'ann@example.org', name: 'Ann' });
    expect([asked.status, asked.body.state]).toEqual([200, 'show_form']);
    const [{ action, flow: next }] = asked.body.continue_with;
    expect([action, next.verifiable_address]).toEqual(['show_verification_ui', 'ann@example.org']);
    expect((await person(token)).traits).toEqual({ email: 'ann@example.com' });
    expect(await signIn('ann@example.org')).toBe(400);
    expect((await mailsTo('ann@example.com')).map((m) => m.template_type)).not.toContain(
      'verifiable_address_changed',
    );

    const code = await newestCode('ann@example.org');
    const wrong = await verify(next.id, { code: code === '000000' ? '000001' : '000000' });
    expect(messageIds(wrong)).toEqual([4070006]);
    expect((await person(token)).traits.email).toBe('ann@example.com');
    expect((await verify(next.id, { code })).body.state).toBe('passed_challenge');
    const now = await person(token);
    expect(now.traits).toEqual({ email: 'ann@example.org', name: 'Ann' });
    expect(now.verifiable_addresses).toMatchObject([{ value: 'ann@example.org', verified: true }]);
    expect([await signIn('ann@example.com'), await signIn('ann@example.org')]).toEqual([400, 200]);
    const [notice] = await mailsTo('ann@example.com');
    expect(notice?.template_type).toBe('verifiable_address_changed');
    expect(notice?.body).not.toContain('ann@example.org');
    // A code is good once.
    expect((await verify(next.id, { code })).status).toBe(400);
  });

  it('is verified by a code that was asked for again, and by none that went elsewhere', async () => {
    const token = await register('bob@example.com');
    const asked = await change(token, { email: 'bob@example.org' });
    const { id } = asked.body.continue_with[0].flow;
    const first = await newestCode('bob@example.org');
    // Whoever has the old mailbox, or another one, can not confirm the new address.
    await verify(id, { email: 'bob@example.com' });
    await verify(id, { code: await newestCode('bob@example.com') });
    expect((await person(token)).traits.email).toBe('bob@example.com');
    const again = (await change(token, { email: 'bob@example.org' })).body.continue_with[0].flow.id;
    await verify(again, { email: 'bob@example.org' });
    expect(messageIds(await verify(again, { code: first }))).toEqual([4070006]);
    await verify(again, { code: await newestCode('bob@example.org') });
    expect((await person(token)).traits.email).toBe('bob@example.org');
  });

  it('is not taken from a session that has ended, nor over traits that changed meanwhile', async () => {
    const token = await register('cid@example.com');
    const early = (await change(token, { email: 'cid@example.org' })).body.continue_with[0].flow.id;
    const earlyCode = await newestCode('cid@example.org');
    const same = await change(token, { email: 'cid@example.com', name: 'Cid' });
    expect(same.body.state).toBe('success');
    expect(messageIds(await verify(early, { code: earlyCode }))).toEqual([4070006]);

    const late = (await change(token, { email: 'cid@example.net' })).body.continue_with[0].flow.id;
    const ended = await fetch(`${base}/self-service/logout/api`, {
      method: 'DELETE',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ session_token: token }),
    });
    expect(ended.status).toBe(204);
    const code = await newestCode('cid@example.net');
    expect(messageIds(await verify(late, { code }))).toEqual([4070006]);
    expect([await signIn('cid@example.com'), await signIn('cid@example.net')]).toEqual([200, 400]);
  });

  it("is one at a time, and nobody else's, also when somebody else was first", async () => {
    const token = await register('dan@example.com');
    const two = await change(token, { email: 'dan@example.org', second: 'dan@example.net' });
    expect([two.status, messageIds(two)]).toEqual([400, [4050002]]);
    await register('eve@example.com');
    const taken = await change(token, { email: 'eve@example.com' });
    expect([taken.status, messageIds(taken)]).toEqual([400, [4000007]]);
    const { id } = (await change(token, { email: 'fay@example.com' })).body.continue_with[0].flow;
    const code = await newestCode('fay@example.com');
    await register('fay@example.com');
    const late = await verify(id, { code });
    expect([late.status, messageIds(late)]).toEqual([400, [4000007]]);
    expect((await person(token)).traits).toEqual({ email: 'dan@example.com' });
  });

  it('leads a browser to the page where its code is entered', async () => {
    const me = new Browser(base);
    await register('gus@example.com');
    const login = await me.open('/self-service/login/browser');
    const typed = { identifier: 'gus@example.com', password: PASSWORD, method: 'password' };
    await me.ask('POST', formAction(login), { form: { ...hiddenFields(login), ...typed } });
    const settings = await me.open('/self-service/settings/browser');
    const page = await me.submit(settings, { 'traits.email': 'gus@example.org' }, [
      'method',
      'profile',
    ]);
    expect(new URL(page.url).pathname).toBe('/ui/verification');
    expect(page.text).toContain('name="code"');
    const who = await me.ask('GET', '/sessions/whoami');
    expect(JSON.parse(who.text).identity.traits.email).toBe('gus@example.com');
  });
});
