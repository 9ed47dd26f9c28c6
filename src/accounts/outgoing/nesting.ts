/**
 * How deeply JSON of another server may be nested. Pure. `JSON.parse` itself reads any depth; whatever walks the value after
 * it (a schema, a program, `JSON.stringify`) goes down by calls, and would end in an overflow that is nobody's error.
 */

/** Deeper than any profile or identity, and a small part of what a stack holds. */
const NESTING_MAX = 64;

/** Whether a value is nested no deeper than our own code follows. */
export function isFlatEnough(value: unknown, max: number = NESTING_MAX): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= max; depth++) {
    level = level.flatMap((v) => (typeof v === 'object' && v !== null ? Object.values(v) : []));
    if (level.length === 0) return true;
  }
  return false;
}
