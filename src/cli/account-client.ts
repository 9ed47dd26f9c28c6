/** The client of the accounts of this machine's server, over its admin socket. It must never print. */
import { PosternError } from '../kernel/index.ts';
import { adminSocket } from './membership.ts';
import { PermissionClient, type Question } from './permission-client.ts';

/** Asks below `/admin` of the accounts. Throws the server's error, or `unavailable`. */
export async function askAccounts(
  method: string,
  path: string,
  question: Question = {},
): Promise<unknown> {
  const client = new PermissionClient({ socketPath: adminSocket(), prefix: '/accounts' });
  try {
    return await client.ask(method, `/admin${path}`, question);
  } catch (error) {
    // A server without accounts does not know the path; which of its 404s that is, its status tells.
    if (error instanceof PosternError && error.code === 'not_found' && !(await hasAccounts(client)))
      throw new PosternError('not_found', 'The accounts of this server are turned off', {
        hint: 'Start it without POSTERN_ACCOUNTS=off, or accounts.enabled: false',
        cause: error,
      });
    throw error;
  }
}

/** How mail of this machine's server leaves: `smtp`, `http` or `none`; empty where it has no accounts. */
export async function mailWay(): Promise<string> {
  const client = new PermissionClient({ socketPath: adminSocket(), prefix: '' });
  const told: unknown = await client.manage('GET', '/status');
  return String(Reflect.get(Object(told), 'mail') ?? '');
}

async function hasAccounts(client: PermissionClient): Promise<boolean> {
  const told: unknown = await client.manage('GET', '/status');
  return Reflect.has(Object(told), 'mail');
}

/** What to do about mail that nothing carries; the same words wherever it is said. */
export const NO_MAIL = {
  what: 'No mail server is configured: codes and links wait in the queue and reach nobody',
  todo: 'Set accounts.courier.smtp.connection_uri in server.yaml, or courier in your kratos.yml; until then read them: postern account messages',
} as const;
