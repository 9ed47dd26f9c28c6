/**
 * The client of a server's permissions: Keto's REST paths and ours, and the management API's models. By default over the
 * admin socket of this machine's server, where Keto's paths are below `/permissions`; else over HTTP at a URL, with a
 * token. It must never print, and never show a token.
 */
import { readFileSync } from 'node:fs';
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type ErrorCode, fromErrorBody, PosternError } from '../kernel/index.ts';
import type { Flags } from './command.ts';
import { usageError } from './exit.ts';
import { field, text } from './json.ts';
import { adminSocket } from './membership.ts';
import { session } from './session.ts';

/** Keys and values in the order in which they are sent; undefined ones are left out. */
export type Query = readonly (readonly [string, string | undefined])[];

export interface Question {
  readonly query?: Query;
  readonly body?: unknown;
  /** Statuses that are an answer besides those from 200 to 299. */
  readonly alsoAnswers?: readonly number[];
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly value: unknown;
}

export interface Target {
  /** Of a server on this machine. */
  readonly socketPath?: string;
  /** Scheme, host and port, and a path below which everything is. */
  readonly url?: URL;
  readonly token?: string | undefined;
  /** The host, and port, to ask for in place of the URL's; over TLS also the name that its certificate is for. */
  readonly authority?: string;
  /** Over TLS: with whatever certificate the server shows. */
  readonly isUnverified?: boolean;
  /** Where Keto's paths begin: `/permissions`, or "" at a Keto port. */
  readonly prefix: string;
  /** What to do about a missing token, where it is another one than that of permissions. */
  readonly tokenHint?: string;
}

/** A server that is up answers within this, also when its database is slow. */
const ANSWER_TIMEOUT_MS = 30_000;
/** More than the largest page of tuples, less than what would fill the memory. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
export const PERMISSIONS_PREFIX = '/permissions';

/** The options that say where the server is. */
export const serverOptions: readonly (readonly [string, string])[] = [
  ['--server <url>', "the server's address; this machine's own without it"],
  ['--token-file <file>', 'the file with the token to show it'],
];

/** The server that the flags name. Throws a usage error. */
export function permissionServer(flags: Flags): PermissionClient {
  const server = flags.text('server');
  const tokenFile = flags.text('tokenFile');
  if (server === undefined) {
    if (tokenFile !== undefined) throw usageError('--token-file needs --server');
    return new PermissionClient({ socketPath: adminSocket(), prefix: PERMISSIONS_PREFIX });
  }
  if (!URL.canParse(server) || !/^https?:/.test(server))
    throw usageError(`--server "${server}" is not a URL such as https://postern.example`);
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  return new PermissionClient({ url: new URL(server), token, prefix: PERMISSIONS_PREFIX });
}

/** The token of a file. Throws `not_found` or `invalid`. */
export function readToken(file: string): string {
  try {
    const token = readFileSync(file, 'utf8').trim();
    if (/^[\x21-\x7e]+$/.test(token)) return token;
  } catch (cause) {
    throw new PosternError('not_found', `The token file ${file} can not be read`, { cause });
  }
  throw new PosternError('invalid', `The token file ${file} does not hold a token`);
}

export class PermissionClient {
  readonly #target: Target;
  constructor(target: Target) {
    this.#target = target;
  }

  /** Asks one of Keto's paths or ours beside them. Throws the server's error, or `unavailable`. */
  async ask(method: string, path: string, question: Question = {}): Promise<unknown> {
    return (await this.exchange(method, path, question)).value;
  }

  /** As `ask`, with what else the answer says: its status and headers. */
  exchange(method: string, path: string, question: Question = {}): Promise<Answer> {
    return this.#exchange(method, this.#target.prefix + path, question);
  }

  /** Asks the management API. Throws the server's error, or `unavailable`. */
  async manage(method: string, path: string, question: Question = {}): Promise<unknown> {
    return (await this.#exchange(method, `/api/v1${path}`, question)).value;
  }

  /** The data of server-sent events, each parsed, until the server ends. Throws as `ask`. */
  async *events(path: string, query: Query): AsyncGenerator<{ event: string; data: unknown }> {
    const accept = { accept: 'text/event-stream' };
    const { response } = await this.#send('GET', this.#target.prefix + path, { query }, accept);
    const status = response.statusCode ?? 0;
    if (status !== 200) throw failureOf(status, parseJson(await bytesOf(response)));
    // An event may be long in coming: the server's heartbeats, not a deadline, tell that it lives.
    response.setTimeout(0);
    yield* parseEvents(response.setEncoding('utf8'));
  }

  async #exchange(method: string, path: string, question: Question): Promise<Answer> {
    const { response } = await this.#send(method, path, question, { accept: 'application/json' });
    const status = response.statusCode ?? 0;
    const value = parseJson(await bytesOf(response));
    const isAnswer = (status >= 200 && status < 300) || question.alsoAnswers?.includes(status);
    if (isAnswer === true) return { status, headers: response.headers, value };
    throw failureOf(status, value, this.#target.tokenHint);
  }

  #send(
    method: string,
    path: string,
    { query = [], body }: Question,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ response: IncomingMessage }> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const { socketPath, url, token, authority, isUnverified } = this.#target;
    const options = {
      method,
      path: (url?.pathname ?? '').replace(/\/$/, '') + path + queryText(query),
      headers: {
        ...headers,
        ...(authority === undefined ? {} : { host: authority }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': payload.length }),
      },
    };
    return new Promise((resolve, reject) => {
      const onResponse = (response: IncomingMessage): void => resolve({ response });
      const outgoing: ClientRequest =
        url?.protocol === 'https:'
          ? httpsRequest(
              {
                ...options,
                host: hostOf(url),
                port: url.port || 443,
                rejectUnauthorized: isUnverified !== true,
              },
              onResponse,
            )
          : url === undefined
            ? httpRequest({ ...options, socketPath }, onResponse)
            : httpRequest({ ...options, host: hostOf(url), port: url.port || 80 }, onResponse);
      outgoing.setTimeout(ANSWER_TIMEOUT_MS, () =>
        outgoing.destroy(new PosternError('unavailable', 'The server did not answer in time')),
      );
      outgoing.on('error', (cause: NodeJS.ErrnoException) => reject(this.#unreachable(cause)));
      outgoing.end(payload);
    });
  }

  #unreachable(cause: NodeJS.ErrnoException): PosternError {
    if (cause instanceof PosternError) return cause;
    const why = cause.code ?? cause.message;
    const { url } = this.#target;
    if (url !== undefined)
      return new PosternError('unavailable', `No server answers at ${url.origin} (${why})`, {
        cause,
        ...hintOf(why),
      });
    return new PosternError('unavailable', `No server answers on this machine (${why})`, {
      hint: 'Start one with: postern server start',
      cause,
    });
  }
}

const TOKEN_HINT =
  'postern token create NAME --scope permissions:write   prints one; --token-file or KETO_BEARER_TOKEN shows it';
const TRUST_HINT =
  "Its certificate is not trusted here: set NODE_EXTRA_CA_CERTS to a copy of the server's ca.pem";
const NAME_HINT =
  'Its certificate is for other names: ask by one of them (keto: --authority NAME asks for it at the same address)';

function hintOf(why: string): { hint: string } | undefined {
  if (why === 'ERR_TLS_CERT_ALTNAME_INVALID') return { hint: NAME_HINT };
  return /CERT|SELF_SIGNED|ISSUER/.test(why) ? { hint: TRUST_HINT } : undefined;
}

/** The host without the brackets of an IPv6 address. */
const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** The query of a URL, with its question mark; empty without pairs. */
export function queryText(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of query) if (value !== undefined) parameters.append(key, value);
  return parameters.size === 0 ? '' : `?${parameters}`;
}

async function bytesOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) throw new PosternError('unavailable', 'The answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(bytes: string): unknown {
  if (bytes === '') return undefined;
  try {
    const value: unknown = JSON.parse(bytes);
    return value;
  } catch (cause) {
    throw new PosternError('unavailable', 'The answer is not JSON: is this a Postern server?', {
      cause,
    });
  }
}

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'denied',
  404: 'not_found',
  409: 'conflict',
  410: 'expired',
  412: 'conflict',
  422: 'exhausted',
  429: 'exhausted',
  501: 'unsupported',
};

/** The error of an answer, in our own shape or in Keto's, where the reason says more than the message. */
export function failureOf(
  status: number,
  value: unknown,
  tokenHint: string = TOKEN_HINT,
): PosternError {
  const own = fromErrorBody(value);
  const problems = field(field(value, 'error'), 'problems');
  if (own !== undefined) return problems === undefined ? own : new ModelRefused(own, problems);
  const code = CODE_OF_STATUS[status] ?? 'unavailable';
  const error = field(value, 'error');
  const said = text(error, 'reason') || text(error, 'message');
  return new PosternError(
    code,
    said || `The server answered with status ${status}`,
    hintFor(code, said, tokenHint),
  );
}

function hintFor(code: ErrorCode, said: string, tokenHint: string): { hint?: string } {
  if (code === 'unauthenticated') return { hint: tokenHint };
  // Under Keto's name, its own commands are meant, which have no such word.
  if (said.startsWith('Unknown namespace') && session().program !== 'keto')
    return { hint: 'Namespaces come from the model: `postern permission model apply FILE`' };
  return {};
}

/** A model that the server refused, with what is wrong in it. */
export class ModelRefused extends PosternError {
  readonly problems: unknown;
  constructor({ code, message, facts, hint }: PosternError, problems: unknown) {
    super(code, message, { facts, ...(hint === undefined ? {} : { hint }) });
    this.problems = problems;
  }
}

/** Splits a stream of server-sent events (WHATWG HTML §9.2) and parses their data as JSON. */
export async function* parseEvents(
  chunks: AsyncIterable<string>,
): AsyncGenerator<{ event: string; data: unknown }> {
  let rest = '';
  let event = '';
  let data: string[] = [];
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.map((l) => l.replace(/\r$/, ''))) {
      const value = line.replace(/^[a-z]+: ?/, '');
      if (line.startsWith('event:')) event = value;
      else if (line.startsWith('data:')) data.push(value);
      else if (line === '') {
        if (data.length > 0) yield { event: event || 'message', data: parseJson(data.join('\n')) };
        event = '';
        data = [];
      }
    }
  }
}
