/** One portal under a crowd, and one relay under a fleet: the same runs at the size of `npm test` and at the full one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { createPortalPair } from './portal-pair.ts';
import { freePort, until, World } from './postern.ts';

const PAGE_BYTES = 4096;
const KB = 1024;
const ANSWER_MS = 5_000;

/** A process of the tests that prints JSON lines. */
class Talker {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  constructor(file: string, args: readonly string[]) {
    const path = new URL(file, import.meta.url).pathname;
    this.child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.child.stdout === null) throw new Error('no output');
    this.#lines = createInterface(this.child.stdout)[Symbol.asyncIterator]();
  }
  async hear(): Promise<Record<string, number>> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('it ended without a word');
    return JSON.parse(value);
  }
  poke(): void {
    this.child.stdin?.write('\n');
  }
}

const residentBytes = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;

/** Does the service behind this inlet answer? */
async function echoes(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', timeout: ANSWER_MS });
  try {
    socket.on('timeout', () => socket.destroy(new Error('no answer')));
    socket.write('x');
    await once(socket, 'data');
  } finally {
    socket.destroy();
  }
}

export class Scale {
  readonly world: World = new World();
  readonly #talkers: Talker[] = [];
  #inletPort = 0;
  #echoPort = 0;

  #talk(file: string, ...args: (string | number)[]): Talker {
    const talker = new Talker(file, args.map(String));
    this.#talkers.push(talker);
    return talker;
  }

  async start(): Promise<void> {
    this.#echoPort = (await this.#talk('./crowd-process.ts', 'target').hear())['port'] ?? 0;
    await this.world.startServer();
    this.#inletPort = await createPortalPair(this.world, this.#echoPort);
  }
  async close(): Promise<void> {
    for (const { child } of this.#talkers) child.kill('SIGKILL');
    await this.world.close();
  }

  /** Holds idle connections; prints what each costs each process; all must still answer at the end. */
  async idle(count: number): Promise<void> {
    const pids = {
      'outlet node': await this.world.nodePid('db', 'db'),
      'inlet node': await this.world.nodePid('web', 'web'),
      server: this.world.serverPid(),
    };
    const before = Object.values(pids).map(residentBytes);
    const startMs = performance.now();
    const crowd = this.#talk('./crowd-process.ts', 'hold', this.#inletPort, count);
    expect(await crowd.hear()).toEqual({ answered: count });
    const openMs = performance.now() - startMs;
    const costs = Object.entries(pids).map(
      ([name, pid], i) =>
        `${name} ${((residentBytes(pid) - (before[i] ?? 0)) / count / KB).toFixed(1)} KB`,
    );
    console.log(
      `${count} idle connections, opened in ${openMs.toFixed(0)} ms; resident memory of each: ${costs.join(', ')}`,
    );
    crowd.poke();
    expect(await crowd.hear()).toEqual({ answered: count });
    crowd.child.stdin?.end();
  }

  /** Opens connections at a steady rate; none may be lost. */
  async rate(perSecond: number, seconds: number): Promise<void> {
    const said = await this.#talk(
      './crowd-process.ts',
      ...['rate', this.#inletPort, perSecond, seconds],
    ).hear();
    console.log(
      `${perSecond} connections a second for ${seconds} s: ${said['answered']} answered, ` +
        `the slowest after ${said['slowestMs']?.toFixed(0)} ms, all after ${said['endedMs']?.toFixed(0)} ms`,
    );
    expect(said['answered']).toBe(perSecond * seconds);
    // Kept up: the last are answered soon after they were opened.
    expect(said['endedMs']).toBeLessThan((seconds + 2) * 1000);
  }

  /** Runs nodes in a few processes, each node with a relay; every one must be reachable. */
  async fleet(count: number, processes: number): Promise<void> {
    const ticket = await this.world.ok(
      'admin',
      ...['project', 'ticket', '--relay', '*', '--usage-count', String(count)],
    );
    const startMs = performance.now();
    const fleets = Array.from({ length: processes }, (_, p) =>
      this.#talk(
        './fleet-process.ts',
        `${this.world.folder}/fleet${p}`,
        ticket,
        p * Math.ceil(count / processes),
        Math.min(count, (p + 1) * Math.ceil(count / processes)),
        this.#echoPort,
      ),
    );
    const up = await Promise.all(fleets.map((f) => f.hear()));
    expect(up.reduce((sum, u) => sum + (u['up'] ?? 0), 0)).toBe(count);
    console.log(`${count} nodes joined in ${(performance.now() - startMs).toFixed(0)} ms`);
    await this.#reachAll(count);
    for (const { child } of fleets) child.stdin?.end();
  }

  /** One node with an inlet to each of them. */
  async #reachAll(count: number): Promise<void> {
    const ports: number[] = [];
    const startMs = performance.now();
    for (let i = 0; i < count; i++) {
      const port = await freePort();
      await this.world.ok(
        'web',
        ...['tcp-inlet', 'create', '--at', 'web', '--from', String(port)],
        ...['--via', `n${i}`, '--alias', `to-n${i}`],
      );
      ports.push(port);
    }
    await Promise.all(ports.map((port) => until(() => echoes(port), `an answer at ${port}`)));
    console.log(`${count} nodes reached in ${(performance.now() - startMs).toFixed(0)} ms`);
  }
}
