import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { acceptChannel, type Channel, connectChannel, splice } from '../channel/index.ts';
import { PosternError } from '../kernel/index.ts';
import { createAuthorityCa, type Peer } from '../trust/index.ts';
import { Inlet, OutletRegistry } from './index.ts';
import { type Member, member } from './member.fixture.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const f of cleanups.splice(0).reverse()) f();
});

async function socketPair(throughRelay: boolean): Promise<[net.Socket, net.Socket]> {
  const waiting: net.Socket[] = [];
  const server = net
    .createServer({ allowHalfOpen: true }, (s) => waiting.push(s))
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  const dial = async (): Promise<net.Socket> => {
    const s = net.connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: false });
    await once(s, 'connect');
    return s;
  };
  const a = await dial();
  if (!throughRelay) {
    while (waiting.length < 1) await new Promise((r) => setTimeout(r, 5));
    const [b] = waiting;
    if (b === undefined) throw new Error('no socket');
    return [a, b];
  }
  const b = await dial();
  while (waiting.length < 2) await new Promise((r) => setTimeout(r, 5));
  const [x, y] = waiting;
  if (x === undefined || y === undefined) throw new Error('no socket');
  splice(x, y);
  return [a, b];
}

interface Portal {
  readonly port: number;
  readonly dialler: Channel;
  readonly acceptor: Channel;
  readonly inlet: Inlet;
  readonly outlets: OutletRegistry;
  readonly failures: PosternError[];
}

async function portal(
  a: Member,
  b: Member,
  targetPort: number,
  check: (peer: Peer) => void = () => undefined,
): Promise<Portal> {
  const [left, right] = await socketPair(true);
  const outlets = new OutletRegistry({
    prepare: () => undefined,
    check: (_service, peer) => check(peer),
  });
  outlets.add({ name: 'outlet', host: '127.0.0.1', port: targetPort, tls: false });
  const accepted = acceptChannel(
    right,
    b.trust,
    {
      onConnect: (stream, service, channel) => outlets.connect(stream, service, channel),
      onProbe: (service, channel) => outlets.probe(service, channel.peer),
      onMessage: async (_service, body) => body,
    },
    { relay: 'db' },
  );
  accepted.catch(() => undefined);
  const dialler = await connectChannel(left, a.trust, { relay: 'db' });
  const acceptor = await accepted;
  const failures: PosternError[] = [];
  const inlet = new Inlet({
    host: '127.0.0.1',
    port: 0,
    peek: () => (dialler.isClosed ? undefined : { channel: dialler, service: 'outlet' }),
    connect: () =>
      Promise.reject(dialler.closeReason ?? new PosternError('unavailable', 'no channel')),
    check: () => undefined,
    onFailure: (reason) => failures.push(reason),
  });
  const { port } = await inlet.start();
  cleanups.push(() => {
    dialler.close(new PosternError('unavailable', 'test over'));
    inlet.stop().catch(() => undefined);
  });
  return { port, dialler, acceptor, inlet, outlets, failures };
}

async function listen(handler: (s: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<net.Socket>();
  server.on('connection', (s) => {
    sockets.add(s);
    s.on('error', () => undefined);
  });
  cleanups.push(() => {
    for (const s of sockets) s.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
const echo = (s: net.Socket): void => void s.pipe(s);
const dial = (port: number): net.Socket => {
  const s = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  cleanups.push(() => s.destroy());
  return s;
};

describe('a portal', async () => {
  const ca = await createAuthorityCa('p1');
  const relayed = { 'ockam-relay': 'db', component: 'db' };

  it('carries bytes and half-close both ways', async () => {
    const p = await portal(
      await member(ca, { component: 'web' }),
      await member(ca, relayed),
      await listen(echo),
    );
    const bytes = randomBytes(3_000_000);
    const s = dial(p.port);
    s.end(bytes);
    const got = createHash('sha1');
    for await (const chunk of s) got.update(chunk);
    expect(got.digest('hex')).toBe(createHash('sha1').update(bytes).digest('hex'));
  });

  it('carries a reset as a reset, in both directions', async () => {
    let atTarget: net.Socket | undefined;
    const p = await portal(
      await member(ca, {}),
      await member(ca, relayed),
      await listen((s) => {
        atTarget = s;
        s.on('error', () => undefined);
      }),
    );
    const s = dial(p.port);
    s.write('x');
    while (atTarget === undefined) await new Promise((r) => setTimeout(r, 5));
    const seen = once(s, 'error');
    atTarget.resetAndDestroy();
    expect((await seen)[0]).toMatchObject({ code: 'ECONNRESET' });
    atTarget = undefined;
    const t = dial(p.port);
    t.write('x');
    while (atTarget === undefined) await new Promise((r) => setTimeout(r, 5));
    const failed = once(atTarget as net.Socket, 'error');
    t.resetAndDestroy();
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  it('never shows a cut transfer as complete', async () => {
    const p = await portal(
      await member(ca, {}),
      await member(ca, relayed),
      await listen((s) => s.write(randomBytes(200_000))),
    );
    const s = dial(p.port);
    let ended = false;
    s.on('end', () => {
      ended = true;
    });
    s.on('data', () => undefined);
    await once(s, 'data');
    const failed = once(s, 'error');
    p.acceptor.close(new PosternError('unavailable', 'killed'));
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
    expect(ended).toBe(false);
  });

  it('lets other streams run while 100 are stalled', async () => {
    const p = await portal(
      await member(ca, {}),
      await member(ca, relayed),
      await listen((s) => {
        s.once('data', (d) => (d[0] === 1 ? s.write(Buffer.alloc(8_000_000)) : s.end('done')));
      }),
    );
    for (let i = 0; i < 100; i++)
      dial(p.port)
        .pause()
        .write(Buffer.from([1]));
    await new Promise((r) => setTimeout(r, 300));
    const s = dial(p.port);
    s.write(Buffer.from([2]));
    expect(String((await once(s, 'data'))[0])).toBe('done');
  });

  it('is cut when the peer is revoked, and when a credential expires', async () => {
    const a = await member(ca, {});
    const b = await member(ca, relayed);
    const p = await portal(a, b, await listen(echo));
    const s = dial(p.port);
    s.write('x');
    await once(s, 'data');
    const cut = once(s, 'error');
    b.revoked.add(a.identity.identity.identifier);
    p.acceptor.recheck();
    await cut;
    const q = await portal(
      await member(ca, {}, 1_500),
      await member(ca, relayed),
      await listen(echo),
    );
    const t = dial(q.port);
    t.write('x');
    await once(t, 'data');
    await once(t, 'error');
  });

  it('renews a credential without dropping a stream', async () => {
    const a = await member(ca, { v: '1' }, 2_000);
    const p = await portal(a, await member(ca, relayed), await listen(echo));
    const s = dial(p.port);
    s.write('x');
    await once(s, 'data');
    await a.renew({ v: '2' }, 3_600_000);
    p.dialler.renew();
    const [peer] = await once(p.acceptor, 'peer');
    expect(peer).toMatchObject({ attributes: { v: '2' } });
    await new Promise((r) => setTimeout(r, 2_200));
    s.write('y');
    expect(String((await once(s, 'data'))[0])).toBe('y');
  });

  it('cuts live streams when the outlet policy changes', async () => {
    let isAllowed = true;
    const p = await portal(
      await member(ca, {}),
      await member(ca, relayed),
      await listen(echo),
      () => {
        if (!isAllowed) throw new PosternError('denied', 'policy says no');
      },
    );
    const s = dial(p.port);
    s.write('x');
    await once(s, 'data');
    const cut = once(s, 'error');
    isAllowed = false;
    p.outlets.recheck();
    await cut;
    const t = dial(p.port);
    await once(t, 'error');
    expect(p.failures.at(-1)).toMatchObject({ code: 'denied', message: 'policy says no' });
    await expect(p.dialler.probe('nothing')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('refuses strangers with the reason', async () => {
    const other = await createAuthorityCa('p1');
    const good = await member(ca, relayed);
    await expect(
      portal(await member(other, {}, 3_600_000, 'p1', ca), good, 1),
    ).rejects.toMatchObject({ code: 'denied' });
    await expect(portal(await member(ca, {}, -1_000), good, 1)).rejects.toThrow(/expired/);
    await expect(portal(await member(ca, {}, 3_600_000, 'p2'), good, 1)).rejects.toMatchObject({
      code: 'denied',
    });
    await expect(
      portal(await member(ca, {}), await member(ca, { 'ockam-relay': 'other' }), 1),
    ).rejects.toThrow(/relay db/);
  });
});
