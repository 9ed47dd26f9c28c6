/**
 * How a failure reads and which exit code it has: what failed, why, what to do, never a stack trace.
 * 64 the command line itself is wrong · 70 every other failure · a command may name another code (73, 76).
 */
import { type ErrorCode, PosternError, toPosternError } from '../kernel/index.ts';
import { EXIT_FAILURE, ExitError } from './exit.ts';
import { paint, printable } from './output.ts';
import { inDialect, session } from './session.ts';

/** Ockam's error ids, which its users' scripts look for. */
const OCKAM_ID: Readonly<Record<ErrorCode, string>> = {
  invalid: 'OCK500',
  unauthenticated: 'OCK401',
  denied: 'OCK401',
  not_found: 'OCK404',
  conflict: 'OCK409',
  expired: 'OCK401',
  exhausted: 'OCK503',
  unavailable: 'OCK503',
  unsupported: 'OCK500',
  internal: 'OCK500',
};

/** Turns what was thrown, also by Node, into an error a person can act on. */
export function explainFailure(reason: unknown): PosternError {
  const error = toPosternError(reason);
  if (error.code === 'internal' && reason instanceof Error && 'syscall' in reason)
    return new PosternError('unavailable', reason.message, { cause: reason });
  return error;
}

/** Prints the failure on standard error and answers the exit code. */
export function reportFailure(reason: unknown): number {
  const { program, globals } = session();
  const error = explainFailure(reason);
  const id = program === 'ockam' ? ` (${OCKAM_ID[error.code]})` : '';
  const lines = [`${paint('red', '✘', 'err')} ${error.message}${id}`];
  if (error.hint !== undefined) lines.push(paint('dim', `  ${hintLine(error.hint)}`, 'err'));
  if (error.decisionId !== undefined)
    lines.push(paint('dim', `  why: ${program} explain ${error.decisionId}`, 'err'));
  // A fault nobody foresaw has no other word than its cause.
  const isUnforeseen = error.code === 'internal' && error.hint === undefined;
  if ((globals.verbosity > 0 || isUnforeseen) && error.cause !== undefined)
    lines.push(paint('dim', `  cause: ${describeCause(error.cause)}`, 'err'));
  process.stderr.write(`${printable(lines.join('\n'))}\n`);
  return error instanceof ExitError ? error.exitCode : EXIT_FAILURE;
}

/** A bare command, path or page is announced; a sentence speaks for itself. */
function hintLine(hint: string): string {
  const isBare = /^(`?postern [a-z]|docs\/|\/)/.test(hint);
  return `${isBare ? 'see: ' : ''}${inDialect(hint)}`;
}

function describeCause(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.split('\n')[0] ?? '';
}
