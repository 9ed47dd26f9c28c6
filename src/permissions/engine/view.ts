/** What the engine sees of the tuples: one revision of them, seen at one instant. Every answer rests on one view. */
import type { Subject, SubjectSet } from '../tuple.ts';

/**
 * The tuples at one revision; those that expired or were deleted are not there. Order is never promised, and no answer
 * may depend on it. Iterating is cheap and lazy: stop early where the answer is known.
 */
export interface TupleView {
  /** Whether `namespace:object#relation@subject` is there. */
  has(namespace: string, object: string, relation: string, subject: Subject): boolean;
  /** The subject sets that are stored on `namespace:object#relation`. */
  sets(namespace: string, object: string, relation: string): Iterable<SubjectSet>;
  /** Every subject that is stored on it: ids and sets. */
  subjects(namespace: string, object: string, relation: string): Iterable<Subject>;
  /** Backwards: every `namespace:object#relation` on which that subject is stored. */
  holders(subject: Subject): Iterable<SubjectSet>;
  /** Backwards for traversals: every place on which a set `namespace:object#…` is stored, whatever its relation. */
  holdersOfObject(namespace: string, object: string): Iterable<SubjectSet>;
  /** Every object of a namespace that occurs in a tuple, as its object or in its subject set; each once. */
  objects(namespace: string): Iterable<string>;
  /** Every subject id that occurs in a tuple; each once. */
  subjectIds(): Iterable<string>;
  /**
   * Optional: whether any set of a namespace and a relation may be stored as a subject. False is sure; true may be wrong.
   * It spares a look through all objects where a model grants by negation alone.
   */
  mayHoldSet?(namespace: string, relation: string): boolean;
}
