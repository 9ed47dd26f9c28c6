/**
 * For tests: the meaning of a model by iteration over every relation of every known object, sharing nothing with the
 * engine. Negation is read from the round before, so that rounds alternate between too few and too many; where they agree
 * is the answer, and where they do not it is "unknown" (a relation negates itself).
 */
import type { Model, Rewrite } from '../model.ts';
import { keyOf, type Subject, type SubjectSet, sameSubject, type Tuple } from '../tuple.ts';

export type BruteVerdict = boolean | 'unknown';

const keyFor = (n: string, o: string, r: string): string => keyOf(n, o, r);

class Brute {
  readonly model: Model;
  readonly tuples: readonly Tuple[];
  readonly subject: Subject;
  readonly isStrict: boolean;

  constructor(model: Model, tuples: readonly Tuple[], subject: Subject, isStrict: boolean) {
    this.model = model;
    this.tuples = tuples;
    this.subject = subject;
    this.isStrict = isStrict;
  }

  /** Every relation that can be asked of every object that occurs anywhere. */
  places(extra: readonly SubjectSet[]): SubjectSet[] {
    const objects = new Map<string, Set<string>>();
    const relations = new Map<string, Set<string>>();
    const add = (map: Map<string, Set<string>>, namespace: string, name: string): void => {
      map.set(namespace, (map.get(namespace) ?? new Set()).add(name));
    };
    const sets = this.tuples.flatMap((t) => ('set' in t.subject ? [t.subject.set] : []));
    for (const place of [...this.tuples, ...sets, ...extra]) {
      add(objects, place.namespace, place.object);
      add(relations, place.namespace, place.relation);
    }
    const asked = (r: Rewrite): string[] => {
      if (r.kind === 'computed') return [r.relation];
      if (r.kind === 'not') return asked(r.child);
      return r.kind === 'traverse' ? asked(r.through) : r.children.flatMap(asked);
    };
    const names = new Set<string>();
    for (const { relations: declared } of this.model.namespaces.values())
      for (const r of declared.values())
        for (const name of [r.name, ...(r.rewrite === undefined ? [] : asked(r.rewrite))])
          names.add(name);
    return [...objects].flatMap(([namespace, found]) =>
      [...found].flatMap((object) =>
        [...new Set([...names, ...(relations.get(namespace) ?? [])])].map((relation) => ({
          namespace,
          object,
          relation,
        })),
      ),
    );
  }

  isUndeclared({ namespace, relation }: { namespace: string; relation: string }): boolean {
    const found = this.model.namespaces.get(namespace);
    if (found === undefined) return true;
    return relation !== '' && found.relations.size > 0 && !found.relations.has(relation);
  }

  subjectsOn({ namespace, object, relation }: SubjectSet): Subject[] {
    return this.tuples
      .filter((t) => t.namespace === namespace && t.object === object && t.relation === relation)
      .map((t) => t.subject);
  }

  isWildcard({ namespace, relation }: SubjectSet, set: SubjectSet): boolean {
    const types = this.model.namespaces.get(namespace)?.relations.get(relation)?.types ?? [];
    return (
      set.object === '*' &&
      set.relation === '' &&
      types.some((t) => t.isWildcard && t.namespace === set.namespace)
    );
  }

  isTypeDeclared({ namespace, relation }: SubjectSet, set: SubjectSet): boolean {
    const types = this.model.namespaces.get(namespace)?.relations.get(relation)?.types ?? [];
    return types.some(
      (t) => !t.isWildcard && t.namespace === set.namespace && t.relation === set.relation,
    );
  }

  /** Whether a place holds when `now` is taken as true, and `before` under a negation; `unknown` is what unknown counts as. */
  holds(on: SubjectSet, now: Set<string>, before: Set<string>, unknown: boolean): boolean {
    if (this.isUndeclared(on)) return unknown;
    const rewrite = this.model.namespaces.get(on.namespace)?.relations.get(on.relation)?.rewrite;
    if (rewrite !== undefined && this.rewrite(rewrite, on, now, before, unknown)) return true;
    if (this.isStrict && rewrite !== undefined) return false;
    return this.subjectsOn(on).some((s) => {
      if (sameSubject(s, this.subject))
        if (
          !this.isStrict ||
          'id' in s ||
          this.isTypeDeclared(on, s.set) ||
          this.isWildcard(on, s.set)
        )
          return true;
      if ('id' in s) return false;
      if (this.isWildcard(on, s.set) && 'set' in this.subject)
        if (this.subject.set.namespace === s.set.namespace && this.subject.set.relation === '')
          return true;
      if (this.isStrict && (s.set.relation === '' || !this.isTypeDeclared(on, s.set))) return false;
      return this.asked(s.set, now, unknown);
    });
  }

  asked(on: SubjectSet, now: Set<string>, unknown: boolean): boolean {
    return this.isUndeclared(on) ? unknown : now.has(keyFor(on.namespace, on.object, on.relation));
  }

  rewrite(
    r: Rewrite,
    at: SubjectSet,
    now: Set<string>,
    before: Set<string>,
    unknown: boolean,
  ): boolean {
    switch (r.kind) {
      case 'or':
        return r.children.some((c) => this.rewrite(c, at, now, before, unknown));
      case 'and':
        return (
          r.children.length > 0 &&
          r.children.every((c) => this.rewrite(c, at, now, before, unknown))
        );
      case 'not':
        return !this.rewrite(r.child, at, before, now, !unknown);
      case 'computed':
        return this.asked({ ...at, relation: r.relation }, now, unknown);
      case 'traverse': {
        const place = { ...at, relation: r.relation };
        if (this.isUndeclared(place)) return unknown;
        return this.subjectsOn(place).some(
          (s) =>
            'set' in s &&
            !this.isWildcard(place, s.set) &&
            this.rewrite(r.through, s.set, now, before, unknown),
        );
      }
    }
  }

  least(places: readonly SubjectSet[], before: Set<string>, unknown: boolean): Set<string> {
    const now = new Set<string>();
    for (let size = -1; size !== now.size; ) {
      size = now.size;
      for (const on of places)
        if (this.holds(on, now, before, unknown))
          now.add(keyFor(on.namespace, on.object, on.relation));
    }
    return now;
  }
}

/** Answers every question about one subject: a function of the place, for places that occur or that `extra` names. */
export function bruteForce(
  model: Model,
  tuples: readonly Tuple[],
  subject: Subject,
  extra: readonly SubjectSet[] = [],
  isStrict = false,
): (on: SubjectSet) => BruteVerdict {
  const brute = new Brute(model, tuples, subject, isStrict);
  const places = brute.places(extra);
  let certain = new Set<string>();
  for (;;) {
    const possible = brute.least(places, certain, true);
    const next = brute.least(places, possible, false);
    if (next.size === certain.size)
      return (on) => {
        if (brute.asked(on, certain, false)) return true;
        return brute.asked(on, possible, true) ? 'unknown' : false;
      };
    certain = next;
  }
}
