/**
 * Crowds of app connections as processes of their own, for the limit of open files is a process's. Each prints JSON lines.
 * `target`: an echo service; prints its port. `hold PORT COUNT`: opens connections, each of which gets one byte echoed,
 * and holds them until its input ends; at each input line it asks all of them again. `rate PORT PER_SECOND SECONDS`: opens
 * that many a second, each for one echoed byte.
 */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const OPENING_AT_ONCE = 64;
const BACKLOG = 4096;
const TICK_MS = 10;
const ANSWER_MS = 20_000;
const [role = '', ...rest] = process.argv.slice(2);
const [port = 0, second = 0, third = 0] = rest.map(Number);
const say = (value: object): void => console.log(JSON.stringify(value));

/** One echoed byte; false when it does not come whole. */
function ask(socket: net.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isAnswered: boolean): void => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('close', onClose);
      resolve(isAnswered);
    };
    const onData = (): void => settle(true);
    const onClose = (): void => settle(false);
    const timer = setTimeout(() => settle(false), ANSWER_MS);
    socket.on('data', onData);
    socket.on('close', onClose);
    socket.write('x');
  });
}
function dial(): net.Socket {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  return socket;
}

async function target(): Promise<void> {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG });
  await once(server, 'listening');
  const address = server.address();
  say({ port: typeof address === 'object' && address !== null ? address.port : 0 });
}

async function hold(count: number): Promise<void> {
  const held: net.Socket[] = [];
  let opened = 0;
  const open = async (): Promise<void> => {
    while (opened < count) {
      opened++;
      const socket = dial();
      if (await ask(socket)) held.push(socket);
    }
  };
  await Promise.all(Array.from({ length: OPENING_AT_ONCE }, open));
  say({ answered: held.length });
  process.stdin.on('data', async () => {
    const all = await Promise.all(held.map(ask));
    say({ answered: all.filter(Boolean).length });
  });
  process.stdin.on('end', () => process.exit(0));
}

async function rate(perSecond: number, seconds: number): Promise<void> {
  const startMs = performance.now();
  const asked: Promise<boolean>[] = [];
  let slowestMs = 0;
  while (asked.length < perSecond * seconds) {
    const due = Math.min(((performance.now() - startMs) * perSecond) / 1000, perSecond * seconds);
    while (asked.length < due) {
      const openedMs = performance.now();
      const socket = dial();
      asked.push(
        ask(socket).then((isAnswered) => {
          slowestMs = Math.max(slowestMs, performance.now() - openedMs);
          socket.destroy();
          return isAnswered;
        }),
      );
    }
    await sleep(TICK_MS);
  }
  const openedMs = performance.now() - startMs;
  const all = await Promise.all(asked);
  say({
    answered: all.filter(Boolean).length,
    openedMs,
    endedMs: performance.now() - startMs,
    slowestMs,
  });
  process.exit(0);
}

if (role === 'target') await target();
else if (role === 'hold') await hold(second);
else await rate(second, third);
