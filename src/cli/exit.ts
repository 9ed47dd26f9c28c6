/** Exit codes, and the failures that carry one of their own. */
import { PosternError } from '../kernel/index.ts';

export const EXIT_USAGE = 64;
export const EXIT_FAILURE = 70;

/** A failure that ends the program with an exit code of its own. */
export class ExitError extends PosternError {
  readonly exitCode: number;
  constructor(exitCode: number, error: PosternError) {
    super(error.code, error.message, {
      facts: error.facts,
      cause: error.cause,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.decisionId === undefined ? {} : { decisionId: error.decisionId }),
    });
    this.exitCode = exitCode;
  }
}

/** A failure of the command line itself: a flag or an argument that can't be read. */
export function usageError(message: string, hint?: string): ExitError {
  return new ExitError(
    EXIT_USAGE,
    new PosternError('invalid', message, hint === undefined ? {} : { hint }),
  );
}

/** Reads something that was given on the command line: what is malformed is a failure of the command line. */
export function asUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof PosternError && error.code === 'invalid' && !(error instanceof ExitError))
      throw new ExitError(EXIT_USAGE, error);
    throw error;
  }
}
