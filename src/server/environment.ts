/**
 * The environment of whoever comes from Kratos or Keto: any key of their file as a variable, `serve.public.base_url` as
 * `SERVE_PUBLIC_BASE_URL` (reference: ory/x, configx). Names are found by walking the schema of the file, so that there is
 * no second list of them. Pure but for `takeEnvironment`. INVARIANT: a value is never shown, whatever is wrong with it, and
 * no process that is started later inherits it.
 */
import { IsArray, IsObject, type TSchema } from 'typebox';
import { PosternError, Secret } from '../kernel/index.ts';

/** A key that a variable gives, with its value as JSON. */
export interface EnvironmentKey {
  readonly variable: string;
  readonly path: readonly (string | number)[];
  readonly value: Secret;
}

/** More entries of a list than anybody writes as variables; a larger index is a mistake. */
const INDEX_MAX = 999;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The schemas that a value may follow: those of a union, else itself. */
function formsOf(schema: unknown): readonly Record<string, unknown>[] {
  if (!isRecord(schema)) return [];
  const { anyOf } = schema;
  return Array.isArray(anyOf) ? anyOf.flatMap(formsOf) : [schema];
}

/** Where a variable's words lead, and what may stand there; undefined for one that is no key. */
function find(
  schema: unknown,
  words: readonly string[],
): { readonly path: readonly (string | number)[]; readonly at: unknown } | undefined {
  if (words.length === 0) return { path: [], at: schema };
  for (const form of formsOf(schema)) {
    if (IsObject(form))
      for (const [name, part] of Object.entries(form.properties)) {
        const own = name.toUpperCase().split(/[_-]/);
        if (own.some((word, i) => word !== words[i])) continue;
        const below = find(part, words.slice(own.length));
        if (below !== undefined) return { path: [name, ...below.path], at: below.at };
      }
    const [index = ''] = words;
    if (IsArray(form) && /^\d{1,9}$/.test(index)) {
      const below = find(form.items, words.slice(1));
      if (below !== undefined) return { path: [Number(index), ...below.path], at: below.at };
    }
  }
  return undefined;
}

function refuse(variable: string, why: string): never {
  throw new PosternError('invalid', `${variable} (from the environment) ${why}`);
}

function parsed(variable: string, text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    // The parser's own words would show what stands there.
    return refuse(variable, 'is no JSON');
  }
}

const TRUE = /^(1|t|true)$/i;
const FALSE = /^(0|f|false)$/i;

/** The value of a text where the forms are allowed; undefined where the text can mean none of them. Throws `invalid`. */
function meant(variable: string, text: string, forms: readonly Record<string, unknown>[]): unknown {
  const has = (...types: readonly string[]): boolean =>
    forms.some(({ type, const: only }) => types.includes(String(type ?? typeof only)));
  const isAny = forms.some((form) => !('type' in form) && !('const' in form));
  if (/^\s*\{/.test(text) && (isAny || has('object'))) return parsed(variable, text);
  if (/^\s*\[/.test(text) && (isAny || has('array'))) return parsed(variable, text);
  if (has('string')) return text;
  if (has('array')) {
    if (!forms.some((f) => IsArray(f) && formsOf(f.items).some(({ type }) => type === 'string')))
      return refuse(variable, 'is no JSON list');
    return text.split(',').map((entry) => entry.trim());
  }
  if (has('boolean')) {
    if (TRUE.test(text)) return true;
    return FALSE.test(text) ? false : refuse(variable, 'is neither true nor false');
  }
  if (has('integer', 'number'))
    return /^-?\d{1,15}$/.test(text) ? Number(text) : refuse(variable, 'is no whole number');
  // A map in another form than JSON is somebody else's variable: `SESSION=ubuntu` of a desktop.
  return undefined;
}

/**
 * The keys that an environment gives for a file of a schema, in the order of their lists. An empty variable is no value.
 * Throws `invalid`, naming the variable.
 */
export function readEnvironment(schema: TSchema, env: NodeJS.ProcessEnv): EnvironmentKey[] {
  const keys: EnvironmentKey[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (text === undefined || text === '') continue;
    const found = find(schema, variable.toUpperCase().split('_'));
    if (found === undefined) continue;
    const value = meant(variable, text, formsOf(found.at));
    if (value === undefined) continue;
    keys.push({ variable, path: found.path, value: new Secret(JSON.stringify(value)) });
  }
  const order = ({ path }: EnvironmentKey): string =>
    path.map((step) => String(step).padStart(3, '0')).join('\u0000');
  return keys.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** As `readEnvironment`, and takes what it read out of the environment. */
export function takeEnvironment(schema: TSchema, env: NodeJS.ProcessEnv): EnvironmentKey[] {
  const keys = readEnvironment(schema, env);
  for (const { variable } of keys) delete env[variable];
  return keys;
}

/** What a file says with the keys in the place of its own; maps are merged, lists replaced. Throws `invalid`. */
export function overlay(raw: unknown, keys: readonly EnvironmentKey[]): unknown {
  return keys.reduce((whole: unknown, { variable, path, value }) => {
    // Written by this module.
    const given: unknown = JSON.parse(value.reveal());
    return placed(whole, path, given, variable);
  }, raw);
}

function placed(
  whole: unknown,
  [step, ...rest]: readonly (string | number)[],
  value: unknown,
  variable: string,
): unknown {
  if (step === undefined) return merged(whole, value);
  if (typeof step === 'string') {
    const record = isRecord(whole) ? whole : {};
    return { ...record, [step]: placed(record[step], rest, value, variable) };
  }
  const list: unknown[] = Array.isArray(whole) ? [...whole] : [];
  if (step > INDEX_MAX || step > list.length)
    refuse(variable, `leaves a gap: the list has ${list.length} entries before it`);
  list[step] = placed(list[step], rest, value, variable);
  return list;
}

/** Two values as one: maps are merged, whatever else there is after replaces what was before. */
export function merged(before: unknown, value: unknown): unknown {
  if (!isRecord(before) || !isRecord(value)) return value;
  return Object.fromEntries([
    ...Object.entries(before),
    ...Object.entries(value).map(([name, part]) => [name, merged(before[name], part)] as const),
  ]);
}

/** Which variable gave a key, by its path with dots, such as `serve.public.port`: for messages about it. */
export function variablesByPath(keys: readonly EnvironmentKey[]): ReadonlyMap<string, string> {
  return new Map(
    keys.map(({ path, variable }) => [
      path
        .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${step}`))
        .join(''),
      variable,
    ]),
  );
}
