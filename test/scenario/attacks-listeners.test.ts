/** Oversized, slow and random bytes at every listener: each is cut off within its bound, and the portal goes on. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlaces, raiseStage, type Stage, Wire } from '../harness/hostile.ts';
import { ask } from '../harness/talk.ts';

let stage: Stage;
type Door = { readonly port: number } | { readonly path: string };
const doors = new Map<string, Door>();
const door = (name: string): Door => doors.get(name) ?? { port: 0 };

beforeAll(async () => {
  stage = await raiseStage();
  const { world } = stage;
  const state: { public: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  const { port, socket } = nodePlaces(world, 'db');
  doors.set('the node port', { port: world.nodePort });
  doors.set("a node's channel listener", { port });
  doors.set("a node's API socket", { path: socket });
  doors.set('the admin socket', { path: join(world.serverHome, 'admin.sock') });
  doors.set('the public listener', { port: Number(state.public.split(':').at(-1)) });
}, 120_000);
afterAll(() => stage.close(), 60_000);

const NAMES = [
  'the node port',
  "a node's channel listener",
  "a node's API socket",
  'the admin socket',
  'the public listener',
];
const HTTP = NAMES.filter((n) => !n.includes('channel') && !n.includes('node port'));
const TCP = NAMES.filter((n) => !n.includes('socket'));

interface Life {
  readonly ms: number;
  readonly got: Buffer;
}
/** How long a connection lives while `feed` has its way with it, and what it was told. */
function lifeOf(to: Door, feed: (s: net.Socket) => void, withinMs: number): Promise<Life> {
  return new Promise((resolve, reject) => {
    const startMs = Date.now();
    const got: Buffer[] = [];
    const s = net.connect('port' in to ? { ...to, host: '127.0.0.1' } : to);
    const timer = setTimeout(() => {
      s.destroy();
      reject(new Error(`still open after ${withinMs} ms`));
    }, withinMs);
    s.on('error', () => undefined);
    s.on('data', (c) => got.push(c));
    s.on('close', () => {
      clearTimeout(timer);
      resolve({ ms: Date.now() - startMs, got: Buffer.concat(got) });
    });
    feed(s);
  });
}
/** One byte a second, for as long as the other side has it. */
function drip(bytes: Buffer): (s: net.Socket) => void {
  return (s) => {
    let at = 0;
    const next = (): void =>
      void s.write(bytes.subarray(at % bytes.length, (at++ % bytes.length) + 1));
    next();
    const timer = setInterval(next, 1_000);
    s.on('close', () => clearInterval(timer));
  };
}
/** The portal answers within a second, again and again, until `done`. */
async function staysUp(done: Promise<unknown>): Promise<void> {
  let isOver = false;
  const watched = done.finally(() => {
    isOver = true;
  });
  watched.catch(() => undefined);
  while (!isOver) {
    const startMs = Date.now();
    expect(await ask(stage.inletPort, 'ping')).toBe('ping');
    expect(Date.now() - startMs).toBeLessThan(1_000);
    await sleep(100);
  }
  await watched;
}

describe('every listener', () => {
  it.each(NAMES)('cuts off a stream of random bytes: %s', async (name) => {
    const noise = randomBytes(256 * 1024);
    // Not a rendezvous and not TLS; what looks like TLS comes below.
    noise[0] = 0x58;
    await staysUp(lifeOf(door(name), (s) => s.write(noise), 15_000));
  });

  it.each(TCP)('cuts off what begins like TLS and is none: %s', async (name) => {
    const noise = Buffer.concat([Buffer.from([0x16, 0x03, 0x01, 0x40, 0x00]), randomBytes(65_536)]);
    await staysUp(lifeOf(door(name), (s) => s.write(noise), 15_000));
  });

  it('cuts off who says nothing, or a byte a second, and the portal goes on', async () => {
    const record = Buffer.concat([
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
      randomBytes(99),
    ]);
    const request = Buffer.from('GET /api/v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const lives: Promise<Life>[] = [];
    for (const name of TCP) {
      lives.push(lifeOf(door(name), () => undefined, 15_000));
      lives.push(lifeOf(door(name), drip(record), 15_000));
    }
    for (const name of HTTP) {
      lives.push(lifeOf(door(name), () => undefined, 20_000));
      lives.push(lifeOf(door(name), drip(request), 20_000));
    }
    await staysUp(Promise.all(lives));
  });

  it.each(HTTP)('refuses a body without end, and a header without end: %s', async (name) => {
    const flood = (head: string) => (s: net.Socket) => {
      s.write(head);
      const chunk = Buffer.alloc(64 * 1024, 0x61);
      const more = (): void => {
        while (!s.destroyed && s.write(chunk));
      };
      s.on('drain', more);
      more();
    };
    const body = 'POST /api/v1/spaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    await staysUp(
      Promise.all([
        lifeOf(door(name), flood(`${body}Content-Length: 9999999999\r\n\r\n`), 20_000),
        lifeOf(door(name), flood(`${body}X-Long: `), 20_000),
      ]),
    );
  });
});

describe('the node port', () => {
  it('cuts off a preamble that stops half-way within its second, and keeps serving', async () => {
    for (const bytes of ['P', 'PSTN\x01', 'PSTN\x01abc', `PSTN\x01${'a'.repeat(31)}`]) {
      const { ms, got } = await lifeOf(
        { port: stage.world.nodePort },
        (s) => s.write(Buffer.from(bytes, 'latin1')),
        3_000,
      );
      expect(ms).toBeLessThan(2_000);
      expect(got).toHaveLength(0);
    }
    expect(await ask(stage.inletPort, 'ping')).toBe('ping');
  });

  it('cuts off who finished the handshake and proves nothing', async () => {
    const startMs = Date.now();
    const wire = await Wire.open(stage.world.nodePort);
    const refused = await wire.ask({ ':method': 'GET', ':path': '/control/v1/session?node=x' });
    expect(refused.status).toBe(401);
    await wire.closed;
    expect(Date.now() - startMs).toBeLessThan(8_000);
  });
});
