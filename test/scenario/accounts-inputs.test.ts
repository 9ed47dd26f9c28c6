/**
 * Inputs that are made to harm: patterns that would never end, addresses that no header carries, claims on the addresses of
 * others, patches, and answers of web hooks without a bottom. Each is answered in the surface's own shape.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountsAt, type People, type Told } from '../harness/people.ts';
import { freePort, until, World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const base64 = (text: string): string => `base64://${Buffer.from(text).toString('base64')}`;
const sends = { code: { identifier: true, via: 'email' } };
const SCHEMA = {
  $id: 'https://inputs.example/person.json',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          ...{ type: 'string', format: 'email' },
          'ory.sh/kratos': {
            credentials: { password: { identifier: true }, ...sends },
            verification: { via: 'email' },
            recovery: { via: 'email' },
          },
        },
        email2: {
          ...{ type: 'string', format: 'email' },
          'ory.sh/kratos': { credentials: sends },
        },
        slug: { type: 'string', pattern: '^(a+)+$' },
      },
      required: ['email'],
      additionalProperties: false,
    },
  },
};
const mail: { to: string; kind: string; code: string }[] = [];
/** What the web hook answers next. */
let hookAnswer = '{}';
let post: Server;
let world: World;
let people: People;
let admin: People;
let base = '';
let bearer: Readonly<Record<string, string>> = {};
let networks = 0;

const courier = (url: string): object => ({
  url,
  body: base64(
    `function(ctx) {
       local d = ctx.template_data,
       to: ctx.recipient, kind: ctx.template_type,
       code: std.get(d, 'login_code', std.get(d, 'registration_code', std.get(d, 'recovery_code', ''))),
     }`,
  ),
});
const kratos = (url: string): string => `
serve: { public: { base_url: "${base}/" } }
selfservice:
  default_browser_return_url: ${base}/ui/
  allowed_return_urls: [ "http://app.example/in" ]
  methods:
    password: { enabled: true, config: { haveibeenpwned_enabled: false } }
    code: { enabled: true, passwordless_enabled: true }
    totp: { enabled: true }
  flows:
    verification: { enabled: true }
    recovery: { enabled: true }
    registration:
      after:
        password:
          hooks:
            - { hook: web_hook, config: { url: "${url}/hook", method: POST, body: "${base64('function(ctx) {}')}", response: { parse: true } } }
            - { hook: session }
        code: { hooks: [ { hook: session } ] }
courier: ${JSON.stringify({
  ...{ delivery_strategy: 'http', http: { request_config: courier(url) } },
  worker: { pull_wait: '20ms' },
})}
identity: { schemas: [ { id: default, url: "${base64(JSON.stringify(SCHEMA))}" } ] }
`;

beforeAll(async () => {
  post = createServer((asked, answer) => {
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.on('end', () => {
      if (asked.url === '/hook') {
        answer.end(hookAnswer);
        return;
      }
      mail.push(JSON.parse(Buffer.concat(chunks).toString()));
      answer.end();
    });
  });
  await new Promise<void>((done) => post.listen(0, '127.0.0.1', done));
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  world = new World({ POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}` });
  const url = `http://127.0.0.1:${(post.address() as AddressInfo).port}`;
  writeFileSync(join(world.folder, 'kratos.yml'), kratos(url));
  writeFileSync(join(world.folder, 'server.yaml'), 'accounts: { kratos: ./kratos.yml }\n');
  await world.startServer('--config', join(world.folder, 'server.yaml'));
  people = accountsAt(base);
  await world.ok('admin', 'enroll');
  const token = await world.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
  bearer = { authorization: `Bearer ${token}` };
  const state: { accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  admin = accountsAt(`http://${state.accounts_admin}`);
}, 60_000);
afterAll(async () => {
  await world.close();
  await new Promise((done) => post.close(done));
}, 60_000);

/** Somebody's own network, so that no test spends another's attempts. */
const network = (): string => `127.8.${++networks % 250}.1`;
const begin = (kind: string): Promise<Told> => people.ask('GET', `/self-service/${kind}/api`);
const submit = (kind: string, flow: Told, json: object): Promise<Told> =>
  people.ask('POST', `/self-service/${kind}?flow=${flow.json.id}`, {
    ...{ json, localAddress: network() },
  });
const register = async (traits: object, password = PASSWORD): Promise<Told> =>
  submit('registration', await begin('registration'), { method: 'password', traits, password });
const ids = (told: Told): number[] => [
  ...(told.json.ui.messages ?? []).map((m: { id: number }) => m.id),
  ...told.json.ui.nodes.flatMap((n: { messages: { id: number }[] }) => n.messages.map((m) => m.id)),
];
async function codeFor(to: string, kind: string, after = 0): Promise<string> {
  const found = (): { code: string } | undefined =>
    mail.slice(after).findLast((m) => m.to === to && m.kind === kind);
  const message = await until(
    () => found() ?? Promise.reject(new Error('none')),
    `a code for ${to}`,
  );
  return message.code;
}
/** Registers by a code to the first address. */
async function registerByCode(traits: { email: string; email2?: string }): Promise<Told> {
  const flow = await begin('registration');
  const after = mail.length;
  await submit('registration', flow, { method: 'code', traits });
  const code = await codeFor(traits.email, 'registration_code_valid', after);
  return submit('registration', flow, { method: 'code', traits, code });
}
async function signInByCode(identifier: string): Promise<Told> {
  const flow = await begin('login');
  const after = mail.length;
  await submit('login', flow, { method: 'code', identifier });
  const code = await codeFor(identifier, 'login_code_valid', after);
  return submit('login', flow, { method: 'code', identifier, code });
}

describe('traits', () => {
  it.each([30, 4_000, 250_000])(
    'of %i letters that a pattern would backtrack on hold nobody up',
    async (length) => {
      const flow = await begin('registration');
      const slug = `${'a'.repeat(length)}!`;
      const traits = { email: `slug${length}@example.com`, slug };
      const asked = submit('registration', flow, {
        method: 'password',
        traits,
        password: PASSWORD,
      });
      const beganMs = performance.now();
      const alive = await people.ask('GET', '/health/alive');
      expect(alive.status).toBe(200);
      expect(performance.now() - beganMs).toBeLessThan(1_000);
      const told = await asked;
      expect(told.status).toBe(400);
      expect(ids(told)).toContain(length > 4_096 ? 4000017 : 4000004);
    },
  );
  it('of a name with a quarter of a million marks hold nobody up either', async () => {
    const email = `a${'\u0300\u0316'.repeat(60_000)}@example.com`;
    const beganMs = performance.now();
    expect(ids(await register({ email }))).toContain(4000017);
    expect(performance.now() - beganMs).toBeLessThan(3_000);
  });
});

describe('an address to return to', () => {
  const odd = `${'http://app.example/in/'}✓?x=ü`;
  const plain = 'http://app.example/in/%E2%9C%93?x=%C3%BC';
  it('with letters that no header carries is answered as browsers write it, at each step', async () => {
    await register({ email: 'return@example.com' });
    const query = `?return_to=${encodeURIComponent(odd)}`;
    const me = people.browser();
    const first = await me.ask('GET', `/self-service/login/browser${query}`, {
      headers: { accept: 'application/json' },
    });
    const flow = JSON.parse(first.text);
    expect(flow.return_to).toBe(plain);
    const csrf = flow.ui.nodes.find(
      (n: { attributes: { name: string } }) => n.attributes.name === 'csrf_token',
    ).attributes.value;
    const form = {
      ...{ method: 'password', identifier: 'return@example.com', password: PASSWORD },
      csrf_token: csrf,
    };
    const done = await me.ask('POST', `/self-service/login?flow=${flow.id}`, { form });
    expect([done.status, done.headers.get('location')]).toEqual([303, plain]);
    const again = await me.ask('GET', `/self-service/login/browser${query}`, {
      headers: { accept: 'text/html' },
    });
    expect([again.status, again.headers.get('location')]).toEqual([303, plain]);
    const logout = await me.ask('GET', `/self-service/logout/browser${query}`, {
      headers: { accept: 'application/json' },
    });
    const { logout_url } = JSON.parse(logout.text);
    const out = await me.ask('GET', logout_url.slice(base.length), {
      headers: { accept: 'text/html' },
    });
    expect([out.status, out.headers.get('location')]).toEqual([303, plain]);
  });
});

describe('cookies', () => {
  it('are each set once', async () => {
    const told = await people.ask('GET', '/self-service/login/browser');
    const flow = new URL(told.headers.get('location') ?? '').searchParams.get('flow');
    const cookie = told.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const page = await people.ask('GET', `/self-service/login/flows?id=${flow}`, {
      headers: { cookie },
    });
    const csrf_token = page.json.ui.nodes.find(
      (n: { attributes: { name: string } }) => n.attributes.name === 'csrf_token',
    ).attributes.value;
    await register({ email: 'cookies@example.com' });
    const done = await people.ask('POST', `/self-service/login?flow=${flow}`, {
      headers: { cookie },
      json: {
        ...{ method: 'password', identifier: 'cookies@example.com', password: PASSWORD },
        csrf_token,
      },
    });
    expect(done.status, done.text).toBe(200);
    for (const answer of [told, done]) {
      const names = answer.headers.getSetCookie().map((c) => c.split('=')[0]);
      expect(names.length).toBeGreaterThan(0);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

describe('an address that nobody proved', () => {
  it('is no name to sign in by, and stays free for its owner', async () => {
    const thief = await registerByCode({ email: 'mine@example.com', email2: 'owner@example.com' });
    expect(thief.status, thief.text).toBe(200);
    const flow = await begin('login');
    await submit('login', flow, { method: 'code', identifier: 'owner@example.com' });
    const own = await registerByCode({ email: 'owner@example.com' });
    expect(own.status, own.text).toBe(200);
    expect(mail.some((m) => m.to === 'owner@example.com' && m.kind === 'login_code_valid')).toBe(
      false,
    );
    const told = await signInByCode('owner@example.com');
    expect(told.json.session.identity.id).toBe(own.json.identity.id);
    expect(own.json.identity.id).not.toBe(thief.json.identity.id);
    expect((await signInByCode('mine@example.com')).status).toBe(200);
  });

  it('opens no account that a stranger made with a password, but by recovery, which shuts the stranger out', async () => {
    const email = 'late@example.com';
    const stranger = await register({ email });
    expect(stranger.status, stranger.text).toBe(200);
    const token: string = stranger.json.session_token;
    expect((await people.whoami(token)).status).toBe(200);
    const flow = await begin('login');
    await submit('login', flow, { method: 'code', identifier: email });
    expect(mail.some((m) => m.to === email && m.kind === 'login_code_valid')).toBe(false);
    const asked = await begin('recovery');
    await submit('recovery', asked, { method: 'code', email });
    const code = await codeFor(email, 'recovery_code_valid');
    const told = await submit('recovery', asked, { method: 'code', code });
    const [given] = told.json.continue_with;
    expect((await people.whoami(given.ory_session_token)).status).toBe(200);
    expect((await people.whoami(token)).status).toBe(401);
    // Once proved, it is a way in like any other.
    expect((await signInByCode(email)).json.session.identity.id).toBe(stranger.json.identity.id);
  });

  it('that was removed lets nobody in, whatever was sent to it before', async () => {
    const told = await register({ email: 'old@example.com' });
    const headers = { 'x-session-token': told.json.session_token };
    const asked = await begin('recovery');
    await submit('recovery', asked, { method: 'code', email: 'old@example.com' });
    const code = await codeFor('old@example.com', 'recovery_code_valid');
    const settings = await people.ask('GET', '/self-service/settings/api', { headers });
    const traits = { email: 'new@example.com' };
    const saved = await people.ask('POST', `/self-service/settings?flow=${settings.json.id}`, {
      ...{ headers, json: { method: 'profile', traits } },
    });
    expect(saved.status, saved.text).toBe(200);
    const late = await submit('recovery', asked, { method: 'code', code });
    expect(late.json.continue_with ?? []).toEqual([]);
    expect(late.json.ui.messages[0].id).toBe(4060006);
  });
});

describe('a JSON Patch of an identity', () => {
  it('copies, moves and tests, but never what is forbidden', async () => {
    const { json } = await register({ email: 'patch@example.com' });
    const path = `/admin/identities/${json.identity.id}`;
    const patch = (operations: object[]): Promise<Told> =>
      admin.ask('PATCH', path, { json: operations, headers: bearer });
    const done = await patch([
      { op: 'test', path: '/traits/email', value: 'patch@example.com' },
      { op: 'copy', from: '/traits', path: '/metadata_public' },
      { op: 'add', path: '/metadata_admin', value: { a: 1 } },
      { op: 'move', from: '/metadata_admin/a', path: '/metadata_admin/b' },
    ]);
    expect(done.status, done.text).toBe(200);
    expect(done.json).toMatchObject({
      metadata_public: { email: 'patch@example.com' },
      metadata_admin: { b: 1 },
    });
    for (const operation of [
      { op: 'copy', from: '/credentials', path: '/metadata_public' },
      { op: 'move', from: '/id', path: '/metadata_public' },
      { op: 'test', path: '/traits/email', value: 'other' },
    ])
      expect((await patch([operation])).status).toBe(400);
  });
});

describe("a web hook's answer", () => {
  it.each([1_000, 50_000])('that is %i deep is the failure of the hook', async (depth) => {
    hookAnswer = `{"identity":{"metadata_public":${'['.repeat(depth)}${']'.repeat(depth)}}}`;
    const told = await register({ email: `deep${depth}@example.com` });
    hookAnswer = '{}';
    expect(told.status, told.text).toBe(502);
  });
});
