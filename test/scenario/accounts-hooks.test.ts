/** Web hooks of a kratos.yml at the real program: what they are told, and how they change or stop what people do. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { until, World } from '../harness/postern.ts';

const world = new World();
const PASSWORD = 'correct horse battery';
let base = '';
let admin = '';
let names = 0;
const newName = (): string => `key-${++names}`;

interface Got {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  // biome-ignore lint/suspicious/noExplicitAny: whatever the hook's program made.
  readonly body: any;
}
const got: Got[] = [];
/** What the receiver answers, by path; 204 where nothing is said. */
const answers = new Map<
  string,
  { readonly status: number; readonly body?: unknown; readonly location?: string }
>();
const receiver = createServer((request, answer) => {
  const chunks: Buffer[] = [];
  request.on('data', (c: Buffer) => chunks.push(c));
  request.on('end', () => {
    const path = request.url ?? '';
    const text = Buffer.concat(chunks).toString();
    got.push({
      ...{ path, method: request.method ?? '', headers: request.headers },
      body: text.startsWith('{') ? JSON.parse(text) : text,
    });
    const said = answers.get(path) ?? { status: 204 };
    answer.writeHead(said.status, said.location === undefined ? {} : { location: said.location });
    answer.end(said.body === undefined ? '' : JSON.stringify(said.body));
  });
});

const WHOLE = Buffer.from('function(ctx) ctx').toString('base64');
const PICKY = `function(ctx) if ctx.identity.traits.email == 'quiet@example.com' then error 'cancel' else
  { email: ctx.identity.traits.email, plan: std.get(std.get(ctx.flow, 'transient_payload', {}), 'plan', 'none') }`;
const FORM = Buffer.from('function(ctx) { who: ctx.identity.traits.email }').toString('base64');

function kratos(hooks: string): string {
  const hook = (path: string, rest: string): string =>
    `{ hook: web_hook, config: { url: "${hooks}${path}", method: POST, ${rest} } }`;
  return `
selfservice:
  default_browser_return_url: http://127.0.0.1/
  methods: { password: { enabled: true, config: { haveibeenpwned_enabled: false } } }
  flows:
    login:
      before: { hooks: [ ${hook('/before-login', `body: "base64://${WHOLE}"`)} ] }
      after:
        password:
          hooks:
            - ${hook('/login', `body: "base64://${WHOLE}", can_interrupt: true, auth: { type: basic_auth, config: { user: ann, password: hook-secret } }`)}
            - { hook: revoke_active_sessions }
    registration:
      style: unified
      after:
        password:
          hooks:
            - ${hook('/decide', `body: "file://picky.jsonnet", response: { parse: true }, auth: { type: api_key, config: { name: X-Key, value: key-secret, in: header } }`)}
            - ${hook('/registered', `body: "base64://${FORM}", headers: { Content-Type: application/x-www-form-urlencoded }`)}
            - ${hook('/ignored', `body: "base64://${FORM}", headers: { Content-Type: application/x-www-form-urlencoded }, response: { ignore: true }`)}
            - { hook: session }
    settings:
      after: { profile: { hooks: [ ${hook('/settings', `body: "base64://${WHOLE}", response: { parse: true }`)}, { hook: notify_previous_addresses } ] } }
    recovery: { enabled: true }
courier:
  templates:
    verifiable_address_changed:
      email: { subject: "base64://${Buffer.from('Changed for {{ .Identity.traits.email }}').toString('base64')}" }
identity:
  default_schema_id: person
  schemas: [ { id: person, url: "file://person.json" } ]
`;
}
const SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          ...{ type: 'string', format: 'email' },
          'ory.sh/kratos': {
            credentials: { password: { identifier: true } },
            verification: { via: 'email' },
          },
        },
        age: { type: 'integer', minimum: 0 },
      },
      required: ['email'],
      additionalProperties: false,
    },
  },
};

beforeAll(async () => {
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
  const { port } = receiver.address() as AddressInfo;
  writeFileSync(join(world.folder, 'kratos.yml'), kratos(`http://127.0.0.1:${port}`));
  writeFileSync(join(world.folder, 'person.json'), JSON.stringify(SCHEMA));
  writeFileSync(join(world.folder, 'picky.jsonnet'), PICKY);
  const config = join(world.folder, 'postern.yaml');
  writeFileSync(config, 'accounts: { kratos: kratos.yml }\n');
  await world.startServer('--config', config);
  await world.ok('admin', 'enroll');
  const state: { public: string; accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  base = `http://${state.public}`;
  admin = state.accounts_admin;
}, 60_000);
afterAll(async () => {
  await world.close();
  receiver.closeAllConnections();
  receiver.close();
}, 60_000);
beforeEach(() => {
  got.length = 0;
  answers.clear();
});

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
async function register(email: string, more = {}): Promise<Told> {
  const { body: flow } = await api('GET', '/self-service/registration/api');
  return api('POST', `/self-service/registration?flow=${flow.id}`, {
    ...{ method: 'password', traits: { email }, password: PASSWORD, ...more },
  });
}
async function signIn(identifier: string): Promise<Told> {
  const { body: flow } = await api('GET', '/self-service/login/api');
  return api('POST', `/self-service/login?flow=${flow.id}`, {
    ...{ method: 'password', identifier, password: PASSWORD },
  });
}
const whoami = (token: string): Promise<Told> =>
  api('GET', '/sessions/whoami', undefined, { 'x-session-token': token });
const at = (path: string): Got[] => got.filter((g) => g.path === path);

describe('at a registration', () => {
  it('a parsed hook is asked first, with its key, the identity and the transient payload', async () => {
    answers.set('/decide', {
      status: 200,
      body: {
        identity: {
          traits: { email: 'ann@example.com', age: 33 },
          metadata_public: { plan: 'gold' },
          verifiable_addresses: [{ value: 'ann@example.com', via: 'email', verified: true }],
        },
      },
    });
    const done = await register('ann@example.com', { transient_payload: { plan: 'gold' } });
    expect(done.status).toBe(200);
    expect(at('/decide')[0]).toMatchObject({
      method: 'POST',
      headers: { 'x-key': 'key-secret', 'content-type': 'application/json' },
      body: { email: 'ann@example.com', plan: 'gold' },
    });
    expect(done.body.identity.traits).toEqual({ email: 'ann@example.com', age: 33 });
    expect(done.body.identity.metadata_public).toEqual({ plan: 'gold' });
    expect(done.body.identity.verifiable_addresses[0].verified).toBe(true);
    const { body: session } = await whoami(done.body.session_token);
    expect(session.identity.traits.age).toBe(33);
  });

  it('a form goes to the hooks that want one, to an ignored one without waiting', async () => {
    expect((await register('form@example.com')).status).toBe(200);
    expect(at('/registered')[0]?.body).toBe('who=form%40example.com');
    await until(() => expect(at('/ignored')).toHaveLength(1), 'the ignored hook');
  });

  it('a program that errors with cancel sends nothing', async () => {
    expect((await register('quiet@example.com')).status).toBe(200);
    expect(at('/decide')).toHaveLength(0);
  });

  it('messages stop it, and stand beside the field that they are about', async () => {
    answers.set('/decide', {
      status: 400,
      body: {
        messages: [
          {
            instance_ptr: '#/traits/email',
            messages: [{ id: 1234, text: 'Not from this domain', type: 'error' }],
          },
          { instance_ptr: '#/', messages: [{ id: 77, text: 'Ask your office', type: 'info' }] },
        ],
      },
    });
    const stopped = await register('stop@example.com');
    expect(stopped.status).toBe(400);
    const email = stopped.body.ui.nodes.find(
      (n: { attributes: { name: string } }) => n.attributes.name === 'traits.email',
    );
    expect(email.messages).toEqual([{ id: 1234, text: 'Not from this domain', type: 'error' }]);
    expect(stopped.body.ui.messages[0]).toMatchObject({ id: 77, text: 'Ask your office' });
    expect((await signIn('stop@example.com')).status).toBe(400);
  });

  it.each([
    [
      'traits that the schema refuses',
      { identity: { traits: { email: 'x@example.com', age: -1 } } },
      400,
    ],
    ['no JSON object', 'nonsense', 200],
    ['a state that there is not', { identity: { state: 'asleep' } }, 502],
    ['addresses that are none', { identity: { verifiable_addresses: [7] } }, 502],
  ])('an answer of %s stores nothing that is wrong', async (what, body, status) => {
    answers.set('/decide', { status: 200, body });
    const done = await register(`odd-${what.length}@example.com`);
    expect(done.status).toBe(status);
  });

  it('a redirect is not followed', async () => {
    answers.set('/decide', { status: 307, location: '/elsewhere' });
    const failed = await register('redirected@example.com');
    expect(failed.status).toBe(502);
    expect(at('/elsewhere')).toHaveLength(0);
    expect(JSON.stringify(failed.body)).not.toContain('redirected@example.com');
  });

  it('a hook that fails afterwards leaves the account, and nobody signed in', async () => {
    answers.set('/registered', { status: 403 });
    const failed = await register('after@example.com');
    expect(failed.status).toBe(502);
    expect(failed.body.session_token).toBeUndefined();
    answers.clear();
    expect((await signIn('after@example.com')).status).toBe(200);
  });
});

describe('at a login', () => {
  it('the hook is told of flow, identity, session and request, and of no secret header', async () => {
    await register('told@example.com');
    got.length = 0;
    const done = await signIn('told@example.com');
    expect(done.status).toBe(200);
    expect(at('/before-login')[0]?.body).toMatchObject({
      request_method: 'GET',
      request_url: `${base}/self-service/login/api`,
    });
    const { headers, body } = at('/login')[0] ?? { headers: {}, body: {} };
    expect(headers.authorization).toBe(
      `Basic ${Buffer.from('ann:hook-secret').toString('base64')}`,
    );
    expect(body.identity.traits.email).toBe('told@example.com');
    expect(body.session.id).toBe(done.body.session.id);
    expect(body.flow.active).toBe('password');
    expect(body.request_headers['User-Agent']).toHaveLength(1);
    expect(Object.keys(body.request_headers)).not.toContain('Host');
    expect(JSON.stringify(body)).not.toContain(PASSWORD);
    expect(JSON.stringify(body)).not.toContain(done.body.session_token);
  });

  it('a refusal without messages is an error, one with messages a form', async () => {
    await register('refused@example.com');
    answers.set('/login', { status: 403 });
    expect((await signIn('refused@example.com')).status).toBe(502);
    answers.set('/login', {
      status: 403,
      body: { messages: [{ messages: [{ id: 9, text: 'Not today', type: 'error' }] }] },
    });
    const { status, body } = await signIn('refused@example.com');
    expect(status).toBe(400);
    expect(body.ui.messages).toEqual([{ id: 9, text: 'Not today', type: 'error' }]);
  });

  it("a new session ends the person's others", async () => {
    const { body: first } = await register('alone@example.com');
    expect((await whoami(first.session_token)).status).toBe(200);
    const { body: second } = await signIn('alone@example.com');
    expect((await whoami(first.session_token)).status).toBe(401);
    expect((await whoami(second.session_token)).status).toBe(200);
  });

  it('a hook before it can turn everybody away', async () => {
    answers.set('/before-login', { status: 403 });
    expect((await api('GET', '/self-service/login/api')).status).toBe(502);
    const me = new Browser(base);
    const page = await me.open('/self-service/login/browser');
    expect(page.text).toContain('responded improperly');
  });

  it('a hook that stumbles is asked again', async () => {
    await register('again@example.com');
    answers.set('/login', { status: 503 });
    const pending = signIn('again@example.com');
    await until(() => expect(at('/login').length).toBe(1), 'the first question');
    answers.delete('/login');
    expect((await pending).status).toBe(200);
    const [one, two] = at('/login').map((g) => g.headers['ory-webhook-trigger-id']);
    expect(one).toBe(two);
  });
});

describe('in the settings', () => {
  it('the previous address is told of a change, in the transaction that made it', async () => {
    const { body } = await register('before@example.com');
    await register('taken@example.com');
    const token = { 'x-session-token': body.session_token };
    const change = async (email: string): Promise<number> => {
      const { body: flow } = await api('GET', '/self-service/settings/api', undefined, token);
      const sent = { method: 'profile', traits: { email } };
      return (await api('POST', `/self-service/settings?flow=${flow.id}`, sent, token)).status;
    };
    const mails = async (): Promise<{ subject: string; body: string; template_type: string }[]> => {
      const key = await world.ok('admin', 'token', 'create', newName(), '--scope', 'accounts:*');
      const answer = await fetch(
        `http://${admin}/admin/courier/messages?recipient=before@example.com`,
        { headers: { authorization: `Bearer ${key}` } },
      );
      return (await answer.json()) as { subject: string; body: string; template_type: string }[];
    };
    expect(await change('taken@example.com')).toBe(400);
    expect(await change('before@example.com')).toBe(200);
    expect(await mails()).toEqual([]);
    expect(await change('later@example.com')).toBe(200);
    const [notice, ...more] = await mails();
    expect(more).toEqual([]);
    expect(notice?.template_type).toBe('verifiable_address_changed');
    expect(notice?.subject).toBe('Changed for later@example.com');
    expect(notice?.body).toContain('tell whoever runs');
    expect(notice?.body).not.toContain('later@example.com');
  });

  it('a parsed hook changes what is stored, or stops it', async () => {
    const { body } = await register('set@example.com');
    const token = { 'x-session-token': body.session_token };
    const change = async (): Promise<Told> => {
      const { body: flow } = await api('GET', '/self-service/settings/api', undefined, token);
      return api(
        'POST',
        `/self-service/settings?flow=${flow.id}`,
        { method: 'profile', traits: { email: 'set@example.com', age: 5 } },
        token,
      );
    };
    answers.set('/settings', {
      status: 200,
      body: { identity: { traits: { email: 'set@example.com', age: 6 } } },
    });
    expect((await change()).body.identity.traits.age).toBe(6);
    expect(at('/settings')[0]?.body.session.id).toBe(body.session.id);
    answers.set('/settings', {
      status: 400,
      body: {
        messages: [
          { instance_ptr: '#/traits/age', messages: [{ id: 5, text: 'Too young', type: 'error' }] },
        ],
      },
    });
    expect((await change()).status).toBe(400);
    expect((await whoami(body.session_token)).body.identity.traits.age).toBe(6);
  });
});
