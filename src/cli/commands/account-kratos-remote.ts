/**
 * Where the kratos dialect finds the administrators' side of a server (reference: the client flags of Kratos's command
 * line). Kratos's own asks for an endpoint always; here this machine's server is asked, by its admin socket, where none is
 * named.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Flags } from '../command.ts';
import { usageError } from '../exit.ts';
import { adminSocket } from '../membership.ts';
import { PermissionClient, readToken } from '../permission-client.ts';
import { formatOptions } from './ory-format.ts';

const TOKEN_HINT =
  "postern token create NAME --scope 'accounts:*'   prints a token; --token-file or KRATOS_BEARER_TOKEN shows it";

/** The options of every word that asks a server. */
export const remoteOptions: readonly (readonly [string, string])[] = [
  [
    '-e, --endpoint <url>',
    "the administrators' address (KRATOS_ADMIN_URL); this machine's server without it",
  ],
  ['--token-file <file>', 'the file with the token to show it (KRATOS_BEARER_TOKEN)'],
  ...formatOptions,
];

/** The server that the flags and the environment name. Throws a usage error. */
export function kratosServer(flags: Flags): PermissionClient {
  const endpoint = flags.text('endpoint') ?? (process.env['KRATOS_ADMIN_URL'] || undefined);
  if (endpoint === undefined)
    return new PermissionClient({ socketPath: adminSocket(), prefix: '/accounts' });
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw usageError(`The endpoint "${endpoint}" is not a URL such as http://127.0.0.1:4434`);
  const url = new URL(endpoint);
  if (url.username !== '' || url.password !== '')
    throw usageError('The endpoint names a user: show a token with --token-file instead');
  const file = flags.text('tokenFile');
  return new PermissionClient({
    ...{ url, prefix: '', tokenHint: TOKEN_HINT },
    token: file === undefined ? process.env['KRATOS_BEARER_TOKEN'] || undefined : readToken(file),
  });
}

/** An identity schema. Kratos's administrators' side sends on to its public one for it. Throws `not_found`. */
export async function identitySchema(server: PermissionClient, id: string): Promise<unknown> {
  const path = `/schemas/${encodeURIComponent(id)}`;
  const answer = await server.exchange('GET', path, { alsoAnswers: [301, 302, 307, 308] });
  const { location } = answer.headers;
  if (answer.status < 300 || location === undefined) return answer.value;
  const found = await fetch(location, { signal: AbortSignal.timeout(30_000) }).catch(
    (cause: unknown) => {
      throw new PosternError('unavailable', `No server answers at ${new URL(location).origin}`, {
        cause,
      });
    },
  );
  if (!found.ok) throw new PosternError('not_found', `There is no identity schema "${id}"`);
  const document: unknown = await found.json();
  return document;
}
