/**
 * The three values of an answer, and what an unknown one is owed to. An unknown answer always has a cause: nothing that
 * was cut off may pass for false.
 */
import { PosternError } from '../../kernel/index.ts';

/** Why an answer is unknown, in the words that Keto uses where it has them. */
export type UnknownReason = 'max_depth_exceeded' | 'negative_cycle' | 'undeclared';

export interface Cause {
  readonly reason: UnknownReason;
  /** What to answer, where the reason has an error of its own. */
  readonly error?: PosternError;
}

export interface Result {
  /** Undefined: unknown. */
  readonly verdict: boolean | undefined;
  /** The lowest open question that this rests on being false; FINAL: none, so that it is true for good. */
  readonly low: number;
  /** Present when the verdict is unknown. */
  readonly cause: Cause | undefined;
}

export const FINAL: number = Number.POSITIVE_INFINITY;
export const TRUE: Result = { verdict: true, low: FINAL, cause: undefined };
export const FALSE: Result = { verdict: false, low: FINAL, cause: undefined };

const unknown = (cause: Cause): Result => ({ verdict: undefined, low: FINAL, cause });

export const TOO_DEEP: Result = unknown({ reason: 'max_depth_exceeded' });
export const ENTANGLED: Result = unknown({ reason: 'negative_cycle' });

/** The answer of what can't be asked. */
export function unknownFor(error: PosternError): Result {
  return unknown({ reason: 'undeclared', error });
}

const WEIGHT: Readonly<Record<UnknownReason, number>> = {
  max_depth_exceeded: 0,
  negative_cycle: 1,
  undeclared: 2,
};

/** The cause to report of two, whatever their order: a depth, which may pass for false, never hides anything else. */
export function graver(a: Cause | undefined, b: Cause | undefined): Cause | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const more = WEIGHT[b.reason] - WEIGHT[a.reason];
  if (more !== 0) return more > 0 ? b : a;
  return (b.error?.message ?? '') < (a.error?.message ?? '') ? b : a;
}

/** Throws what an unknown answer is answered with. */
export function refuse(cause: Cause | undefined): never {
  if (cause === undefined) throw new PosternError('internal', 'A check is unknown without a cause');
  if (cause.error !== undefined) throw cause.error;
  const facts = { reason: cause.reason };
  throw new PosternError('exhausted', 'The check could not be completed', { facts });
}

/** The steps that a question, or a batch of them, may take together. */
export class Budget {
  readonly max: number;
  used = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Takes steps; throws `exhausted` when they are used up. */
  spend(steps: number): void {
    this.used += steps;
    if (this.used > this.max)
      throw new PosternError('exhausted', 'The check could not be completed', {
        facts: { reason: 'max_steps_exceeded', steps: this.max },
        hint: 'Raise limit.max_check_steps, or make the model shallower',
      });
  }
}
