/**
 * Sends a request that the configuration names (a web hook, a courier's channel): bounded in time and size, tried again as
 * Kratos does. INVARIANT: redirects are not followed, so that whoever answers can not send this server to an address that
 * the configuration does not name; neither bodies nor credentials reach an error text.
 */
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutgoingRequest } from './request.ts';

/** As Kratos's own client has them: three attempts, a second and more between them. */
const ATTEMPT_MS = 30_000;
const TRIES_MAX = 3;
const WAIT_MIN_MS = 1_000;
const WAIT_MAX_MS = 30_000;
const ANSWER_BYTES_MAX = 5 * 1024 * 1024;

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Nobody answered properly. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
  readonly kind: 'network' | 'timeout' | 'size';
  constructor(kind: Unreachable['kind'], why: string) {
    super(why);
    this.kind = kind;
  }
}

export interface SendOptions {
  /** Of one attempt. */
  readonly attemptMs?: number;
  /** Before the second attempt; doubled for each one after. */
  readonly waitMs?: number;
  /** At the most; 3. */
  readonly tries?: number;
  /** Further headers of each attempt. */
  readonly marks?: () => Readonly<Record<string, string>>;
}

/** Sends a request until somebody answers. Throws Unreachable. */
export async function send(
  request: OutgoingRequest,
  body: string | undefined,
  o: SendOptions = {},
): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await once(request, body, o).catch((reason: unknown) => {
      if (reason instanceof Unreachable) return reason;
      throw reason;
    });
    const isFinal = outcome instanceof Unreachable ? outcome.kind === 'size' : !isPassing(outcome);
    if (isFinal || attempt >= (o.tries ?? TRIES_MAX)) {
      if (outcome instanceof Unreachable) throw outcome;
      return outcome;
    }
    const told = outcome instanceof Unreachable ? undefined : outcome.retryAfterMs;
    const backoffMs = (o.waitMs ?? WAIT_MIN_MS) * 2 ** (attempt - 1);
    await sleep(Math.min(told ?? backoffMs, WAIT_MAX_MS));
  }
}

/** Whether the answer may be another one in a moment. */
function isPassing({ status }: Answer): boolean {
  return status === 429 || (status >= 500 && status !== 501);
}

interface Attempt extends Answer {
  readonly retryAfterMs: number | undefined;
}

function headersOf(
  request: OutgoingRequest,
  body: string | undefined,
  marks: SendOptions['marks'],
): Map<string, string> {
  const headers = new Map(request.headers);
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  if (!headers.has('user-agent')) headers.set('user-agent', 'postern');
  headers.set('content-length', String(Buffer.byteLength(body ?? '')));
  for (const [name, value] of Object.entries(marks?.() ?? {})) headers.set(name, value);
  const { auth } = request;
  if (auth?.type === 'basic_auth') {
    const pair = Buffer.from(`${auth.user}:${auth.password}`).toString('base64');
    headers.set('authorization', `Basic ${pair}`);
  } else if (auth?.in === 'cookie') {
    const before = headers.get('cookie');
    const own = `${auth.name}=${auth.value}`;
    headers.set('cookie', before === undefined ? own : `${before}; ${own}`);
  } else if (auth !== undefined) headers.set(auth.name.toLowerCase(), auth.value);
  return headers;
}

function once(
  request: OutgoingRequest,
  body: string | undefined,
  o: SendOptions,
): Promise<Attempt> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => sent.destroy(new Unreachable('timeout', 'no answer in time')),
      o.attemptMs ?? ATTEMPT_MS,
    );
    const fail = (reason: Error): void => {
      clearTimeout(timer);
      const code: unknown = Reflect.get(reason, 'code');
      const why = typeof code === 'string' ? code : 'the connection broke';
      reject(reason instanceof Unreachable ? reason : new Unreachable('network', why));
    };
    const ask = request.url.protocol === 'https:' ? tlsRequest : plainRequest;
    const sent = ask(request.url, {
      method: request.method,
      headers: Object.fromEntries(headersOf(request, body, o.marks)),
    });
    sent.on('error', fail);
    sent.on('response', (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX)
          sent.destroy(new Unreachable('size', 'the answer is too large'));
        else chunks.push(chunk);
      });
      answer.on('error', fail);
      answer.on('end', () => {
        clearTimeout(timer);
        const seconds = Number(answer.headers['retry-after'] ?? Number.NaN);
        resolve({
          status: answer.statusCode ?? 0,
          text: Buffer.concat(chunks).toString(),
          retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined,
        });
      });
    });
    sent.end(body);
  });
}
