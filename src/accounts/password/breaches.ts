/**
 * Whether a password is known from breaches: first the bundled list of the most common ones, which needs no network,
 * then the range API of Have I Been Pwned (haveibeenpwned.com/API/v3#PwnedPasswords) or a mirror of it. Only the first
 * five hexadecimal digits of the password's SHA-1 ever leave the machine, so some hundreds of passwords stay possible;
 * padding hides from onlookers which. Nothing is kept: a cache would be a list of people's passwords.
 */
import { hash } from 'node:crypto';
import { type Logger, PosternError, silentLogger } from '../../kernel/index.ts';
import { COMMON_BREACHES_MIN, COMMON_PASSWORDS } from './common-passwords.ts';

export interface BreachListSettings {
  /**
   * Whom to ask: a host with or without port, asked over TLS (default `api.pwnedpasswords.com`), or an origin such as
   * `http://mirror.internal:8080`.
   */
  readonly host?: string;
  /** False: only the bundled list is consulted. Default true. */
  readonly isOnline?: boolean;
  /** How often a password may have been found and still be taken. Default 0. */
  readonly maxBreaches?: number;
  /** Whether a password is taken when nobody can be asked; the log then says so. Default true. */
  readonly ignoreNetworkErrors?: boolean;
  readonly logger?: Logger;
  /** For the whole exchange, default 2 seconds: somebody waits for their form. */
  readonly timeoutMs?: number;
}

export interface BreachList {
  /**
   * How often the password was found, when that is too often; else undefined.
   * @throws PosternError `unavailable` when nobody could be asked and network errors are not ignored
   */
  refuse(password: string): Promise<number | undefined>;
}

const HOST = 'api.pwnedpasswords.com';
const TIMEOUT_MS = 2_000;
/** A padded answer has up to 1,000 lines of some 40 characters; this is ten times that. */
const ANSWER_BYTES_MAX = 524_288;
/** Beyond, a rush of registrations would only pile up sockets; then it is as if nobody could be asked. */
const ASKED_AT_ONCE_MAX = 32;

/** @throws PosternError `invalid` when the host is none */
export function createBreachList(settings: BreachListSettings = {}): BreachList {
  const { maxBreaches = 0, ignoreNetworkErrors = true, isOnline = true } = settings;
  const logger = settings.logger ?? silentLogger;
  const common = new Set(COMMON_PASSWORDS.trim().split(/\s+/));
  const range = isOnline
    ? createRangeClient(originOf(settings.host ?? HOST), settings.timeoutMs ?? TIMEOUT_MS)
    : undefined;
  // Told when it changes: each registration of a server without a network would say the same again.
  let isAway = false;
  const noteAway = (cause: unknown): void => {
    if (isAway) return;
    isAway = true;
    logger.warn(
      { err: cause },
      'The list of breached passwords can not be reached; it is said once, and again when it can',
    );
  };
  const noteBack = (): void => {
    if (!isAway) return;
    isAway = false;
    logger.info({}, 'The list of breached passwords can be reached again');
  };
  return {
    refuse: async (password) => {
      // The list is of lower case, and `Password` is no better than `password`.
      if (maxBreaches < COMMON_BREACHES_MIN && common.has(password.toLowerCase()))
        return COMMON_BREACHES_MIN;
      if (range === undefined) return undefined;
      const answer = range(password).then((found) => {
        noteBack();
        return found;
      });
      const count = await answer.catch((cause: unknown) => {
        if (ignoreNetworkErrors) {
          noteAway(cause);
          return 0;
        }
        throw new PosternError('unavailable', 'The list of breached passwords can not be reached', {
          hint: 'Try again in a moment',
          cause,
        });
      });
      return count > maxBreaches ? count : undefined;
    },
  };
}

/** The origin of a host, or an origin as it is; nothing but scheme, host and port may be given. */
function originOf(host: string): string {
  const text = /^https?:\/\//.test(host) ? host : `https://${host}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || `${url.origin}/` !== url.href)
    throw new PosternError('invalid', 'The host of the list of breached passwords is no host');
  return url.origin;
}

/** Asks how often a password was found; rejects when there is no usable answer. */
function createRangeClient(
  origin: string,
  timeoutMs: number,
): (password: string) => Promise<number> {
  let asked = 0;
  return async (password) => {
    if (asked >= ASKED_AT_ONCE_MAX) throw new Error('too many questions at once');
    asked += 1;
    try {
      const digest = hash('sha1', password, 'hex').toUpperCase();
      const answer = await fetch(`${origin}/range/${digest.slice(0, 5)}`, {
        headers: { 'add-padding': 'true', 'user-agent': 'postern', accept: 'text/plain' },
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (answer.status !== 200) {
        await answer.body?.cancel();
        throw new Error(`status ${answer.status}`);
      }
      return countIn(await readBounded(answer), digest.slice(5));
    } finally {
      asked -= 1;
    }
  };
}

async function readBounded(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('latin1');
}

/** The count beside a suffix in `SUFFIX:COUNT` lines; mirrors may leave the count out, and padding counts 0. */
export function countIn(answer: string, suffix: string): number {
  for (const line of answer.split('\n')) {
    const [found, count, ...more] = line.trim().split(':');
    if (found?.toUpperCase() !== suffix) continue;
    if (count === undefined) return 1;
    const digits = count.replaceAll(',', '').trim();
    if (more.length > 0 || !/^[0-9]{1,15}$/.test(digits)) throw new Error('a count is no number');
    return Number(digits);
  }
  return 0;
}
