/** How long the command line takes to start and answer, against Node's own bare start on the same machine. */
import { Machine, PROGRAM } from '../machine.ts';
import { median } from '../portals/samples.ts';
import type { Stage } from '../stage.ts';
import { layOut } from '../table.ts';

const RUNS = 30;
const QUICK_RUNS = 7;

interface Command {
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The median may be at most this. */
  readonly goalMs?: number;
}
const COMMANDS: readonly Command[] = [
  { title: 'node -e 0', command: process.execPath, args: ['-e', '0'] },
  { title: 'postern --version', command: PROGRAM, args: ['--version'], goalMs: 60 },
  { title: 'postern tcp-outlet list', command: PROGRAM, args: ['tcp-outlet', 'list'], goalMs: 120 },
];

interface Line {
  readonly command: string;
  readonly medianMs: number;
  readonly minMs: number;
  readonly goalMs?: number;
  readonly verdict?: 'pass' | 'falls short';
}

function judge({ title, goalMs }: Command, ms: readonly number[]): Line {
  const figures = { command: title, medianMs: median(ms), minMs: Math.min(...ms) };
  if (goalMs === undefined) return figures;
  return { ...figures, goalMs, verdict: figures.medianMs <= goalMs ? 'pass' : 'falls short' };
}

function print(lines: readonly Line[], runs: number): string {
  const ms = (value: number | undefined): string =>
    value === undefined ? '' : `${value.toFixed(value % 1 === 0 ? 0 : 1)} ms`;
  return `${runs} interleaved runs, warm\n\n${layOut([
    ['command', 'median', 'min', 'goal', ''],
    ...lines.map((l) => [l.command, ms(l.medianMs), ms(l.minMs), ms(l.goalMs), l.verdict ?? '']),
  ])}`;
}

/** Runs the benchmark, prints its table, and answers it for the JSON file. */
export async function runCli(
  stage: Stage,
  o: { isQuick: boolean; runs: number | undefined },
): Promise<{ report: unknown; isWhole: boolean }> {
  const runs = o.runs ?? (o.isQuick ? QUICK_RUNS : RUNS);
  const machine = new Machine(stage, 'server');
  await machine.startNode('bench');
  await machine.postern('tcp-outlet', 'create', '--to', '127.0.0.1:5432');
  const times = new Map<Command, number[]>(COMMANDS.map((c) => [c, []]));
  // The first round fills the compile cache and is not counted.
  for (let run = 0; run <= runs; run++)
    for (const [{ command, args }, ms] of times) {
      const startMs = performance.now();
      await stage.execute(command, args, { env: machine.env });
      if (run > 0) ms.push(performance.now() - startMs);
    }
  const lines = [...times].map(([command, ms]) => judge(command, ms));
  process.stdout.write(print(lines, runs));
  return { report: { node: process.version, runs, lines }, isWhole: true };
}
