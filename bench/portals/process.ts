/** The benchmark's child processes, and what the kernel says they cost. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Load, LoadResult, Order } from './wire.ts';

/** Clock ticks a second in /proc (USER_HZ is 100 on every Linux port that Node supports). */
const TICKS = 100;
const PAGE_BYTES = 4096;
const LISTEN_TRIES = 200;

export interface Part {
  readonly name: string;
  readonly child: ChildProcess;
}

/** Everything that one run started, ended in one place. */
export class Stage {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  readonly #children: ChildProcess[] = [];

  /** Starts a role in a process of its own; answers the ports on which it listens. */
  async role(name: string, order: Order): Promise<Part & { ports: number[] }> {
    const child = fork(join(import.meta.dirname, 'role.ts'), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#children.push(child);
    child.send(order);
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error(`${name} ended at its start`))),
    ]);
    return { name, child, ports: message.ready };
  }

  /** Starts a foreign program. */
  program(
    name: string,
    command: string,
    args: readonly string[],
    options: { uid?: number; gid?: number } = {},
  ): Part {
    const child = spawn(command, args, { ...options, stdio: 'ignore' });
    child.on('error', () => undefined);
    this.#children.push(child);
    return { name, child };
  }

  async load(part: Part, load: Load): Promise<LoadResult> {
    part.child.send(load);
    const [message] = await once(part.child, 'message');
    if ('failed' in message) throw new Error(`The load failed: ${message.failed}`);
    return message.result;
  }

  async close(): Promise<void> {
    const ended = this.#children
      .filter((c) => c.exitCode === null && c.signalCode === null && c.pid !== undefined)
      .map((c) => once(c, 'exit'));
    // SIGINT ends PostgreSQL at once and cleanly; the others take it as an end too.
    for (const c of [...this.#children].reverse()) c.kill('SIGINT');
    await Promise.race([Promise.all(ended), sleep(3_000)]);
    for (const c of this.#children) c.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A port that was free a moment ago, for programs that cannot pick their own. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return address.port;
}

/** Waits until something listens on the port. */
export async function listening(port: number): Promise<void> {
  for (let i = 0; i < LISTEN_TRIES; i++) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await sleep(50);
    } finally {
      socket.destroy();
    }
  }
  throw new Error(`Nothing listens on port ${port}`);
}

/** Each process by id: parent, CPU seconds of all its threads, resident bytes. */
function processes(): Map<number, { parent: number; cpuSeconds: number; residentBytes: number }> {
  const found = new Map<number, { parent: number; cpuSeconds: number; residentBytes: number }>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      // proc(5): fields after the parenthesised name; 4 is ppid, 14 and 15 the times, 24 the resident pages.
      const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      found.set(Number(entry), {
        parent: Number(f[1]),
        cpuSeconds: (Number(f[11]) + Number(f[12])) / TICKS,
        residentBytes: Number(f[21]) * PAGE_BYTES,
      });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

export interface Cost {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** What the parts cost so far, each with its descendants. */
export function costs(parts: readonly Part[]): Map<string, Cost> {
  const all = processes();
  const sum = (pid: number): Cost => {
    const own = all.get(pid);
    let total: Cost = { cpuSeconds: own?.cpuSeconds ?? 0, residentBytes: own?.residentBytes ?? 0 };
    for (const [child, p] of all)
      if (p.parent === pid) {
        const below = sum(child);
        total = {
          cpuSeconds: total.cpuSeconds + below.cpuSeconds,
          residentBytes: total.residentBytes + below.residentBytes,
        };
      }
    return total;
  };
  return new Map(parts.map((p) => [p.name, sum(p.child.pid ?? -1)]));
}
