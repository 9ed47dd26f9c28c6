/** A process of the benchmark: takes one order over IPC, plays that role, says where it listens. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { runLoad } from './load.ts';
import { type Answer, ECHO, type Load, type Order, RECEIPT_BYTES, SOURCE } from './wire.ts';

const CHUNK = Buffer.alloc(256 * 1024, 1);
/** As many as the kernel lets wait (net.core.somaxconn bounds it). */
const BACKLOG = 4096;

const answer = (text: Answer): void => void process.send?.(text);

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
  server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG });
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('A TCP server has a port');
  return address.port;
}

function send(socket: Socket): void {
  const pump = (): void => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', pump);
  pump();
}

function take(socket: Socket): void {
  let missing = RECEIPT_BYTES;
  socket.on('data', (chunk: Buffer) => {
    missing -= chunk.length;
    const receipts = missing > 0 ? 0 : 1 + Math.floor(-missing / RECEIPT_BYTES);
    missing += receipts * RECEIPT_BYTES;
    if (receipts > 0) socket.write(Buffer.alloc(receipts));
  });
  socket.on('end', () => socket.end());
}

/** The service at the far end; the first byte of a connection says what it does there. */
function serve(socket: Socket): void {
  // The load cuts its connections when a measurement is over.
  socket.on('error', () => undefined);
  socket.once('data', (first: Buffer) => {
    if (first[0] === SOURCE) return send(socket);
    if (first.length > 1) socket.unshift(first.subarray(1));
    if (first[0] === ECHO) socket.pipe(socket);
    else take(socket);
  });
}

/** One hop without encryption, in the plainest way that Node offers: the floor of this runtime. */
function splice(socket: Socket, port: number): void {
  const next = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const cut = (): void => {
    socket.destroy();
    next.destroy();
  };
  for (const end of [socket, next]) end.on('error', cut);
  socket.pipe(next).pipe(socket);
}

async function play(order: Order): Promise<readonly number[]> {
  switch (order.role) {
    case 'target':
      return [await listen(serve)];
    case 'hop':
      return Promise.all(order.ports.map((port) => listen((socket) => splice(socket, port))));
    case 'load':
      process.on('message', (load: Load) => {
        runLoad(load).then(
          (result) => answer({ result }),
          (reason: unknown) =>
            answer({ failed: reason instanceof Error ? reason.message : String(reason) }),
        );
      });
      return [];
  }
}

// Ends with the process that started it.
process.once('disconnect', () => process.exit());
process.once('message', (order: Order) => {
  play(order).then(
    (ready) => answer({ ready }),
    (reason: unknown) => {
      console.error(reason);
      process.exit(1);
    },
  );
});
