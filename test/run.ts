/**
 * What `npm test` runs: types, lint, import directions, then vitest. `interop` runs the tests with real peers instead;
 * `check` leaves the scenarios out. Ends with one plain line of figures and an exit code that says the same.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { importBreaches } from './import-directions.ts';

const root = resolve(import.meta.dirname, '..');
const results = join(root, 'node_modules/.cache/test-results.json');
const [mode = 'all'] = process.argv.slice(2);
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  all: ['src', 'test/scenario', 'test/cli', 'test/fuzz'],
  check: ['src'],
  interop: ['test/interop'],
  soak: ['test/soak'],
};

function run(title: string, command: string, args: readonly string[]): boolean {
  console.log(`\n# ${title}`);
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0;
}

/** The project's shell scripts under shellcheck, where it is installed: CI has it, and would be the first to say so. */
function scriptsAreClean(): boolean {
  if (spawnSync('shellcheck', ['--version']).status !== 0) {
    console.log('\n# shell scripts\nskipped: shellcheck is not installed');
    return true;
  }
  const scripts = 'shellcheck -x .ci/run bin/* examples/*/*.sh examples/*/*/*.sh';
  return run('shell scripts', 'sh', ['-c', scripts]);
}

let failed = 0;
if (mode === 'all' || mode === 'check') {
  if (!run('types', process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'])) failed++;
  if (!run('lint', 'node_modules/.bin/biome', ['check', '--error-on-warnings', '.'])) failed++;
  if (!scriptsAreClean()) failed++;
  const breaches = importBreaches();
  console.log(`\n# import directions\n${breaches.join('\n') || 'all imports go downward'}`);
  failed += breaches.length > 0 ? 1 : 0;
}
const folders = FOLDERS[mode];
if (folders === undefined) {
  console.error(`test/run.ts knows: ${Object.keys(FOLDERS).join(', ')}`);
  process.exit(64);
}
mkdirSync(join(root, 'node_modules/.cache'), { recursive: true });
rmSync(results, { force: true });
const isGreen = run('tests', process.execPath, [
  'node_modules/vitest/vitest.mjs',
  'run',
  ...folders,
]);
let passed = 0;
let skipped = 0;
try {
  const report: { numPassedTests: number; numFailedTests: number; numPendingTests: number } =
    JSON.parse(readFileSync(results, 'utf8'));
  passed = report.numPassedTests;
  skipped = report.numPendingTests;
  failed += report.numFailedTests;
} catch {
  failed++;
}
if (!isGreen && failed === 0) failed++;
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
