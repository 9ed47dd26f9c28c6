/** A child process of the benchmark: takes one order over IPC, plays that role, says where it listens. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import {
  acceptChannel,
  type ChannelHandlers,
  ChannelPool,
  type ChannelTrust,
  connectChannel,
  splice,
  tuneMemory,
} from '../../src/channel/index.ts';
import type { PosternError } from '../../src/kernel/index.ts';
import { Inlet, OutletRegistry } from '../../src/portal/index.ts';
import { importPrivateKey } from '../../src/trust/index.ts';
import { runLoad } from './load.ts';
import { ECHO, type Load, type MemberText, type Order, type Service } from './wire.ts';

const CHUNK = Buffer.alloc(256 * 1024);
const TOKEN_BYTES = 16;
/** The first byte at the relay: the outlet's control socket, or one side of a meeting. */
const CONTROL = 0x43;
const MEET = 0x4d;

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo.
  return (server.address() as AddressInfo).port;
}

function source(socket: Socket): void {
  const pump = (): void => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', pump);
  pump();
}

const target = (): Promise<number> =>
  listen((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (first: Buffer) => {
      if (first[0] !== ECHO) return source(socket);
      if (first.length > 1) socket.write(first.subarray(1));
      socket.pipe(socket);
    });
  });

/** A hop without encryption, in the plainest way that Node offers: the floor of this runtime. */
const hop = (service: Service): Promise<number> =>
  listen((socket) => {
    const next = connect({
      port: service.targetPort,
      host: '127.0.0.1',
      allowHalfOpen: true,
      noDelay: true,
    });
    const cut = (): void => {
      socket.destroy();
      next.destroy();
    };
    socket.on('error', cut).on('close', () => next.destroy());
    next.on('error', cut).on('close', () => socket.destroy());
    socket.pipe(next);
    next.pipe(socket);
  });

/** Reads exactly `count` bytes and leaves the rest for whoever takes the socket over. */
async function readExactly(socket: Socket, count: number): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = socket.read(count);
    if (bytes !== null) return bytes;
    await once(socket, 'readable');
  }
}

async function dial(port: number, head: Buffer): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  socket.write(head);
  return socket;
}

/** Meetings by token, as the relay holds them; the outlet learns tokens on its control socket. */
function relay(): Promise<number> {
  let outlet: Socket | undefined;
  const waiting = new Map<string, Socket>();
  const serve = async (socket: Socket): Promise<void> => {
    socket.on('error', () => undefined);
    if ((await readExactly(socket, 1))[0] === CONTROL) {
      outlet = socket;
      return;
    }
    const token = await readExactly(socket, TOKEN_BYTES);
    const key = token.toString('hex');
    const other = waiting.get(key);
    if (other === undefined) {
      waiting.set(key, socket);
      outlet?.write(token);
      return;
    }
    waiting.delete(key);
    splice(socket, other);
  };
  return listen((socket) => void serve(socket).catch(() => socket.destroy()));
}

function trustOf(m: MemberText): ChannelTrust {
  const local = {
    ...m,
    identity: {
      identity: {
        identifier: m.identifier,
        changeHistory: Buffer.from(m.changeHistory, 'base64'),
      },
      privateKey: importPrivateKey(m.identityKeyPem),
    },
  };
  return { local: () => local, isRevoked: () => false, nowMs: () => Date.now() };
}

async function outlet(order: Extract<Order, { role: 'outlet' }>): Promise<number[]> {
  const trust = trustOf(order.member);
  const outlets = new OutletRegistry(() => undefined);
  for (const s of order.services)
    outlets.add({ name: s.name, host: '127.0.0.1', port: s.targetPort, tls: false });
  const handlers: ChannelHandlers = {
    onConnect: (stream, service, channel) => outlets.connect(stream, service, channel),
    onProbe: (service, channel) => void outlets.probe(service, channel.peer),
    onMessage: async (_service, body) => body,
  };
  const accept = (socket: Socket): void => {
    acceptChannel(socket, trust, handlers).catch((reason: unknown) => console.error(reason));
  };
  if (order.relayPort === undefined) return [await listen(accept)];
  const { relayPort } = order;
  const control = await dial(relayPort, Buffer.from([CONTROL]));
  const meet = async (): Promise<void> => {
    for (;;) {
      const token = await readExactly(control, TOKEN_BYTES);
      accept(await dial(relayPort, Buffer.concat([Buffer.from([MEET]), token])));
    }
  };
  meet().catch((reason: unknown) => console.error(reason));
  return [];
}

function inlet(order: Extract<Order, { role: 'inlet' }>): Promise<number[]> {
  const trust = trustOf(order.member);
  const pool = new ChannelPool({
    open: async (signal) => {
      const head =
        order.via === 'relay'
          ? Buffer.concat([Buffer.from([MEET]), randomBytes(TOKEN_BYTES)])
          : Buffer.alloc(0);
      return connectChannel(await dial(order.port, head), trust, { signal });
    },
    onDown: (reason) => console.error(reason),
  });
  return Promise.all(
    order.services.map(async (service) => {
      const one = new Inlet({
        host: '127.0.0.1',
        port: 0,
        peek: () => {
          const channel = pool.peek();
          return channel === undefined ? undefined : { channel, service };
        },
        connect: async () => ({ channel: await pool.get(), service }),
        check: () => undefined,
        onFailure: (reason: PosternError) => console.error(reason),
      });
      return (await one.start()).port;
    }),
  );
}

function play(order: Order): Promise<number[]> {
  // As the program itself does; the plain hops stay what Node is.
  if (order.role === 'relay' || order.role === 'outlet' || order.role === 'inlet') tuneMemory();
  switch (order.role) {
    case 'target':
      return target().then((port) => [port]);
    case 'hop':
      return Promise.all(order.services.map(hop));
    case 'relay':
      return relay().then((port) => [port]);
    case 'outlet':
      return outlet(order);
    case 'inlet':
      return inlet(order);
    case 'load':
      process.on('message', (load: Load) => {
        runLoad(load).then(
          (result) => process.send?.({ result }),
          (reason: unknown) => process.send?.({ failed: String(reason) }),
        );
      });
      return Promise.resolve([]);
  }
}

process.once('disconnect', () => process.exit());
process.once('message', (order: Order) => {
  play(order).then(
    (ready) => process.send?.({ ready }),
    (reason: unknown) => {
      console.error(reason);
      process.exit(1);
    },
  );
});
