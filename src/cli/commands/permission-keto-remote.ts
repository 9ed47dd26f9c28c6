/**
 * Where the keto dialect finds its server, and whom it trusts there (reference: the client flags of Keto's command line):
 * what all of its words share.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PosternError } from '../../kernel/index.ts';
import type { Flags } from '../command.ts';
import { usageError } from '../exit.ts';
import { field } from '../json.ts';
import { adminSocket } from '../membership.ts';
import { PERMISSIONS_PREFIX, PermissionClient } from '../permission-client.ts';
import { note } from '../talk.ts';

export const remoteOptions: readonly (readonly [string, string])[] = [
  ['--read-remote <host:port>', 'the read port (KETO_READ_REMOTE)'],
  ['--write-remote <host:port>', 'the write port (KETO_WRITE_REMOTE)'],
  ['--authority <name>', 'ask for this host, and expect its certificate (KETO_AUTHORITY)'],
  ['--insecure-disable-transport-security', 'without TLS'],
  ['--insecure-skip-hostname-verification', 'with TLS, and with whatever certificate it shows'],
  ['--block', 'wait until the server is ready'],
];

const DEFAULT_REMOTE = { read: '127.0.0.1:4466', write: '127.0.0.1:4467' } as const;
const POLL_MS = 500;

/** `host` or `host:port`. Throws a usage error. */
function readAuthority(text: string): string {
  const isHost = URL.canParse(`https://${text}`) && /^[^/?#@\s\\]+$/.test(text);
  if (!isHost) throw usageError(`--authority "${text}" is not HOST or HOST:PORT`);
  return text;
}

/** A flag, or else its variable; what is empty is none. */
const given = (flags: Flags, flag: string, variable: string): string | undefined =>
  flags.text(flag) ?? (process.env[variable] || undefined);

/** The server at a Keto port, or this machine's where nothing says that it is elsewhere. Throws a usage error. */
function clientAt(flags: Flags, port: 'read' | 'write'): PermissionClient {
  const isPlain = flags.has('insecureDisableTransportSecurity');
  const isUnverified = flags.has('insecureSkipHostnameVerification');
  const remote = given(flags, `${port}Remote`, `KETO_${port.toUpperCase()}_REMOTE`);
  const authority = given(flags, 'authority', 'KETO_AUTHORITY');
  const isHere = remote === undefined && authority === undefined && !isPlain && !isUnverified;
  if (isHere)
    return new PermissionClient({ socketPath: adminSocket(), prefix: PERMISSIONS_PREFIX });
  const url = `${isPlain ? 'http' : 'https'}://${remote ?? DEFAULT_REMOTE[port]}`;
  if (!URL.canParse(url) || new URL(url).pathname !== '/')
    throw usageError(`--${port}-remote "${remote}" is not HOST:PORT`);
  return new PermissionClient({
    url: new URL(url),
    token: process.env['KETO_BEARER_TOKEN'] || undefined,
    prefix: '',
    ...(authority === undefined ? {} : { authority: readAuthority(authority) }),
    isUnverified,
  });
}

async function isReady(client: PermissionClient): Promise<boolean> {
  const answer = await client.ask('GET', '/health/ready');
  return field(answer, 'status') === 'ok';
}

/** Asks until the server is ready, or `limitMs` are over. Throws why it is not. */
async function untilReady(client: PermissionClient, limitMs: number): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      if (await isReady(client)) return;
      throw new PosternError('unavailable', 'The server is not ready');
    } catch (error) {
      if (performance.now() >= deadlineMs) throw error;
      if (isFirst) note('The server is not ready; waiting until it is');
      await sleep(POLL_MS);
    }
  }
}

/** The server that the flags name; with `--block` once it is ready. Throws a usage error. */
export async function ketoServer(flags: Flags, port: 'read' | 'write'): Promise<PermissionClient> {
  const client = clientAt(flags, port);
  if (flags.has('block')) await untilReady(client, Number.POSITIVE_INFINITY);
  return client;
}

/** Whether the server is ready, with `--block` within `limitMs`. Throws why it is not. */
export async function readiness(
  flags: Flags,
  port: 'read' | 'write',
  limitMs: number,
): Promise<void> {
  await untilReady(clientAt(flags, port), flags.has('block') ? limitMs : 0);
}
