/**
 * The `permissions:` part of the server's configuration: Keto's own keys, so that a `keto.yml` mounts as it is
 * (`permissions: ./keto.yml`), and ours beside them. What Keto has and Postern decides for the whole server (`dsn`,
 * `log`, `tracing` …) is taken and not used.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse } from 'yaml';
import { PosternError, parseDurationMs } from '../kernel/index.ts';
import { parseAddress } from '../trust/light.ts';
import { CorsFile, type CorsRules, readCors } from './cors.ts';
import { type EnvironmentKey, overlay, variablesByPath } from './environment.ts';

const Strict = { additionalProperties: false } as const;
const Port = Type.Object(
  {
    host: Type.Optional(Type.String()),
    port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
    auth: Type.Optional(
      Type.Union([Type.Literal('token'), Type.Literal('none')], {
        description:
          'token: changes need a bearer token (default); none: whoever reaches the port may change',
      }),
    ),
    write_listen_file: Type.Optional(Type.String()),
    cors: Type.Optional(CorsFile),
    tls: Type.Optional(Type.Unknown()),
  },
  Strict,
);
const NamespaceName = Type.Object(
  { name: Type.String(), id: Type.Optional(Type.Integer()) },
  { additionalProperties: true },
);
const ConfigFile = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean({ description: 'false: no permission listeners' })),
    serve: Type.Optional(
      Type.Object(
        {
          read: Type.Optional(Port),
          write: Type.Optional(Port),
          opl: Type.Optional(Port),
          metrics: Type.Optional(Port),
        },
        Strict,
      ),
    ),
    namespaces: Type.Optional(
      Type.Union([
        Type.Array(NamespaceName),
        Type.Object(
          {
            location: Type.String(),
            experimental_strict_mode: Type.Optional(Type.Boolean()),
          },
          Strict,
        ),
        Type.String(),
      ]),
    ),
    limit: Type.Optional(
      Type.Object(
        {
          max_read_depth: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
          max_read_width: Type.Optional(Type.Integer({ minimum: 1 })),
          max_batch_check_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
          batch_check_max_parallelization: Type.Optional(Type.Integer({ minimum: 1 })),
          max_expand_size: Type.Optional(Type.Integer({ minimum: 1 })),
          max_check_steps: Type.Optional(
            Type.Integer({ minimum: 1, description: 'Sub-questions of one check; above it 422' }),
          ),
        },
        Strict,
      ),
    ),
    feature_flags: Type.Optional(
      Type.Object(
        {
          strict_mode: Type.Optional(Type.Boolean()),
          expand_rewrites: Type.Optional(Type.Boolean()),
        },
        Strict,
      ),
    ),
    memory_budget_mb: Type.Optional(
      Type.Integer({ minimum: 1, description: 'What tuples may take of the memory; default 2048' }),
    ),
    history_window: Type.Optional(
      Type.String({ description: 'How long old revisions can be asked about; default 24h' }),
    ),
    version: Type.Optional(Type.String()),
    dsn: Type.Optional(Type.String()),
    log: Type.Optional(Type.Unknown()),
    tracing: Type.Optional(Type.Unknown()),
    profiling: Type.Optional(Type.Unknown()),
    secrets: Type.Optional(Type.Unknown()),
    clients: Type.Optional(Type.Unknown()),
    sqa: Type.Optional(Type.Unknown()),
    sqa_opt_out: Type.Optional(Type.Unknown()),
  },
  Strict,
);
/** The schema of the part. */
export const PermissionConfigFile: TSchema = ConfigFile;
type Raw = Static<typeof ConfigFile>;

/** What variables of Keto's names give: its own keys, and secrets that are not used here but not handed on either. */
export const KetoKeys: TSchema = Type.Object({
  ...Type.Pick(ConfigFile, ['serve', 'namespaces', 'limit', 'feature_flags', 'dsn']).properties,
  log: Type.Object({ level: Type.String(), format: Type.String() }),
  secrets: Type.Object({ pagination: Type.Array(Type.String()) }),
});

export interface PermissionListener {
  readonly host: string;
  readonly port: number;
  /** Whether changes need a bearer token. */
  readonly isOpen: boolean;
  /** Undefined: pages of other sites are refused. */
  readonly cors: CorsRules | undefined;
}

/** Where the model comes from; undefined: from `postern permission model apply` alone. */
export type ModelSource =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'location'; readonly location: string };

export interface PermissionConfig {
  readonly read: PermissionListener;
  readonly write: PermissionListener;
  readonly language: PermissionListener;
  readonly metrics: PermissionListener;
  readonly model: ModelSource | undefined;
  readonly maxReadDepth: number | undefined;
  readonly maxBatchSize: number;
  readonly stepsMax: number | undefined;
  readonly isStrict: boolean;
  readonly memoryBudgetBytes: number | undefined;
  readonly historyWindowMs: number | undefined;
}

function fileOf(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8')) ?? {};
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : 'unreadable';
    throw new PosternError('invalid', `The configuration ${path} can't be read: ${why}`, { cause });
  }
}

function check(raw: unknown, origin: string, keys: readonly EnvironmentKey[]): Raw {
  if (Value.Check(ConfigFile, raw)) return raw;
  const [first] = Value.Errors(ConfigFile, raw);
  const place = (first?.instancePath ?? '').slice(1).replaceAll('/', '.');
  const variable = variablesByPath(keys).get(place);
  if (variable !== undefined)
    throw new PosternError('invalid', `${variable} (from the environment) ${first?.message ?? ''}`);
  throw new PosternError(
    'invalid',
    `${origin} is not valid: ${first?.instancePath || '/'} ${first?.message ?? ''}`,
    { hint: 'Check it with: postern server config check' },
  );
}

/** A relative `file://` (and a bare path) is taken from the folder of the configuration. */
function locate(location: string, folder: string): string {
  if (/^(https?|base64):\/\//.test(location)) return location;
  return `file://${resolve(folder, location.replace(/^file:\/\//, ''))}`;
}

function sourceOf(namespaces: Raw['namespaces'], folder: string): ModelSource | undefined {
  if (namespaces === undefined) return undefined;
  if (Array.isArray(namespaces)) return { kind: 'names', names: namespaces.map((n) => n.name) };
  const location = typeof namespaces === 'string' ? namespaces : namespaces.location;
  return { kind: 'location', location: locate(location, folder) };
}

/**
 * Reads the part: `undefined`, a path of a `keto.yml`, or its keys. `folder` is that of the configuration file. The
 * addresses can also come from `POSTERN_LISTEN_PERMISSIONS_READ`, `_WRITE`, `_OPL` and `_METRICS`; `keys` are those that
 * variables of Keto's own names give. Answers undefined when permissions are turned off. Throws `invalid`, naming the key.
 */
export function loadPermissionConfig(
  part: unknown,
  folder: string,
  env: NodeJS.ProcessEnv,
  keys: readonly EnvironmentKey[] = [],
): PermissionConfig | undefined {
  const path = typeof part === 'string' ? resolve(folder, part) : undefined;
  if (path !== undefined && !existsSync(path))
    throw new PosternError('invalid', `permissions: there is no file ${path}`);
  const raw = check(
    overlay(path === undefined ? (part ?? {}) : fileOf(path), keys),
    path ?? 'The part permissions: of the configuration',
    keys,
  );
  const isEnabled = env['POSTERN_PERMISSIONS'] !== 'off' && raw.enabled !== false;
  if (!isEnabled) return undefined;
  const listener = (
    name: 'read' | 'write' | 'opl' | 'metrics',
    portDefault: number,
  ): PermissionListener => {
    const { host, port, auth, cors, tls } = raw.serve?.[name] ?? {};
    // A certificate that is named and not used would be trust that nobody gave.
    if (tls !== undefined)
      throw new PosternError('unsupported', `permissions.serve.${name}.tls is not supported`, {
        hint: "Take it out: every port speaks TLS with the server's own certificate (ca.pem in its home)",
      });
    const variable = env[`POSTERN_LISTEN_PERMISSIONS_${name.toUpperCase()}`];
    // Keto listens on all addresses when it is told no host; a server of ours on loopback alone.
    const address = variable
      ? parseAddress(variable)
      : { host: host || '127.0.0.1', port: port ?? portDefault };
    return {
      ...address,
      isOpen: auth === 'none',
      cors: readCors(cors, `permissions.serve.${name}.cors`),
    };
  };
  const { limit = {}, feature_flags: flags = {}, namespaces } = raw;
  const isStrict =
    flags.strict_mode ??
    (typeof namespaces === 'object' && !Array.isArray(namespaces)
      ? namespaces.experimental_strict_mode
      : undefined) ??
    false;
  return {
    read: listener('read', 4466),
    write: listener('write', 4467),
    metrics: listener('metrics', 4468),
    language: listener('opl', 4469),
    model: sourceOf(namespaces, path === undefined ? folder : dirname(path)),
    maxReadDepth: limit.max_read_depth,
    maxBatchSize: limit.max_batch_check_size ?? 10,
    stepsMax: limit.max_check_steps,
    isStrict,
    memoryBudgetBytes:
      raw.memory_budget_mb === undefined ? undefined : raw.memory_budget_mb * 1024 ** 2,
    historyWindowMs:
      raw.history_window === undefined ? undefined : parseDurationMs(raw.history_window),
  };
}
