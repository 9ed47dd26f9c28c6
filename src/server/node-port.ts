/**
 * The node port: one TCP listener for the control sessions (TLS 1.3, HTTP/2) and for rendezvous preambles, told apart by
 * the first byte. INVARIANT: who has not authenticated holds a socket for a moment only, and all such sockets together
 * are bounded, so a flood of them can't take the place of nodes that have.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { PREAMBLE_BYTES, PREAMBLE_HEAD, TLS_FIRST_BYTE } from '../control/index.ts';

/** An unauthenticated dialler is cut off after this. */
const FIRST_BYTES_MS = 1_000;
/** A TLS dialler has this long to handshake and to make its first authenticated request. */
const AUTHENTICATE_MS = 5_000;
const UNAUTHENTICATED_MAX = 2_048;

export interface NodePortHandlers {
  onTls(socket: Socket): void;
  onToken(token: string, socket: Socket): void;
}

export class NodePort {
  readonly #server: Server;
  readonly #handlers: NodePortHandlers;
  readonly #sockets = new Set<Socket>();
  /** In order of arrival: the oldest gives way. */
  readonly #strangers = new Map<Socket, NodeJS.Timeout>();

  constructor(handlers: NodePortHandlers) {
    this.#handlers = handlers;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
  }

  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ ...address, backlog: 4096 }, () => {
        const bound = this.#server.address();
        resolve({
          host: address.host,
          port: typeof bound === 'object' && bound !== null ? bound.port : address.port,
        });
      });
    });
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.promote(socket);
    });
    const [oldest] = this.#strangers.keys();
    if (this.#strangers.size >= UNAUTHENTICATED_MAX && oldest !== undefined) oldest.destroy();
    this.#limit(socket, FIRST_BYTES_MS);
    this.#peek(socket);
  }

  #limit(socket: Socket, ms: number): void {
    clearTimeout(this.#strangers.get(socket));
    this.#strangers.set(
      socket,
      setTimeout(() => socket.destroy(), ms),
    );
  }

  /** The socket has authenticated, or is gone. */
  promote(socket: Socket): void {
    clearTimeout(this.#strangers.get(socket));
    this.#strangers.delete(socket);
  }

  #peek(socket: Socket): void {
    // Kept here, never put back before it is whole: a chunk put back is readable again at once, and a dialler that
    // stops half-way would keep this process turning in place for ever.
    let seen: Buffer = Buffer.alloc(0);
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      if (seen[0] === TLS_FIRST_BYTE) {
        socket.off('readable', onReadable);
        socket.unshift(seen);
        // TLS ends its connections itself; a half-open one would linger.
        socket.allowHalfOpen = false;
        this.#limit(socket, AUTHENTICATE_MS);
        this.#handlers.onTls(socket);
        return;
      }
      const head = seen.subarray(0, PREAMBLE_HEAD.length);
      if (!head.equals(PREAMBLE_HEAD.subarray(0, head.length))) {
        socket.destroy();
        return;
      }
      if (seen.length < PREAMBLE_BYTES) return;
      socket.off('readable', onReadable);
      if (seen.length > PREAMBLE_BYTES) socket.unshift(seen.subarray(PREAMBLE_BYTES));
      this.promote(socket);
      this.#handlers.onToken(
        seen.subarray(PREAMBLE_HEAD.length, PREAMBLE_BYTES).toString('hex'),
        socket,
      );
    };
    socket.on('readable', onReadable);
  }

  get connections(): { all: number; unauthenticated: number } {
    return { all: this.#sockets.size, unauthenticated: this.#strangers.size };
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }
}
