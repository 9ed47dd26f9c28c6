/** Where the keto dialect finds its server, and in which format it prints: what all of its words share. */
import { stringify } from 'yaml';
import { PosternError } from '../../kernel/index.ts';
import type { Flags } from '../command.ts';
import { usageError } from '../exit.ts';
import { adminSocket } from '../membership.ts';
import type { Result } from '../output.ts';
import { PERMISSIONS_PREFIX, PermissionClient } from '../permission-client.ts';

type Options = readonly (readonly [string, string, 'hidden'?])[];

const FORMATS: ReadonlySet<string> = new Set(['default', 'table', 'json', 'json-pretty', 'yaml']);
export const formatOptions: Options = [['--format <format>', [...FORMATS].join(', ')]];
export const remoteOptions: Options = [
  ['--read-remote <host:port>', 'the read port (KETO_READ_REMOTE)'],
  ['--write-remote <host:port>', 'the write port (KETO_WRITE_REMOTE)'],
  ['--insecure-disable-transport-security', 'without TLS'],
  ['--insecure-skip-hostname-verification', '', 'hidden'],
  ['--authority <name>', '', 'hidden'],
];

const DEFAULT_REMOTE = { read: '127.0.0.1:4466', write: '127.0.0.1:4467' } as const;

/** The server at a Keto port, or this machine's. Throws a usage error. */
export function ketoServer(flags: Flags, port: 'read' | 'write'): PermissionClient {
  // Trust that is asked for and not given must not pass unseen.
  for (const name of ['insecureSkipHostnameVerification', 'authority'])
    if (flags.has(name) || flags.text(name) !== undefined)
      throw new PosternError(
        'unsupported',
        `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} is not supported`,
      );
  const isInsecure = flags.has('insecureDisableTransportSecurity');
  const given = flags.text(`${port}Remote`) ?? process.env[`KETO_${port.toUpperCase()}_REMOTE`];
  if (given === undefined && !isInsecure)
    return new PermissionClient({ socketPath: adminSocket(), prefix: PERMISSIONS_PREFIX });
  const url = `${isInsecure ? 'http' : 'https'}://${given ?? DEFAULT_REMOTE[port]}`;
  if (!URL.canParse(url) || new URL(url).pathname !== '/')
    throw usageError(`--${port}-remote "${given}" is not HOST:PORT`);
  const token = process.env['KETO_BEARER_TOKEN'] || undefined;
  return new PermissionClient({ url: new URL(url), token, prefix: '' });
}

/** The result in the format that Keto's flag asks for. Throws a usage error. */
export function ketoResult(flags: Flags, shown: { text: string; json: unknown }): Result {
  const format = flags.text('format') ?? 'default';
  if (!FORMATS.has(format)) throw usageError(`--format "${format}" is not known`);
  const as = (text: string): Result => ({ machine: text, plain: text, json: shown.json });
  if (format === 'json') return as(JSON.stringify(shown.json));
  if (format === 'json-pretty') return as(JSON.stringify(shown.json, undefined, 2));
  if (format === 'yaml') return as(stringify(shown.json).trimEnd());
  return as(shown.text);
}
