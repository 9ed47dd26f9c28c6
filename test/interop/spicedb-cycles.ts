/**
 * Whether anything in a world rests on itself: there SpiceDB must be asked with care, and ends in its depth limit. What an
 * object's relation rests on are the sets stored on it; what its permit rests on are the places that its expression names.
 */
import type { Rewrite } from '../../src/permissions/model.ts';
import type { SubjectSet } from '../../src/permissions/tuple.ts';
import { placesOf } from './spicedb-ours.ts';
import type { World } from './spicedb-world.ts';

const keyFor = ({ namespace, object, relation }: SubjectSet): string =>
  `${namespace}:${object}#${relation}`;

function storedOn(world: World): ReadonlyMap<string, readonly SubjectSet[]> {
  const stored = new Map<string, SubjectSet[]>();
  for (const t of world.tuples) {
    if ('id' in t.subject) continue;
    const sets = stored.get(keyFor(t));
    if (sets === undefined) stored.set(keyFor(t), [t.subject.set]);
    else sets.push(t.subject.set);
  }
  return stored;
}

/** True when some place rests on itself. */
export function goesRound(world: World): boolean {
  const stored = storedOn(world);

  function* reads(at: SubjectSet, r: Rewrite): Generator<SubjectSet> {
    if (r.kind === 'computed') yield { ...at, relation: r.relation };
    else if (r.kind === 'not') yield* reads(at, r.child);
    else if (r.kind !== 'traverse') for (const child of r.children) yield* reads(at, child);
    else
      for (const set of stored.get(keyFor({ ...at, relation: r.relation })) ?? [])
        yield* reads(set, r.through);
  }

  function restsOn(at: SubjectSet): Iterable<SubjectSet> {
    const rewrite = world.model.namespaces.get(at.namespace)?.relations.get(at.relation)?.rewrite;
    return rewrite === undefined ? (stored.get(keyFor(at)) ?? []) : reads(at, rewrite);
  }

  const isSettled = new Map<string, boolean>();
  const turnsBack = (at: SubjectSet): boolean => {
    const key = keyFor(at);
    const known = isSettled.get(key);
    if (known !== undefined) return !known;
    isSettled.set(key, false);
    for (const next of restsOn(at)) if (turnsBack(next)) return true;
    isSettled.set(key, true);
    return false;
  };
  // Permits that name one another go round on an object without any tuple too, and that one is asked about as well.
  return placesOf(world, true).some(turnsBack);
}
