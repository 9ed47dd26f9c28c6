/**
 * Everything that a benchmark starts and writes, in one place that ends it: its own roles (`portals/role.ts`),
 * foreign programs, commands, and one scratch folder. `close` may be called at any moment, also in the middle of a
 * start: nothing is started after it.
 */
import { type ChildProcess, fork, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Load, LoadResult, Order } from './portals/wire.ts';

/** A program that is not ready by then has failed. */
const START_MS_MAX = 30_000;
const POLL_MS = 20;
/** What is asked to end has this long before it is killed. */
const END_MS_MAX = 10_000;
/** How much of a program's last words is kept for the report of its failure. */
const COMPLAINT_CHARACTERS_MAX = 2_000;

/** A program that the benchmark compares with and that is not on this machine. */
export class MissingPeer extends Error {}

export interface Role {
  readonly child: ChildProcess;
  /** Where it listens, one port for each of its services. */
  readonly ports: readonly number[];
}

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

export class Stage {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  readonly #children = new Set<ChildProcess>();
  readonly #folders: string[] = [this.folder];
  #closing: Promise<void> | undefined;

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Makes sure that a folder outside the scratch folder is there; one that was not is removed at the end. */
  lendFolder(path: string): void {
    const made = mkdirSync(path, { recursive: true });
    if (made !== undefined) this.#folders.push(made);
  }

  #keep<T extends ChildProcess>(start: () => T): T {
    if (this.isClosing) throw new Error('The benchmark is ending');
    const child = start();
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    // Whoever waits for the child sees that it is not there; nobody may be waiting.
    child.on('error', () => undefined);
    return child;
  }

  /** Keeps a process that is started now, and ends it at the latest when this closes. */
  child<T extends ChildProcess>(start: () => T): T {
    return this.#keep(start);
  }

  /** Starts one of the benchmark's own roles; resolves when it listens. */
  async role(order: Order): Promise<Role> {
    const child = this.#keep(() => fork(join(import.meta.dirname, 'portals/role.ts')));
    child.send(order);
    const answer = await this.#answer(child, order.role);
    if (!('ready' in answer)) throw new Error(`${order.role} did not start`);
    return { child, ports: answer.ready };
  }

  /** Has the load process run one load. Throws what the load threw. */
  async load(role: Role, load: Load): Promise<LoadResult> {
    role.child.send(load);
    const answer = await this.#answer(role.child, 'the load process');
    if ('failed' in answer) throw new Error(answer.failed);
    if (!('result' in answer)) throw new Error('The load process gave no result');
    return answer.result;
  }

  #answer(child: ChildProcess, name: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error(`${name} ended before it answered`));
      if (!child.connected) return onExit();
      child.once('exit', onExit);
      // Only role.ts is at the other end, and it sends nothing but answers.
      child.once('message', (answer: Answer) => {
        child.off('exit', onExit);
        resolve(answer);
      });
    });
  }

  /** Starts a program that stays in the foreground; its output is dropped. */
  program(command: string, args: readonly string[], o: ProgramOptions = {}): ChildProcess {
    return this.#keep(() => spawn(command, args, { ...o, stdio: 'ignore' }));
  }

  /** Starts a program that logs JSON lines; resolves with the first one whose `msg` is this. */
  async logging(
    command: string,
    args: readonly string[],
    ready: string,
    o: ProgramOptions = {},
  ): Promise<{ child: ChildProcess; line: Readonly<Record<string, unknown>> }> {
    const options: SpawnOptions = { ...o, stdio: ['ignore', 'pipe', 'pipe'] };
    const child = this.#keep(() => spawn(command, args, options));
    if (child.stdout === null) throw new Error('A piped output is there');
    let complaint = '';
    child.stderr?.on('data', (text: Buffer) => {
      complaint = `${complaint}${text}`.slice(-COMPLAINT_CHARACTERS_MAX);
    });
    const lines = createInterface(child.stdout);
    const found = new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
      child.once('close', () =>
        reject(new Error(`${command} ended before it was ready: ${complaint.trim()}`)),
      );
      lines.on('line', (text) => {
        if (!text.startsWith('{')) return;
        const line: Readonly<Record<string, unknown>> = JSON.parse(text);
        if (line['msg'] === ready) resolve(line);
      });
    });
    return { child, line: await soon(found, `${command} was not ready`) };
  }

  /** Runs a command to its end; answers its standard output. Throws with its standard error when it fails. */
  async execute(command: string, args: readonly string[], o: ProgramOptions = {}): Promise<string> {
    const options: SpawnOptions = { ...o, stdio: ['ignore', 'pipe', 'pipe'] };
    const child = this.#keep(() => spawn(command, args, options));
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (text: Buffer) => {
      stdout += text;
    });
    child.stderr?.on('data', (text: Buffer) => {
      stderr += text;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`${command} ${args[0] ?? ''} failed: ${stderr.trim()}`);
    return stdout.trim();
  }

  /** Ends these processes and waits until they are gone. */
  async end(children: readonly ChildProcess[]): Promise<void> {
    const running = children.filter((c) => this.#children.has(c) && c.pid !== undefined);
    const gone = Promise.all(running.map((c) => once(c, 'exit')));
    // SIGINT: PostgreSQL then ends at once instead of waiting for its clients; all others take it as an end too.
    for (const c of running) c.kill('SIGINT');
    await Promise.race([gone, sleep(END_MS_MAX, undefined, { ref: false })]);
    for (const c of running) if (this.#children.has(c)) c.kill('SIGKILL');
    await gone;
  }

  /** Ends everything, newest first in the list, and removes what was written. */
  close(): Promise<void> {
    this.#closing ??= this.end([...this.#children].reverse()).finally(() => {
      for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
    });
    return this.#closing;
  }
}

async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  const over = new AbortController();
  const late = sleep(START_MS_MAX, undefined, { signal: over.signal }).then(() =>
    Promise.reject(new Error(`${what} within ${START_MS_MAX / 1000} s`)),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    late.catch(() => undefined);
    over.abort();
  }
}

/** A port that was free a moment ago, for programs that cannot pick their own. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('A TCP server has a port');
  return address.port;
}

/** Waits until the program passes the check. Throws when it ends before, or takes too long. */
export async function untilReady(
  child: ChildProcess,
  check: () => Promise<unknown>,
): Promise<void> {
  const untilMs = performance.now() + START_MS_MAX;
  while (performance.now() < untilMs) {
    if (child.pid === undefined) throw new Error(`${child.spawnfile} could not be started`);
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${child.spawnfile} ended with ${child.exitCode ?? child.signalCode}`);
    try {
      await check();
      return;
    } catch {
      await sleep(POLL_MS);
    }
  }
  throw new Error(`${child.spawnfile} was not ready within ${START_MS_MAX / 1000} s`);
}

/** Waits until the program listens on a loopback port. Throws as `untilReady` does. */
export function listening(port: number, child: ChildProcess): Promise<void> {
  return untilReady(child, async () => {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
    } finally {
      socket.destroy();
    }
  });
}
