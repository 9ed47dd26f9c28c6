/**
 * A port of the permissions domain: HTTP/1.1 and HTTP/2, in the clear and, with a certificate, over TLS, told apart by
 * the first bytes of a connection (HTTP/2 with prior knowledge begins with a preface of its own). Calls of services go to
 * gRPC, everything else to Fastify's routes. It must never let bytes of a connection end the process, and with a
 * certificate never answer a plain request of another machine, so that no token crosses a network in the clear.
 */
import {
  createServer as createHttp1,
  type Server as Http1Server,
  type IncomingHttpHeaders,
} from 'node:http';
import {
  constants,
  createServer as createHttp2,
  type Http2Server,
  type Http2ServerRequest,
  Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTls, type SecureContextOptions, type Server as Tls } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import {
  answerEmpty,
  type NodeRequest,
  type NodeResponse,
  RpcHandler,
  type RpcOptions,
} from './handler.ts';

/** A connection that has not said by then what it speaks is cut off; so is one that has not shaken hands. */
const FIRST_BYTES_MS = 5_000;
/** For the headers of a request over HTTP/1.1, and the settings of a connection over HTTP/2. */
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
const CHECK_INTERVAL_MS = 2_000;
/** A client of a method that takes many messages may be silent for that long. */
const STREAM_IDLE_MS = 5 * 60_000;
/** A connection over HTTP/2 without traffic for that long is told to go; clients dial anew when they need it. */
const SESSION_IDLE_MS = 15 * 60_000;
/** What is under way when a port closes may finish within this. */
const GRACE_MS = 3_000;
/** Connections at once; more wait in the kernel's queue. */
const CONNECTIONS_MAX = 4_096;
const TLS_FIRST_BYTE = 0x16;
const TLS: SecureContextOptions = { minVersion: 'TLSv1.2' };
const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** A name of 64 KiB in a query takes three times that, percent-encoded. */
const HEADER_BYTES_MAX = 256 * 1024;
const HTTP2 = {
  settings: { maxConcurrentStreams: 250, maxHeaderListSize: HEADER_BYTES_MAX, enablePush: false },
  maxHeaderListPairs: 100,
  // Streams that a client may open and reset: so many at once, and so many a second.
  streamResetBurst: 1_000,
  streamResetRate: 100,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
} as const;
const USE_TLS =
  'HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nUse https here.\n';

/** HTTP/1.1's word for closing a connection, which Fastify says, would put a warning into the log for each reply. */
class Http2Reply extends Http2ServerResponse {
  override writeHead(status: number, headers?: unknown): this {
    if (typeof headers === 'object' && headers !== null)
      Reflect.deleteProperty(headers, 'connection');
    return Reflect.apply(super.writeHead, this, [status, headers]);
  }
}

/** A certificate that may be renewed while it is in use. */
export interface PortCertificate {
  readonly pair: { readonly key: string; readonly cert: string };
  /** Keeps this server's certificate fresh from now on; `options` is the rest of its TLS settings. */
  follow(server: Tls, options: SecureContextOptions): void;
}

export interface ListenOptions extends Omit<RpcOptions, 'shutdown'> {
  /** Whether a request with these headers may call services; else it goes to the routes, which refuse it. Absent: any may. */
  readonly admits?: (headers: IncomingHttpHeaders) => boolean;
  /** Sets the headers by which pages of other sites may read an answer; true when it answered a preflight wholly. */
  readonly share?: (request: NodeRequest, response: NodeResponse) => boolean;
  readonly address: { readonly host: string; readonly port: number };
  /** Absent: no TLS, and plain requests from everywhere. */
  readonly certificate?: PortCertificate;
}

export interface Listener {
  readonly port: number;
  /** Lets what is under way finish for a moment, then cuts off what is left, and closes the Fastify instance. */
  close(): Promise<void>;
}

function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && /^(::ffff:)?127\.|^::1$/.test(address);
}

/** Whether the bytes are the preface of HTTP/2; undefined while they may become it. */
function isPreface(bytes: Buffer): boolean | undefined {
  const length = Math.min(bytes.length, PREFACE.length);
  if (!bytes.subarray(0, length).equals(PREFACE.subarray(0, length))) return false;
  return length === PREFACE.length ? true : undefined;
}

/** Reads until `decide` takes the connection, then puts back what was read. `decide` answers what to do with it. */
function sniff(socket: Socket, decide: (bytes: Buffer) => (() => void) | undefined): void {
  let seen = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), FIRST_BYTES_MS);
  socket.once('close', () => clearTimeout(timer));
  const onReadable = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) {
      if (socket.readableEnded || socket.destroyed) socket.destroy();
      return;
    }
    seen = Buffer.concat([seen, chunk]);
    const next = decide(seen);
    if (next === undefined) return;
    clearTimeout(timer);
    socket.off('readable', onReadable);
    socket.off('end', onEnd);
    socket.unshift(seen);
    next();
  };
  const onEnd = (): void => void socket.destroy();
  socket.on('readable', onReadable);
  socket.on('end', onEnd);
}

/** The servers behind the front. None of them listens; the front hands them connections. */
class Doors {
  readonly #app: FastifyInstance;
  readonly #rpc: RpcHandler;
  readonly #reportFault: (reason: unknown) => void;
  readonly #admits: (headers: IncomingHttpHeaders) => boolean;
  readonly #share: ListenOptions['share'];
  readonly http1: Http1Server;
  readonly #http2: Http2Server;
  readonly #tls: Tls | undefined;
  readonly sessions: Set<ServerHttp2Session> = new Set();

  constructor(app: FastifyInstance, rpc: RpcHandler, options: ListenOptions) {
    this.#app = app;
    this.#rpc = rpc;
    this.#reportFault = options.reportFault;
    this.#admits = options.admits ?? (() => true);
    this.#share = options.share;
    this.http1 = createHttp1(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: HEADERS_MS,
        requestTimeout: REQUEST_MS,
        connectionsCheckingInterval: CHECK_INTERVAL_MS,
      },
      (request, response) => this.#route(request, response),
    );
    // Node starts to enforce those two when a server listens; this one never does.
    this.http1.emit('listening');
    this.#http2 = createHttp2(
      { ...HTTP2, Http2ServerResponse: Http2Reply },
      (request, response) => {
        this.#boundRequest(request);
        this.#route(request, response);
      },
    );
    this.#http2.on('session', (session) => this.#boundSession(session));
    this.#http2.on('sessionError', () => undefined);
    this.#tls =
      options.certificate === undefined ? undefined : this.#createTls(options.certificate);
  }

  /** Takes a new connection. */
  enter(socket: Socket): void {
    const isPlainRefused = this.#tls !== undefined && !isLoopbackAddress(socket.remoteAddress);
    sniff(socket, (bytes) => {
      if (this.#tls !== undefined && bytes[0] === TLS_FIRST_BYTE)
        return () => void this.#tls?.emit('connection', socket);
      if (isPlainRefused) return () => void socket.end(USE_TLS);
      return this.#byPreface(socket, bytes);
    });
  }

  #byPreface(socket: Socket, bytes: Buffer): (() => void) | undefined {
    const is = isPreface(bytes);
    if (is === undefined) return undefined;
    return () => void (is ? this.#http2 : this.http1).emit('connection', socket);
  }

  #createTls(certificate: PortCertificate): Tls {
    const server = createTls({
      ...TLS,
      ...certificate.pair,
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: FIRST_BYTES_MS,
    });
    certificate.follow(server, TLS);
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy());
      if (socket.alpnProtocol === 'h2') this.#http2.emit('connection', socket);
      else sniff(socket, (bytes) => this.#byPreface(socket, bytes));
    });
    return server;
  }

  #boundSession(session: ServerHttp2Session): void {
    this.sessions.add(session);
    const timer = setTimeout(() => session.destroy(), HEADERS_MS);
    session.once('remoteSettings', () => clearTimeout(timer));
    session.once('close', () => {
      clearTimeout(timer);
      this.sessions.delete(session);
    });
    session.on('error', () => undefined);
    session.setTimeout(SESSION_IDLE_MS, () => session.close());
    // A client that said goodbye may let what is under way finish, and no more: Node alone would wait for its streams.
    session.once('goaway', () => {
      const parting = setTimeout(() => session.destroy(), HEADERS_MS);
      session.once('close', () => clearTimeout(parting));
      session.close();
    });
  }

  #boundRequest(request: Http2ServerRequest): void {
    const { stream } = request;
    const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL);
    if (this.#rpc.isClientStreaming(request)) {
      stream.setTimeout(STREAM_IDLE_MS, cancel);
      return;
    }
    const timer = setTimeout(cancel, REQUEST_MS);
    request.once('end', () => clearTimeout(timer));
    stream.once('close', () => clearTimeout(timer));
  }

  #route(request: NodeRequest, response: NodeResponse): void {
    try {
      if (this.#share?.(request, response) === true) {
        request.resume();
        return;
      }
      if (this.#admits(request.headers) && this.#rpc.take(request, response)) return;
      if (request.method === 'CONNECT' || request.url === undefined) {
        request.resume();
        answerEmpty(response, 405);
      }
      // Fastify names the types of HTTP/1.1 alone; HTTP/2's have all of them that it uses.
      else Reflect.apply(this.#app.routing, this.#app, [request, response]);
    } catch (reason) {
      this.#reportFault(reason);
      response.destroy();
    }
  }
}

/** Serves a Fastify instance and gRPC services on one port. Rejects when the address can't be listened on. */
export async function listenBoth(app: FastifyInstance, options: ListenOptions): Promise<Listener> {
  await app.ready();
  const shutdown = new AbortController();
  const doors = new Doors(app, new RpcHandler({ ...options, shutdown: shutdown.signal }), options);
  const sockets = new Set<Socket>();
  const front: Server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    doors.enter(socket);
  });
  front.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    front.once('error', reject);
    front.listen({ ...options.address, backlog: CONNECTIONS_MAX }, resolve);
  });
  const bound = front.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : options.address.port,
    close: async () => {
      const closed = new Promise<void>((resolve) => front.close(() => resolve()));
      shutdown.abort();
      for (const session of doors.sessions) session.close();
      doors.http1.close();
      for (let waitedMs = 0; sockets.size > 0 && waitedMs < GRACE_MS; waitedMs += 20) {
        doors.http1.closeIdleConnections();
        await sleep(20);
      }
      for (const socket of sockets) socket.destroy();
      await closed;
      await app.close();
    },
  };
}
