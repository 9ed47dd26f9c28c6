/** What is wrong with a source in the permission language, and where. */

export interface Position {
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 code units; the end is the column after the last one. */
  readonly column: number;
}

export interface Problem {
  /** A warning does not keep the model from being applied. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly start: Position;
  readonly end: Position;
}
