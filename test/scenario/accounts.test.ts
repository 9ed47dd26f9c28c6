/** People at the real program: they register, sign in, recover and leave, by our own pages and as programs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, formAction, hiddenFields } from '../harness/browser.ts';
import { World } from '../harness/postern.ts';

const world = new World();
const PASSWORD = 'correct horse battery';
let base = '';
let admin = '';
let token = '';

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  const state: { public: string; accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  base = `http://${state.public}`;
  admin = `http://${state.accounts_admin}`;
  token = await world.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
}, 60_000);
afterAll(() => world.close(), 60_000);

interface Told {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked at by the tests.
  readonly body: any;
}
async function api(method: string, path: string, json?: unknown, headers = {}): Promise<Told> {
  const answer = await fetch(`${base}${path}`, {
    method,
    headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}
async function administer(method: string, path: string, json?: unknown): Promise<Told> {
  const answer = await fetch(`${admin}/admin${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}
/** Registers by the API; answers the session token. */
async function register(email: string): Promise<string> {
  const { body: flow } = await api('GET', '/self-service/registration/api');
  const done = await api('POST', `/self-service/registration?flow=${flow.id}`, {
    method: 'password',
    traits: { email },
    password: PASSWORD,
  });
  expect(done.status).toBe(200);
  return done.body.session_token;
}
const whoami = (sessionToken: string): Promise<Told> =>
  api('GET', '/sessions/whoami', undefined, { 'x-session-token': sessionToken });
async function lastMail(recipient: string): Promise<string> {
  const { body } = await administer('GET', `/courier/messages?recipient=${recipient}`);
  return body[0].body;
}

describe('in a browser without JavaScript', () => {
  const browser = new Browser('');
  const person = (): Browser => new Browser(base);

  it('somebody registers, is signed in, signs out, and signs in again', async () => {
    const me = person();
    const first = await me.open('/self-service/registration/browser');
    expect(first.text).toContain('Create an account');
    const second = await me.submit(
      first,
      { 'traits.email': 'ann@example.com', 'traits.name.first': 'Ann' },
      ['method', 'profile'],
    );
    const home = await me.submit(second, { password: PASSWORD }, ['method', 'password']);
    expect(home.text).toContain('ann@example.com');
    const out = /href="([^"]*\/self-service\/logout\?token=[^"]*)"/.exec(home.text)?.[1] ?? '';
    expect((await me.open(out)).text).toContain('You are signed out');
    expect(me.cookies.has('ory_kratos_session')).toBe(false);
    const login = await me.open('/self-service/login/browser');
    const wrong = await me.submit(
      login,
      { identifier: 'ann@example.com', password: 'not it at all' },
      ['method', 'password'],
    );
    expect(wrong.text).toContain('credentials are invalid');
    const right = await me.submit(wrong, { identifier: 'Ann@Example.com ', password: PASSWORD }, [
      'method',
      'password',
    ]);
    expect(right.text).toContain('You are signed in');
    expect(browser.cookies.size).toBe(0);
  });

  it('somebody verifies an address; opening the mailed link alone verifies nothing', async () => {
    await register('vera@example.com');
    const mail = await lastMail('vera@example.com');
    const link = /https?:\S+verification\S+/.exec(mail)?.[0] ?? '';
    const isVerified = async (): Promise<boolean> => {
      const found = await administer('GET', '/identities?credentials_identifier=vera@example.com');
      return found.body[0].verifiable_addresses[0].verified;
    };
    const me = person();
    // A registration by the API began an API flow; a person asks for a new one in the browser.
    expect(link).toContain('/self-service/verification?code=');
    const begun = await me.open('/self-service/verification/browser');
    const sent = await me.submit(begun, { email: 'vera@example.com' }, ['method', 'code']);
    expect(sent.text).toContain('Verification code');
    const fresh = /https?:\S+verification\S+/.exec(await lastMail('vera@example.com'))?.[0] ?? '';
    const opened = await me.open(fresh);
    expect(await isVerified()).toBe(false);
    const code = /name="code" value="(\d{6})"/.exec(opened.text)?.[1] ?? '';
    const done = await me.submit(opened, { code }, ['method', 'code']);
    expect(done.text).toContain('successfully verified');
    expect(await isVerified()).toBe(true);
  });

  it('somebody recovers: a code by mail, a new session, a new password', async () => {
    const before = await register('rose@example.com');
    const me = person();
    const begun = await me.open('/self-service/recovery/browser');
    const sent = await me.submit(begun, { email: 'rose@example.com' }, ['method', 'code']);
    const mail = await lastMail('rose@example.com');
    const code = /^\d{6}$/m.exec(mail)?.[0] ?? '';
    const wrong = await me.submit(sent, { code: code === '000000' ? '000001' : '000000' }, [
      'method',
      'code',
    ]);
    expect(wrong.text).toContain('recovery code is invalid');
    const settings = await me.submit(wrong, { code }, ['method', 'code']);
    expect(settings.text).toContain('successfully recovered');
    const action = formAction(settings);
    const saved = await me.ask('POST', action, {
      form: { ...hiddenFields(settings), password: 'another good phrase', method: 'password' },
    });
    expect((await me.open(saved.location ?? '')).text).toContain('changes have been saved');
    // Nobody had proved an address of this account: whoever was in it may have been anybody.
    expect((await whoami(before)).status).toBe(401);
    const { body: flow } = await api('GET', '/self-service/login/api');
    const submit = {
      method: 'password',
      identifier: 'rose@example.com',
      password: 'another good phrase',
    };
    expect((await api('POST', `/self-service/login?flow=${flow.id}`, submit)).status).toBe(200);
  });

  it('every page says what it may load and who may frame it', async () => {
    const page = await person().open('/self-service/login/browser');
    expect(page.headers.get('content-security-policy')).toMatch(
      /default-src 'none'.*frame-ancestors 'none'/,
    );
    expect(page.headers.get('x-frame-options')).toBe('DENY');
    expect(page.headers.get('cache-control')).toContain('no-store');
    expect(page.text.length).toBeLessThan(50_000);
    expect(page.text).not.toContain('<script');
  });
});

describe('an attacker', () => {
  it('submits nothing without the CSRF token of the same browser, and not twice', async () => {
    const victim = new Browser(base);
    const page = await victim.open('/self-service/login/browser');
    const stranger = new Browser(base);
    const own = await stranger.open('/self-service/login/browser');
    const form = { identifier: 'ann@example.com', password: PASSWORD, method: 'password' };
    const refused = async (who: Browser, fields: Record<string, string>): Promise<void> => {
      const answer = await who.ask('POST', formAction(page), {
        form: { ...form, ...fields },
        headers: { accept: 'application/json' },
      });
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.text).error.id).toBe('security_csrf_violation');
    };
    await refused(victim, {});
    await refused(victim, { csrf_token: hiddenFields(own)['csrf_token'] ?? '' });
    await refused(stranger, { csrf_token: hiddenFields(page)['csrf_token'] ?? '' });
    await refused(new Browser(base), { csrf_token: hiddenFields(page)['csrf_token'] ?? '' });
    const done = await victim.submit(page, { identifier: 'ann@example.com', password: PASSWORD }, [
      'method',
      'password',
    ]);
    expect(done.text).toContain('You are signed in');
    const replay = await victim.ask('POST', formAction(page), {
      form: { ...form, ...hiddenFields(page) },
    });
    expect(replay.location).toContain('/ui/error');
  });

  it('plants no session: signing in gives a token that nobody knew', async () => {
    const me = new Browser(base);
    me.cookies.set('ory_kratos_session', `ory_st_${'A'.repeat(32)}`);
    const page = await me.open('/self-service/login/browser');
    await me.submit(page, { identifier: 'ann@example.com', password: PASSWORD }, [
      'method',
      'password',
    ]);
    const issued = me.cookies.get('ory_kratos_session') ?? '';
    expect(issued).toMatch(/^ory_st_[A-Za-z0-9]{32}$/);
    expect(issued).not.toContain('AAAA');
  });

  it('tosses a cookie in vain: one that came twice counts as none', async () => {
    const sessionToken = await register('toss@example.com');
    const twice = `ory_kratos_session=${sessionToken}; ory_kratos_session=ory_st_${'B'.repeat(32)}`;
    expect((await api('GET', '/sessions/whoami', undefined, { cookie: twice })).status).toBe(401);
  });

  it('learns of nobody: login and recovery look the same for known and unknown', async () => {
    const login = async (identifier: string): Promise<unknown> => {
      const { body: flow } = await api('GET', '/self-service/login/api');
      const told = await api('POST', `/self-service/login?flow=${flow.id}`, {
        method: 'password',
        identifier,
        password: 'wrong and wrong',
      });
      return [told.status, told.body.ui.messages, told.body.state];
    };
    expect(await login('ann@example.com')).toEqual(await login('nobody@example.com'));
    const recover = async (email: string): Promise<unknown> => {
      const { body: flow } = await api('GET', '/self-service/recovery/api');
      const told = await api('POST', `/self-service/recovery?flow=${flow.id}`, {
        method: 'code',
        email,
      });
      return [told.status, told.body.ui.messages, told.body.state, told.body.ui.nodes.length];
    };
    expect(await recover('ann@example.com')).toEqual(await recover('nobody@example.com'));
  });

  it('guesses a code a few times and no more, whichever flow', async () => {
    await register('guess@example.com');
    const { body: flow } = await api('GET', '/self-service/recovery/api');
    const at = `/self-service/recovery?flow=${flow.id}`;
    await api('POST', at, { method: 'code', email: 'guess@example.com' });
    const code = /^\d{6}$/m.exec(await lastMail('guess@example.com'))?.[0] ?? '';
    for (let i = 0; i < 5; i++)
      await api('POST', at, { method: 'code', code: String(i).padStart(6, '9') });
    const late = await api('POST', at, { method: 'code', code });
    expect(late.body.state).toBe('sent_email');
    expect(late.body.continue_with).toBeUndefined();
  });

  it('tries passwords ten times from a network, and the person is not locked out of another', async () => {
    await register('locked@example.com');
    const attempt = async (password: string): Promise<Told> => {
      const { body: flow } = await api('GET', '/self-service/login/api');
      return api('POST', `/self-service/login?flow=${flow.id}`, {
        method: 'password',
        identifier: 'locked@example.com',
        password,
      });
    };
    let said = '';
    for (let i = 0; i < 12; i++)
      said = (await attempt(`wrong number ${i}`)).body.ui.messages[0].text;
    expect(said).toContain('Too many attempts');
    expect((await attempt(PASSWORD)).status).toBe(400);
  });

  it('poisons no mail by the Host header', async () => {
    await register('host@example.com');
    const { body: flow } = await api('GET', '/self-service/recovery/api', undefined);
    await api(
      'POST',
      `/self-service/recovery?flow=${flow.id}`,
      { method: 'code', email: 'host@example.com' },
      { host: 'evil.example', 'x-forwarded-host': 'evil.example' },
    );
    expect(await lastMail('host@example.com')).not.toContain('evil.example');
  });

  it('sets nothing that is not a trait, and no trait that is not there', async () => {
    const { body: flow } = await api('GET', '/self-service/registration/api');
    const at = `/self-service/registration?flow=${flow.id}`;
    const wrong = await api('POST', at, {
      method: 'password',
      traits: { email: 'm@example.com', is_admin: true },
      password: PASSWORD,
    });
    expect(wrong.status).toBe(400);
    const done = await api('POST', at, {
      ...{ method: 'password', traits: { email: 'm@example.com' }, password: PASSWORD },
      ...{
        metadata_admin: { a: 1 },
        metadata_public: { a: 1 },
        state: 'inactive',
        verified: true,
        id: 'x',
      },
    });
    expect(done.status).toBe(200);
    const { body: found } = await administer('GET', `/identities/${done.body.identity.id}`);
    expect([found.metadata_admin, found.metadata_public, found.state]).toEqual([
      null,
      null,
      'active',
    ]);
    expect(found.verifiable_addresses[0].verified).toBe(false);
    const made = await administer('POST', '/identities', {
      schema_id: 'default',
      traits: { email: 'n@example.com' },
      is_admin: true,
    });
    expect(made.status).toBe(400);
  });

  it('sends ten megabytes, junk and other kinds of bodies, and gets an error', async () => {
    const { body: flow } = await api('GET', '/self-service/login/api');
    const at = `${base}/self-service/login?flow=${flow.id}`;
    const send = async (body: string, type: string): Promise<number> =>
      (await fetch(at, { method: 'POST', body, headers: { 'content-type': type } })).status;
    // The server says no and closes: whether the no is read before the pipe breaks is the client's luck.
    const huge = send(`{"a":"${'x'.repeat(10 << 20)}"}`, 'application/json');
    expect([413, 'cut']).toContain(await huge.catch(() => 'cut'));
    expect(await send('{"a":', 'application/json')).toBe(400);
    expect(await send('[]', 'application/json')).toBe(400);
    expect(await send('{"__proto__":{"method":"password"}}', 'application/json')).toBe(400);
    expect(await send('x', 'text/plain')).toBe(400);
    expect(await send('<x/>', 'application/xml')).toBe(415);
    expect((await api('GET', '/self-service/login/flows?id=../../etc')).status).toBe(404);
  });

  it('administers nothing without a token, nor from another site', async () => {
    expect((await fetch(`${admin}/admin/identities`)).status).toBe(401);
    const headers = { authorization: `Bearer ${token}`, origin: 'https://evil.example' };
    expect((await fetch(`${admin}/admin/identities`, { headers })).status).toBe(403);
  });
});

describe('a session', () => {
  it('is over with the next request once it is revoked, by the person or by an administrator', async () => {
    const first = await register('over@example.com');
    const { body: flow } = await api('GET', '/self-service/login/api');
    const login = await api('POST', `/self-service/login?flow=${flow.id}`, {
      method: 'password',
      identifier: 'over@example.com',
      password: PASSWORD,
    });
    const second: string = login.body.session_token;
    const others = await api('GET', '/sessions', undefined, { 'x-session-token': second });
    expect(others.body).toHaveLength(1);
    const count = await api('DELETE', '/sessions', undefined, { 'x-session-token': second });
    expect(count.body).toEqual({ count: 1 });
    expect((await whoami(first)).status).toBe(401);
    const { body: session } = await whoami(second);
    expect(
      (
        await administer('PATCH', `/identities/${session.identity.id}`, [
          { op: 'replace', path: '/state', value: 'inactive' },
        ])
      ).status,
    ).toBe(200);
    expect((await whoami(second)).status).toBe(401);
  });

  it('ends by its own token alone', async () => {
    const sessionToken = await register('bye@example.com');
    expect(
      (await api('DELETE', '/self-service/logout/api', { session_token: sessionToken })).status,
    ).toBe(204);
    expect(
      (await api('DELETE', '/self-service/logout/api', { session_token: sessionToken })).status,
    ).toBe(403);
    expect((await whoami(sessionToken)).status).toBe(401);
  });
});

describe('postern account', () => {
  it('makes an account, helps its owner in, shuts it out, and finds it by its address', async () => {
    const id = await world.ok('admin', 'account', 'create', 'cli@example.com');
    const found = JSON.parse(
      await world.ok('admin', 'account', 'show', 'cli@example.com', '--output', 'json'),
    );
    expect(found).toMatchObject({ id, state: 'active', credentials: {} });
    const code = await world.ok('admin', 'account', 'recover', 'cli@example.com');
    expect(code).toMatch(/^\d{6}$/);
    const sessionToken = await register('cli2@example.com');
    await world.ok('admin', 'account', 'disable', 'cli2@example.com');
    expect((await whoami(sessionToken)).status).toBe(401);
    const sessions = await world.ok(
      'admin',
      'account',
      'sessions',
      'cli2@example.com',
      '--output',
      'json',
    );
    expect(JSON.parse(sessions)).toEqual([]);
    expect((await world.postern('admin', 'account', 'show', 'nobody')).code).toBe(70);
    await world.ok('admin', 'account', 'delete', 'cli@example.com', '--yes');
    expect((await world.postern('admin', 'account', 'show', id)).code).toBe(70);
  });
});
