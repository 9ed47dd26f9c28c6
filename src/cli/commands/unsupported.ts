/** Words of the original that this program does not serve: a clear answer instead of a guess. */
import { PosternError } from '../../kernel/index.ts';
import { reportFailure } from '../failure.ts';

/** Refuses a command that is known but not served; answers the exit code. */
export function refuseUnsupported(what: string): number {
  return reportFailure(notSupported(what));
}

/** The refusal itself, for an option or a subcommand. */
export function notSupported(what: string): PosternError {
  return new PosternError('unsupported', `${what} is not supported yet`, {
    hint: 'docs/switching/ockam.md lists what is served',
  });
}
