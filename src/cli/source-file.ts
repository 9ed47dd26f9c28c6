/** The text of a file that the command line names. */
import { readFileSync } from 'node:fs';
import { PosternError } from '../kernel/index.ts';

/** Reads a file, or standard input for `-`. Throws `not_found`. */
export function readSource(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
    throw new PosternError('not_found', `The file ${file} can not be read${why}`, { cause });
  }
}
