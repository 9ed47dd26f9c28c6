/**
 * `account messages`: what was written to people, newest first, and what became of it. INVARIANT: a list never holds the
 * text of a message, since codes are in it; the text is shown for one message, and the server's audit says so.
 */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { askAccounts, mailWay, NO_MAIL } from '../account-client.ts';
import { define, type Flags } from '../command.ts';
import { asUsage, usageError } from '../exit.ts';
import { field, list, text } from '../json.ts';
import { paint, printable, type Result, relativeTime, table } from '../output.ts';
import { next, warn } from '../talk.ts';

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const LIMIT = 20;
/** What the server gives at once. */
const LIMIT_MAX = 500;
const STATUSES = ['queued', 'processing', 'sent', 'abandoned'];

function limitOf(flags: Flags): number {
  const given = flags.text('limit');
  if (given === undefined) return LIMIT;
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > LIMIT_MAX)
    throw usageError(`--limit "${given}" is no number from 1 to ${LIMIT_MAX}`);
  return limit;
}

function statusOf(flags: Flags): string | undefined {
  const given = flags.text('status');
  if (given !== undefined && !STATUSES.includes(given))
    throw usageError(`--status is one of ${STATUSES.join(', ')}`);
  return given;
}

const COLOURS = { sent: 'green', abandoned: 'red' } as const;
function statusWord(message: unknown): string {
  const word = text(message, 'status');
  return paint(word === 'sent' || word === 'abandoned' ? COLOURS[word] : 'yellow', word);
}

/** Why the last try failed; empty when none did. */
function lastError(message: unknown): string {
  return text(list(field(message, 'dispatches')).at(-1), 'error');
}

/** A message of a list: everything but its text. */
function envelope(message: unknown): unknown {
  return Object.fromEntries(Object.entries(Object(message)).filter(([name]) => name !== 'body'));
}

async function newest(
  recipient: string | undefined,
  status: string | undefined,
  limit: number,
): Promise<readonly unknown[]> {
  return list(
    await askAccounts('GET', '/courier/messages', {
      query: [
        ['page_size', String(limit)],
        ['recipient', recipient],
        ['status', status],
      ],
    }),
  );
}

async function shown(id: string): Promise<Result> {
  const message = await askAccounts('GET', `/courier/messages/${id}`);
  const error = lastError(message);
  const count = text(message, 'send_count');
  const tries =
    count === '0'
      ? 'not yet'
      : `${count === '1' ? 'once' : `${count} times`}${error === '' ? '' : `; the last: ${error}`}`;
  const rows: readonly (readonly [string, string])[] = [
    ['to', text(message, 'recipient')],
    ['type', text(message, 'template_type')],
    ['subject', text(message, 'subject') || '-'],
    ['id', text(message, 'id')],
    ['tried', tries],
  ];
  return {
    plain: [
      `${statusWord(message)} ${relativeTime(Date.parse(text(message, 'created_at')), Date.now())}`,
      ...rows.map(([name, value]) => printable(`  ${name.padEnd(9)} ${value}`)),
      '',
      text(message, 'body').trim(),
    ].join('\n'),
    machine: text(message, 'body').trim(),
    json: message,
  };
}

async function listed(messages: readonly unknown[], whom: string | undefined): Promise<Result> {
  const waiting = messages.filter((m) => text(m, 'status') === 'queued');
  const error = lastError(waiting.find((m) => lastError(m) !== ''));
  if (error !== '') warn(printable(`Some wait because their last try failed: ${error}`));
  if (waiting.length > 0 && (await mailWay()) === 'none') {
    warn(NO_MAIL.what);
    next(`postern account messages ${whom ?? 'ADDRESS'} --show   (the newest one, with its code)`);
  }
  return {
    plain: table(
      ['STATUS', 'WHEN', 'TYPE', 'TO', 'SUBJECT', 'ID'],
      messages.map((m) => [
        statusWord(m),
        relativeTime(Date.parse(text(m, 'created_at')), Date.now()),
        text(m, 'template_type'),
        text(m, 'recipient'),
        text(m, 'subject') || '-',
        text(m, 'id'),
      ]),
      whom === undefined
        ? 'No messages: nothing was written to anybody yet'
        : `No messages to ${whom}. All of them: postern account messages`,
    ),
    json: messages.map(envelope),
  };
}

/** Adds the command to its family. */
export function registerMessages(account: Command): void {
  define(account, 'messages [address-or-id]', 'List what was written to people, newest first', {
    options: [
      ['--show', 'the newest of them with its text, in which the code is'],
      ['--limit <number>', `how many; ${LIMIT} without it, ${LIMIT_MAX} at the most`],
      ['--status <status>', `those that are ${STATUSES.join(', ')}`],
    ],
    examples: [
      'account messages',
      'account messages ann@example.com --show',
      'account messages --status abandoned --limit 100',
    ],
    run: async ({ args: [given], flags }) => {
      // Addresses are kept as they are compared.
      const word = given?.trim().toLowerCase();
      const [limit, status] = asUsage(() => [limitOf(flags), statusOf(flags)] as const);
      if (word !== undefined && UUID.test(word)) return shown(word);
      const messages = await newest(word, status, flags.has('show') ? 1 : limit);
      if (!flags.has('show')) return listed(messages, word);
      const id = text(messages[0], 'id');
      if (id === '')
        throw new PosternError(
          'not_found',
          word === undefined ? 'There are no messages' : `There is no message to "${word}"`,
          {
            hint:
              word === undefined
                ? 'Nothing was written to anybody yet'
                : 'postern account messages',
          },
        );
      return shown(id);
    },
  });
}
