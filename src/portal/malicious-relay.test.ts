/**
 * A relay that does what it likes with the bytes it is given: it may refuse, delay and look at sizes, and nothing else.
 * The two ends run the real channel and the real portal over real sockets; the relay between them is the test's.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { acceptChannel, type Channel, connectChannel } from '../channel/index.ts';
import { PosternError } from '../kernel/index.ts';
import { createAuthorityCa } from '../trust/index.ts';
import { Inlet, OutletRegistry } from './index.ts';
import { type Member, member } from './member.fixture.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const f of cleanups.splice(0).reverse()) f();
});

type Direction = 'to-outlet' | 'to-inlet';
/** What the relay passes on instead of a chunk; `cut` ends both connections with a clean FIN. */
type Meddle = (chunk: Buffer, direction: Direction, cut: () => void) => Buffer;

async function pair(): Promise<[net.Socket, net.Socket]> {
  const server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  const accepted = once(server, 'connection');
  const near = net.connect({ port: address.port, host: '127.0.0.1' });
  const [far] = await accepted;
  cleanups.push(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  for (const s of [near, far]) s.on('error', () => undefined);
  return [near, far];
}

/** Two ends joined by a relay that meddles. */
async function relayed(meddle: Meddle): Promise<[net.Socket, net.Socket]> {
  const [inlet, left] = await pair();
  const [outlet, right] = await pair();
  const cut = (): void => {
    left.end();
    right.end();
  };
  left.on('data', (c: Buffer) => right.write(meddle(c, 'to-outlet', cut)));
  right.on('data', (c: Buffer) => left.write(meddle(c, 'to-inlet', cut)));
  left.on('close', () => right.destroy());
  right.on('close', () => left.destroy());
  return [inlet, outlet];
}

interface Ends {
  readonly port: number;
  readonly dialler: Channel;
}
/** A portal over two sockets, to a target that sends `content` and ends. */
async function portal(
  [left, right]: [net.Socket, net.Socket],
  dialler: Member,
  holder: Member,
  content: Buffer,
): Promise<Ends> {
  const target = net.createServer((s) => s.on('error', () => undefined).end(content));
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const at = target.address();
  const outlets = new OutletRegistry({ prepare: () => undefined, check: () => undefined });
  outlets.add({
    name: 'outlet',
    host: '127.0.0.1',
    port: typeof at === 'object' && at !== null ? at.port : 0,
    tls: false,
  });
  acceptChannel(
    right,
    holder.trust,
    {
      onConnect: (stream, service, channel) => outlets.connect(stream, service, channel),
      onProbe: (service, channel) => outlets.probe(service, channel.peer),
      onMessage: async (_service, body) => body,
    },
    { relay: 'db' },
  ).catch(() => undefined);
  const channel = await connectChannel(left, dialler.trust, { relay: 'db' });
  const inlet = new Inlet({
    host: '127.0.0.1',
    port: 0,
    peek: () => (channel.isClosed ? undefined : { channel, service: 'outlet' }),
    connect: () => Promise.reject(new PosternError('unavailable', 'no channel')),
    check: () => undefined,
    onFailure: () => undefined,
  });
  const { port } = await inlet.start();
  cleanups.push(() => {
    channel.close(new PosternError('unavailable', 'test over'));
    inlet.stop().catch(() => undefined);
    target.close();
  });
  return { port, dialler: channel };
}

/** What the app sees: the bytes of a clean end, or that the connection broke. */
function download(port: number): Promise<Buffer | 'broken'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const s = net.connect({ port, host: '127.0.0.1' });
    s.on('data', (c: Buffer) => chunks.push(c));
    s.on('end', () => resolve(Buffer.concat(chunks)));
    s.on('error', () => resolve('broken'));
    s.on('close', () => resolve('broken'));
  });
}
const sha = (b: Buffer): string => createHash('sha256').update(b).digest('hex');
const CONTENT = randomBytes(4_000_000);
const HALF = CONTENT.length / 2;

describe('a malicious relay', async () => {
  const ca = await createAuthorityCa('p1');
  const web = await member(ca, { component: 'web' });
  const db = await member(ca, { 'ockam-relay': 'db' });

  it('that passes everything on changes nothing', async () => {
    const { port } = await portal(await relayed((c) => c), web, db, CONTENT);
    const got = await download(port);
    expect(got === 'broken' ? got : sha(got)).toBe(sha(CONTENT));
  });

  it('can not join the dialler to a member that may not hold the name', async () => {
    const seen: Buffer[] = [];
    const other = await member(ca, { 'ockam-relay': 'other', component: 'db' });
    const sockets = await relayed((c) => {
      seen.push(c);
      return c;
    });
    await expect(portal(sockets, web, other, CONTENT)).rejects.toThrow(/relay db/);
    expect(Buffer.concat(seen).includes('GET')).toBe(false);
  });

  it('can not stand in for the holder with a certificate of its own authority', async () => {
    const own = await createAuthorityCa('p1');
    const impostor = await member(own, { 'ockam-relay': 'db' });
    await expect(portal(await relayed((c) => c), web, impostor, CONTENT)).rejects.toThrow();
  });

  it.each([
    ['flips a bit', (c: Buffer) => c.map((b, i) => (i === c.length - 1 ? b ^ 1 : b))],
    ['injects bytes', (c: Buffer) => Buffer.concat([c, randomBytes(64)])],
    ['drops a chunk', () => Buffer.alloc(0)],
    ['sends a chunk twice', (c: Buffer) => Buffer.concat([c, c])],
    ['swaps halves of a chunk', (c: Buffer) => Buffer.concat([c.subarray(99), c.subarray(0, 99)])],
  ])(
    'that %s in the middle is noticed and never shown as a whole answer',
    async (_what, change) => {
      let passed = 0;
      let isDone = false;
      const sockets = await relayed((c, direction) => {
        passed += direction === 'to-inlet' ? c.length : 0;
        if (isDone || passed < HALF) return c;
        isDone = true;
        return Buffer.from(change(c));
      });
      const { port } = await portal(sockets, web, db, CONTENT);
      expect(await download(port)).toBe('broken');
      expect(isDone).toBe(true);
    },
  );

  it('that cuts the stream in the middle never makes the rest look whole', async () => {
    let passed = 0;
    const sockets = await relayed((c, direction, cut) => {
      passed += direction === 'to-inlet' ? c.length : 0;
      if (passed > HALF) cut();
      return passed > HALF ? Buffer.alloc(0) : c;
    });
    const { port } = await portal(sockets, web, db, CONTENT);
    expect(await download(port)).toBe('broken');
  });

  it('can not replay the recording of a dialler to the holder', async () => {
    const recorded: Buffer[] = [];
    const sockets = await relayed((c, direction) => {
      if (direction === 'to-outlet') recorded.push(c);
      return c;
    });
    const { port } = await portal(sockets, web, db, CONTENT);
    await download(port);
    const [attacker, victim] = await pair();
    let streams = 0;
    const accepted = acceptChannel(victim, db.trust, {
      onConnect: () => {
        streams++;
      },
      onProbe: () => undefined,
      onMessage: async (_service, body) => body,
    });
    for (const chunk of recorded) attacker.write(chunk);
    await expect(accepted).rejects.toThrow();
    expect(streams).toBe(0);
  });
});
