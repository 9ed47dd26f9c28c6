/** Lets a few long questions run at a time, so that they can't take the memory and the thread from the short ones. */
import { PosternError } from '../kernel/index.ts';

export class Gate {
  readonly #placesMax: number;
  readonly #queueMax: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(placesMax: number, queueMax: number) {
    this.#placesMax = placesMax;
    this.#queueMax = queueMax;
  }

  /** Waits for a place and runs. Throws `unavailable` when the queue is full. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#placesMax) {
      if (this.#waiting.length >= this.#queueMax)
        throw new PosternError('unavailable', 'Too many long questions are being answered', {
          hint: 'Try again in a moment',
        });
      // Whoever leaves hands its place on.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#inside++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside--;
      else next();
    }
  }
}
