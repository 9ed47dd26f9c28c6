/**
 * Kills the processes of a portal at seeded random moments, and times its return.
 * When a process is killed, the kernel ends the sockets that it held itself: with a reset where bytes were unread, else
 * with a plain end, which no program can choose any more. So what the killed process's own neighbour saw on its local
 * socket (the app beside the inlet, the target beside the outlet) is the kernel's word and stands apart as `byKernel`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until, type World } from './postern.ts';
import type { TransferSize, TransferTarget, Verdict } from './transfer.ts';

export type Victim = 'the outlet node' | 'the inlet node' | 'the server';

const RECOVERY_MS_MAX = 15_000;

/** Mulberry32: small, seedable, good enough to pick moments. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Whose local socket the victim itself held. */
const NEIGHBOUR: Readonly<Record<Victim, 'app' | 'target' | undefined>> = {
  'the outlet node': 'target',
  'the inlet node': 'app',
  'the server': undefined,
};

export interface KillOutcome {
  /** What came through the portal. */
  readonly verdicts: readonly Verdict[];
  /** What the victim's neighbour saw of the victim's own sockets. */
  readonly byKernel: readonly Verdict[];
  /** From the moment when the command that brought the process back returned. */
  readonly recoveryMs: number;
}

export class KillRun {
  readonly seed: number = Number(process.env['POSTERN_SEED'] ?? Date.now() % 1_000_000);
  readonly inletPort: number;
  readonly #world: World;
  readonly #target: TransferTarget;
  readonly #random: () => number;
  readonly #lines: string[] = [];

  constructor(world: World, target: TransferTarget, inletPort: number) {
    this.#world = world;
    this.#target = target;
    this.inletPort = inletPort;
    this.#random = randomOf(this.seed);
  }

  /** A number below `max`, from the seed. */
  random(max: number): number {
    return this.#random() * max;
  }

  async #pid(victim: Victim): Promise<number> {
    if (victim === 'the server') return this.#world.serverPid();
    const name = victim === 'the outlet node' ? 'db' : 'web';
    return this.#world.nodePid(name, name);
  }

  async #restart(victim: Victim): Promise<void> {
    if (victim === 'the server') return this.#world.startServer();
    const name = victim === 'the outlet node' ? 'db' : 'web';
    await this.#world.ok(name, 'node', 'start', name);
  }

  /** Starts transfers, kills the victim in the middle, brings it back, and waits until the portal serves. */
  async kill(
    victim: Victim,
    sizes: readonly TransferSize[],
    momentMsMax: number,
  ): Promise<KillOutcome> {
    const pid = await this.#pid(victim);
    const moment = this.random(momentMsMax);
    const running = sizes.map((size) => this.#target.transfer(this.inletPort, size));
    await sleep(moment);
    process.kill(pid, 'SIGKILL');
    const killedMs = performance.now();
    const pairs = await Promise.all(running);
    const startMs = performance.now();
    await this.#restart(victim);
    const backMs = performance.now();
    await until(() => this.#target.works(this.inletPort), 'the portal again', RECOVERY_MS_MAX);
    const recoveryMs = performance.now() - backMs;
    const seenBy = pairs.flatMap(({ up, down }) => [
      { ...up, at: 'target' },
      { ...down, at: 'app' },
    ]);
    for (const early of this.#target.takeEarly()) seenBy.push({ ...early, at: 'target' });
    const neighbour = NEIGHBOUR[victim];
    const seen = seenBy.map(
      (v) =>
        `${v.at} ${v.kind} ${(v.bytes / 2 ** 20).toFixed(1)} MB +${(v.atMs - killedMs).toFixed(0)} ms`,
    );
    this.#lines.push(
      `${victim} killed after ${moment.toFixed(0)} ms: ${seen.join(', ')}; ` +
        `started in ${(backMs - startMs).toFixed(0)} ms, serving ${recoveryMs.toFixed(0)} ms later`,
    );
    return {
      verdicts: seenBy.filter((v) => v.at !== neighbour),
      byKernel: seenBy.filter((v) => v.at === neighbour),
      recoveryMs,
    };
  }

  report(): string {
    return [`seed ${this.seed} (POSTERN_SEED)`, ...this.#lines].join('\n');
  }
}
