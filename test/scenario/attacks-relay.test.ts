/** Two real nodes, a real server, and between them a relay that is the enemy's. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { acceptChannel, type ChannelTrust } from '../../src/channel/index.ts';
import { raiseStage, type Stage, steal } from '../harness/hostile.ts';
import { HostileRelay, type Meddle } from '../harness/hostile-relay.ts';
import { freePort, until } from '../harness/postern.ts';
import { ask, exchange } from '../harness/talk.ts';

let stage: Stage;
let relay: HostileRelay;
beforeAll(async () => {
  const nodePort = await freePort();
  relay = new HostileRelay(nodePort);
  stage = await raiseStage({
    POSTERN_LISTEN_NODES: `127.0.0.1:${nodePort}`,
    POSTERN_ADVERTISE: `127.0.0.1:${await relay.listen()}`,
  });
}, 120_000);
afterAll(async () => {
  await stage.close();
  relay.close();
}, 60_000);
beforeEach(async () => {
  relay.meddle = (chunk) => chunk;
  relay.impostor = undefined;
  await until(() => ask(stage.inletPort, 'ping'), 'the portal', 10_000);
});

const sha = (b: Buffer): string => createHash('sha256').update(b).digest('hex');
const show = async (): Promise<{ status: string; last_failure: string | null }> =>
  JSON.parse(await stage.world.ok('web', 'tcp-inlet', 'show', 'web-db'));

describe('a relay of the enemy', () => {
  it('carries what it does not touch, and is what the nodes really use', async () => {
    const bytes = randomBytes(8_000_000);
    expect(sha(await exchange(stage.inletPort, bytes))).toBe(sha(bytes));
    expect(relay.recordings.flat().reduce((n, c) => n + c.length, 0)).toBeGreaterThan(8_000_000);
  });

  it('reads none of it', async () => {
    const secret = randomBytes(16).toString('hex');
    expect(await ask(stage.inletPort, secret)).toBe(secret);
    expect(Buffer.concat(relay.recordings.flat()).includes(secret)).toBe(false);
  });

  it('can not join the dialler to another member: it is found out before a byte flows', async () => {
    const { world } = stage;
    const ticket = 'project ticket --attribute component=db --relay other'.split(' ');
    await world.ok('mallory', 'project', 'enroll', await world.ok('admin', ...ticket));
    const { credential } = steal(world, 'mallory');
    const trust: ChannelTrust = {
      local: () => credential,
      isRevoked: () => false,
      nowMs: () => Date.now(),
    };
    const seen: string[] = [];
    let opened = 0;
    relay.impostor = (socket) => {
      acceptChannel(socket, trust, {
        onConnect: (_stream, service) => void seen.push(`CONNECT ${service}`),
        onProbe: (service) => void seen.push(`probe ${service}`),
        onMessage: async (service, body) => {
          seen.push(`message ${service}`);
          return body;
        },
      }).then(
        () => {
          opened++;
        },
        () => undefined,
      );
    };
    relay.cutAll();
    await expect(ask(stage.inletPort, 'for db alone')).rejects.toThrow();
    await until(async () => {
      const { status, last_failure } = await show();
      expect(last_failure).toContain('answered for relay db, which its credential does not allow');
      expect(status).toBe('Down');
    }, 'the inlet says who answered');
    expect(opened).toBe(0);
    expect(seen).toEqual([]);
    relay.impostor = undefined;
    relay.cutAll();
  });

  it('can not have anything done twice by replaying what a dialler sent', async () => {
    relay.recordings.length = 0;
    relay.cutAll();
    const order = `order ${randomBytes(8).toString('hex')}`;
    await until(() => ask(stage.inletPort, 'ping'), 'a channel that is recorded', 10_000);
    expect(await ask(stage.inletPort, order)).toBe(order);
    const served = stage.served.filter((s) => s === order);
    expect(served).toHaveLength(1);
    const [recorded = []] = relay.recordings;
    let replayed = 0;
    relay.impostor = (socket) => {
      // The dialler speaks first; whoever keeps silent holds the name, and gets the recording.
      let isDialler = false;
      socket.once('data', () => {
        isDialler = true;
      });
      socket.resume();
      setTimeout(() => {
        if (isDialler || socket.destroyed) return void socket.destroy();
        replayed++;
        for (const chunk of recorded) socket.write(chunk);
      }, 150);
    };
    relay.cutAll();
    await until(() => expect(replayed).toBeGreaterThan(2), 'three replays', 15_000);
    expect(stage.served.filter((s) => s === order)).toHaveLength(1);
    relay.impostor = undefined;
    relay.cutAll();
  });

  const once = (change: Meddle): ((at: number) => Meddle) => {
    return (at) => {
      let isDone = false;
      return (chunk, direction, passage) => {
        if (isDone || passage.passed < at) return chunk;
        isDone = true;
        return change(chunk, direction, passage);
      };
    };
  };
  it.each<[string, (at: number) => Meddle]>([
    [
      'cuts with a clean FIN',
      once((_c, _d, passage) => {
        passage.cut();
        return Buffer.alloc(0);
      }),
    ],
    [
      'cuts with a RST',
      once((_c, _d, passage) => {
        passage.kill();
        return Buffer.alloc(0);
      }),
    ],
    ['flips a bit', once((c) => Buffer.from(c.map((b, i) => (i === c.length >> 1 ? b ^ 4 : b))))],
    ['injects bytes', once((c) => Buffer.concat([randomBytes(40), c]))],
    ['drops a chunk', once(() => Buffer.alloc(0))],
    ['repeats a chunk', once((c) => Buffer.concat([c, c]))],
  ])('that %s anywhere in a transfer makes it break, never look whole', async (_what, meddle) => {
    const bytes = randomBytes(3_000_000);
    relay.cutAll();
    stage.cleanEnds.length = 0;
    for (let round = 0; round < 6; round++) {
      relay.recordings.length = 0;
      relay.meddle = (chunk) => chunk;
      await until(() => ask(stage.inletPort, 'ping'), 'the portal', 10_000);
      // Up and down together pass 6 MB; the harm is done somewhere in the first 90 %.
      const at = Math.floor((0.05 + 0.14 * round + 0.14 * Math.random()) * 6_000_000);
      relay.meddle = meddle(at);
      // Passed counts from the channel's beginning; handshake and ping are far below one round's step.
      await expect(exchange(stage.inletPort, bytes), `harm at ${at}`).rejects.toThrow();
    }
    const cut = stage.cleanEnds.filter((n) => n !== 4 && n !== bytes.length);
    expect(cut, 'a clean end at the target with a part of the bytes').toEqual([]);
  });
});
