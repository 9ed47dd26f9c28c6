/**
 * Processes killed while a portal carries checksummed transfers both ways: nothing cut is ever shown as whole, and the
 * portal serves again within 5 s of the killed process's return. Moments are random; POSTERN_SEED repeats them.
 */
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KillRun, type Victim } from '../harness/kills.ts';
import { createPortalPair } from '../harness/portal-pair.ts';
import { until, World } from '../harness/postern.ts';
import { TransferTarget } from '../harness/transfer.ts';

const MB = 1024 * 1024;
/** The latest moment of a kill after the transfers began. */
const MOMENT_MS_MAX = 400;
/** Both ways at once, and each way alone. */
const SIZES = [
  { up: 64 * MB, down: 64 * MB },
  { up: 64 * MB, down: 0 },
  { up: 0, down: 64 * MB },
];

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

describe('a portal whose processes are killed while it carries checksummed transfers both ways', () => {
  it.each<Victim>([
    'the outlet node',
    'the inlet node',
    'the server',
    'the outlet node',
    'the inlet node',
  ])('never shows a cut transfer as whole, and serves again within 5 s: %s', async (victim) => {
    const { verdicts, byKernel, recoveryMs } = await run.kill(victim, SIZES, MOMENT_MS_MAX);
    expect([...verdicts, ...byKernel].filter((v) => v.kind === 'corrupt')).toEqual([]);
    expect(verdicts.filter((v) => v.kind === 'short')).toEqual([]);
    expect(recoveryMs).toBeLessThan(5_000);
  });

  it('resets an app that connects while the other side is away, instead of ending it cleanly', async () => {
    await world.ok('db', 'node', 'stop', 'db');
    const app = net.connect({ port: run.inletPort, host: '127.0.0.1', allowHalfOpen: true });
    const seen = await new Promise<string>((resolve) => {
      app.on('data', () => resolve('data'));
      app.on('end', () => resolve('a clean end'));
      app.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
    });
    app.destroy();
    await world.ok('db', 'node', 'start', 'db');
    expect(seen).toBe('ECONNRESET');
    await until(() => target.works(run.inletPort), 'the portal again', 5_000);
  });

  it('carries the same transfers whole when nobody is killed', async () => {
    const all = await Promise.all(SIZES.map((size) => target.transfer(run.inletPort, size)));
    for (const { up, down } of all)
      expect([up, down]).toMatchObject([{ kind: 'whole' }, { kind: 'whole' }]);
  });
});
