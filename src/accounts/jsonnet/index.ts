/**
 * The door of the Jsonnet subset: mappers of claims and bodies of web hooks. Pure: a program sees what it is
 * given and nothing else, and is stopped at a bound of steps, depth and size.
 */

import { PosternError } from '../../kernel/index.ts';
import { Evaluator } from './evaluator.ts';
import { JsonnetFault, place } from './fault.ts';
import { Parser } from './parser.ts';
import { isStandard } from './standard.ts';
import { Budget, DEFAULT_LIMITS, fromJson, type Lazy, type Limits, ready } from './value.ts';

export type { Limits } from './value.ts';

/** What a program is given: JSON data by name. */
export interface Inputs {
  /** For `std.extVar`. */
  readonly external?: Readonly<Record<string, unknown>>;
  /** For the parameters of a program that is a function. */
  readonly named?: Readonly<Record<string, unknown>>;
}

/** A program that was read. */
export interface Program {
  /** Its outcome as JSON data. Throws PosternError `invalid`, naming line and column; fact `thrown`: the words of its own `error`. */
  evaluate(inputs: Inputs, limits?: Limits): unknown;
}

function explained(source: string, error: unknown): unknown {
  if (!(error instanceof JsonnetFault)) return error;
  const facts = error.thrown === undefined ? {} : { thrown: error.thrown };
  return new PosternError('invalid', `Jsonnet, ${place(source, error.at)}: ${error.message}`, {
    facts,
  });
}

function lazyInputs(
  data: Readonly<Record<string, unknown>> | undefined,
  budget: Budget,
): Map<string, Lazy> {
  return new Map(
    Object.entries(data ?? {}).map(([name, item]) => [name, ready(fromJson(item, budget, 0))]),
  );
}

/** Reads a program. Throws PosternError `invalid`, naming line and column, for what the subset does not have. */
export function compileJsonnet(source: string): Program {
  try {
    const syntax = new Parser(source, isStandard).program();
    return {
      evaluate(inputs: Inputs, limits: Limits = DEFAULT_LIMITS): unknown {
        try {
          const budget = new Budget(limits);
          const run = new Evaluator(budget, lazyInputs(inputs.external, budget));
          return run.run(syntax, lazyInputs(inputs.named, budget));
        } catch (error) {
          throw explained(source, error);
        }
      },
    };
  } catch (error) {
    throw explained(source, error);
  }
}
