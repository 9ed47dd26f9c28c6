/**
 * What a self-service UI beside Kratos asks, in its order: its server reads flows with the browser's cookies and a base URL
 * that ends in a slash, the browser posts the forms. The configuration is that of Kratos's quickstart, mail apart.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret, TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SmtpServer } from '../../src/accounts/courier/smtp-server.fixture.ts';
import { Browser, type Page } from '../harness/browser.ts';
import { watchAnswers } from '../harness/ory/watch.ts';
import { freePort, until, World } from '../harness/postern.ts';

const UI = 'http://127.0.0.1:4455';
const EMAIL = 'ann@example.com';
const PASSWORD = 'correct horse battery';
const SCHEMA = {
  $id: 'https://schemas.example/quickstart.json',
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Person',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          type: 'string',
          format: 'email',
          title: 'E-Mail',
          minLength: 3,
          'ory.sh/kratos': {
            credentials: { password: { identifier: true } },
            verification: { via: 'email' },
            recovery: { via: 'email' },
          },
        },
        name: {
          type: 'object',
          properties: { first: { type: 'string' }, last: { type: 'string' } },
        },
      },
      required: ['email'],
      additionalProperties: false,
    },
  },
};
const kratos = (base: string, smtp: number): string => `
version: v0.13.0
dsn: memory
serve:
  public: { base_url: "${base}/", cors: { enabled: true } }
  admin: { base_url: "http://kratos:4434/" }
selfservice:
  default_browser_return_url: ${UI}/welcome
  allowed_return_urls: [ "${UI}", "http://localhost:19006/Callback", "exp://localhost:8081/--/Callback" ]
  methods:
    password: { enabled: true }
    totp: { config: { issuer: Kratos }, enabled: true }
    lookup_secret: { enabled: true }
    link: { enabled: true }
    code: { enabled: true }
  flows:
    error: { ui_url: "${UI}/error" }
    settings: { ui_url: "${UI}/settings", privileged_session_max_age: 15m, required_aal: highest_available }
    recovery: { enabled: true, ui_url: "${UI}/recovery", use: code }
    verification: { enabled: true, ui_url: "${UI}/verification", use: code, after: { default_browser_return_url: "${UI}/welcome" } }
    logout: { after: { default_browser_return_url: "${UI}/login" } }
    login: { ui_url: "${UI}/login", lifespan: 10m }
    registration:
      lifespan: 10m
      ui_url: ${UI}/registration
      after: { password: { hooks: [ { hook: session }, { hook: show_verification_ui } ] } }
log: { level: debug, format: text, leak_sensitive_values: true }
secrets: { cookie: [ PLEASE-CHANGE-ME-I-AM-VERY-INSECURE ], cipher: [ 32-LONG-SECRET-NOT-SECURE-AT-ALL ] }
ciphers: { algorithm: xchacha20-poly1305 }
hashers: { algorithm: bcrypt, bcrypt: { cost: 8 } }
identity: { default_schema_id: default, schemas: [ { id: default, url: "base64://${Buffer.from(JSON.stringify(SCHEMA)).toString('base64')}" } ] }
courier: { smtp: { connection_uri: "smtp://127.0.0.1:${smtp}/?disable_starttls=true" } }
feature_flags: { use_continue_with_transitions: true }
`;

interface Node {
  readonly attributes: {
    readonly name?: string;
    readonly id?: string;
    readonly type?: string;
    readonly value?: unknown;
    readonly text?: { readonly text: string };
  };
}
interface Flow {
  readonly id: string;
  readonly state: string;
  readonly ui: {
    readonly action: string;
    readonly nodes: readonly Node[];
    readonly messages?: readonly { readonly id: number }[];
  };
}

describe('a UI beside the accounts', () => {
  const watch = watchAnswers();
  const smtp = new SmtpServer();
  let world: World;
  let base = '';
  let person: Browser;
  let secret = '';
  let backup = '';

  beforeAll(async () => {
    await smtp.start();
    // The address has to be known to the file before the server starts.
    const port = await freePort();
    base = `http://127.0.0.1:${port}`;
    world = new World({ POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}` });
    const file = join(world.folder, 'server.yaml');
    writeFileSync(join(world.folder, 'kratos.yml'), kratos(base, smtp.port));
    writeFileSync(file, 'accounts: { kratos: ./kratos.yml }\n');
    await world.startServer('--config', file);
    person = new Browser(base);
  }, 60_000);
  afterAll(async () => {
    await world.close();
    await smtp.stop();
  }, 60_000);

  /** As the UI's server: by its client library, with what the browser sent as cookies. */
  async function ask(path: string): Promise<{ status: number; body: unknown }> {
    const cookie = [...person.cookies].map(([k, v]) => `${k}=${v}`).join('; ');
    const answer = await fetch(`${base}/${path}`, {
      headers: { accept: 'application/json, text/plain, */*', cookie },
    });
    const { status } = answer;
    const body: unknown = await answer.json();
    watch.holdPlain('GET', answer.url.replace(`${base}//`, `${base}/`), { status, data: body });
    return { status, body };
  }
  async function read(kind: string, at: string | undefined): Promise<Flow> {
    const id = new URL(at ?? '').searchParams.get('flow');
    expect(at).toMatch(new RegExp(`^${UI}/${kind}\\?flow=`));
    const { status, body } = await ask(`/self-service/${kind}/flows?id=${id}`);
    expect(status).toBe(200);
    return body as Flow;
  }
  const begin = async (kind: string, query = ''): Promise<Flow> =>
    read(kind, (await person.ask('GET', `/self-service/${kind}/browser${query}`)).location);
  /** The browser posts the form that was made of a flow: hidden fields, what was typed, and the button. */
  function submit(flow: Flow, typed: Record<string, string>): Promise<Page> {
    const hidden = flow.ui.nodes
      .filter(({ attributes: a }) => a.type === 'hidden')
      .map(({ attributes: a }) => [a.name, String(a.value ?? '')]);
    return person.ask('POST', flow.ui.action, {
      form: { ...Object.fromEntries(hidden), ...typed },
    });
  }
  const textAt = (flow: Flow, id: string): string =>
    flow.ui.nodes.find(({ attributes: a }) => a.id === id)?.attributes.text?.text ?? '';
  const mailed = (after: number): Promise<string> =>
    until(() => {
      const [, code] = /\b(\d{6})\b/.exec(smtp.mails.slice(after).at(-1)?.text ?? '') ?? [];
      if (code === undefined) throw new Error('no mail');
      return code;
    }, 'the mail');
  const whoami = (): Promise<{ status: number; body: unknown }> => ask('/sessions/whoami');
  async function leave(): Promise<void> {
    const { body } = await ask('/self-service/logout/browser?return_to=');
    const out = await person.ask('GET', (body as { logout_url: string }).logout_url);
    expect(out.location).toBe(`${UI}/login`);
    expect((await whoami()).status).toBe(401);
  }

  it('registers somebody in two steps, and leads them to verify their address', async () => {
    expect((await whoami()).status).toBe(401);
    const first = await begin('registration', '?return_to=');
    const next = await submit(first, {
      'traits.email': EMAIL,
      'traits.name.first': 'Ann',
      'traits.name.last': 'Miller',
      method: 'profile',
    });
    const second = await read('registration', next.location);
    expect(second.ui.messages?.[0]?.id).toBe(1040009);
    const done = await submit(second, { password: PASSWORD, method: 'password' });
    const verification = await read('verification', done.location);
    expect(verification.ui.messages?.[0]?.id).toBe(1080003);
    const verified = await submit(verification, { code: await mailed(0), method: 'code' });
    const passed = await read('verification', verified.location);
    expect(passed.state).toBe('passed_challenge');
    expect((await whoami()).status).toBe(200);
  });

  it('takes an authenticator app and backup codes in the settings, without asking for them at once', async () => {
    const settings = await begin('settings', '?return_to=');
    secret = textAt(settings, 'totp_secret_key');
    const code = new TOTP({ secret: Secret.fromBase32(secret) }).generate();
    const added = await submit(settings, { totp_code: code, method: 'totp' });
    const saved = await read('settings', added.location);
    expect(saved.ui.messages?.[0]?.id).toBe(1050001);
    const shown = await read(
      'settings',
      (await submit(saved, { lookup_secret_regenerate: 'true' })).location,
    );
    [backup = ''] = textAt(shown, 'lookup_secret_codes').split(', ');
    expect(backup).toMatch(/^[a-z0-9]{8}$/);
    const kept = await submit(shown, { lookup_secret_confirm: 'true' });
    expect((await read('settings', kept.location)).state).toBe('success');
    await leave();
  });

  it('asks for the second factor at the next sign-in', async () => {
    const login = await begin('login', '?aal=&refresh=&return_to=');
    const half = await submit(login, { identifier: EMAIL, password: PASSWORD, method: 'password' });
    expect(half.location).toContain('aal=aal2');
    expect((await whoami()).status).toBe(403);
    const raised = await person.ask('GET', half.location ?? '');
    const second = await read('login', raised.location);
    const done = await submit(second, { lookup_secret: backup, method: 'lookup_secret' });
    expect(done.location).toBe(`${UI}/welcome`);
    expect((await whoami()).status).toBe(200);
    await leave();
  });

  it('recovers by a mailed code and the second factor, and changes the password', async () => {
    const before = smtp.mails.length;
    const recovery = await begin('recovery', '?return_to=');
    const sent = await read(
      'recovery',
      (await submit(recovery, { email: EMAIL, method: 'code' })).location,
    );
    expect(sent.ui.messages?.[0]?.id).toBe(1060003);
    const done = await submit(sent, { code: await mailed(before), method: 'code' });
    // A mailbox alone opens nothing that the second factor protects.
    const at = new URL(done.location ?? '').searchParams.get('flow');
    const refused = await ask(`/self-service/settings/flows?id=${at}`);
    expect(refused.status).toBe(403);
    const { redirect_browser_to: raiseUrl } = refused.body as { redirect_browser_to: string };
    expect(raiseUrl).toContain('aal=aal2');
    const asked = await person.ask('GET', raiseUrl);
    const second = await read('login', asked.location);
    const later = new TOTP({ secret: Secret.fromBase32(secret) });
    const code = later.generate({ timestamp: Date.now() + 30_000 });
    const inside = await submit(second, { totp_code: code, method: 'totp' });
    const settings = await read(
      'settings',
      (await person.ask('GET', inside.location ?? '')).location,
    );
    expect(settings.ui.messages?.[0]?.id).toBe(1060001);
    const changed = await submit(settings, { password: 'another good phrase', method: 'password' });
    expect((await read('settings', changed.location)).state).toBe('success');
    expect((await whoami()).status).toBe(200);
    // The UI names where it stands by its path alone.
    const back = await person.ask(
      'GET',
      '/self-service/login/browser?refresh=true&return_to=%2Fsessions',
    );
    const again = await read('login', back.location);
    const in2 = await submit(again, { password: 'another good phrase', method: 'password' });
    expect(in2.location).toBe(`${UI}/sessions`);
  });
});
