/**
 * The server's configuration: one YAML file, every key also from the environment (`POSTERN_` and the path in capitals,
 * such as `POSTERN_LISTEN_NODES`), checked against one schema. Read once, then handed down frozen.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse } from 'yaml';
import type { BrandConfig } from '../accounts/light.ts';
import { PosternError, parseDurationMs, Secret } from '../kernel/index.ts';
import { parseAddress } from '../trust/light.ts';
import { BrandFile, loadBrand, type RawBrand } from './brand-config.ts';
import { type EnvironmentKey, merged, overlay } from './environment.ts';
import {
  loadPermissionConfig,
  type PermissionConfig,
  PermissionConfigFile,
} from './permission-config.ts';

/** As many as a ticket carries. */
const ADVERTISED_MAX = 16;
const PROXIES_MAX = 64;
const Strict = { additionalProperties: false } as const;
const ApiFile = Type.Object(
  {
    audience: Type.String({ description: 'An absolute URI, `aud` of its tokens' }),
    scopes: Type.Optional(
      Type.Array(Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,100}$' })),
    ),
    lifespan: Type.Optional(Type.String({ description: 'Of its access tokens. Default 1h' })),
  },
  Strict,
);
/** The schema of the file, published as JSON Schema. */
const ConfigFile = Type.Object(
  {
    listen: Type.Optional(
      Type.Object(
        {
          nodes: Type.Optional(
            Type.String({
              description: 'Where nodes and relayed channels arrive. Default 127.0.0.1:4480',
            }),
          ),
          public: Type.Optional(
            Type.String({ description: 'Management API for tokens. Default 127.0.0.1:4433' }),
          ),
        },
        Strict,
      ),
    ),
    advertise: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: ADVERTISED_MAX,
        description: 'Addresses (host:port) that tickets tell machines to dial',
      }),
    ),
    trusted_proxies: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: PROXIES_MAX,
        description:
          'Addresses and networks (10.0.0.0/8) of reverse proxies, whose X-Forwarded-For is believed. Default none',
      }),
    ),
    database: Type.Optional(
      Type.String({ description: 'postgres://…; the embedded SQLite file without it' }),
    ),
    root_key_file: Type.Optional(Type.String()),
    permissions: Type.Optional(
      Type.Union([PermissionConfigFile, Type.String()], {
        description: 'Relation tuples and checks: the keys of a keto.yml, or the path of one',
      }),
    ),
    accounts: Type.Optional(
      Type.Object(
        {
          enabled: Type.Optional(Type.Boolean({ description: 'false: no sign-in here' })),
          admin: Type.Optional(
            Type.Object(
              {
                listen: Type.Optional(Type.String()),
                auth: Type.Optional(Type.Union([Type.Literal('token'), Type.Literal('none')])),
              },
              Strict,
            ),
          ),
          apis: Type.Optional(
            Type.Array(ApiFile, {
              maxItems: 100,
              description: 'APIs that applications ask access tokens for, by `audience`',
            }),
          ),
          brand: Type.Optional(
            Type.Unsafe<RawBrand>({ ...BrandFile, description: 'Whose the sign-in pages are' }),
          ),
          courier: Type.Optional(
            Type.Unknown({
              description:
                'How messages leave: the keys of a kratos.yml’s `courier`, which they are laid over',
            }),
          ),
          kratos: Type.Optional(Type.String({ description: 'The path of a kratos.yml' })),
          public_url: Type.Optional(
            Type.String({
              description: 'The address under which browsers reach the public listener',
            }),
          ),
        },
        Strict,
      ),
    ),
    log_level: Type.Optional(
      Type.Union([
        Type.Literal('debug'),
        Type.Literal('info'),
        Type.Literal('warn'),
        Type.Literal('error'),
      ]),
    ),
  },
  Strict,
);
/** The same for whoever checks files without this program. */
export const ServerConfigSchema: TSchema = ConfigFile;
type Raw = Static<typeof ConfigFile>;

export interface ServerConfig {
  readonly home: string;
  readonly nodes: { readonly host: string; readonly port: number };
  readonly public: { readonly host: string; readonly port: number };
  readonly advertise: readonly string[];
  /** Whose X-Forwarded-For is believed: addresses and networks. */
  readonly trustedProxies: readonly string[];
  readonly database: string | undefined;
  readonly rootKeyFile: string;
  /** 32 bytes in hex or base64 from the environment; beats the file. */
  readonly rootKey: Secret | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Undefined when permissions are turned off. */
  readonly permissions: PermissionConfig | undefined;
  readonly hasAccounts: boolean;
  /** A kratos.yml; undefined: our defaults. */
  readonly kratosFile: string | undefined;
  /** `courier` of the server's own file, and the folder that files in it are taken from. */
  readonly courier: { readonly keys: unknown; readonly folder: string } | undefined;
  /** Keys of it that come from the environment, of who called the program `kratos`. */
  readonly kratosKeys: readonly EnvironmentKey[];
  readonly accountsAdmin: {
    readonly host: string;
    readonly port: number;
    readonly isOpen: boolean;
  };
  /** How browsers reach the public listener, without a slash at the end; undefined: as it listens. */
  readonly accountsUrl: string | undefined;
  /** Whose the pages are; undefined: the host's. */
  readonly brand: BrandConfig | undefined;
  /** What applications may ask access tokens for. */
  readonly apis: readonly {
    readonly audience: string;
    readonly scopes: readonly string[];
    readonly lifespanMs: number;
  }[];
}

/** `POSTERN_SERVER_HOME`, else `~/.postern-server`. */
export function serverHome(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['POSTERN_SERVER_HOME'] || join(homedir(), '.postern-server'));
}
/** The admin socket of a server home. */
export function adminSocketPath(home: string = serverHome()): string {
  return join(home, 'admin.sock');
}

function readFile(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8')) ?? {};
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : 'unreadable';
    throw new PosternError('invalid', `The configuration ${path} can't be read: ${why}`, { cause });
  }
}

interface Setting<T> {
  readonly value: T | undefined;
  readonly origin: string;
}

function naming<T>(origin: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it is not valid';
    throw new PosternError('invalid', `${origin}: ${why}`, { cause });
  }
}

function address(
  { value, origin }: Setting<string>,
  portDefault: number,
): { host: string; port: number } {
  if (value === undefined) return { host: '127.0.0.1', port: portDefault };
  return naming(origin, () => parseAddress(value));
}

/** A list, or what a variable has of one: with commas. */
function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return (typeof value === 'string' ? value.split(',') : (value ?? []))
    .map((entry) => entry.trim())
    .filter(Boolean);
}

function advertised({ value, origin }: Setting<string | readonly string[]>): readonly string[] {
  const list = listOf(value);
  if (list.length > ADVERTISED_MAX)
    throw new PosternError('invalid', `${origin}: more than ${ADVERTISED_MAX} addresses`);
  for (const entry of list)
    naming(origin, () => {
      parseAddress(entry);
      // A machine elsewhere dials it: there is no host to assume.
      if (!/.:\d+$/.test(entry))
        throw new PosternError('invalid', `"${entry}" names no host; write HOST:PORT`);
    });
  return list;
}

/** The addresses and networks of proxies. Throws `invalid` for what is neither. */
function proxies({ value, origin }: Setting<string | readonly string[]>): readonly string[] {
  const list = listOf(value);
  if (list.length > PROXIES_MAX)
    throw new PosternError('invalid', `${origin}: more than ${PROXIES_MAX} proxies`);
  for (const entry of list) {
    const [host = '', bits, ...rest] = entry.split('/');
    const family = isIP(host);
    const isNetwork = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) > 0);
    if (
      family === 0 ||
      rest.length > 0 ||
      !isNetwork ||
      Number(bits ?? 1) > (family === 4 ? 32 : 128)
    )
      throw new PosternError(
        'invalid',
        `${origin}: "${entry}" is neither an IP address nor a network such as 10.0.0.0/8`,
      );
  }
  return list;
}

function level({ value = 'info', origin }: Setting<string>): ServerConfig['logLevel'] {
  if (value === 'debug' || value === 'info' || value === 'warn' || value === 'error') return value;
  throw new PosternError('invalid', `${origin}: "${value}" is none of debug, info, warn, error`);
}

/** The two keys of the mail server that most set alone; the URI holds a password, which belongs in no file. */
const COURIER_VARIABLES = [
  ['POSTERN_ACCOUNTS_COURIER_SMTP_CONNECTION_URI', 'connection_uri'],
  ['POSTERN_ACCOUNTS_COURIER_SMTP_FROM_ADDRESS', 'from_address'],
] as const;

function courierOf(keys: unknown, env: NodeJS.ProcessEnv, folder: string): ServerConfig['courier'] {
  const smtp = Object.fromEntries(
    COURIER_VARIABLES.flatMap(([variable, name]) => (env[variable] ? [[name, env[variable]]] : [])),
  );
  if (Object.keys(smtp).length === 0) return keys === undefined ? undefined : { keys, folder };
  return { keys: merged(keys ?? {}, { smtp }), folder };
}

/** Where a kratos.yml says that it listens: `serve.*.host` and `serve.*.port`. */
function listenersOf(kratos: unknown): { readonly public?: string; readonly admin?: string } {
  const serve: unknown = Reflect.get(Object(kratos), 'serve');
  const at = (name: 'public' | 'admin', fallback: number): string | undefined => {
    const part: unknown = Reflect.get(Object(serve), name);
    const host: unknown = Reflect.get(Object(part), 'host');
    const port: unknown = Reflect.get(Object(part), 'port');
    if (host === undefined && port === undefined) return undefined;
    const name_ = typeof host === 'string' && host !== '' ? host : '127.0.0.1';
    return `${name_}:${typeof port === 'number' ? port : fallback}`;
  };
  const [open, admin] = [at('public', 4433), at('admin', 4434)];
  return {
    ...(open === undefined ? {} : { public: open }),
    ...(admin === undefined ? {} : { admin }),
  };
}

/** Ory's levels, by ours. */
const ORY_LEVELS: Readonly<Record<string, ServerConfig['logLevel']>> = {
  ...{ trace: 'debug', debug: 'debug', info: 'info', warn: 'warn', warning: 'warn' },
  ...{ error: 'error', fatal: 'error', panic: 'error' },
};

/** `log.level` of whoever comes from Ory's tools; undefined where it is not said. */
function oryLevel(raw: unknown): string | undefined {
  const level: unknown = Reflect.get(Object(Reflect.get(Object(raw), 'log')), 'level');
  if (typeof level !== 'string' || level === '') return undefined;
  return ORY_LEVELS[level.toLowerCase()] ?? level;
}

const API_LIFESPAN_MAX_MS = 24 * 3_600_000;

/** The APIs of a file. Throws `invalid`, naming the place. */
function apisOf(list: readonly Static<typeof ApiFile>[]): ServerConfig['apis'] {
  return list.map(({ audience, scopes = [], lifespan = '1h' }, place) => {
    const origin = `accounts.apis[${place}]`;
    const isSecond = list.findIndex((other) => other.audience === audience) < place;
    if (!URL.canParse(audience) || audience.includes('#') || isSecond)
      throw new PosternError(
        'invalid',
        `${origin}.audience is ${isSecond ? 'there twice' : 'no absolute URI without a fragment (RFC 8707)'}`,
      );
    const lifespanMs = naming(`${origin}.lifespan`, () => parseDurationMs(lifespan));
    if (lifespanMs < 1_000 || lifespanMs > API_LIFESPAN_MAX_MS)
      throw new PosternError('invalid', `${origin}.lifespan is not from 1s to 24h`);
    return { audience, scopes, lifespanMs };
  });
}

/** An address of a website, without a slash at its end. Throws `invalid`, naming where it stands. */
function publicUrlOf({ value, origin }: Setting<string>): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!isWeb || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new PosternError('invalid', `${origin} is no address such as https://id.example.com`);
  return value.replace(/\/+$/, '');
}

/** Reads and checks the configuration. Throws `invalid`, naming the key. */
export function loadServerConfig(
  o: {
    file?: string;
    env?: NodeJS.ProcessEnv;
    database?: string;
    /** A `keto.yml` in place of the part `permissions:`. */
    permissionsFile?: string;
    /** A `kratos.yml`, with the addresses that it listens at. */
    kratosFile?: string;
    /** Keys of either that the environment gives, of who called the program by the tool's name. */
    kratosKeys?: readonly EnvironmentKey[];
    ketoKeys?: readonly EnvironmentKey[];
  } = {},
): ServerConfig {
  const env = o.env ?? process.env;
  const home = serverHome(env);
  const ownFile = join(home, 'server.yaml');
  const path = o.file ?? (existsSync(ownFile) ? ownFile : undefined);
  const raw: unknown = path === undefined ? {} : readFile(path);
  if (!Value.Check(ConfigFile, raw)) {
    const [first] = Value.Errors(ConfigFile, raw);
    throw new PosternError(
      'invalid',
      `The configuration ${path} is not valid: ${first?.instancePath || '/'} ${first?.message ?? ''}`,
      {
        hint: 'Check it with: postern server config check',
      },
    );
  }
  const file: Raw = raw;
  /** A value and where it stands, so that a bad one is named. An empty variable is no value. */
  const setting = <T>(variable: string, key: string, value: T | undefined): Setting<T | string> => {
    const text = env[variable];
    return text ? { value: text, origin: variable } : { value, origin: `${key} in ${path}` };
  };
  const text = (variable: string, key: string, value?: string): string | undefined =>
    setting(variable, key, value).value;
  const kratosFile = o.kratosFile === undefined ? undefined : resolve(o.kratosFile);
  const { kratosKeys = [], ketoKeys = [] } = o;
  const kratos = overlay(kratosFile === undefined ? {} : readFile(kratosFile), kratosKeys);
  const listens = listenersOf(kratos);
  const toolLevel = oryLevel(kratos) ?? oryLevel(overlay({}, ketoKeys));
  const rootKey = text('POSTERN_ROOT_KEY', 'root key');
  const folder = path === undefined ? home : dirname(resolve(path));
  return Object.freeze({
    home,
    nodes: address(setting('POSTERN_LISTEN_NODES', 'listen.nodes', file.listen?.nodes), 4480),
    public: address(
      setting('POSTERN_LISTEN_PUBLIC', 'listen.public', listens.public ?? file.listen?.public),
      4433,
    ),
    advertise: advertised(setting('POSTERN_ADVERTISE', 'advertise', file.advertise)),
    trustedProxies: proxies(
      setting('POSTERN_TRUSTED_PROXIES', 'trusted_proxies', file.trusted_proxies),
    ),
    database: o.database ?? text('POSTERN_DATABASE', 'database', file.database),
    rootKeyFile:
      text('POSTERN_ROOT_KEY_FILE', 'root_key_file', file.root_key_file) ?? join(home, 'root.key'),
    rootKey: rootKey === undefined ? undefined : new Secret(rootKey),
    permissions: loadPermissionConfig(
      o.permissionsFile === undefined ? file.permissions : resolve(o.permissionsFile),
      folder,
      env,
      ketoKeys,
    ),
    apis: apisOf(file.accounts?.apis ?? []),
    hasAccounts: env['POSTERN_ACCOUNTS'] !== 'off' && file.accounts?.enabled !== false,
    kratosFile:
      kratosFile !== undefined || file.accounts?.kratos === undefined
        ? kratosFile
        : resolve(folder, file.accounts.kratos),
    courier: courierOf(file.accounts?.courier, env, folder),
    kratosKeys,
    accountsAdmin: {
      ...address(
        setting(
          'POSTERN_LISTEN_ACCOUNTS_ADMIN',
          'accounts.admin.listen',
          listens.admin ?? file.accounts?.admin?.listen,
        ),
        4434,
      ),
      isOpen: file.accounts?.admin?.auth === 'none',
    },
    accountsUrl: publicUrlOf(
      setting('POSTERN_ACCOUNTS_PUBLIC_URL', 'accounts.public_url', file.accounts?.public_url),
    ),
    brand: loadBrand(file.accounts?.brand ?? {}, env, { folder, path }),
    logLevel: level(
      toolLevel !== undefined && !env['POSTERN_LOG_LEVEL']
        ? { value: toolLevel, origin: 'log.level' }
        : setting('POSTERN_LOG_LEVEL', 'log_level', file.log_level),
    ),
  });
}
