/**
 * The formats of `--format` of Keto and Kratos (reference: the printing of ory/x's cmdx): text, JSON, YAML, and one value out of the
 * JSON by a JSON pointer (RFC 6901) or by a path of names and numbers between dots.
 */
import { stringify } from 'yaml';
import type { Flags } from '../command.ts';
import { usageError } from '../exit.ts';
import { field } from '../json.ts';
import type { Result } from '../output.ts';
import { session } from '../session.ts';

const FORMATS = ['default', 'table', 'quiet', 'json', 'json-pretty', 'yaml'];
const SELECTORS = ['jsonpath=PATH', 'jsonpointer=POINTER'];
export const formatOptions: readonly (readonly [string, string])[] = [
  ['--format <format>', [...FORMATS, ...SELECTORS].join(', ')],
];

/** The value below a name or a number; undefined when there is none. */
function step(value: unknown, key: string): unknown {
  if (!Array.isArray(value))
    return Object.hasOwn(Object(value), key) ? field(value, key) : undefined;
  const items: readonly unknown[] = value;
  return /^(0|[1-9]\d*)$/.test(key) ? items[Number(key)] : undefined;
}

/** Throws a usage error for what is no pointer, or leads nowhere. */
function atPointer(value: unknown, pointer: string): unknown {
  if (pointer !== '' && !pointer.startsWith('/'))
    throw usageError(`The JSON pointer "${pointer}" does not begin with /`);
  const keys = pointer.split('/').slice(1);
  const found = keys.reduce(
    (at: unknown, key) => step(at, key.replaceAll('~1', '/').replaceAll('~0', '~')),
    value,
  );
  if (found === undefined) throw usageError(`The JSON pointer "${pointer}" leads nowhere`);
  return found;
}

/** `a.0.b`; `#` stands for how many there are, and before more of the path for each of them. A dot in a name is `\.`. */
function atPath(value: unknown, keys: readonly string[]): unknown {
  const [key, ...rest] = keys;
  if (key === undefined) return value;
  if (key !== '#') return atPath(step(value, key), rest);
  if (!Array.isArray(value)) return undefined;
  if (rest.length === 0) return value.length;
  return value.map((item: unknown) => atPath(item, rest)).filter((found) => found !== undefined);
}

function keysOf(path: string): string[] {
  if (/[*?|@()!{}]/.test(path))
    throw usageError(
      `The path "${path}" has more than names, numbers and # between dots`,
      'Ask for --format json, and take what you need with jq',
    );
  return path.split(/(?<!\\)\./).map((key) => key.replaceAll('\\.', '.'));
}

function selected(format: string, json: unknown): unknown {
  const at = format.indexOf('=');
  const [name, what] = [format.slice(0, at), format.slice(at + 1)];
  if (at < 0 || what === '') throw usageError(`--format ${format} is missing what to select`);
  // What is not there is null, as Ory's tools print it.
  return name === 'jsonpath' ? (atPath(json, keysOf(what)) ?? null) : atPointer(json, what);
}

/** What a command has to show: for people, as JSON, and the few words of `-q`. */
export interface Shown {
  readonly text: string;
  readonly json: unknown;
  readonly quiet?: string;
}

/** The result in the format that the flag of Ory's tools asks for. Throws a usage error. */
export function oryResult(flags: Flags, shown: Shown): Result {
  const format = session().globals.isQuiet ? 'quiet' : (flags.text('format') ?? 'default');
  const as = (text: string): Result => ({ machine: text, plain: text, json: shown.json });
  const pretty = (value: unknown): Result => as(JSON.stringify(value, undefined, 2));
  if (/^json(path|pointer)\b/.test(format)) return pretty(selected(format, shown.json));
  if (!FORMATS.includes(format)) throw usageError(`--format "${format}" is not known`);
  if (format === 'json') return as(JSON.stringify(shown.json));
  if (format === 'json-pretty') return pretty(shown.json);
  if (format === 'yaml') return as(stringify(shown.json).trimEnd());
  return as(format === 'quiet' ? (shown.quiet ?? shown.text) : shown.text);
}
