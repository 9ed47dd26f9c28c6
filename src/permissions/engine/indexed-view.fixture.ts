/** For tests of size and speed: a view with an index for each question, each answered in constant time. */
import { keyOf, type Subject, type SubjectSet, subjectKey, type Tuple } from '../tuple.ts';
import type { TupleView } from './view.ts';

class Index<V> {
  readonly #rows = new Map<string, V[]>();

  add(key: string, value: V): void {
    const row = this.#rows.get(key);
    if (row === undefined) this.#rows.set(key, [value]);
    else row.push(value);
  }

  get(key: string): readonly V[] {
    return this.#rows.get(key) ?? [];
  }
}

export class IndexedView implements TupleView {
  readonly #sets = new Index<SubjectSet>();
  readonly #subjects = new Index<Subject>();
  readonly #stored = new Map<string, Set<string>>();
  readonly #holders = new Index<SubjectSet>();
  readonly #holdersOfObject = new Index<SubjectSet>();
  readonly #objects = new Map<string, Set<string>>();
  readonly #ids = new Set<string>();
  readonly #kinds = new Map<string, { namespace: string; relation: string }>();

  constructor(tuples: Iterable<Tuple>) {
    for (const t of tuples) this.#add(t);
  }

  #add(t: Tuple): void {
    const { namespace, object, relation, subject } = t;
    const place = keyOf(namespace, object, relation);
    const key = subjectKey(subject);
    const stored = this.#stored.get(place) ?? new Set();
    if (stored.has(key)) return;
    this.#stored.set(place, stored.add(key));
    const on = { namespace, object, relation };
    this.#subjects.add(place, subject);
    this.#holders.add(key, on);
    this.#addObject(namespace, object);
    if ('id' in subject) {
      this.#ids.add(subject.id);
      return;
    }
    this.#sets.add(place, subject.set);
    this.#kinds.set(keyOf(subject.set.namespace, subject.set.relation), subject.set);
    this.#holdersOfObject.add(keyOf(subject.set.namespace, subject.set.object), on);
    this.#addObject(subject.set.namespace, subject.set.object);
  }

  #addObject(namespace: string, object: string): void {
    const objects = this.#objects.get(namespace);
    if (objects === undefined) this.#objects.set(namespace, new Set([object]));
    else objects.add(object);
  }

  has(namespace: string, object: string, relation: string, subject: Subject): boolean {
    return this.#stored.get(keyOf(namespace, object, relation))?.has(subjectKey(subject)) === true;
  }

  sets(namespace: string, object: string, relation: string): Iterable<SubjectSet> {
    return this.#sets.get(keyOf(namespace, object, relation));
  }

  subjects(namespace: string, object: string, relation: string): Iterable<Subject> {
    return this.#subjects.get(keyOf(namespace, object, relation));
  }

  holders(subject: Subject): Iterable<SubjectSet> {
    return this.#holders.get(subjectKey(subject));
  }

  holdersOfObject(namespace: string, object: string): Iterable<SubjectSet> {
    return this.#holdersOfObject.get(keyOf(namespace, object));
  }

  objects(namespace: string): Iterable<string> {
    return this.#objects.get(namespace) ?? [];
  }

  mayHoldSet(namespace: string, relation: string): boolean {
    return this.#kinds.has(keyOf(namespace, relation));
  }

  subjectIds(): Iterable<string> {
    return this.#ids;
  }
}
