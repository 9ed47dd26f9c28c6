/**
 * The long run of the kill tests: transfers of 1 GB each way, a process killed in the middle of each, many times over.
 * POSTERN_SEED repeats a run, POSTERN_KILLS sets how many.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KillRun, type Victim } from '../harness/kills.ts';
import { createPortalPair } from '../harness/portal-pair.ts';
import { World } from '../harness/postern.ts';
import { TransferTarget } from '../harness/transfer.ts';

const GB = 1024 ** 3;
const KILLS = Number(process.env['POSTERN_KILLS'] ?? 24);
/** About as long as the transfer takes. */
const MOMENT_MS_MAX = 10_000;
const VICTIMS: readonly Victim[] = ['the outlet node', 'the inlet node', 'the server'];

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

describe('a portal that carries 1 GB each way', () => {
  it('never shows a cut transfer as whole, and serves again within 5 s, however often a process is killed', async () => {
    const recoveries: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const victim = VICTIMS[Math.floor(run.random(VICTIMS.length))] ?? 'the server';
      const outcome = await run.kill(victim, [{ up: GB, down: GB }], MOMENT_MS_MAX);
      const all = [...outcome.verdicts, ...outcome.byKernel];
      expect(all.filter((v) => v.kind === 'corrupt')).toEqual([]);
      expect(outcome.verdicts.filter((v) => v.kind === 'short')).toEqual([]);
      expect(outcome.recoveryMs).toBeLessThan(5_000);
      recoveries.push(outcome.recoveryMs);
    }
    recoveries.sort((a, b) => a - b);
    const at = (q: number): string => (recoveries[Math.floor(q * (KILLS - 1))] ?? 0).toFixed(0);
    console.log(`${KILLS} kills; serving again after: median ${at(0.5)} ms, worst ${at(1)} ms`);
  }, 1_800_000);

  it('carries 1 GB each way whole after all that', async () => {
    const startMs = performance.now();
    const { up, down } = await target.transfer(run.inletPort, { up: GB, down: GB });
    expect([up, down]).toMatchObject([{ kind: 'whole' }, { kind: 'whole' }]);
    console.log(`1 GB each way at once took ${(performance.now() - startMs).toFixed(0)} ms`);
  }, 120_000);
});
