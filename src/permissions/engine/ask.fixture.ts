/** For tests: one question in the text notation, asked of tuples in the text notation. */
import type { Model } from '../model.ts';
import { parseTuple, type Tuple } from '../tuple.ts';
import { CheckEvaluator, type CheckLimits } from './check.ts';
import { IndexedView } from './indexed-view.fixture.ts';
import { modelOf } from './models.fixture.ts';

export const LIMITS: CheckLimits = { stepsMax: 1_000_000, isStrict: false };
export const GROUPS: Model = modelOf({ User: {}, Group: { members: ['User', 'Group#members'] } });

export function evaluatorOf(
  model: Model,
  tuples: readonly (string | Tuple)[],
  limits: Partial<CheckLimits>,
): CheckEvaluator {
  const parsed = tuples.map((t) => (typeof t === 'string' ? parseTuple(t) : t));
  return new CheckEvaluator(model, new IndexedView(parsed), { ...LIMITS, ...limits });
}

/** Asks one question in the text notation. */
export function ask(
  model: Model,
  tuples: readonly (string | Tuple)[],
  question: string,
  limits: Partial<CheckLimits> = {},
): Promise<boolean> {
  const { subject, ...on } = parseTuple(question);
  return evaluatorOf(model, tuples, limits).check(on, subject);
}

/** Groups of which each contains the next. */
export const chain = (length: number): string[] =>
  Array.from({ length }, (_, i) => `Group:${i}#members@Group:${i + 1}#members`);
