import { describe, expect, it } from 'vitest';
import { Gate } from './gate.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the gate', () => {
  it('lets as many in as there are places, the others in their order', async () => {
    const gate = new Gate(2, 10);
    const order: number[] = [];
    let inside = 0;
    let most = 0;
    await Promise.all(
      [1, 2, 3, 4, 5].map((n) =>
        gate.run(async () => {
          most = Math.max(most, ++inside);
          await turn();
          order.push(n);
          inside--;
        }),
      ),
    );
    expect([order, most]).toEqual([[1, 2, 3, 4, 5], 2]);
  });

  it('has no place for those who have gone, and a full queue is rid of them', async () => {
    const gate = new Gate(1, 2);
    let end: () => void = () => undefined;
    const long = gate.run(
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    let hasRun = false;
    const gone = [1, 2].map(() =>
      gate.run(
        async () => {
          hasRun = true;
        },
        () => true,
      ),
    );
    const told = Promise.allSettled(gone);
    const next = gate.run(async () => 'served');
    await expect(Promise.all(gone)).rejects.toThrow('abandoned');
    end();
    await long;
    expect(await next).toBe('served');
    expect((await told).map((r) => r.status)).toEqual(['rejected', 'rejected']);
    expect(hasRun).toBe(false);
    expect(await gate.run(async () => 'again')).toBe('again');
  });

  it('refuses whom the queue has no room for', async () => {
    const gate = new Gate(1, 1);
    const first = gate.run(turn);
    const second = gate.run(turn);
    await expect(gate.run(turn)).rejects.toMatchObject({ code: 'unavailable' });
    await Promise.all([first, second]);
  });
});
