import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHashQueue, type HashQueueOptions } from './hash-queue.ts';

const queueOf = (o: Partial<HashQueueOptions>): ReturnType<typeof createHashQueue> =>
  createHashQueue({ concurrency: 2, memoryKiBMax: 100, waitingMax: 10, waitMsMax: 5_000, ...o });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the queue of hashes', () => {
  it('never exceeds its bounds, keeps the order, and answers everybody', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ memory: fc.nat(150), fails: fc.boolean() }), { maxLength: 40 }),
        async (jobs) => {
          const queue = queueOf({});
          let running = 0;
          let memory = 0;
          const started: number[] = [];
          const asked = await Promise.allSettled(
            jobs.map((job, i) =>
              queue.run(job.memory, async () => {
                started.push(i);
                running += 1;
                memory += job.memory;
                expect(running).toBeLessThanOrEqual(2);
                if (running > 1) expect(memory).toBeLessThanOrEqual(100);
                expect(queue.load.waiting).toBeLessThanOrEqual(10);
                await turn();
                running -= 1;
                memory -= job.memory;
                if (job.fails) throw new Error('as asked');
                return i;
              }),
            ),
          );
          expect(started).toEqual([...started].sort((a, b) => a - b));
          for (const [i, answer] of asked.entries()) {
            if (answer.status === 'fulfilled') expect(answer.value).toBe(i);
            else if (started.includes(i))
              expect(answer.reason).toHaveProperty('message', 'as asked');
            else expect(answer.reason).toMatchObject({ code: 'exhausted' });
          }
          expect(queue.load).toEqual({ running: 0, waiting: 0 });
        },
      ),
    );
  });

  it('refuses who waited too long, while the job before still runs', async () => {
    const queue = queueOf({ concurrency: 1, waitMsMax: 30 });
    let finish: (() => void) | undefined;
    const long = queue.run(0, () => new Promise<void>((resolve) => (finish = resolve)));
    await expect(queue.run(0, turn)).rejects.toMatchObject({ code: 'exhausted' });
    expect(queue.load).toEqual({ running: 1, waiting: 0 });
    finish?.();
    await long;
    await queue.run(0, turn);
    expect(queue.load).toEqual({ running: 0, waiting: 0 });
  });

  it('lets a large job through that small ones keep coming after', async () => {
    const queue = queueOf({ waitingMax: 100 });
    const ended: string[] = [];
    const small = (): Promise<unknown> => queue.run(10, turn).then(() => ended.push('small'));
    const before = [small(), small()];
    const large = queue.run(100, turn).then(() => ended.push('large'));
    const after = Array.from({ length: 20 }, small);
    await Promise.all([...before, large, ...after]);
    expect(ended.indexOf('large')).toBe(2);
  });

  it('starts small jobs at once when a large one in front of them gives up', async () => {
    const queue = queueOf({ waitMsMax: 30 });
    let finish: (() => void) | undefined;
    const long = queue.run(50, () => new Promise<void>((resolve) => (finish = resolve)));
    const large = queue.run(100, turn);
    const refused = expect(large).rejects.toMatchObject({ code: 'exhausted' });
    await turn();
    await new Promise((resolve) => setTimeout(resolve, 15));
    const small = queue.run(10, async () => 'ran');
    await refused;
    expect(await small).toBe('ran');
    finish?.();
    await long;
  });
});
