/** One question, answered for good: by the search, and where negation met an open question by the well-founded model. */
import type { SubjectSet } from '../tuple.ts';
import { Memo, type Table } from './memo.ts';
import type { Result } from './result.ts';
import { type Scope, Search } from './search.ts';
import type { Trace } from './trace.ts';
import { solve } from './well-founded.ts';

/**
 * The answer, and in `known` what was settled on the way: all of it about the one subject of the scope. Yields where it may
 * be interrupted. Throws `exhausted` when the steps are used up.
 */
export function* decide(
  scope: Scope,
  known: Table<Result>,
  on: SubjectSet,
  depth: number,
  trace?: Trace,
): Generator<void, Result, void> {
  const result = yield* new Search(scope, new Memo(known)).run(on, depth, trace);
  return result ?? (yield* solve(scope, known, on, depth));
}
