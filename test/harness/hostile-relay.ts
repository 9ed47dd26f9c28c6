/**
 * A relay that is the enemy's: it stands where the nodes believe the server to be. Control sessions pass through it
 * untouched, since it can't read them; data connections, which begin with a rendezvous preamble, are its own to handle.
 */
import { once } from 'node:events';
import net from 'node:net';
import { PREAMBLE_BYTES, SPLICED_BYTE, TLS_FIRST_BYTE } from '../../src/control/index.ts';
import { portOf } from './hostile.ts';

/** Which node a data connection belongs to: the one that opens the channel, or the one that holds the relay name. */
export type End = 'dialler' | 'holder';
export interface Passage {
  /** Bytes that the dialler's node has sent or received on this connection so far, this chunk included. */
  readonly passed: number;
  /** Ends both connections with a FIN. */
  cut(): void;
  /** Ends both connections with a RST. */
  kill(): void;
}
/** What goes on instead of a chunk on the dialler's connection. */
export type Meddle = (chunk: Buffer, direction: 'up' | 'down', passage: Passage) => Buffer;

const CLIENT_HELLO = 1;

export class HostileRelay {
  readonly #server: net.Server;
  readonly #upstreamPort: number;
  readonly #sockets = new Set<net.Socket>();
  readonly #data = new Set<net.Socket>();
  /** Everything that a dialler's node sent after its preamble, one entry a connection. */
  readonly recordings: Buffer[][] = [];
  meddle: Meddle = (chunk) => chunk;
  /** Takes data connections over altogether, after the node was told that its peer is there. */
  impostor: ((socket: net.Socket) => void) | undefined;

  constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort;
    this.#server = net.createServer({ allowHalfOpen: true }, (s) => void this.#accept(s));
  }
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return portOf(this.#server);
  }
  #own(socket: net.Socket): net.Socket {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }

  async #accept(socket: net.Socket): Promise<void> {
    this.#own(socket);
    let seen: Buffer = Buffer.alloc(0);
    while (seen.length === 0 || (seen[0] !== TLS_FIRST_BYTE && seen.length < PREAMBLE_BYTES)) {
      const [chunk]: Buffer[] = await once(socket, 'data').catch(() => []);
      if (chunk === undefined) return;
      seen = Buffer.concat([seen, chunk]);
    }
    socket.pause();
    if (seen[0] === TLS_FIRST_BYTE) this.#pass(socket, seen);
    else if (this.impostor === undefined) this.#relay(socket, seen);
    else {
      this.#data.add(socket);
      socket.write(Buffer.from([SPLICED_BYTE]));
      this.impostor(socket);
    }
  }
  #upstream(first: Buffer): net.Socket {
    const up = net.connect({ port: this.#upstreamPort, host: '127.0.0.1', allowHalfOpen: true });
    this.#own(up);
    up.write(first);
    return up;
  }
  #pass(socket: net.Socket, first: Buffer): void {
    const up = this.#upstream(first);
    socket.pipe(up).pipe(socket);
    socket.once('close', () => up.destroy());
    up.once('close', () => socket.destroy());
  }

  #relay(socket: net.Socket, preamble: Buffer): void {
    const up = this.#upstream(preamble);
    this.#data.add(socket);
    let end: End | undefined;
    let passed = 0;
    const recording: Buffer[] = [];
    const passage = (): Passage => ({
      passed,
      cut: () => {
        socket.end();
        up.end();
      },
      kill: () => {
        socket.resetAndDestroy();
        up.resetAndDestroy();
      },
    });
    const write = (to: net.Socket, chunk: Buffer, direction: 'up' | 'down'): void => {
      if (end === 'dialler') passed += chunk.length;
      const changed = end === 'dialler' ? this.meddle(chunk, direction, passage()) : chunk;
      if (!to.writableEnded && !to.destroyed && changed.length > 0) to.write(changed);
    };
    socket.on('data', (chunk: Buffer) => {
      if (end === undefined) {
        end = chunk[5] === CLIENT_HELLO ? 'dialler' : 'holder';
        if (end === 'dialler') this.recordings.push(recording);
      }
      recording.push(chunk);
      write(up, chunk, 'up');
    });
    up.on('data', (chunk: Buffer) => write(socket, chunk, 'down'));
    socket.on('end', () => up.end());
    up.on('end', () => socket.end());
    socket.once('close', () => up.destroy());
    up.once('close', () => socket.destroy());
    socket.resume();
  }

  /** Ends every data connection, so that the nodes have to meet again. */
  cutAll(): void {
    for (const s of this.#data) s.destroy();
    this.#data.clear();
  }
  close(): void {
    this.#server.close();
    for (const s of this.#sockets) s.destroy();
  }
}
