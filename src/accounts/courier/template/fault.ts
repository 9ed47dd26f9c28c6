/** What goes wrong in a message template, with the place an operator has to look at. Pure. */
import { PosternError } from '../../../kernel/index.ts';

/** A place in a template file; lines count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** An `invalid` error that names the file and the line. */
export function templateFault(place: Place, message: string, hint?: string): PosternError {
  return new PosternError('invalid', `${place.file}:${place.line}: ${message}`, {
    facts: { file: place.file, line: place.line },
    ...(hint === undefined ? {} : { hint }),
  });
}
