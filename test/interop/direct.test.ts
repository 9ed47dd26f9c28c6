/** The direct path between two machines: used where the outlet's node can be dialled, given up for the relay where not. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machines } from '../harness/namespaces.ts';
import { DEBIAN_PATH, has, missingPeers } from '../harness/peers.ts';
import { execute, until, World } from '../harness/postern.ts';

const missing = missingPeers({ 'ip netns': await has.netns(), curl: has.program('curl') });
const ENV = { ...process.env, PATH: DEBIAN_PATH };

describe.skipIf(missing.length > 0)('a direct path', () => {
  const machines = new Machines();
  const world = new World({ POSTERN_LISTEN_NODES: '10.77.0.1:4480', PATH: DEBIAN_PATH }, (home) =>
    machines.place(home === 'admin' ? 'server' : home),
  );
  let target: ChildProcess;

  const onWeb = async (...args: string[]): Promise<number> => {
    const [command = '', ...rest] = machines.place('web');
    return (await execute(command, [...rest, ...args], ENV)).code;
  };
  const serves = async (): Promise<void> => {
    const code = await onWeb('curl', '-s', '-o', '/dev/null', '-m', '5', 'http://127.0.0.1:8001/');
    if (code !== 0) throw new Error(`curl ended with ${code}`);
  };
  const splices = async (): Promise<number> =>
    JSON.parse(await world.ok('admin', 'server', 'status', '--output', 'json')).spliced_channels;

  beforeAll(async () => {
    await machines.start(['server', 'db', 'web']);
    const [command = '', ...rest] = machines.place('db');
    target = spawn(
      command,
      [...rest, 'python3', '-m', 'http.server', '8000', '--bind', '127.0.0.1'],
      { stdio: 'ignore', env: ENV, cwd: '/usr/share/common-licenses' },
    );
    await world.startServer();
    await world.ok('admin', 'enroll');
    for (const [home, listen, ...flags] of [
      ['db', '0.0.0.0:4000', '--relay', 'db'],
      ['web', '127.0.0.1:0'],
    ] as const) {
      const ticket = await world.ok('admin', 'project', 'ticket', ...flags);
      await world.ok(home, 'project', 'enroll', ticket);
      await world.ok(home, 'node', 'create', home, '--tcp-listener-address', listen);
    }
    await world.ok('db', 'relay', 'create', 'db');
    await world.ok('db', 'tcp-outlet', 'create', '--to', '8000');
    await world.ok('web', 'tcp-inlet', 'create', '--from', '8001', '--via', 'db');
  }, 120_000);
  afterAll(async () => {
    target?.kill('SIGKILL');
    await world.close();
    await machines.stop();
  }, 60_000);

  it('is taken where the node listens, and nothing runs through the relay', async () => {
    await until(serves, 'the portal');
    expect(await splices()).toBe(0);
  });

  it('is given up for the relay where the node can not be dialled', async () => {
    expect(await onWeb('ip', 'route', 'add', 'unreachable', '10.77.0.2')).toBe(0);
    await world.ok('web', 'node', 'stop', 'web');
    await world.ok('web', 'node', 'start', 'web');
    await until(serves, 'the portal');
    expect(await splices()).toBe(1);
  });
});
