/**
 * Reads SpiceDB's validation files: schema, relationships, assertions, and of `validation` who is expected, not by which
 * way (`is <…>`). Caveats, their contexts and `assertCaveated` are refused with a clear word. An expiry of a relationship
 * is kept.
 */
import { PosternError } from '../../kernel/index.ts';
import { checkTuple, type SubjectSet, type Tuple, WILDCARD_OBJECT } from '../tuple.ts';
import type { Field } from './fields.ts';
import { Translation } from './foreign.ts';
import { parseSpiceDbSchema } from './spicedb-schema.ts';
import type { Assertion, World, WorldEnvironment, WorldTest } from './world.ts';

const KEYS = ['schema', 'schemaFile', 'relationships', 'assertions', 'validation'];
const OBJECT = String.raw`([^\s:#@]+):([^\s:#@]+)#([^\s:#@[\]]+)`;
const SUBJECT = String.raw`([^\s:#@]+):([^\s:#@[\]]+)(?:#([^\s:#@[\]]+))?`;
const RELATIONSHIP = new RegExp(`^${OBJECT}@${SUBJECT}(.*)$`, 's');
const EXPIRY = /^\[expiration:([^\]]*)\]$/;

/** Reads a validation file. Throws `invalid` and `unsupported`, with the place. */
export function readSpiceDbWorld(
  root: Field,
  { readFile }: Pick<WorldEnvironment, 'readFile'>,
): World {
  const at = root.map(KEYS);
  const [inline, file] = [at('schema'), at('schemaFile')];
  if (inline.isAbsent === file.isAbsent)
    throw new PosternError('invalid', 'Give exactly one of schema and schemaFile');
  const source = inline.isAbsent ? readFile(file.text()) : inline.text();
  const translation = new Translation(parseSpiceDbSchema(source));
  const reader = new Reader(translation);
  return {
    format: 'spicedb',
    name: '',
    model: translation.model,
    warnings: [],
    isStrict: true,
    tuples: reader.relationships(at('relationships')),
    tests: [reader.assertions(at('assertions')), reader.validation(at('validation'))].filter(
      (test) => test.assertions.length > 0,
    ),
  };
}

class Reader {
  readonly #translation: Translation;
  constructor(translation: Translation) {
    this.#translation = translation;
  }

  relationships(field: Field): Tuple[] {
    const lines = (field.optionalText() ?? '').split('\n').map((line) => line.trim());
    return lines
      .filter((line) => line !== '' && !line.startsWith('//'))
      .map((line) =>
        field.reading(() => {
          const tuple = parseRelationship(line);
          checkTuple(tuple);
          return inLine(line, () => this.#translation.stored(tuple));
        }),
      );
  }

  assertions(field: Field): WorldTest {
    const at = field.map(['assertTrue', 'assertFalse', 'assertCaveated']);
    if (at('assertCaveated').items().length > 0)
      throw new PosternError(
        'unsupported',
        `${at('assertCaveated').path}: caveats are not supported`,
      );
    const read = (key: string, expect: boolean): Assertion[] =>
      at(key)
        .items()
        .map((item) => this.#check(item, expect));
    return {
      name: 'assertions',
      tuples: [],
      assertions: [...read('assertTrue', true), ...read('assertFalse', false)],
    };
  }

  #check(field: Field, expect: boolean): Assertion {
    const text = field.text().trim();
    if (/\swith\s/.test(text))
      throw new PosternError('unsupported', `${field.path}: caveats are not supported`);
    return field.reading(() => {
      const { namespace, object, relation, subject, expiresAtMs } = parseRelationship(text);
      if (expiresAtMs !== undefined)
        throw new PosternError('invalid', 'a question does not expire');
      const on = this.#translation.place({ namespace, object, relation });
      if ('set' in subject) this.#translation.place(subject.set);
      return { kind: 'check', text, on, subject, expect };
    });
  }

  validation(field: Field): WorldTest {
    const assertions = field.entries().flatMap(([key, expected]) => this.#expected(key, expected));
    return { name: 'validation', tuples: [], assertions };
  }

  /** One list for each kind of subject that is named; and, for those that a wildcard leaves out, a check each. */
  #expected(key: string, field: Field): Assertion[] {
    const match = new RegExp(`^${OBJECT}$`).exec(key);
    if (match === null) throw field.wrong('the key is not type:id#relation');
    const [, namespace = '', object = '', relation = ''] = match;
    const on = field.reading(() => this.#translation.place({ namespace, object, relation }));
    const lists = new Map<string, SubjectSet[]>();
    const checks: Assertion[] = [];
    for (const item of field.items()) {
      const { subject, exceptions } = parseExpected(item);
      const kind = `${subject.namespace}#${subject.relation}`;
      lists.set(kind, [...(lists.get(kind) ?? []), subject]);
      for (const excepted of exceptions)
        checks.push({
          kind: 'check',
          text: `${key}@${excepted.namespace}:${excepted.object}`,
          on,
          subject: { set: excepted },
          expect: false,
        });
    }
    return [...[...lists.values()].map((sets) => listOf(key, on, sets)), ...checks];
  }
}

function listOf(key: string, on: SubjectSet, sets: readonly SubjectSet[]): Assertion {
  const { namespace = '', relation = '' } = sets[0] ?? {};
  const kind = relation === '' ? namespace : `${namespace}#${relation}`;
  const expect = sets.map((set) => ({ set }));
  const of = { namespace, relation };
  return { kind: 'list_subjects', text: `${key}@? of ${kind}`, on, of, expect, mayCover: true };
}

function inLine<T>(line: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    throw new PosternError(error.code, `${line}: ${error.message}`);
  }
}

/** `...` is SpiceDB's word for the object itself. */
const relationOf = (text: string | undefined): string =>
  text === undefined || text === '...' ? '' : text;

function parseRelationship(text: string): Tuple {
  const match = RELATIONSHIP.exec(text);
  if (match === null) throw new PosternError('invalid', `"${text}" is not a relationship`);
  const [, namespace = '', object = '', relation = '', type = '', id = '', of, rest = ''] = match;
  const subject = { set: { namespace: type, object: id, relation: relationOf(of) } };
  const tuple: Tuple = { namespace, object, relation, subject };
  if (rest === '') return tuple;
  const expiry = EXPIRY.exec(rest)?.[1];
  if (expiry === undefined)
    throw new PosternError('unsupported', `${text}: caveats are not supported`);
  const expiresAtMs = Date.parse(expiry);
  if (Number.isNaN(expiresAtMs)) throw new PosternError('invalid', `${text}: not an instant`);
  return { ...tuple, expiresAtMs };
}

/** `[user:a] is <…>`, `[user:* - {user:b, user:c}] is <…>`. */
function parseExpected(field: Field): { subject: SubjectSet; exceptions: readonly SubjectSet[] } {
  const text = field.text();
  const inner = /^\s*\[(.*)\](?=\s+is\s|\s*$)/s.exec(text)?.[1];
  const parts = /^\s*([^\s{}]+)\s*(?:-\s*\{([^}]*)\})?\s*$/.exec(inner ?? '');
  if (parts === null) throw field.wrong(`"${text}" is not [subject] is <relation>`);
  const [, subject = '', exceptions = ''] = parts;
  if (inner?.includes('[...]') === true)
    throw new PosternError('unsupported', `${field.path}: caveats are not supported`);
  const excepted = exceptions.split(',').filter((e) => e.trim() !== '');
  const found = setOf(subject, field);
  if (excepted.length > 0 && found.object !== WILDCARD_OBJECT)
    throw field.wrong('only a wildcard has exceptions');
  return { subject: found, exceptions: excepted.map((e) => setOf(e.trim(), field)) };
}

function setOf(text: string, field: Field): SubjectSet {
  const match = new RegExp(`^${SUBJECT}$`).exec(text);
  if (match === null) throw field.wrong(`"${text}" is not type:id or type:id#relation`);
  const [, namespace = '', object = '', relation] = match;
  return { namespace, object, relation: relationOf(relation) };
}
