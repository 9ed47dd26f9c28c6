/** `permission create|delete|get|watch`: the tuples that are stored. */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { parseSubject, printTuple, type Tuple } from '../../permissions/light.ts';
import { define, type Flags } from '../command.ts';
import { asUsage, usageError } from '../exit.ts';
import { field, list, text } from '../json.ts';
import { paint, printable, type Result } from '../output.ts';
import {
  type PermissionClient,
  permissionServer,
  type Query,
  serverOptions,
} from '../permission-client.ts';
import { session } from '../session.ts';
import { readSource } from '../source-file.ts';
import { confirm, done, next } from '../talk.ts';
import { shownTuple, tupleTable } from './permission-print.ts';
import {
  readInstantMs,
  readTupleJson,
  readTupleLines,
  readTupleWords,
  subjectQuery,
  tupleJson,
} from './permission-words.ts';

export const filterOptions: readonly (readonly [string, string])[] = [
  ['--namespace <name>', 'of this namespace'],
  ['--object <name>', 'of this object'],
  ['--relation <name>', 'of this relation'],
  ['--subject-id <id>', 'with this subject id'],
  ['--subject-set <set>', 'with this set, NAMESPACE:OBJECT[#RELATION]'],
];
const FILTER_FLAGS = ['namespace', 'object', 'relation', 'subjectId', 'subjectSet'] as const;

/** The query of the filter flags. Throws a usage error. */
export function filterQuery(flags: Flags): Query {
  const [id, set] = [flags.text('subjectId'), flags.text('subjectSet')];
  if (id !== undefined && set !== undefined)
    throw usageError('Give --subject-id or --subject-set, not both');
  return [
    ['namespace', flags.text('namespace')],
    ['object', flags.text('object')],
    ['relation', flags.text('relation')],
    ...(id === undefined ? [] : subjectQuery({ id })),
    ...(set === undefined ? [] : subjectQuery(readSet(set))),
  ];
}

function readSet(word: string): ReturnType<typeof parseSubject> {
  const subject = asUsage(() => parseSubject(word));
  if ('set' in subject) return subject;
  throw usageError(`"${word}" is not NAMESPACE:OBJECT[#RELATION]`);
}

/** Tuples of a file, in JSON or in the text notation. Throws a usage error, which names the place. */
export function readTupleFile(file: string): Tuple[] {
  const source = readSource(file);
  const isJson = /^\uFEFF?\s*[[{]/.test(source);
  const name = file === '-' ? 'standard input' : file;
  return isJson ? readTupleJson(source, name) : readTupleLines(source, name);
}

/** The tuples that the words or the files name. Throws a usage error. */
function givenTuples(args: readonly string[], flags: Flags): Tuple[] {
  const files = flags.list('file');
  if (files.length > 0 && args.length > 0) throw usageError('Give a tuple or --file, not both');
  if (files.length > 0) return files.flatMap(readTupleFile);
  if (args.length === 1 && args[0] === '-') return readTupleFile('-');
  const areAllWhole = args.length > 0 && args.every((word) => /:.*#.*@/s.test(word));
  const tuples = areAllWhole ? args.map((word) => readTupleWords([word])) : [readTupleWords(args)];
  const expiry = flags.text('expiresAt');
  if (expiry === undefined) return tuples;
  const expiresAtMs = readInstantMs(expiry, '--expires-at');
  return tuples.map((tuple) => ({ ...tuple, expiresAtMs }));
}

/** Writes tuples in one transaction. Throws the server's error. */
export async function writeTuples(
  client: PermissionClient,
  action: 'insert' | 'delete',
  tuples: readonly Tuple[],
): Promise<void> {
  if (tuples.length === 0) return;
  const body = tuples.map((t) => ({ action, relation_tuple: tupleJson(t) }));
  await client.ask('PATCH', '/admin/relation-tuples', { body });
}

const plural = (count: number): string => `${count} ${count === 1 ? 'tuple' : 'tuples'}`;

function written(tuples: readonly Tuple[], verb: string): Result {
  const [only] = tuples;
  const what = tuples.length === 1 && only !== undefined ? printTuple(only) : plural(tuples.length);
  done(printable(`${what} ${verb}`));
  return { machine: tuples.map(printTuple).join('\n'), plain: '', json: tuples.map(tupleJson) };
}

/** Adds the commands. */
export function registerTuples(permission: Command): void {
  define(permission, 'create [words...]', 'Store tuples', {
    options: [
      ['-f, --file <file>', 'tuples in JSON or one a line; - for standard input', 'list'],
      ['--expires-at <instant>', 'until then, such as 2030-01-31T12:00:00Z'],
      ...serverOptions,
    ],
    examples: [
      'permission create User:ann viewers Doc:readme',
      "permission create 'Doc:readme#viewers@User:ann' 'Doc:readme#owners@User:bob'",
      'permission create --file tuples.json',
    ],
    run: async ({ args, flags }) => {
      const tuples = givenTuples(args, flags);
      await writeTuples(permissionServer(flags), 'insert', tuples);
      const result = written(tuples, 'stored');
      const [first] = tuples;
      if (first !== undefined) next(`postern permission get --namespace ${first.namespace}`);
      return result;
    },
  });

  define(permission, 'delete [words...]', 'Delete tuples, or all that match a filter', {
    options: [
      ['-f, --file <file>', 'tuples in JSON or one a line; - for standard input', 'list'],
      ...filterOptions,
      ['-y, --yes', 'do not ask'],
      ...serverOptions,
    ],
    examples: [
      'permission delete User:ann viewers Doc:readme',
      'permission delete --namespace Doc --object readme',
    ],
    run: ({ args, flags }) => {
      const isFiltered = FILTER_FLAGS.some((name) => flags.text(name) !== undefined);
      if (!isFiltered) return deleteThese(givenTuples(args, flags), flags);
      if (args.length > 0 || flags.list('file').length > 0)
        throw usageError('Give tuples or a filter, not both');
      return deleteMatching(flags);
    },
  });

  registerReading(permission);
}

async function deleteThese(tuples: readonly Tuple[], flags: Flags): Promise<Result> {
  await writeTuples(permissionServer(flags), 'delete', tuples);
  return written(tuples, 'deleted');
}

async function deleteMatching(flags: Flags): Promise<Result | undefined> {
  if (flags.text('namespace') === undefined) throw usageError('A filter needs --namespace');
  const client = permissionServer(flags);
  const query = filterQuery(flags);
  const found = await client.ask('GET', '/relation-tuples', {
    query: [...query, ['page_size', '500']],
  });
  const tuples = list(field(found, 'relation_tuples'));
  const isMore = text(found, 'next_page_token') !== '';
  if (tuples.length === 0) return { plain: 'No tuple matches.', machine: '', json: [] };
  const count = isMore ? `more than ${plural(tuples.length)}` : plural(tuples.length);
  const question = `Delete ${count}? Who relies on them is denied at once`;
  if (!(await confirm(question, flags.has('yes')))) return undefined;
  await client.ask('DELETE', '/admin/relation-tuples', { query });
  done(`${isMore ? 'All tuples that match' : plural(tuples.length)} deleted`);
  return { machine: '', plain: '', json: { deleted: true } };
}

function registerReading(permission: Command): void {
  define(permission, 'get', 'The tuples that are stored', {
    options: [
      ...filterOptions,
      ['--page-size <number>', 'one page of so many, in place of all'],
      ['--page-token <token>', 'the page that this token names'],
      ...serverOptions,
    ],
    examples: ['permission get', 'permission get --namespace Doc --subject-set User:ann'],
    run: async ({ flags }) => {
      const { tuples, json } = await getTuples(flags, filterQuery(flags));
      return {
        machine: tuples.map(shownTuple).join('\n'),
        plain: tupleTable(tuples, 'No tuple matches. Store one: postern permission create'),
        json,
      };
    },
  });

  define(permission, 'watch', 'Changes of tuples as they are committed', {
    options: [
      ['--since <cursor>', 'from this cursor on; from now without it'],
      ['--namespace <name>', 'of this namespace alone'],
      ...serverOptions,
    ],
    examples: ['permission watch', 'permission watch --namespace Doc'],
    run: async ({ flags }) => {
      const query: Query = [
        ['cursor', flags.text('since')],
        ['namespace', flags.text('namespace')],
      ];
      for await (const { data } of permissionServer(flags).events('/relation-tuples/watch', query))
        for (const line of changeLines(data)) process.stdout.write(`${line}\n`);
      throw new PosternError('unavailable', 'The server ended the watch', {
        hint: 'Go on from the last cursor: `postern permission watch --since CURSOR`',
      });
    },
  });
}

/** One page when a page is asked for, else every page. Throws the server's error. */
export async function getTuples(
  flags: Flags,
  query: Query,
  client: PermissionClient = permissionServer(flags),
  size: string | undefined = flags.text('pageSize'),
): Promise<{ tuples: readonly unknown[]; nextPageToken: string; json: unknown }> {
  const isOne = size !== undefined || flags.text('pageToken') !== undefined;
  const tuples: unknown[] = [];
  let token = flags.text('pageToken');
  for (;;) {
    const paged: Query = [...query, ['page_size', size], ['page_token', token]];
    const answer = await client.ask('GET', '/relation-tuples', { query: paged });
    tuples.push(...list(field(answer, 'relation_tuples')));
    token = text(answer, 'next_page_token');
    const isDone = isOne || token === '';
    if (isDone)
      return {
        tuples,
        nextPageToken: token,
        json: { relation_tuples: tuples, next_page_token: token },
      };
  }
}

/** An event as lines: for a person what changed, for a script and with --output json the event itself. */
function changeLines(event: unknown): string[] {
  const { isStdoutTerminal, globals } = session();
  const isForPeople = globals.output === 'plain' || (globals.output === 'auto' && isStdoutTerminal);
  if (!isForPeople) return [JSON.stringify(event)];
  const changes = list(field(event, 'changes'));
  return (changes.length === 0 ? [event] : changes).flatMap((change) => {
    const tuple = field(change, 'relation_tuple') ?? field(change, 'tuple');
    if (tuple === undefined) return [];
    const isInsert = text(change, 'operation') === 'insert';
    const sign = isInsert ? paint('green', '+ stored ') : paint('red', '- deleted');
    return [printable(`${sign} ${shownTuple(tuple)}`)];
  });
}
