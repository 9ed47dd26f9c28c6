/**
 * Guessing from many networks: it ends for the strangers and never for the person. Behind a reverse proxy, and where many
 * people share an address, everybody still has attempts of their own.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountsAt, type People, type Told } from '../harness/people.ts';
import { freePort, until, World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const HOME = '127.20.0.1';
const PROXY = '127.0.0.9';
let world: World;
let people: People;
let admin: People;
let bearer: Readonly<Record<string, string>>;
let networks = 0;

/** Hashes are cheap here: it is the counting that is tried. */
const KRATOS = (base: string): string => `
serve: { public: { base_url: "${base}/" } }
selfservice:
  default_browser_return_url: ${base}/ui/
  methods:
    password: { config: { haveibeenpwned_enabled: false } }
    totp: { enabled: true }
    lookup_secret: { enabled: true }
  flows:
    recovery: { enabled: true }
    verification: { enabled: true }
    registration: { after: { password: { hooks: [ { hook: session } ] } } }
session: { whoami: { required_aal: aal1 } }
hashers: { algorithm: argon2, argon2: { memory: 64KB, iterations: 1, parallelism: 1 } }
identity:
  schemas:
    - id: default
      url: "base64://${Buffer.from(
        JSON.stringify({
          type: 'object',
          properties: {
            traits: {
              type: 'object',
              properties: {
                email: {
                  ...{ type: 'string', format: 'email' },
                  'ory.sh/kratos': {
                    credentials: { password: { identifier: true }, totp: { account_name: true } },
                    ...{ verification: { via: 'email' }, recovery: { via: 'email' } },
                  },
                },
              },
              required: ['email'],
            },
          },
        }),
      ).toString('base64')}"
`;

beforeAll(async () => {
  const [port, adminPort] = [await freePort(), await freePort()];
  world = new World({
    POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}`,
    POSTERN_LISTEN_ACCOUNTS_ADMIN: `127.0.0.1:${adminPort}`,
    POSTERN_TRUSTED_PROXIES: PROXY,
  });
  const base = `http://127.0.0.1:${port}`;
  writeFileSync(join(world.folder, 'kratos.yml'), KRATOS(base));
  writeFileSync(join(world.folder, 'server.yaml'), 'accounts: { kratos: ./kratos.yml }\n');
  await world.startServer('--config', join(world.folder, 'server.yaml'));
  await world.ok('admin', 'enroll');
  const token = await world.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
  bearer = { authorization: `Bearer ${token}` };
  people = accountsAt(base);
  admin = accountsAt(`http://127.0.0.1:${adminPort}`);
}, 60_000);
afterAll(() => world.close(), 60_000);

const network = (): string => `127.21.${Math.floor(networks / 200)}.${(networks++ % 200) + 1}`;
const isTurnedAway = ({ text }: Told): boolean => text.includes('Too many attempts');
async function submit(
  kind: string,
  json: object,
  localAddress: string,
  headers: Readonly<Record<string, string>> = {},
  query = '',
): Promise<Told> {
  const begun = await people.ask('GET', `/self-service/${kind}/api${query}`, {
    ...{ localAddress, headers },
  });
  const path = `/self-service/${kind}?flow=${begun.json.id}`;
  return people.ask('POST', path, { json, localAddress, headers });
}
const signIn = (identifier: string, password: string, from: string, headers = {}): Promise<Told> =>
  submit('login', { method: 'password', identifier, password }, from, headers);

describe('strangers who guess', () => {
  it('passwords from many networks are stopped, and the person is let in at home', async () => {
    await people.register('ann@example.com', PASSWORD, HOME);
    let judged = 0;
    for (let i = 0; i < 120; i++) {
      const told = await signIn('ann@example.com', `wrong guess ${i}`, network());
      if (!isTurnedAway(told)) judged++;
    }
    // A few come back while the test runs.
    expect(judged).toBeGreaterThanOrEqual(100);
    expect(judged).toBeLessThan(110);
    expect(isTurnedAway(await signIn('ann@example.com', PASSWORD, network()))).toBe(true);
    expect((await signIn('ann@example.com', PASSWORD, HOME)).status).toBe(200);
  });

  it('a second factor, with the password known and from many networks, have twenty tries an hour', async () => {
    const token = await people.register('bob@example.com', PASSWORD, HOME);
    const mine = { 'x-session-token': token };
    const begun = await people.ask('GET', '/self-service/settings/api', { headers: mine });
    const key = begun.json.ui.nodes.find(
      (n: { attributes: { id?: string } }) => n.attributes.id === 'totp_secret_key',
    );
    const totp = new TOTP({ secret: key.attributes.text.text });
    const path = `/self-service/settings?flow=${begun.json.id}`;
    const json = { method: 'totp', totp_code: totp.generate() };
    const set = { json, headers: mine, localAddress: HOME };
    expect((await people.ask('POST', path, set)).status).toBe(200);
    let judged = 0;
    for (let i = 0; i < 30; i++) {
      // A session of one's own in each network makes it no network of the person's.
      const from = network();
      const first = await signIn('bob@example.com', PASSWORD, from);
      const headers = { 'x-session-token': first.json.session_token };
      const guess = { method: 'totp', totp_code: '000000' };
      const told = await submit('login', guess, from, headers, '?aal=aal2');
      if (isTurnedAway(told)) continue;
      judged++;
      expect(told.json.ui.messages).toMatchObject([{ id: 4000008 }]);
    }
    expect(judged).toBe(20);
    const first = await signIn('bob@example.com', PASSWORD, HOME);
    const headers = { 'x-session-token': first.json.session_token };
    const code = totp.generate({ timestamp: Date.now() + 30_000 });
    const right = { method: 'totp', totp_code: code };
    expect((await submit('login', right, HOME, headers, '?aal=aal2')).status).toBe(200);
  });

  it('and who mistypes a second step are told in the flow, as by Kratos; in the settings at the field', async () => {
    const token = await people.register('kim@example.com', PASSWORD, HOME);
    const headers = { 'x-session-token': token };
    const begun = await people.ask('GET', '/self-service/settings/api', { headers });
    const set = (json: object): Promise<Told> =>
      people.ask('POST', `/self-service/settings?flow=${begun.json.id}`, {
        ...{ json, headers, localAddress: HOME },
      });
    const refused = await set({ method: 'totp', totp_code: '000000' });
    const at = (name: string): ((n: { attributes: { name?: string; id?: string } }) => boolean) => {
      return ({ attributes: a }) => a.name === name || a.id === name;
    };
    expect(refused.json.ui.nodes.find(at('totp_code')).messages).toMatchObject([{ id: 4000008 }]);
    const shown = await set({ method: 'lookup_secret', lookup_secret_regenerate: true });
    const codes = shown.json.ui.nodes.find(at('lookup_secret_codes')).attributes.text.text;
    await set({ method: 'lookup_secret', lookup_secret_confirm: true });
    const give = (lookup_secret: string): Promise<Told> =>
      submit(
        'login',
        { method: 'lookup_secret', lookup_secret },
        HOME,
        headers,
        '?aal=aal2&refresh=true',
      );
    const [first = ''] = codes.split(', ');
    const wrong = await give('wrong000');
    expect(wrong.json.ui.messages).toMatchObject([{ id: 4000016 }]);
    expect(wrong.json.ui.nodes.find(at('lookup_secret')).messages).toEqual([]);
    expect((await give(first)).status).toBe(200);
    const spent = await give(first);
    expect(spent.json.ui.messages).toMatchObject([{ id: 4000012 }]);
    expect(spent.json.ui.nodes.find(at('lookup_secret')).messages).toEqual([]);
  });

  it('at recovery spend neither the mails of the person at home nor the code that an administrator made', async () => {
    const email = 'eve@example.com';
    await people.register(email, PASSWORD, HOME);
    const ask = (from: string): Promise<Told> =>
      submit('recovery', { method: 'code', email }, from);
    let sent = 0;
    for (let i = 0; i < 30; i++) if (!isTurnedAway(await ask(network()))) sent++;
    expect(sent).toBe(20);
    expect(isTurnedAway(await ask(HOME))).toBe(false);
    for (let i = 0; i < 6; i++) {
      const from = network();
      const begun = await people.ask('GET', '/self-service/recovery/api', { localAddress: from });
      for (let k = 0; k < 20; k++)
        await people.ask('POST', `/self-service/recovery?flow=${begun.json.id}`, {
          ...{ json: { method: 'code', code: '000000' }, localAddress: from },
        });
    }
    const known = await admin.ask('GET', `/admin/identities?credentials_identifier=${email}`, {
      headers: bearer,
    });
    const made = await admin.ask('POST', '/admin/recovery/code', {
      headers: bearer,
      json: { identity_id: known.json[0].id, flow_type: 'api' },
    });
    const flow = new URL(made.json.recovery_link).searchParams.get('flow');
    const told = await people.ask('POST', `/self-service/recovery?flow=${flow}`, {
      ...{ json: { method: 'code', code: made.json.recovery_code }, localAddress: network() },
    });
    expect(told.text).toContain('ory_session_token');
  });
});

describe('people who share an address', () => {
  it('are not held up by one who tries names there', async () => {
    const office = '127.22.0.1';
    await people.register('cat@example.com', PASSWORD, office);
    for (let i = 0; i < 320; i += 20)
      await Promise.all(
        Array.from({ length: 20 }, (_, k) =>
          signIn(`nobody${i + k}@example.com`, 'wrong guess', office),
        ),
      );
    expect(isTurnedAway(await signIn('nobody@example.com', 'wrong guess', office))).toBe(true);
    expect((await signIn('cat@example.com', PASSWORD, office)).status).toBe(200);
  });

  it('behind a trusted proxy are told apart, and nobody else chooses an address', async () => {
    const email = 'dan@example.com';
    await people.register(email, PASSWORD, HOME);
    const from = (address: string): object => ({ 'x-forwarded-for': `203.0.113.7, ${address}` });
    const guess = (address: string, peer: string): Promise<Told> =>
      signIn(email, 'wrong guess', peer, from(address));
    for (let i = 0; i < 10; i++)
      expect(isTurnedAway(await guess('198.51.100.1', PROXY))).toBe(false);
    expect(isTurnedAway(await guess('198.51.100.1', PROXY))).toBe(true);
    expect(isTurnedAway(await guess('198.51.100.1:5000', PROXY))).toBe(true);
    expect(isTurnedAway(await guess('198.51.100.2', PROXY))).toBe(false);
    const stranger = network();
    for (let i = 0; i < 10; i++)
      expect(isTurnedAway(await guess(`198.51.100.${10 + i}`, stranger))).toBe(false);
    expect(isTurnedAway(await guess('198.51.100.99', stranger))).toBe(true);
    const audit = await until(async () => {
      const text = await world.ok('admin', 'audit', 'list', '--output', 'json');
      if (!text.includes('198.51.100.2')) throw new Error('not yet');
      return text;
    }, 'the address in the audit');
    expect(audit).not.toContain('203.0.113.7');
    expect(audit).not.toContain('198.51.100.99');
  });
});

describe('mails to addresses that somebody typed', () => {
  it('end with a bound for each person', async () => {
    const token = await people.register('fay@example.com', PASSWORD, HOME);
    const headers = { 'x-session-token': token };
    let saved = 0;
    for (let i = 0; i < 15; i++) {
      const traits = { email: `fay${i}@example.net` };
      const told = await submit('settings', { method: 'profile', traits }, HOME, headers);
      if (told.status === 200) saved++;
      else expect(isTurnedAway(told)).toBe(true);
    }
    expect(saved).toBe(10);
  });

  it('and for each network that registers', async () => {
    const from = network();
    const register = (i: number): Promise<Told> =>
      submit(
        'registration',
        { method: 'password', password: PASSWORD, traits: { email: `many${i}@example.com` } },
        from,
      );
    let made = 0;
    for (let i = 0; i < 520; i += 20) {
      const told = await Promise.all(Array.from({ length: 20 }, (_, k) => register(i + k)));
      made += told.filter(({ status }) => status === 200).length;
      for (const t of told) if (t.status !== 200) expect(isTurnedAway(t)).toBe(true);
    }
    expect(made).toBeGreaterThanOrEqual(500);
    expect(made).toBeLessThan(515);
  });
});

describe('a text that is costly to compose', () => {
  const costly = `a${'\u0300\u0316'.repeat(40_000)}`;
  for (const [kind, json] of [
    ['login', { method: 'password', identifier: costly, password: PASSWORD }],
    ['recovery', { method: 'code', email: costly }],
    ['verification', { method: 'code', email: costly }],
    ['registration', { method: 'password', traits: { email: costly }, password: PASSWORD }],
  ] as const)
    it(`is refused by ${kind} before anybody waits for it`, async () => {
      const startMs = performance.now();
      const asked = submit(kind, json, network());
      const alive = await people.ask('GET', '/health/alive');
      expect(alive.status).toBe(200);
      expect((await asked).status).toBeLessThan(500);
      expect(performance.now() - startMs).toBeLessThan(2_000);
    });
});
