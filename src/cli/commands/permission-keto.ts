/**
 * The words of Keto's command line (reference: its v26.2, and the forms of older versions that scripts hold), for the
 * program under the name `keto`. It talks REST where Keto's talks gRPC: a Keto port serves both. Without a remote it
 * talks with this machine's server.
 */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { define, type Flags, family } from '../command.ts';
import { usageError } from '../exit.ts';
import type { Result } from '../output.ts';
import type { Query } from '../permission-client.ts';
import { done, note } from '../talk.ts';
import { programVersion } from '../version.ts';
import { formatOptions, oryResult } from './ory-format.ts';
import { ketoServer, readiness, remoteOptions } from './permission-keto-remote.ts';
import { registerKetoTuples } from './permission-keto-tuples.ts';
import { expandText } from './permission-print.ts';
import { askCheck, askQuery } from './permission-questions.ts';
import { placeQuery, readPlaceWords, readTupleWords } from './permission-words.ts';

/** Adds the words. */
export function register(program: Command): void {
  const options = [
    ['-d, --max-depth <depth>', 'how deep to look'] as const,
    ...formatOptions,
    ...remoteOptions,
  ];
  define(program, 'check <words...>', 'Ask whether a subject may do something with an object', {
    options,
    examples: ['check alice read app:homepage'],
    run: async ({ args, flags }) => {
      const query = askQuery(flags);
      const client = await ketoServer(flags, 'read');
      const { isAllowed } = await askCheck(client, readTupleWords(args), query);
      return oryResult(flags, {
        text: isAllowed ? 'Allowed' : 'Denied',
        json: { allowed: isAllowed },
      });
    },
  });

  define(program, 'expand <words...>', 'Who is in a relation to an object, as a tree', {
    options,
    examples: ['expand read app:homepage'],
    run: async ({ args, flags }) => {
      const query: Query = [...placeQuery(readPlaceWords(args)), ...askQuery(flags)];
      const client = await ketoServer(flags, 'read');
      const tree = await client.ask('GET', '/relation-tuples/expand', { query });
      return oryResult(flags, { text: expandText(tree), json: tree });
    },
  });

  registerKetoTuples(program);
  registerService(program);
}

function registerService(program: Command): void {
  const namespace = family(program, 'namespace', 'Namespaces and their models');
  define(
    namespace,
    'validate <files...>',
    'Check files of the permission language or of namespaces',
    {
      run: async ({ args }) => {
        const { validateNamespaces } = await import('./permission-keto-namespace.ts');
        return validateNamespaces(args);
      },
    },
  );

  define(program, 'status', 'Ask whether the server is ready', {
    options: [
      ['--endpoint <endpoint>', 'read or write'],
      ['--timeout <duration>', 'with --block, at most so long'],
      ...remoteOptions,
    ],
    run: ({ flags }) => status(flags),
  });

  define(program, 'version', 'The version of this program', {
    run: () => ({ machine: programVersion(), json: { version: programVersion() } }),
  });

  define(program, 'serve [what]', 'Serve the ports of Keto, in the foreground', {
    options: [
      ['-c, --config <file>', 'a keto.yml; the part permissions: of the server without it'],
    ],
    examples: ['serve -c keto.yml'],
    run: async ({ args: [what = 'all'], flags }) => {
      if (!['all', 'read', 'write'].includes(what))
        throw usageError(`serve ${what}: it is all, read or write`);
      const { serveHere } = await import('./server.ts');
      const file = flags.text('config');
      note('dsn is not used: state is in the server home, or in POSTERN_DATABASE (postgres://…)');
      return serveHere({
        dialect: 'keto',
        ...(file === undefined ? {} : { permissionsFile: file }),
      });
    },
  });

  const migrate = program.command('migrate').description('Tables').helpCommand(false);
  for (const name of ['up', 'down', 'status'])
    define(migrate, name, 'Nothing to do: the server keeps its tables up to date itself', {
      options: [
        ['-c, --config <file>', 'taken and not used'],
        ['-y, --yes', 'taken and not used'],
        ['-f, --format <format>', 'taken and not used'],
      ],
      run: () => {
        if (name === 'down')
          throw new PosternError('unsupported', 'keto migrate down is not supported', {
            hint: 'Restore a backup that was made before the upgrade',
          });
        done('Nothing to do: the server brings its tables up to date when it starts');
        return undefined;
      },
    });
}

async function status(flags: Flags): Promise<Result> {
  const endpoint = flags.text('endpoint') ?? 'read';
  if (endpoint !== 'read' && endpoint !== 'write')
    throw usageError(`--endpoint "${endpoint}" is not read or write`);
  await readiness(flags, endpoint, flags.durationMs('timeout') ?? Number.POSITIVE_INFINITY);
  return { machine: 'SERVING', json: { status: 'SERVING' } };
}
