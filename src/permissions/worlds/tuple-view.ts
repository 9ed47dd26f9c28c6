/**
 * A view of a handful of tuples, for test worlds: indexed where checks look, plain loops elsewhere. Expired tuples are not
 * in it. It is never used by the server.
 */
import type { TupleView } from '../engine/view.ts';
import {
  keyOf,
  type Subject,
  type SubjectSet,
  subjectKey,
  type Tuple,
  tupleKey,
} from '../tuple.ts';

/** A view of the tuples as they are at an instant. */
export function viewOf(tuples: readonly Tuple[], nowMs: number): TupleView {
  const live = new Map<string, Tuple>();
  const byPlace = new Map<string, Subject[]>();
  for (const t of tuples) {
    if (t.expiresAtMs !== undefined && t.expiresAtMs <= nowMs) continue;
    const key = tupleKey(t);
    if (live.has(key)) continue;
    live.set(key, t);
    const place = keyOf(t.namespace, t.object, t.relation);
    const there = byPlace.get(place);
    if (there === undefined) byPlace.set(place, [t.subject]);
    else there.push(t.subject);
  }
  return new ArrayView([...live.values()], byPlace, new Set(live.keys()));
}

const placeOf = ({ namespace, object, relation }: Tuple): SubjectSet => ({
  namespace,
  object,
  relation,
});

class ArrayView implements TupleView {
  readonly #tuples: readonly Tuple[];
  readonly #byPlace: ReadonlyMap<string, readonly Subject[]>;
  readonly #keys: ReadonlySet<string>;
  constructor(
    tuples: readonly Tuple[],
    byPlace: ReadonlyMap<string, readonly Subject[]>,
    keys: ReadonlySet<string>,
  ) {
    this.#tuples = tuples;
    this.#byPlace = byPlace;
    this.#keys = keys;
  }

  has(namespace: string, object: string, relation: string, subject: Subject): boolean {
    return this.#keys.has(tupleKey({ namespace, object, relation, subject }));
  }

  *sets(namespace: string, object: string, relation: string): Iterable<SubjectSet> {
    for (const s of this.subjects(namespace, object, relation)) if ('set' in s) yield s.set;
  }

  subjects(namespace: string, object: string, relation: string): readonly Subject[] {
    return this.#byPlace.get(keyOf(namespace, object, relation)) ?? [];
  }

  *holders(subject: Subject): Iterable<SubjectSet> {
    const key = subjectKey(subject);
    for (const t of this.#tuples) if (subjectKey(t.subject) === key) yield placeOf(t);
  }

  *holdersOfObject(namespace: string, object: string): Iterable<SubjectSet> {
    const seen = new Set<string>();
    for (const t of this.#tuples) {
      if (!('set' in t.subject)) continue;
      if (t.subject.set.namespace !== namespace || t.subject.set.object !== object) continue;
      const key = keyOf(t.namespace, t.object, t.relation);
      if (seen.has(key)) continue;
      seen.add(key);
      yield placeOf(t);
    }
  }

  objects(namespace: string): Iterable<string> {
    const found = new Set<string>();
    for (const t of this.#tuples) {
      if (t.namespace === namespace) found.add(t.object);
      if ('set' in t.subject && t.subject.set.namespace === namespace)
        found.add(t.subject.set.object);
    }
    return found;
  }

  subjectIds(): Iterable<string> {
    const found = new Set<string>();
    for (const t of this.#tuples) if ('id' in t.subject) found.add(t.subject.id);
    return found;
  }
}
