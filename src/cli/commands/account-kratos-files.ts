/** The identity files of `kratos import` and `kratos validate`: one identity each, or a list of them, or standard input. */
import { readFileSync } from 'node:fs';
import { PosternError } from '../../kernel/index.ts';
import { field } from '../json.ts';
import { note } from '../talk.ts';

/** More than a page of a large export, less than what would fill the memory. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

export interface IdentityFile {
  /** Where it stands: `people.json[3]`. */
  readonly source: string;
  readonly identity: unknown;
}

/** The identities of files, in their order; of standard input without any. Throws `invalid` or `not_found`. */
export function readIdentities(files: readonly string[]): IdentityFile[] {
  if (files.length === 0) return identitiesOf('STD_IN', textOf(0, 'Standard input'));
  return files.flatMap((file) => identitiesOf(file, textOf(file, file)));
}

function textOf(from: string | 0, name: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(from);
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
    throw new PosternError('not_found', `${name} can't be read${why}`, { cause });
  }
  if (bytes.length > FILE_BYTES_MAX) throw new PosternError('invalid', `${name} is too long`);
  return bytes.toString();
}

function identitiesOf(name: string, text: string): IdentityFile[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PosternError('invalid', `${name} is no JSON`, { cause });
  }
  // What `list identities --format json` prints is taken too.
  const listed = field(value, 'identities');
  const all: readonly unknown[] = Array.isArray(value)
    ? value
    : Array.isArray(listed)
      ? listed
      : [value];
  return all.map((identity, i) => ({ source: `${name}[${i}]`, identity }));
}

/** What a server says of an identity by itself. */
const SAID_BY_SERVER = ['id', 'schema_url', 'state_changed_at', 'created_at', 'updated_at'];
const SAID_OF_CREDENTIALS = ['created_at', 'updated_at'];
/** Secrets of second factors, and what no identity can be created with: people set these up anew. */
const NEVER_MOVED = ['totp', 'lookup_secret', 'saml'];

export interface MovedIdentity {
  /** As it can be created. */
  readonly identity: unknown;
  /** The credentials that do not come along, by their types. */
  readonly leftOut: readonly string[];
}

/**
 * An identity as Kratos shows it, ready to be created elsewhere: without what the server said of it, and without the
 * credentials that can't be moved or whose content was not asked for. Anything else stays, for the server to judge.
 */
export function movedIdentity(given: unknown): MovedIdentity {
  if (!isObject(given)) return { identity: given, leftOut: [] };
  const identity = without(given, SAID_BY_SERVER);
  for (const name of ['organization_id', 'external_id'])
    if (identity[name] === null) delete identity[name];
  const { credentials } = given;
  if (!isObject(credentials)) return { identity, leftOut: [] };
  const kept: [string, unknown][] = [];
  const leftOut: string[] = [];
  for (const [type, credential] of Object.entries(credentials)) {
    const isEmpty = isObject(credential) && 'type' in credential && credential['config'] == null;
    if (NEVER_MOVED.includes(type) || isEmpty) leftOut.push(type);
    else
      kept.push([
        type,
        isObject(credential) ? without(credential, SAID_OF_CREDENTIALS) : credential,
      ]);
  }
  return { identity: { ...identity, credentials: Object.fromEntries(kept) }, leftOut };
}

/** Says which credentials stayed behind, and of how many people. */
export function tellLeftOut(moved: readonly MovedIdentity[]): void {
  const counts = new Map<string, number>();
  for (const type of moved.flatMap(({ leftOut }) => leftOut))
    counts.set(type, (counts.get(type) ?? 0) + 1);
  if (counts.size === 0) return;
  const told = [...counts].map(([type, count]) => `${type} of ${count}`).join(', ');
  note(
    `Credentials that did not come along: ${told}. These people sign in by what did, or recover.`,
  );
}

type Fields = Record<string, unknown>;
const isObject = (value: unknown): value is Readonly<Fields> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function without(given: Readonly<Fields>, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(given).filter(([name]) => !names.includes(name)));
}
