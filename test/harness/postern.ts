/** Starts the real program in homes of its own, on ports that the system picks, and leaves nothing behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT: string = resolve(import.meta.dirname, '../..');
export const PROGRAM: string = join(ROOT, 'bin/postern');

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function execute(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  o: { cwd?: string; input?: string; timeoutMs?: number } = {},
): Promise<Outcome> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      env,
      ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (c: Buffer) => {
      stdout += c;
    });
    child.stderr.on('data', (c: Buffer) => {
      stderr += c;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), o.timeoutMs ?? 60_000);
    child.once('error', fail);
    child.once('close', (code) => {
      clearTimeout(timer);
      done({ code: code ?? -1, stdout: stdout.trim(), stderr: stderr.trim() });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(o.input ?? '');
  });
}

/** Below the range that Linux gives outgoing connections, so that none of those takes a port before its server does. */
const PORTS = { first: 10_240, last: 32_767 } as const;

/** A port that is free now, and stays so but for another test that picks the same of twenty thousand. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const attempt = (left: number): void => {
      const server = createServer();
      const port = randomInt(PORTS.first, PORTS.last + 1);
      server.once('error', (reason) => (left > 0 ? attempt(left - 1) : fail(reason)));
      server.listen(port, '127.0.0.1', () => server.close(() => done(port)));
    };
    attempt(100);
  });
}

/** Waits until `check` answers without throwing. */
export async function until<T>(
  check: () => Promise<T> | T,
  what: string,
  withinMs: number = 15_000,
): Promise<T> {
  const end = Date.now() + withinMs;
  let last: unknown;
  while (Date.now() < end) {
    try {
      return await check();
    } catch (reason) {
      last = reason;
      await sleep(50);
    }
  }
  throw new Error(`${what} did not happen within ${withinMs} ms`, { cause: last });
}

export class World {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'postern-test-'));
  readonly serverHome: string = join(this.folder, 'server');
  #nodePort = 0;
  readonly #extra: NodeJS.ProcessEnv;
  readonly #place: (home: string) => readonly string[];
  readonly #children: ChildProcess[] = [];

  /**
   * `extra` is in the environment of every command, and so of every daemon; `place` is put in front of a home's commands,
   * such as `ip netns exec NAME`.
   */
  constructor(
    extra: NodeJS.ProcessEnv = {},
    place: (home: string) => readonly string[] = () => [],
  ) {
    this.#extra = extra;
    this.#place = place;
  }

  env(home: string, extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const { OCKAM_HOME: _o, POSTERN_DATABASE: _d, ...rest } = process.env;
    return {
      ...rest,
      POSTERN_HOME: join(this.folder, home),
      POSTERN_SERVER_HOME: this.serverHome,
      POSTERN_LISTEN_NODES: `127.0.0.1:${this.#nodePort}`,
      POSTERN_LISTEN_PUBLIC: '127.0.0.1:0',
      POSTERN_LISTEN_ACCOUNTS_ADMIN: '127.0.0.1:0',
      POSTERN_LISTEN_PERMISSIONS_READ: '127.0.0.1:0',
      POSTERN_LISTEN_PERMISSIONS_WRITE: '127.0.0.1:0',
      POSTERN_LISTEN_PERMISSIONS_METRICS: '127.0.0.1:0',
      POSTERN_LISTEN_PERMISSIONS_OPL: '127.0.0.1:0',
      NO_COLOR: '1',
      ...this.#extra,
      ...extra,
    };
  }
  get nodePort(): number {
    return this.#nodePort;
  }

  /** Runs `postern …` in a home. */
  postern(home: string, ...args: string[]): Promise<Outcome> {
    const [command = PROGRAM, ...rest] = [...this.#place(home), PROGRAM, ...args];
    return execute(command, rest, this.env(home));
  }
  /** Runs `postern …` and insists on success; answers stdout. */
  async ok(home: string, ...args: string[]): Promise<string> {
    const outcome = await this.postern(home, ...args);
    if (outcome.code !== 0)
      throw new Error(`postern ${args.join(' ')} ended with ${outcome.code}: ${outcome.stderr}`);
    return outcome.stdout;
  }

  async startServer(...options: string[]): Promise<void> {
    if (this.#nodePort === 0) this.#nodePort = await freePort();
    await this.ok('admin', 'server', 'start', ...options);
  }
  serverPid(): number {
    const state: { pid: number } = JSON.parse(
      readFileSync(join(this.serverHome, 'server.json'), 'utf8'),
    );
    return state.pid;
  }
  /** `host:port` of the permission listeners. */
  permissionPorts(): Readonly<Record<'read' | 'write' | 'metrics' | 'opl', string>> {
    const state: {
      permissions: Readonly<Record<'read' | 'write' | 'metrics' | 'opl', string>>;
    } = JSON.parse(readFileSync(join(this.serverHome, 'server.json'), 'utf8'));
    return state.permissions;
  }
  /** Asks the server's admin socket. */
  askAdmin(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          ...{ socketPath: join(this.serverHome, 'admin.sock'), method, path },
          headers: body === undefined ? {} : { 'content-type': 'application/json' },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
          );
        },
      );
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
  /** Makes a source the current permission model. */
  async applyModel(source: string, kind: 'opl' | 'names' = 'opl'): Promise<void> {
    const { status, body } = await this.askAdmin('POST', '/api/v1/permission-models', {
      source,
      kind,
    });
    if (status !== 201) throw new Error(`the model was refused with ${status}: ${body}`);
  }
  async nodePid(home: string, name: string): Promise<number> {
    const shown: { pid: number } = JSON.parse(await this.ok(home, 'node', 'show', name));
    return shown.pid;
  }

  spawn(
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
    cwd: string = ROOT,
  ): ChildProcess {
    const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'ignore', 'inherit'] });
    this.#children.push(child);
    return child;
  }

  /** Ends everything that was started here. */
  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const home of readdirSync(this.folder))
      if (home !== 'server')
        await this.postern(home, 'node', 'delete', '--all', '--yes').catch(() => undefined);
    await this.postern('admin', 'server', 'stop').catch(() => undefined);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
