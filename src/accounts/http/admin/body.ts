/**
 * Bodies of administrators' requests, field by field. Pure. INVARIANT: a field that is not known, or is not of its type, is
 * refused by name (`invalid`), so that nothing is set or left out by accident.
 */
import { PosternError } from '../../../kernel/index.ts';
import { isJsonObject, type Json, type JsonObject } from '../../account.ts';

/** Throws `invalid`. */
export function refuse(message: string): never {
  throw new PosternError('invalid', message);
}

/** An object that has no fields but the known ones. `where` names it in the refusal. */
export function fields(value: unknown, known: readonly string[], where: string): JsonObject {
  if (!isJsonObject(value)) refuse(`${where} is no JSON object`);
  const strange = Object.keys(value).find((name) => !known.includes(name));
  if (strange !== undefined) refuse(`${where} has the unknown field "${strange}"`);
  return value;
}

/** A text; undefined for an empty one, as for none. */
export function textField(from: JsonObject, name: string): string | undefined {
  const value = Object.hasOwn(from, name) ? from[name] : undefined;
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') refuse(`${name} is no text`);
  if (value.includes('\0')) refuse(`${name} has a NUL character`);
  return value;
}

/** A list; undefined where there is none. */
export function listField(from: JsonObject, name: string): readonly Json[] | undefined {
  const value = Object.hasOwn(from, name) ? from[name] : undefined;
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) refuse(`${name} is no list`);
  return value;
}
