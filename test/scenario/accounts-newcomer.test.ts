/**
 * What somebody meets who follows the pages for the first time: commands before there is a server, before anybody enrolled
 * and after it stopped, and mail that nothing carries. Each says what is so and what to do.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, type Outcome, World } from '../harness/postern.ts';

const EMAIL = 'Ann@Example.com';
const OPERATORS = [
  ['client', 'list'],
  ['service', 'list'],
  ['token', 'list'],
  ['audit', 'list'],
  ['explain', 'last'],
  ['account', 'allowed'],
] as const;
const HERE = [
  ['account', 'list'],
  ['account', 'messages'],
  ['permission', 'get'],
] as const;

/** What was said on standard error, with the exit code. */
const said = ({ code, stderr }: Outcome): readonly [number, string] => [code, stderr];

describe('without a server', () => {
  const world = new World();
  afterAll(() => world.close(), 60_000);

  it.each([...OPERATORS, ...HERE])(
    '`%s %s` says that none runs, and how to start one',
    async (...words) => {
      const [code, stderr] = said(await world.postern('new', ...words));
      expect(code).toBe(70);
      expect(stderr).toMatch(/^✘ No server answers on this machine/);
      expect(stderr).toContain('postern server start');
      expect(stderr).not.toMatch(/enroll' before|^\s+at /m);
    },
  );

  it('what needs a project still asks to enrol, and says that no server runs', async () => {
    const [code, stderr] = said(await world.postern('new', 'project', 'ticket'));
    expect(code).toBe(70);
    expect(stderr).toContain("Please enroll using 'postern enroll'");
    expect(stderr).toContain('`postern server start` first');
  });
});

describe('with a server that has no mail server', () => {
  const world = new World();
  let base = '';
  beforeAll(async () => {
    await world.startServer();
    const state = JSON.parse(readFileSync(join(world.serverHome, 'server.json'), 'utf8'));
    base = `http://${state.public}`;
    const begun = await fetch(`${base}/self-service/registration/api`);
    const { id } = (await begun.json()) as { id: string };
    const made = await fetch(`${base}/self-service/registration?flow=${id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ method: 'password', password: 'correct horse battery' },
        traits: { email: EMAIL },
      }),
    });
    expect(made.status).toBe(200);
  }, 60_000);
  afterAll(() => world.close(), 60_000);

  it('log, status and doctor say so, and where to set it', async () => {
    expect(readFileSync(join(world.serverHome, 'server.log'), 'utf8')).toContain(
      'no mail server is configured',
    );
    const status = await world.ok('admin', 'server', 'status', '--output', 'plain');
    expect(status).toContain(`people  ${base}/`);
    expect(status).toMatch(/mail {4}none: .*\n.*accounts\.courier\.smtp\.connection_uri/);
    const doctor = await world.ok('admin', 'account', 'doctor', `${base}/ui/`, '--output', 'json');
    expect(JSON.parse(doctor)).toContainEqual({
      level: 'warning',
      what: expect.stringContaining('No mail server is configured'),
      todo: expect.stringContaining('postern account messages'),
    });
  });

  it('messages are listed without their text, and shown whole one at a time, which is audited', async () => {
    const listed = await world.postern('admin', 'account', 'messages');
    const [message, ...others] = JSON.parse(listed.stdout);
    expect(others).toEqual([]);
    expect(message).toMatchObject({ status: 'queued', template_type: 'verification_code_valid' });
    expect(message).not.toHaveProperty('body');
    expect(listed.stderr).toContain('No mail server is configured');
    const table = await world.ok('admin', 'account', 'messages', EMAIL, '--output', 'plain');
    expect(table).toMatch(/^STATUS +WHEN +TYPE +TO +SUBJECT +ID\nqueued .* ann@example\.com /);

    const [newest, byId] = [
      await world.ok('admin', 'account', 'messages', EMAIL, '--show'),
      await world.ok('admin', 'account', 'messages', message.id),
    ];
    expect(newest).toMatch(/^\d{6}$/m);
    expect(byId).toBe(newest);
    const audit: readonly { readonly action: string }[] = JSON.parse(
      await world.ok('admin', 'audit', 'list'),
    );
    const shown = audit.filter(({ action }) => action === 'accounts:show-secrets');
    expect(shown.length).toBeGreaterThanOrEqual(2);
    for (const entry of shown)
      expect(entry).toMatchObject({ actor: 'local-admin', data: { messages: [message.id] } });
  });

  it('what is asked wrongly, or is not there, is said', async () => {
    const ask = async (...words: string[]) =>
      said(await world.postern('admin', 'account', 'messages', ...words));
    expect(await ask('--limit', 'many')).toEqual([64, expect.stringContaining('1 to 500')]);
    expect(await ask('--status', 'lost')).toEqual([64, expect.stringContaining('one of queued')]);
    expect(await ask('nobody@example.com', '--show')).toEqual([
      70,
      expect.stringContaining('There is no message to "nobody@example.com"'),
    ]);
    expect(await ask('00000000-0000-4000-8000-000000000000')).toEqual([
      70,
      expect.stringContaining('There is no such message'),
    ]);
  });

  it('before anybody enrolled, commands name what is missing', async () => {
    const ask = async (...words: string[]) => said(await world.postern('new', ...words));
    expect(await ask('service', 'create', 'backup', '--scope', 'permissions:read')).toEqual([
      70,
      expect.stringMatching(/There is no space yet[\s\S]*`postern enroll` makes/),
    ]);
    expect(await ask('explain', 'last')).toEqual([
      70,
      expect.stringContaining('Nothing was denied'),
    ]);
    expect(await ask('token', 'create', 'ci')).toEqual([
      64,
      expect.stringContaining('--scope is missing'),
    ]);
    expect(await ask('client', 'show', 'nope')).toEqual([
      70,
      expect.stringMatching(/no client with the id nope[\s\S]*postern client list/),
    ]);
    expect(await ask('permission', 'create', 'garbage')).toEqual([
      64,
      expect.stringContaining('NAMESPACE:OBJECT#RELATION@SUBJECT'),
    ]);
    expect(await ask('permission', 'create', 'app:a#b@c')).toEqual([
      70,
      expect.stringContaining('postern permission model apply'),
    ]);
  });

  it('files that are not there or hold something else are named', async () => {
    const file = join(world.folder, 'people.json');
    const load = async () => said(await world.postern('admin', 'account', 'import', file));
    expect(await load()).toEqual([
      70,
      expect.stringContaining("people.json can't be read (ENOENT)"),
    ]);
    writeFileSync(file, '{bad');
    expect(await load()).toEqual([70, expect.stringContaining('people.json is no JSON')]);
    writeFileSync(file, '[{"a":1},{"traits":{},"b":1}]');
    const [code, stderr] = await load();
    expect(code).toBe(70);
    expect(stderr).toContain('2 of 2 were refused');
    expect(stderr).toMatch(/number 1: .*"a"/);
    expect(stderr).toMatch(/number 2: .*"b"/);
  });

  it('a filter of the output changes no exit code', async () => {
    const ask = ['account', 'doctor', 'http://127.0.0.1:1/'];
    const plain = await world.postern('admin', ...ask);
    const filtered = await world.postern('admin', ...ask, '--jq', '.[].level');
    expect([plain.code, filtered.code]).toEqual([70, 70]);
    expect(filtered.stdout).toContain('fault');
  });

  it('a configuration is checked with its kratos.yml, and what has no effect is named', async () => {
    const [yaml, kratos] = ['server.yaml', 'step.yml'].map((name) => join(world.folder, name));
    const check = (): Promise<Outcome> =>
      world.postern('admin', 'server', 'config', 'check', '--config', String(yaml));
    writeFileSync(String(yaml), 'accounts: { kratos: ./step.yml }\n');
    expect((await check()).code).not.toBe(0);
    const file = {
      version: 'v26.2.0',
      selfservice: {
        default_browser_return_url: 'http://127.0.0.1/',
        flows: { registration: { enabeld: false }, login: { after: { hoks: [] } } },
      },
      clients: { http: { disallow_private_ip_ranges: true } },
    };
    writeFileSync(String(kratos), JSON.stringify(file));
    const told = await check();
    expect(told.code, told.stderr).toBe(0);
    expect(told.stderr).toContain(
      'here: selfservice.flows.registration.enabeld, selfservice.flows.login.after.hoks, clients.http',
    );
    const both = { code: { passwordless_enabled: true, mfa_enabled: true } };
    const refused = { selfservice: { ...file.selfservice, methods: both } };
    writeFileSync(String(kratos), JSON.stringify(refused));
    expect((await check()).stderr).toContain('exclude each other');
    writeFileSync(String(yaml), 'accounts: { public_url: id.example.com }\n');
    const odd = await check();
    expect(odd.code).not.toBe(0);
    expect(odd.stderr).toContain('accounts.public_url in');
  });

  it('a recovery code comes with where its owner enters it', async () => {
    const made = await world.postern('admin', 'account', 'recover', EMAIL, '--expires-in', '15m');
    expect(made.stdout).toMatch(/^\d{6}$/);
    expect(made.stderr).toContain('ends in 15 min');
    expect(made.stderr).toContain(`enters it at ${base}/ui/recovery?flow=`);
    const wrong = await world.postern('admin', 'account', 'recover', EMAIL, '--expires-in', 'soon');
    expect(said(wrong)).toEqual([64, expect.stringContaining('"soon" is not a duration')]);
  });

  it('after enrolment, a server that was stopped is said to be, by whatever asks it', async () => {
    await world.ok('admin', 'enroll');
    await world.ok('admin', 'server', 'stop');
    for (const words of OPERATORS)
      expect(said(await world.postern('admin', ...words))).toEqual([
        70,
        expect.stringMatching(
          /The server of the project default does not run[\s\S]*postern server start/,
        ),
      ]);
  });
});

it('a server without accounts says that they are off, to every command about them', async () => {
  const world = new World({ POSTERN_ACCOUNTS: 'off' });
  try {
    await world.startServer();
    for (const words of [
      ['account', 'list'],
      ['account', 'messages'],
      ['client', 'list'],
      ['service', 'create', 'backup'],
    ])
      expect(said(await world.postern('admin', ...words))).toEqual([
        70,
        expect.stringContaining('The accounts of this server are turned off'),
      ]);
  } finally {
    await world.close();
  }
}, 60_000);

it('mail is set in server.yaml and by the environment alone; a key that is none is named', async () => {
  const port = await freePort();
  const world = new World({
    POSTERN_ACCOUNTS_COURIER_SMTP_CONNECTION_URI: `smtp://127.0.0.1:${port}/?disable_starttls=true`,
  });
  const configure = (smtp: string): void =>
    writeFileSync(
      join(world.serverHome, 'server.yaml'),
      `accounts: { courier: { smtp: { ${smtp} } } }\n`,
    );
  mkdirSync(world.serverHome, { recursive: true });
  try {
    configure('from_adress: id@example.com');
    await expect(world.startServer()).rejects.toThrow(
      'server.yaml: accounts.courier.smtp.from_adress is not known',
    );
    configure('from_address: id@example.com');
    await world.startServer();
    const status = await world.ok('admin', 'server', 'status', '--output', 'plain');
    expect(status).toContain('mail    leaves by SMTP');
    // Recovery stays on, which a file of Kratos would have to ask for.
    const state = JSON.parse(readFileSync(join(world.serverHome, 'server.json'), 'utf8'));
    const begun = await fetch(`http://${state.public}/self-service/recovery/api`);
    expect(begun.status).toBe(200);
  } finally {
    await world.close();
  }
}, 60_000);
