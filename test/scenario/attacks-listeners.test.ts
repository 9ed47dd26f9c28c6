/** Strangers at every door of a real server and real nodes, while a portal between those nodes keeps answering. */
import { once } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CredentialRecord } from '../../src/home/index.ts';
import { openHome } from '../../src/home/index.ts';
import { copyOf, ofAnotherAuthority, type Pair } from '../harness/forger.ts';
import { World } from '../harness/postern.ts';
import { handshake, Pulse, request } from '../harness/strangers.ts';

const world = new World();
const target = net.createServer({ allowHalfOpen: true }, (s) => {
  s.on('error', () => undefined);
  s.pipe(s);
});
let inletPort = 0;
/** Of the outlet's node. */
let listenerPort = 0;
let dbCredential: CredentialRecord;
let webCredential: CredentialRecord;
let pids: number[] = [];
let pulse: Pulse;

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));
const runningPids = async (): Promise<number[]> => [
  world.serverPid(),
  await world.nodePid('db', 'db'),
  await world.nodePid('web', 'web'),
];
const credentialOf = (home: string): CredentialRecord => {
  const opened = openHome(join(world.folder, home));
  try {
    return opened.credentials.get();
  } finally {
    opened.close();
  }
};

beforeAll(async () => {
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  await world.startServer();
  await world.ok('admin', 'enroll');
  for (const name of ['db', 'web']) {
    const relay = name === 'db' ? ['--relay', 'db'] : [];
    const ticket = await world.ok('admin', 'project', 'ticket', ...relay);
    await world.ok(name, 'identity', 'create', name);
    await world.ok(name, 'project', 'enroll', ticket, '--identity', name);
    const at = ['--tcp-listener-address', '127.0.0.1:0'];
    await world.ok(name, 'node', 'create', name, '--identity', name, ...at);
  }
  const bound = target.address();
  const to = typeof bound === 'object' && bound !== null ? bound.port : 0;
  await world.ok('db', 'tcp-outlet', 'create', '--to', String(to));
  await world.ok('db', 'relay', 'create', 'db');
  inletPort = portOf(await world.ok('web', 'tcp-inlet', 'create', '--to', 'db'));
  const shown = await world.ok('db', 'node', 'show', 'db', '--jq', '.transports[0].socket_addr');
  listenerPort = portOf(JSON.parse(shown));
  dbCredential = credentialOf('db');
  webCredential = credentialOf('web');
  pids = await runningPids();
}, 120_000);

afterAll(async () => {
  await world.close();
  target.close();
}, 60_000);

beforeEach(() => {
  pulse = new Pulse(inletPort);
});
// Whatever a test did: the portal answered all the while, in time, and nothing was started anew.
afterEach(async () => {
  expect((await pulse.stop()).worstMs).toBeLessThan(1_000);
  expect(await runningPids()).toEqual(pids);
});

const doors = (): [string, number][] => [
  ['the node port', world.nodePort],
  ["a node's own listener", listenerPort],
];

describe('TLS', () => {
  it('is refused below version 1.3', async () => {
    for (const [door, port] of doors()) {
      const old = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ecdhCurve: 'auto' } as const;
      await expect(handshake(port, old), door).rejects.toThrow(/protocol.version/i);
      (await handshake(port)).destroy();
    }
  });

  it('is refused without the hybrid key exchange', async () => {
    for (const [door, port] of doors())
      for (const ecdhCurve of ['X25519', 'P-256:P-384:X448'])
        await expect(handshake(port, { ecdhCurve }), door).rejects.toThrow(/handshake.failure/i);
  });

  it('never resumes a session', async () => {
    for (const [door, port] of doors()) {
      const first = await handshake(port);
      const tickets: Buffer[] = [];
      first.on('session', (ticket) => tickets.push(ticket));
      // The server's settings come after its tickets.
      await once(first, 'data');
      first.destroy();
      for (const session of tickets) {
        const second = await handshake(port, { session });
        expect(second.isSessionReused(), door).toBe(false);
        second.destroy();
      }
    }
  });
});

describe('a stranger', () => {
  const asks = {
    node: { ':method': 'GET', ':path': '/control/v1/session?node=x' },
    channel: { ':method': 'POST', ':path': '/postern/channel/v1/control/api' },
    connect: { ':method': 'CONNECT', ':authority': 'outlet' },
  };

  it('gets no stream with another protocol, or without one', async () => {
    for (const [door, port] of doors()) {
      const other = handshake(port, { ALPNProtocols: ['http/1.1', 'postern'] });
      await expect(other, door).rejects.toThrow(/no.application.protocol/i);
      const bare = await handshake(port, { ALPNProtocols: [] }).catch(() => undefined);
      bare?.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
      const chunks = (await bare?.toArray()) ?? [];
      expect(Buffer.concat(chunks).toString(), door).toMatch(/^$|^HTTP\/1.0 403 /);
    }
  });

  it('gets no stream without a certificate, or with a forged one', async () => {
    const { projectId, certificatePem: cert, leafPrivateKeyPem: key } = webCredential;
    const pairs: (Pair | undefined)[] = [
      undefined,
      await ofAnotherAuthority(projectId, webCredential.attributes),
      await copyOf(dbCredential.certificatePem),
      await copyOf(dbCredential.certificatePem, { cert, key }),
    ];
    for (const pair of pairs) {
      const withPair = async (port: number, headers: OutgoingHttpHeaders): Promise<number> =>
        request(await handshake(port, pair), headers);
      expect(await withPair(world.nodePort, asks.node)).toBeOneOf([401, 403]);
      expect(await withPair(listenerPort, asks.channel)).toBe(403);
      expect(await withPair(listenerPort, asks.connect)).toBe(403);
    }
    expect(await request(await handshake(listenerPort, { cert, key }), asks.channel)).toBe(200);
  });
});
