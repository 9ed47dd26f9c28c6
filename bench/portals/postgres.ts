/** A PostgreSQL of the benchmark's own, and pgbench against it. */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, MissingPeer, type Stage, untilReady } from '../stage.ts';

const ROOT = '/usr/lib/postgresql';
/** Rows of pgbench's branches table; as many as clients, so that they do not wait for each other's locks. */
const SCALE = 16;
const CLIENTS = 16;
const THREADS = 2;
const PROGRAMS = ['initdb', 'postgres', 'pg_isready', 'pgbench'];

/** The folder of the newest PostgreSQL that has all its programs. Throws `MissingPeer`. */
function findPrograms(): string {
  const versions = existsSync(ROOT) ? readdirSync(ROOT).map(Number) : [];
  const folder = versions
    .sort((a, b) => b - a)
    .map((version) => `${ROOT}/${version}/bin`)
    .find((path) => PROGRAMS.every((p) => existsSync(join(path, p))));
  if (folder === undefined) throw new MissingPeer('PostgreSQL and pgbench are not installed');
  return folder;
}

/** PostgreSQL refuses to run as root: it gets the user that its package made. */
async function unprivileged(stage: Stage): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): Promise<string> => stage.execute('id', [flag, 'postgres']);
  try {
    return { uid: Number(await id('-u')), gid: Number(await id('-g')) };
  } catch {
    throw new MissingPeer('there is no user postgres');
  }
}

export interface Postgres {
  readonly port: number;
  /** Transactions a second by pgbench at 16 clients through a port; at least a second is measured. */
  pgbench(script: 'select' | 'tpcb', port: number, seconds: number): Promise<number>;
}

/** Starts a server and fills pgbench's tables. Throws `MissingPeer`. */
export async function startPostgres(stage: Stage): Promise<Postgres> {
  const programs = findPrograms();
  const owner = await unprivileged(stage);
  const data = join(stage.folder, 'postgres');
  mkdirSync(data, { mode: 0o700 });
  if (owner !== undefined) {
    // The owner has to pass through the scratch folder to reach its data.
    chmodSync(stage.folder, 0o711);
    chownSync(data, owner.uid, owner.gid);
  }
  const env = { ...process.env, LC_ALL: 'C' };
  await stage.execute(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '-N'],
    { ...owner, env, cwd: data },
  );
  const port = await freePort();
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    // In the data folder, so that nothing stays behind in /dev/shm even when it is killed.
    dynamic_shared_memory_type: 'mmap',
    // The disk is not what is measured.
    fsync: 'off',
    synchronous_commit: 'off',
  };
  const server = stage.program(
    join(programs, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
    { ...owner, env, cwd: data },
  );
  const to = (p: number): string[] => ['-h', '127.0.0.1', '-p', String(p), '-U', 'bench'];
  // It listens before it takes connections.
  await untilReady(server, () => stage.execute(join(programs, 'pg_isready'), to(port)));
  const pgbench = (args: readonly string[]): Promise<string> =>
    stage.execute(join(programs, 'pgbench'), [...args, 'postgres'], { env });
  await pgbench(['-i', '-q', '-I', 'dtGvp', '-s', String(SCALE), ...to(port)]);
  return {
    port,
    pgbench: async (script, through, seconds) => {
      const printed = await pgbench([
        ...(script === 'select' ? ['-S'] : []),
        ...['-n', '-c', String(CLIENTS), '-j', String(THREADS)],
        ...['-T', String(Math.max(1, Math.round(seconds))), ...to(through)],
      ]);
      const rate = /^tps = ([\d.]+)/m.exec(printed)?.[1];
      if (rate === undefined) throw new Error('pgbench printed no rate');
      return Number(rate);
    },
  };
}
