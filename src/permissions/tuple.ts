/**
 * Relation tuples (Zanzibar §2.1): `namespace:object#relation@subject`. Any string is a name, also an empty one and one
 * with `#:@` in it, so nothing but the parts themselves is ever compared: the text notation is for people and files.
 * Refused everywhere are NUL and lone surrogates, which no database column and no UTF-8 can carry.
 */
import { PosternError } from '../kernel/index.ts';

/** All subjects that stand in a relation to an object; with the relation "" the object itself. */
export interface SubjectSet {
  readonly namespace: string;
  readonly object: string;
  readonly relation: string;
}

/** A plain id, or a subject set. `alice`, `User:alice#` and `User:alice#...` are three different subjects. */
export type Subject = { readonly id: string } | { readonly set: SubjectSet };

export interface Tuple {
  readonly namespace: string;
  readonly object: string;
  readonly relation: string;
  readonly subject: Subject;
  /** The tuple is invisible from that instant on (milliseconds since the Unix epoch). */
  readonly expiresAtMs?: number;
}

/** A filter: what is absent matches everything. */
export interface TupleQuery {
  readonly namespace?: string;
  readonly object?: string;
  readonly relation?: string;
  readonly subject?: Subject;
}

/** The object that stands for every object of its namespace, where the relation declares `Wildcard<Namespace>`. */
export const WILDCARD_OBJECT = '*';
/** Bytes of UTF-8 in a name: well above the 64 KiB that names are tested with, well below what would fill the memory. */
export const NAME_BYTES_MAX: number = 128 * 1024;

/** True when the two are the same subject. */
export function sameSubject(a: Subject, b: Subject): boolean {
  if ('id' in a) return 'id' in b && a.id === b.id;
  return (
    'set' in b &&
    a.set.namespace === b.set.namespace &&
    a.set.object === b.set.object &&
    a.set.relation === b.set.relation
  );
}

/** A text that is equal for equal part lists alone: each part is preceded by its length. */
export function keyOf(...parts: readonly string[]): string {
  let key = '';
  for (const part of parts) key += `${part.length}:${part}`;
  return key;
}

/** The key of a subject. */
export function subjectKey(s: Subject): string {
  return 'id' in s ? `i${s.id}` : `s${keyOf(s.set.namespace, s.set.object, s.set.relation)}`;
}

/** The key of a tuple, `expiresAtMs` apart: two tuples with one key are the same tuple. */
export function tupleKey(t: Tuple): string {
  return keyOf(t.namespace, t.object, t.relation) + subjectKey(t.subject);
}

/** Throws `invalid` for a name that can't be stored. */
export function checkName(what: string, name: string): void {
  if (name.includes('\0'))
    throw new PosternError('invalid', `The ${what} contains a NUL character`);
  if (!name.isWellFormed())
    throw new PosternError('invalid', `The ${what} is not well-formed Unicode`);
  if (name.length > NAME_BYTES_MAX / 4 && Buffer.byteLength(name) > NAME_BYTES_MAX)
    throw new PosternError('invalid', `The ${what} is longer than ${NAME_BYTES_MAX} bytes`);
}

/** Throws `invalid` when a part of the tuple can't be stored. */
export function checkTuple(t: Tuple): void {
  checkName('namespace', t.namespace);
  checkName('object', t.object);
  checkName('relation', t.relation);
  if ('id' in t.subject) checkName('subject id', t.subject.id);
  else
    for (const [part, name] of Object.entries(t.subject.set)) checkName(`subject's ${part}`, name);
}

const MALFORMED = (): PosternError => new PosternError('invalid', 'malformed string input');

/** Splits at the first separator; throws `invalid` when there is none. */
function cut(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  if (at < 0) throw MALFORMED();
  return [text.slice(0, at), text.slice(at + 1)];
}

/**
 * Reads a subject of the text notation: with a `:` a set `namespace:object[#relation]`, else an id. Parentheses around
 * it are dropped (reference/permissions.md §4).
 */
export function parseSubject(text: string): Subject {
  const bare = text.replace(/^[()]+|[()]+$/g, '');
  if (!bare.includes(':')) return { id: bare };
  const [namespace, rest] = cut(bare, ':');
  const at = rest.indexOf('#');
  const [object, relation] = at < 0 ? [rest, ''] : [rest.slice(0, at), rest.slice(at + 1)];
  return { set: { namespace, object, relation } };
}

/** Reads `namespace:object#relation@subject`. Throws `invalid`. */
export function parseTuple(text: string): Tuple {
  const [namespace, afterNamespace] = cut(text, ':');
  const [object, afterObject] = cut(afterNamespace, '#');
  const [relation, subject] = cut(afterObject, '@');
  return { namespace, object, relation, subject: parseSubject(subject) };
}

/** Prints a subject; one with an empty relation as `namespace:object`. */
export function printSubject(s: Subject): string {
  if ('id' in s) return s.id;
  const { namespace, object, relation } = s.set;
  return relation === '' ? `${namespace}:${object}` : `${namespace}:${object}#${relation}`;
}

/** Prints a tuple in the text notation. Not every tuple can be read back from it: see the module's head. */
export function printTuple(t: Tuple): string {
  return `${t.namespace}:${t.object}#${t.relation}@${printSubject(t.subject)}`;
}
