/** One-time codes as a way in: registration, sign-in and second factor, by mail and by text message, and who attacks them. */
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Secret as OtpSecret, TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser, formAction, hiddenFields } from '../harness/browser.ts';
import { accountsAt, type People, type Told } from '../harness/people.ts';
import { freePort, until, World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const base64 = (text: string): string => `base64://${Buffer.from(text).toString('base64')}`;
const SCHEMA = {
  $id: 'https://code.example/person.json',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          type: 'string',
          format: 'email',
          'ory.sh/kratos': {
            credentials: {
              password: { identifier: true },
              code: { identifier: true, via: 'email' },
              totp: { account_name: true },
            },
            verification: { via: 'email' },
            recovery: { via: 'email' },
          },
        },
        phone: {
          type: 'string',
          format: 'tel',
          'ory.sh/kratos': {
            credentials: { code: { identifier: true, via: 'sms' } },
            verification: { via: 'sms' },
          },
        },
      },
      required: ['email'],
      additionalProperties: false,
    },
  },
};
interface Message {
  readonly to: string;
  readonly kind: string;
  readonly code: string;
}
const messages: Message[] = [];
let post: Server;
let world: World;
let people: People;
let base = '';
let port = 0;
let networks = 0;

const request = (url: string): object => ({
  url,
  body: base64(
    `function(ctx) {
       local d = ctx.template_data,
       to: ctx.recipient, kind: ctx.template_type,
       code: if 'login_code' in d then d.login_code
         else if 'registration_code' in d then d.registration_code
         else if 'verification_code' in d then d.verification_code
         else if 'recovery_code' in d then d.recovery_code else '',
     }`,
  ),
});
function kratos(url: string, as: 'passwordless' | 'mfa'): string {
  const courier = {
    ...{ delivery_strategy: 'http', http: { request_config: request(url) } },
    channels: [{ id: 'sms', type: 'http', request_config: request(url) }],
    worker: { pull_wait: '20ms' },
  };
  return `
serve: { public: { base_url: "${base}/" } }
selfservice:
  default_browser_return_url: ${base}/ui/
  methods:
    password: { enabled: true }
    code: { enabled: true, ${as}_enabled: true }
    totp: { enabled: true }
  flows:
    verification: { enabled: true }
    recovery: { enabled: true, use: code }
    registration: { after: { hooks: [ { hook: session } ] } }
session: { whoami: { required_aal: aal1 } }
feature_flags: { use_continue_with_transitions: true }
courier: ${JSON.stringify(courier)}
identity: { schemas: [ { id: default, url: "${base64(JSON.stringify(SCHEMA))}" } ] }
`;
}

beforeAll(async () => {
  post = createServer((asked, answer) => {
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.on('end', () => {
      messages.push(JSON.parse(Buffer.concat(chunks).toString()));
      answer.end();
    });
  });
  await new Promise<void>((done) => post.listen(0, '127.0.0.1', done));
  await raise('passwordless');
}, 60_000);

/** Starts a server where codes are the one or the other. */
async function raise(as: 'passwordless' | 'mfa'): Promise<void> {
  port = await freePort();
  base = `http://127.0.0.1:${port}`;
  world = new World({ POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}` });
  const url = `http://127.0.0.1:${(post.address() as AddressInfo).port}`;
  writeFileSync(join(world.folder, 'kratos.yml'), kratos(url, as));
  writeFileSync(join(world.folder, 'server.yaml'), 'accounts: { kratos: ./kratos.yml }\n');
  await world.startServer('--config', join(world.folder, 'server.yaml'));
  people = accountsAt(base);
}
afterAll(async () => {
  await world.close();
  await new Promise((done) => post.close(done));
}, 60_000);

/** Somebody's own network, so that no test spends another's attempts. */
const network = (): string => `127.9.${++networks % 250}.1`;
async function codeFor(to: string, kind: string, after = 0): Promise<string> {
  const found = (): Message | undefined =>
    messages.slice(after).findLast((m) => m.to === to && m.kind === kind);
  const message = await until(
    () => found() ?? Promise.reject(new Error('none')),
    `a code for ${to}`,
  );
  return message.code;
}
const begin = async (kind: string, query = '', headers = {}): Promise<Told> =>
  people.ask('GET', `/self-service/${kind}/api${query}`, { headers });
const submit = (
  kind: string,
  flow: Told,
  json: object,
  localAddress: string = network(),
  headers = {},
): Promise<Told> =>
  people.ask('POST', `/self-service/${kind}?flow=${flow.json.id}`, {
    ...{ json, localAddress, headers },
  });
const ids = (told: Told): number[] =>
  (told.json.ui.messages ?? []).map((m: { id: number }) => m.id);

async function registered(email: string, phone?: string): Promise<Told> {
  const flow = await begin('registration');
  const traits = { email, ...(phone === undefined ? {} : { phone }) };
  const asked = await submit('registration', flow, { method: 'code', traits });
  expect(asked.status).toBe(400);
  expect(asked.json.state).toBe('sent_email');
  expect(ids(asked)).toContain(1040005);
  const code = await codeFor(email, 'registration_code_valid');
  const done = await submit('registration', flow, { method: 'code', traits, code });
  expect(done.status, done.text).toBe(200);
  return done;
}
async function signIn(identifier: string, kind = 'login_code_valid'): Promise<Told> {
  const flow = await begin('login');
  const after = messages.length;
  const asked = await submit('login', flow, { method: 'code', identifier });
  expect(ids(asked)).toContain(1010014);
  const kept = asked.json.ui.nodes.find(
    (n: { attributes: { name: string } }) => n.attributes.name === 'identifier',
  );
  expect(kept).toMatchObject({
    attributes: { type: 'hidden', value: identifier, required: true },
    meta: { label: { id: 1070004 } },
  });
  const code = await codeFor(identifier, kind, after);
  return submit('login', flow, { method: 'code', identifier, code });
}

describe('a code', () => {
  it('registers somebody, whose address it proves, and signs them in', async () => {
    const done = await registered('ann@example.com');
    expect(done.json.identity.verifiable_addresses[0]).toMatchObject({ verified: true });
    expect(done.json.session_token).toBeTypeOf('string');
    const again = await signIn('ann@example.com');
    expect(again.status).toBe(200);
    expect(again.json.session.identity.id).toBe(done.json.identity.id);
    expect(again.json.session.authentication_methods).toEqual([
      expect.objectContaining({ method: 'code', aal: 'aal1' }),
    ]);
  });

  it('goes to a phone by text message, once that is verified', async () => {
    const phone = '+4915112345678';
    const done = await registered('bea@example.com', phone);
    const flow = await begin('login');
    const before = messages.length;
    await submit('login', flow, { method: 'code', identifier: phone });
    const step = done.json.continue_with.find(
      (c: { flow?: { verifiable_address?: string } }) => c.flow?.verifiable_address === phone,
    );
    const proof = await codeFor(phone, 'verification_code_valid');
    const verifying = `/self-service/verification?flow=${step.flow.id}`;
    const verified = await people.ask('POST', verifying, { json: { method: 'code', code: proof } });
    expect(verified.json.state, verified.text).toBe('passed_challenge');
    expect(messages.slice(before).some((m) => m.kind === 'login_code_valid')).toBe(false);
    const told = await signIn(phone);
    expect(told.status, told.text).toBe(200);
    expect(told.json.session.identity.traits.email).toBe('bea@example.com');
    const address = told.json.session.identity.verifiable_addresses.find(
      (a: { via: string }) => a.via === 'sms',
    );
    expect(address).toMatchObject({ value: phone, verified: true });
  });

  it('is sent again, and the one before is over', async () => {
    await registered('again@example.com');
    const flow = await begin('login');
    const identifier = 'again@example.com';
    const after = messages.length;
    await submit('login', flow, { method: 'code', identifier });
    const first = await codeFor(identifier, 'login_code_valid', after);
    const between = messages.length;
    await submit('login', flow, { method: 'code', identifier, resend: 'code' });
    const second = await codeFor(identifier, 'login_code_valid', between);
    expect(second).not.toBe(first);
    const old = await submit('login', flow, { method: 'code', identifier, code: first });
    expect(old.status).toBe(400);
    expect(ids(old)).toContain(4010008);
    const now = await submit('login', flow, { method: 'code', identifier, code: second });
    expect(now.status).toBe(200);
    // Once.
    const more = await submit('login', flow, { method: 'code', identifier, code: second });
    expect(more.status).not.toBe(200);
  });

  it('works in a browser without JavaScript', async () => {
    await registered('page@example.com');
    const me = new Browser(base);
    const first = await me.open('/self-service/login/browser');
    const after = messages.length;
    const asked = await me.submit(first, { identifier: 'page@example.com' }, ['method', 'code']);
    expect(asked.text).toContain('name="code"');
    // Another one is sent by its button alone, as pages elsewhere press it: what they hide comes first, and empty last.
    const { csrf_token = '', method } = hiddenFields(asked);
    const form = new URLSearchParams({
      csrf_token,
      method: method ?? '',
      code: '',
      resend: 'code',
    });
    form.append('method', '');
    const between = messages.length;
    const cookie = [...me.cookies].map(([k, v]) => `${k}=${v}`).join('; ');
    const path = new URL(formAction(asked));
    await people.ask('POST', path.pathname + path.search, {
      body: form.toString(),
      headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
    });
    await codeFor('page@example.com', 'login_code_valid', between);
    const code = await codeFor('page@example.com', 'login_code_valid', Math.max(after, between));
    await me.submit(asked, { code }, ['method', 'code']);
    const who = await me.ask('GET', '/sessions/whoami', {
      headers: { accept: 'application/json' },
    });
    expect(JSON.parse(who.text).identity.traits.email).toBe('page@example.com');
  });
});

describe('an attacker', () => {
  it('hears the same of a known address and an unknown one, and nobody gets a message', async () => {
    await registered('known@example.com');
    const shapes: unknown[] = [];
    for (const identifier of ['known@example.com', 'nobody@example.com']) {
      const flow = await begin('login');
      const told = await submit('login', flow, { method: 'code', identifier });
      const { ui, state } = told.json;
      const text = JSON.stringify({ state, messages: ui.messages, nodes: ui.nodes });
      shapes.push([
        told.status,
        text.replaceAll(identifier, 'X').replace(/"value":"[^"]{40,}"/g, ''),
      ]);
      const wrong = await submit('login', flow, { method: 'code', identifier, code: '000000' });
      shapes.push([wrong.status, ids(wrong)]);
    }
    expect(shapes[2]).toEqual(shapes[0]);
    expect(shapes[3]).toEqual(shapes[1]);
    expect(messages.some((m) => m.to === 'nobody@example.com')).toBe(false);
  });

  it('has five tries at a flow', async () => {
    await registered('five@example.com');
    const flow = await begin('login');
    const identifier = 'five@example.com';
    const after = messages.length;
    await submit('login', flow, { method: 'code', identifier });
    const code = await codeFor(identifier, 'login_code_valid', after);
    for (let i = 0; i < 5; i++) {
      const told = await submit('login', flow, { method: 'code', identifier, code: '000000' });
      expect(told.status).toBe(400);
    }
    const right = await submit('login', flow, { method: 'code', identifier, code });
    expect(right.status).not.toBe(200);
  });

  it('gets no new tries by new flows, or by a restart of the server', async () => {
    await registered('brute@example.com');
    const identifier = 'brute@example.com';
    const from = network();
    let spent = 0;
    const guess = async (): Promise<Told> => {
      const flow = await begin('login');
      const asked = await submit('login', flow, { method: 'code', identifier }, from);
      if (JSON.stringify(asked.json.ui.messages).includes('Too many')) return asked;
      return submit('login', flow, { method: 'code', identifier, code: '000000' }, from);
    };
    for (let told = await guess(); !told.text.includes('Too many'); told = await guess()) spent++;
    expect(spent).toBeLessThanOrEqual(10);
    process.kill(world.serverPid(), 'SIGKILL');
    await world.startServer('--config', join(world.folder, 'server.yaml'));
    expect((await guess()).text).toContain('Too many');
  }, 60_000);

  it('cannot use the code of one flow in another, or for another address', async () => {
    await registered('one@example.com');
    await registered('two@example.com');
    const [first, second] = [await begin('login'), await begin('login')];
    const after = messages.length;
    await submit('login', first, { method: 'code', identifier: 'one@example.com' });
    await submit('login', second, { method: 'code', identifier: 'two@example.com' });
    const code = await codeFor('one@example.com', 'login_code_valid', after);
    const other = { method: 'code', identifier: 'one@example.com', code };
    expect((await submit('login', second, other)).status).toBe(400);
    const swapped = { method: 'code', identifier: 'two@example.com', code };
    const told = await submit('login', first, swapped);
    // The code says whose it is; the name beside it says nothing.
    if (told.status === 200)
      expect(told.json.session.identity.traits.email).toBe('one@example.com');
  });

  it('does not lead into an account whose owner only says that the address is theirs now', async () => {
    const made = await registered('attacker@example.com');
    const headers = { 'x-session-token': made.json.session_token };
    const traits = { email: 'corp@example.com' };
    const settings = await begin('settings', '', headers);
    const changed = { method: 'profile', traits };
    expect((await submit('settings', settings, changed, network(), headers)).status).toBe(200);
    const flow = await begin('login');
    const after = messages.length;
    await submit('login', flow, { method: 'code', identifier: traits.email });
    await new Promise((done) => setTimeout(done, 300));
    const sent = messages.slice(after).filter((m) => m.kind === 'login_code_valid');
    expect(sent).toEqual([]);
  });

  it('cannot change the address between code and registration', async () => {
    const flow = await begin('registration');
    const mine = { email: 'mine@example.com' };
    await submit('registration', flow, { method: 'code', traits: mine });
    const code = await codeFor('mine@example.com', 'registration_code_valid');
    const traits = { email: 'victim@example.com' };
    const told = await submit('registration', flow, { method: 'code', traits, code });
    expect(told.status).toBe(400);
    const free = await submit('registration', await begin('registration'), {
      ...{ method: 'password', traits, password: PASSWORD },
    });
    expect(free.status).toBe(200);
  });
});

describe('a code as the second factor', () => {
  beforeAll(async () => {
    await world.close();
    await raise('mfa');
  }, 60_000);

  it('raises the session of whoever signed in by a password', async () => {
    const flow = await begin('registration');
    const email = 'mfa@example.com';
    const traits = { email };
    const made = await submit('registration', flow, {
      ...{ method: 'password', traits, password: PASSWORD },
    });
    const token = made.json.session_token;
    const headers = { 'x-session-token': token };
    // Whoever has an address that codes go to has a second factor, without ever setting one up.
    const unsure = await begin('settings', '', headers);
    expect([unsure.status, unsure.json.error.id]).toEqual([403, 'session_aal2_required']);
    const second = await begin('login', '?aal=aal2', headers);
    expect(second.status, second.text).toBe(200);
    const after = messages.length;
    // Its button is an address, and nothing else.
    const asked = await submit('login', second, { address: email }, network(), headers);
    expect(asked.json.state).toBe('sent_email');
    expect(ids(asked)).toEqual([1010025]);
    const code = await codeFor(email, 'login_code_valid', after);
    const raised = await submit('login', second, { method: 'code', code }, network(), headers);
    expect(raised.status, raised.text).toBe(200);
    expect(raised.json.session.authenticator_assurance_level).toBe('aal2');
    expect((await begin('settings', '', headers)).status).toBe(200);
    // Not to an address that is somebody else's.
    const third = await begin('login', '?aal=aal2&refresh=true', headers);
    const foreign = await submit(
      ...(['login', third, { method: 'code', address: 'ann@example.com' }] as const),
      ...([network(), headers] as const),
    );
    expect(foreign.status).toBe(400);
    expect(foreign.json.state).toBe('choose_method');
  });

  it('is guessed by strangers together as seldom as other second factors, from however many networks', async () => {
    const email = 'guessed@example.com';
    const made = await submit('registration', await begin('registration'), {
      ...{ method: 'password', traits: { email }, password: PASSWORD },
    });
    const headers = { 'x-session-token': made.json.session_token };
    let guesses = 0;
    let last = '';
    for (let mail = 0; mail < 8 && !last.includes('Too many'); mail++) {
      const flow = await begin('login', '?aal=aal2', headers);
      await submit('login', flow, { address: email }, network(), headers);
      for (let i = 0; i < 5 && !last.includes('Too many'); i++) {
        const wrong = { method: 'code', code: '000000' };
        last = (await submit('login', flow, wrong, network(), headers)).text;
        guesses += 1;
      }
    }
    expect(last).toContain('Too many');
    expect(guesses).toBeLessThanOrEqual(21);
  });

  it('is none for who came in by a mail and has an authenticator app: the mailbox would be both', async () => {
    const email = 'app@example.com';
    const made = await submit('registration', await begin('registration'), {
      ...{ method: 'password', traits: { email }, password: PASSWORD },
    });
    const headers = { 'x-session-token': made.json.session_token };
    const begun = await begin('login', '?aal=aal2', headers);
    let after = messages.length;
    await submit('login', begun, { address: email }, network(), headers);
    const first = await codeFor(email, 'login_code_valid', after);
    await submit('login', begun, { method: 'code', code: first }, network(), headers);
    const settings = await begin('settings', '', headers);
    const shown = settings.json.ui.nodes.find(
      (n: { attributes: { id?: string } }) => n.attributes.id === 'totp_secret_key',
    );
    const app = new TOTP({ secret: OtpSecret.fromBase32(shown.attributes.text.context.secret) });
    const set = { method: 'totp', totp_code: app.generate() };
    expect((await submit('settings', settings, set, network(), headers)).status).toBe(200);

    const recovery = await begin('recovery');
    after = messages.length;
    await submit('recovery', recovery, { method: 'code', email });
    const code = await codeFor(email, 'recovery_code_valid', after);
    const recovered = await submit('recovery', recovery, { method: 'code', code });
    const { ory_session_token } = recovered.json.continue_with.find(
      (c: { action: string }) => c.action === 'set_ory_session_token',
    );
    const came = { 'x-session-token': ory_session_token };
    const second = await begin('login', '?aal=aal2', came);
    after = messages.length;
    const asked = await submit('login', second, { address: email }, network(), came);
    expect(asked.status).toBe(400);
    expect(asked.text).toContain('Use the other second factor');
    expect(messages.length).toBe(after);
  });
});
