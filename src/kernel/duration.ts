/**
 * Durations as people and Go's programs write them: `500ms`, `10s`, `1.5h`, `1h30m`, `1d`; a bare number is seconds. Pure.
 * Nothing is negative, and a sign, a space or a unit that is not known is refused rather than guessed at.
 */
import { PosternError } from './errors.ts';

const UNIT_MS = {
  ...{ ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1 },
  ...{ s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 },
} as const;
const isUnit = (u: string): u is keyof typeof UNIT_MS => Object.hasOwn(UNIT_MS, u);

const BARE = /^\d{1,12}$/;
const PART = '(\\d{1,12}(?:\\.\\d{1,9})?)(ns|us|µs|μs|ms|s|m|h|d)';
const WHOLE = new RegExp(`^(?:${PART}){1,8}$`);

/** Parses a duration into whole milliseconds, rounded to the nearest. Throws `invalid`. */
export function parseDurationMs(text: string): number {
  const given = text.trim();
  if (BARE.test(given)) return Number(given) * UNIT_MS.s;
  if (!WHOLE.test(given))
    throw new PosternError(
      'invalid',
      `"${text.slice(0, 100)}" is not a duration; write 500ms, 10s, 1h30m or 1d`,
    );
  let ms = 0;
  for (const [, amount = '', unit = ''] of given.matchAll(new RegExp(PART, 'g')))
    if (isUnit(unit)) ms += Number(amount) * UNIT_MS[unit];
  return Math.round(ms);
}
