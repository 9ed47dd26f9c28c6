/**
 * A node's one outgoing session to its server: keeps it up with jittered backoff, hands out what the server pushes and
 * carries the node's questions. INVARIANT: after each connect the revocations are caught up before `connected` fires.
 */
import { EventEmitter } from 'node:events';
import type http2 from 'node:http2';
import type { Socket } from 'node:net';
import { type Logger, PosternError, toPosternError } from '../kernel/index.ts';
import { dialTcp, type Link, type LinkOptions, openFirst } from './link.ts';
import {
  CONTROL,
  type ControlPush,
  PING_INTERVAL_MS,
  PREAMBLE_HEAD,
  type RendezvousGrant,
  type RevocationFacts,
  SPLICED_BYTE,
} from './wire.ts';

export interface ControlSessionOptions {
  readonly addresses: readonly string[];
  readonly serverCaPem: string;
  /** The current credential; renewed first when it has expired. Throws when none can be had. */
  credential(link: () => Promise<Link>): Promise<NonNullable<LinkOptions['clientCertificate']>>;
  readonly nodeName: string;
  readonly logger: Logger;
}
interface ControlEvents {
  connected: [];
  disconnected: [reason: PosternError];
  revocations: [list: readonly RevocationFacts[]];
  rendezvous: [push: Extract<ControlPush, { type: 'rendezvous' }>];
  displaced: [push: Extract<ControlPush, { type: 'relay_displaced' }>];
  renew: [];
  relations: [];
}

const BACKOFF_FIRST_MS = 100;
/** A node serves again within 5 s of its server's return, so no wait is longer than this. */
const BACKOFF_MAX_MS = 2_000;
const SILENCE_MAX_MS = PING_INTERVAL_MS * 2 + 2_000;
const RENDEZVOUS_TIMEOUT_MS = 10_000;
const LINE_BYTES_MAX = 4 * 1024 * 1024;

export class ControlSession extends EventEmitter<ControlEvents> {
  readonly #options: ControlSessionOptions;
  readonly #abort = new AbortController();
  #link: Link | undefined;
  #lastFailure: PosternError | undefined;
  /** A session that is to take the present one's place. */
  #successor: Promise<void> | undefined;
  #wait: { timer: NodeJS.Timeout; resolve: () => void } | undefined;

  constructor(options: ControlSessionOptions) {
    super();
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#link !== undefined;
  }
  get lastFailure(): PosternError | undefined {
    return this.#lastFailure;
  }

  /** Starts and keeps going until `close`. */
  start(): void {
    this.#run().catch((reason: unknown) =>
      this.#options.logger.error({ reason }, 'the control session ended'),
    );
  }

  async #run(): Promise<void> {
    let waitMs = BACKOFF_FIRST_MS;
    while (!this.#abort.signal.aborted) {
      const startedMs = performance.now();
      try {
        await this.#once();
        while (this.#successor !== undefined) {
          const next = this.#successor;
          this.#successor = undefined;
          await next;
        }
      } catch (reason) {
        this.#lastFailure = toPosternError(reason);
        if (!this.#abort.signal.aborted) this.emit('disconnected', this.#lastFailure);
      }
      this.#link?.close();
      this.#link = undefined;
      if (this.#abort.signal.aborted) return;
      waitMs =
        performance.now() - startedMs > 10_000
          ? BACKOFF_FIRST_MS
          : Math.min(waitMs * 2, BACKOFF_MAX_MS);
      await new Promise<void>((resolve) => {
        this.#wait = { timer: setTimeout(resolve, waitMs * (0.5 + Math.random() / 2)), resolve };
      });
    }
  }

  #anonymous(): Promise<Link> {
    return openFirst(this.#options.addresses, {
      serverCa: { pem: this.#options.serverCaPem },
      signal: this.#abort.signal,
    });
  }

  async #once(): Promise<void> {
    const clientCertificate = await this.#options.credential(() => this.#anonymous());
    const link = await openFirst(this.#options.addresses, {
      serverCa: { pem: this.#options.serverCaPem },
      clientCertificate,
      signal: this.#abort.signal,
    });
    try {
      const stream = link.session.request({
        ':method': 'GET',
        ':path': `${CONTROL}/session?node=${encodeURIComponent(this.#options.nodeName)}`,
      });
      await this.#follow(link, stream);
    } catch (reason) {
      // A successor is followed next, whether its coming ended this session or something else did.
      if (this.#successor === undefined) throw reason;
    } finally {
      if (this.#link === link) this.#link = undefined;
      link.close();
    }
  }

  #follow(link: Link, stream: http2.ClientHttp2Stream): Promise<void> {
    return new Promise((_resolve, reject) => {
      let pending = '';
      let isCaughtUp = false;
      let heardMs = performance.now();
      const fail = (reason: unknown): void => {
        clearInterval(watch);
        this.#abort.signal.removeEventListener('abort', fail);
        reject(
          reason instanceof PosternError
            ? reason
            : new PosternError('unavailable', 'The server closed the session', { cause: reason }),
        );
      };
      const watch = setInterval(() => {
        if (performance.now() - heardMs > SILENCE_MAX_MS)
          fail(new PosternError('unavailable', 'The server has fallen silent'));
      }, 1_000);
      this.#abort.signal.addEventListener('abort', fail, { once: true });
      stream.setEncoding('utf8');
      stream.on('error', fail);
      stream.on('close', () => fail(undefined));
      stream.on('response', (headers) => {
        if (headers[':status'] === 200) return;
        fail(
          new PosternError(
            'denied',
            `The server refused the session (status ${headers[':status']})`,
          ),
        );
      });
      stream.on('data', (chunk: string) => {
        heardMs = performance.now();
        pending += chunk;
        if (pending.length > LINE_BYTES_MAX)
          return fail(new PosternError('internal', 'A push is too long'));
        for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
          const line = pending.slice(0, end);
          pending = pending.slice(end + 1);
          // From the pinned server: its lines have the protocol's shape.
          const push = JSON.parse(line) as ControlPush;
          this.#onPush(push);
          if (push.type === 'revocations' && !isCaughtUp) {
            // The first push of a session is the catch-up.
            isCaughtUp = true;
            this.#use(link);
          }
        }
      });
    });
  }

  /** The session on this link is ready; the one before it, if any, is done. */
  #use(link: Link): void {
    const before = this.#link;
    this.#link = link;
    this.#lastFailure = undefined;
    this.emit('connected');
    before?.close();
  }

  #onPush(push: ControlPush): void {
    switch (push.type) {
      case 'ping':
        return;
      case 'revocations':
        this.emit('revocations', push.list);
        return;
      case 'rendezvous':
        this.emit('rendezvous', push);
        return;
      case 'relay_displaced':
        this.emit('displaced', push);
        return;
      case 'renew':
        this.emit('renew');
        return;
      case 'relations':
        this.emit('relations');
        return;
      default: {
        const never: never = push;
        throw new PosternError('internal', `Unknown push ${never}`);
      }
    }
  }

  /** The link while connected. Throws `unavailable`. */
  get link(): Link {
    if (this.#link !== undefined) return this.#link;
    throw new PosternError(
      'unavailable',
      `Not connected to the server: ${this.#lastFailure?.message ?? 'connecting'}`,
    );
  }

  async registerRelay(
    name: string,
    facts: { services: readonly string[]; direct_addresses: readonly string[] },
  ): Promise<void> {
    await this.link.request('PUT', `${CONTROL}/relays/${encodeURIComponent(name)}`, facts);
  }
  async releaseRelay(name: string): Promise<void> {
    await this.link.request('DELETE', `${CONTROL}/relays/${encodeURIComponent(name)}`);
  }
  /** Asks for a meeting with whoever holds a relay name. Throws `not_found` or `denied`. */
  async requestRendezvous(relay: string): Promise<RendezvousGrant> {
    const answer = await this.link.request('POST', `${CONTROL}/rendezvous`, { relay });
    return answer as RendezvousGrant;
  }
  /** Asks whether peers are in relations to objects; null where the server does not say. */
  async askRelations(
    questions: readonly { peer: string; namespace: string; object: string; relation: string }[],
  ): Promise<readonly (boolean | null)[]> {
    const answer = await this.link.request('POST', `${CONTROL}/relations`, { questions });
    return (answer as { answers: readonly (boolean | null)[] }).answers;
  }
  /** Reports denials to the server's audit log; lost when the server is away. */
  async report(decisions: readonly object[]): Promise<void> {
    await this.link.request('POST', `${CONTROL}/reports`, { decisions });
  }
  /** Dials the relay's data port with a token; answers the raw socket once both sides are joined. */
  async meet(token: string, signal?: AbortSignal): Promise<Socket> {
    const socket = await dialTcp(this.link.address, signal);
    return new Promise((resolve, reject) => {
      const fail = (): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(new PosternError('unavailable', 'The other side did not come to the rendezvous'));
      };
      const timer = setTimeout(fail, RENDEZVOUS_TIMEOUT_MS);
      socket.once('error', fail);
      socket.once('close', fail);
      socket.once('readable', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        socket.off('close', fail);
        const first: Buffer | null = socket.read(1);
        if (first?.[0] === SPLICED_BYTE) resolve(socket);
        else fail();
      });
      socket.write(Buffer.concat([PREAMBLE_HEAD, Buffer.from(token, 'hex')]));
    });
  }

  /** Moves to a new session with the credential that is current now; the present one serves until that one is ready. */
  reconnect(): void {
    const before = this.#link;
    if (before === undefined || this.#successor !== undefined) return;
    const successor = this.#once();
    this.#successor = successor;
    successor.catch(() => {
      // It never took over: the plain way of connecting, with its backoff, goes on.
      if (this.#link === before) before.close();
    });
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#wait?.timer);
    this.#wait?.resolve();
    this.#link?.close();
  }
}
