/** Who may see and end what at the doors of accounts: secrets behind a scope of their own, sessions that end for everybody to know, forms of other sites, and callers that are told to wait. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import * as client from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, hiddenFields } from '../harness/browser.ts';
import { accountsAt, type People, type Told } from '../harness/people.ts';
import { until, World } from '../harness/postern.ts';

const world = new World();
const PASSWORD = 'correct horse battery';
const REDACTED = '<redacted-unless-dev-mode>';
let base = '';
let people: People;
let admin: People;
const tokens = new Map<string, string>();

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  const state: { public: string; accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  base = `http://${state.public}`;
  people = accountsAt(base);
  admin = accountsAt(`http://${state.accounts_admin}`);
  for (const scope of ['read', 'write', 'secrets', '*'])
    tokens.set(
      scope,
      await world.ok('admin', 'token', 'create', `t${tokens.size}`, '--scope', `accounts:${scope}`),
    );
}, 60_000);
afterAll(() => world.close(), 60_000);

function ask(scope: string, method: string, path: string, json?: unknown): Promise<Told> {
  const headers = { authorization: `Bearer ${tokens.get(scope)}` };
  return admin.ask(method, `/admin${path}`, { headers, ...(json === undefined ? {} : { json }) });
}
interface Entry {
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly data: Readonly<Record<string, unknown>>;
}
async function audit(action: string): Promise<Entry[]> {
  const all: Entry[] = JSON.parse(await world.ok('admin', 'audit', 'list', '--output', 'json'));
  return all.filter((e) => e.action === action);
}
async function idOf(sessionToken: string): Promise<{ account: string; session: string }> {
  const { json } = await people.whoami(sessionToken);
  return { account: json.identity.id, session: json.id };
}

describe('a token that may read accounts', () => {
  it('sees no hash, no seed and no code, and is told which scope does', async () => {
    const { account } = await idOf(await people.register('eve@example.com', PASSWORD));
    const flow = await people.ask('GET', '/self-service/recovery/api');
    await people.ask('POST', `/self-service/recovery?flow=${flow.json.id}`, {
      json: { method: 'code', email: 'eve@example.com' },
    });
    const hash = `/identities/${account}?include_credential=password`;
    const list = '/identities?credentials_identifier=eve@example.com&include_credential=password';
    const mails = '/courier/messages?recipient=eve@example.com';
    for (const path of [hash, list, `/identities?ids=${account}&include_credential=totp`]) {
      const told = await ask('read', 'GET', path);
      expect([told.status, told.json.error.code, told.json.error.status]).toEqual([
        403,
        403,
        'Forbidden',
      ]);
      expect(told.json.error.reason).toContain('accounts:secrets');
    }
    const plain = await ask('read', 'GET', `/identities/${account}`);
    expect(plain.json.credentials.password.config).toBeUndefined();
    const { json: messages } = await ask('read', 'GET', mails);
    expect(messages.length).toBeGreaterThan(0);
    for (const m of messages) {
      expect([m.body, m.subject]).toEqual([REDACTED, REDACTED]);
      expect((await ask('read', 'GET', `/courier/messages/${m.id}`)).json.body).toBe(REDACTED);
    }
    expect(await audit('accounts:show-secrets')).toEqual([]);

    expect((await ask('secrets', 'GET', hash)).status).toBe(403);
    const whole = await ask('*', 'GET', hash);
    expect(whole.json.credentials.password.config.hashed_password).toMatch(/^\$argon2id/);
    const [mail] = (await ask('*', 'GET', mails)).json;
    expect(mail.body).toMatch(/\b\d{6}\b/);
    const seen = await audit('accounts:show-secrets');
    expect(seen.map(({ resource }) => resource)).toEqual(['accounts', 'courier']);
    expect(seen[0]).toMatchObject({
      actor: expect.stringMatching(/^token:/),
      data: { credentials: ['password'], accounts: [account] },
    });
  });
});

describe('an administrator who ends sessions', () => {
  /** Signs in to an application that hears of sign-outs; answers what it heard. */
  async function application(
    email: string,
  ): Promise<{ heard: string[]; close: () => void; token: string }> {
    const heard: string[] = [];
    const ear = createServer((request, response) => {
      heard.push(request.url ?? '');
      request.resume();
      response.end();
    });
    await new Promise<void>((resolve) => ear.listen(0, '127.0.0.1', resolve));
    const address = ear.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const callback = `http://127.0.0.1:${port}/cb`;
    const made = await world.askAdmin('POST', '/api/v1/clients', {
      ...{ name: email, type: 'web', callback_urls: [callback] },
      backchannel_logout_url: `http://127.0.0.1:${port}/gone`,
    });
    expect(made.status, made.body).toBe(201);
    const { id, secret } = JSON.parse(made.body);
    const config = await client.discovery(new URL(base), id, secret, undefined, {
      execute: [client.allowInsecureRequests],
    });
    const me: Browser = people.browser();
    await people.register(email, PASSWORD);
    const page = await me.open('/self-service/login/browser');
    await me.submit(page, { identifier: email, password: PASSWORD }, ['method', 'password']);
    let url = client
      .buildAuthorizationUrl(config, { redirect_uri: callback, scope: 'openid', state: 's' })
      .toString();
    for (let hops = 0; hops < 8 && !url.startsWith(callback); hops++)
      url = (await me.ask('GET', url)).location ?? '';
    await client.authorizationCodeGrant(config, new URL(url), { expectedState: 's' });
    const token = me.cookies.get('ory_kratos_session') ?? '';
    return { heard, token, close: () => ear.close() };
  }

  it.each([
    [
      'one of them',
      'DELETE',
      (s: { session: string }) => `/sessions/${s.session}`,
      undefined,
      'accounts:session-disable',
    ],
    [
      ...(['all of an account', 'DELETE'] as const),
      (s: { account: string }) => `/identities/${s.account}/sessions`,
      ...([undefined, 'accounts:session-delete'] as const),
    ],
    [
      ...(['many', 'POST', () => '/sessions'] as const),
      (s: { account: string }) => ({ action: 'delete', identities: [s.account] }),
      'accounts:session-delete',
    ],
  ])(
    'ends %s: the applications hear of it once, and the audit says who did it',
    async (name, method, path, body, action) => {
      const email = `${name.replaceAll(' ', '-')}@example.com`;
      const { heard, token, close } = await application(email);
      const ids = await idOf(token);
      const told = await ask('write', method, path(ids), body?.(ids));
      expect(told.status).toBeLessThan(300);
      await until(() => expect(heard).toEqual(['/gone']), 'the word to the application');
      expect((await people.whoami(token)).status).toBe(401);
      const entries = await audit(action);
      expect(entries).toContainEqual(
        expect.objectContaining({
          actor: expect.stringMatching(/^token:/),
          resource: `session/${ids.session}`,
          data: { account: ids.account },
        }),
      );
      expect(heard).toEqual(['/gone']);
      close();
    },
  );
});

describe('a form of another site', () => {
  it('is refused, though its cookie and its token fit together', async () => {
    await people.register('toss@example.com', PASSWORD);
    const me = people.browser();
    const page = await me.open('/self-service/login/browser');
    const action = /action="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const form = {
      ...hiddenFields(page),
      ...{ identifier: 'toss@example.com', password: PASSWORD, method: 'password' },
    };
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site', origin: 'null' },
    ]) {
      const told = await me.ask('POST', action, { form, headers });
      expect(told.location).toContain('/ui/error?id=');
      const json = { ...form };
      const spa = await me.ask('POST', action, { json, headers });
      expect([spa.status, JSON.parse(spa.text).error.id]).toEqual([403, 'security_csrf_violation']);
      expect(me.cookies.has('ory_kratos_session')).toBe(false);
    }
    const headers = { 'sec-fetch-site': 'same-origin', origin: base };
    await me.ask('POST', action, { form, headers });
    expect(me.cookies.has('ory_kratos_session')).toBe(true);
  });
});

describe('a caller that has to wait', () => {
  it('is told for how long, in the flow and in a header', async () => {
    const attempt = async (): Promise<Told> =>
      people.login('wait@example.com', 'wrong and wrong', '127.4.4.4');
    let told = await attempt();
    expect(told.headers.get('retry-after')).toBeNull();
    for (let i = 0; i < 10; i++) told = await attempt();
    expect(told.status).toBe(400);
    const [message] = told.json.ui.messages;
    expect(message.text).toContain('Too many attempts');
    expect(told.headers.get('retry-after')).toBe(String(message.context.retry_after));
    expect(message.context.retry_after).toBeGreaterThan(0);
    expect(message.context.retry_after).toBeLessThanOrEqual(60);
  });

  it('gets 429 with Retry-After where too many passwords wait, as a program', async () => {
    const flows = await Promise.all(
      Array.from({ length: 400 }, () => people.ask('GET', '/self-service/login/api')),
    );
    const answers = await Promise.all(
      flows.map(({ json: { id } }, i) =>
        people.ask('POST', `/self-service/login?flow=${id}`, {
          localAddress: `127.5.${i % 250}.${1 + Math.floor(i / 250)}`,
          json: {
            method: 'password',
            identifier: `n${i}@example.com`,
            password: 'wrong and wrong',
          },
        }),
      ),
    );
    const shed = answers.filter(({ status }) => status === 429);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400, 429]));
    for (const { headers, json } of shed) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(json.error.code).toBe(429);
    }
  }, 60_000);
});

describe('figures', () => {
  it('are for who shows a token, and on the admin socket for whoever may open it', async () => {
    expect((await people.ask('GET', '/metrics')).status).toBe(401);
    const bearer = (token: string | undefined) => ({
      headers: { authorization: `Bearer ${token}` },
    });
    expect((await people.ask('GET', '/metrics', bearer(tokens.get('*')))).status).toBe(403);
    const token = await world.ok('admin', 'token', 'create', 'prom', '--scope', 'metrics:read');
    expect((await people.ask('GET', '/metrics', bearer(token))).text).toContain(
      'postern_api_requests_total',
    );
    const figures = (await world.askAdmin('GET', '/metrics')).body;
    expect(figures).toContain('postern_api_requests_total');
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total'])
      expect(Number(new RegExp(`^${name} (.+)$`, 'm').exec(figures)?.[1])).toBeGreaterThan(0);
  });
});

describe('a lifespan', () => {
  it.each([
    ['1h30m', 5_400],
    ['1.5h', 5_400],
    ['90s', 90],
  ])('may be %s', async (expires_in, seconds) => {
    const made = await ask('write', 'POST', '/identities', {
      schema_id: 'default',
      traits: { email: `d${expires_in}@example.com` },
    });
    const before = Date.now();
    const told = await ask('write', 'POST', '/recovery/code', {
      identity_id: made.json.id,
      expires_in,
    });
    expect(told.status).toBe(201);
    const leftS = (Date.parse(told.json.expires_at) - before) / 1_000;
    expect(Math.abs(leftS - seconds)).toBeLessThan(10);
  });
  it('is refused where it is none', async () => {
    const made = await ask('write', 'POST', '/identities', {
      schema_id: 'default',
      traits: { email: 'none@example.com' },
    });
    for (const expires_in of ['1h-30m', '-1h', 'soon', '1h 30m', '0s'])
      expect(
        (await ask('write', 'POST', '/recovery/link', { identity_id: made.json.id, expires_in }))
          .status,
      ).toBe(400);
  });
});

describe('a link that an administrator made', () => {
  it('signs nobody in until the button is pressed, and then once', async () => {
    const { account } = await idOf(await people.register('boss@example.com', PASSWORD));
    const { json } = await ask('write', 'POST', '/recovery/link', { identity_id: account });
    const [scanner, me] = [people.browser(), people.browser()];
    await scanner.open(json.recovery_link);
    expect(scanner.cookies.has('ory_kratos_session')).toBe(false);
    const page = await me.open(json.recovery_link);
    const settings = await me.submit(page, {}, ['method', 'link']);
    expect(settings.text).toContain('successfully recovered');
    expect(hiddenFields(settings)['csrf_token']).not.toBe('');
    expect(me.cookies.has('ory_kratos_session')).toBe(true);
  });
});
