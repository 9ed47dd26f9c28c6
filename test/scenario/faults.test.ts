/**
 * Processes killed while a portal carries checksummed transfers both ways: nothing cut is ever shown as whole, and the
 * portal serves again within 5 s of the killed process's return. Moments are random; POSTERN_SEED repeats them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KillRun, type Victim } from '../harness/kills.ts';
import { createPortalPair } from '../harness/portal-pair.ts';
import { World } from '../harness/postern.ts';
import { TransferTarget } from '../harness/transfer.ts';

const world = new World();
const target = new TransferTarget();
let run: KillRun;

beforeAll(async () => {
  await target.listen();
  await world.startServer();
  run = new KillRun(world, target, await createPortalPair(world, target.port));
}, 120_000);

afterAll(async () => {
  console.log(run.report());
  await world.close();
  target.close();
}, 60_000);

describe('a portal whose processes are killed while it carries 128 MB each way', () => {
  it.each<Victim>([
    'the outlet node',
    'the inlet node',
    'the server',
    'the outlet node',
    'the inlet node',
  ])('never shows a cut transfer as whole, and serves again within 5 s: %s', async (victim) => {
    const { verdicts, recoveryMs } = await run.kill(victim, {
      transfers: 2,
      bytesEach: 64 * 1024 * 1024,
    });
    expect(verdicts.filter((v) => v.kind === 'corrupt')).toEqual([]);
    expect(verdicts.filter((v) => v.kind === 'short')).toEqual([]);
    expect(target.early).toEqual([]);
    expect(recoveryMs).toBeLessThan(5_000);
  });

  it('carries the same transfers whole when nobody is killed', async () => {
    const all = await Promise.all([1, 2].map(() => target.transfer(run.inletPort, 64 << 20)));
    for (const { up, down } of all)
      expect([up, down]).toMatchObject([{ kind: 'whole' }, { kind: 'whole' }]);
  });
});
