/**
 * The inlet side of a portal: listens for the app and opens one stream for each of its connections.
 * The listener binds at once and stays bound while the other side is away: connections that arrive meanwhile are
 * accepted and reset. It knows nothing of routes; `connect` hands it a channel and the service's name.
 */
import type { ClientHttp2Stream } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { bridge, type Channel, refusalFromHeaders } from '../channel/index.ts';
import { PosternError, toPosternError } from '../kernel/index.ts';
import type { Peer } from '../trust/index.ts';

export interface InletOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** A channel to the outlet's node and the service's name there, without waiting when one is up. */
  peek(): InletTarget | undefined;
  connect(): Promise<InletTarget>;
  /** Asks this inlet's policy about the peer; throws `denied`. `isLive`: the connection was allowed before. */
  check(channel: Channel, isLive: boolean): void;
  onFailure(reason: PosternError): void;
}
export interface InletTarget {
  readonly channel: Channel;
  readonly service: string;
}

/** Connections that may wait for a channel at once; more are closed at once. */
const WAITING_MAX = 1024;
const BACKLOG = 4096;

export class Inlet {
  readonly #options: InletOptions;
  readonly #server: Server;
  readonly #live = new Map<Socket, { stream: ClientHttp2Stream; channel: Channel } | undefined>();
  #waiting = 0;

  constructor(options: InletOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  get liveConnections(): number {
    return this.#live.size;
  }

  /** The nodes that live connections lead to. */
  get livePeers(): readonly Peer[] {
    return [...this.#live.values()].flatMap((l) => (l === undefined ? [] : [l.channel.peer]));
  }

  /** Binds; answers the address in use. Throws `conflict` when the address is taken. */
  start(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(
          new PosternError(
            'conflict',
            cause.code === 'EADDRINUSE'
              ? `The address ${host}:${port} is already in use`
              : `Cannot listen on ${host}:${port} (${cause.code})`,
            { cause },
          ),
        ),
      );
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        const address = this.#server.address();
        resolve({
          host,
          port: typeof address === 'object' && address !== null ? address.port : port,
        });
      });
    });
  }

  #accept(socket: Socket): void {
    this.#live.set(socket, undefined);
    socket.once('close', () => this.#live.delete(socket));
    const target = this.#options.peek();
    if (target !== undefined) {
      this.#open(socket, target);
      return;
    }
    if (this.#waiting >= WAITING_MAX) {
      socket.resetAndDestroy();
      return;
    }
    this.#waiting++;
    const onError = (): void => undefined;
    socket.on('error', onError);
    this.#options
      .connect()
      .then((found) => this.#open(socket, found))
      .catch((reason: unknown) => {
        this.#options.onFailure(toPosternError(reason));
        // A clean end would look like an empty answer.
        socket.resetAndDestroy();
      })
      .finally(() => {
        this.#waiting--;
        socket.off('error', onError);
      });
  }

  #open(socket: Socket, { channel, service }: InletTarget): void {
    if (socket.destroyed) return;
    try {
      this.#options.check(channel, false);
      const stream = channel.openStream(service);
      this.#live.set(socket, { stream, channel });
      stream.once('response', (headers) => {
        if (headers[':status'] === 200) return;
        this.#options.onFailure(refusalFromHeaders(headers));
        socket.resetAndDestroy();
      });
      bridge(socket, stream);
    } catch (reason) {
      this.#options.onFailure(toPosternError(reason));
      socket.resetAndDestroy();
    }
  }

  /** Asks the policy again about every live connection; cuts those that are no longer allowed. */
  recheck(): void {
    for (const [socket, live] of this.#live) {
      if (live === undefined) continue;
      try {
        this.#options.check(live.channel, true);
      } catch (reason) {
        this.#options.onFailure(toPosternError(reason));
        live.stream.destroy(toPosternError(reason));
        socket.resetAndDestroy();
      }
    }
  }

  /** Stops listening; cuts what is live after `drainMs` milliseconds. */
  async stop(drainMs: number = 0): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const timer = setTimeout(() => {
      for (const socket of this.#live.keys()) socket.resetAndDestroy();
    }, drainMs);
    await closed;
    clearTimeout(timer);
  }
}
