/**
 * Joins an app's TCP socket and a channel's stream. Half-close travels both ways; a reset travels as a reset, so that a
 * cut transfer never looks complete. Backpressure is the streams' own.
 */
import type { Http2Stream } from 'node:http2';
import type { Socket } from 'node:net';

/** Joins the two; each owns the other's end from here on. `socket` must be `allowHalfOpen`. */
export function bridge(socket: Socket, stream: Http2Stream): void {
  socket.setNoDelay(true);
  socket.pipe(stream);
  stream.pipe(socket, { end: false });
  stream.on('end', () => {
    // A session that dies also ends its streams; only an end that the peer sent ends the app's connection.
    const session = stream.session;
    if (stream.rstCode === 0 && session !== undefined && !session.destroyed) socket.end();
  });
  const reset = (): void => {
    if (!socket.destroyed) socket.resetAndDestroy();
  };
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
    from.on('error', () => {
      if (!to.destroyed) to.resetAndDestroy();
    });
    from.on('close', () => {
      if (!to.destroyed && !from.readableEnded) to.resetAndDestroy();
    });
  };
  join(a, b);
  join(b, a);
}
