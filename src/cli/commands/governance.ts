/** `token`, `audit` and `explain`: who may call the server's APIs, who did what, and why something was denied. */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { openHomeOnce } from '../access.ts';
import { define, family } from '../command.ts';
import { usageError } from '../exit.ts';
import { field, text } from '../json.ts';
import { asOperator, listOf, nameOf } from '../membership.ts';
import { paint, type Result, relativeTime, status, table } from '../output.ts';
import { done, note } from '../talk.ts';

/** Adds the families. */
export function register(program: Command): void {
  const token = family(program, 'token', "Access tokens of the server's APIs", [
    'token create ci --scope permissions:write',
    'token list',
    'token revoke ci',
  ]);
  define(token, 'create <name>', 'Create a token; it is printed once', {
    options: [
      ['--scope <scope>', 'what it may, such as permissions:write', 'list'],
      ['--expires-in <duration>', 'until when it works, such as 90d; without end without it'],
    ],
    examples: [
      'token create ci --scope permissions:write',
      'token create people --scope accounts:read --expires-in 90d',
    ],
    run: async ({ args, flags }) => {
      const expiresInMs = flags.durationMs('expiresIn');
      if (flags.list('scope').length === 0)
        throw usageError(
          '--scope is missing: a token that may do nothing is none',
          `Such as --scope permissions:write, accounts:read, services:* or *, each of which may be repeated`,
        );
      const answer = await asOperator((c) =>
        c.request('POST', '/api/v1/tokens', {
          name: args[0],
          scopes: flags.list('scope'),
          ...(expiresInMs === undefined ? {} : { expires_in_ms: expiresInMs }),
        }),
      );
      done(`Token ${args[0]} created; this is the only time it is shown`);
      return { machine: text(answer, 'token'), json: answer };
    },
  });
  define(token, 'list', 'List the tokens', {
    run: async () => {
      const rows = listOf(await asOperator((c) => c.request('GET', '/api/v1/tokens')), 'tokens');
      return {
        plain: table(
          ['NAME', 'ID', 'SCOPES'],
          rows.map((r) => [nameOf(r), text(r, 'id'), listOf(field(r, 'scopes'), '').join(' ')]),
          'No tokens yet. Create one: postern token create NAME --scope SCOPE',
        ),
        json: rows,
      };
    },
  });
  define(token, 'revoke <name-or-id>', 'Revoke a token; it stops working at once', {
    options: [['-y, --yes', 'do not ask']],
    run: async ({ args }) => {
      const given = args[0] ?? '';
      const rows = listOf(await asOperator((c) => c.request('GET', '/api/v1/tokens')), 'tokens');
      const found = rows.find((r) => nameOf(r) === given || text(r, 'id') === given);
      if (found === undefined)
        throw new PosternError('not_found', `The token ${given} was not found`, {
          hint: 'postern token list',
        });
      await asOperator((c) =>
        c.request('DELETE', `/api/v1/tokens/${encodeURIComponent(text(found, 'id') || given)}`),
      );
      done(`Token ${given} revoked`);
      return { machine: given, json: { name: given } };
    },
  });

  const audit = family(program, 'audit', 'Who did what', ['audit list', 'audit verify']);
  define(audit, 'list', 'List what happened', {
    options: [['--after <number>', 'begin after this entry']],
    examples: ['audit list', 'audit list --after 500'],
    run: async ({ flags }) => {
      const after = flags.text('after');
      if (after !== undefined && !/^\d{1,15}$/.test(after))
        throw usageError(`--after "${after}" is not a number`);
      const rows = listOf(
        await asOperator((c) =>
          c.request('GET', `/api/v1/audit${after === undefined ? '' : `?after=${after}`}`),
        ),
        'entries',
      );
      const first = Number(text(rows[0] ?? {}, 'number'));
      if (after === undefined && first > 1)
        note(
          `The newest ${rows.length}; those before: postern audit list --after ${Math.max(0, first - 501)}`,
        );
      return {
        plain: table(
          ['NO.', 'WHEN', 'WHO', 'WHAT', 'ON'],
          rows.map((r) => [
            text(r, 'number'),
            relativeTime(Date.parse(text(r, 'at')), Date.now()),
            text(r, 'actor'),
            text(r, 'action'),
            text(r, 'resource'),
          ]),
          'Nothing has happened yet.',
        ),
        json: rows,
      };
    },
  });
  define(audit, 'verify', 'Verify the chain and its signed heads', {
    run: async () => {
      const answer = await asOperator((c) => c.request('GET', '/api/v1/audit/verify'));
      if (field(answer, 'intact') !== true)
        throw new PosternError(
          'denied',
          `The audit log is not intact at entry ${text(answer, 'number')}: ${text(answer, 'problem')}`,
        );
      return {
        plain: `${status('valid')} ${text(answer, 'entries')} entries, chain and signed heads intact`,
        json: answer,
      };
    },
  });

  define(program, 'explain [id]', 'Say why something was allowed or denied', {
    examples: ['explain last', 'explain dec_1f…'],
    run: ({ args }) => explain(args[0] ?? 'last'),
  });
}

/** The server's own decisions are for administrators; others are told where theirs would be. */
async function askServer(id: string): Promise<unknown> {
  try {
    return await asOperator((c) => c.request('GET', `/api/v1/decisions/${encodeURIComponent(id)}`));
  } catch (error) {
    if (!(error instanceof PosternError) || error.code !== 'denied') throw error;
    throw new PosternError(
      'not_found',
      id === 'last'
        ? 'No node of this home has denied or allowed anything yet'
        : `No node of this home made the decision ${id}`,
      { hint: "The server's own decisions are shown to administrators", cause: error },
    );
  }
}

async function explain(id: string): Promise<Result> {
  const own = openHomeOnce().findDecision(id);
  if (own !== undefined)
    return {
      plain: [
        `${own.isAllowed ? paint('green', 'Allowed') : paint('red', 'Denied')} ${relativeTime(own.atMs, Date.now())} by the ${own.side} ${own.resource} at node ${own.node}`,
        `  who    ${own.peer}`,
        `  rule   ${own.rule}`,
        `  why    ${own.why}`,
        `  id     ${own.name}`,
      ].join('\n'),
      json: {
        id: own.name,
        at: new Date(own.atMs).toISOString(),
        allowed: own.isAllowed,
        side: own.side,
        node: own.node,
        resource: own.resource,
        peer: own.peer,
        rule: own.rule,
        why: own.why,
      },
    };
  const answer = await askServer(id);
  return {
    plain: [
      `${field(answer, 'allowed') === true ? paint('green', 'Allowed') : paint('red', 'Denied')}: ${text(answer, 'action')} on ${text(answer, 'resource')}`,
      `  who    ${text(answer, 'principal')}`,
      `  rule   ${text(answer, 'rule')}`,
      `  why    ${text(answer, 'why')}`,
      `  id     ${text(answer, 'id')}`,
    ].join('\n'),
    json: answer,
  };
}
