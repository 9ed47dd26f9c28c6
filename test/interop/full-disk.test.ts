/** A disk that is full: nothing is half done, what runs goes on, and space that comes back is enough. Root. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEBIAN_PATH, missingPeers } from '../harness/peers.ts';
import { execute, freePort, World } from '../harness/postern.ts';
import { ask } from '../harness/talk.ts';

const missing = missingPeers({ 'mount (root)': userInfo().uid === 0 });
const SIZE = '4m';
const CHUNK = Buffer.alloc(4096);

describe.skipIf(missing.length > 0)('a full disk', () => {
  const world = new World();
  const homes = ['server', 'db'];
  let target: net.Server;
  let inlet = 0;

  const mounted = (home: string): string => join(world.folder, home);
  const fill = (home: string): void => {
    for (;;) {
      try {
        writeFileSync(join(mounted(home), 'fill'), CHUNK, { flag: 'a' });
      } catch {
        return;
      }
    }
  };
  const free = (home: string): void => rmSync(join(mounted(home), 'fill'));

  beforeAll(async () => {
    for (const home of homes) {
      mkdirSync(mounted(home));
      const made = await execute(
        'mount',
        ['-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'tmpfs', mounted(home)],
        { ...process.env, PATH: DEBIAN_PATH },
      );
      if (made.code !== 0) throw new Error(made.stderr);
    }
    target = net.createServer((s) => s.on('error', () => undefined).pipe(s));
    const port = await freePort();
    await new Promise<void>((r) => target.listen(port, '127.0.0.1', r));
    inlet = await freePort();
    await world.startServer();
    await world.ok('admin', 'enroll');
    for (const [home, ...flags] of [['db', '--relay', 'db'], ['web']] as const) {
      const ticket = await world.ok('admin', 'project', 'ticket', ...flags);
      await world.ok(home, 'project', 'enroll', ticket);
      await world.ok(home, 'node', 'create', home);
    }
    await world.ok('db', 'relay', 'create', 'db');
    await world.ok('db', 'tcp-outlet', 'create', '--to', String(port));
    await world.ok('web', 'tcp-inlet', 'create', '--from', String(inlet), '--via', 'db');
    expect(await ask(inlet, 'ping')).toBe('ping');
  }, 120_000);
  afterAll(async () => {
    for (const home of ['db', 'web']) await world.postern(home, 'node', 'delete', '--all', '--yes');
    await world.postern('admin', 'server', 'stop');
    for (const home of homes)
      await execute('umount', ['-l', mounted(home)], { ...process.env, PATH: DEBIAN_PATH });
    await world.close();
    target?.close();
  }, 60_000);

  it('at the server refuses tickets with the reason, keeps portals going, and leaves the audit whole', async () => {
    fill('server');
    const refused = await world.postern('admin', 'project', 'ticket');
    expect(refused.code).toBe(70);
    expect(refused.stderr).toContain('The disk is full');
    expect(await ask(inlet, 'during')).toBe('during');
    free('server');
    const ticket = await world.ok('admin', 'project', 'ticket');
    await world.ok('late', 'project', 'enroll', ticket);
    const verdict = JSON.parse(await world.ok('admin', 'audit', 'verify', '--output', 'json'));
    expect(verdict.intact).toBe(true);
  });

  it('at a node refuses what could not be kept, and does not do it by half', async () => {
    fill('db');
    const refused = await world.postern(
      'db',
      ...['tcp-outlet', 'create', '--from', 'second', '--to', '9', '--allow', 'a'],
    );
    expect(refused.code).toBe(70);
    expect(refused.stderr).toContain('The disk is full');
    expect(await ask(inlet, 'during')).toBe('during');
    const list = JSON.parse(await world.ok('db', 'tcp-outlet', 'list'));
    expect(list.map((o: { worker_addr: string }) => o.worker_addr)).toEqual(['outlet']);
    free('db');
    await world.ok('db', 'tcp-outlet', 'create', '--from', 'second', '--to', '9', '--allow', 'a');
    await world.ok('db', 'node', 'stop', 'db');
    await world.ok('db', 'node', 'start', 'db');
    expect(JSON.parse(await world.ok('db', 'tcp-outlet', 'list'))).toHaveLength(2);
  });
});
