/**
 * Answers that take as long for people who exist as for people who do not. A message is written for the ones and not for
 * the others, and the difference, a few milliseconds, could be measured from far away. INVARIANT: nothing is put off until
 * after the answer: what was answered is in the store.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** Far above what the difference is, far below what a person notices. */
const STEP_MS = 100;

/** Does the work and answers, or throws what it threw, at the next full step since it began; at once where `isTelling` says that the answer tells it anyway. */
export async function evenly<T>(
  work: () => Promise<T>,
  isTelling: (done: T) => boolean = () => false,
): Promise<T> {
  const beganMs = performance.now();
  let isOpen = false;
  try {
    const done = await work();
    isOpen = isTelling(done);
    return done;
  } finally {
    if (!isOpen) await sleep(STEP_MS - ((performance.now() - beganMs) % STEP_MS));
  }
}
