/** The identity files of `kratos import` and `kratos validate`: one identity each, or a list of them, or standard input. */
import { readFileSync } from 'node:fs';
import { PosternError } from '../../kernel/index.ts';
import { field } from '../json.ts';

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
