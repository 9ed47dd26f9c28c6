/** A PostgreSQL server of the benchmark's own, and pgbench against it. */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, listening, type Stage } from './process.ts';

const BINARIES = [15, 16, 17, 18].map((v) => `/usr/lib/postgresql/${v}/bin`);
const SCALE = 10;
const CLIENTS = 16;

/** Where PostgreSQL's programs are; undefined when it is not installed. */
const binaries = BINARIES.find(
  (b) => existsSync(join(b, 'postgres')) && existsSync(join(b, 'pgbench')),
);

/** PostgreSQL refuses to run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }).trim());
  return { uid: id('-u'), gid: id('-g') };
}

const connection = (port: number): string[] => [
  '-h',
  '127.0.0.1',
  '-p',
  String(port),
  '-U',
  'bench',
];

/** Starts a server with pgbench's tables; answers its port, or undefined where there is none. */
export async function startPostgres(stage: Stage): Promise<number | undefined> {
  if (binaries === undefined) return undefined;
  const user = unprivileged();
  const data = join(stage.folder, 'postgres');
  mkdirSync(data, { mode: 0o700 });
  if (user !== undefined) {
    chmodSync(stage.folder, 0o711);
    chownSync(data, user.uid, user.gid);
  }
  execFileSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'],
    { ...user, cwd: '/', stdio: 'ignore' },
  );
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    // The disk is not what is measured.
    synchronous_commit: 'off',
  };
  stage.program(
    'postgres',
    join(binaries, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
    user,
  );
  await listening(port);
  execFileSync(
    join(binaries, 'pgbench'),
    ['-i', '-q', '-s', String(SCALE), ...connection(port), 'postgres'],
    { stdio: 'ignore' },
  );
  return port;
}

/** Transactions a second by pgbench at 16 clients through a port. */
export async function pgbench(
  port: number,
  script: 'select' | 'tpcb',
  seconds: number,
): Promise<number> {
  if (binaries === undefined) throw new Error('pgbench is not installed');
  const { stdout } = await promisify(execFile)(join(binaries, 'pgbench'), [
    ...(script === 'select' ? ['-S'] : []),
    ...['-n', '-M', 'prepared', '-c', String(CLIENTS), '-j', '2', '-T', String(seconds)],
    ...connection(port),
    'postgres',
  ]);
  const match = /tps = ([\d.]+)/.exec(stdout);
  if (match?.[1] === undefined) throw new Error('pgbench printed no rate');
  return Number(match[1]);
}
