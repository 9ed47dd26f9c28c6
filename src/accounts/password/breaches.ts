/**
 * In how many breaches a password was seen: Have I Been Pwned's range API, which learns the first five digits of a hash
 * and nothing more (k-anonymity). A service that is away must not keep people from registering unless the configuration
 * says so.
 */
import { createHash } from 'node:crypto';
import { type Logger, PosternError } from '../../kernel/index.ts';

const PREFIX_LENGTH = 5;
const TIMEOUT_MS = 2_000;
const ANSWER_BYTES_MAX = 512 * 1024;
/** After a fault it is not asked for a while, so that nobody waits for it each time. */
const PAUSE_MS = 60_000;

/** The passwords that are tried first by everybody, for when the service is not asked or away. */
const COMMON: ReadonlySet<string> = new Set(
  (
    'password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword 12345678 123456789 1234567890 ' +
    '0123456789 123123123 1234512345 11111111 111111111 1111111111 00000000 000000000 87654321 987654321 9876543210 ' +
    '88888888 66666666 99999999 12341234 123654789 147258369 159753456 qwertyui qwertyuiop qwerty123 qwerty12 qwerty1234 ' +
    '1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qaz2wsx3edc q1w2e3r4 q1w2e3r4t5 zaq12wsx zxcvbnm1 asdfghjkl asdf1234 asdfasdf abcd1234 ' +
    'abc12345 abcdefgh abcdefg1 aa123456 a1234567 a12345678 a123456789 iloveyou iloveyou1 sunshine princess football ' +
    'baseball basketball superman batman123 trustno1 letmein1 letmein123 welcome1 welcome123 monkey123 dragon123 ' +
    'master123 shadow123 michael1 jennifer whatever computer internet starwars samsung1 liverpool chelsea1 charlie1 ' +
    'changeme changeme1 admin123 admin1234 administrator root1234 test1234 testtest guest123 secret123 default1 ' +
    'corvette mercedes passport spiderman pokemon1 naruto123 minecraft fortnite google123 facebook linkedin ' +
    'summer2023 summer2024 summer2025 summer2026 winter2024 winter2025 spring2025 autumn2025'
  ).split(' '),
);

export interface BreachOptions {
  /** `api.pwnedpasswords.com`, or `host:port` over plain HTTP for one on this machine; undefined: nobody is asked. */
  readonly host: string | undefined;
  readonly isNetworkFaultIgnored: boolean;
  readonly logger: Logger;
}

/** Answers a count; throws `unavailable` where faults of the network are not to be passed over. */
export function createBreaches(o: BreachOptions): (password: string) => Promise<number> {
  let pausedUntilMs = 0;
  return async (password) => {
    if (COMMON.has(password.toLowerCase())) return Number.MAX_SAFE_INTEGER;
    const { host } = o;
    if (host === undefined || performance.now() < pausedUntilMs) return 0;
    try {
      return await ask(host, password);
    } catch (cause) {
      if (!o.isNetworkFaultIgnored)
        throw new PosternError('unavailable', 'The list of breached passwords is out of reach', {
          cause,
        });
      pausedUntilMs = performance.now() + PAUSE_MS;
      o.logger.warn(
        { host },
        'the list of breached passwords is out of reach; passwords pass unasked',
      );
      return 0;
    }
  };
}

async function ask(host: string, password: string): Promise<number> {
  const hash = createHash('sha1').update(password).digest('hex').toUpperCase();
  const scheme = /^(localhost|127\.|\[::1\])/.test(host) ? 'http' : 'https';
  const answer = await fetch(`${scheme}://${host}/range/${hash.slice(0, PREFIX_LENGTH)}`, {
    headers: { 'add-padding': 'true' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const text = (await answer.text()).slice(0, ANSWER_BYTES_MAX);
  const suffix = hash.slice(PREFIX_LENGTH);
  for (const line of text.split('\n')) {
    const [found, count] = line.trim().split(':');
    if (found === suffix) return Number(count) || 0;
  }
  return 0;
}
