/**
 * A view in which a few more tuples are there, for one question: contextual tuples. It must never touch what is stored,
 * and names nothing twice.
 */
import { PosternError } from '../../kernel/index.ts';
import {
  keyOf,
  type Subject,
  type SubjectSet,
  subjectKey,
  type Tuple,
  tupleKey,
} from '../tuple.ts';
import { iterable, type SnapshotView } from './view.ts';

/** Contextual tuples of one question. */
export const CONTEXTUAL_TUPLES_MAX = 100;

const nodeKey = (n: SubjectSet): string => keyOf(n.namespace, n.object, n.relation);

/**
 * The view with these tuples in it; those that expired by the view's instant are not. Throws `invalid` for more than
 * CONTEXTUAL_TUPLES_MAX.
 */
export function withContextual(view: SnapshotView, tuples: readonly Tuple[]): SnapshotView {
  if (tuples.length > CONTEXTUAL_TUPLES_MAX)
    throw new PosternError('invalid', `More than ${CONTEXTUAL_TUPLES_MAX} contextual tuples`);
  const added = new Map<string, Tuple>();
  for (const t of tuples) {
    const isExpired = t.expiresAtMs !== undefined && t.expiresAtMs <= view.nowMs;
    if (!isExpired && !view.has(t.namespace, t.object, t.relation, t.subject))
      added.set(tupleKey(t), t);
  }
  return added.size === 0 ? view : new Overlay(view, [...added.values()]);
}

class Overlay implements SnapshotView {
  readonly revision: number;
  readonly nowMs: number;
  readonly #view: SnapshotView;
  readonly #keys: ReadonlySet<string>;
  readonly #byNode: Map<string, Tuple[]>;
  readonly #bySubject: Map<string, Tuple[]>;
  readonly #tuples: readonly Tuple[];

  /** The tuples are not in the view, and no two are the same. */
  constructor(view: SnapshotView, tuples: readonly Tuple[]) {
    this.revision = view.revision;
    this.nowMs = view.nowMs;
    this.#view = view;
    this.#tuples = tuples;
    this.#keys = new Set(tuples.map(tupleKey));
    this.#byNode = Map.groupBy(tuples, nodeKey);
    this.#bySubject = Map.groupBy(tuples, (t) => subjectKey(t.subject));
  }

  has(namespace: string, object: string, relation: string, subject: Subject): boolean {
    return (
      this.#keys.has(tupleKey({ namespace, object, relation, subject })) ||
      this.#view.has(namespace, object, relation, subject)
    );
  }

  sets(namespace: string, object: string, relation: string): Iterable<SubjectSet> {
    const added = this.#on(namespace, object, relation).flatMap((s) => ('set' in s ? [s.set] : []));
    return joined(this.#view.sets(namespace, object, relation), added);
  }

  subjects(namespace: string, object: string, relation: string): Iterable<Subject> {
    const stored = this.#view.subjects(namespace, object, relation);
    return joined(stored, this.#on(namespace, object, relation));
  }

  holders(subject: Subject): Iterable<SubjectSet> {
    const added = this.#bySubject.get(subjectKey(subject)) ?? [];
    return joined(this.#view.holders(subject), added.map(place));
  }

  holdersOfObject(namespace: string, object: string): Iterable<SubjectSet> {
    const holds = ({ subject }: Tuple): boolean =>
      'set' in subject && subject.set.namespace === namespace && subject.set.object === object;
    const added = this.#tuples.filter(holds).map(place);
    return distinct(this.#view.holdersOfObject(namespace, object), added, nodeKey);
  }

  objects(namespace: string): Iterable<string> {
    const sets = this.#tuples.flatMap((t) => ('set' in t.subject ? [t, t.subject.set] : [t]));
    const added = sets.filter((s) => s.namespace === namespace).map((s) => s.object);
    return distinct(this.#view.objects(namespace), added, (name) => name);
  }

  mayHoldSet(namespace: string, relation: string): boolean {
    const isOfKind = ({ subject }: Tuple): boolean =>
      'set' in subject && subject.set.namespace === namespace && subject.set.relation === relation;
    return this.#tuples.some(isOfKind) || this.#view.mayHoldSet(namespace, relation);
  }

  subjectIds(): Iterable<string> {
    const added = this.#tuples.flatMap(({ subject }) => ('id' in subject ? [subject.id] : []));
    return distinct(this.#view.subjectIds(), added, (name) => name);
  }

  #on(namespace: string, object: string, relation: string): Subject[] {
    const added = this.#byNode.get(nodeKey({ namespace, object, relation })) ?? [];
    return added.map((t) => t.subject);
  }
}

function place({ namespace, object, relation }: SubjectSet): SubjectSet {
  return { namespace, object, relation };
}

function joined<T>(stored: Iterable<T>, added: readonly T[]): Iterable<T> {
  return iterable(function* () {
    yield* stored;
    yield* added;
  });
}

/** What is stored and what is added, each once: what was added and does not come by among the stored comes last. */
function distinct<T>(
  stored: Iterable<T>,
  added: readonly T[],
  key: (item: T) => string,
): Iterable<T> {
  return iterable(function* () {
    const rest = new Map(added.map((item) => [key(item), item]));
    for (const item of stored) {
      if (rest.size > 0) rest.delete(key(item));
      yield item;
    }
    yield* rest.values();
  });
}
