/** Checksummed transfers under way while a cable is pulled, and over a slow link: nothing cut is shown as whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machines } from '../harness/namespaces.ts';
import { DEBIAN_PATH, has, missingPeers } from '../harness/peers.ts';
import { until, World } from '../harness/postern.ts';
import type { Verdict } from '../harness/transfer.ts';

const missing = missingPeers({ 'network namespaces': await has.netns() });
const MB = 1024 * 1024;
const PROCESS = new URL('../harness/transfer-process.ts', import.meta.url).pathname;
const DOWN_MS = 15_000;
const SERVING_MS_MAX = 5_000;

async function firstLine<T>(child: ChildProcess): Promise<T> {
  if (child.stdout === null) throw new Error('no output');
  for await (const line of createInterface(child.stdout)) return JSON.parse(line);
  throw new Error('it ended without a word');
}

describe.skipIf(missing.length > 0)('transfers between machines', () => {
  const machines = new Machines();
  const on = (home: string): string => (home === 'admin' ? 'server' : home);
  const world = new World({ POSTERN_LISTEN_NODES: '10.77.0.1:4480', PATH: DEBIAN_PATH }, (home) =>
    machines.place(on(home)),
  );
  const run = (name: string, ...args: string[]): ChildProcess => {
    const [command = '', ...rest] = machines.place(name);
    return spawn(command, [...rest, process.execPath, PROCESS, ...args], {
      env: { ...process.env, PATH: DEBIAN_PATH },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  };
  let target: ChildProcess;
  let inletPort = 0;
  const atTarget: Verdict[] = [];
  const transfer = (up: number, down: number): Promise<Verdict> =>
    firstLine(run('web', 'app', String(inletPort), String(up), String(down)));
  const works = async (): Promise<void> => {
    const verdict = await transfer(1000, 1000);
    if (verdict.kind !== 'whole') throw new Error(`${verdict.kind}: ${verdict.why}`);
  };
  const relayStatus = async (): Promise<string> =>
    JSON.parse(await world.ok('db', 'relay', 'show', 'db')).connection_status;

  beforeAll(async () => {
    await machines.start(['server', 'db', 'web']);
    target = run('db', 'target');
    if (target.stdout === null) throw new Error('no output');
    const lines = createInterface(target.stdout);
    const port = await new Promise<number>((resolve) => {
      lines.on('line', (line) => {
        const said: Verdict & { port?: number } = JSON.parse(line);
        if (said.port === undefined) atTarget.push(said);
        else resolve(said.port);
      });
    });
    await world.startServer();
    await world.ok('admin', 'enroll');
    const ticket = ['project', 'ticket', '--attribute'];
    const db = await world.ok('admin', ...ticket, 'component=db', '--relay', 'db');
    const web = await world.ok('admin', ...ticket, 'component=web');
    await world.ok('db', 'project', 'enroll', db);
    await world.ok('db', 'node', 'create', 'db');
    await world.ok('db', 'tcp-outlet', 'create', '--to', String(port));
    await world.ok('db', 'relay', 'create', 'db');
    await world.ok('web', 'project', 'enroll', web);
    await world.ok('web', 'node', 'create', 'web');
    const bound = await world.ok('web', 'tcp-inlet', 'create', '--via', 'db');
    inletPort = Number(bound.split(':')[1]);
    await works();
  }, 120_000);
  afterAll(async () => {
    target.kill('SIGKILL');
    await world.close();
    await machines.stop();
  }, 60_000);

  it.each(['db', 'web', 'server'])(
    'end as cut on both sides when machine %s loses its link, and pass again after the restore',
    async (machine) => {
      atTarget.length = 0;
      const running = transfer(4000 * MB, 4000 * MB);
      await sleep(1_500);
      await machines.link(machine, 'down');
      const downMs = performance.now();
      if (machine !== 'web')
        await until(
          async () => expect(await relayStatus()).not.toBe('Up'),
          'the relay to be down',
          DOWN_MS,
        );
      const noticedMs = performance.now() - downMs;
      await sleep(Math.max(0, DOWN_MS - noticedMs));
      await machines.link(machine, 'up');
      const upMs = performance.now();
      await until(works, 'the portal again', 15_000);
      const servingMs = performance.now() - upMs;
      console.log(
        `${machine} cut off for ${DOWN_MS / 1000} s under load: noticed after ${noticedMs.toFixed(0)} ms, ` +
          `serving ${servingMs.toFixed(0)} ms after the restore`,
      );
      expect((await running).kind).toBe('cut');
      // The first verdict is the cut transfer's or a small one's; none may be of the bad kinds.
      expect(atTarget.filter((v) => v.kind === 'short' || v.kind === 'corrupt')).toEqual([]);
      expect(servingMs).toBeLessThan(SERVING_MS_MAX);
    },
    90_000,
  );

  it.skipIf(!has.program('tc'))(
    'carry a long transfer over a link that is slower than their buffers are large',
    async () => {
      // 4 Mbit/s: what waits in the buffers before a ping is many seconds of it.
      await machines.limit('web', '4mbit');
      const startMs = performance.now();
      const verdict = await transfer(2 * MB, 10 * MB);
      console.log(`10 MB at 4 Mbit/s took ${(performance.now() - startMs).toFixed(0)} ms`);
      expect(verdict).toMatchObject({ kind: 'whole' });
    },
    90_000,
  );
});
