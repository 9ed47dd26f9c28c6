/**
 * How long the command line takes to start, warm: `postern --version`, and a command that talks to a running node,
 * beside the Node that runs them doing nothing.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const PROGRAM = join(ROOT, 'bin/postern');

interface Row {
  readonly name: string;
  readonly medianMs: number;
  readonly minMs: number;
  readonly goalMs: number | null;
}

function time(command: string, args: readonly string[], env: NodeJS.ProcessEnv): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(command, args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`);
  return performance.now() - start;
}

/** Runs the benchmark; `--runs N` (21), `--json FILE`. */
export async function runCliBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { runs: { type: 'string', default: '21' }, json: { type: 'string' } },
  });
  const home = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  const env = { ...process.env, POSTERN_HOME: home, NO_COLOR: '1' };
  const cases: readonly [string, string, readonly string[], number | null][] = [
    ['node -e 0', process.execPath, ['-e', '0'], null],
    ['postern --version', PROGRAM, ['--version'], 60],
    ['postern tcp-outlet list', PROGRAM, ['tcp-outlet', 'list'], 120],
  ];
  try {
    time(PROGRAM, ['tcp-outlet', 'create', '--to', '5432'], env);
    const samples = cases.map((): number[] => []);
    for (let run = 0; run < Number(values.runs); run++)
      for (const [i, [, command, rest]] of cases.entries())
        samples[i]?.push(time(command, rest, env));
    const rows = cases.map(([name, , , goalMs], i): Row => {
      const sorted = (samples[i] ?? []).toSorted((a, b) => a - b);
      return {
        name,
        medianMs: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
        minMs: sorted[0] ?? Number.NaN,
        goalMs,
      };
    });
    for (const { name, medianMs, minMs, goalMs } of rows)
      console.log(
        `${name.padEnd(26)} median ${medianMs.toFixed(0).padStart(4)} ms  least ${minMs.toFixed(0).padStart(4)} ms` +
          (goalMs === null ? '' : `  under ${goalMs}: ${medianMs < goalMs ? 'reached' : 'missed'}`),
      );
    if (values.json !== undefined)
      writeFileSync(values.json, `${JSON.stringify({ node: process.version, rows }, null, 2)}\n`);
  } finally {
    spawnSync(PROGRAM, ['node', 'delete', '--all', '--yes'], { env });
    rmSync(home, { recursive: true, force: true });
  }
}
