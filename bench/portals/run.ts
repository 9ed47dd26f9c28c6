/**
 * The portals benchmark: the same loads over a direct connection, a plain three-hop splice in Node, Postern through its
 * relay, Postern direct, `ssh -L` and `stunnel`, side by side. Every role is a process of its own on loopback, runs are
 * interleaved, the figures are medians. Postern's roles run its data plane (src/channel, src/portal) and nothing else.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openPath, PATH_NAMES, type Path } from './paths.ts';
import { pgbench, startPostgres } from './postgres.ts';
import { costs, type Part, Stage } from './process.ts';
import { printReport, type Report, type Row } from './report.ts';
import type { Load } from './wire.ts';

const CONNECTIONS = [1, 16, 128, 256] as const;
const GIGA = 1e9;
const SETTLE_MS = 1_000;

interface Options {
  readonly runs: number;
  readonly seconds: number;
  readonly idle: number;
  readonly paths: readonly string[];
  readonly loads: readonly string[];
  readonly json: string | undefined;
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '2' },
      idle: { type: 'string', default: '2000' },
      paths: { type: 'string', default: PATH_NAMES.join(',') },
      loads: { type: 'string', default: 'bulk,rt,connects,pg,idle' },
      json: { type: 'string' },
    },
  });
  return {
    runs: Number(values.runs),
    seconds: Number(values.seconds),
    idle: Number(values.idle),
    paths: values.paths.split(','),
    loads: values.loads.split(','),
    json: values.json,
  };
}

class Samples {
  readonly #values = new Map<string, number[]>();
  add(metric: string, path: string, value: number): void {
    const key = `${metric}\n${path}`;
    this.#values.set(key, [...(this.#values.get(key) ?? []), value]);
  }
  /** The middle of what was measured; undefined when nothing was. */
  median(metric: string, path: string): number | undefined {
    const sorted = (this.#values.get(`${metric}\n${path}`) ?? []).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }
  get metrics(): string[] {
    return [...new Set([...this.#values.keys()].map((k) => k.split('\n')[0] ?? ''))];
  }
}

const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

/** One bulk transfer, and what each process spent on it. */
async function measureBulk(
  stage: Stage,
  load: Part,
  path: Path,
  port: number,
  seconds: number,
  samples: Samples,
): Promise<void> {
  const before = costs(path.parts);
  const start = performance.now();
  const { rate } = await stage.load(load, { kind: 'bulk', port, seconds });
  const gigabytes = (rate * (performance.now() - start)) / 1000 / GIGA;
  samples.add('bulk MB/s', path.name, rate / 1e6);
  for (const [part, after] of costs(path.parts)) {
    const spent = after.cpuSeconds - (before.get(part)?.cpuSeconds ?? 0);
    samples.add(`CPU s/GB: ${part}`, path.name, spent / gigabytes);
  }
}

/** Resident memory for each idle app connection, in each process of the path. */
async function measureIdle(
  stage: Stage,
  load: Part,
  path: Path,
  port: number,
  connections: number,
  samples: Samples,
): Promise<void> {
  const before = costs(path.parts);
  await stage.load(load, { kind: 'idle', port, connections });
  await sleep(SETTLE_MS);
  for (const [part, after] of costs(path.parts)) {
    const grown = after.residentBytes - (before.get(part)?.residentBytes ?? 0);
    samples.add(`idle KiB: ${part}`, path.name, grown / 1024 / connections);
  }
  await stage.load(load, { kind: 'release' });
  await sleep(SETTLE_MS);
}

async function measure(
  stage: Stage,
  load: Part,
  paths: readonly Path[],
  o: Options,
  samples: Samples,
): Promise<void> {
  const rate = async (metric: string, path: Path, order: Load): Promise<void> => {
    const result = await stage.load(load, order);
    samples.add(metric, path.name, result.rate);
    if (result.p50Us !== undefined) samples.add(`${metric} p50 us`, path.name, result.p50Us);
    if (result.p99Us !== undefined) samples.add(`${metric} p99 us`, path.name, result.p99Us);
  };
  for (let run = 1; run <= o.runs; run++) {
    for (const path of paths) {
      process.stderr.write(`run ${run}/${o.runs}: ${path.name}\n`);
      const [port = 0, database] = path.ports;
      if (o.loads.includes('bulk')) await measureBulk(stage, load, path, port, o.seconds, samples);
      for (const connections of o.loads.includes('rt') ? CONNECTIONS : [])
        await rate(`round trips/s at ${connections}`, path, {
          kind: 'roundTrips',
          port,
          seconds: o.seconds,
          connections,
        });
      if (o.loads.includes('connects'))
        await rate('connections/s', path, { kind: 'connects', port, seconds: o.seconds });
      if (database !== undefined) {
        samples.add('pgbench -S tps', path.name, await pgbench(database, 'select', o.seconds));
        samples.add('pgbench TPC-B tps', path.name, await pgbench(database, 'tpcb', o.seconds));
      }
    }
  }
  if (o.loads.includes('idle'))
    for (const path of paths)
      await measureIdle(stage, load, path, path.ports[0] ?? 0, o.idle, samples);
}

/** Runs the benchmark; prints the table to stdout, and writes it as JSON with `--json FILE`. */
export async function runPortalsBench(args: readonly string[]): Promise<void> {
  const o = readOptions(args);
  const stage = new Stage();
  try {
    const target = await stage.role('target', { role: 'target' });
    const load = await stage.role('load', { role: 'load' });
    const database = o.loads.includes('pg') ? await startPostgres(stage) : undefined;
    const services = [
      { name: 'app', targetPort: target.ports[0] ?? 0 },
      ...(database === undefined ? [] : [{ name: 'database', targetPort: database }]),
    ];
    const paths: Path[] = [];
    const left: string[] = [];
    for (const name of PATH_NAMES.filter((n) => o.paths.includes(n))) {
      try {
        paths.push(await openPath(stage, name, services));
      } catch (reason) {
        left.push(`${name}: ${reason instanceof Error ? reason.message : String(reason)}`);
      }
    }
    const samples = new Samples();
    await measure(stage, load, paths, o, samples);
    const rows: Row[] = samples.metrics.map((metric) => ({
      metric,
      values: Object.fromEntries(
        paths.flatMap((p) => {
          const value = samples.median(metric, p.name);
          return value === undefined ? [] : [[p.name, value]];
        }),
      ),
    }));
    const report: Report = {
      node: process.version,
      openssl: process.versions.openssl,
      runs: o.runs,
      seconds: o.seconds,
      paths: paths.map((p) => p.name),
      left,
      rows,
    };
    process.stdout.write(printReport(report));
    if (o.json !== undefined) writeFileSync(o.json, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    await stage.close();
  }
}

if (import.meta.main) await runPortalsBench(process.argv.slice(2));
