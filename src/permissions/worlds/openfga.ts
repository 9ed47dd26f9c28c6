/**
 * Reads OpenFGA's store files (`*.fga.yaml`: model, tuples, tests of check, list_objects and list_users). Conditions,
 * contexts and modular models are refused with a clear word. Of a wildcard in `list_users` the file names whom it does
 * not cover only where they have a tuple of their own, so those may be there unnamed.
 */
import { PosternError } from '../../kernel/index.ts';
import { checkTuple, type Subject, type Tuple } from '../tuple.ts';
import { type Field, parseYaml } from './fields.ts';
import { Translation } from './foreign.ts';
import { parseOpenFgaModel } from './openfga-model.ts';
import type { Assertion, World, WorldEnvironment, WorldTest } from './world.ts';

const STORE_KEYS = ['name', 'model', 'model_file', 'tuples', 'tuple_file', 'tuple_files', 'tests'];
const TEST_KEYS = [
  'name',
  'description',
  'tuples',
  'tuple_file',
  'tuple_files',
  'check',
  'list_objects',
  'list_users',
];
type At = (key: string) => Field;
type ReadFile = WorldEnvironment['readFile'];

/** Reads a store file. Throws `invalid` and `unsupported`, with the place. */
export function readOpenFgaWorld(
  root: Field,
  { readFile }: Pick<WorldEnvironment, 'readFile'>,
): World {
  const at = root.map(STORE_KEYS);
  const store = new Store(translationOf(at, readFile), readFile);
  return {
    format: 'openfga',
    name: at('name').optionalText() ?? '',
    model: store.translation.model,
    warnings: [],
    isStrict: true,
    tuples: store.tuples(at),
    tests: at('tests')
      .items()
      .map((test, i) => store.test(test, i)),
  };
}

function translationOf(at: At, readFile: ReadFile): Translation {
  const inline = at('model').optionalText();
  const path = at('model_file').optionalText();
  if (inline === undefined && path === undefined)
    throw new PosternError('invalid', 'Give model or model_file');
  if (inline === undefined && path !== undefined && !path.endsWith('.fga'))
    throw new PosternError(
      'unsupported',
      `model_file: ${path}: models other than *.fga are not supported`,
    );
  const field = inline === undefined ? at('model_file') : at('model');
  return locate(field, () => new Translation(parseOpenFgaModel(inline ?? readFile(path ?? ''))));
}

/** Gives `invalid` and `unsupported` their place. */
function locate<T>(field: Field, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof PosternError && ['invalid', 'unsupported'].includes(error.code))
      throw new PosternError(error.code, `${field.path}: ${error.message}`);
    throw error;
  }
}

class Store {
  readonly translation: Translation;
  readonly #readFile: ReadFile;
  constructor(translation: Translation, readFile: ReadFile) {
    this.translation = translation;
    this.#readFile = readFile;
  }

  tuples(at: At): Tuple[] {
    const named = at('tuple_file').isAbsent ? [] : [at('tuple_file')];
    const files = [...named, ...at('tuple_files').items()];
    return [
      ...at('tuples')
        .items()
        .map((t) => this.#tuple(t)),
      ...files.flatMap((file) => locate(file, () => this.#tuplesOfFile(file.text()))),
    ];
  }

  #tuplesOfFile(path: string): Tuple[] {
    if (!/\.(ya?ml|json)$/.test(path))
      throw new PosternError(
        'unsupported',
        'tuple files other than YAML and JSON are not supported',
      );
    return parseYaml(this.#readFile(path))
      .items()
      .map((t) => this.#tuple(t));
  }

  #tuple(field: Field): Tuple {
    const at = field.map(['user', 'relation', 'object', 'condition']);
    if (!at('condition').isAbsent) throw unsupported(at('condition'), 'conditions are');
    const [namespace, object] = objectOf(at('object'));
    const relation = at('relation').text();
    const tuple = { namespace, object, relation, subject: userOf(at('user')) };
    return field.reading(() => {
      checkTuple(tuple);
      return this.translation.stored(tuple);
    });
  }

  test(field: Field, index: number): WorldTest {
    const at = field.map(TEST_KEYS);
    return {
      name: at('name').optionalText() ?? `test ${index + 1}`,
      tuples: this.tuples(at),
      assertions: [
        ...at('check')
          .items()
          .flatMap((item) => this.#checks(item)),
        ...at('list_objects')
          .items()
          .flatMap((item) => this.#listObjects(item)),
        ...at('list_users')
          .items()
          .flatMap((item) => this.#listUsers(item)),
      ],
    };
  }

  #checks(field: Field): Assertion[] {
    const at = field.map(['user', 'users', 'object', 'objects', 'context', 'assertions']);
    refuseContext(at);
    const users = oneOrMany(field, at, 'user');
    const objects = oneOrMany(field, at, 'object');
    const assertions: Assertion[] = [];
    for (const user of users)
      for (const target of objects) {
        const subject = this.#subject(user);
        const [namespace, object] = objectOf(target);
        for (const [relation, expected] of at('assertions').entries()) {
          const on = expected.reading(() =>
            this.translation.place({ namespace, object, relation }),
          );
          const text = `${target.text()} ${relation} ${user.text()}`;
          assertions.push({ kind: 'check', text, on, subject, expect: expected.flag() });
        }
      }
    return assertions;
  }

  #listObjects(field: Field): Assertion[] {
    const at = field.map(['user', 'type', 'context', 'assertions']);
    refuseContext(at);
    const namespace = at('type').text();
    const subject = this.#subject(at('user'));
    return at('assertions')
      .entries()
      .map(([relation, expected]): Assertion => {
        expected.reading(() => this.translation.place({ namespace, object: '', relation }));
        const text = `which ${namespace}: ${relation} ${at('user').text()}`;
        const expect = expected.items().map((item) => {
          const [type, object] = objectOf(item);
          if (type !== namespace) throw item.wrong(`is not of the type ${namespace}`);
          return object;
        });
        return { kind: 'list_objects', text, namespace, relation, subject, expect };
      });
  }

  #listUsers(field: Field): Assertion[] {
    const at = field.map(['object', 'user_filter', 'context', 'assertions']);
    refuseContext(at);
    const [namespace, object] = objectOf(at('object'));
    const [filter, ...more] = at('user_filter').items();
    if (filter === undefined || more.length > 0)
      throw at('user_filter').wrong('exactly one filter has to be there');
    const wanted = filter.map(['type', 'relation']);
    const of = {
      namespace: wanted('type').reading(() => this.translation.type(wanted('type').text())),
      relation: wanted('relation').optionalText() ?? '',
    };
    return at('assertions')
      .entries()
      .map(([relation, expected]): Assertion => {
        const on = expected.reading(() => this.translation.place({ namespace, object, relation }));
        const expect = expected.map(['users'])('users').items().map(userOf);
        const text = `${at('object').text()} ${relation} which ${of.namespace}`;
        return { kind: 'list_subjects', text, on, of, expect, mayCover: true };
      });
  }

  #subject(field: Field): Subject {
    const subject = userOf(field);
    if ('set' in subject) field.reading(() => this.translation.place(subject.set));
    return subject;
  }
}

const unsupported = (field: Field, what: string): PosternError =>
  new PosternError('unsupported', `${field.path}: ${what} not supported`);

function refuseContext(at: At): void {
  if (!at('context').isAbsent) throw unsupported(at('context'), 'contexts of conditions are');
}

function oneOrMany(field: Field, at: At, key: string): Field[] {
  const [one, many] = [at(key), at(`${key}s`)];
  if (one.isAbsent === many.isAbsent)
    throw field.wrong(`exactly one of ${key} and ${key}s has to be there`);
  return one.isAbsent ? many.items() : [one];
}

function objectOf(field: Field): [string, string] {
  const text = field.text();
  const at = text.indexOf(':');
  if (at <= 0) throw field.wrong(`"${text}" is not type:id`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** `type:id`, `type:id#relation` or `type:*`; an id may hold `@` and `:`, never `#`. */
function userOf(field: Field): Subject {
  const [namespace, rest] = objectOf(field);
  const at = rest.indexOf('#');
  if (at < 0) return { set: { namespace, object: rest, relation: '' } };
  return { set: { namespace, object: rest.slice(0, at), relation: rest.slice(at + 1) } };
}
