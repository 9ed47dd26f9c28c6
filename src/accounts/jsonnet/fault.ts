/**
 * The one error of the Jsonnet rooms: a reason and the offset where it shows.
 * It never carries values of the program's input, which may be somebody's data.
 */

/** Refusal to read or to evaluate; `at` is an offset in the source. */
export class JsonnetFault extends Error {
  readonly at: number;
  /** What the program itself said with `error`: some callers give words of it a meaning. */
  readonly thrown: string | undefined;

  constructor(message: string, at: number, thrown?: string) {
    super(message);
    this.name = 'JsonnetFault';
    this.at = at;
    this.thrown = thrown;
  }
}

/** `line 3, column 7` (both from 1) for an offset in `source`. */
export function place(source: string, at: number): string {
  const before = source.slice(0, at);
  const line = before.split('\n').length;
  return `line ${line}, column ${at - before.lastIndexOf('\n')}`;
}
