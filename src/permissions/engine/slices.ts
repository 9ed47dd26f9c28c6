/**
 * Long work in slices of a few milliseconds, so that a question that takes a second keeps nobody else waiting. The work
 * is a generator that yields wherever it may be interrupted. This is the one place of the engine that looks at a clock,
 * and no answer depends on it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PosternError } from '../../kernel/index.ts';

/** How long one slice may hold the thread. */
const SLICE_MS = 4;

/** Does the work for one slice; its result in a box when it is done, undefined when there is more to do. */
export function slice<T>(work: Generator<void, T, void>): { readonly result: T } | undefined {
  const endMs = performance.now() + SLICE_MS;
  do {
    const next = work.next();
    if (next.done === true) return { result: next.value };
  } while (performance.now() < endMs);
  return undefined;
}

/** Does the work, giving way to others of the thread between slices. Throws `unavailable` once it was abandoned. */
export async function inSlices<T>(
  work: Generator<void, T, void>,
  isAbandoned: () => boolean = () => false,
): Promise<T> {
  for (;;) {
    const done = slice(work);
    if (done !== undefined) return done.result;
    await nextTurn();
    if (isAbandoned()) throw abandoned();
  }
}

/** Nobody reads it: whoever asked has gone. */
export function abandoned(): PosternError {
  return new PosternError('unavailable', 'The question was abandoned');
}
