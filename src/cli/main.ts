/**
 * The program's first TypeScript: global flags, the version and the short map at once, everything else by loading
 * commander and the one file that defines the named family.
 */
import { readSync } from 'node:fs';
import { basename } from 'node:path';
import { fillMarkers, type SplitArguments, splitArguments } from './arguments.ts';
import { EXIT_FAILURE, EXIT_USAGE } from './exit.ts';
import { reportFailure } from './failure.ts';
import { startSession } from './session.ts';
import { programVersion } from './version.ts';

const program = basename(process.env['POSTERN_PROGRAM'] ?? 'postern');

/** Reads one line of standard input without taking a byte beyond it. */
function readLine(): string {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  for (;;) {
    try {
      if (readSync(0, one, 0, 1, null) === 0) break;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        continue;
      }
      if (error instanceof Error && 'code' in error && error.code === 'EOF') break;
      throw error;
    }
    if (one[0] === 10) break;
    bytes.push(one[0] ?? 0);
  }
  return Buffer.from(bytes).toString();
}

function split(): SplitArguments | number {
  const argv = process.argv.slice(2);
  try {
    return splitArguments(argv, process.env);
  } catch (error) {
    reportFailure(error);
    return EXIT_USAGE;
  }
}

async function main(): Promise<number> {
  const given = split();
  if (typeof given === 'number') return given;
  startSession({
    program,
    globals: given.globals,
    isStdoutTerminal: process.stdout.isTTY === true,
    isStderrTerminal: process.stderr.isTTY === true,
  });
  if (given.globals.wantsVersion) {
    process.stdout.write(`${program} ${programVersion()}\n`);
    return 0;
  }
  try {
    const { runProgram } = await import('./program.ts');
    return await runProgram(fillMarkers(given.rest, readLine), programVersion());
  } catch (error) {
    return reportFailure(error);
  }
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : EXIT_FAILURE);
});
process.exitCode = await main();
