/** A member that means harm, at a real server and real nodes, while a portal between those nodes keeps answering. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectChannel } from '../../src/channel/index.ts';
import { ControlSession, PREAMBLE_HEAD } from '../../src/control/index.ts';
import { PosternError, silentLogger, toPosternError } from '../../src/kernel/index.ts';
import { assault, type Cut, say } from '../harness/assaults.ts';
import { Pulse } from '../harness/strangers.ts';
import { TwoNodes } from '../harness/two-nodes.ts';

const world = new TwoNodes();
let pids: number[] = [];
let pulse: Pulse;

beforeAll(async () => {
  await world.start();
  pids = await world.pids();
}, 120_000);
afterAll(() => world.close(), 60_000);

beforeEach(() => {
  pulse = new Pulse(world.inletPort);
});
// Whatever a test did: the portal answered all the while, in time, and nothing was started anew.
afterEach(async () => {
  expect((await pulse.stop()).worstMs).toBeLessThan(1_000);
  expect(await world.pids()).toEqual(pids);
});

describe('a member', () => {
  it('uses a rendezvous token once, and guesses none', async () => {
    const { certificatePem, leafPrivateKeyPem } = world.credential('web');
    const project = world.read('web', (home) => home.projects.get());
    const session = new ControlSession({
      addresses: project.serverAddresses,
      serverCaPem: project.serverCaPem,
      credential: async () => ({ certificatePem, leafPrivateKeyPem }),
      nodeName: 'another',
      logger: silentLogger,
    });
    const connected = once(session, 'connected');
    session.start();
    await connected;
    const present = (token: string): Promise<Cut> =>
      assault(
        { host: '127.0.0.1', port: world.nodePort },
        say(Buffer.concat([PREAMBLE_HEAD, Buffer.from(token, 'hex')])),
      );
    try {
      const { token } = await session.requestRendezvous('db');
      const first = await session.meet(token);
      const guess = `${token.slice(0, -2)}${token.endsWith('00') ? '01' : '00'}`;
      for (const wrong of [token, guess, randomBytes(32).toString('hex')]) {
        const { tookMs, answer } = await present(wrong);
        expect(answer).toHaveLength(0);
        expect(tookMs).toBeLessThan(1_000);
      }
      expect(first.destroyed).toBe(false);
      first.destroy();
    } finally {
      session.close();
    }
  });

  it('has no address dialled by the name of a service', async () => {
    let dialled = 0;
    const trap = net.createServer(() => dialled++).listen(0, '127.0.0.1');
    await once(trap, 'listening');
    const bound = trap.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const { certificatePem, leafPrivateKeyPem } = world.credential('web');
    const local = world.read('web', (home) => {
      const { id: projectId, authorityCertificatePem } = home.projects.get();
      const identity = home.identityKeys(home.identities.get('web'));
      return { identity, certificatePem, leafPrivateKeyPem, projectId, authorityCertificatePem };
    });
    const trust = { local: () => local, isRevoked: () => false, nowMs: Date.now };
    const connect = async (service: string, how: 'tunnel' | 'probe'): Promise<string> => {
      const socket = net.connect(world.listenerPort, '127.0.0.1');
      const channel = await connectChannel(socket, trust);
      const asked = how === 'tunnel' ? channel.tunnel(service) : channel.probe(service);
      const outcome = await asked.then(
        () => 'joined',
        (reason: unknown) => toPosternError(reason).code,
      );
      channel.close(new PosternError('unavailable', 'done'));
      return outcome;
    };
    try {
      for (const name of ['127.0.0.1:22', `127.0.0.1:${port}`, `localhost:${port}`, 'OUTLET'])
        expect(await connect(name, 'tunnel'), name).toBe('not_found');
      // HTTP/2 itself refuses to carry these; in a question's path they arrive.
      for (const name of ['', '../outlet', 'outlet\0', 'outlet\r\nx', 'x'.repeat(100_000)])
        expect(await connect(name, 'tunnel'), name.slice(0, 20)).toBe('unavailable');
      for (const name of ['../outlet', 'outlet\0', 'outlet\r\nx', 'x'.repeat(10_000)])
        expect(await connect(name, 'probe'), name.slice(0, 20)).toBe('not_found');
      expect(await connect('outlet', 'tunnel')).toBe('joined');
      expect(dialled).toBe(0);
    } finally {
      trap.close();
    }
  });
});

describe('what lies on the disk', () => {
  it("is its owner's alone", () => {
    const mode = (...path: string[]): number => statSync(join(world.folder, ...path)).mode & 0o777;
    for (const home of ['admin', 'db', 'web', 'server']) expect(mode(home), home).toBe(0o700);
    for (const home of ['admin', 'db', 'web'])
      for (const file of ['database.sqlite3', 'application_database.sqlite3'])
        expect(mode(home, file), file).toBe(0o600);
    for (const name of ['db', 'web']) {
      expect(mode(name, 'run')).toBe(0o700);
      expect(mode(name, 'run', `${name}.sock`)).toBe(0o600);
    }
    for (const file of ['admin.sock', 'root.key', 'server.sqlite3', 'server.json'])
      expect(mode('server', file), file).toBe(0o600);
  });
});
