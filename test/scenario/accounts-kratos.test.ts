/** Whoever comes from Kratos: a link named `kratos`, the same file, the same ports, the words that scripts call. */
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execute, freePort, type Outcome, PROGRAM, until, World } from '../harness/postern.ts';

const world = new World();
const link = join(world.folder, 'kratos');
const logFile = join(world.folder, 'kratos.log');
let ports: readonly [number, number] = [0, 0];
const env = (): NodeJS.ProcessEnv => {
  // The file says where it listens.
  const all = { ...world.env('admin'), POSTERN_LISTEN_NODES: '127.0.0.1:0' };
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => !/LISTEN_(PUBLIC|ACCOUNTS_ADMIN)$/.test(name)),
  );
};
const kratos = (...args: string[]): Promise<Outcome> => execute(link, args, env());
const kratosWith = (input: string, ...args: string[]): Promise<Outcome> =>
  execute(link, args, env(), { input });
/** Over what the file says; the secret ones are to be seen nowhere. */
const VARIABLES = (): NodeJS.ProcessEnv => ({
  SERVE_PUBLIC_PORT: String(ports[0]),
  SERVE_PUBLIC_BASE_URL: `http://127.0.0.1:${ports[0]}/`,
  SELFSERVICE_ALLOWED_RETURN_URLS: 'http://127.0.0.1:4455/a,http://127.0.0.1:4455/b',
  SELFSERVICE_METHODS_PASSWORD_CONFIG_HAVEIBEENPWNED_ENABLED: 'false',
  IDENTITY_SCHEMAS_1_ID: 'second',
  IDENTITY_SCHEMAS_1_URL: 'file://./person.json',
  SECRETS_COOKIE: '["secret-of-cookies"]',
  COURIER_SMTP_CONNECTION_URI: 'smtp://ann:secret-of-mail@127.0.0.1:1/',
  LOG_LEVEL: 'debug',
});

beforeAll(async () => {
  symlinkSync(PROGRAM, link);
  ports = [await freePort(), await freePort()];
  const schema = {
    $id: 'https://example.com/person.json',
    type: 'object',
    properties: {
      traits: {
        type: 'object',
        properties: {
          email: {
            ...{ type: 'string', format: 'email' },
            'ory.sh/kratos': {
              credentials: { password: { identifier: true } },
              ...{ verification: { via: 'email' }, recovery: { via: 'email' } },
            },
          },
        },
      },
    },
  };
  writeFileSync(join(world.folder, 'person.json'), JSON.stringify(schema));
  writeFileSync(
    join(world.folder, 'kratos.yml'),
    `
version: v0.13.0
dsn: memory
serve:
  public: { base_url: "http://127.0.0.1:1/", host: 127.0.0.1, port: 1 }
  admin: { host: 127.0.0.1, port: ${ports[1]} }
selfservice: { default_browser_return_url: "http://127.0.0.1:4455/" }
identity: { schemas: [ { id: default, url: file://./person.json } ] }
log: { level: error }
`,
  );
  const file = join(world.folder, 'kratos.yml');
  const logging = ['-c', 'exec "$0" "$@" >"$LOG" 2>&1', link];
  world.spawn('sh', [...logging, 'serve', '-c', file, '--dev', '--watch-courier'], {
    ...{ ...env(), ...VARIABLES(), LOG: logFile },
  });
  await until(
    async () => {
      const answer = await fetch(`http://127.0.0.1:${ports[0]}/health/ready`);
      if (answer.status !== 200) throw new Error('not yet');
    },
    'the server answers',
    45_000,
  );
}, 60_000);
afterAll(() => world.close(), 60_000);

describe('called as kratos', () => {
  it('serves the ports of a kratos.yml, with its schema', async () => {
    const flow = await fetch(`http://127.0.0.1:${ports[0]}/self-service/login/api`);
    expect(flow.status).toBe(200);
    const schema = await fetch(`http://127.0.0.1:${ports[0]}/schemas/default`);
    expect(await schema.json()).toMatchObject({ $id: 'https://example.com/person.json' });
    const admin = await fetch(`http://127.0.0.1:${ports[1]}/admin/identities`);
    expect(admin.status).toBe(401);
    const state = JSON.parse(readFileSync(join(world.serverHome, 'server.json'), 'utf8'));
    expect(state.accounts_admin).toBe(`127.0.0.1:${ports[1]}`);
    const log = readFileSync(logFile, 'utf8');
    expect(log).toContain(`public  http://127.0.0.1:${ports[0]}`);
    expect(log).toContain(`admin   http://127.0.0.1:${ports[1]}`);
    expect(log).toContain('next: kratos token create admin');
  });

  it('takes its keys from the environment, over the file, and keeps their secrets', async () => {
    const begin = (to: string): Promise<Response> =>
      fetch(
        `http://127.0.0.1:${ports[0]}/self-service/login/browser?return_to=${encodeURIComponent(to)}`,
        { redirect: 'manual' },
      );
    expect((await begin('http://127.0.0.1:4455/b')).headers.get('location')).toContain('flow=');
    expect((await begin('http://127.0.0.1:4466/c')).headers.get('location')).not.toContain('flow=');
    expect((await fetch(`http://127.0.0.1:${ports[0]}/schemas/second`)).status).toBe(200);
    const log = readFileSync(logFile, 'utf8');
    expect(log).toContain('From the environment: ');
    expect(log).not.toMatch(/secret-of-(cookies|mail)/);
    // The file asked for errors alone.
    expect(log).toContain('"level":30');
  });

  it('lets whoever begins a flow name the default schema, and others that are for that', async () => {
    const begin = async (kind: string, schema?: string): Promise<[number, string, string]> => {
      const query = schema === undefined ? '' : `?identity_schema=${schema}`;
      const answer = await fetch(
        `http://127.0.0.1:${ports[0]}/self-service/${kind}/browser${query}`,
        { headers: { accept: 'application/json' } },
      );
      const told: { identity_schema?: string; error?: { reason: string } } = JSON.parse(
        await answer.text(),
      );
      const { identity_schema = '', error } = told;
      return [answer.status, identity_schema, error?.reason ?? ''];
    };
    for (const kind of ['login', 'registration']) {
      expect(await begin(kind)).toEqual([200, '', '']);
      expect(await begin(kind, 'default')).toEqual([200, 'default', '']);
      expect(await begin(kind, 'second')).toEqual([
        ...[400, ''],
        'Requested identity schema "second" is not enabled for self-service flows.',
      ]);
      expect(await begin(kind, 'third')).toEqual([
        ...[400, ''],
        'Requested identity schema "third" does not exist.',
      ]);
    }
  });

  it.each([
    [
      'SERVE_ADMIN_PORT',
      'secret-word',
      'SERVE_ADMIN_PORT (from the environment) is no whole number',
    ],
    [
      'SELFSERVICE_FLOWS_LOGIN_LIFESPAN',
      'soon',
      '(SELFSERVICE_FLOWS_LOGIN_LIFESPAN) is no duration',
    ],
    ['SELFSERVICE_METHODS_SAML_ENABLED', 'true', 'selfservice.methods.saml is not supported'],
  ])('says which variable is wrong: %s=%s', async (variable, value, why) => {
    const home = { POSTERN_SERVER_HOME: join(world.folder, 'other') };
    const file = join(world.folder, 'kratos.yml');
    const refused = await execute(link, ['serve', '-c', file], {
      ...{ ...env(), ...VARIABLES(), SERVE_PUBLIC_PORT: '0', SERVE_ADMIN_PORT: '0', ...home },
      [variable]: value,
    });
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain(why);
    expect(refused.stderr).not.toContain('secret-');
  });

  it('knows its words about people, of today and of 0.8, in its shapes', async () => {
    const people = ['ann', 'bob', 'cid'].map((name) => ({
      ...{ schema_id: 'default', traits: { email: `${name}@example.com` } },
    }));
    const file = join(world.folder, 'people.json');
    writeFileSync(file, JSON.stringify(people));
    expect((await kratos('validate', 'identity', file)).stdout).toBe(
      'All identity files are valid.',
    );
    const wrong = JSON.stringify({ schema_id: 'default', traits: { email: 5 }, colour: 'red' });
    const invalid = await kratosWith(wrong, 'identities', 'validate');
    expect(invalid.code).toBe(70);
    expect(invalid.stderr).toContain('STD_IN[0]: not valid');

    const made = JSON.parse(
      (await kratos('import', 'identities', file, '--format', 'json')).stdout,
    );
    expect(made).toMatchObject(people);
    const [ann, bob, cid]: string[] = made.map((identity: { id: string }) => identity.id);
    const again = await kratosWith(
      JSON.stringify([people[0], { ...people[0], traits: { email: 'dan@example.com' } }]),
      ...['identities', 'import', '--format', 'json'],
    );
    // One is there already: the other one is made and printed all the same.
    expect([again.code, JSON.parse(again.stdout).traits.email]).toEqual([70, 'dan@example.com']);
    expect(again.stderr).toContain('STD_IN[0]: ');

    const first = JSON.parse(
      (await kratos('list', 'identities', '--page-size', '3', '--format', 'json')).stdout,
    );
    const token: string = first.next_page_token;
    expect([first.identities.length, token]).toEqual([3, expect.stringMatching(/./)]);
    const rest = await kratos('ls', 'identities', '--page-token', token, '--format', 'json');
    expect(JSON.parse(rest.stdout)).toMatchObject({
      identities: [expect.anything()],
      next_page_token: '',
    });
    const old = await kratos('identities', 'list', '--format', 'json-pretty');
    expect(JSON.parse(old.stdout)).toHaveLength(4);
    expect((await kratos('list', 'identities')).stdout).toMatch(
      /^ID +EXTERNAL ID +VERIFIED ADDRESSES[\s\S]*ann@example\.com[\s\S]*NEXT PAGE TOKEN/,
    );

    const got = await kratos('get', 'identity', ann ?? '', '--format', 'json');
    expect(JSON.parse(got.stdout)).toMatchObject({ id: ann, state: 'active' });
    const both = await kratos('identities', 'get', ann ?? '', bob ?? '', '--format', 'yaml');
    expect(both.stdout).toContain(`- id: ${ann}`);
    const none = await kratos('get', 'identity', '00000000-0000-4000-8000-000000000000');
    expect([none.code, none.stdout]).toEqual([70, '']);
    expect((await kratos('delete', 'identity', cid ?? '', '--format', 'json')).stdout).toBe(
      JSON.stringify(cid),
    );
    expect((await kratos('-q', 'identities', 'delete', bob ?? '')).stdout).toBe(bob);
    expect((await kratos('get', 'identity', bob ?? '')).code).toBe(70);
  });

  it("asks the administrators' port with a token, and says where one comes from", async () => {
    const endpoint = `http://127.0.0.1:${ports[1]}`;
    const refused = await kratos('list', 'identities', '-e', endpoint);
    expect([refused.code, refused.stderr]).toEqual([
      70,
      expect.stringContaining('kratos token create'),
    ]);
    const token = await world.ok('admin', 'token', 'create', 'ops', '--scope', 'accounts:*');
    const words = ['list', 'identities', '--format', 'jsonpath=identities.#'];
    const shown = await execute(link, words, {
      ...{ ...env(), KRATOS_ADMIN_URL: endpoint, KRATOS_BEARER_TOKEN: token },
    });
    expect([shown.code, shown.stdout]).toEqual([0, '2']);
    const file = join(world.folder, 'ops.token');
    writeFileSync(file, `${token}\n`, { mode: 0o600 });
    const flags = ['--endpoint', endpoint, '--token-file', file];
    const one = JSON.stringify({ schema_id: 'default', traits: { email: 'eve@example.com' } });
    expect((await kratosWith(one, 'validate', 'identity', ...flags)).code).toBe(0);
    const state = await kratos('remote', 'status', '--format', 'json', ...flags);
    expect(JSON.parse(state.stdout)).toEqual({ alive: true, ready: true });
    expect((await kratos('remote', 'version', '--format', 'json')).stdout).toMatch(/"version":"\d/);
    expect((await kratos('list', 'identities', '-e', 'nonsense')).code).toBe(64);
  });

  it('says what it does not do, and what to do instead', async () => {
    const file = join(world.folder, 'mapper.jsonnet');
    writeFileSync(file, 'function(ctx) { a: ctx.b }');
    expect((await kratos('lint', 'jsonnet', file)).code).toBe(0);
    writeFileSync(file, '{ a: ');
    expect((await kratos('jsonnet', 'lint', file)).stderr).toContain(file);
    expect((await kratos('format', 'jsonnet', file)).stderr).toContain('jsonnetfmt');
    const calibrate = await kratos('hashers', 'argon2', 'calibrate', '60', '--start-memory', '1GB');
    expect([calibrate.code, calibrate.stderr]).toEqual([70, expect.stringContaining('19MB')]);
    expect((await kratos('cleanup', 'sql', '-e', '--keep-last', '1h')).code).toBe(0);
    expect((await kratos('migrate', 'sql', 'postgres://u@h/d', '--yes')).code).toBe(0);
    expect((await kratos('help')).stdout).toContain('kratos list identities');
    expect((await kratos('help', 'list', 'identities')).stdout).toContain('--page-token');
  });

  it('takes the words that set-ups call before, and refuses what it would not do', async () => {
    expect((await kratos('migrate', 'sql', '-e', '--yes')).code).toBe(0);
    expect((await kratos('migrate', 'sql', 'up', '-e', '--yes')).code).toBe(0);
    expect((await kratos('migrate', 'sql', 'down', '-e')).stderr).toContain('not supported');
    expect((await kratos('courier', 'watch')).stderr).toContain('kratos serve');
    expect((await kratos('version')).stdout).toMatch(/^\d+\.\d+/);
    expect((await kratos()).stdout + (await kratos()).stderr).toContain('kratos serve -c');
    expect((await kratos('serve', '-c', '/nowhere/kratos.yml')).stderr).toContain("can't be read");
  });
});
