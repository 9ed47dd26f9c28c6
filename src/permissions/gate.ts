/** Lets a few long questions run at a time, so that they can't take the memory and the thread from the short ones. */
import { PosternError } from '../kernel/index.ts';
import { abandoned } from './engine/slices.ts';

export class Gate {
  readonly #placesMax: number;
  readonly #queueMax: number;
  #waiting: { readonly enter: () => void; readonly isAbandoned: () => boolean }[] = [];
  #inside = 0;

  constructor(placesMax: number, queueMax: number) {
    this.#placesMax = placesMax;
    this.#queueMax = queueMax;
  }

  /** Waits for a place and runs. Throws `unavailable` when the queue is full, or nobody waits for the answer any more. */
  async run<T>(work: () => Promise<T>, isAbandoned: () => boolean = () => false): Promise<T> {
    if (this.#inside >= this.#placesMax) {
      if (this.#waiting.length >= this.#queueMax) this.#dropAbandoned();
      if (this.#waiting.length >= this.#queueMax)
        throw new PosternError('unavailable', 'Too many long questions are being answered', {
          hint: 'Try again in a moment',
        });
      // Whoever leaves hands its place on.
      await new Promise<void>((enter) => this.#waiting.push({ enter, isAbandoned }));
    } else this.#inside++;
    try {
      if (isAbandoned()) throw abandoned();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside--;
      else next.enter();
    }
  }

  /** Lets those through who leave at once. */
  #dropAbandoned(): void {
    const gone = this.#waiting.filter((w) => w.isAbandoned());
    this.#waiting = this.#waiting.filter((w) => !gone.includes(w));
    for (const { enter } of gone) {
      // Its place is one that it hands on as it leaves.
      this.#inside++;
      enter();
    }
  }
}
