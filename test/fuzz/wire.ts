/** Socket pairs for the fuzz tests: one end for a channel, the other for whoever plays with its bytes. */
import { once } from 'node:events';
import net from 'node:net';

export interface Wire {
  readonly channelEnd: net.Socket;
  readonly otherEnd: net.Socket;
}

/** Makes connected pairs over loopback until it is closed; then every socket of theirs is gone. */
export class WireMaker {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  /** Connections that nobody has asked for yet, by their port. The kernel gives a port of a connection that ended to
   * a later one, and a socket remembers its port for ever: each is told of once, to the pair that it belongs to. */
  readonly #arrived = new Map<number, net.Socket>();
  /** Who waits for the connection from a port: pairs are made several at once. */
  readonly #wanted = new Map<number, (socket: net.Socket) => void>();

  constructor() {
    this.#server = net.createServer({ pauseOnConnect: true }, (socket) => {
      const port = socket.remotePort ?? -1;
      this.#keep(socket);
      const wanted = this.#wanted.get(port);
      if (wanted === undefined) this.#arrived.set(port, socket);
      else wanted(socket);
    });
  }
  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }
  async pair(): Promise<Wire> {
    const address = this.#server.address();
    if (typeof address !== 'object' || address === null) throw new Error('not open');
    const otherEnd = net.connect({ port: address.port, host: '127.0.0.1' });
    this.#keep(otherEnd);
    otherEnd.on('error', () => undefined);
    await once(otherEnd, 'connect');
    const port = otherEnd.localPort ?? -1;
    const arrived = this.#arrived.get(port);
    const channelEnd =
      arrived ?? (await new Promise<net.Socket>((resolve) => this.#wanted.set(port, resolve)));
    this.#arrived.delete(port);
    this.#wanted.delete(port);
    return { channelEnd, otherEnd };
  }
  close(): void {
    for (const s of this.#sockets) s.destroy();
    this.#server.close();
  }
  #keep(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

/** Writes bytes in pieces that end at the given places, each in a turn of its own. */
export async function writeInPieces(
  socket: net.Socket,
  bytes: Uint8Array,
  cuts: readonly number[],
): Promise<void> {
  const ends = [...new Set(cuts.map((c) => c % (bytes.length + 1))), bytes.length].sort(
    (a, b) => a - b,
  );
  let start = 0;
  socket.setNoDelay(true);
  for (const end of ends) {
    if (socket.destroyed) return;
    if (end > start) socket.write(bytes.subarray(start, end));
    start = end;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What a promise came to, or `late` when it did not end in time. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
