/**
 * The words of Kratos's command line, for the program under the name `kratos`: here those that start it. It must never do
 * less than a script that calls it expects without saying so.
 */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { define } from '../command.ts';
import { usageError } from '../exit.ts';
import { done, note } from '../talk.ts';
import { programVersion } from '../version.ts';
import { registerKratosIdentities } from './account-kratos-identities.ts';
import { registerKratosTools } from './account-kratos-tools.ts';

/** Adds the words. */
export function register(program: Command): void {
  registerKratosIdentities(program);
  registerKratosTools(program);
  define(program, 'version', 'The version of this program', {
    run: () => ({ machine: programVersion(), json: { version: programVersion() } }),
  });

  define(program, 'serve [what]', 'Serve the ports of Kratos, in the foreground', {
    options: [
      ['-c, --config <file>', 'a kratos.yml; the part accounts: of the server without it'],
      ['--dev', 'taken: cookies are bound to HTTPS where the public address is'],
      ['--watch-courier', 'taken: messages are always sent from here'],
      ['--sqa-opt-out', 'taken: nothing is told to anybody'],
    ],
    examples: ['serve -c kratos.yml'],
    run: async ({ args: [what = 'all'], flags }) => {
      if (what !== 'all') throw usageError(`serve ${what}: it is all`);
      const { serveHere } = await import('./server.ts');
      const file = flags.text('config');
      note('dsn is not used: state is in the server home, or in POSTERN_DATABASE (postgres://…)');
      return serveHere({
        dialect: 'kratos',
        ...(file === undefined ? {} : { kratosFile: file }),
      });
    },
  });

  const migrate = program.command('migrate').description('Tables').helpCommand(false);
  define(migrate, 'sql [what]', 'Nothing to do: the server keeps its tables up to date itself', {
    options: [
      ['-c, --config <file>', 'taken and not used'],
      ['-e, --read-from-env', 'taken and not used'],
      ['-y, --yes', 'taken and not used'],
    ],
    run: ({ args: [what = 'up'] }) => {
      if (what === 'down')
        throw new PosternError('unsupported', 'kratos migrate sql down is not supported', {
          hint: 'Restore a backup that was made before the upgrade',
        });
      done('Nothing to do: the server brings its tables up to date when it starts');
      return undefined;
    },
  });

  const courier = program.command('courier').description('Messages').helpCommand(false);
  define(courier, 'watch', 'Messages are sent by the server itself', {
    options: [['-c, --config <file>', 'taken and not used']],
    run: () => {
      throw new PosternError('unsupported', 'kratos courier watch is not a process of its own', {
        hint: '`kratos serve` sends the messages; several servers on one database share the work',
      });
    },
  });
}
