/**
 * Tuples, subjects and filters in JSON and in queries (reference/permissions.md §2). A missing part of a tuple in JSON is
 * "", as in Keto; what says two things at once is refused.
 */
import { checkName, type Subject, type SubjectSet, type Tuple, type TupleQuery } from '../tuple.ts';
import { badRequest, malformed } from './fault.ts';
import type { Query } from './query.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const BOTH_SUBJECTS = 'exactly one of subject_set or subject_id has to be provided';
const NO_SUBJECT = 'subject is not allowed to be nil';
const HALF_SUBJECT = 'incomplete subject, provide "subject_id" or a complete "subject_set.*"';
const HALF_TUPLE = 'incomplete tuple, provide "namespace", "object", "relation", and a subject';
const NO_PLAIN_SUBJECT =
  'provide "subject_id" or "subject_set.*"; support for "subject" was dropped';
const SET_PARTS = ['namespace', 'object', 'relation'] as const;
/** The keys of a filter in a query. */
export const FILTER_KEYS: readonly string[] = [
  'namespace',
  'object',
  'relation',
  'subject_id',
  'subject_set.namespace',
  'subject_set.object',
  'subject_set.relation',
  // Known so that it gets an answer of its own.
  'subject',
];

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object that a value is; throws 400. */
export function asObject(value: unknown, what: string): JsonObject {
  if (!isObject(value)) throw badRequest(`${what} must be an object`);
  return value;
}

/** The text of a field; undefined when it is absent or null. Throws 400 for anything else. */
export function textOf(from: JsonObject, key: string): string | undefined {
  const value = from[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw badRequest(`${JSON.stringify(key)} must be a string`);
  checkName(key, value);
  return value;
}

function setOf(from: JsonObject): SubjectSet {
  return {
    namespace: textOf(from, 'namespace') ?? '',
    object: textOf(from, 'object') ?? '',
    relation: textOf(from, 'relation') ?? '',
  };
}

/** The subject of a tuple in JSON; undefined when there is none. Throws 400 for two. */
export function subjectIn(from: JsonObject): Subject | undefined {
  const id = textOf(from, 'subject_id');
  const set = from['subject_set'] ?? undefined;
  if (id !== undefined && set !== undefined) throw badRequest(BOTH_SUBJECTS);
  if (id !== undefined) return { id };
  return set === undefined ? undefined : { set: setOf(asObject(set, '"subject_set"')) };
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds of an RFC 3339 time, NaN for anything else. */
function parseTime(text: string): number {
  const [, day = ''] = RFC3339.exec(text) ?? [];
  const midnight = new Date(`${day}T00:00:00Z`);
  // The parser takes the 30th of February for a day in March.
  const isDay = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
  return day !== '' && isDay ? Date.parse(text.replace(' ', 'T').toUpperCase()) : Number.NaN;
}

function instantOf(from: JsonObject, key: string): number | undefined {
  const text = textOf(from, key);
  if (text === undefined) return undefined;
  const ms = parseTime(text);
  if (Number.isNaN(ms)) throw badRequest(`${JSON.stringify(key)} must be a time as in RFC 3339`);
  return ms;
}

/** A question: what is asked about, and the subject where one is given. */
export function questionIn(from: JsonObject): { on: SubjectSet; subject: Subject | undefined } {
  return { on: setOf(from), subject: subjectIn(from) };
}

/** The subject, or 400 when there is none. */
export function required(subject: Subject | undefined): Subject {
  if (subject === undefined) throw badRequest(NO_SUBJECT);
  return subject;
}

/** The tuple that a value is. Throws 400. */
export function tupleIn(value: unknown): Tuple {
  const from = asObject(value, 'a relation tuple');
  const { on, subject } = questionIn(from);
  const expiresAtMs = instantOf(from, 'expires_at');
  return {
    ...on,
    subject: required(subject),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

/** The filter that a value is. A key that is none of a filter's would widen it unseen, so it is refused: 400. */
export function filterIn(value: unknown): TupleQuery {
  const from = asObject(value, 'a filter');
  for (const key of Object.keys(from))
    if (![...SET_PARTS, 'subject_id', 'subject_set'].includes(key))
      throw badRequest(`filter key ${JSON.stringify(key)} unknown`);
  const query: { -readonly [K in keyof TupleQuery]: TupleQuery[K] } = {};
  for (const part of SET_PARTS) {
    const name = textOf(from, part);
    if (name !== undefined) query[part] = name;
  }
  const set = from['subject_set'];
  if (isObject(set) && SET_PARTS.some((part) => typeof set[part] !== 'string'))
    throw badRequest(HALF_SUBJECT);
  const subject = subjectIn(from);
  if (subject !== undefined) query.subject = subject;
  return query;
}

function nameIn(query: Query, key: string): string | undefined {
  const name = query.get(key);
  if (name !== undefined) checkName(key, name);
  return name;
}

/** The subject in a query; undefined when there is none. Throws 400 for two, a half one and the old key `subject`. */
export function subjectInQuery(query: Query): Subject | undefined {
  if (query.has('subject')) throw malformed(NO_PLAIN_SUBJECT);
  const id = nameIn(query, 'subject_id');
  const [namespace, object, relation] = SET_PARTS.map((part) =>
    nameIn(query, `subject_set.${part}`),
  );
  if (namespace === undefined && object === undefined && relation === undefined)
    return id === undefined ? undefined : { id };
  if (id !== undefined) throw badRequest(BOTH_SUBJECTS);
  if (namespace === undefined || object === undefined || relation === undefined)
    throw badRequest(HALF_SUBJECT);
  return { set: { namespace, object, relation } };
}

/** The filter in a query. */
export function filterInQuery(query: Query): TupleQuery {
  const subject = subjectInQuery(query);
  const filter: { -readonly [K in keyof TupleQuery]: TupleQuery[K] } = {};
  for (const part of SET_PARTS) {
    const name = nameIn(query, part);
    if (name !== undefined) filter[part] = name;
  }
  return subject === undefined ? filter : { ...filter, subject };
}

/** The question in a query; nothing of it may be missing. */
export function questionInQuery(query: Query): { on: SubjectSet; subject: Subject } {
  const { namespace, object, relation, subject } = filterInQuery(query);
  const asked = required(subject);
  if (namespace === undefined || object === undefined || relation === undefined)
    throw badRequest(HALF_TUPLE);
  return { on: { namespace, object, relation }, subject: asked };
}

export function subjectJson(subject: Subject): JsonObject {
  if ('id' in subject) return { subject_id: subject.id };
  const { namespace, object, relation } = subject.set;
  return { subject_set: { namespace, object, relation } };
}

export function tupleJson(tuple: Tuple): JsonObject {
  const { namespace, object, relation, subject, expiresAtMs } = tuple;
  return {
    namespace,
    object,
    relation,
    ...subjectJson(subject),
    ...(expiresAtMs === undefined ? {} : { expires_at: new Date(expiresAtMs).toISOString() }),
  };
}

/** As Go escapes a query: everything but letters, digits and `-_.~`, a space as `+`. */
function escapeQuery(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

/** The tuple as a query, its keys sorted. */
export function tupleQuery(tuple: Tuple): string {
  const { namespace, object, relation, subject } = tuple;
  const pairs: [string, string][] = [
    ['namespace', namespace],
    ['object', object],
    ['relation', relation],
  ];
  if ('id' in subject) pairs.push(['subject_id', subject.id]);
  else for (const part of SET_PARTS) pairs.push([`subject_set.${part}`, subject.set[part]]);
  return pairs.map(([key, value]) => `${key}=${escapeQuery(value)}`).join('&');
}
