/** Strangers at every door of a real server and real nodes, while a portal between those nodes keeps answering. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http2';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assault, assaultTls, clientHello, drip, H2_FLOODS, say } from '../harness/assaults.ts';
import { copyOf, ofAnotherAuthority, type Pair } from '../harness/forger.ts';
import { execute } from '../harness/postern.ts';
import { handshake, Pulse, request } from '../harness/strangers.ts';
import { TwoNodes } from '../harness/two-nodes.ts';

const world = new TwoNodes();
let pids: number[] = [];
let pulse: Pulse;
/** How long the portal may take to answer, at worst. */
let worstMs = 0;

beforeAll(async () => {
  await world.start();
  pids = await world.pids();
}, 120_000);
afterAll(() => world.close(), 60_000);

beforeEach(() => {
  worstMs = 1_000;
  pulse = new Pulse(world.inletPort);
});
// Whatever a test did: the portal answered all the while, in time, and nothing was started anew.
afterEach(async () => {
  expect((await pulse.stop()).worstMs).toBeLessThan(worstMs);
  expect(await world.pids()).toEqual(pids);
});

const doors = (): [string, number][] => [
  ['the node port', world.nodePort],
  ["a node's own listener", world.listenerPort],
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
    const { projectId, certificatePem: cert, attributes, ...web } = world.credential('web');
    const key = web.leafPrivateKeyPem;
    const victim = world.credential('db').certificatePem;
    const pairs: (Pair | undefined)[] = [
      undefined,
      await ofAnotherAuthority(projectId, attributes),
      await copyOf(victim),
      await copyOf(victim, { cert, key }),
    ];
    for (const pair of pairs) {
      const withPair = async (port: number, headers: OutgoingHttpHeaders): Promise<number> =>
        request(await handshake(port, pair), headers);
      expect(await withPair(world.nodePort, asks.node)).toBeOneOf([401, 403]);
      expect(await withPair(world.listenerPort, asks.channel)).toBe(403);
      expect(await withPair(world.listenerPort, asks.connect)).toBe(403);
    }
    expect(await request(await handshake(world.listenerPort, { cert, key }), asks.channel)).toBe(
      200,
    );
  });
});

describe('a connection', () => {
  it('that is silent, slow, stalled or noise is cut in time, at every door', async () => {
    const hello = await clientHello();
    const noise = randomBytes(1024 * 1024);
    noise[0] = 0x17;
    const http = 'GET / HTTP/1.1\r\nHost: x\r\n';
    const plain: [string, Buffer, typeof say][] = [
      ['silence', Buffer.alloc(0), say],
      ['random bytes', noise.subarray(0, 500), say],
      ['a slow preamble', Buffer.from('PSTN\x01'.padEnd(40, 'x')), drip],
      ['a slow request', Buffer.from(`${http}x-a: ${'a'.repeat(100)}`), drip],
      ['1 MB of noise', noise, say],
      ['too many headers', Buffer.from(http + 'x-a: aaaaaaaaaaaa\r\n'.repeat(50_000)), say],
    ];
    const tls: typeof plain = [
      ['half a ClientHello', hello.subarray(0, hello.length / 2), say],
      ['a slow ClientHello', hello, drip],
      ['a ClientHello and noise', Buffer.concat([hello, noise]), say],
    ];
    const late: string[] = [];
    const attacks = world.doors().flatMap((door) =>
      [...plain, ...tls].map(async (attack) => {
        const [name, bytes, how] = attack;
        const boundMs = tls.includes(attack) ? door.tlsMs : door.plainMs;
        const { tookMs, answer } = await assault(door.at, how(bytes));
        // Nothing, a TLS record, or a refusal.
        const text = answer.toString('latin1');
        const isTls = (answer[0] ?? 0) >= 0x14 && (answer[0] ?? 0) <= 0x17;
        const isRefusal = text === '' || isTls || text.startsWith('HTTP/1.1 4');
        if (tookMs > boundMs + 500 || !isRefusal)
          late.push(`${name} at ${door.name}: ${Math.round(tookMs)} ms, "${text}"`);
      }),
    );
    await Promise.all(attacks);
    expect(late).toEqual([]);
  });

  it.each(Object.entries(H2_FLOODS))('that floods with %s is cut in time', async (_name, play) => {
    for (const { name, at, tls, tlsMs } of world.doors()) {
      if (tls === undefined) continue;
      const { tookMs } = await assaultTls({ ...tls, ...at }, play);
      expect(tookMs, name).toBeLessThan(tlsMs + 500);
    }
  });
});

describe('10,000 strangers', () => {
  it('take neither the time nor the memory of those inside', async () => {
    worstMs = 2_000;
    const residentMb = async (): Promise<number> => {
      const pid = String(world.serverPid());
      return Number((await execute('ps', ['-o', 'rss=', '-p', pid], process.env)).stdout) / 1024;
    };
    const before = await residentMb();
    const fixture = join(import.meta.dirname, '../harness/crowd.fixture.ts');
    const crowd = spawn(process.execPath, [fixture, String(world.nodePort), '5', '2000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      let waves = 0;
      let most = before;
      for await (const _wave of createInterface({ input: crowd.stdout })) {
        most = Math.max(most, await residentMb());
        if (++waves === 5) break;
      }
      const { medianMs } = await pulse.stop();
      expect(waves).toBe(5);
      expect(medianMs).toBeLessThan(250);
      expect(most - before).toBeLessThan(200);
    } finally {
      crowd.kill('SIGKILL');
    }
  });
});
