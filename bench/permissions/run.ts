/**
 * The permissions benchmark: one server process with 100,000 and with 1,000,000 tuples, asked over HTTP and gRPC by a
 * process of its own, beside SpiceDB in process on the same tuples.
 */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadReport } from '../load.ts';
import { Machine } from '../machine.ts';
import { answer, cpuMsOf, residentMb, startRole } from '../process.ts';
import type { Stage } from '../stage.ts';
import { figure, layOut } from '../table.ts';
import type { FillOrder, LoadOrder } from './load.ts';
import type { SpicedbFill, SpicedbOrder } from './spicedb.ts';
import { type CaseName, OPL, tuplesOf, type WorldTuple } from './world.ts';

const SIZES = [100_000, 1_000_000] as const;
const SPICEDB_QUANTUM_MS = 7_000;

interface Row {
  readonly tuples: number;
  readonly what: string;
  readonly system: string;
  readonly report: LoadReport;
  /** CPU milliseconds of the answering process for each question. */
  readonly cpuMsEach: number;
}

function ask<T>(
  child: ChildProcess,
  order: LoadOrder | FillOrder | SpicedbOrder | SpicedbFill,
): Promise<T> {
  child.send(order);
  return answer<T>(child);
}

const CHECKS: readonly (readonly [CaseName, string])[] = [
  ['direct', 'direct check'],
  ['depth', 'depth 30'],
  ['parents', '1,000 parents'],
  ['group', '10,000 members'],
];

/** Runs the benchmark, prints its tables, and answers them for the JSON file. */
export async function runPermissions(
  stage: Stage,
  o: { isQuick: boolean; runs: number | undefined },
): Promise<{ report: unknown; isWhole: boolean }> {
  const seconds = o.isQuick ? 0.5 : 3;
  const sizes = o.isQuick ? SIZES.slice(0, 1) : SIZES;
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const size of sizes) {
    const tuples = [...tuplesOf(size)];
    process.stderr.write(`${size} tuples\n`);
    rows.push(...(await measurePostern(stage, tuples, seconds, notes)));
    try {
      rows.push(...(await measureSpicedb(stage, tuples, seconds)));
    } catch (reason) {
      notes.push(`skipped: SpiceDB with ${size} tuples: ${String(reason)}`);
    }
  }
  process.stdout.write(print(rows, notes));
  return { report: { rows, notes }, isWhole: true };
}

async function measurePostern(
  stage: Stage,
  tuples: readonly WorldTuple[],
  seconds: number,
  notes: string[],
): Promise<Row[]> {
  const machine = new Machine(stage, `server-${tuples.length}`, { hasPermissions: true });
  const server = await machine.startServer();
  const pid = server.pid ?? 0;
  const { read, write } = machine.permissionPorts();
  const token = await machine.postern('token', 'create', 'bench', '--scope', 'permissions:write');
  await machine.applyModel(OPL);
  const load = await startRole(stage, join(import.meta.dirname, 'load.ts'));
  const emptyMb = residentMb(pid);
  const startMs = performance.now();
  for (let i = 0; i < tuples.length; i += 50_000) {
    const some = tuples.slice(i, i + 50_000);
    await ask(load, { kind: 'fill', write, token, tuples: some });
  }
  const perSecond = tuples.length / ((performance.now() - startMs) / 1_000);
  const bytesEach = ((residentMb(pid) - emptyMb) * 1024 * 1024) / tuples.length;
  notes.push(
    `${tuples.length.toLocaleString('en')} tuples written at ${figure(perSecond)} a second; ` +
      `${figure(residentMb(pid))} MB resident, ${figure(bytesEach)} bytes more for each tuple`,
  );
  const rows: Row[] = [];
  const common = { read, write, token, seconds, name: 'direct' } as const;
  const measure = async (
    what: string,
    protocol: 'http' | 'grpc',
    order: Partial<LoadOrder>,
  ): Promise<void> => {
    process.stderr.write(`  ${what}, ${protocol}\n`);
    const whole: LoadOrder = { kind: 'check', protocol, width: 16, ...common, ...order };
    // At a rate each millisecond counts, also the asking process's own: a fresh one has no garbage of earlier questions.
    const asking =
      order.rate === undefined
        ? load
        : await startRole(stage, join(import.meta.dirname, 'load.ts'));
    await ask(asking, { ...whole, seconds: order.rate === undefined ? seconds / 5 : seconds });
    const before = cpuMsOf(pid);
    const report = await ask<LoadReport>(asking, whole);
    const cpuMsEach = (cpuMsOf(pid) - before) / report.count;
    rows.push({ tuples: tuples.length, what, system: protocol, report, cpuMsEach });
    if (asking !== load) await stage.end([asking]);
  };
  for (const protocol of ['http', 'grpc'] as const) {
    for (const [name, what] of CHECKS) {
      await measure(what, protocol, { name });
      await measure(`${what}, one at a time`, protocol, { name, width: 1 });
    }
  }
  await measure('direct check at 5,000/s', 'http', { rate: 5_000 });
  await measure('list 1,000 of 100,000, one at a time', 'http', { kind: 'list', width: 1 });
  await measure('direct check, 1 % writes', 'http', { kind: 'mixed' });
  await stage.end([load, server]);
  return rows;
}

async function measureSpicedb(
  stage: Stage,
  tuples: readonly WorldTuple[],
  seconds: number,
): Promise<Row[]> {
  const peer = await startRole(stage, join(import.meta.dirname, 'spicedb.ts'));
  for (let i = 0; i < tuples.length; i += 50_000)
    await ask(peer, { kind: 'fill', tuples: tuples.slice(i, i + 50_000) });
  // Its quickest mode answers from a revision of some seconds ago.
  await sleep(SPICEDB_QUANTUM_MS);
  const rows: Row[] = [];
  const measure = async (what: string, order: Partial<SpicedbOrder>): Promise<void> => {
    process.stderr.write(`  ${what}, spicedb\n`);
    const whole: SpicedbOrder = { kind: 'check', name: 'direct', width: 16, seconds, ...order };
    const report = await ask<LoadReport & { cpuMsEach: number }>(peer, whole);
    const { cpuMsEach } = report;
    rows.push({ tuples: tuples.length, what, system: 'spicedb', report, cpuMsEach });
  };
  for (const [name, what] of CHECKS) {
    await measure(what, { name });
    await measure(`${what}, one at a time`, { name, width: 1 });
  }
  await measure('list 1,000 of 100,000, one at a time', { kind: 'list', width: 1 });
  await stage.end([peer]);
  return rows;
}

function print(rows: readonly Row[], notes: readonly string[]): string {
  const lines = rows.map(({ tuples, what, system, report: r, cpuMsEach }) => [
    tuples.toLocaleString('en'),
    what,
    system,
    ...[r.perSecond, r.p50Ms, r.p95Ms, r.p99Ms, cpuMsEach].map(figure),
  ]);
  const head = [
    'tuples',
    'question',
    'system',
    'a second',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'CPU ms each',
  ];
  return `${layOut([head, ...lines])}\n${notes.map((n) => `${n}\n`).join('')}`;
}
