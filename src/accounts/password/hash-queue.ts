/**
 * The one queue through which all hashing of passwords goes. Hashes run on libuv's few threads, which files and name
 * look-ups share, and each may hold a gibibyte; so a bounded number runs at once, within a budget of memory, and a
 * bounded number waits, first come first served, for a bounded time. What is beyond is refused at once: load must
 * never become memory. Nothing here looks at what a job does.
 */
import { PosternError } from '../../kernel/index.ts';

export interface HashQueueOptions {
  /** Jobs that run at the same time, at least 1. */
  readonly concurrency: number;
  /** Memory of all running jobs; a job that asks for more runs alone. */
  readonly memoryKiBMax: number;
  /** Jobs that may wait; 0 refuses whatever can not run at once. */
  readonly waitingMax: number;
  /** How long a job may wait before it is refused. */
  readonly waitMsMax: number;
}

export interface HashQueue {
  /**
   * Runs a job that needs so much memory, when it is its turn.
   * @throws PosternError `exhausted` when the queue is full or the wait was too long; else what the job throws
   */
  run<T>(memoryKiB: number, job: () => Promise<T>): Promise<T>;
  /** Jobs that run now and that wait now, for metrics. */
  readonly load: { readonly running: number; readonly waiting: number };
}

interface Waiting {
  readonly memoryKiB: number;
  readonly deadlineMs: number;
  start(): void;
  refuse(reason: PosternError): void;
}

/** Makes a queue. */
export function createHashQueue(options: HashQueueOptions): HashQueue {
  return new BoundedQueue(options);
}

class BoundedQueue implements HashQueue {
  readonly #options: HashQueueOptions;
  readonly #waiting = new Set<Waiting>();
  #running = 0;
  #memoryKiB = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HashQueueOptions) {
    this.#options = options;
  }

  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#running, waiting: this.#waiting.size };
  }

  run<T>(memoryKiB: number, job: () => Promise<T>): Promise<T> {
    if (this.#waiting.size === 0 && this.#fits(memoryKiB)) return this.#start(memoryKiB, job);
    if (this.#waiting.size >= this.#options.waitingMax) return Promise.reject(overload());
    return new Promise((resolve, reject) => {
      this.#waiting.add({
        memoryKiB,
        deadlineMs: performance.now() + this.#options.waitMsMax,
        start: () => resolve(this.#start(memoryKiB, job)),
        refuse: reject,
      });
      this.#watchHead();
    });
  }

  #fits(memoryKiB: number): boolean {
    if (this.#running === 0) return true;
    return (
      this.#running < this.#options.concurrency &&
      this.#memoryKiB + memoryKiB <= this.#options.memoryKiBMax
    );
  }

  async #start<T>(memoryKiB: number, job: () => Promise<T>): Promise<T> {
    this.#running += 1;
    this.#memoryKiB += memoryKiB;
    try {
      return await job();
    } finally {
      this.#running -= 1;
      this.#memoryKiB -= memoryKiB;
      this.#advance();
    }
  }

  /** Starts those at the head that fit. A large one is not overtaken, or small ones could starve it. */
  #advance(): void {
    for (const head of this.#waiting) {
      if (!this.#fits(head.memoryKiB)) break;
      this.#waiting.delete(head);
      head.start();
    }
    this.#watchHead();
  }

  /** One timer is enough: all wait equally long, so the head is always the first to be late. */
  #watchHead(): void {
    const [head] = this.#waiting;
    if (head === undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.#refuseLate();
      },
      Math.max(1, Math.ceil(head.deadlineMs - performance.now())),
    );
  }

  #refuseLate(): void {
    const nowMs = performance.now();
    for (const head of this.#waiting) {
      if (head.deadlineMs > nowMs) break;
      this.#waiting.delete(head);
      head.refuse(overload());
    }
    // A large head that gave up may have held back smaller ones.
    this.#advance();
  }
}

/** What is answered to whom there is no room for. */
export function overload(): PosternError {
  return new PosternError('exhausted', 'Too many passwords are being checked at the moment', {
    hint: 'Try again in a few seconds',
  });
}
