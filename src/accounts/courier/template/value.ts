/**
 * What templates see: JSON values, by Go's rules of truth, of equality and of printing. Pure. Only own properties are
 * ever looked up, so a field named `constructor` or `__proto__` is plain data or absent.
 *
 * DEVIATION: what is absent prints nothing, where Go prints `<no value>`, since people read it.
 */
import type { Json, JsonObject } from '../../account.ts';

/** Absent is undefined; null is Go's nil. */
export type Value = Json | undefined;

/** Nested data is printed only this deep. */
const PRINT_DEPTH_MAX = 8;

export const isList = (value: Value): value is readonly Json[] => Array.isArray(value);
export const isObject = (value: Value): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The own property of an object, else undefined. */
export function fieldOf(object: JsonObject, name: string): Value {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** False for false, 0, nil, the absent, and what is empty. */
export function isTrue(value: Value): boolean {
  if (isList(value)) return value.length > 0;
  if (isObject(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** A value as text, as Go's `%v` writes it. */
export function printed(value: Value, depth = 0): string {
  if (value === undefined || value === null) return '';
  if (depth > PRINT_DEPTH_MAX) return '…';
  if (isList(value)) return `[${value.map((item) => printed(item, depth + 1)).join(' ')}]`;
  if (!isObject(value)) return String(value);
  const entries = Object.keys(value)
    .toSorted()
    .map((key) => `${key}:${printed(fieldOf(value, key), depth + 1)}`);
  return `map[${entries.join(' ')}]`;
}
