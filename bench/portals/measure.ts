/** The measurements: every load on every path, interleaved, so that paths are compared within seconds of each other. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Role, Stage } from '../stage.ts';
import { costOf } from './costs.ts';
import { type Path, type PathName, PLACES, type Place, type Services } from './path.ts';
import { closePath, openPath } from './paths.ts';
import type { Postgres } from './postgres.ts';
import type { Samples } from './samples.ts';
import type { Load } from './wire.ts';

export const CONNECTIONS = [1, 16, 128, 256] as const;
/** Those whose processes are all ours to weigh: Postern, and the floor. */
const WEIGHED: readonly PathName[] = ['splice', 'relay', 'to node'];
/** Opened and closed before weighing, so that code and channels are there already. */
const WARM_CONNECTIONS = 100;
/** A path has so long to close what the last load left before the next one starts. */
const SETTLE_MS = 50;
const IDLE_SETTLE_MS = 500;

export interface Plan {
  readonly runs: number;
  /** How long each load is measured, its warm-up apart. */
  readonly seconds: number;
  readonly idleConnections: number;
}

export interface Bench {
  readonly stage: Stage;
  readonly load: Role;
  readonly services: Services;
  readonly postgres: Postgres | undefined;
  readonly paths: ReadonlyMap<PathName, Path>;
  readonly samples: Samples;
  /** Hears what failed; the other measurements go on. */
  onFailure(what: string, reason: unknown): void;
}

type Measurement = (bench: Bench, name: PathName, path: Path, plan: Plan) => Promise<void>;

const carried =
  (kind: 'download' | 'upload'): Measurement =>
  async ({ stage, load, samples }, name, { ports, parts }, { seconds }) => {
    const cpuSeconds = (): [Place, number][] =>
      PLACES.flatMap((place) => {
        const pid = parts[place]?.pid;
        return pid === undefined ? [] : [[place, costOf(pid).cpuSeconds]];
      });
    const before = new Map(cpuSeconds());
    const { rate, bytes = 0 } = await stage.load(load, { kind, port: ports.app, seconds });
    samples.add(`${kind}, MB/s`, name, rate / 1e6);
    for (const [place, after] of cpuSeconds())
      samples.add(
        `${kind}, CPU s/GB: ${place}`,
        name,
        ((after - (before.get(place) ?? 0)) * 1e9) / bytes,
      );
  };

const roundTrips =
  (connections: number): Measurement =>
  async ({ stage, load, samples }, name, { ports }, { seconds }) => {
    const order: Load = { kind: 'roundTrips', port: ports.app, seconds, connections };
    const { rate, p50Us = Number.NaN, p99Us = Number.NaN } = await stage.load(load, order);
    samples.add(`round trips/s at ${connections}`, name, rate);
    samples.add(`  p50 at ${connections}, us`, name, p50Us);
    samples.add(`  p99 at ${connections}, us`, name, p99Us);
  };

const connects: Measurement = async ({ stage, load, samples }, name, { ports }, { seconds }) => {
  const { rate } = await stage.load(load, { kind: 'connects', port: ports.app, seconds });
  samples.add('new connections/s', name, rate);
};

const transactions =
  (script: 'select' | 'tpcb', metric: string): Measurement =>
  async ({ postgres, samples }, name, { ports }, { seconds }) => {
    if (postgres === undefined || ports.database === undefined) return;
    samples.add(metric, name, await postgres.pgbench(script, ports.database, seconds));
  };

/** Weighs idle connections on a path of its own: memory that an earlier load left behind would hide them. */
const idle: Measurement = async (bench, name, _path, { idleConnections }) => {
  if (!WEIGHED.includes(name)) return;
  const { stage, load, services, samples } = bench;
  const path = await openPath(stage, name, services);
  const hold = (connections: number): Promise<unknown> =>
    stage.load(load, { kind: 'hold', port: path.ports.app, connections });
  const weigh = (): [Place, number][] =>
    PLACES.flatMap((place) => {
      const pid = path.parts[place]?.pid;
      return pid === undefined ? [] : [[place, costOf(pid).residentBytes]];
    });
  try {
    await hold(WARM_CONNECTIONS);
    await stage.load(load, { kind: 'release' });
    await sleep(IDLE_SETTLE_MS);
    const before = new Map(weigh());
    await hold(idleConnections);
    await sleep(IDLE_SETTLE_MS);
    for (const [place, after] of weigh()) {
      const grownBytes = after - (before.get(place) ?? 0);
      samples.add(`idle connection, KiB: ${place}`, name, grownBytes / 1024 / idleConnections);
    }
  } finally {
    await closePath(stage, path);
    await stage.load(load, { kind: 'release' });
  }
};

const MEASUREMENTS: readonly (readonly [string, Measurement])[] = [
  ['download', carried('download')],
  ['upload', carried('upload')],
  ...CONNECTIONS.map((n) => [`round trips at ${n}`, roundTrips(n)] as const),
  ['new connections', connects],
  ['pgbench -S', transactions('select', 'pgbench -S, tps')],
  ['pgbench TPC-B', transactions('tpcb', 'pgbench TPC-B, tps')],
  ['idle connections', idle],
];

/** Runs the whole plan. */
export async function measure(bench: Bench, plan: Plan): Promise<void> {
  for (let run = 1; run <= plan.runs; run++) {
    // Every other run goes backwards, so that no path always comes after the same one.
    const order = run % 2 === 1 ? [...bench.paths] : [...bench.paths].reverse();
    for (const [what, measurement] of MEASUREMENTS) {
      process.stderr.write(`run ${run} of ${plan.runs}: ${what}\n`);
      for (const [name, path] of order) {
        if (bench.stage.isClosing) throw new Error('The benchmark was interrupted');
        try {
          await measurement(bench, name, path, plan);
        } catch (reason) {
          bench.onFailure(`${what}, ${name}`, reason);
        }
        await sleep(SETTLE_MS);
      }
    }
  }
}
