/** Expand: the tree of subject sets and subjects below one subject set (reference/permissions.md §2, "Expand tree"). */
import type { Subject } from '../tuple.ts';

export interface ExpandTree {
  readonly type:
    | 'union'
    | 'exclusion'
    | 'intersection'
    | 'leaf'
    | 'tuple_to_subject_set'
    | 'computed_subject_set'
    | 'not'
    | 'unspecified';
  /** Absent on inner groups of a permit. */
  readonly subject?: Subject;
  readonly children: readonly ExpandTree[];
}
