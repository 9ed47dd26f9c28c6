/**
 * What strangers send to the sign-in surface: too much, too deep, too slow, of the wrong kind, and fields that are not
 * theirs to set. Each is refused with a 4xx, nobody else notices, and every answer carries what protects a browser.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Asked, accountsAt, type People, type Told } from '../harness/people.ts';
import { until, World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const BIG = 10 * 1024 * 1024;
const FLOWS = ['login', 'registration', 'settings', 'recovery', 'verification'] as const;
const world = new World();
let people: People;
let admin: People;
let port = 0;
let token = '';
let session = '';

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  token = await world.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
  const path = join(world.serverHome, 'server.json');
  const state: { public: string; accounts_admin: string } = JSON.parse(readFileSync(path, 'utf8'));
  people = accountsAt(`http://${state.public}`);
  admin = accountsAt(`http://${state.accounts_admin}`);
  port = Number(state.public.split(':').at(-1));
  session = await people.register('ann@example.com', PASSWORD);
}, 60_000);
afterAll(() => world.close(), 60_000);

const residentMb = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${world.serverPid()}/status`, 'utf8'))?.[1]) /
  1024;

/** A refusal may come as an answer or, for who goes on sending, as the end of the connection. */
const refused = async (work: Promise<Told>): Promise<number> => {
  const told = await work.catch((reason: unknown) => {
    const code: unknown = reason instanceof Error ? Reflect.get(reason, 'code') : undefined;
    expect(['EPIPE', 'ECONNRESET']).toContain(code);
    return undefined;
  });
  return told?.status ?? 413;
};
async function begin(flow: string): Promise<string> {
  const headers = flow === 'settings' ? { 'x-session-token': session } : {};
  const { json } = await people.ask('GET', `/self-service/${flow}/api`, { headers });
  return `/self-service/${flow}?flow=${json.id}`;
}

describe('bodies', () => {
  it('of 10 MB are refused on each route, whatever they say they are, and cost no memory', async () => {
    const body = Buffer.alloc(BIG, 'a');
    const before = residentMb();
    const bearer = { authorization: `Bearer ${token}` };
    for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain'])
      for (const flow of FLOWS) {
        const headers = { 'content-type': type, 'x-session-token': session };
        const status = await refused(people.ask('POST', await begin(flow), { headers, body }));
        expect([400, 413, 415], `${flow} ${type}`).toContain(status);
      }
    for (const path of ['/sessions/whoami', '/self-service/logout/api', '/oauth/token']) {
      const headers = { 'content-type': 'application/json' };
      const method = path.endsWith('/api') ? 'DELETE' : 'POST';
      const status = await refused(people.ask(method, path, { headers, body }));
      expect(status, path).toBeGreaterThanOrEqual(400);
      expect(status, path).toBeLessThan(500);
    }
    for (const [method, path] of [
      ['POST', '/admin/identities'],
      ['PATCH', '/admin/identities'],
      ['POST', '/admin/recovery/code'],
    ] as const) {
      const headers = { 'content-type': 'application/json', ...bearer };
      const status = await refused(admin.ask(method, path, { headers, body }));
      expect([400, 413], path).toContain(status);
    }
    expect(residentMb() - before).toBeLessThan(200);
    expect((await people.whoami(session)).status).toBe(200);
  }, 60_000);

  it('that are deep, or of ten thousand fields, are read or refused at once', async () => {
    const form = 'application/x-www-form-urlencoded';
    const keys = Array.from({ length: 10_000 }, (_, i) => `traits.k${i}=${i}`).join('&');
    const bodies: readonly (readonly [string, string])[] = [
      ['application/json', `${'['.repeat(50_000)}${']'.repeat(50_000)}`],
      ['application/json', `${'{"traits":'.repeat(20_000)}1${'}'.repeat(20_000)}`],
      [
        'application/json',
        `{"method":"password","traits":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}}`,
      ],
      [form, keys],
      [form, `traits.${'a.'.repeat(50_000)}b=1`],
      [form, `${'traits.a[0].'.repeat(5_000)}=1`],
      [form, '&'.repeat(200_000)],
      [form, `method=password&${'traits.email=a&'.repeat(10_000)}`],
    ];
    for (const flow of FLOWS)
      for (const [type, body] of bodies) {
        const headers = {
          'content-type': type,
          ...(flow === 'settings' ? { 'x-session-token': session } : {}),
        };
        const path = await begin(flow);
        const startMs = performance.now();
        const told = await people.ask('POST', path, { headers, body });
        expect(
          told.status,
          `${flow} ${type} ${body.slice(0, 40)} ${told.text.slice(0, 300)}`,
        ).toBeLessThan(500);
        expect(told.text.length).toBeLessThan(1_000_000);
        expect(performance.now() - startMs, `${flow} ${body.slice(0, 40)}`).toBeLessThan(3_000);
      }
  }, 60_000);

  it('of other types, broken ones, and none at all are refused in the shape that clients know', async () => {
    const odd: readonly Asked[] = [
      { headers: { 'content-type': 'text/xml' }, body: '<a/>' },
      { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--x--' },
      { headers: { 'content-type': 'application/json' }, body: '{"method":' },
      { headers: { 'content-type': 'application/json' }, body: '[]' },
      { headers: { 'content-type': 'application/json' }, body: '"password"' },
      { headers: { 'content-type': 'application/json' }, body: 'null' },
      {
        headers: { 'content-type': 'application/json' },
        body: '{"__proto__":{"method":"password"}}',
      },
      { headers: { 'content-type': 'application/json' }, body: '{"constructor":{"prototype":{}}}' },
      { body: 'method=password' },
      {},
    ];
    for (const o of odd) {
      const told = await people.ask('POST', await begin('login'), o);
      expect([400, 415], `${o.body} ${told.text}`).toContain(told.status);
      expect(told.json, o.body?.toString()).toBeDefined();
    }
  });
});

describe('requests', () => {
  it('with heads that are too large or malformed are refused', async () => {
    const headers = Object.fromEntries([
      ['connection', 'close'],
      ...Array.from({ length: 400 }, (_, i) => [`x-bomb-${i}`, 'b'.repeat(200)] as const),
    ]);
    expect(await refused(people.ask('GET', '/sessions/whoami', { headers }))).toBeGreaterThan(399);
    const cookie = Array.from({ length: 700 }, (_, i) => `c${i}=v`).join('; ');
    // A connection of before may be torn down with the one that was refused.
    const told = await until(
      () => people.ask('GET', '/sessions/whoami', { headers: { cookie } }),
      'an answer to many cookies',
    );
    expect(told.status).toBe(401);
  });

  it('by other methods change nothing and tell nothing', async () => {
    for (const method of ['HEAD', 'OPTIONS', 'TRACE', 'PROPFIND'])
      for (const path of [
        '/self-service/login/browser',
        '/self-service/login',
        '/sessions/whoami',
        '/ui/login',
        '/self-service/logout/browser',
      ]) {
        const headers = { 'x-session-token': session, cookie: 'a=secret-of-the-cookie' };
        const told = await people.ask(method, path, { headers }).catch((reason: unknown) => {
          expect(method).toBe('PROPFIND');
          throw reason;
        });
        expect(told.status, `${method} ${path}`).toBeLessThan(500);
        expect(told.text).not.toContain('secret-of-the-cookie');
        if (method === 'TRACE' || method === 'PROPFIND')
          expect([404, 405, 501], `${method} ${path}`).toContain(told.status);
      }
    const head = await people.ask('HEAD', '/sessions/whoami', {
      headers: { 'x-session-token': session },
    });
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('that come slowly are cut off, and hold nobody up', async () => {
    const sockets = Array.from({ length: 60 }, () => net.connect(port, '127.0.0.1'));
    let closed = 0;
    const timers = sockets.map((socket, i) => {
      socket.on('error', () => undefined);
      socket.on('close', () => closed++);
      const isHead = i % 2 === 0;
      socket.write(
        isHead
          ? 'GET /sessions/whoami HTTP/1.1\r\nHost: 127.0.0.1\r\n'
          : 'POST /self-service/login?flow=x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n',
      );
      return setInterval(() => socket.write(isHead ? `x-${closed}: 1\r\n` : ' '), 500);
    });
    try {
      const startMs = performance.now();
      expect((await people.whoami(session)).status).toBe(200);
      expect((await people.login('ann@example.com', PASSWORD)).status).toBe(200);
      expect(performance.now() - startMs).toBeLessThan(3_000);
      await until(
        () => expect(closed).toBe(sockets.length),
        'the end of all slow connections',
        60_000,
      );
    } finally {
      for (const timer of timers) clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    }
  }, 90_000);
});

describe('fields that are not theirs', () => {
  const PLANTED = {
    id: '00000000-0000-4000-8000-000000000001',
    state: 'inactive',
    schema_id: 'other',
    organization_id: '00000000-0000-4000-8000-000000000002',
    external_id: 'root',
    metadata_admin: { role: 'root' },
    metadata_public: { role: 'root' },
    verifiable_addresses: [{ value: 'ann@example.com', verified: true, via: 'email' }],
    recovery_addresses: [{ value: 'evil@example.com', via: 'email' }],
    credentials: { password: { config: { hashed_password: 'x' } } },
    identity: { metadata_admin: { role: 'root' } },
    aal: 'aal2',
    authenticator_assurance_level: 'aal2',
  };
  const stored = async (email: string): Promise<Told['json']> => {
    const path = `/admin/identities?credentials_identifier=${email}`;
    const told = await admin.ask('GET', path, { headers: { authorization: `Bearer ${token}` } });
    return told.json[0];
  };
  const check = (identity: Told['json'], email: string): void => {
    expect(identity).toMatchObject({ state: 'active', traits: { email }, organization_id: null });
    expect(identity.id).not.toBe(PLANTED.id);
    expect([identity.metadata_admin, identity.metadata_public]).toEqual([null, null]);
    expect(identity.verifiable_addresses[0].verified).toBe(false);
    expect(identity.recovery_addresses.map((a: { value: string }) => a.value)).toEqual([email]);
  };

  it('are passed over at registration and in settings, as JSON and as a form', async () => {
    const email = 'mass@example.com';
    const base = { method: 'password', traits: { email }, password: PASSWORD };
    const told = await people.ask('POST', await begin('registration'), {
      json: { ...PLANTED, ...base },
    });
    expect(told.status, told.text).toBe(200);
    expect(told.json.session.authenticator_assurance_level).toBe('aal1');
    check(await stored(email), email);
    const headers = { 'x-session-token': told.json.session_token };
    const flow = await people.ask('GET', '/self-service/settings/api', { headers });
    const path = `/self-service/settings?flow=${flow.json.id}`;
    const json = { ...PLANTED, method: 'profile', traits: { email } };
    expect((await people.ask('POST', path, { headers, json })).status).toBe(200);
    check(await stored(email), email);
    const body = `method=profile&traits.email=${email}&metadata_admin.role=root&state=inactive&identity.state=inactive`;
    await people.ask('POST', path, {
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body,
    });
    check(await stored(email), email);
  });

  it('traits that the schema does not name are refused or not kept', async () => {
    const email = 'extra@example.com';
    const traits = { email, role: 'root', is_admin: true };
    const json = { method: 'password', traits, password: PASSWORD };
    const told = await people.ask('POST', await begin('registration'), { json });
    if (told.status === 200) expect(Object.keys((await stored(email)).traits)).toEqual(['email']);
    else expect(told.status).toBe(400);
  });

  it("an administrator's credentials that are no object are refused, not passed over", async () => {
    for (const credentials of [-1, 'password', [], true]) {
      const told = await admin.ask('POST', '/admin/identities', {
        headers: { authorization: `Bearer ${token}` },
        json: { schema_id: 'default', traits: { email: 'odd@example.com' }, credentials },
      });
      expect(told.status, told.text).toBe(400);
    }
  });

  it('a session token in a flow, a cookie or a query opens nobody else', async () => {
    const flow = await begin('settings');
    const other = await people.register('other@example.com', PASSWORD);
    const told = await people.ask('POST', flow, {
      headers: { 'x-session-token': other },
      json: { method: 'password', password: `new ${PASSWORD}` },
    });
    expect(told.status, told.text).toBe(403);
    for (const query of [`session_token=${session}`, `token=${session}`])
      expect((await people.ask('GET', `/sessions/whoami?${query}`)).status).toBe(401);
  });
});

describe('every answer', () => {
  const PATHS = [
    ...FLOWS.map((flow) => `/self-service/${flow}/browser`),
    ...FLOWS.map((flow) => `/ui/${flow}`),
    ...['/ui/error', '/ui/', '/', '/ui/error?id=stub:500', '/ui/nothing-here'],
    ...['/sessions/whoami', '/schemas', '/health/alive', '/nothing', '/self-service/nothing'],
    ...[
      '/authorize',
      '/oauth/device',
      '/activate',
      '/v2/logout',
      '/.well-known/openid-configuration',
    ],
    '/%E0%A4%A',
  ];
  it.each(PATHS)('%s may not be framed, sniffed or told to others', async (path) => {
    for (const headers of [{ accept: 'text/html' }, { accept: 'application/json' }]) {
      const { status, headers: told, text } = await people.ask('GET', path, { headers });
      expect(status).toBeLessThan(500);
      expect(told.get('x-content-type-options'), path).toBe('nosniff');
      expect(told.get('x-frame-options'), path).toBe('DENY');
      expect(told.get('content-security-policy'), path).toContain("frame-ancestors 'none'");
      expect(told.get('content-security-policy'), path).not.toMatch(
        /unsafe-eval|script-src [^;]*unsafe-inline/,
      );
      expect(told.get('referrer-policy'), path).toMatch(/^(same-origin|no-referrer|strict-origin)/);
      expect(told.get('x-powered-by'), path).toBeNull();
      for (const cookie of told.getSetCookie()) expect(cookie).toMatch(/HttpOnly/i);
      if (/csrf_token|"flow"/.test(text)) expect(told.get('cache-control')).toContain('no-store');
    }
  });
});
