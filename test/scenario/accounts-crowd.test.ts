/**
 * A thousand people sign in at the same moment: whom the server cannot serve soon it turns away in the shape that clients
 * know, everybody else is answered meanwhile, its memory stays bounded and the queue drains.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountsAt, type Told } from '../harness/people.ts';
import { World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const CROWD = 1_000;
/** Every tenth of the crowd is somebody. */
const KNOWN = 10;
const world = new World();
let people: ReturnType<typeof accountsAt>;
const networkOf = (i: number): string => `127.8.${Math.floor(i / 200)}.${(i % 200) + 1}`;
const nameOf = (i: number): string => `${i % KNOWN === 0 ? 'known' : 'nobody'}${i}@example.com`;
const residentMb = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${world.serverPid()}/status`, 'utf8'))?.[1]) /
  1024;

beforeAll(async () => {
  await world.startServer();
  const path = join(world.serverHome, 'server.json');
  const state: { public: string } = JSON.parse(readFileSync(path, 'utf8'));
  people = accountsAt(`http://${state.public}`);
  for (let i = 0; i < CROWD; i += KNOWN) await people.register(nameOf(i), PASSWORD, networkOf(i));
}, 120_000);
afterAll(() => world.close(), 60_000);

describe('a thousand sign in at once', () => {
  it('some are turned away, the rest are served, others are answered meanwhile', async () => {
    const token = await people.register('bystander@example.com', PASSWORD);
    const flows: string[] = [];
    for (let i = 0; i < CROWD; i++) {
      const told = await people.ask('GET', '/self-service/login/api', {
        localAddress: networkOf(i),
      });
      flows.push(told.json.id);
    }
    const beforeMb = residentMb();
    let isOver = false;
    const crowd = Promise.all(
      flows.map((id, i) =>
        people.ask('POST', `/self-service/login?flow=${id}`, {
          localAddress: networkOf(i),
          json: { method: 'password', identifier: nameOf(i), password: PASSWORD },
        }),
      ),
    ).finally(() => {
      isOver = true;
    });
    const tookMs: number[] = [];
    let peakMb = beforeMb;
    while (!isOver) {
      const startMs = performance.now();
      expect((await people.whoami(token)).status).toBe(200);
      expect((await people.ask('GET', '/self-service/login/browser')).status).toBe(303);
      tookMs.push(performance.now() - startMs);
      peakMb = Math.max(peakMb, residentMb());
      await sleep(50);
    }
    const answers = await crowd;
    const of = (status: number): Told[] => answers.filter((a) => a.status === status);
    expect(of(200).length + of(400).length + of(429).length).toBe(CROWD);
    expect(of(200).length).toBeGreaterThan(0);
    expect(of(429).length).toBeGreaterThan(0);
    for (const { headers, json } of of(429)) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(json.error).toMatchObject({ code: 429, status: 'Too Many Requests' });
    }
    expect(tookMs.length).toBeGreaterThan(3);
    expect(tookMs.sort((a, b) => a - b)[Math.floor(tookMs.length / 2)]).toBeLessThan(2_000);
    expect(peakMb - beforeMb).toBeLessThan(300);
  }, 120_000);

  it('when they are gone somebody signs in at once', async () => {
    const startMs = performance.now();
    const told = await people.login(nameOf(0), PASSWORD, '127.8.90.1');
    expect(told.status, told.text).toBe(200);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});
