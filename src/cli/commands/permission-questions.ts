/** `permission check|expand|list-objects|list-subjects|explain`: what a server's tuples and model say. */
import type { Command } from 'commander';
import { printSubject, type Tuple } from '../../permissions/light.ts';
import { define, type Flags } from '../command.ts';
import { usageError } from '../exit.ts';
import { field, list, text } from '../json.ts';
import { paint } from '../output.ts';
import {
  failureOf,
  type PermissionClient,
  permissionServer,
  type Query,
  serverOptions,
} from '../permission-client.ts';
import { next } from '../talk.ts';
import { expandText, traceText } from './permission-print.ts';
import {
  placeQuery,
  readPlaceWords,
  readSubject,
  readTupleWords,
  subjectOfJson,
  subjectQuery,
} from './permission-words.ts';

const EXIT_DENIED = 1;
/** Keto answers a check that is denied with 403. */
const STATUS_DENIED = 403;

export const askOptions: readonly (readonly [string, string])[] = [
  ['-d, --max-depth <depth>', 'how deep to look, as Keto counts'],
  ['--snaptoken <token>', 'not older than the write that gave this token'],
  ['--latest', 'after everything that was written until now'],
  ...serverOptions,
];

/** The query of what every question may say. Throws a usage error. */
export function askQuery(flags: Flags): Query {
  const depth = flags.text('maxDepth');
  if (depth !== undefined && !/^\d+$/.test(depth))
    throw usageError(`--max-depth "${depth}" is not a number`);
  return [
    ['max-depth', depth],
    ['snaptoken', flags.text('snaptoken')],
    ['latest', flags.has('latest') ? 'true' : undefined],
  ];
}

/** Asks whether a tuple holds. Throws the server's error. */
export async function askCheck(
  client: PermissionClient,
  t: Tuple,
  query: Query,
): Promise<{ isAllowed: boolean; answer: unknown }> {
  const asked: Query = [...placeQuery(t), ...subjectQuery(t.subject), ...query];
  const answer = await client.ask('GET', '/relation-tuples/check', {
    query: asked,
    alsoAnswers: [STATUS_DENIED],
  });
  // A gate in front of the server refuses with 403 as well, and says nothing of what is allowed.
  if (typeof field(answer, 'allowed') !== 'boolean') throw failureOf(STATUS_DENIED, answer);
  return { isAllowed: field(answer, 'allowed') === true, answer };
}

/** Adds the commands. */
export function registerQuestions(permission: Command): void {
  define(permission, 'check <words...>', 'Ask whether a subject may do something with an object', {
    options: [...askOptions, ['--exit-code', 'exit with 1 when it is denied']],
    examples: [
      'permission check User:ann view Doc:readme',
      "permission check 'Doc:readme#view@User:ann' --exit-code",
    ],
    run: async ({ args, flags }) => {
      const tuple = readTupleWords(args);
      const query = askQuery(flags);
      const { isAllowed, answer } = await askCheck(permissionServer(flags), tuple, query);
      if (!isAllowed && flags.has('exitCode')) process.exitCode = EXIT_DENIED;
      const word = isAllowed ? 'Allowed' : 'Denied';
      if (!isAllowed) next(`postern permission explain ${args.map(quoted).join(' ')}`);
      return { machine: word, plain: paint(isAllowed ? 'green' : 'red', word), json: answer };
    },
  });

  define(permission, 'explain <words...>', 'Why a check is allowed or denied', {
    options: askOptions,
    examples: ['permission explain User:ann view Doc:readme'],
    run: async ({ args, flags }) => {
      const tuple = readTupleWords(args);
      const query: Query = [
        ...placeQuery(tuple),
        ...subjectQuery(tuple.subject),
        ...askQuery(flags),
      ];
      const answer = await permissionServer(flags).ask('GET', '/relation-tuples/explain', {
        query,
        alsoAnswers: [STATUS_DENIED],
      });
      return { plain: explained(answer), json: answer };
    },
  });

  define(permission, 'expand <words...>', 'Who is in a relation to an object, as a tree', {
    options: askOptions,
    examples: ['permission expand view Doc:readme', "permission expand 'Doc:readme#view'"],
    run: async ({ args, flags }) => {
      const query: Query = [...placeQuery(readPlaceWords(args)), ...askQuery(flags)];
      const tree = await permissionServer(flags).ask('GET', '/relation-tuples/expand', { query });
      return { plain: expandText(tree), json: tree };
    },
  });

  registerLists(permission);
}

const pageOptions: readonly (readonly [string, string])[] = [
  ['--page-size <number>', 'one page of so many, in place of all'],
  ['--page-token <token>', 'the page that this token names'],
];

function registerLists(permission: Command): void {
  define(
    permission,
    'list-objects <words...>',
    'The objects that a subject may do something with',
    {
      options: [...pageOptions, ...askOptions],
      examples: ['permission list-objects User:ann view Doc'],
      run: async ({ args, flags }) => {
        const [subject, relation, namespace, ...more] = args;
        if (
          subject === undefined ||
          relation === undefined ||
          namespace === undefined ||
          more.length
        )
          throw usageError('Write SUBJECT RELATION NAMESPACE');
        const query: Query = [
          ['namespace', namespace],
          ['relation', relation],
          ...subjectQuery(readSubject(subject)),
          ...askQuery(flags),
        ];
        const found = await pages(flags, '/relation-tuples/list-objects', query, 'objects');
        const names = found.items.map(String);
        const empty = `${subject} has ${relation} on nothing in ${namespace}`;
        return { machine: names.join('\n'), plain: names.join('\n') || empty, json: found.json };
      },
    },
  );

  define(
    permission,
    'list-subjects <words...>',
    'The subjects that may do something with an object',
    {
      options: [
        ['--of <namespace>', 'objects of this namespace; plain ids without it'],
        ...pageOptions,
        ...askOptions,
      ],
      examples: ['permission list-subjects view Doc:readme --of User'],
      run: async ({ args, flags }) => {
        const place = readPlaceWords(args);
        const query: Query = [
          ...placeQuery(place),
          ['subject_namespace', flags.text('of')],
          ...askQuery(flags),
        ];
        const found = await pages(flags, '/relation-tuples/list-subjects', query, 'subjects');
        const names = found.items.map((item) => {
          const subject = subjectOfJson(item);
          return subject === undefined ? String(item) : printSubject(subject);
        });
        const empty = `Nobody has ${place.relation} on ${place.namespace}:${place.object}`;
        return { machine: names.join('\n'), plain: names.join('\n') || empty, json: found.json };
      },
    },
  );
}

/** One page when a page is asked for, else every page. The JSON has the server's shape. */
async function pages(
  flags: Flags,
  path: string,
  query: Query,
  name: string,
): Promise<{ items: readonly unknown[]; json: unknown }> {
  const client = permissionServer(flags);
  const size = flags.text('pageSize');
  const isOne = size !== undefined || flags.text('pageToken') !== undefined;
  const items: unknown[] = [];
  let token = flags.text('pageToken');
  for (;;) {
    const paged: Query = [...query, ['page_size', size], ['page_token', token]];
    const answer = await client.ask('GET', path, { query: paged });
    items.push(...list(field(answer, name)));
    token = text(answer, 'next_page_token');
    if (isOne) return { items, json: answer };
    if (token === '') return { items, json: { [name]: items, next_page_token: '' } };
  }
}

function explained(answer: unknown): string {
  const allowed = field(answer, 'allowed');
  const head =
    allowed === true
      ? paint('green', 'Allowed')
      : allowed === false
        ? paint('red', 'Denied')
        : paint('yellow', 'Not known');
  const error = field(answer, 'error');
  const why = typeof error === 'string' ? error : text(error, 'reason') || text(error, 'message');
  const trace = field(answer, 'tree');
  return [
    why === '' ? head : `${head}: ${why}`,
    ...(trace === undefined ? [] : [traceText(trace)]),
  ].join('\n');
}

const quoted = (word: string): string =>
  /^[\w:@.,/+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
