/** Reads Postern's own format of test worlds; `world.ts` lists its keys. Pure but for the files that the caller reads. */
import { PosternError } from '../../kernel/index.ts';
import type { Problem } from '../language/problem.ts';
import type { Model, Namespace } from '../model.ts';
import {
  checkTuple,
  parseSubject,
  parseTuple,
  printSubject,
  printTuple,
  type Subject,
  type Tuple,
} from '../tuple.ts';
import type { Field } from './fields.ts';
import type { Assertion, World, WorldEnvironment, WorldTest } from './world.ts';

const WORLD_KEYS = ['name', 'model', 'model_file', 'namespaces', 'strict', 'tuples', 'tests'];
const TEST_KEYS = ['name', 'now', 'tuples', 'check', 'list_objects', 'list_subjects'];
const TUPLE_KEYS = ['namespace', 'object', 'relation', 'subject_id', 'subject_set', 'expires_at'];

/** Reads a world. Throws `invalid`, which names the place, also for a model that does not compile. */
export function readPosternWorld(root: Field, environment: WorldEnvironment): World {
  const at = root.map(WORLD_KEYS);
  const { model, warnings } = readModel(at, environment);
  return {
    format: 'postern',
    name: at('name').optionalText() ?? '',
    model,
    warnings,
    isStrict: at('strict').isAbsent ? false : at('strict').flag(),
    tuples: at('tuples').items().map(readTuple),
    tests: at('tests').items().map(readTest),
  };
}

function readModel(
  at: (key: string) => Field,
  { compile, readFile }: WorldEnvironment,
): { model: Model; warnings: readonly Problem[] } {
  const given = ['model', 'model_file', 'namespaces'].filter((key) => !at(key).isAbsent);
  if (given.length !== 1)
    throw new PosternError(
      'invalid',
      `Give exactly one of model, model_file and namespaces${given.length > 1 ? `, not ${given.join(' and ')}` : ''}`,
    );
  if (!at('namespaces').isAbsent)
    return { model: openModel(at('namespaces').texts()), warnings: [] };
  const field = at('model').isAbsent ? at('model_file') : at('model');
  const source = at('model').isAbsent ? readFile(field.text()) : field.text();
  const { model, problems } = compile(source);
  const errors = problems.filter((p) => p.severity === 'error');
  if (model === undefined || errors.length > 0)
    throw field.wrong(
      errors.map((p) => `${p.start.line}:${p.start.column} ${p.message}`).join('; ') ||
        'The model does not compile',
    );
  return { model, warnings: problems };
}

function openModel(names: readonly string[]): Model {
  const open = (name: string): [string, Namespace] => [name, { name, relations: new Map() }];
  return { namespaces: new Map(names.map(open)) };
}

function readTest(field: Field, index: number): WorldTest {
  const at = field.map(TEST_KEYS);
  const nowMs = at('now').optionalInstantMs();
  return {
    name: at('name').optionalText() ?? `test ${index + 1}`,
    ...(nowMs === undefined ? {} : { nowMs }),
    tuples: at('tuples').items().map(readTuple),
    assertions: [
      ...readChecks(at('check')),
      ...at('list_objects').items().map(readListObjects),
      ...at('list_subjects').items().map(readListSubjects),
    ],
  };
}

function readChecks(field: Field): Assertion[] {
  if (!field.isMap)
    return field.items().map((item) => {
      const at = item.map(['tuple', 'expect']);
      return checkOf(at('tuple'), at('expect').flag());
    });
  const at = field.map(['allowed', 'denied']);
  return [
    ...at('allowed')
      .items()
      .map((tuple) => checkOf(tuple, true)),
    ...at('denied')
      .items()
      .map((tuple) => checkOf(tuple, false)),
  ];
}

function checkOf(field: Field, expect: boolean): Assertion {
  const { namespace, object, relation, subject, expiresAtMs } = readTuple(field);
  if (expiresAtMs !== undefined) throw field.wrong('a question has no expires_at');
  const text = printTuple({ namespace, object, relation, subject });
  return { kind: 'check', text, on: { namespace, object, relation }, subject, expect };
}

function readListObjects(field: Field): Assertion {
  const at = field.map(['namespace', 'relation', 'subject', 'expect']);
  const namespace = at('namespace').text();
  const relation = at('relation').text();
  const subject = readSubject(at('subject'));
  return {
    kind: 'list_objects',
    text: `${namespace}:?#${relation}@${printSubject(subject)}`,
    namespace,
    relation,
    subject,
    expect: required(at('expect')).texts(),
  };
}

function readListSubjects(field: Field): Assertion {
  const at = field.map(['namespace', 'object', 'relation', 'subject_namespace', 'expect']);
  const on = readSet(at);
  const namespace = at('subject_namespace').optionalText();
  return {
    kind: 'list_subjects',
    text: `${printSubject({ set: on })}@${namespace === undefined ? '' : `${namespace}:`}?`,
    on,
    ...(namespace === undefined ? {} : { of: { namespace, relation: '' } }),
    expect: required(at('expect')).items().map(readSubject),
  };
}

/** An expectation that was forgotten must not be one of nothing. */
function required(field: Field): Field {
  if (field.isAbsent) throw field.wrong('missing; write [] for none');
  return field;
}

function readSet(at: (key: string) => Field): {
  namespace: string;
  object: string;
  relation: string;
} {
  return {
    namespace: at('namespace').text(),
    object: at('object').text(),
    relation: at('relation').text(),
  };
}

/** Reads a subject: text, or a map with `subject_id` or `subject_set`. Throws `invalid`. */
export function readSubject(field: Field): Subject {
  if (field.isText) return field.reading(() => parseSubject(field.text()));
  return subjectOf(field, field.map(['subject_id', 'subject_set']));
}

function subjectOf(field: Field, at: (key: string) => Field): Subject {
  const [id, set] = [at('subject_id'), at('subject_set')];
  if (id.isAbsent === set.isAbsent)
    throw field.wrong('exactly one of subject_id and subject_set has to be there');
  if (!id.isAbsent) return { id: id.text() };
  return { set: readSet(set.map(['namespace', 'object', 'relation'])) };
}

/** Reads a tuple: text, or a map. Throws `invalid`. */
export function readTuple(field: Field): Tuple {
  const tuple = field.isText ? field.reading(() => parseTuple(field.text())) : tupleOfMap(field);
  field.reading(() => checkTuple(tuple));
  return tuple;
}

function tupleOfMap(field: Field): Tuple {
  const at = field.map(TUPLE_KEYS);
  const expiresAtMs = at('expires_at').optionalInstantMs();
  return {
    ...readSet(at),
    subject: subjectOf(field, at),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}
