/** What a kratos.yml may say of sessions and of signing in step by step: tokens of sessions, caching, identifier_first. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { accountsAt, type People } from '../harness/people.ts';
import { freePort, World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const base64 = (text: string): string => `base64://${Buffer.from(text).toString('base64')}`;
const MAPPER = `
local session = std.extVar('session');
local claims = std.extVar('claims');
{ claims: claims + { email: session.identity.traits.email, aal: session.authenticator_assurance_level, sub: 'somebody else' } }`;

let world: World;
let people: People;
let base = '';
let signing: JWK;
let verifying: JWK;

beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true });
  signing = { ...(await exportJWK(pair.privateKey)), alg: 'ES256', kid: 'first', use: 'sig' };
  verifying = await exportJWK(pair.publicKey);
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  world = new World({ POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}` });
  const jwks = base64(JSON.stringify({ keys: [signing] }));
  writeFileSync(
    join(world.folder, 'kratos.yml'),
    `
serve:
  public: { cors: { enabled: true, allowed_origins: [ "https://app.example" ] } }
  admin: { cors: { enabled: true } }
selfservice:
  default_browser_return_url: ${base}/ui/
  flows:
    login: { style: identifier_first }
    registration: { after: { hooks: [ { hook: session } ] } }
session:
  whoami:
    tokenizer:
      templates:
        plain: { ttl: 5m, jwks_url: "${jwks}" }
        mapped: { ttl: 5m, jwks_url: "${jwks}", claims_mapper_url: "${base64(MAPPER)}" }
        broken: { jwks_url: "${jwks}", claims_mapper_url: "${base64("error 'secret words'")}" }
        external: { jwks_url: "${jwks}", subject_source: external_id }
security: { account_enumeration: { mitigate: true } }
feature_flags: { cacheable_sessions: true, cacheable_sessions_max_age: 90s }
`,
  );
  writeFileSync(join(world.folder, 'server.yaml'), 'accounts: { kratos: ./kratos.yml }\n');
  await world.startServer('--config', join(world.folder, 'server.yaml'));
  people = accountsAt(base);
}, 60_000);
afterAll(() => world.close(), 60_000);

describe('a token of a session', () => {
  it('is made by a template, and checked by whoever has the public key', async () => {
    const token = await people.register('ann@example.com', PASSWORD);
    const headers = { 'x-session-token': token };
    const told = await people.ask('GET', '/sessions/whoami?tokenize_as=plain', { headers });
    expect(told.status).toBe(200);
    const { payload, protectedHeader } = await jwtVerify(
      told.json.tokenized,
      await importJWK(verifying, 'ES256'),
      { issuer: `${base}/` },
    );
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: 'first', typ: 'JWT' });
    expect(payload).toMatchObject({ sub: told.json.identity.id, sid: told.json.id });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300);
    expect(JSON.stringify(told.json)).not.toContain(signing.d ?? '-');
    expect(told.headers.get('ory-session-cache-for')).toBeNull();
  });

  it('says what a mapper adds, which can not say whose it is', async () => {
    const token = await people.register('bea@example.com', PASSWORD);
    const headers = { 'x-session-token': token };
    const told = await people.ask('GET', '/sessions/whoami?tokenize_as=mapped', { headers });
    const { payload } = await jwtVerify(told.json.tokenized, await importJWK(verifying, 'ES256'));
    expect(payload).toMatchObject({ email: 'bea@example.com', aal: 'aal1' });
    expect(payload.sub).toBe(told.json.identity.id);
  });

  it('is refused without a template, a person or a mapper that fits', async () => {
    const token = await people.register('cat@example.com', PASSWORD);
    const headers = { 'x-session-token': token };
    for (const name of [
      'other',
      '__proto__',
      'constructor',
      'broken',
      'external',
      'x'.repeat(500),
    ]) {
      const told = await people.ask('GET', `/sessions/whoami?tokenize_as=${name}`, { headers });
      expect(told.status, name.slice(0, 20)).toBe(400);
      expect(told.text).not.toContain('secret words');
    }
    const nobody = await people.ask('GET', '/sessions/whoami?tokenize_as=plain');
    expect(nobody.status).toBe(401);
  });
});

describe('a gateway', () => {
  it('hears for how long it may believe an answer, where the configuration says so', async () => {
    const token = await people.register('dee@example.com', PASSWORD);
    const told = await people.whoami(token);
    expect(told.headers.get('ory-session-cache-for')).toBe('90');
  });
});

describe('a page of another origin', () => {
  const from = (origin: string, more = {}): Record<string, string> => ({ origin, ...more });
  const preflight = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type',
  };
  it('is let in when it is named, with credentials', async () => {
    const headers = from('https://app.example');
    const told = await people.ask('GET', '/sessions/whoami', { headers });
    expect(told.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(told.headers.get('access-control-allow-credentials')).toBe('true');
    const asked = await people.ask('OPTIONS', '/self-service/login?flow=x', {
      headers: from('https://app.example', preflight),
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-headers')).toContain('Content-Type');
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
  });

  it('gets nothing when it is not, nor of anything beside the accounts', async () => {
    for (const origin of ['https://evil.example', 'https://app.example.evil.example', 'null']) {
      for (const [method, more] of [
        ['GET', {}],
        ['OPTIONS', preflight],
      ] as const) {
        const headers = from(origin, more);
        const told = await people.ask(method, '/self-service/login', { headers });
        expect(told.headers.get('access-control-allow-origin')).toBeNull();
      }
    }
    const headers = from('https://app.example');
    const api = await people.ask('GET', '/api/v1/status', { headers });
    expect(api.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('signing in step by step', () => {
  it('asks who somebody is, and then for what they know', async () => {
    await people.register('eve@example.com', PASSWORD);
    const me = new Browser(base);
    const first = await me.open('/self-service/login/browser');
    expect(first.text).not.toContain('type="password"');
    const second = await me.submit(first, { identifier: 'eve@example.com' }, [
      'method',
      'identifier_first',
    ]);
    expect(second.text).toContain('type="password"');
    expect(second.text).toContain('eve@example.com');
    await me.submit(second, { password: PASSWORD }, ['method', 'password']);
    const who = await me.ask('GET', '/sessions/whoami', {
      headers: { accept: 'application/json' },
    });
    expect(JSON.parse(who.text).identity.traits.email).toBe('eve@example.com');
  });

  it('shows the same for whoever is unknown, and says what is missing', async () => {
    const shapes = [];
    for (const identifier of ['eve@example.com', 'nobody@example.com']) {
      const flow = await people.ask('GET', '/self-service/login/api');
      const path = `/self-service/login?flow=${flow.json.id}`;
      const named = await people.ask('POST', path, {
        json: { method: 'identifier_first', identifier },
      });
      expect(named.status).toBe(400);
      expect(named.json.active).toBe('identifier_first');
      shapes.push(JSON.stringify(named.json.ui.nodes).replaceAll(identifier, 'X'));
      const wrong = await people.ask('POST', path, {
        json: { method: 'password', identifier, password: 'wrong and long' },
      });
      expect(wrong.json.ui.messages[0].id).toBe(4000006);
    }
    expect(shapes[1]).toBe(shapes[0]);
    const flow = await people.ask('GET', '/self-service/login/api');
    const path = `/self-service/login?flow=${flow.json.id}`;
    const empty = await people.ask('POST', path, { json: { method: 'identifier_first' } });
    expect(JSON.stringify(empty.json.ui)).toContain('4000002');
    const long = { method: 'identifier_first', identifier: 'x'.repeat(5_000) };
    expect((await people.ask('POST', path, { json: long })).status).toBe(400);
  });
});

describe('a session that ends while its password is hashed', () => {
  it('changes nothing any more', async () => {
    let raced = 0;
    for (let i = 0; i < 8; i++) {
      const email = `ended${i}@example.com`;
      const token = await people.register(email, PASSWORD);
      const headers = { 'x-session-token': token };
      const flow = await people.ask('GET', '/self-service/settings/api', { headers });
      let isAnswered = false;
      const changing = people
        .ask('POST', `/self-service/settings?flow=${flow.json.id}`, {
          ...{ headers, json: { method: 'password', password: 'of whoever stole the session' } },
        })
        .finally(() => {
          isAnswered = true;
        });
      await new Promise((done) => setTimeout(done, 10));
      const ended = await people.ask('DELETE', '/self-service/logout/api', {
        json: { session_token: token },
      });
      expect(ended.status).toBe(204);
      const isRace = !isAnswered;
      const changed = await changing;
      if (!isRace) continue;
      raced += 1;
      expect(changed.status, changed.text).toBe(401);
      expect((await people.login(email, PASSWORD)).status).toBe(200);
    }
    expect(raced).toBeGreaterThan(0);
  });
});
