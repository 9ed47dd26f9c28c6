/** Real peers from Debian's packages. A missing one is named; with POSTERN_REQUIRE_PEERS=1 it is a failure. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { execute, freePort, until } from './postern.ts';

/** Debian's tools first: /usr/bin before whatever else is on the PATH. */
export const DEBIAN_PATH: string = `/usr/bin:/bin:/usr/sbin:/sbin:${process.env['PATH'] ?? ''}`;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The folder of PostgreSQL's server programs, newest version first. */
export function postgresBin(): string | undefined {
  try {
    const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a));
    return versions
      .map((v) => `/usr/lib/postgresql/${v}/bin`)
      .find((p) => isExecutable(`${p}/postgres`));
  } catch {
    return undefined;
  }
}

/** Which of these are missing here; prints them. Throws under POSTERN_REQUIRE_PEERS=1. */
export function missingPeers(wanted: Readonly<Record<string, boolean>>): string[] {
  const missing = Object.keys(wanted).filter((name) => wanted[name] !== true);
  if (missing.length > 0) {
    console.log(`skipped for want of: ${missing.join(', ')}`);
    if (process.env['POSTERN_REQUIRE_PEERS'] === '1')
      throw new Error(`missing peers: ${missing.join(', ')}`);
  }
  return missing;
}

export const has = {
  program: (name: string): boolean =>
    DEBIAN_PATH.split(':').some((p) => isExecutable(`${p}/${name}`)),
  python: async (module: string): Promise<boolean> =>
    (
      await execute('/usr/bin/python3', ['-c', `import ${module}`], process.env).catch(() => ({
        code: 1,
      }))
    ).code === 0,
  netns: async (): Promise<boolean> => {
    const name = `postern-probe-${process.pid}`;
    const made = await execute('ip', ['netns', 'add', name], {
      ...process.env,
      PATH: DEBIAN_PATH,
    }).catch(() => ({ code: 1 }));
    if (made.code !== 0) return false;
    await execute('ip', ['netns', 'delete', name], { ...process.env, PATH: DEBIAN_PATH });
    return true;
  },
};

export interface Postgres {
  readonly port: number;
  readonly bin: string;
  readonly process: ChildProcess;
  /** Shuts it down and keeps its data. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

/** PostgreSQL does not run as root: a command as the user postgres where we are root. */
function asPostgres(command: string, args: readonly string[]): [string, string[]] {
  return userInfo().uid === 0
    ? ['runuser', ['-u', 'postgres', '--', command, ...args]]
    : [command, [...args]];
}

/** Starts a PostgreSQL of its own in a folder of its own (its user could not enter ours); superuser postgres, password `password`. `prefix` may enter a namespace. */
export async function startPostgres(
  o: { port?: number; prefix?: readonly string[] } = {},
): Promise<Postgres> {
  const bin = postgresBin();
  if (bin === undefined) throw new Error('no PostgreSQL here');
  const port = o.port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), 'postern-pg-'));
  const data = join(folder, 'data');
  writeFileSync(join(folder, 'password'), 'password\n', { mode: 0o644 });
  mkdirSync(data, { mode: 0o700 });
  chmodSync(folder, 0o755);
  const env = { ...process.env, PATH: DEBIAN_PATH, LC_ALL: 'C', PGPASSWORD: 'password' };
  if (userInfo().uid === 0) {
    const ids = await execute('id', ['-u', 'postgres'], env);
    const groups = await execute('id', ['-g', 'postgres'], env);
    chownSync(data, Number(ids.stdout), Number(groups.stdout));
  }
  const [initdb, initArgs] = asPostgres(`${bin}/initdb`, [
    '-D',
    data,
    '-U',
    'postgres',
    '--auth=scram-sha-256',
    `--pwfile=${folder}/password`,
  ]);
  const made = await execute(initdb, initArgs, env, { cwd: '/' });
  if (made.code !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const prefix = o.prefix ?? [];
  const [command, args] = asPostgres(`${bin}/postgres`, [
    '-D',
    data,
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
    '-c',
    'fsync=off',
    '-c',
    'max_connections=100',
  ]);
  const whole = [...prefix, command, ...args];
  const launch = (): ChildProcess =>
    spawn(whole[0] ?? '', whole.slice(1), { env, stdio: 'ignore', cwd: '/' });
  let child = launch();
  const psql = [
    ...prefix,
    `${bin}/psql`,
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    '-U',
    'postgres',
    '-c',
    'select 1',
  ];
  const answers = (): Promise<void> =>
    until(async () => {
      const asked = await execute(psql[0] ?? '', psql.slice(1), env);
      if (asked.code !== 0) throw new Error(asked.stderr);
    }, 'PostgreSQL');
  const end = (): Promise<void> =>
    new Promise((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done();
      child.once('exit', () => done());
      // Fast shutdown of the server itself: runuser does not hand that signal on.
      const [pid] = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
      process.kill(Number(pid), 'SIGINT');
    });
  await answers();
  return {
    port,
    bin,
    get process() {
      return child;
    },
    pause: end,
    resume: () => {
      child = launch();
      return answers();
    },
    stop: async () => {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
