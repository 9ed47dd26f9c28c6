/** A disk that is full while people register: who is signed in stays so, nobody is half registered, space that comes back is enough. Root. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEBIAN_PATH, missingPeers } from '../harness/peers.ts';
import { accountsAt, type People } from '../harness/people.ts';
import { execute, until, World } from '../harness/postern.ts';

const missing = missingPeers({ 'mount (root)': userInfo().uid === 0 });
const PASSWORD = 'correct horse battery';
const CHUNK = Buffer.alloc(4_096);
/** The write-ahead log has room of its own, which is used up before a write fails. */
const ATTEMPTS_MAX = 2_000;

describe.skipIf(missing.length > 0)('a full disk', () => {
  const world = new World();
  const filler = join(world.serverHome, 'fill');
  let people: People;
  let session = '';
  const system = (command: string, ...args: string[]): ReturnType<typeof execute> =>
    execute(command, args, { ...process.env, PATH: DEBIAN_PATH });

  beforeAll(async () => {
    mkdirSync(world.serverHome);
    const options = 'size=8m,mode=700';
    const made = await system('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', world.serverHome);
    if (made.code !== 0) throw new Error(made.stderr);
    await world.startServer();
    const path = join(world.serverHome, 'server.json');
    const state: { public: string } = JSON.parse(readFileSync(path, 'utf8'));
    people = accountsAt(`http://${state.public}`);
    session = await people.register('ann@example.com', PASSWORD);
  }, 60_000);
  afterAll(async () => {
    await world.postern('admin', 'server', 'stop');
    await system('umount', '-l', world.serverHome);
    await world.close();
  }, 60_000);

  it('refuses what it cannot keep and says when to come back', async () => {
    try {
      for (;;) writeFileSync(filler, CHUNK, { flag: 'a' });
    } catch (reason) {
      expect(reason).toMatchObject({ code: 'ENOSPC' });
    }
    let refusal = await people.ask('GET', '/self-service/login/api');
    for (let i = 0; i < ATTEMPTS_MAX && refusal.status === 200; i++)
      refusal = await people.ask('GET', '/self-service/login/api');
    expect(refusal.status, refusal.text).toBe(503);
    expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refusal.json.error.code).toBe(503);
    expect(refusal.text).not.toMatch(/sqlite|\/tmp/i);
    await expect(people.register('bob@example.com', PASSWORD)).rejects.toThrow();
  }, 60_000);

  it('whoever is signed in stays so meanwhile', async () => {
    expect((await people.whoami(session)).status).toBe(200);
  });

  it('space that comes back is enough', async () => {
    rmSync(filler);
    const token = await until(() => people.register('bob@example.com', PASSWORD), 'a registration');
    expect((await people.whoami(token)).status).toBe(200);
    expect((await people.login('ann@example.com', PASSWORD)).status).toBe(200);
  }, 30_000);
});
