/**
 * Whether there is an account is told to nobody: not by text, status, headers or cookies, and not by how long an answer
 * takes. Times are compared by a permutation test over interleaved samples, whose bound is far from what chance gives.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hiddenFields } from '../harness/browser.ts';
import { rankShift } from '../harness/chance.ts';
import { accountsAt, type Told } from '../harness/people.ts';
import { World } from '../harness/postern.ts';

const PASSWORD = 'correct horse battery';
const SAMPLES = 120;
const world = new World();
let people: ReturnType<typeof accountsAt>;

beforeAll(async () => {
  await world.startServer();
  const path = join(world.serverHome, 'server.json');
  const state: { public: string } = JSON.parse(readFileSync(path, 'utf8'));
  people = accountsAt(`http://${state.public}`);
  for (let i = 0; i < SAMPLES; i++)
    await people.register(`known${i}@example.com`, PASSWORD, networkOf(i));
}, 120_000);
afterAll(() => world.close(), 60_000);

/** Attempts are counted by network: everybody comes from one of their own. */
const networkOf = (i: number): string => `127.9.${Math.floor(i / 200)}.${(i % 200) + 1}`;

/** What an answer says, without what is each person's own: ids, times, tokens and the typed name. */
function essence({ status, headers, text }: Told, typed: string): unknown {
  const plain = text
    .replaceAll(typed, 'SOMEBODY')
    .replaceAll(encodeURIComponent(typed), 'SOMEBODY')
    .replace(/[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/g, 'ID')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/("name":"csrf_token","type":"hidden","value":)"[^"]*"/g, '$1"TOKEN"')
    .replace(/(name="csrf_token" value=)"[^"]*"/g, '$1"TOKEN"');
  const names = [...headers.keys()].filter((n) => n !== 'date' && n !== 'content-length').sort();
  const cookies = headers.getSetCookie().map((c) => c.replace(/=[^;]*/, ''));
  return { status, names, cookies, plain };
}

interface Case {
  readonly flow: 'login' | 'recovery' | 'verification';
  readonly body: (email: string) => Readonly<Record<string, unknown>>;
}
const CASES: readonly (readonly [string, Case])[] = [
  [
    'sign-in with a wrong password',
    {
      flow: 'login',
      body: (identifier) => ({ method: 'password', identifier, password: 'it is not this one' }),
    },
  ],
  ['recovery', { flow: 'recovery', body: (email) => ({ method: 'code', email }) }],
  ['verification', { flow: 'verification', body: (email) => ({ method: 'code', email }) }],
];

describe.each(CASES)('%s', (_name, { flow, body }) => {
  const ask = async (email: string, i: number): Promise<Told & { readonly tookMs: number }> => {
    const localAddress = networkOf(i);
    const begun = await people.ask('GET', `/self-service/${flow}/api`, { localAddress });
    const path = `/self-service/${flow}?flow=${begun.json.id}`;
    const startMs = performance.now();
    const told = await people.ask('POST', path, { localAddress, json: body(email) });
    return { ...told, tookMs: performance.now() - startMs };
  };

  it('says the same of an address that has an account and of one that has none', async () => {
    const known = await ask('known0@example.com', 500);
    const unknown = await ask('nobody0@example.com', 501);
    expect(essence(known, 'known0@example.com')).toEqual(essence(unknown, 'nobody0@example.com'));
  });

  it('says the same on its page', async () => {
    const page = async (email: string): Promise<unknown> => {
      const me = people.browser();
      const begun = await me.open(`/self-service/${flow}/browser`);
      const typed = Object.fromEntries(
        Object.entries(body(email)).map(([k, v]) => [k, String(v)] as const),
      );
      const { method = '', ...rest } = { ...hiddenFields(begun), ...typed };
      const shown = await me.submit(begun, rest, ['method', method]);
      const { status, headers, text } = shown;
      return essence({ status, headers, text, json: undefined }, email);
    };
    expect(await page('known1@example.com')).toEqual(await page('nobody1@example.com'));
  });

  it('takes the same time', async () => {
    const tookMs = { known: [] as number[], unknown: [] as number[] };
    for (let i = 0; i < SAMPLES; i++) {
      const order = i % 2 === 0 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const);
      for (const kind of order) {
        const told = await ask(`${kind}${i}@example.com`, 600 + 2 * i + (kind === 'known' ? 0 : 1));
        tookMs[kind].push(told.tookMs);
      }
    }
    const { effect, chance } = rankShift(tookMs.known, tookMs.unknown);
    // An attacker who guesses by the time of one answer is right with this probability instead of a half.
    expect(Math.abs(effect - 0.5), `guessed right ${effect}, by chance ${chance}`).toBeLessThan(
      0.15,
    );
  }, 120_000);
});

it('the bound is one that a difference of a millisecond in five would not pass', () => {
  const some = Array.from({ length: SAMPLES }, (_, i) => 5 + ((i * 7919) % 100) / 50);
  const slower = some.map((ms) => ms + 1);
  expect(Math.abs(rankShift(some, slower).effect - 0.5)).toBeGreaterThan(0.15);
});
