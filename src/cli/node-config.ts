/**
 * Node configuration files: YAML or JSON, with variables, turned into the command lines they stand for.
 * Pure: text in, an ordered list of steps out. `_` and `-`, singular and plural are the same; a section's body is the
 * flags of the matching `create` command, or a map from a name to such flags.
 */
import { parse as parseYaml } from 'yaml';
import { PosternError } from '../kernel/index.ts';

export interface NodeConfig {
  readonly node: Readonly<Record<string, string>>;
  readonly ticket: string | undefined;
  /** Command lines without the node they belong to, in the order in which they run. */
  readonly steps: readonly (readonly string[])[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const NODE_KEYS = [
  'name',
  'identity',
  'project',
  'tcp-listener-address',
  'http-server',
  'http-server-port',
  'foreground',
  'exit-on-eof',
  'skip-is-running-check',
] as const;
/** Sections in the order in which they run; what the key of a named map becomes. */
const SECTIONS: readonly (readonly [string, string])[] = [
  ['policy', 'resource'],
  ['relay', ''],
  ['tcp-inlet', 'alias'],
  ['tcp-outlet', 'from'],
  ['influxdb-inlet', 'alias'],
  ['influxdb-outlet', 'from'],
  ['kafka-inlet', 'addr'],
  ['kafka-outlet', 'addr'],
];
const bad = (why: string, cause?: unknown): PosternError =>
  new PosternError('invalid', `The node's configuration is not valid: ${why}`, { cause });
const isMap = (v: unknown): v is Record<string, unknown> =>
  typeof v === 'object' && v !== null && !Array.isArray(v);

/** The key as it is written in commands. */
function canonical(key: string): string {
  const dashed = key.replaceAll('_', '-').toLowerCase();
  if (dashed === 'policies') return 'policy';
  const singular = dashed.replace(/s$/, '');
  return SECTIONS.some(([s]) => s === singular) ? singular : dashed;
}

function canonicalMap(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [canonical(k), v]));
}

function parse(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (cause) {
    throw bad(cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : '', cause);
  }
  if (value === null || value === undefined) return {};
  if (!isMap(value)) throw bad('it must be a map of sections');
  return canonicalMap(value);
}

/** Parses `K=V` of `--variable`. Throws `invalid`. */
export function parseVariables(given: readonly string[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const pair of given) {
    const at = pair.indexOf('=');
    if (at < 1) throw bad(`--variable "${pair}" is not KEY=VALUE`);
    const name = pair.slice(0, at);
    if (at === pair.length - 1)
      throw new PosternError('invalid', `Empty value for variable '${name}'`);
    if (Object.hasOwn(variables, name)) throw bad(`--variable ${name} is given twice`);
    variables[name] = pair.slice(at + 1);
  }
  return variables;
}

type Lookup = (name: string) => string | undefined;

/** Expands the variables in every text of a parsed configuration, so that a value can't change its structure. */
function expandAll(value: unknown, lookup: Lookup): unknown {
  if (typeof value === 'string') return expand(value, lookup);
  if (Array.isArray(value)) return value.map((item: unknown) => expandAll(item, lookup));
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [expand(k, lookup), expandAll(v, lookup)]),
  );
}

function expand(text: string, lookup: Lookup): string {
  return text.replace(
    /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g,
    (_, braced: string | undefined, bare: string | undefined) => {
      const name = braced ?? bare ?? '';
      const value = lookup(name);
      if (value === undefined) throw bad(`the variable ${name} has no value`);
      return value;
    },
  );
}

function variablesOf(config: Record<string, unknown>): Record<string, string> {
  const section = config['variables'] ?? config['variable'] ?? {};
  if (!isMap(section)) throw bad('variables must be a map');
  return Object.fromEntries(
    Object.entries(section).map(([name, value]) => {
      if (value === null || value === '')
        throw new PosternError('invalid', `Empty value for variable '${name}'`);
      return [name, String(value)];
    }),
  );
}

/** Parses a configuration. `given` (from `--variable`) beats the environment, which beats the file. Throws `invalid`. */
export function parseNodeConfig(
  text: string,
  given: Readonly<Record<string, string>>,
  env: Environment,
): NodeConfig {
  const parsed = parse(text);
  const outer: Lookup = (name) => given[name] ?? env[name];
  const own = variablesOf(parsed);
  const lookup: Lookup = (name) => {
    const value = own[name];
    return outer(name) ?? (value === undefined ? undefined : expand(value, outer));
  };
  const config = canonicalMap(
    Object.fromEntries(Object.entries(parsed).map(([k, v]) => [k, expandAll(v, lookup)])),
  );
  const node: Record<string, string> = {};
  for (const key of NODE_KEYS) {
    const value = config[key];
    if (value !== undefined && value !== null) node[key] = String(value);
  }
  const known = new Set<string>([
    ...NODE_KEYS,
    ...SECTIONS.map(([s]) => s),
    ...['variables', 'variable', 'ticket', 'version', 'enrollment-ticket'],
  ]);
  const unknown = Object.keys(config).find((key) => !known.has(key));
  if (unknown !== undefined) throw bad(`"${unknown}" is not a known section`);
  const ticket = config['ticket'] ?? config['enrollment-ticket'];
  return {
    node,
    ticket: ticket === undefined || ticket === null ? undefined : String(ticket),
    steps: SECTIONS.flatMap(([section, keyFlag]) =>
      bodies(config[section], keyFlag).map((body) => [section, 'create', ...toArguments(body)]),
    ),
  };
}

/** A section's bodies: one, several, or one for each name. The empty flag holds the positional name. */
function bodies(section: unknown, keyFlag: string): Record<string, unknown>[] {
  if (section === undefined || section === null) return [];
  if (Array.isArray(section)) return section.flatMap((item: unknown) => bodies(item, keyFlag));
  if (!isMap(section)) return [{ [keyFlag]: section }];
  const entries = Object.entries(section);
  const isNamed = entries.length > 0 && entries.every(([, v]) => isMap(v) || v === null);
  if (!isNamed) return [renameName(canonicalFlags(section), keyFlag)];
  return entries.map(([name, body]) => {
    const flags = renameName(canonicalFlags(isMap(body) ? body : {}), keyFlag);
    const hasOwnName = keyFlag === 'resource' && 'resource-type' in flags;
    return hasOwnName ? flags : { [keyFlag]: name, ...flags };
  });
}

const canonicalFlags = (body: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(body).map(([k, v]) => [k.replaceAll('_', '-'), v]));

function renameName(flags: Record<string, unknown>, keyFlag: string): Record<string, unknown> {
  if (!('name' in flags)) return flags;
  const { name, ...rest } = flags;
  return { [keyFlag]: name, ...rest };
}

/** Flags that take no value; written in a configuration they are true or false. */
const SWITCHES: ReadonlySet<string> = new Set([
  'tls',
  'ebpf',
  'udp',
  'no-tcp-fallback',
  'no-connection-wait',
  'no-retry',
]);

function toArguments(body: Record<string, unknown>): string[] {
  return Object.entries(body).flatMap(([flag, value]) => {
    const values: unknown[] = Array.isArray(value) ? value : [value];
    return values.flatMap((v) => {
      if (v === null || v === undefined) return [];
      if (flag === '') return [String(v)];
      if (SWITCHES.has(flag)) return String(v) === 'true' ? [`--${flag}`] : [];
      return [`--${flag}`, String(v)];
    });
  });
}
