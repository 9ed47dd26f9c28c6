/**
 * The public listener: HTTPS, and plain HTTP for diallers on this machine's loopback addresses, told apart by the first
 * byte of a connection. INVARIANT: a plain request from another machine is never answered with anything but the advice
 * to use HTTPS, so that no token crosses a network in the clear.
 */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createServer, type Server, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { ServerCertificate } from './certificate.ts';

/** A connection that has said nothing by then is cut off. */
const FIRST_BYTE_MS = 5_000;
/** For a request's headers, at any door. */
export const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
/** How often Node looks for connections that are over those. */
export const CHECK_INTERVAL_MS = 2_000;
/** Connections at once; more wait in the kernel's queue. */
const CONNECTIONS_MAX = 4_096;
const TLS_FIRST_BYTE = 0x16;
const TLS = { minVersion: 'TLSv1.2' } as const;

function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && /^(::ffff:)?127\.|^::1$/.test(address);
}

export interface DoorOptions {
  /** Of a request's head, over HTTPS; Fastify was told it for plain HTTP. Node's own bound where it is not there. */
  readonly maxHeaderSize?: number;
}

/** The listener, bound and not serving yet: who connects now waits for `serve`. */
export interface PublicFront {
  readonly port: number;
  /** Serves a Fastify instance on both. */
  serve(app: FastifyInstance, certificate: ServerCertificate, o?: DoorOptions): Promise<void>;
  close(): Promise<void>;
}

/** Takes the address, so that its port is known to what is served there. Throws when it is in use. */
export async function bindPublic(address: {
  readonly host: string;
  readonly port: number;
}): Promise<PublicFront> {
  const sockets = new Set<Socket>();
  let take: (socket: Socket) => void = () => undefined;
  const ready = Promise.withResolvers<void>();
  const front: Server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    void ready.promise.then(() => take(socket));
  });
  front.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    front.once('error', reject);
    front.listen({ ...address, backlog: CONNECTIONS_MAX }, resolve);
  });
  const bound = front.address();
  let app: FastifyInstance | undefined;
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : address.port,
    serve: async (served, certificate, o = {}) => {
      app = served;
      take = await doorsOf(served, certificate, o);
      ready.resolve();
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => front.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      await app?.close();
    },
  };
}

/** What takes a connection and hands it to HTTP or HTTPS. */
async function doorsOf(
  app: FastifyInstance,
  certificate: ServerCertificate,
  o: DoorOptions,
): Promise<(socket: Socket) => void> {
  await app.ready();
  // Fastify made it with its own handler; its connections come from the front.
  const plain = app.server as HttpServer;
  const secure = createHttps(
    {
      ...TLS,
      ...certificate.pair,
      ...o,
      handshakeTimeout: FIRST_BYTE_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    },
    (request: IncomingMessage, response: ServerResponse) => app.routing(request, response),
  );
  certificate.follow(secure, TLS);
  for (const server of [plain, secure]) {
    server.headersTimeout = HEADERS_MS;
    server.requestTimeout = REQUEST_MS;
    // Node starts to enforce those two when a server listens; these never do, the front does.
    server.emit('listening');
  }
  return (socket) => {
    const timer = setTimeout(() => socket.destroy(), FIRST_BYTE_MS);
    socket.once('readable', () => {
      clearTimeout(timer);
      const first: Buffer | null = socket.read(1);
      if (first === null) {
        socket.destroy();
        return;
      }
      socket.unshift(first);
      if (first[0] === TLS_FIRST_BYTE) secure.emit('connection', socket);
      else if (isLoopbackAddress(socket.remoteAddress)) plain.emit('connection', socket);
      else
        socket.end(
          'HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nUse https here.\n',
        );
    });
  };
}
