/**
 * The query of a request. It is read from the raw address and not taken from the server's parser, because nothing may be
 * ambiguous in a question about access: a key that is given twice, and bytes that are no text, are refused.
 */
import { badRequest } from './fault.ts';

const INT64_MAX = 9_223_372_036_854_775_807n;

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw badRequest('the query is not percent-encoded UTF-8');
  }
}

/** Keys and their values; a key without `=` is given, and empty. */
export class Query {
  readonly #values: ReadonlyMap<string, string>;
  /** Whether whoever asked has gone meanwhile. */
  readonly isAbandoned: () => boolean;

  /** Throws 400 for a key that is given twice and for what can't be decoded. */
  constructor(url: string, isAbandoned: () => boolean = () => false) {
    this.isAbandoned = isAbandoned;
    const values = new Map<string, string>();
    const start = url.indexOf('?');
    for (const pair of start < 0 ? [] : url.slice(start + 1).split('&')) {
      if (pair === '') continue;
      const at = pair.indexOf('=');
      const key = decode(at < 0 ? pair : pair.slice(0, at));
      if (values.has(key))
        throw badRequest(`query parameter key ${JSON.stringify(key)} is repeated`);
      values.set(key, at < 0 ? '' : decode(pair.slice(at + 1)));
    }
    this.#values = values;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  keys(): Iterable<string> {
    return this.#values.keys();
  }
}

/** Reads digits of a base, or with `base` 0 of the base that a prefix names (`0x`, `0o`, `0b`, `0`), as Go does. */
function readDigits(text: string, base: 0 | 10): bigint | undefined {
  const [, sign = '', digits = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  const shapes =
    base === 10
      ? /^[0-9]+$/
      : /^(0[xX](_?[0-9a-fA-F])+|0[oO](_?[0-7])+|0[bB](_?[01])+|0(_?[0-7])*|[1-9](_?[0-9])*)$/;
  if (!shapes.test(digits)) return undefined;
  const bare = digits.replaceAll('_', '');
  const isOctal = base === 0 && /^0[0-7]+$/.test(bare);
  const value = BigInt(isOctal ? `0o${bare}` : bare);
  return sign === '-' ? -value : value;
}

/**
 * Reads an integer in the words of Go's strconv, which Keto's clients meet. Throws 400, its message preceded by `prefix`.
 * What is beyond the integers of JavaScript is lowered to them: every use has a far lower limit.
 */
export function readInteger(text: string, base: 0 | 10, prefix: string): number {
  const parser = base === 10 ? 'strconv.Atoi' : 'strconv.ParseInt';
  const refuse = (why: string): Error =>
    badRequest(`${prefix}${parser}: parsing ${JSON.stringify(text)}: ${why}`);
  const value = text.length > 100 ? undefined : readDigits(text, base);
  if (value === undefined) throw refuse('invalid syntax');
  if (value > INT64_MAX || value < -INT64_MAX - 1n) throw refuse('value out of range');
  const limit = Number.MAX_SAFE_INTEGER;
  return Math.max(-limit, Math.min(limit, Number(value)));
}
