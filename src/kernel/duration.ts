/** Durations as people write them: `500ms`, `10s`, `10m`, `1h`, `1d`; a bare number is seconds. */
import { PosternError } from './errors.ts';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const isUnit = (u: string): u is keyof typeof UNIT_MS => Object.hasOwn(UNIT_MS, u);

/** Parses a duration into whole milliseconds. Throws `invalid`. */
export function parseDurationMs(text: string): number {
  const match = /^(\d{1,12})(ms|s|m|h|d)?$/.exec(text.trim());
  const unit = match?.[2] ?? 's';
  if (match?.[1] === undefined || !isUnit(unit)) {
    throw new PosternError(
      'invalid',
      `"${text}" is not a duration; write 500ms, 10s, 10m, 1h or 1d`,
    );
  }
  return Number(match[1]) * UNIT_MS[unit];
}
