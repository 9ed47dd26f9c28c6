/**
 * `kratos list identities` and the other words about people, of today and of 0.8 (`kratos identities list`), with the
 * shapes that Kratos prints. What fails is told by its name on standard error, what succeeds is printed all the same, and
 * the exit code says that not all did.
 */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { type CommandShape, define, type Flags, family, type Invocation } from '../command.ts';
import { EXIT_FAILURE, usageError } from '../exit.ts';
import { explainFailure } from '../failure.ts';
import { list, text } from '../json.ts';
import { type Result, table } from '../output.ts';
import type { PermissionClient, Query } from '../permission-client.ts';
import { note } from '../talk.ts';
import { movedIdentity, readIdentities, tellLeftOut } from './account-kratos-files.ts';
import { identitySchema, kratosServer, remoteOptions } from './account-kratos-remote.ts';
import { oryResult } from './ory-format.ts';

const NONE = '<none>';
const HEADING = [
  ...['ID', 'EXTERNAL ID', 'VERIFIED ADDRESSES', 'RECOVERY ADDRESSES', 'SCHEMA ID', 'SCHEMA URL'],
];

const PAGE_SIZE = '100';

function columns(identity: unknown): string[] {
  const addresses = (name: string): string =>
    list(Reflect.get(Object(identity), name))
      .map((address) => text(address, 'value'))
      .filter((value) => value !== '')
      .join(', ');
  return [
    text(identity, 'id'),
    text(identity, 'external_id') || NONE,
    addresses('verifiable_addresses') || NONE,
    addresses('recovery_addresses') || NONE,
    text(identity, 'schema_id'),
    text(identity, 'schema_url'),
  ];
}

/** One as a sheet, several as a table; as JSON the identity itself, or a list. */
function shown(flags: Flags, identities: readonly unknown[]): Result | undefined {
  const [one] = identities;
  if (identities.length === 1) {
    const cells = columns(one);
    const width = Math.max(...HEADING.map((title) => title.length));
    const sheet = HEADING.map((title, i) => `${title.padEnd(width)}  ${cells[i] ?? ''}`).join('\n');
    return oryResult(flags, { text: sheet, json: one, quiet: text(one, 'id') });
  }
  return oryResult(flags, {
    text:
      identities.length === 0 ? HEADING.join('  ') : table(HEADING, identities.map(columns), ''),
    json: identities,
    quiet: identities.map((identity) => text(identity, 'id')).join('\n'),
  });
}

/** Does something with each; what fails is told at once. Answers what the others gave. */
async function eachOf<T>(
  names: readonly string[],
  work: (name: string, at: number) => Promise<T>,
): Promise<T[]> {
  const made: T[] = [];
  for (const [at, name] of names.entries())
    try {
      made.push(await work(name, at));
    } catch (reason) {
      const { message, hint } = explainFailure(reason);
      note(`${name}: ${message}${hint === undefined ? '' : `\n  ${hint}`}`);
      process.exitCode = EXIT_FAILURE;
    }
  return made;
}

/** The token of the page that follows, out of a Link header (RFC 8288). */
function nextToken(header: unknown): string {
  const [, url = ''] = /<([^>]*)>;\s*rel="?next"?/.exec(String(header ?? '')) ?? [];
  return new URLSearchParams(url.split('?')[1] ?? '').get('page_token') ?? '';
}

async function listed({ args, flags }: Invocation, isOld: boolean): Promise<Result> {
  const [page, size = flags.text('pageSize') ?? PAGE_SIZE] = args;
  if (args.length === 1) throw usageError('list takes no words, or a page and its size');
  for (const number of [page ?? '1', size])
    if (!/^\d{1,9}$/.test(number)) throw usageError(`"${number}" is no whole number`);
  const query: Query =
    page === undefined
      ? [
          ['page_size', size],
          ['page_token', flags.text('pageToken')],
        ]
      : [
          ['page', page],
          ['per_page', size],
        ];
  const { value, headers } = await kratosServer(flags).exchange('GET', '/admin/identities', {
    query,
  });
  const identities = list(value);
  const token = nextToken(headers['link']);
  const rows = table(HEADING, [...identities.map(columns), [''], ['NEXT PAGE TOKEN', token]], '');
  return oryResult(flags, {
    text: isOld ? table(HEADING, identities.map(columns), HEADING.join('  ')) : rows,
    json: isOld ? identities : { identities, next_page_token: token },
    quiet: identities.map((identity) => text(identity, 'id')).join('\n'),
  });
}

async function got({ args, flags }: Invocation): Promise<Result | undefined> {
  const kinds = flags.list('includeCredentials');
  const odd = kinds.find((kind) => kind !== 'oidc');
  if (odd !== undefined) throw usageError(`--include-credentials "${odd}" is not oidc`);
  const query: Query = kinds.map((kind) => ['include_credential', kind] as const);
  const place = flags.has('externalId') ? '/admin/identities/by/external' : '/admin/identities';
  const server = kratosServer(flags);
  const found = await eachOf(args, (id) =>
    server.ask('GET', `${place}/${encodeURIComponent(id)}`, { query }),
  );
  return found.length === 0 ? undefined : shown(flags, found);
}

async function imported({ args, flags }: Invocation): Promise<Result | undefined> {
  const server = kratosServer(flags);
  const given = readIdentities(args);
  const moved = given.map(({ identity }) => movedIdentity(identity));
  const made = await eachOf(
    given.map(({ source }) => source),
    (_source, at) => server.ask('POST', '/admin/identities', { body: moved[at]?.identity }),
  );
  tellLeftOut(moved);
  return made.length === 0 && given.length > 0 ? undefined : shown(flags, made);
}

async function deleted({ args, flags }: Invocation): Promise<Result | undefined> {
  const server = kratosServer(flags);
  const gone = await eachOf(args, async (id) => {
    await server.ask('DELETE', `/admin/identities/${encodeURIComponent(id)}`);
    return id;
  });
  if (gone.length === 0) return undefined;
  const quiet = gone.join('\n');
  const rows = gone.length === 1 ? `ID  ${quiet}` : ['ID', ...gone].join('\n');
  return oryResult(flags, { text: rows, json: gone.length === 1 ? gone[0] : gone, quiet });
}

async function validated({ args, flags }: Invocation): Promise<Result | undefined> {
  const server = kratosServer(flags);
  const given = readIdentities(args);
  const { problemsOf } = await import('./account-kratos-validate.ts');
  const schemas = new Map<string, Promise<unknown>>();
  const schemaOf = (id: string): Promise<unknown> => {
    const found = schemas.get(id) ?? identitySchema(server, id);
    schemas.set(id, found);
    return found;
  };
  const sources = given.map(({ source }) => source);
  const right = await eachOf(sources, async (_source, at) => {
    const problems = await problemsOf(given[at]?.identity, schemaOf);
    if (problems.length > 0)
      throw new PosternError('invalid', `not valid\n  ${problems.join('\n  ')}`);
  });
  if (right.length < given.length) return undefined;
  return { machine: 'All identity files are valid.', json: { valid: true } };
}

type Run = CommandShape['run'];

/** A word below today's verb and, by its verb alone, below `identities` of 0.8. */
interface Word {
  readonly verb: string;
  readonly noun: string;
  readonly args: string;
  readonly summary: string;
  readonly options?: CommandShape['options'];
  readonly run: (invocation: Invocation, isOld: boolean) => ReturnType<Run>;
}

const WORDS: readonly Word[] = [
  {
    ...{ verb: 'list', noun: 'identities', args: '[page-and-size...]', summary: 'List identities' },
    options: [
      ['--page-size <number>', 'how many; 100 without it'],
      ['--page-token <token>', 'the token of the page before'],
      ['--consistency <level>', 'taken and not used: the answer is always current', 'hidden'],
    ],
    run: listed,
  },
  {
    ...{ verb: 'get', noun: 'identity', args: '<id...>', summary: 'Get identities by their ids' },
    options: [
      ['-i, --include-credentials <type>', 'with tokens of social sign-in: oidc', 'list'],
      ['--external-id', 'the ids are external ones'],
    ],
    run: got,
  },
  {
    ...{ verb: 'import', noun: 'identities', args: '[file...]' },
    ...{ summary: 'Create identities from files or standard input', run: imported },
  },
  {
    ...{ verb: 'delete', noun: 'identity', args: '<id...>' },
    ...{ summary: 'Delete identities by their ids', run: deleted },
  },
  {
    ...{ verb: 'validate', noun: 'identity', args: '[file...]' },
    ...{ summary: 'Check identity files against the schema of a server', run: validated },
  },
];

/** Adds the words. */
export function registerKratosIdentities(program: Command): void {
  const old = family(program, 'identities', 'People, by the words of 0.8');
  for (const { verb, noun, args, summary, options = [], run } of WORDS) {
    const shape = { options: [...options, ...remoteOptions] };
    const today = family(program, verb, summary);
    if (verb === 'list') today.alias('ls');
    define(today, `${noun} ${args}`, summary, {
      ...{ ...shape, run: (invocation) => run(invocation, false) },
      aliases: [noun === 'identity' ? 'identities' : 'identity'],
      examples: [`${verb} ${noun} ${verb === 'list' ? '--format json' : args}`],
    });
    define(old, `${verb} ${args}`, summary, {
      ...{ ...shape, run: (invocation) => run(invocation, true) },
      ...(verb === 'list' ? { aliases: ['ls'] } : {}),
    });
  }
}

/** What is asked of a server by its words `remote status` and `remote version`. */
export async function remoteState(server: PermissionClient): Promise<{
  readonly alive: boolean;
  readonly ready: boolean;
}> {
  const isOk = async (path: string): Promise<boolean> => {
    const { status } = await server.exchange('GET', path, { alsoAnswers: [503] });
    return status === 200;
  };
  return { alive: await isOk('/health/alive'), ready: await isOk('/health/ready') };
}
