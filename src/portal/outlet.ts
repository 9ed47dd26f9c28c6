/**
 * The outlet side of a portal: looks a service up by name and connects to its target for each stream.
 * INVARIANT: the peer names a service, never an address; what is dialled is only what this node's owner configured.
 * Before the target is dialled the outlet's policy is asked about the peer; `recheck` asks again for live streams.
 */
import type { ServerHttp2Stream } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { bridge, type Channel, refuseStream, resetSocket } from '../channel/index.ts';
import { PosternError, toPosternError } from '../kernel/index.ts';
import type { Peer } from '../trust/index.ts';

export interface OutletTarget {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}
/** The policies, as an outlet asks them. */
export interface PeerCheck {
  /** Undefined when `check` can be asked at once; else it can when the promise resolves. */
  prepare(service: string, peer: Peer): Promise<void> | undefined;
  /** Throws `denied` with its reason and decision id. `isLive`: the stream was allowed before. */
  check(service: string, peer: Peer, isLive: boolean): void;
}

const CONNECT_TIMEOUT_MS = 10_000;

interface Live {
  readonly service: string;
  readonly channel: Channel;
  readonly stream: ServerHttp2Stream;
}

export class OutletRegistry {
  readonly #targets = new Map<string, OutletTarget>();
  readonly #live = new Set<Live>();
  readonly #check: PeerCheck;

  constructor(check: PeerCheck) {
    this.#check = check;
  }

  get names(): string[] {
    return [...this.#targets.keys()];
  }
  /** Whom live streams serve, and by which service. */
  get live(): readonly { readonly service: string; readonly peer: Peer }[] {
    return [...this.#live].map(({ service, channel }) => ({ service, peer: channel.peer }));
  }
  get liveStreams(): number {
    return this.#live.size;
  }

  add(target: OutletTarget): void {
    this.#targets.set(target.name, target);
  }

  /** Removes an outlet and cuts its live streams. */
  remove(name: string): void {
    this.#targets.delete(name);
    this.recheck();
  }

  /** Answers whether a stream would be served. Throws `not_found` or `denied`. */
  async probe(service: string, peer: Peer): Promise<void> {
    await this.#check.prepare(service, peer);
    this.#find(service, peer, false);
  }

  #find(service: string, peer: Peer, isLive: boolean): OutletTarget {
    const target = this.#targets.get(service);
    if (target === undefined)
      throw new PosternError(
        'not_found',
        `There is no outlet "${service.slice(0, 100)}" at the peer's node`,
      );
    this.#check.check(service, peer, isLive);
    return target;
  }

  /** Serves one CONNECT stream. */
  connect(stream: ServerHttp2Stream, service: string, channel: Channel): void {
    const ready = this.#check.prepare(service, channel.peer);
    if (ready === undefined) this.#serve(stream, service, channel);
    else
      void ready.then(() => {
        if (!stream.destroyed && !stream.closed) this.#serve(stream, service, channel);
      });
  }

  #serve(stream: ServerHttp2Stream, service: string, channel: Channel): void {
    let target: OutletTarget;
    try {
      target = this.#find(service, channel.peer, false);
    } catch (reason) {
      refuseStream(stream, toPosternError(reason));
      return;
    }
    const live: Live = { service, channel, stream };
    this.#live.add(live);
    stream.once('close', () => this.#live.delete(live));
    const socket: Socket = target.tls
      ? tlsConnect({ host: target.host, port: target.port, servername: target.host })
      : connect({ host: target.host, port: target.port, allowHalfOpen: true });
    const timer = setTimeout(
      () =>
        socket.destroy(
          new PosternError('unavailable', `${target.host}:${target.port} did not answer in time`),
        ),
      CONNECT_TIMEOUT_MS,
    );
    const failed = (error: Error): void => {
      const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
      refuseStream(
        stream,
        new PosternError(
          'unavailable',
          `The outlet could not reach ${target.host}:${target.port} (${code})`,
        ),
      );
    };
    socket.once('error', failed);
    stream.once('close', () => {
      if (!socket.connecting) return;
      if (target.tls) socket.destroy();
      else socket.resetAndDestroy();
    });
    socket.once(target.tls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      if (stream.destroyed || stream.closed) {
        // A clean end would tell the target of an app that sent nothing; there was one, and it was cut off.
        resetSocket(socket);
        return;
      }
      stream.respond({ ':status': 200 });
      bridge(socket, stream);
    });
    socket.once('close', () => clearTimeout(timer));
  }

  /** Asks the policies again about every live stream; cuts those that are no longer allowed. */
  recheck(): void {
    for (const { service, channel, stream } of this.#live) {
      try {
        this.#find(service, channel.peer, true);
      } catch (reason) {
        stream.destroy(toPosternError(reason));
      }
    }
  }
}
