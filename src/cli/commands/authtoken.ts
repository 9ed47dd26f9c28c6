/** `authtoken`: a person's own, which agents and scripts use in place of a password. The person signs in for each change. */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { define, type Flags, family } from '../command.ts';
import { text } from '../json.ts';
import { listOf } from '../membership.ts';
import { relativeTime, table } from '../output.ts';
import { done } from '../talk.ts';

type Option = readonly [string, string, ('list' | 'hidden' | 'required')?];
const SERVER: readonly Option[] = [
  ['--server <url>', 'the server to sign in to', 'required'],
  ['--ca <file>', "the server's ca.pem, when this machine does not know its certificate"],
];

/** Asks as the person who signs in for it. */
async function asPerson(
  flags: Flags,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const { askServer, publicServer, signIn } = await import('../sign-in.ts');
  const server = publicServer(flags.required('server'), flags.text('ca'));
  return askServer(server, await signIn(server), method, path, body);
}

/** Adds the family. */
export function register(program: Command): void {
  const authtoken = family(program, 'authtoken', 'Your own tokens, for agents and scripts', [
    'authtoken create laptop --server https://id.example.org:4433',
    'authtoken list --server https://id.example.org:4433',
    'authtoken revoke laptop --server https://id.example.org:4433',
  ]);

  define(authtoken, 'create <name>', 'Create an authtoken; it is printed once', {
    examples: ['authtoken create laptop --server https://id.example.org:4433'],
    options: SERVER,
    run: async ({ args, flags }) => {
      const made = await asPerson(flags, 'POST', '/api/v1/authtokens', { name: args[0] });
      done(`Authtoken ${args[0]} created; this is the only time it is shown`);
      return { machine: text(made, 'token'), json: made };
    },
  });

  define(authtoken, 'list', 'List your authtokens', {
    examples: ['authtoken list --server https://id.example.org:4433'],
    options: SERVER,
    run: async ({ flags }) => {
      const rows = listOf(await asPerson(flags, 'GET', '/api/v1/authtokens'), 'authtokens');
      return {
        plain: table(
          ['NAME', 'CREATED', 'ENDS', 'ID'],
          rows.map((r) => [
            text(r, 'name'),
            relativeTime(Date.parse(text(r, 'created_at')), Date.now()),
            relativeTime(Date.parse(text(r, 'expires_at')), Date.now()),
            text(r, 'id'),
          ]),
          'No authtokens. Create one: postern authtoken create NAME --server URL',
        ),
        json: rows,
      };
    },
  });

  define(authtoken, 'revoke <name-or-id>', 'Revoke an authtoken; it stops working at once', {
    examples: ['authtoken revoke laptop --server https://id.example.org:4433'],
    options: SERVER,
    run: async ({ args, flags }) => {
      const { askServer, publicServer, signIn } = await import('../sign-in.ts');
      const server = publicServer(flags.required('server'), flags.text('ca'));
      const token = await signIn(server);
      const rows = listOf(
        await askServer(server, token, 'GET', '/api/v1/authtokens'),
        'authtokens',
      );
      const found = rows.find((r) => text(r, 'id') === args[0] || text(r, 'name') === args[0]);
      if (found === undefined)
        throw new PosternError('not_found', `The authtoken ${args[0]} was not found`);
      await askServer(server, token, 'DELETE', `/api/v1/authtokens/${text(found, 'id')}`);
      done(`Authtoken ${args[0]} revoked`);
      return { json: { revoked: text(found, 'id') } };
    },
  });
}
