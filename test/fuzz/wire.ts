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
  /** Who waits for the connection from a port: pairs are made several at once. */
  readonly #wanted = new Map<number, (socket: net.Socket) => void>();

  constructor() {
    this.#server = net.createServer({ pauseOnConnect: true }, (socket) => {
      this.#sockets.add(socket);
      this.#wanted.get(socket.remotePort ?? -1)?.(socket);
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
    this.#sockets.add(otherEnd);
    otherEnd.on('error', () => undefined);
    await once(otherEnd, 'connect');
    const port = otherEnd.localPort ?? -1;
    const known = [...this.#sockets].find((s) => s !== otherEnd && s.remotePort === port);
    const channelEnd = known ?? (await new Promise<net.Socket>((r) => this.#wanted.set(port, r)));
    this.#wanted.delete(port);
    return { channelEnd, otherEnd };
  }
  close(): void {
    for (const s of this.#sockets) s.destroy();
    this.#server.close();
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
