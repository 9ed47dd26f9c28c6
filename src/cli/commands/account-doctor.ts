/** `account doctor URL`: why signing in does not work from an app's address, and what to do about it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { NO_MAIL } from '../account-client.ts';
import { type Answer, examine, type Finding } from '../account-doctor.ts';
import { define } from '../command.ts';
import { EXIT_FAILURE, usageError } from '../exit.ts';
import { text } from '../json.ts';
import { serverHome } from '../membership.ts';
import { paint } from '../output.ts';
import { waiting } from '../talk.ts';

const ANSWER_MS_MAX = 10_000;
const TEXT_MAX = 512 * 1024;

function webAddress(word: string | undefined): URL {
  const url = word !== undefined && URL.canParse(word) ? new URL(word) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw usageError(`"${word ?? ''}" is no web address; write http://HOST:PORT/ or https://HOST/`);
  return url;
}

/** What the server of this machine says of itself: how browsers reach it, and how its mail leaves. Throws `not_found`. */
function ownServer(): { readonly url: URL; readonly mail: string } {
  let state: unknown;
  try {
    state = JSON.parse(readFileSync(join(serverHome(), 'server.json'), 'utf8'));
  } catch {
    state = undefined;
  }
  const url = text(state, 'accounts_url');
  if (url !== '') return { url: webAddress(url), mail: text(state, 'mail') };
  throw new PosternError('not_found', 'No server with accounts runs on this machine', {
    hint: 'postern server start, or name it: --server https://id.example.com',
  });
}

async function ask(
  method: 'GET' | 'POST',
  url: string,
  o: { readonly cookie?: string; readonly form?: string; readonly accept: string },
): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    redirect: 'manual',
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
    headers: {
      accept: o.accept,
      ...(o.cookie === undefined || o.cookie === '' ? {} : { cookie: o.cookie }),
      ...(o.form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
    },
    ...(o.form === undefined ? {} : { body: o.form }),
  });
  return {
    status: answer.status,
    cookies: answer.headers.getSetCookie(),
    date: answer.headers.get('date') ?? undefined,
    text: (await answer.text()).slice(0, TEXT_MAX),
  };
}

function line({ level, what, todo }: Finding): string {
  const mark = {
    ok: paint('green', '✔'),
    warning: paint('yellow', '!'),
    fault: paint('red', '✘'),
  }[level];
  return todo === undefined ? `${mark} ${what}` : `${mark} ${what}\n  ${paint('dim', todo)}`;
}

/** Adds the command to its family. */
export function registerDoctor(account: Command): void {
  define(account, 'doctor <url>', "Say why signing in does not work from an app's address", {
    options: [
      ['--server <url>', "the sign-in's own address; that of this machine's server without it"],
    ],
    examples: ['account doctor http://127.0.0.1:8080/', 'account doctor https://app.example.com/'],
    run: async ({ args, flags }) => {
      const url = webAddress(args[0]);
      const given = flags.text('server');
      // How another machine's mail leaves, its operator knows.
      const server = given === undefined ? ownServer() : { url: webAddress(given), mail: '' };
      const walked = await waiting(
        `signing in from ${url.host}`,
        examine({ url, serverUrl: server.url, fetch: ask, nowMs: Date.now() }),
      );
      const findings: readonly Finding[] =
        server.mail === 'none' ? [...walked, { level: 'warning', ...NO_MAIL }] : walked;
      if (findings.some(({ level }) => level === 'fault')) process.exitCode = EXIT_FAILURE;
      return { plain: findings.map(line).join('\n'), json: findings };
    },
  });
}
