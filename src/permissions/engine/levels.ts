/** Depth as Keto counts it on its default branch (internal/check/step), in the one place that every evaluator takes it from. */
import type { Rewrite } from '../model.ts';

/** What a part of an expression stands in: the permit itself, a group, a negation or a traversal. */
export type Around = 'relation' | 'or' | 'and' | 'not' | 'traverse';

/** Levels that a part costs: one for a hop, a group in a group, and another relation alone or ORed. */
export function levelsOf(around: Around, part: Rewrite): number {
  if (around === 'traverse') return 1;
  if (part.kind === 'computed') return around === 'relation' || around === 'or' ? 1 : 0;
  const isGroup = part.kind === 'or' || part.kind === 'and';
  return isGroup && (around === 'or' || around === 'and') ? 1 : 0;
}

/** Whether the tuple that would answer at once is looked up even when that level is one too deep. */
export function isLookedUp(around: Around, part: Rewrite): boolean {
  return part.kind === 'computed' && (around === 'relation' || around === 'or');
}

/** Whether a part can't be asked any more: groups and traversals need a level of their own, negation none. */
export function isTooDeep(part: Rewrite, depth: number): boolean {
  return depth <= 0 && part.kind !== 'not' && part.kind !== 'computed';
}
