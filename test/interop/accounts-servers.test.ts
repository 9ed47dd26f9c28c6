/**
 * Two servers on one PostgreSQL, as behind a balancer: a session, a flow, a budget and a code are the same at both, what is
 * used at one is used at the other, and one of them may be killed.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingPeers, type Postgres, postgresBin, startPostgres } from '../harness/peers.ts';
import { accountsAt, type People, type Told } from '../harness/people.ts';
import { until, World } from '../harness/postern.ts';

const missing = missingPeers({ PostgreSQL: postgresBin() !== undefined });
const PASSWORD = 'correct horse battery';
const KILLS = 4;
const shared = {
  POSTERN_ROOT_KEY: randomBytes(32).toString('hex'),
  POSTERN_ACCOUNTS_PUBLIC_URL: 'http://id.example.test',
};

function peopleOf(world: World, listener: 'public' | 'accounts_admin' = 'public'): People {
  const text = readFileSync(join(world.serverHome, 'server.json'), 'utf8');
  const state: Record<string, string> = JSON.parse(text);
  return accountsAt(`http://${state[listener]}`);
}
let networks = 0;
const network = (): string => `127.5.${Math.floor(networks / 200)}.${(networks++ % 200) + 1}`;

describe.skipIf(missing.length > 0)('two servers on one PostgreSQL', () => {
  const worlds = [new World(shared), new World(shared)] as const;
  const [one, two] = worlds;
  let postgres: Postgres;
  let url = '';
  let token = '';
  let first: People;
  let second: People;

  const start = async (): Promise<void> => {
    for (const world of worlds) await world.startServer('--database', url);
    [first, second] = [peopleOf(one), peopleOf(two)];
  };
  beforeAll(async () => {
    postgres = await startPostgres();
    url = `postgres://postgres:password@127.0.0.1:${postgres.port}/postgres`;
    await start();
    await one.ok('admin', 'enroll');
    token = await one.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
  }, 120_000);
  afterAll(async () => {
    for (const world of worlds) await world.close();
    await postgres?.stop();
  }, 60_000);

  const mail = async (recipient: string): Promise<string> => {
    const headers = { authorization: `Bearer ${token}` };
    const path = `/admin/courier/messages?recipient=${encodeURIComponent(recipient)}`;
    const told = await peopleOf(one, 'accounts_admin').ask('GET', path, { headers });
    return told.json[0].body;
  };
  const submit = (
    at: People,
    flow: string,
    id: string,
    json: unknown,
    session?: string,
    localAddress: string = network(),
  ): Promise<Told> =>
    at.ask('POST', `/self-service/${flow}?flow=${id}`, {
      json,
      localAddress,
      ...(session === undefined ? {} : { headers: { 'x-session-token': session } }),
    });
  const begin = async (at: People, path: string, session?: string): Promise<string> => {
    const headers = session === undefined ? {} : { 'x-session-token': session };
    const told = await at.ask('GET', path, { headers });
    expect(told.status, told.text).toBe(200);
    return told.json.id;
  };

  it('a session of one is valid at the other at once, and over there with the next request', async () => {
    const session = await first.register('ann@example.com', PASSWORD, network());
    expect((await second.whoami(session)).status).toBe(200);
    const json = { session_token: session };
    expect((await second.ask('DELETE', '/self-service/logout/api', { json })).status).toBe(204);
    expect((await first.whoami(session)).status).toBe(401);
  });

  it('who is shut out at one is out at the other with the next request', async () => {
    const session = await first.register('sid@example.com', PASSWORD, network());
    expect((await second.whoami(session)).status).toBe(200);
    await one.ok('admin', 'account', 'disable', 'sid@example.com');
    expect((await second.whoami(session)).status).toBe(401);
  });

  it("an application's code of one is exchanged at the other, once; keys and the end are of both", async () => {
    const made = JSON.parse(
      await one.ok(
        ...(['admin', 'client', 'create', 'shop', '--output', 'json'] as const),
        ...(['--callback', 'http://127.0.0.1:3999/callback'] as const),
      ),
    );
    const session = await first.register('app@example.com', PASSWORD, network());
    const query = new URLSearchParams({
      ...{ client_id: made.id, response_type: 'code', scope: 'openid offline_access', state: 's' },
      redirect_uri: 'http://127.0.0.1:3999/callback',
    });
    const headers = { cookie: `ory_kratos_session=${session}` };
    const back = await first.ask('GET', `/authorize?${query}`, { headers });
    const code = new URL(back.headers.get('location') ?? '').searchParams.get('code') ?? '';
    const exchange = (at: People, form: Record<string, string>): Promise<Told> =>
      at.ask('POST', '/oauth/token', {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          ...{ client_id: made.id, client_secret: made.secret, ...form },
        }).toString(),
      });
    const form = {
      ...{ grant_type: 'authorization_code', code },
      redirect_uri: 'http://127.0.0.1:3999/callback',
    };
    const both = await Promise.all([second, first].map((at) => exchange(at, form)));
    expect(both.filter((told) => told.status === 200).length).toBeLessThanOrEqual(1);
    // A code that came twice takes with it what the first gave: the person signs in anew.
    const again = await first.ask('GET', `/authorize?${query}`, { headers });
    const fresh = new URL(again.headers.get('location') ?? '').searchParams.get('code') ?? '';
    const tokens = await exchange(second, { ...form, code: fresh });
    expect(tokens.status, tokens.text).toBe(200);
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.json.refresh_token };
    const next = await exchange(first, refresh);
    expect(next.status, next.text).toBe(200);
    await one.ok('admin', 'client', 'keys', '--rotate');
    const keysAt = async (at: People): Promise<string[]> => {
      const { text } = await at.ask('GET', '/.well-known/jwks.json');
      const { keys }: { keys: { kid: string }[] } = JSON.parse(text);
      return keys.map(({ kid }) => kid);
    };
    await until(async () => {
      const [mine, theirs] = [await keysAt(first), await keysAt(second)];
      if (mine.length < 2 || mine.join() !== theirs.join()) throw new Error('not the same keys');
    }, 'the new key at both');
    const bearer = { authorization: `Bearer ${next.json.access_token}` };
    expect((await second.ask('GET', '/userinfo', { headers: bearer })).status).toBe(200);
    const json = { session_token: session };
    expect((await second.ask('DELETE', '/self-service/logout/api', { json })).status).toBe(204);
    expect((await first.ask('GET', '/userinfo', { headers: bearer })).status).toBe(401);
    const last = { grant_type: 'refresh_token', refresh_token: next.json.refresh_token };
    expect((await exchange(first, last)).json.error).toBe('invalid_grant');
  });

  it('a flow begun at one is finished at the other, once, by a browser and by a program', async () => {
    await first.register('flo@example.com', PASSWORD, network());
    const id = await begin(first, '/self-service/login/api');
    const json = { method: 'password', identifier: 'flo@example.com', password: PASSWORD };
    expect((await submit(second, 'login', id, json)).status).toBe(200);
    expect((await submit(first, 'login', id, json)).status).not.toBe(200);
    const accept = { accept: 'application/json' };
    const begun = await first.ask('GET', '/self-service/login/browser', { headers: accept });
    const cookie = begun.headers
      .getSetCookie()
      .map((c) => c.split(';')[0])
      .join('; ');
    const [csrf] = begun.json.ui.nodes.filter(
      (n: { attributes: { name?: string } }) => n.attributes.name === 'csrf_token',
    );
    const spa = await second.ask('POST', `/self-service/login?flow=${begun.json.id}`, {
      json: { ...json, csrf_token: csrf.attributes.value },
      headers: { ...accept, cookie },
      localAddress: network(),
    });
    expect(spa.status, spa.text).toBe(200);
    const [session = ''] = spa.headers.getSetCookie().filter((c) => c.startsWith('ory_kratos'));
    const headers = { cookie: session.split(';')[0] ?? '' };
    expect((await first.ask('GET', '/sessions/whoami', { headers })).status).toBe(200);
  });

  it('attempts are counted at both together', async () => {
    await first.register('tom@example.com', PASSWORD, network());
    const localAddress = network();
    const said: string[] = [];
    for (let i = 0; i < 14; i++) {
      const told = await (i % 2 === 0 ? first : second).login(
        'tom@example.com',
        'not this one',
        localAddress,
      );
      said.push(told.json.ui.messages[0].text);
    }
    expect(said.filter((text) => text.includes('Too many'))).toHaveLength(4);
  });

  it('a recovery code that comes to both at the same time lets in once', async () => {
    for (let round = 0; round < 5; round++) {
      const email = `rec${round}@example.com`;
      await first.register(email, PASSWORD, network());
      const id = await begin(first, '/self-service/recovery/api');
      await submit(second, 'recovery', id, { method: 'code', email });
      const code = /^\d{6}$/m.exec(await mail(email))?.[0] ?? '';
      const json = { method: 'code', code };
      const both = await Promise.all([first, second].map((at) => submit(at, 'recovery', id, json)));
      const let_in = both.filter(({ text }) => text.includes('set_ory_session_token'));
      expect(let_in, both.map((b) => b.text).join('\n')).toHaveLength(1);
      const again = await submit(first, 'recovery', id, json);
      expect(again.text).not.toContain('set_ory_session_token');
    }
  });

  it('a TOTP code that comes to both at the same time raises one session', async () => {
    const session = await first.register('two@example.com', PASSWORD, network());
    const told = await first.ask('GET', '/self-service/settings/api', {
      headers: { 'x-session-token': session },
    });
    const node = told.json.ui.nodes.find(
      (n: { attributes: { id?: string } }) => n.attributes.id === 'totp_secret_key',
    );
    const totp = new TOTP({ secret: node.attributes.text.text, digits: 6, period: 30 });
    const set = { method: 'totp', totp_code: totp.generate({ timestamp: Date.now() - 30_000 }) };
    expect((await submit(second, 'settings', told.json.id, set, session)).status).toBe(200);
    let raised = 0;
    // Each code is tried by four sessions at once, two at either server.
    const sessions = await Promise.all(
      [first, second, first, second].map(async (at) => {
        const signedIn = await at.login('two@example.com', PASSWORD, network());
        return { at, session: String(signedIn.json.session_token) };
      }),
    );
    const flows = await Promise.all(
      sessions.map(({ at, session }) => begin(at, '/self-service/login/api?aal=aal2', session)),
    );
    const json = { method: 'totp', totp_code: totp.generate() };
    const answers = await Promise.all(
      sessions.map(({ at, session }, i) =>
        submit(at, 'login', flows[i] ?? '', json, session, '127.5.250.1'),
      ),
    );
    for (const { status } of answers) if (status === 200) raised++;
    expect(raised, answers.map((a) => a.text).join('\n')).toBe(1);
  });

  it('a password that is changed at one while its old one is held against a hash at the other lets nobody stay', async () => {
    for (let round = 0; round < 5; round++) {
      const email = `race${round}@example.com`;
      const session = await first.register(email, PASSWORD, network());
      const id = await begin(first, '/self-service/settings/api', session);
      const json = { method: 'password', password: `another ${PASSWORD}` };
      const [changed, ...tries] = await Promise.all([
        submit(first, 'settings', id, json, session),
        ...Array.from({ length: 6 }, () => second.login(email, PASSWORD, network())),
      ]);
      expect(changed?.status, changed?.text).toBe(200);
      for (const { status } of tries) expect([200, 400]).toContain(status);
      expect((await second.login(email, PASSWORD, network())).status).toBe(400);
      expect((await second.login(email, `another ${PASSWORD}`, network())).status).toBe(200);
    }
  });

  it('one is killed again and again; people go on at the other', async () => {
    for (let round = 0; round < KILLS; round++) {
      const [victim, other] = round % 2 === 0 ? [one, second] : [two, first];
      const there = round % 2 === 0 ? first : second;
      const sessions: string[] = [];
      let isOver = false;
      const work = Array.from({ length: 4 }, async (_, w) => {
        for (let i = 0; !isOver; i++) {
          const email = `kill${round}w${w}i${i}@example.com`;
          const at = w % 2 === 0 ? there : other;
          const session = await at.register(email, PASSWORD, network()).catch((reason: unknown) => {
            if (at === other) throw reason;
            return undefined;
          });
          if (session === undefined) return;
          sessions.push(session);
        }
      });
      const before = sessions.length;
      while (sessions.length < before + 5 + Math.random() * 10)
        await other.ask('GET', '/health/ready');
      process.kill(victim.serverPid(), 'SIGKILL');
      const atKill = sessions.length;
      while (sessions.length < atKill + 5) await other.ask('GET', '/health/ready');
      isOver = true;
      await Promise.all(work);
      for (const session of sessions) expect((await other.whoami(session)).status).toBe(200);
      await victim.startServer('--database', url);
      [first, second] = [peopleOf(one), peopleOf(two)];
      const back = victim === one ? first : second;
      for (const session of sessions) expect((await back.whoami(session)).status).toBe(200);
    }
  }, 180_000);
});
