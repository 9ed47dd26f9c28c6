/**
 * Sign-ins without end: the server keeps nothing of them in its memory. Its passwords are hashed cheaply, so that there are
 * many. POSTERN_SIGN_INS sets how many.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountsAt } from '../harness/people.ts';
import { World } from '../harness/postern.ts';

const SIGN_INS = Number(process.env['POSTERN_SIGN_INS'] ?? 40_000);
const ROUNDS = 5;
const PEOPLE = 200;
const AT_ONCE = 8;
/** Of the heap right after a collection, from the second round to the last: half a kilobyte kept of each sign-in is 12 MB. */
const GROWTH_MB_MAX = 6;
const LOOK_EVERY_MS = 250;
const PASSWORD = 'correct horse battery';

const world = new World();
let people: ReturnType<typeof accountsAt>;
const nameOf = (i: number): string => `person${i % PEOPLE}@example.com`;
/** One of the server's figures, in MB. */
async function figureMb(name: string): Promise<number> {
  const { body } = await world.askAdmin('GET', '/metrics');
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(body)?.[1]) / 1024 ** 2;
}

beforeAll(async () => {
  const file = join(world.folder, 'kratos.yml');
  const schema = {
    properties: {
      traits: {
        type: 'object',
        properties: {
          email: {
            ...{ type: 'string', format: 'email' },
            'ory.sh/kratos': { credentials: { password: { identifier: true } } },
          },
        },
      },
    },
  };
  const url = `base64://${Buffer.from(JSON.stringify(schema)).toString('base64')}`;
  const kratos = {
    selfservice: {
      default_browser_return_url: 'http://127.0.0.1/',
      flows: { registration: { after: { password: { hooks: [{ hook: 'session' }] } } } },
      methods: { password: { config: { haveibeenpwned_enabled: false } } },
    },
    hashers: { algorithm: 'argon2', argon2: { memory: '64KB', iterations: 1, parallelism: 1 } },
    identity: { default_schema_id: 'default', schemas: [{ id: 'default', url }] },
  };
  writeFileSync(file, JSON.stringify(kratos));
  mkdirSync(world.serverHome);
  writeFileSync(join(world.serverHome, 'server.yaml'), `accounts: { kratos: ${file} }\n`);
  await world.startServer();
  const state: { public: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  people = accountsAt(`http://${state.public}`);
  for (let i = 0; i < PEOPLE; i++) await people.register(nameOf(i), PASSWORD);
}, 120_000);
afterAll(() => world.close(), 60_000);

describe('a server that people sign in to all day', () => {
  it('keeps nothing in its memory of those who did', async () => {
    const told: string[] = [];
    const kept: number[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      let next = 0;
      const one = async (): Promise<void> => {
        while (next < SIGN_INS / ROUNDS)
          expect((await people.login(nameOf(next++), PASSWORD)).status).toBe(200);
      };
      let isOver = false;
      const all = Promise.all(Array.from({ length: AT_ONCE }, one)).finally(() => {
        isOver = true;
      });
      // What is in the heap besides garbage shows in the moments after a collection.
      let leastMb = Number.POSITIVE_INFINITY;
      while (!isOver) {
        leastMb = Math.min(leastMb, await figureMb('nodejs_heap_size_used_bytes'));
        await sleep(LOOK_EVERY_MS);
      }
      await all;
      const residentMb = await figureMb('process_resident_memory_bytes');
      kept.push(leastMb);
      told.push(`${leastMb.toFixed(1)} (resident ${residentMb.toFixed(0)})`);
    }
    console.log(`${SIGN_INS} sign-ins; MB in the heap, in ${ROUNDS} rounds: ${told.join(', ')}`);
    expect((kept.at(-1) ?? 0) - (kept[1] ?? 0)).toBeLessThan(GROWTH_MB_MAX);
  }, 1_800_000);
});
