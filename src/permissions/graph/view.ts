/**
 * The tuples as one revision and one instant see them. It must never answer from a part of them: a view that is older
 * than the history throws `expired`, also in the middle of an iteration.
 *
 * Between two steps of an iteration anything may be applied or forgotten. An iterator stands on a tuple, node or object
 * that the view sees, which stays where it is in its lists (see `tuple-store.ts`), and looks for the next when asked.
 */
import type { TupleView } from '../engine/view.ts';
import type { Subject, SubjectSet } from '../tuple.ts';
import { NONE } from './rows.ts';
import type { TupleStore } from './tuple-store.ts';
import { FIRST_HELD, FIRST_ID, FIRST_SET } from './vertices.ts';

/** A view that says which one it is. */
export interface SnapshotView extends TupleView {
  readonly revision: number;
  readonly nowMs: number;
  mayHoldSet(namespace: string, relation: string): boolean;
}

/** An iterable that begins anew with every loop over it, as a generator does not. */
export function iterable<T>(walk: () => Generator<T, void, undefined>): Iterable<T> {
  return { [Symbol.iterator]: walk };
}

export class GraphView implements SnapshotView {
  readonly revision: number;
  readonly nowMs: number;
  readonly #store: TupleStore;

  constructor(store: TupleStore, revision: number, nowMs: number) {
    this.#store = store;
    this.revision = revision;
    this.nowMs = nowMs;
  }

  has(namespace: string, object: string, relation: string, subject: Subject): boolean {
    this.#store.checkWindow(this.revision);
    const node = this.#store.vertices.findNode(namespace, object, relation);
    return node !== NONE && this.#seesTuple(node, this.#store.findSubject(subject));
  }

  sets(namespace: string, object: string, relation: string): Iterable<SubjectSet> {
    return iterable(() => this.#sets(namespace, object, relation));
  }

  subjects(namespace: string, object: string, relation: string): Iterable<Subject> {
    return iterable(() => this.#subjects(namespace, object, relation));
  }

  holders(subject: Subject): Iterable<SubjectSet> {
    return iterable(() => this.#holders(subject));
  }

  holdersOfObject(namespace: string, object: string): Iterable<SubjectSet> {
    return iterable(() => this.#holdersOfObject(namespace, object));
  }

  objects(namespace: string): Iterable<string> {
    return iterable(() => this.#objects(namespace));
  }

  subjectIds(): Iterable<string> {
    return iterable(() => this.#subjectIds());
  }

  mayHoldSet(namespace: string, relation: string): boolean {
    this.#store.checkWindow(this.revision);
    return this.#store.holdsSet(namespace, relation);
  }

  *#sets(namespace: string, object: string, relation: string): Generator<SubjectSet> {
    const node = this.#store.vertices.findNode(namespace, object, relation);
    for (const row of this.#walk(node, FIRST_SET))
      yield this.#store.vertices.set(this.#store.subjectOf(row));
  }

  *#subjects(namespace: string, object: string, relation: string): Generator<Subject> {
    const node = this.#store.vertices.findNode(namespace, object, relation);
    for (const list of [FIRST_ID, FIRST_SET])
      for (const row of this.#walk(node, list))
        yield this.#store.subject(this.#store.subjectOf(row));
  }

  *#holders(subject: Subject): Generator<SubjectSet> {
    for (const row of this.#walk(this.#store.findSubject(subject), FIRST_HELD))
      yield this.#store.vertices.set(this.#store.nodeOf(row));
  }

  *#holdersOfObject(namespace: string, object: string): Generator<SubjectSet> {
    const { vertices } = this.#store;
    this.#store.checkWindow(this.revision);
    const parent = vertices.findObject(namespace, object);
    let node = parent === NONE ? NONE : vertices.firstNode(parent);
    // A place that holds two sets of the object is one place.
    const walked: number[] = [];
    while (node !== NONE) {
      let isHeld = false;
      for (const row of this.#walk(node, FIRST_HELD)) {
        isHeld = true;
        const place = this.#store.nodeOf(row);
        if (!walked.some((other) => this.#seesTuple(place, other))) yield vertices.set(place);
      }
      if (isHeld) walked.push(node);
      node = vertices.nextNode(node);
    }
  }

  *#objects(namespace: string): Generator<string> {
    const { vertices } = this.#store;
    this.#store.checkWindow(this.revision);
    let object = vertices.firstObject(namespace);
    while (object !== NONE) {
      if (this.#isObjectSeen(object)) {
        yield vertices.objectName(object);
        this.#store.checkWindow(this.revision);
      }
      object = vertices.nextObject(object);
    }
  }

  *#subjectIds(): Generator<string> {
    const { vertices } = this.#store;
    this.#store.checkWindow(this.revision);
    let node = vertices.firstSubjectId();
    while (node !== NONE) {
      if (this.#seesAny(node, FIRST_HELD)) {
        yield vertices.label(node);
        this.#store.checkWindow(this.revision);
      }
      node = vertices.nextNode(node);
    }
  }

  /** The tuples of a list that the view sees; the list must be of a node that is there now. */
  *#walk(node: number, list: number): Generator<number> {
    this.#store.checkWindow(this.revision);
    let row = node === NONE ? NONE : this.#store.vertices.head(node, list);
    while (row !== NONE) {
      if (this.#store.isSeen(row, this.revision, this.nowMs)) {
        yield row;
        this.#store.checkWindow(this.revision);
      }
      row = this.#store.next(row, list);
    }
  }

  #seesTuple(node: number, subject: number): boolean {
    const row = this.#store.find(node, subject);
    return row !== NONE && this.#store.isSeen(row, this.revision, this.nowMs);
  }

  #isObjectSeen(object: number): boolean {
    const { vertices } = this.#store;
    for (let node = vertices.firstNode(object); node !== NONE; node = vertices.nextNode(node))
      for (const list of [FIRST_HELD, FIRST_ID, FIRST_SET])
        if (this.#seesAny(node, list)) return true;
    return false;
  }

  #seesAny(node: number, list: number): boolean {
    let row = this.#store.vertices.head(node, list);
    while (row !== NONE && !this.#store.isSeen(row, this.revision, this.nowMs))
      row = this.#store.next(row, list);
    return row !== NONE;
  }
}
