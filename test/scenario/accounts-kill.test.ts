/**
 * The server is killed (SIGKILL) at random moments while people register, sign in, change their password and recover.
 * What was answered is there; what was not is there as a whole or not at all; messages are neither lost nor doubled.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { accountsAt, type People, type Told } from '../harness/people.ts';
import { until, World } from '../harness/postern.ts';

const ROUNDS = 6;
const AT_ONCE = 6;
const OLD = 'correct horse battery';
const NEW = 'staple of another horse';
const world = new World();
let people: People;
let messages: (recipient: string) => Promise<readonly { template_type: string }[]>;

async function start(): Promise<void> {
  await world.startServer();
  const path = join(world.serverHome, 'server.json');
  const state: { public: string; accounts_admin: string } = JSON.parse(readFileSync(path, 'utf8'));
  people = accountsAt(`http://${state.public}`);
  const admin = accountsAt(`http://${state.accounts_admin}`);
  messages = async (recipient) => {
    const headers = { authorization: `Bearer ${token}` };
    const query = `recipient=${encodeURIComponent(recipient)}&page_size=100`;
    const told = await admin.ask('GET', `/admin/courier/messages?${query}`, { headers });
    expect(told.status, told.text).toBe(200);
    return told.json;
  };
}
let token = '';
beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  token = await world.ok('admin', 'token', 'create', 'kills', '--scope', 'accounts:*');
  await start();
}, 60_000);
afterAll(() => world.close(), 60_000);

async function kill(): Promise<void> {
  const pid = world.serverPid();
  process.kill(pid, 'SIGKILL');
  await until(() => {
    let isThere = true;
    try {
      process.kill(pid, 0);
    } catch {
      isThere = false;
    }
    if (isThere) throw new Error('still there');
  }, 'the end of the server');
}

let count = 0;
const networkOf = (i: number): string => `127.6.${Math.floor(i / 200) % 250}.${(i % 200) + 1}`;
const from = (): string => networkOf(count++);

/** Answers as somebody sees them whose server may go away in the middle: undefined. */
const orCut = (work: Promise<Told>): Promise<Told | undefined> => work.catch(() => undefined);

/** Does something again and again, each time to a person of its own, until the server is gone. */
async function again(act: () => Promise<boolean>): Promise<void> {
  while (await act());
}

it(`after each of ${ROUNDS} kills all that was answered is there, and nothing by half`, async () => {
  let answered = 0;
  let cut = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const registered = new Map<string, string | undefined>();
    const recovering = new Map<string, number>();
    const changing = new Map<string, boolean>();
    const tokens: string[] = [];
    const stable = Array.from({ length: AT_ONCE }, (_, i) => `r${round}s${i}@example.com`);
    const sessions = await Promise.all(stable.map((email) => people.register(email, OLD, from())));

    let next = 0;
    const register = async (): Promise<boolean> => {
      const email = `r${round}n${next++}@example.com`;
      const localAddress = from();
      const begun = await orCut(
        people.ask('GET', '/self-service/registration/api', { localAddress }),
      );
      if (begun === undefined) return false;
      registered.set(email, undefined);
      const told = await orCut(
        people.ask('POST', `/self-service/registration?flow=${begun.json.id}`, {
          localAddress,
          json: { method: 'password', traits: { email }, password: OLD },
        }),
      );
      if (told === undefined) return false;
      expect(told.status, told.text).toBe(200);
      registered.set(email, told.json.session_token);
      return true;
    };
    const [recoverer = '', changer = '', caller = ''] = stable;
    const recover = async (): Promise<boolean> => {
      const localAddress = from();
      const begun = await orCut(people.ask('GET', '/self-service/recovery/api', { localAddress }));
      if (begun === undefined) return false;
      const path = `/self-service/recovery?flow=${begun.json.id}`;
      const json = { method: 'code', email: recoverer };
      const told = await orCut(people.ask('POST', path, { localAddress, json }));
      if (told === undefined) return false;
      expect(told.status, told.text).toBe(200);
      recovering.set(recoverer, (recovering.get(recoverer) ?? 0) + 1);
      return true;
    };
    const signIn = async (): Promise<boolean> => {
      const told = await orCut(people.login(caller, OLD, from()));
      if (told === undefined) return false;
      expect(told.status, told.text).toBe(200);
      tokens.push(told.json.session_token);
      return true;
    };
    let isNew = false;
    const change = async (): Promise<boolean> => {
      const headers = { 'x-session-token': sessions[1] ?? '' };
      const begun = await orCut(people.ask('GET', '/self-service/settings/api', { headers }));
      if (begun === undefined) return false;
      const path = `/self-service/settings?flow=${begun.json.id}`;
      changing.set(changer, true);
      const json = { method: 'password', password: isNew ? OLD : NEW };
      const told = await orCut(people.ask('POST', path, { headers, json }));
      if (told === undefined) return false;
      expect(told.status, told.text).toBe(200);
      changing.set(changer, false);
      isNew = !isNew;
      return true;
    };
    const work = [register, register, recover, signIn, change].map((act) => again(act));
    await sleep(200 + Math.random() * 700);
    await kill();
    await Promise.all(work);
    await start();

    for (const [email, session] of registered) {
      const signedIn = await people.login(email, OLD, from());
      const own = await messages(email);
      if (session === undefined) cut++;
      else answered++;
      if (session !== undefined) {
        expect((await people.whoami(session)).status, email).toBe(200);
        expect(signedIn.status, signedIn.text).toBe(200);
      }
      // Cut off: there as a whole, or so little there that the same person registers now.
      expect(own, email).toHaveLength(signedIn.status === 200 ? 1 : 0);
      if (signedIn.status !== 200) await people.register(email, OLD, from());
    }
    for (const session of tokens) expect((await people.whoami(session)).status).toBe(200);
    const isOpen = changing.get(changer) === true;
    const fits = await Promise.all(
      [OLD, NEW].map(async (p) => (await people.login(changer, p, from())).status === 200),
    );
    expect(fits.filter(Boolean)).toHaveLength(1);
    if (!isOpen) expect(fits[isNew ? 1 : 0]).toBe(true);
    const mails = (await messages(recoverer)).filter((m) => m.template_type.startsWith('recovery'));
    const told = recovering.get(recoverer) ?? 0;
    expect(mails.length).toBeGreaterThanOrEqual(told);
    expect(mails.length).toBeLessThanOrEqual(told + 1);
  }
  expect(answered).toBeGreaterThan(0);
  expect(cut).toBeGreaterThan(0);
}, 300_000);
