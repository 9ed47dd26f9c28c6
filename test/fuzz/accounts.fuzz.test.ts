/**
 * Everything of accounts that reads bytes of strangers: the schema's reader of forms in process, and the listeners of a
 * real server, with altered forms, flows and administrators' bodies. Afterwards people still sign in, the server has not
 * grown beyond bound and has met no fault of its own.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCookies } from '../../src/accounts/http/web.ts';
import { compileIdentitySchema } from '../../src/accounts/schema/identity-schema.ts';
import { accountsAt, type People } from '../harness/people.ts';
import { World } from '../harness/postern.ts';
import { Dice, FUZZ_SEED, fuzzMs } from './dice.ts';
import { http1Bytes, throwAt } from './traffic.ts';

const DECODER_MS = 2_000;
const BARRAGE_MS = 4_000;
const SEND_MS = 6_000;
const ONE_MS_MAX = 2_000;
const GROWTH_MB_MAX = 300;
const PASSWORD = 'correct horse battery';

const schema = compileIdentitySchema('default', {
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          type: 'string',
          format: 'email',
          'ory.sh/kratos': { credentials: { password: { identifier: true } } },
        },
        name: { type: 'object', properties: { first: { type: 'string' } } },
        age: { type: 'integer' },
        tags: { type: 'array', items: { type: 'string' } },
        isLoud: { type: 'boolean' },
      },
      required: ['email'],
    },
  },
});
const FORMS = [
  'traits.email=a%40example.com&traits.name.first=Ann&method=password&password=x',
  'traits.age=7&traits.isLoud=on&traits.tags=a&traits.tags.0=b&traits.tags.-1=c',
  'traits.__proto__.x=1&traits.constructor.prototype.y=1&traits.name=1&traits.name.first=2',
].map((text) => Buffer.from(text));

describe('fuzzed decoders', () => {
  it(
    "a form becomes traits of the schema's types, or is kept for the schema to refuse",
    () => {
      const dice = new Dice(FUZZ_SEED + 40);
      const end = performance.now() + fuzzMs(DECODER_MS);
      let count = 0;
      while (performance.now() < end) {
        const bytes = dice.mutate(FORMS);
        const startMs = performance.now();
        const traits = schema.fromForm(new Map(new URLSearchParams(bytes.toString())));
        schema.problems(traits);
        schema.identifiers('password', traits);
        readCookies(bytes.toString('latin1'));
        expect(Object.getPrototypeOf({})).toBe(Object.prototype);
        expect(Object.keys(Object.prototype)).toEqual([]);
        expect(performance.now() - startMs, bytes.toString('hex')).toBeLessThan(ONE_MS_MAX);
        count += 1;
      }
      expect(count).toBeGreaterThan(100);
    },
    fuzzMs(DECODER_MS) + 20_000,
  );
});

/** JSON of any shape: what parsers pass on, and rules did not expect. */
function anyJson(dice: Dice, depth = 0): unknown {
  const word = (): string =>
    dice.pick([
      ...['method', 'password', 'traits', 'email', 'code', 'totp_code', 'identifier', 'csrf_token'],
      ...[
        '__proto__',
        'constructor',
        'toString',
        'credentials',
        'config',
        'state',
        'schema_id',
        '',
      ],
      ...[
        'default',
        'profile',
        'lookup_secret',
        'totp',
        'ann@example.com',
        '\u0000',
        '\ud800',
        'ﷺ',
      ],
      ...['transient_payload', 'metadata_admin', 'hashed_password', 'op', 'path', '/traits/email'],
    ]);
  switch (dice.roll(depth > 4 ? 5 : 8)) {
    case 0:
      return word();
    case 1:
      return dice.pick([0, -1, 1e308, 0.1, 2 ** 53, -0]);
    case 2:
      return dice.pick([true, false, null]);
    case 3:
      return word().repeat(dice.roll(2_000));
    case 4:
      return dice.bytes(dice.roll(40)).toString('utf8');
    case 5:
      return Array.from({ length: dice.roll(5) }, () => anyJson(dice, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: dice.roll(7) }, () => [word(), anyJson(dice, depth + 1)] as const),
      );
  }
}

describe('fuzzed listeners', () => {
  const world = new World();
  let people: People;
  let admin: People;
  let token = '';
  let session = '';
  let pid = 0;
  let ports: { readonly public: number; readonly admin: number };
  const megabytes = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

  beforeAll(async () => {
    await world.startServer();
    await world.ok('admin', 'enroll');
    token = await world.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
    const text = readFileSync(join(world.serverHome, 'server.json'), 'utf8');
    const state: { public: string; accounts_admin: string } = JSON.parse(text);
    people = accountsAt(`http://${state.public}`);
    admin = accountsAt(`http://${state.accounts_admin}`);
    const portOf = (address: string): number => Number(address.split(':').at(-1));
    ports = { public: portOf(state.public), admin: portOf(state.accounts_admin) };
    session = await people.register('ann@example.com', PASSWORD);
    pid = world.serverPid();
  }, 120_000);
  afterAll(() => world.close(), 60_000);

  async function stands(beforeMb: number): Promise<void> {
    expect(world.serverPid()).toBe(pid);
    expect(megabytes() - beforeMb).toBeLessThan(GROWTH_MB_MAX);
    expect((await people.whoami(session)).status).toBe(200);
    const log = readFileSync(join(world.serverHome, 'server.log'), 'utf8');
    const faults = log.split('\n').filter((line) => line.includes('met a fault'));
    expect(faults.slice(0, 3)).toEqual([]);
  }

  it(
    'altered requests at the public port',
    async () => {
      const before = megabytes();
      const begun = await people.ask('GET', '/self-service/login/api');
      const path = `/self-service/login?flow=${begun.json.id}`;
      const login = `{"method":"password","identifier":"nobody@example.com","password":"${PASSWORD}"}`;
      const samples = [
        http1Bytes('POST', path, login),
        http1Bytes('GET', '/self-service/login/browser?return_to=%2F&aal=aal2&refresh=true'),
        http1Bytes('GET', `/self-service/registration/flows?id=${begun.json.id}`),
        http1Bytes('GET', '/self-service/verification?code=123456&flow=x'),
        http1Bytes('GET', '/self-service/recovery?token=x&flow=x'),
        http1Bytes('GET', '/self-service/errors?id=x'),
        http1Bytes('GET', `/ui/login?flow=${begun.json.id}`),
        http1Bytes('DELETE', '/self-service/logout/api', '{"session_token":"ory_st_x"}'),
        http1Bytes('GET', '/sessions?page=1&per_page=2'),
      ];
      const dial = (): net.Socket => net.connect(ports.public, '127.0.0.1');
      const target = { dial, samples, cutWithinMs: 45_000, leavesOpen: false };
      expect(await throwAt(target, new Dice(FUZZ_SEED + 41), BARRAGE_MS)).toBeGreaterThan(10);
      await stands(before);
    },
    fuzzMs(BARRAGE_MS) + 90_000,
  );

  it(
    'bodies of any shape in flows that stand, as JSON and as forms',
    async () => {
      const before = megabytes();
      const dice = new Dice(FUZZ_SEED + 42);
      const end = performance.now() + fuzzMs(SEND_MS);
      for (let i = 0; performance.now() < end; i++) {
        const flow = dice.pick(['login', 'registration', 'settings', 'recovery', 'verification']);
        const headers = flow === 'settings' ? { 'x-session-token': session } : {};
        const localAddress = `127.4.${(i >> 7) % 250}.${(i % 128) + 1}`;
        const o = { headers, localAddress };
        const begun = await people.ask('GET', `/self-service/${flow}/api`, o);
        // Settings of a session that somebody's fuzz made unprivileged are refused; that is an answer too.
        const path = `/self-service/${flow}?flow=${begun.json.id ?? 'none'}`;
        const methods = ['password', 'code', 'totp', 'lookup_secret', 'profile', 'link', 'x'];
        const shape = anyJson(dice);
        const isForm = dice.roll(3) === 0;
        const asked = isForm
          ? {
              body: dice.mutate(FORMS),
              headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
              localAddress,
            }
          : {
              ...o,
              json:
                typeof shape === 'object' && shape !== null && !Array.isArray(shape)
                  ? { ...shape, method: dice.pick(methods) }
                  : shape,
            };
        const told = await people.ask('POST', path, asked);
        const sent = isForm ? String(asked.body) : JSON.stringify(asked);
        expect(told.status, `${flow}: ${sent.slice(0, 2_000)} → ${told.text}`).toBeLessThan(500);
      }
      await stands(before);
    },
    fuzzMs(SEND_MS) + 60_000,
  );

  it(
    "bodies of any shape at the administrators' port",
    async () => {
      const before = megabytes();
      const dice = new Dice(FUZZ_SEED + 43);
      const headers = { authorization: `Bearer ${token}` };
      const made = await admin.ask('POST', '/admin/identities', {
        headers,
        json: { schema_id: 'default', traits: { email: 'target@example.com' } },
      });
      const { id } = made.json;
      const end = performance.now() + fuzzMs(SEND_MS);
      while (performance.now() < end) {
        const [method, path] = dice.pick([
          ['POST', '/admin/identities'],
          ['PATCH', '/admin/identities'],
          ['PUT', `/admin/identities/${id}`],
          ['PATCH', `/admin/identities/${id}`],
          ['POST', '/admin/recovery/code'],
          ['POST', '/admin/recovery/link'],
          ['PATCH', '/admin/sessions/x/extend'],
          [
            'GET',
            `/admin/identities?${new URLSearchParams({ ids: JSON.stringify(anyJson(dice)).slice(0, 2_000) })}`,
          ],
          [
            'GET',
            `/admin/identities?page_token=${encodeURIComponent(dice.bytes(9).toString('base64'))}&per_page=-1`,
          ],
          ['GET', `/admin/courier/messages?status=${dice.roll(9)}&page_size=99999999999`],
          ['DELETE', `/admin/identities/${id}/credentials/oidc?identifier=${dice.roll(9)}`],
        ] as const);
        const shape = anyJson(dice);
        const patch = [
          {
            op: dice.pick(['replace', 'add', 'remove', 'test', 'move']),
            path: dice.pick([
              '/traits/email',
              '/state',
              '',
              '/',
              '/__proto__/x',
              '/traits/-',
              '/credentials',
              '/id',
            ]),
            value: shape,
          },
        ];
        const spec = {
          schema_id: 'default',
          traits: { email: `x${dice.roll(99)}@example.com` },
          credentials: shape,
          state: dice.pick(['active', 'inactive', 'x']),
        };
        const json = dice.pick<unknown>([
          shape,
          patch,
          spec,
          { identities: [{ create: spec }, shape] },
        ]);
        const asked = `${method} ${path}: ${JSON.stringify(json).slice(0, 2_000)}`;
        const told = await admin
          .ask(method, path, method === 'GET' ? { headers } : { headers, json })
          .catch((cause: unknown) => {
            throw new Error(asked, { cause });
          });
        const sent = `${asked} → ${told.text}`;
        expect(told.status, sent).toBeLessThan(500);
      }
      await stands(before);
    },
    fuzzMs(SEND_MS) + 60_000,
  );
});
