/**
 * Asks a web hook: one request, bounded in time and size, tried again as Kratos does. INVARIANT: redirects are not
 * followed, so that whoever runs the hook can not send this server to an address that the configuration does not name;
 * neither bodies nor credentials reach an error text.
 */
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { newUuid } from '../../kernel/index.ts';
import type { WebHook } from './settings.ts';

/** As Kratos's own client has them: three attempts, a second and more between them. */
const ATTEMPT_MS = 30_000;
const TRIES_MAX = 3;
const WAIT_MIN_MS = 1_000;
const WAIT_MAX_MS = 30_000;
const ANSWER_BYTES_MAX = 5 * 1024 * 1024;

export interface HookAnswer {
  readonly status: number;
  /** Read where the hook's answer matters; else empty. */
  readonly text: string;
}

/** Nobody answered properly. */
export class HookUnreachable extends Error {
  override readonly name = 'HookUnreachable';
  readonly kind: 'network' | 'timeout' | 'size';
  constructor(kind: HookUnreachable['kind'], why: string) {
    super(why);
    this.kind = kind;
  }
}

export interface HookClientOptions {
  /** Of one attempt. */
  readonly attemptMs?: number;
  /** Before the second attempt; doubled for each one after. */
  readonly waitMs?: number;
}

/** Sends a hook's request until somebody answers. Throws HookUnreachable. */
export async function askHook(
  hook: WebHook,
  body: string | undefined,
  o: HookClientOptions = {},
): Promise<HookAnswer> {
  const trigger = newUuid();
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await once(hook, body, trigger, o.attemptMs ?? ATTEMPT_MS).catch(
      (reason: unknown) => {
        if (reason instanceof HookUnreachable) return reason;
        throw reason;
      },
    );
    const isFinal =
      outcome instanceof HookUnreachable ? outcome.kind === 'size' : !isPassing(outcome);
    if (isFinal || attempt === TRIES_MAX) {
      if (outcome instanceof HookUnreachable) throw outcome;
      return outcome;
    }
    const told = outcome instanceof HookUnreachable ? undefined : outcome.retryAfterMs;
    const backoffMs = (o.waitMs ?? WAIT_MIN_MS) * 2 ** (attempt - 1);
    await sleep(Math.min(told ?? backoffMs, WAIT_MAX_MS));
  }
}

/** Whether the answer may be another one in a moment. */
function isPassing({ status }: HookAnswer): boolean {
  return status === 429 || (status >= 500 && status !== 501);
}

interface Attempt extends HookAnswer {
  readonly retryAfterMs: number | undefined;
}

function headersOf(hook: WebHook, body: string | undefined, trigger: string): Map<string, string> {
  const headers = new Map(hook.headers);
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  if (!headers.has('user-agent')) headers.set('user-agent', 'postern');
  headers.set('content-length', String(Buffer.byteLength(body ?? '')));
  headers.set('ory-webhook-request-id', newUuid());
  headers.set('ory-webhook-trigger-id', trigger);
  const { auth } = hook;
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
  hook: WebHook,
  body: string | undefined,
  trigger: string,
  attemptMs: number,
): Promise<Attempt> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => sent.destroy(new HookUnreachable('timeout', 'no answer in time')),
      attemptMs,
    );
    const fail = (reason: Error): void => {
      clearTimeout(timer);
      const code: unknown = Reflect.get(reason, 'code');
      const why = typeof code === 'string' ? code : 'the connection broke';
      reject(reason instanceof HookUnreachable ? reason : new HookUnreachable('network', why));
    };
    const ask = hook.url.protocol === 'https:' ? tlsRequest : plainRequest;
    const sent = ask(hook.url, {
      method: hook.method,
      headers: Object.fromEntries(headersOf(hook, body, trigger)),
    });
    sent.on('error', fail);
    sent.on('response', (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX)
          sent.destroy(new HookUnreachable('size', 'the answer is too large'));
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
