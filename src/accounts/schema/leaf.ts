/**
 * The leaves of an identity schema: the single traits, each with its path, its part of the schema and what the extension
 * `ory.sh/kratos` says of it. Pure.
 */
import type { Via } from '../account.ts';

const EXTENSION = 'ory.sh/kratos';
export const DEPTH_MAX = 32;

export type Leaf = {
  /** Below `traits`, such as `["name", "first"]`; an array's items carry `*`. */
  readonly path: readonly string[];
  readonly schema: Readonly<Record<string, unknown>>;
  readonly isRequired: boolean;
  /** Whether it signs somebody in, or is an address. */
  readonly isName: boolean;
};

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Puts the leaves below a schema into `found`, in the schema's order. */
export function leavesOf(
  schema: unknown,
  path: readonly string[],
  isRequired: boolean,
  found: Leaf[],
): void {
  if (!isRecord(schema) || path.length > DEPTH_MAX) return;
  const { properties, required, items } = schema;
  if (isRecord(properties)) {
    const must = Array.isArray(required) ? required : [];
    for (const [name, child] of Object.entries(properties))
      leavesOf(child, [...path, name], must.includes(name), found);
    return;
  }
  if (isRecord(items)) {
    leavesOf(items, [...path, '*'], false, found);
    return;
  }
  if (path.length > 0)
    found.push({ path, schema, isRequired, isName: isRecord(schema[EXTENSION]) });
}

/** The values at a path; `*` stands for each item of an array. */
export function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  const [name, ...rest] = path;
  if (name === undefined) return [value];
  if (name === '*') return Array.isArray(value) ? value.flatMap((v) => valuesAt(v, rest)) : [];
  if (!isRecord(value) || !Object.hasOwn(value, name)) return [];
  return valuesAt(value[name], rest);
}

/** What the extension says of a leaf at a path; undefined when nothing. */
export function extensionAt(leaf: Leaf, ...path: readonly string[]): unknown {
  return valuesAt(leaf.schema[EXTENSION], path)[0];
}

export function viaOf(value: unknown): Via | undefined {
  return value === 'email' || value === 'sms' ? value : undefined;
}
