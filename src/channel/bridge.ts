/**
 * Joins an app's TCP socket and a channel's stream. Half-close travels both ways; a reset travels as a reset, so that a
 * cut transfer never looks complete. Backpressure is the streams' own: what one side does not take, the other does not
 * send, up to the stream's window.
 */
import type { Http2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Chunks of at least this size are part of a bulk transfer: they are written together, once a turn of the event loop. */
const BULK_CHUNK_BYTES = 2048;

const corked: Socket[] = [];
function flush(): void {
  for (const socket of corked.splice(0)) socket.uncork();
}

/** Writes a chunk, bulk ones gathered into one system call; answers whether the socket wants more. */
function write(socket: Socket, chunk: Buffer): boolean {
  if (chunk.length >= BULK_CHUNK_BYTES && socket.writableCorked === 0) {
    socket.cork();
    if (corked.push(socket) === 1) setImmediate(flush);
  }
  return socket.write(chunk);
}

/** Ends a socket so that its peer sees a reset, or over TLS an end without close_notify: never a clean end. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket instanceof TLSSocket || socket.localPort === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

/** Joins the two; each owns the other's end from here on. `socket` must be `allowHalfOpen`. */
export function bridge(socket: Socket, stream: Http2Stream): void {
  socket.setNoDelay(true);
  socket.pipe(stream);
  const resume = (): void => void stream.resume();
  stream.on('data', (chunk: Buffer) => {
    if (write(socket, chunk)) return;
    stream.pause();
    socket.once('drain', resume);
  });
  stream.on('end', () => {
    // A session that dies also ends its streams; only an end that the peer sent ends the app's connection.
    const session = stream.session;
    if (stream.rstCode === 0 && session !== undefined && !session.destroyed) socket.end();
  });
  const reset = (): void => resetSocket(socket);
  socket.on('error', (error) => {
    if (!stream.destroyed) stream.destroy(error);
  });
  socket.on('close', () => {
    // Only destroy() sends RST_STREAM alone; close(code) would first end the stream and make it look complete.
    if (!stream.destroyed && !(stream.readableEnded && stream.writableEnded))
      stream.destroy(new Error('the app closed'));
  });
  stream.on('error', reset);
  stream.on('aborted', reset);
  stream.on('close', () => {
    if (stream.rstCode !== 0 || !stream.readableEnded || !socket.writableEnded) reset();
  });
}

/** The relay's whole data path: bytes only, backpressure by TCP, half-close and resets carried through. */
export function splice(a: Socket, b: Socket): void {
  const join = (from: Socket, to: Socket): void => {
    from.setNoDelay(true);
    from.pipe(to);
    from.on('error', () => resetSocket(to));
    from.on('close', () => {
      if (!from.readableEnded) resetSocket(to);
    });
  };
  join(a, b);
  join(b, a);
}
