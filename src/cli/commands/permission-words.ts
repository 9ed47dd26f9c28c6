/**
 * Reads the words of the permission commands: subjects, places, tuples and files of tuples, as people and as Keto's
 * command line write them. Pure; every failure is one of the command line.
 */
import {
  parseSubject,
  parseTuple,
  type Subject,
  type SubjectSet,
  type Tuple,
} from '../../permissions/light.ts';
import { asUsage, usageError } from '../exit.ts';
import { field, text } from '../json.ts';
import type { Query } from '../permission-client.ts';

/** `namespace:object`; the object may hold a `:`. */
export function readObject(word: string): { namespace: string; object: string } {
  const at = word.indexOf(':');
  if (at < 0) throw usageError(`"${word}" is not NAMESPACE:OBJECT`);
  return { namespace: word.slice(0, at), object: word.slice(at + 1) };
}

/** A subject: `alice`, `User:alice` or `Group:g#members`. */
export function readSubject(word: string): Subject {
  return asUsage(() => parseSubject(word));
}

/**
 * A question or a tuple: `SUBJECT RELATION NAMESPACE:OBJECT`, Keto's older `SUBJECT RELATION NAMESPACE OBJECT`, or the one
 * word `NAMESPACE:OBJECT#RELATION@SUBJECT`.
 */
export function readTupleWords(words: readonly string[]): Tuple {
  const [subject = '', relation = '', third = '', fourth] = words;
  if (words.length === 1) {
    if (!/:.*#.*@/.test(subject))
      throw usageError(
        `"${subject}" is no tuple`,
        'Write NAMESPACE:OBJECT#RELATION@SUBJECT, or SUBJECT RELATION NAMESPACE:OBJECT',
      );
    return asUsage(() => parseTuple(subject));
  }
  if (words.length !== 3 && words.length !== 4)
    throw usageError(
      'Write SUBJECT RELATION NAMESPACE:OBJECT, or NAMESPACE:OBJECT#RELATION@SUBJECT',
    );
  const place = fourth === undefined ? readObject(third) : { namespace: third, object: fourth };
  return { ...place, relation, subject: readSubject(subject) };
}

/** What is expanded or listed: `RELATION NAMESPACE:OBJECT`, `RELATION NAMESPACE OBJECT` or `NAMESPACE:OBJECT#RELATION`. */
export function readPlaceWords(words: readonly string[]): SubjectSet {
  const [first = '', second = '', third] = words;
  if (words.length === 1) {
    const at = first.indexOf('#');
    if (at < 0) throw usageError(`"${first}" is not NAMESPACE:OBJECT#RELATION`);
    return { ...readObject(first.slice(0, at)), relation: first.slice(at + 1) };
  }
  if (words.length !== 2 && words.length !== 3)
    throw usageError('Write RELATION NAMESPACE:OBJECT, or NAMESPACE:OBJECT#RELATION');
  const place = third === undefined ? readObject(second) : { namespace: second, object: third };
  return { ...place, relation: first };
}

/** The query form of a subject. */
export function subjectQuery(subject: Subject): Query {
  if ('id' in subject) return [['subject_id', subject.id]];
  const { namespace, object, relation } = subject.set;
  return [
    ['subject_set.namespace', namespace],
    ['subject_set.object', object],
    ['subject_set.relation', relation],
  ];
}

/** The query form of a place. */
export function placeQuery({ namespace, object, relation }: SubjectSet): Query {
  return [
    ['namespace', namespace],
    ['object', object],
    ['relation', relation],
  ];
}

/** The JSON of a tuple, with Keto's names. */
export function tupleJson(t: Tuple): Record<string, unknown> {
  const { namespace, object, relation, subject, expiresAtMs } = t;
  return {
    namespace,
    object,
    relation,
    ...('id' in subject ? { subject_id: subject.id } : { subject_set: subject.set }),
    ...(expiresAtMs === undefined ? {} : { expires_at: new Date(expiresAtMs).toISOString() }),
  };
}

/** Reads a subject of JSON; undefined when there is none. */
export function subjectOfJson(value: unknown): Subject | undefined {
  const id = field(value, 'subject_id');
  if (typeof id === 'string') return { id };
  const set = field(value, 'subject_set');
  if (typeof set !== 'object' || set === null) return undefined;
  const [namespace, object] = [text(set, 'namespace'), text(set, 'object')];
  return { set: { namespace, object, relation: text(set, 'relation') } };
}

/** Reads a tuple that somebody wrote as JSON. Throws a usage error, which names the place. */
export function tupleOfJson(value: unknown, place: string): Tuple {
  const part = (name: string): string => {
    const found = field(value, name);
    if (typeof found !== 'string') throw usageError(`${place}: "${name}" is missing or not text`);
    return found;
  };
  const both =
    field(value, 'subject_id') !== undefined && field(value, 'subject_set') !== undefined;
  const subject = subjectOfJson(value);
  if (subject === undefined || both)
    throw usageError(`${place}: exactly one of subject_id and subject_set has to be there`);
  const tuple = {
    namespace: part('namespace'),
    object: part('object'),
    relation: part('relation'),
  };
  const expiry = field(value, 'expires_at');
  if (expiry === undefined || expiry === null) return { ...tuple, subject };
  return { ...tuple, subject, expiresAtMs: readInstantMs(String(expiry), place) };
}

/** An instant with its zone. Throws a usage error. */
export function readInstantMs(given: string, place: string): number {
  const ms = /T.*(Z|[+-]\d\d:\d\d)$/.test(given) ? Date.parse(given) : Number.NaN;
  if (Number.isNaN(ms))
    throw usageError(`${place}: "${given}" is not an instant such as 2030-01-31T12:00:00Z`);
  return ms;
}

/** The tuples of what `relation-tuple get --format json` prints; the value itself when it is something else. */
function listedTuples(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'relation_tuples'))
    return value;
  return Reflect.get(value, 'relation_tuples');
}

/**
 * Reads a file of one tuple, an array of tuples, or a list as `get` prints it; a byte order mark is tolerated. Throws a
 * usage error.
 */
export function readTupleJson(source: string, name: string): Tuple[] {
  let value: unknown;
  try {
    value = JSON.parse(source.replace(/^\uFEFF/, ''));
  } catch {
    throw usageError(`${name} is not JSON`);
  }
  value = listedTuples(value);
  if (!Array.isArray(value)) return [tupleOfJson(value, name)];
  return value.map((item: unknown, i) => tupleOfJson(item, `${name}[${i}]`));
}

/** Reads tuples in the text notation, one a line; blank lines and those that begin with // are passed over. */
export function readTupleLines(source: string, name: string): Tuple[] {
  return source.split('\n').flatMap((raw, i) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('//')) return [];
    try {
      return [parseTuple(line)];
    } catch {
      throw usageError(
        `${name}: line ${i + 1}: "${line}" is not NAMESPACE:OBJECT#RELATION@SUBJECT`,
      );
    }
  });
}
