/**
 * A process of its own that is a crowd: `crowd.fixture.ts PORT WAVES SIZE` opens connections in waves and keeps them,
 * every third stalled in its TLS handshake; a line on stdout for each wave that stands. It holds all until it is killed.
 */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientHello } from './assaults.ts';

const [port = 0, waves = 0, size = 0] = process.argv.slice(2).map(Number);
/** How long a wave stands before the next one comes. */
const HOLD_MS = 1_000;
/** What is opened between two turns of the loop. */
const AT_ONCE = 100;

async function join(halfHello: Buffer | undefined): Promise<void> {
  const s = net.connect(port, '127.0.0.1');
  s.on('error', () => undefined);
  // The oldest give way to those who come: one may be cut before it knows that it was there.
  await Promise.race([once(s, 'connect'), once(s, 'close')]).catch(() => undefined);
  if (halfHello !== undefined) s.write(halfHello);
}

const hello = await clientHello();
const half = hello.subarray(0, hello.length / 2);
for (let wave = 0; wave < waves; wave++) {
  const joined: Promise<void>[] = [];
  while (joined.length < size) {
    joined.push(join(joined.length % 3 === 0 ? half : undefined));
    if (joined.length % AT_ONCE === 0) await sleep(1);
  }
  await Promise.all(joined);
  console.log(wave);
  await sleep(HOLD_MS);
}
setInterval(() => undefined, 60_000);
