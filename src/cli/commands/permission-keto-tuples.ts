/** `keto relation-tuple create|get|delete|delete-all|parse`. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Tuple } from '../../permissions/light.ts';
import { define, type Flags, family } from '../command.ts';
import { usageError } from '../exit.ts';
import { text } from '../json.ts';
import { type Result, table } from '../output.ts';
import { readSource } from '../source-file.ts';
import { note } from '../talk.ts';
import { formatOptions, oryResult, type Shown } from './ory-format.ts';
import { ketoServer, remoteOptions } from './permission-keto-remote.ts';
import { shownTuple, tupleTable } from './permission-print.ts';
import { filterOptions, filterQuery, getTuples, writeTuples } from './permission-tuples.ts';
import { readTupleJson, readTupleLines, readTupleWords, tupleJson } from './permission-words.ts';

/** As Keto: directories are read three deep, files up to 10 MB. */
const DEPTH_MAX = 3;
const FILE_BYTES_MAX = 10 * 1024 * 1024;

function filesBelow(path: string, depth: number): string[] {
  if (path === '-') return [path];
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) {
    if (depth === 0) return [];
    return readdirSync(path)
      .sort()
      .flatMap((name) => filesBelow(join(path, name), depth - 1));
  }
  if (found !== undefined && found.size > FILE_BYTES_MAX)
    throw usageError(`${path} is larger than ${FILE_BYTES_MAX} bytes`);
  return [path];
}

function readFiles(paths: readonly string[]): Tuple[] {
  return paths
    .flatMap((path) => filesBelow(path, DEPTH_MAX))
    .flatMap((file) => readTupleJson(readSource(file), file === '-' ? 'standard input' : file));
}

/** The tuples of `SUBJECT RELATION NAMESPACE:OBJECT`, of `-f`, or of files as older versions had them. */
function givenTuples(args: readonly string[], flags: Flags): Tuple[] {
  const files = flags.list('file');
  if (files.length > 0) return readFiles([...files, ...args]);
  const areFiles =
    args.length > 0 &&
    args.every((a) => a === '-' || statSync(a, { throwIfNoEntry: false }) !== undefined);
  if (areFiles || args.length === 2) return readFiles(args);
  if (args.length === 0) throw usageError('Write SUBJECT RELATION NAMESPACE:OBJECT, or -f FILE');
  return [readTupleWords(args)];
}

const lines = (tuples: readonly unknown[]): string => tuples.map(shownTuple).join('\n');

const shown = (tuples: readonly Tuple[]): Shown => {
  const json = tuples.map(tupleJson);
  const [only] = json;
  return {
    text: tupleTable(json, ''),
    json: json.length === 1 ? only : json,
    quiet: lines(json),
  };
};

/** Adds the family. */
export function registerKetoTuples(program: Command): void {
  const tuple = family(program, 'relation-tuple', 'Relation tuples', [
    'relation-tuple create alice read app:homepage',
    'relation-tuple parse tuples.txt --format json | relation-tuple create -f -',
  ]);
  const fileOption = ['-f, --file <file>', 'JSON files, directories or -', 'list'] as const;

  for (const [action, summary] of [
    ['create', 'Store tuples'],
    ['delete', 'Delete tuples'],
  ] as const)
    define(tuple, `${action} [words...]`, summary, {
      options: [fileOption, ...formatOptions, ...remoteOptions],
      examples: [`relation-tuple ${action} alice read app:homepage`],
      run: async ({ args, flags }) => {
        const tuples = givenTuples(args, flags);
        const client = await ketoServer(flags, 'write');
        await writeTuples(client, action === 'create' ? 'insert' : 'delete', tuples);
        return oryResult(flags, shown(tuples));
      },
    });

  define(tuple, 'get [words...]', 'The tuples that are stored', {
    options: [
      ...filterOptions,
      ['--page-size <number>', 'so many, at most'],
      ['--page-token <token>', 'the page that this token names'],
      ...formatOptions,
      ...remoteOptions,
    ],
    run: ({ args, flags }) => get(args, flags),
  });

  define(tuple, 'delete-all', 'Delete what matches; without --force only list it', {
    options: [...filterOptions, ['--force', 'delete it'], ...formatOptions, ...remoteOptions],
    run: ({ flags }) => deleteAll(flags),
  });

  define(tuple, 'parse <files...>', 'Read tuples in the text notation, one a line', {
    options: [fileOption, ...formatOptions],
    run: ({ args, flags }) => {
      const files = [...flags.list('file'), ...args];
      const name = (file: string): string => (file === '-' ? 'standard input' : file);
      const tuples = files.flatMap((file) => readTupleLines(readSource(file), name(file)));
      return oryResult(flags, shown(tuples));
    },
  });
}

/** Without `--force` what would go. Keto needs no namespace for it; REST does, so each is asked for on its own. */
async function deleteAll(flags: Flags): Promise<Result | undefined> {
  const query = filterQuery(flags);
  const isForced = flags.has('force');
  const namespace = flags.text('namespace');
  const reader = await ketoServer(flags, 'read');
  const isKnown = isForced && namespace !== undefined;
  const tuples = isKnown ? [] : (await getTuples(flags, query, reader)).tuples;
  if (!isForced) {
    note('Nothing is deleted without --force; it would be:');
    const json = { relation_tuples: tuples, is_last_page: true, next_page_token: '' };
    return oryResult(flags, { text: tupleTable(tuples, ''), json, quiet: lines(tuples) });
  }
  const writer = await ketoServer(flags, 'write');
  const names = new Set(
    namespace === undefined ? tuples.map((t) => text(t, 'namespace')) : [namespace],
  );
  for (const name of names)
    await writer.ask('DELETE', '/admin/relation-tuples', {
      query: query.map(([key, value]) => [key, key === 'namespace' ? name : value] as const),
    });
  return undefined;
}

/** One page, as Keto answers it. The word that older versions take is the namespace. */
async function get(args: readonly string[], flags: Flags): Promise<Result> {
  const [namespace, ...more] = args;
  if (more.length > 0) throw usageError('get takes one word at most, the namespace');
  const query = filterQuery(flags).map(([key, value]): readonly [string, string | undefined] =>
    key === 'namespace' ? [key, value ?? namespace] : [key, value],
  );
  // Without a size Keto answers one page of its default.
  const size = flags.text('pageSize') ?? '100';
  const client = await ketoServer(flags, 'read');
  const { tuples, nextPageToken } = await getTuples(flags, query, client, size);
  const isLastPage = nextPageToken === '';
  const page = table(
    ['NEXT PAGE TOKEN', 'IS LAST PAGE'],
    [[nextPageToken, String(isLastPage)]],
    '',
  );
  return oryResult(flags, {
    text: `${tupleTable(tuples, 'NAMESPACE  OBJECT  RELATION NAME  SUBJECT')}\n\n${page}`,
    json: { relation_tuples: tuples, is_last_page: isLastPage, next_page_token: nextPageToken },
    quiet: lines(tuples),
  });
}
