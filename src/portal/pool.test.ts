/** Which channel a new stream gets, with real channels over real sockets. */
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { acceptChannel, type Channel, ChannelPool, connectChannel } from '../channel/index.ts';
import { createAuthorityCa } from '../trust/index.ts';
import { type Member, member } from './member.fixture.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const f of cleanups.splice(0).reverse()) f();
});

/** A pool of channels to a peer that answers the service `bulk` without end and every other with silence. */
async function pool(dialler: Member, acceptor: Member): Promise<ChannelPool> {
  const block = Buffer.alloc(256 * 1024);
  const server = net.createServer((socket) => {
    acceptChannel(socket, acceptor.trust, {
      onConnect: (stream, service) => {
        stream.respond({ ':status': 200 });
        stream.on('error', () => undefined);
        if (service !== 'bulk') return;
        const fill = (): void => {
          while (!stream.destroyed && stream.write(block));
        };
        stream.on('drain', fill);
        fill();
      },
      onProbe: () => undefined,
      onMessage: async (_service, body) => body,
    }).catch(() => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const made = new ChannelPool({
    open: async (signal) =>
      connectChannel(net.connect(port, '127.0.0.1'), dialler.trust, { signal }),
  });
  cleanups.push(() => {
    made.close();
    server.close();
  });
  return made;
}

async function openStream(channel: Channel, service: string): Promise<void> {
  const stream = channel.openStream(service);
  stream.on('error', () => undefined);
  stream.resume();
  await once(stream, 'response');
}

describe('a pool of channels', async () => {
  const ca = await createAuthorityCa('p1');
  const web = await member(ca, {});
  const db = await member(ca, {});

  it('keeps streams that say little together', async () => {
    const channels = await pool(web, db);
    for (let n = 0; n < 100; n++) await openStream(await channels.get(), 'quiet');
    expect(channels.channels.map((c) => c.streams)).toEqual([100]);
  });

  it('keeps new streams away from bulk transfers, up to four channels', async () => {
    const channels = await pool(web, db);
    for (let n = 1; n <= 4; n++) {
      const channel = await channels.get();
      expect(channel.streams).toBe(0);
      await openStream(channel, 'bulk');
      const from = channel.bytesCarried;
      await expect.poll(() => channel.bytesCarried - from).toBeGreaterThan(20_000_000);
    }
    await openStream(await channels.get(), 'bulk');
    expect(channels.channels).toHaveLength(4);
  });

  it('answers what opening threw when there is no channel', async () => {
    const broken = new ChannelPool({ open: () => Promise.reject(new Error('no way')) });
    await expect(broken.get()).rejects.toThrow('no way');
    expect(broken.isUp).toBe(false);
  });
});
