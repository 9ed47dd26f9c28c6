/**
 * JSON Patch (RFC 6902) with JSON Pointers (RFC 6901). Pure: the document is never changed, a patch applies whole or not at
 * all. INVARIANT: a path names own members alone, so that nobody's patch reaches a prototype; a forbidden path is one to
 * read as well, for `copy` and `move` would bring what is below it to where it is shown.
 */
import { PosternError } from '../kernel/index.ts';
import type { Json, JsonObject } from './account.ts';
import { isFlatEnough } from './outgoing/nesting.ts';

const OPERATIONS_MAX = 1_000;
/** Each is written out to be measured. */
const COPIES_MAX = 50;
const PATH_LENGTH_MAX = 1_024;
const PATH_PARTS_MAX = 32;
/** Of the document: copies of copies would grow it twofold with each operation. */
const RESULT_CHARACTERS_MAX = 1024 * 1024;
const OPS = ['add', 'remove', 'replace', 'move', 'copy', 'test'] as const;
type Op = (typeof OPS)[number];

type Tree = Json | Tree[] | { [name: string]: Tree };

interface Operation {
  readonly op: Op;
  readonly path: readonly string[];
  readonly from: readonly string[];
  readonly value: Tree;
}

const isRecord = (value: unknown): value is { [name: string]: Tree } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function refuse(message: string): never {
  throw new PosternError('invalid', message);
}

function isOp(text: unknown): text is Op {
  return OPS.some((op) => op === text);
}

/** The parts of a pointer. Throws `invalid`. */
export function parsePointer(text: unknown, forbidden: readonly string[]): readonly string[] {
  if (typeof text !== 'string' || !text.startsWith('/')) refuse('an operation has no path');
  if (text.length > PATH_LENGTH_MAX) refuse('the path of an operation is too long');
  if (/~(?![01])/.test(text)) refuse(`"${text}" is no JSON Pointer: ~ is written ~0`);
  const parts = text
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (parts.length > PATH_PARTS_MAX) refuse('the path of an operation is too deep');
  const root = parts[0]?.toLowerCase() ?? '';
  if (forbidden.some((name) => name.toLowerCase() === root))
    refuse(`patch includes denied path: ${text}`);
  return parts;
}

function parseOperation(raw: unknown, forbidden: readonly string[]): Operation {
  if (!isRecord(raw)) refuse('an operation is no JSON object');
  const strange = Object.keys(raw).find((n) => !['op', 'path', 'value', 'from'].includes(n));
  if (strange !== undefined) refuse(`an operation has the unknown field "${strange}"`);
  const own = (name: string): Tree | undefined =>
    Object.hasOwn(raw, name) ? raw[name] : undefined;
  const op = own('op');
  if (!isOp(op)) refuse(`the operation ${JSON.stringify(op ?? null).slice(0, 40)} is unknown`);
  const path = parsePointer(own('path'), forbidden);
  const value = own('value');
  if (op === 'move' || op === 'copy')
    return { op, path, from: parsePointer(own('from'), forbidden), value: null };
  // Older clients leave `from` empty where it means nothing.
  if (value === undefined && op !== 'remove') refuse(`the operation ${op} has no value`);
  return { op, path, from: [], value: value ?? null };
}

/** Where in a list; throws for what is no index of it (RFC 6901 section 4). */
function indexOf(list: readonly Tree[], part: string, isNew: boolean): number {
  if (part === '-' && isNew) return list.length;
  const at = /^(0|[1-9]\d{0,8})$/.test(part) ? Number(part) : -1;
  if (at < 0 || at > list.length - (isNew ? 0 : 1)) refuse('an operation has no such path');
  return at;
}

function childOf(parent: Tree, part: string): Tree {
  if (Array.isArray(parent)) return parent[indexOf(parent, part, false)] as Tree;
  if (!isRecord(parent) || !Object.hasOwn(parent, part)) refuse('an operation has no such path');
  return parent[part] as Tree;
}

function valueAt(root: Tree, path: readonly string[]): Tree {
  return path.reduce(childOf, root);
}

function put(root: Tree, path: readonly string[], value: Tree): void {
  const part = path.at(-1) ?? '';
  const parent = valueAt(root, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(indexOf(parent, part, true), 0, value);
  else if (isRecord(parent))
    // Not an assignment: `__proto__` becomes a member like any other.
    Object.defineProperty(parent, part, {
      ...{ value, enumerable: true, writable: true, configurable: true },
    });
  else refuse('an operation has no such path');
}

function take(root: Tree, path: readonly string[]): Tree {
  const part = path.at(-1) ?? '';
  const parent = valueAt(root, path.slice(0, -1));
  const value = childOf(parent, part);
  if (Array.isArray(parent)) parent.splice(indexOf(parent, part, false), 1);
  else Reflect.deleteProperty(parent as object, part);
  return value;
}

/** Whether two values are the same JSON, whatever the order of members (RFC 6902 section 4.6). */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item: unknown, at) => isSameJson(item, b[at]))
    );
  if (!isRecord(a) || !isRecord(b)) return a === b;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isSameJson(a[name], b[name]))
  );
}

function isBelow(path: readonly string[], above: readonly string[]): boolean {
  return path.length > above.length && above.every((part, at) => path[at] === part);
}

function apply(root: Tree, { op, path, from, value }: Operation): void {
  switch (op) {
    case 'add':
      put(root, path, value);
      return;
    case 'remove':
      take(root, path);
      return;
    case 'replace':
      take(root, path);
      put(root, path, value);
      return;
    case 'move':
      if (isBelow(path, from)) refuse('nothing can be moved into itself');
      put(root, path, take(root, from));
      return;
    case 'copy':
      put(root, path, structuredClone(valueAt(root, from)));
      return;
    case 'test':
      if (!isSameJson(valueAt(root, path), value)) refuse('a test failed');
      return;
    default:
      op satisfies never;
  }
}

/**
 * A document after the operations of a patch. Throws `invalid` for what is no patch, does not apply, or names a path whose
 * first part is forbidden, in any case of its letters.
 */
export function patched(
  operations: unknown,
  document: JsonObject,
  forbidden: readonly string[],
): JsonObject {
  if (!Array.isArray(operations)) refuse('The body is a list of JSON Patch operations');
  if (operations.length > OPERATIONS_MAX) refuse(`At most ${OPERATIONS_MAX} operations at a time`);
  const copies = operations.filter((o) => isRecord(o) && o['op'] === 'copy').length;
  if (copies > COPIES_MAX) refuse(`At most ${COPIES_MAX} copies at a time`);
  if (!isFlatEnough(operations)) refuse('an operation is nested too deeply');
  const copy: Tree = structuredClone(document) as Tree;
  for (const raw of operations) {
    const operation = parseOperation(raw, forbidden);
    apply(copy, structuredClone(operation));
    if (operation.op === 'copy' && JSON.stringify(copy).length > RESULT_CHARACTERS_MAX)
      refuse('the patched document is too large');
  }
  // Only own members were put in, each of them JSON.
  return copy as JsonObject;
}

/** Whether a patch speaks of a member of the document, or of something in it. Throws as `patched`. */
export function speaksOf(operations: unknown, member: string): boolean {
  if (!Array.isArray(operations)) return false;
  return operations.some((o) => isRecord(o) && parsePointer(o['path'], [])[0] === member);
}
