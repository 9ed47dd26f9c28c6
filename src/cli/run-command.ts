/** Runs one command line from within another, as a node's configuration does: same parsing, no result printed. */
import { Command } from 'commander';
import { PosternError } from '../kernel/index.ts';
import { EXIT_USAGE, ExitError } from './exit.ts';
import { session, startSession } from './session.ts';

/** Runs a command line. Throws what the command throws; `invalid` when it can't be parsed. */
export async function runCommand(
  argv: readonly string[],
  load: () => Promise<{ register(program: Command): void }>,
): Promise<void> {
  const before = session();
  startSession({ ...before, isNested: true });
  try {
    const program = new Command(before.program);
    program.exitOverride().configureOutput({ writeErr: () => undefined });
    (await load()).register(program);
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    // The outer command line was right: what its configuration holds is an ordinary failure.
    if (error instanceof ExitError && error.exitCode === EXIT_USAGE)
      throw new PosternError('invalid', error.message, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    if (error instanceof PosternError || !(error instanceof Error)) throw error;
    throw new PosternError('invalid', `\`${argv.join(' ')}\`: ${error.message}`, { cause: error });
  } finally {
    startSession(before);
  }
}
