/** Enemies on the same machine, and text that peers choose: modes, other users' folders, logs and terminals. */
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptChannel, refuseStream } from '../../src/channel/index.ts';
import { PosternError } from '../../src/kernel/index.ts';
import { nodePlaces, portOf, raiseStage, type Stage, steal } from '../harness/hostile.ts';
import { DEBIAN_PATH, has } from '../harness/peers.ts';
import { execute, PROGRAM, until } from '../harness/postern.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await raiseStage();
}, 120_000);
afterAll(() => stage.close(), 60_000);

/** Everything below a folder, with its path. */
function everything(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...everything(path)] : [path];
  });
}
/** Public by its nature: what others verify the server with. */
const PUBLIC = /\/server\/ca\.pem$/;

describe('another user of the machine', () => {
  it('has no right to any file, folder or socket of a home or of the server', () => {
    const { folder } = stage.world;
    const homes = ['server', 'admin', 'db', 'web'].map((h) => join(folder, h));
    for (const path of homes.flatMap((h) => [h, ...everything(h)])) {
      if (PUBLIC.test(path)) continue;
      const { mode, uid } = lstatSync(path);
      expect(uid, path).toBe(userInfo().uid);
      expect(mode & 0o077, `${path} has mode ${(mode & 0o777).toString(8)}`).toBe(0);
    }
  });

  it.runIf(userInfo().uid === 0 && has.program('runuser'))(
    'can not reach the sockets, nor read the keys',
    async () => {
      const { folder, serverHome } = stage.world;
      // The way to the homes is open to all here; only their own modes stand between.
      chmodSync(folder, 0o755);
      const { socket } = nodePlaces(stage.world, 'db');
      const nobody = (script: string) =>
        execute(
          'runuser',
          ['-u', 'nobody', '--', 'python3', '-c', script],
          { ...process.env, PATH: DEBIAN_PATH },
          { cwd: '/' },
        );
      for (const path of [socket, join(serverHome, 'admin.sock')]) {
        const script = `import socket; socket.socket(socket.AF_UNIX).connect(${JSON.stringify(path)})`;
        expect((await nobody(script)).stderr).toContain('PermissionError');
      }
      for (const file of ['server/root.key', 'server/server.sqlite3', 'db/database.sqlite3']) {
        const script = `open(${JSON.stringify(join(folder, file))})`;
        expect((await nobody(script)).stderr).toContain('PermissionError');
      }
    },
  );

  it('can not lay a folder of its own in the way of a socket', async () => {
    // A home whose path is too long for a socket has it in a folder below the system's temporary one.
    const temporary = join(stage.world.folder, 'tmp');
    mkdirSync(temporary);
    const trap = join(temporary, `postern-${userInfo().uid}`);
    mkdirSync(trap, { mode: 0o777 });
    chmodSync(trap, 0o777);
    const home = join(stage.world.folder, 'long'.repeat(30));
    const env = stage.world.env('x', { POSTERN_HOME: home, TMPDIR: temporary });
    const made = await execute(PROGRAM, ['node', 'create', 'n'], env);
    expect(made.code).toBe(70);
    expect(made.stderr).toContain("is not this user's alone");
    rmSync(home, { recursive: true, force: true });
    expect(tmpdir()).not.toBe(temporary);
  });
});

describe('text that a peer chose', () => {
  const ESCAPES = '\u001b[2J\u001b]0;owned\u0007\r\n{"level":30,"msg":"forged"}\u009b31m';
  const CONTROLS = /(?!\n)\p{Cc}/u;

  it('reaches logs and terminals without control characters', async () => {
    const { world } = stage;
    const ticket = 'project ticket --attribute component=db'.split(' ');
    await world.ok('mallory', 'project', 'enroll', await world.ok('admin', ...ticket));
    const { credential } = steal(world, 'mallory');
    const server = createServer((socket) => {
      const refusal = (): PosternError =>
        new PosternError('denied', `no ${ESCAPES}`, { decisionId: 'dec_x' });
      acceptChannel(
        socket,
        { local: () => credential, isRevoked: () => false, nowMs: () => Date.now() },
        {
          onConnect: (stream) => refuseStream(stream, refusal()),
          onProbe: () => {
            throw refusal();
          },
          onMessage: () => Promise.reject(refusal()),
        },
      ).catch(() => undefined);
    });
    await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
    const to = `/dnsaddr/127.0.0.1/tcp/${portOf(server)}/secure/api/service/outlet`;
    await world.ok('web', 'tcp-inlet', 'create', '--alias', 'trap', '--to', to);
    await until(async () => {
      const shown = JSON.parse(await world.ok('web', 'tcp-inlet', 'show', 'trap'));
      expect(shown.last_failure).toContain('no ');
      expect(shown.last_failure).not.toMatch(CONTROLS);
    }, 'the refusal');
    for (const line of ['tcp-inlet show trap', 'tcp-inlet list', 'node show web']) {
      const said = await world.postern('web', ...line.split(' '), '--output', 'plain');
      expect(`${said.stdout}${said.stderr}`).not.toMatch(CONTROLS);
    }
    const sent = await world.postern('web', 'message', 'send', 'hello', '--to', to);
    expect(sent.code).toBe(70);
    expect(sent.stderr).not.toMatch(CONTROLS);
    const log = readFileSync(join(world.folder, 'web/nodes/web/stdout.log'), 'utf8');
    expect(log).not.toMatch(CONTROLS);
    for (const line of log.trim().split('\n')) expect(JSON.parse(line).msg).not.toBe('forged');
    await world.ok('web', 'tcp-inlet', 'delete', 'trap', '--yes');
    server.close();
  });

  it('is refused where it would be kept: attributes, names of nodes and of tickets', async () => {
    const { world } = stage;
    const bad = await world.postern('admin', 'project', 'ticket', '--attribute', `a=${ESCAPES}`);
    expect(bad.code).toBe(70);
    expect(bad.stderr).not.toMatch(CONTROLS);
    for (const line of [
      ['node', 'show', ESCAPES],
      ['tcp-inlet', 'show', ESCAPES],
      ['relay', 'show', ESCAPES],
      ['project', 'enroll', ESCAPES],
      ['explain', ESCAPES],
    ]) {
      const said = await world.postern('web', ...line);
      expect(said.code).not.toBe(0);
      expect(said.stderr, line.join(' ')).not.toMatch(CONTROLS);
    }
  });
});
