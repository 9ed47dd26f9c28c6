/** For tests: a PostgreSQL server of one's own, in a temporary folder on a Unix socket, run as an unprivileged user. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const BINARIES = [
  '/usr/lib/postgresql/15/bin',
  '/usr/lib/postgresql/16/bin',
  '/usr/lib/postgresql/17/bin',
];
const READY_TRIES = 200;

/** Where PostgreSQL's programs are; undefined when it is not installed. */
export const postgresBinaries: string | undefined = BINARIES.find((b) =>
  existsSync(join(b, 'postgres')),
);

/** Tests with a real peer are left out when it is absent, unless every peer is required. */
export const hasPostgres: boolean =
  postgresBinaries !== undefined || process.env['POSTERN_REQUIRE_PEERS'] === '1';

export interface PostgresServer {
  readonly url: string;
  start(): Promise<void>;
  /** Stops at once, as a crash of it would look. */
  stop(): Promise<void>;
  /** Stops it and removes its folder. */
  remove(): Promise<void>;
}

function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const user of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: 'pipe' }).trim());
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // The next user, then.
    }
  }
  throw new Error('PostgreSQL refuses to run as root, and there is no user postgres or nobody');
}

/** Makes a database and starts a server on it. */
export async function startPostgres(): Promise<PostgresServer> {
  const binaries = postgresBinaries;
  if (binaries === undefined) throw new Error('PostgreSQL is required and not installed');
  const user = unprivileged();
  const folder = mkdtempSync(join(tmpdir(), 'postern-pg-'));
  chmodSync(folder, 0o700);
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const identity = { ...user, cwd: folder };
  execFileSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'postern', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'],
    { ...identity, stdio: 'pipe' },
  );
  let running: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const settings = ['-c', 'listen_addresses=', '-c', `unix_socket_directories=${folder}`];
    running = spawn(join(binaries, 'postgres'), ['-D', data, ...settings], {
      ...identity,
      stdio: 'ignore',
    });
    for (let i = 0; i < READY_TRIES; i++) {
      try {
        execFileSync(join(binaries, 'pg_isready'), ['-h', folder], { ...identity, stdio: 'pipe' });
        return;
      } catch {
        await sleep(50);
      }
    }
    throw new Error('PostgreSQL did not start');
  };
  const stop = async (): Promise<void> => {
    if (running === undefined || running.exitCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGQUIT');
    await ended;
  };
  await start();
  return {
    url: `postgres://postern@/postgres?host=${encodeURIComponent(folder)}`,
    start,
    stop,
    remove: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
