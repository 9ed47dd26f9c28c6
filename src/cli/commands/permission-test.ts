/** `permission test`: runs test worlds, without a server. */
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import {
  type AssertionReport,
  loadLanguage,
  loadWorlds,
  type WorldFormat,
  type WorldReport,
} from '../../permissions/light.ts';
import { define } from '../command.ts';
import { usageError } from '../exit.ts';
import { paint, printable, type Result } from '../output.ts';
import { readSource } from '../source-file.ts';
import { warn } from '../talk.ts';
import { traceText } from './permission-print.ts';

const EXIT_FAILED = 1;

/** Adds the command. */
export function registerTest(permission: Command): void {
  define(permission, 'test <files...>', 'Run test worlds, without a server', {
    options: [
      [
        '--format <format>',
        "postern, openfga or spicedb; found out by the file's content without it",
      ],
      ['--all', 'show what passed, too'],
    ],
    examples: ['permission test worlds/*.yaml', 'permission test store.fga.yaml'],
    run: async ({ args, flags }) => {
      const reports: Named[] = [];
      for (const file of args)
        reports.push({ file, report: await runFile(file, flags.text('format')) });
      return resultOf(reports, flags.has('all'));
    },
  });
}

interface Named {
  readonly file: string;
  readonly report: WorldReport;
}

async function runFile(file: string, format: string | undefined): Promise<WorldReport> {
  const [{ compileModel }, { readWorld, runWorld, WORLD_FORMATS }] = await Promise.all([
    loadLanguage(),
    loadWorlds(),
  ]);
  const known: WorldFormat | undefined = WORLD_FORMATS.find((f) => f === format);
  if (format !== undefined && known === undefined)
    throw usageError(`--format "${format}" is not known; there are ${WORLD_FORMATS.join(', ')}`);
  const base = file === '-' ? process.cwd() : dirname(file);
  const environment = {
    compile: compileModel,
    readFile: (path: string) => readSource(resolve(base, path)),
  };
  try {
    const world = readWorld(readSource(file), environment, known);
    for (const w of world.warnings)
      warn(`${file}: model ${w.start.line}:${w.start.column}: ${w.message}`);
    return await runWorld(world, Date.now());
  } catch (error) {
    if (!(error instanceof PosternError) || error.code === 'not_found') throw error;
    throw new PosternError(error.code, `${file}: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

function resultOf(reports: readonly Named[], showsAll: boolean): Result {
  const passed = reports.reduce((sum, { report }) => sum + report.passed, 0);
  const failed = reports.reduce((sum, { report }) => sum + report.failed, 0);
  if (failed > 0) process.exitCode = EXIT_FAILED;
  const total = `${passed} passed, ${failed} failed`;
  const lines = reports.flatMap((named) => linesOf(named, showsAll));
  const text = [...lines, paint(failed > 0 ? 'red' : 'green', total)].join('\n');
  return {
    plain: text,
    machine: printable(text),
    json: { passed, failed, worlds: reports.map(toJson) },
  };
}

function linesOf({ file, report }: Named, showsAll: boolean): string[] {
  const mark = report.failed > 0 ? paint('red', '✘') : paint('green', '✔');
  const count = report.passed + report.failed;
  const head = `${mark} ${file}${report.name === '' ? '' : ` (${report.name})`}: ${report.passed} of ${count}`;
  const tests = report.tests.flatMap((test) => {
    const shown = test.assertions.filter((a) => showsAll || !a.isPassed);
    return shown.length === 0 ? [] : [`  ${test.name}`, ...shown.flatMap(assertionLines)];
  });
  if (count > 0) return [head, ...tests];
  return [`${paint('yellow', '!')} ${file}: it asserts nothing`];
}

function assertionLines(a: AssertionReport): string[] {
  const head = `    ${a.isPassed ? paint('green', '✔') : paint('red', '✘')} ${a.text}`;
  if (a.isPassed) return [head];
  if (a.error !== undefined) return [`${head}: no answer: ${a.error.message}`];
  if (a.kind === 'check') {
    const trace = a.trace === undefined ? [] : traceText(a.trace).split('\n');
    const said = `${head}: ${word(a.allowed)}, expected ${word(a.expected)}`;
    return [said, ...trace.map((line) => `        ${line}`)];
  }
  return [
    head,
    ...(a.missing ?? []).map((name) => `        missing: ${name}`),
    ...(a.unexpected ?? []).map((name) => `        not expected: ${name}`),
  ];
}

const word = (isAllowed: boolean | undefined): string =>
  isAllowed === true ? 'allowed' : 'denied';

function toJson({ file, report }: Named): unknown {
  return {
    file,
    name: report.name,
    passed: report.passed,
    failed: report.failed,
    tests: report.tests.map((test) => ({
      name: test.name,
      assertions: test.assertions.map(({ isPassed, error, trace: _trace, ...rest }) => ({
        ...rest,
        passed: isPassed,
        ...(error === undefined ? {} : { error: error.message }),
      })),
    })),
  };
}
