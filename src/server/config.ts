/**
 * The server's configuration: one YAML file, every key also from the environment (`POSTERN_` and the path in capitals,
 * such as `POSTERN_LISTEN_NODES`), checked against one schema. Read once, then handed down frozen.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse } from 'yaml';
import { PosternError, Secret } from '../kernel/index.ts';
import { parseAddress } from '../trust/light.ts';

const Strict = { additionalProperties: false } as const;
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
        maxItems: 16,
        description: 'Addresses (host:port) that tickets tell machines to dial',
      }),
    ),
    database: Type.Optional(
      Type.String({ description: 'postgres://…; the embedded SQLite file without it' }),
    ),
    root_key_file: Type.Optional(Type.String()),
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
  readonly database: string | undefined;
  readonly rootKeyFile: string;
  /** 32 bytes in hex or base64 from the environment; beats the file. */
  readonly rootKey: Secret | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
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

/** Reads and checks the configuration. Throws `invalid`, naming the key. */
export function loadServerConfig(
  o: { file?: string; env?: NodeJS.ProcessEnv; database?: string } = {},
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
  const address = (text: string | undefined, fallback: string): { host: string; port: number } =>
    parseAddress(text || fallback);
  const level = env['POSTERN_LOG_LEVEL'] || file.log_level || 'info';
  if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error')
    throw new PosternError('invalid', 'POSTERN_LOG_LEVEL must be debug, info, warn or error');
  const rootKey = env['POSTERN_ROOT_KEY'];
  return Object.freeze({
    home,
    nodes: address(env['POSTERN_LISTEN_NODES'] ?? file.listen?.nodes, '127.0.0.1:4480'),
    public: address(env['POSTERN_LISTEN_PUBLIC'] ?? file.listen?.public, '127.0.0.1:4433'),
    advertise: env['POSTERN_ADVERTISE']?.split(',').filter(Boolean) ?? file.advertise ?? [],
    database: o.database ?? env['POSTERN_DATABASE'] ?? file.database,
    rootKeyFile: env['POSTERN_ROOT_KEY_FILE'] ?? file.root_key_file ?? join(home, 'root.key'),
    rootKey: rootKey === undefined ? undefined : new Secret(rootKey),
    logLevel: level,
  });
}
