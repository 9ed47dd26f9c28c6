/** Arguments of calls: which becomes which parameter, and what stands for one that is missing. Pure. */

import type { Evaluator } from './evaluator.ts';
import { JsonnetFault } from './fault.ts';
import type { Argument } from './syntax.ts';
import type { FunctionValue, Lazy, Scope } from './value.ts';

/** An argument of a call; without a name it counts by its place. */
export interface Given {
  readonly name: string | undefined;
  readonly value: Lazy;
}

/** The arguments of a call, each worked out when the function asks. */
export function givenOf(run: Evaluator, list: readonly Argument[], scope: Scope): readonly Given[] {
  return list.map(({ name, body }) => ({ name, value: run.later(body, scope) }));
}

/** The scope of a call: its arguments by their parameters. `named` is what the program itself may be given. Throws JsonnetFault. */
export function argumentsOf(
  run: Evaluator,
  target: Extract<FunctionValue, { kind: 'function' }>,
  given: readonly Given[],
  at: number,
  named: ReadonlyMap<string, Lazy> | undefined,
): Scope {
  const names = new Map<string, Lazy>();
  const inner: Scope = { ...target.scope, names, parent: target.scope };
  const { parameters } = target.syntax;
  for (const [place, { name, value }] of given.entries()) {
    const key = name ?? parameters[place]?.name;
    if (key === undefined || names.has(key) || !parameters.some((one) => one.name === key)) {
      throw new JsonnetFault('the function does not take these arguments', at);
    }
    names.set(key, value);
  }
  for (const { name, fallback } of parameters) {
    if (names.has(name)) continue;
    const value =
      named?.get(name) ?? (fallback === undefined ? undefined : run.later(fallback, inner));
    if (value === undefined)
      throw new JsonnetFault(`the argument \`${name.slice(0, 40)}\` is missing`, at);
    names.set(name, value);
  }
  return inner;
}
