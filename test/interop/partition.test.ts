/** Three machines and a cable that is pulled: who is cut off says so, and serves again soon after. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machines } from '../harness/namespaces.ts';
import { DEBIAN_PATH, has, missingPeers } from '../harness/peers.ts';
import { execute, until, World } from '../harness/postern.ts';

const PULLED_MS = 15_000;
const NOTICED_MS = 16_000;
const SERVES_AGAIN_MS = 5_000;
const missing = missingPeers({ 'ip netns': await has.netns(), curl: has.program('curl') });

describe.skipIf(missing.length > 0)('a partition', () => {
  const machines = new Machines();
  const on = (home: string): string => (home === 'admin' ? 'server' : home);
  const world = new World({ POSTERN_LISTEN_NODES: '10.77.0.1:4480', PATH: DEBIAN_PATH }, (home) =>
    machines.place(on(home)),
  );
  let target: ChildProcess;

  /** The app's request on the inlet's machine; curl's exit code. */
  const visit = async (): Promise<number> => {
    const [command = '', ...rest] = machines.place('web');
    const curl = ['curl', '-s', '-o', '/dev/null', '-m', '3', 'http://127.0.0.1:8001/'];
    return (await execute(command, [...rest, ...curl], { ...process.env, PATH: DEBIAN_PATH })).code;
  };
  const serves = async (): Promise<void> => {
    const code = await visit();
    if (code !== 0) throw new Error(`curl ended with ${code}`);
  };
  const relayStatus = async (): Promise<string> =>
    JSON.parse(await world.ok('db', 'relay', 'show', 'db', '--output', 'json')).connection_status;

  beforeAll(async () => {
    await machines.start(['server', 'db', 'web']);
    const [command = '', ...rest] = machines.place('db');
    target = spawn(
      command,
      [...rest, 'python3', '-m', 'http.server', '8000', '--bind', '127.0.0.1'],
      {
        stdio: 'ignore',
        env: { ...process.env, PATH: DEBIAN_PATH },
        cwd: '/usr/share/common-licenses',
      },
    );
    await world.startServer();
    await world.ok('admin', 'enroll');
    for (const [home, ...flags] of [['db', '--relay', 'db'], ['web']] as const) {
      const ticket = await world.ok('admin', 'project', 'ticket', ...flags);
      await world.ok(home, 'project', 'enroll', ticket);
      await world.ok(home, 'node', 'create', home);
    }
    await world.ok('db', 'relay', 'create', 'db');
    await world.ok('db', 'tcp-outlet', 'create', '--to', '8000');
    await world.ok('web', 'tcp-inlet', 'create', '--from', '8001', '--via', 'db');
    await until(serves, 'the portal');
  }, 120_000);
  afterAll(async () => {
    target?.kill('SIGKILL');
    await world.close();
    await machines.stop();
  }, 60_000);

  it.each(['db', 'server', 'web'])(
    'of machine %s is noticed, and healed soon after the cable is back',
    async (name) => {
      await serves();
      await machines.link(name, 'down');
      const pulledMs = performance.now();
      expect(await visit()).not.toBe(0);
      if (name !== 'web')
        await until(
          async () => expect(await relayStatus()).not.toBe('Up'),
          'the relay is shown as down',
          NOTICED_MS,
        );
      const left = PULLED_MS - (performance.now() - pulledMs);
      if (left > 0) await new Promise((r) => setTimeout(r, left));
      await machines.link(name, 'up');
      const backMs = performance.now();
      await until(serves, 'the portal serves again', SERVES_AGAIN_MS);
      console.log(
        `${name}: serves again ${Math.round(performance.now() - backMs)} ms after the link`,
      );
    },
    60_000,
  );
});
