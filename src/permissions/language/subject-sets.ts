/**
 * What the subjects of a relation can be, when the subject sets among its types are followed to their members. It must
 * look at each relation once for each that is asked about, whatever the sets' branches and circles.
 */
import type { SubjectType } from '../model.ts';
import type { Declarations, Declared } from './declarations.ts';

/** How many subject sets are followed from the types of a relation to those of their members, as in Keto. */
export const SUBJECT_SET_DEPTH_MAX = 10;

export interface Resolved {
  /** The namespaces of all plain types; wildcards are none. */
  readonly namespaces: readonly string[];
  /** The relations on the way that are not declared. */
  readonly missing: readonly { readonly relation: string; readonly namespace: string }[];
  /** Whether sets lead on to sets for more than `SUBJECT_SET_DEPTH_MAX` steps, or in a circle. */
  readonly isTooDeep: boolean;
}

export class SubjectSets {
  readonly #declared: Declarations;
  readonly #resolved = new Map<Declared, Resolved>();
  #tooDeep: ReadonlySet<Declared> | undefined;

  constructor(declared: Declarations) {
    this.#declared = declared;
  }

  resolve(namespace: string, relation: string): Resolved {
    const root = this.#declared.get(namespace)?.get(relation);
    if (root === undefined)
      return { namespaces: [], missing: [{ relation, namespace }], isTooDeep: false };
    const known = this.#resolved.get(root);
    if (known !== undefined) return known;
    const namespaces = new Set<string>();
    const missing: SubjectType[] = [];
    const seen = new Set([root]);
    // A set grows while it is walked over.
    for (const { types } of seen)
      for (const type of types) {
        if (!isSet(type)) {
          if (!type.isWildcard) namespaces.add(type.namespace);
          continue;
        }
        const next = this.#find(type);
        if (next === undefined) missing.push(type);
        else seen.add(next);
      }
    this.#tooDeep ??= this.#findTooDeep();
    const resolved = { namespaces: [...namespaces], missing, isTooDeep: this.#tooDeep.has(root) };
    this.#resolved.set(root, resolved);
    return resolved;
  }

  #find({ namespace, relation }: SubjectType): Declared | undefined {
    return this.#declared.get(namespace)?.get(relation);
  }

  /** After n rounds: the relations from which n sets and more can be followed. */
  #findTooDeep(): ReadonlySet<Declared> {
    let left = new Set(
      [...this.#declared.values()].flatMap((relations) => [...relations.values()]),
    );
    for (let round = 0; round <= SUBJECT_SET_DEPTH_MAX; round++) {
      const deeper = new Set<Declared>();
      for (const relation of left)
        for (const type of relation.types) {
          const next = isSet(type) ? this.#find(type) : undefined;
          if (next === undefined || !left.has(next)) continue;
          deeper.add(relation);
          break;
        }
      left = deeper;
    }
    return left;
  }
}

/** Whether a type is a `SubjectSet<…>`. */
export function isSet(type: SubjectType): boolean {
  return !type.isWildcard && type.relation !== '';
}
