/**
 * JSON Patch (RFC 6902) on a document of JSON. Pure: the document stays as it was. INVARIANT: all operations of a patch are done,
 * or none; what tells accounts apart and what they sign in with is neither read nor changed by one.
 */
import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type Json, type JsonObject } from '../../account.ts';
import { fields, refuse } from './body.ts';

/** As Kratos's, in any case; a copy from there would tell it as much as a change would set it. */
const DENIED = ['id', 'statechangedat', 'state_changed_at', 'credentials'];
const OPERATIONS_MAX = 1_000;
const INDEX = /^(0|[1-9]\d{0,8})$/;

/** The members of a JSON Pointer (RFC 6901). Throws `invalid` for none, and for what is denied. */
function pointer(text: unknown, field: 'path' | 'from'): readonly string[] {
  if (typeof text !== 'string' || !text.startsWith('/')) refuse(`an operation has no ${field}`);
  const parts = text
    .slice(1)
    .split('/')
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
  const [root = ''] = parts;
  if (DENIED.includes(root.toLowerCase())) refuse(`patch includes denied path: ${text}`);
  return parts;
}

function noSuchPath(): never {
  return refuse('an operation has no such path');
}

/** The place of an item; `-` is behind the last, where something can be added. */
function indexOf(list: readonly Json[], name: string, isAdding: boolean): number {
  const at = name === '-' ? list.length : INDEX.test(name) ? Number(name) : list.length + 1;
  return at < list.length || (isAdding && at === list.length) ? at : noSuchPath();
}

function valueAt(target: Json | undefined, [name, ...rest]: readonly string[]): Json {
  if (name === undefined) return target === undefined ? noSuchPath() : target;
  if (isList(target)) return valueAt(target[indexOf(target, name, false)], rest);
  if (!isJsonObject(target) || !Object.hasOwn(target, name)) return noSuchPath();
  return valueAt(target[name], rest);
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The target with something else at a path; undefined takes away what is there. */
function changed(
  target: Json | undefined,
  [name, ...rest]: readonly string[],
  value: Json | undefined,
): Json {
  if (name === undefined || name === '__proto__') return noSuchPath();
  const isLast = rest.length === 0;
  if (isList(target)) {
    const at = indexOf(target, name, isLast && value !== undefined);
    if (!isLast) return target.with(at, changed(target[at], rest, value));
    return target.toSpliced(
      at,
      value === undefined ? 1 : 0,
      ...(value === undefined ? [] : [value]),
    );
  }
  if (!isJsonObject(target)) return noSuchPath();
  const isThere = Object.hasOwn(target, name);
  if (!isThere && (!isLast || value === undefined)) return noSuchPath();
  const { [name]: before, ...others } = target;
  if (isLast) return value === undefined ? others : { ...others, [name]: value };
  return { ...others, [name]: changed(before, rest, value) };
}

/** `value` of an operation that needs one. */
function givenValue(operation: JsonObject): Json {
  const { value } = operation;
  return value === undefined ? refuse('an operation has no value') : value;
}

function apply(document: Json, operation: JsonObject): Json {
  const path = pointer(operation['path'], 'path');
  switch (operation['op']) {
    case 'add':
      return changed(document, path, givenValue(operation));
    case 'remove':
      return changed(document, path, undefined);
    case 'replace':
      return changed(changed(document, path, undefined), path, givenValue(operation));
    case 'move': {
      const from = pointer(operation['from'], 'from');
      return changed(changed(document, from, undefined), path, valueAt(document, from));
    }
    case 'copy':
      return changed(document, path, valueAt(document, pointer(operation['from'], 'from')));
    case 'test':
      if (isDeepStrictEqual(valueAt(document, path), givenValue(operation))) return document;
      return refuse('a test failed');
    default:
      return refuse('op is one of add, remove, replace, move, copy and test');
  }
}

/** A document after a patch. Throws `invalid` for what is no patch, or none of this document. */
export function patched(operations: unknown, document: JsonObject): JsonObject {
  if (!Array.isArray(operations)) refuse('The body is a list of JSON Patch operations');
  if (operations.length > OPERATIONS_MAX) refuse(`At most ${OPERATIONS_MAX} operations at a time`);
  let now: Json = document;
  for (const operation of operations)
    now = apply(now, fields(operation, ['op', 'path', 'value', 'from'], 'an operation'));
  return isJsonObject(now) ? now : noSuchPath();
}

/** Whether a patch speaks of a member of the document, or of something in it. Throws as `patched`. */
export function speaksOf(operations: unknown, member: string): boolean {
  if (!Array.isArray(operations)) return false;
  return operations.some((o) => isJsonObject(o) && pointer(o['path'], 'path')[0] === member);
}
