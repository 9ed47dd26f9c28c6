/** Array literals and comprehensions: the scopes that `for` and `if` make, and what stands in each. Pure, and charged. */

import type { Evaluator } from './evaluator.ts';
import { JsonnetFault } from './fault.ts';
import type { Clause, Syntax } from './syntax.ts';
import { type Lazy, type Scope, typeOf, type Value } from './value.ts';

/** The scopes that a comprehension's clauses make, in order. */
export function* scopesOf(
  run: Evaluator,
  clauses: readonly Clause[],
  scope: Scope,
  from = 0,
): Generator<Scope> {
  const clause = clauses[from];
  if (clause === undefined) yield scope;
  else if (clause.kind === 'if') {
    if (run.truth(clause.condition, scope)) yield* scopesOf(run, clauses, scope, from + 1);
  } else {
    const source = run.evaluate(clause.source, scope);
    if (source === null || typeof source !== 'object' || source.kind !== 'array') {
      throw new JsonnetFault(`\`for\` goes over an array, not ${typeOf(source)}`, clause.source.at);
    }
    for (const item of source.items) {
      run.budget.step(clause.source.at);
      yield* scopesOf(
        run,
        clauses,
        { ...scope, names: new Map([[clause.name, item]]), parent: scope },
        from + 1,
      );
    }
  }
}

/** An array of its items, each worked out when it is asked for. */
export function makeArray(
  run: Evaluator,
  items: readonly Syntax[],
  clauses: readonly Clause[],
  scope: Scope,
  at: number,
): Value {
  const scopes = clauses.length === 0 ? [scope] : scopesOf(run, clauses, scope);
  const made: Lazy[] = [];
  for (const inner of scopes) {
    run.budget.grow(items.length, at);
    for (const item of items) made.push(run.later(item, inner));
  }
  return { kind: 'array', items: made };
}
