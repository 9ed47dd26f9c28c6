/**
 * The words of Keto's command line (reference: its v26.2, and the forms of older versions that scripts hold), for the
 * program under the name `keto`. It talks REST where Keto's talks gRPC: a Keto port serves both. Without a remote it
 * talks with this machine's server.
 */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { define, type Flags, family } from '../command.ts';
import { usageError } from '../exit.ts';
import { field } from '../json.ts';
import type { Result } from '../output.ts';
import type { Query } from '../permission-client.ts';
import { programVersion } from '../version.ts';
import { formatOptions, ketoResult, ketoServer, remoteOptions } from './permission-keto-remote.ts';
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
      const client = ketoServer(flags, 'read');
      const { isAllowed } = await askCheck(client, readTupleWords(args), query);
      return ketoResult(flags, {
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
      const tree = await ketoServer(flags, 'read').ask('GET', '/relation-tuples/expand', { query });
      return ketoResult(flags, { text: expandText(tree), json: tree });
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
      ['-b, --block', 'wait until it is'],
      ['--timeout <duration>', 'at most so long'],
      ...remoteOptions,
    ],
    run: ({ flags }) => readiness(flags),
  });

  define(program, 'version', 'The version of this program', {
    run: () => ({ machine: programVersion(), json: { version: programVersion() } }),
  });

  for (const [usage, hint] of [
    ['serve [words...]', '`postern server start` serves the ports of Keto'],
    ['migrate [words...]', '`postern server start` brings its tables up to date itself'],
  ] as const)
    define(program, usage, 'Not needed here', {
      isHidden: true,
      run: () => {
        throw new PosternError('unsupported', `keto ${usage.split(' ')[0]} is not needed here`, {
          hint,
        });
      },
    }).allowUnknownOption();
}

const POLL_MS = 500;

async function readiness(flags: Flags): Promise<Result> {
  const endpoint = flags.text('endpoint') ?? 'read';
  if (endpoint !== 'read' && endpoint !== 'write')
    throw usageError(`--endpoint "${endpoint}" is not read or write`);
  const client = ketoServer(flags, endpoint);
  const limitMs = flags.durationMs('timeout');
  const deadlineMs = limitMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + limitMs;
  for (;;) {
    try {
      const answer = await client.ask('GET', '/health/ready');
      if (field(answer, 'status') === 'ok')
        return { machine: 'SERVING', json: { status: 'SERVING' } };
      throw new PosternError('unavailable', 'The server is not ready');
    } catch (error) {
      if (!flags.has('block') || Date.now() > deadlineMs) throw error;
      await new Promise((wake) => setTimeout(wake, POLL_MS));
    }
  }
}
