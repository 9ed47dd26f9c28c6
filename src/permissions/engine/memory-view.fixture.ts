/** For tests: a view over an array of tuples, as plain as can be; the order of the array is the order of its answers. */
import { type Subject, type SubjectSet, sameSubject, type Tuple } from '../tuple.ts';
import type { TupleView } from './view.ts';

/** A view of the tuples as given. It looks through all of them for every answer. */
export class ArrayView implements TupleView {
  readonly tuples: readonly Tuple[];

  constructor(tuples: readonly Tuple[]) {
    this.tuples = tuples;
  }

  *#on(namespace: string, object: string, relation: string): Generator<Tuple> {
    for (const t of this.tuples)
      if (t.namespace === namespace && t.object === object && t.relation === relation) yield t;
  }

  has(namespace: string, object: string, relation: string, subject: Subject): boolean {
    return [...this.#on(namespace, object, relation)].some((t) => sameSubject(t.subject, subject));
  }

  *sets(namespace: string, object: string, relation: string): Generator<SubjectSet> {
    for (const t of this.#on(namespace, object, relation))
      if ('set' in t.subject) yield t.subject.set;
  }

  *subjects(namespace: string, object: string, relation: string): Generator<Subject> {
    for (const t of this.#on(namespace, object, relation)) yield t.subject;
  }

  *holders(subject: Subject): Generator<SubjectSet> {
    for (const t of this.tuples) if (sameSubject(t.subject, subject)) yield t;
  }

  *holdersOfObject(namespace: string, object: string): Generator<SubjectSet> {
    for (const t of this.tuples)
      if (
        'set' in t.subject &&
        t.subject.set.namespace === namespace &&
        t.subject.set.object === object
      )
        yield t;
  }

  objects(namespace: string): Iterable<string> {
    const found = new Set<string>();
    for (const t of this.tuples) {
      if (t.namespace === namespace) found.add(t.object);
      if ('set' in t.subject && t.subject.set.namespace === namespace)
        found.add(t.subject.set.object);
    }
    return found;
  }

  subjectIds(): Iterable<string> {
    return new Set(this.tuples.flatMap((t) => ('id' in t.subject ? [t.subject.id] : [])));
  }
}
