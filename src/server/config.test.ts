/** The server's configuration: defaults, the file, the environment over it, and refusals that name the key. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KratosKeys } from '../accounts/index.ts';
import { PosternError } from '../kernel/index.ts';
import { adminSocketPath, loadServerConfig, type ServerConfig, serverHome } from './config.ts';
import { readEnvironment } from './environment.ts';
import { KetoKeys } from './permission-config.ts';

let home: string;
let env: NodeJS.ProcessEnv;
const file = (text: string, name = 'server.yaml'): string => {
  const path = join(home, name);
  writeFileSync(path, text);
  return path;
};
const load = (more: NodeJS.ProcessEnv = {}): ServerConfig =>
  loadServerConfig({ env: { ...env, ...more } });

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'postern-config-'));
  env = { POSTERN_SERVER_HOME: home };
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('the home', () => {
  it('is where the environment says, else in the home folder', () => {
    expect(serverHome({ POSTERN_SERVER_HOME: '/srv/p/../q' })).toBe('/srv/q');
    expect(serverHome({})).toBe(join(homedir(), '.postern-server'));
    expect(serverHome({ POSTERN_SERVER_HOME: '' })).toBe(join(homedir(), '.postern-server'));
    expect(adminSocketPath('/srv')).toBe('/srv/admin.sock');
  });
});

describe('the configuration', () => {
  const DEFAULTS = {
    ...{ nodes: { host: '127.0.0.1', port: 4480 }, public: { host: '127.0.0.1', port: 4433 } },
    ...{
      advertise: [],
      trustedProxies: [],
      database: undefined,
      rootKey: undefined,
      logLevel: 'info',
    },
  };
  it('listens on this machine alone without a file', () => {
    const config = load();
    const { permissions, ...rest } = config;
    expect(rest).toEqual({
      ...{ ...DEFAULTS, home, rootKeyFile: join(home, 'root.key') },
      ...{
        apis: [],
        hasAccounts: true,
        accountsUrl: undefined,
        kratosFile: undefined,
        courier: undefined,
        trustedProxies: [],
        kratosKeys: [],
      },
      accountsAdmin: { host: '127.0.0.1', port: 4434, isOpen: false },
    });
    const own = (port: number) => ({ host: '127.0.0.1', port, isOpen: false, cors: undefined });
    expect(permissions).toMatchObject({
      ...{ read: own(4466), write: own(4467), metrics: own(4468), language: own(4469) },
      ...{ model: undefined, maxBatchSize: 10, isStrict: false },
    });
    expect(Object.isFrozen(config)).toBe(true);
  });
  it('believes the proxies that are named, and refuses what is no address', () => {
    const of = (list: string): readonly string[] =>
      loadServerConfig({ env: { POSTERN_SERVER_HOME: home, POSTERN_TRUSTED_PROXIES: list } })
        .trustedProxies;
    expect(of('10.0.0.5, 10.1.0.0/16,2001:db8::/32')).toEqual([
      ...['10.0.0.5', '10.1.0.0/16', '2001:db8::/32'],
    ]);
    for (const wrong of ['proxy.example', '10.0.0.0/33', '10.0.0.0/0', '10.0.0.1/8/8', '::/129'])
      expect(() => of(wrong), wrong).toThrow(/POSTERN_TRUSTED_PROXIES/);
  });
  it('takes nothing from variables of other tools unless it is called by their name', () => {
    const env = { SERVE_PUBLIC_PORT: '1234', LOG_LEVEL: 'trace', LIMIT_MAX_READ_DEPTH: '7' };
    expect(load(env)).toMatchObject({ ...DEFAULTS, kratosKeys: [] });
    expect(load(env).permissions?.maxReadDepth).toBeUndefined();
    const kratosKeys = readEnvironment(KratosKeys, env);
    expect(loadServerConfig({ env: { POSTERN_SERVER_HOME: home }, kratosKeys })).toMatchObject({
      public: { host: '127.0.0.1', port: 1234 },
      logLevel: 'debug',
    });
    const ours = { POSTERN_SERVER_HOME: home, POSTERN_LISTEN_PUBLIC: '127.0.0.1:4321' };
    expect(loadServerConfig({ env: ours, kratosKeys }).public.port).toBe(4321);
    const ketoKeys = readEnvironment(KetoKeys, env);
    const asKeto = loadServerConfig({ env: { POSTERN_SERVER_HOME: home }, ketoKeys });
    expect(asKeto.permissions?.maxReadDepth).toBe(7);
    const wrong = readEnvironment(KetoKeys, { LIMIT_MAX_READ_DEPTH: '0' });
    expect(() => loadServerConfig({ env: { POSTERN_SERVER_HOME: home }, ketoKeys: wrong })).toThrow(
      /^LIMIT_MAX_READ_DEPTH \(from the environment\) /,
    );
  });
  it.each(['', '{}', '# nothing yet\n', 'null'])('is the default with the file %j', (text) => {
    file(text);
    expect(load()).toMatchObject(DEFAULTS);
  });
  it('is read from server.yaml in the home', () => {
    file(
      'listen: { nodes: "0.0.0.0:7000", public: "7001" }\nadvertise: [a.example:7000, b.example:7000]\n' +
        'database: postgres://u:p@h/d\nroot_key_file: /keys/root\nlog_level: debug\n',
    );
    expect(load()).toMatchObject({
      ...{ nodes: { host: '0.0.0.0', port: 7000 }, public: { host: '127.0.0.1', port: 7001 } },
      ...{ advertise: ['a.example:7000', 'b.example:7000'], database: 'postgres://u:p@h/d' },
      ...{ rootKeyFile: '/keys/root', logLevel: 'debug' },
    });
  });
  it('is read from the file that is named, in place of the one in the home', () => {
    file('log_level: debug');
    const other = file('log_level: error', 'other.yaml');
    expect(loadServerConfig({ env, file: other }).logLevel).toBe('error');
  });
  it('takes the environment over the file, and the command line over both', () => {
    file(
      'listen: { nodes: "1" }\nadvertise: ["a:1"]\ndatabase: postgres://file/d\nlog_level: debug\n',
    );
    const config = load({
      ...{
        POSTERN_LISTEN_NODES: '[::1]:2',
        POSTERN_LISTEN_PUBLIC: ':3',
        POSTERN_ADVERTISE: 'b:1,c:2,',
      },
      ...{
        POSTERN_DATABASE: 'postgres://env/d',
        POSTERN_LOG_LEVEL: 'warn',
        POSTERN_ROOT_KEY_FILE: '/k',
      },
    });
    expect(config).toMatchObject({
      ...{ nodes: { host: '::1', port: 2 }, public: { host: '127.0.0.1', port: 3 } },
      ...{ advertise: ['b:1', 'c:2'], database: 'postgres://env/d', logLevel: 'warn' },
      rootKeyFile: '/k',
    });
    const database = 'postgres://flag/d';
    expect(loadServerConfig({ env, database }).database).toBe(database);
  });
  it('never prints the root key', () => {
    const config = load({ POSTERN_ROOT_KEY: 'ab'.repeat(32) });
    expect(config.rootKey?.reveal()).toBe('ab'.repeat(32));
    expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toContain('abab');
  });
});

describe('a configuration that is not valid', () => {
  const refusal = (): unknown => {
    try {
      return load();
    } catch (reason) {
      return reason;
    }
  };
  it.each([
    ['a key that is not known', 'listne: {}', ''],
    ['a key that is not known in a section', 'listen: { node: "1" }', '/listen'],
    ['a value of another type', 'database: 7', '/database'],
    ['a port that is a number', 'listen: { nodes: 4480 }', '/listen/nodes'],
    ['a list that is none', 'advertise: a:1', '/advertise'],
    ['too many addresses', `advertise: [${'"a:1",'.repeat(17)}]`, '/advertise'],
    ['a log level that is not known', 'log_level: loud', '/log_level'],
    ['a list in place of the file', '[]', ''],
    ['a text in place of the file', 'hello', ''],
  ])('is refused for %s, which is named', (_, text, key) => {
    const path = file(text);
    const reason = refusal();
    expect(reason).toBeInstanceOf(PosternError);
    expect(reason).toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(`The configuration ${path} is not valid: ${key}`),
      hint: expect.stringContaining('config check'),
    });
  });
  it.each(['a: [', '\ta: b', 'a: b\na: c', '*x'])('is refused when it is no YAML: %j', (text) => {
    const path = file(text);
    expect(refusal()).toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(`^The configuration ${path} can't be read: [^\n]+$`),
    });
  });
  it('is refused when the file that is named is not there', () =>
    expect(() => loadServerConfig({ env, file: join(home, 'none.yaml') })).toThrow(
      /none\.yaml can't be read/,
    ));
  it('is refused for an address that is none, from the file or the environment', () => {
    expect(() => load({ POSTERN_LISTEN_NODES: 'localhost' })).toThrow(
      '"localhost" is not an address',
    );
    file('listen: { public: "h:70000" }');
    expect(refusal()).toMatchObject({ code: 'invalid' });
  });
  it('is refused for a log level of the environment that is not known', () =>
    expect(() => load({ POSTERN_LOG_LEVEL: 'loud' })).toThrow('POSTERN_LOG_LEVEL'));
  it.each([
    ['audience: x', 'is no absolute URI'],
    ['audience: "https://a.example/#x"', 'is no absolute URI'],
    ['audience: "https://a.example/", lifespan: 2d', 'is not from 1s to 24h'],
    ['audience: "https://a.example/", lifespan: soon', 'lifespan'],
  ])('is refused for an API with %s', (text, why) => {
    file(`accounts: { apis: [ { ${text} } ] }`);
    expect(() => load()).toThrow(why);
  });
  it('is refused for an API that is there twice', () => {
    file('accounts: { apis: [ { audience: "a:b" }, { audience: "a:b" } ] }');
    expect(() => load()).toThrow('accounts.apis[1].audience is there twice');
  });
});
