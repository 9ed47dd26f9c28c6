/** The report of a run: the figures, what Postern wanted to reach, and what is missing. */
import { figure, layOut } from '../table.ts';
import { type Judgement, judgeAll } from './goals.ts';
import { PATH_TITLES, type PathName } from './path.ts';
import type { Row } from './samples.ts';

export interface Report {
  readonly node: string;
  readonly openssl: string;
  readonly cpus: string;
  readonly runs: number;
  readonly seconds: number;
  readonly idleConnections: number;
  readonly paths: readonly PathName[];
  /** What was left out because a program is not installed. */
  readonly skipped: readonly string[];
  /** What was tried and broke. */
  readonly failed: readonly string[];
  readonly rows: readonly Row[];
}

/** The same with the verdicts, for `--json`. */
export function withGoals(report: Report): Report & { readonly goals: readonly Judgement[] } {
  return { ...report, goals: judgeAll(report.rows) };
}

/** The report as text. */
export function printReport(report: Report): string {
  const { paths, rows } = report;
  const figures = rows.map(({ metric, medians }) => [
    metric,
    ...paths.map((path) => figure(medians[path])),
  ]);
  const goals = judgeAll(rows).map((g) => [g.goal, figure(g.reached), g.wanted, g.verdict]);
  return [
    `Node ${report.node}, OpenSSL ${report.openssl}, ${report.cpus}\n`,
    `medians of ${report.runs} interleaved runs of ${report.seconds} s; `,
    `idle memory from ${report.idleConnections} connections\n\n`,
    ...paths.map((path) => `${path.padEnd(8)} ${PATH_TITLES[path]}\n`),
    '\n',
    layOut([['', ...paths], ...figures]),
    '\n',
    layOut([['goal', 'reached', 'wanted', ''], ...goals]),
    ...report.skipped.map((what) => `skipped: ${what}\n`),
    ...report.failed.map((what) => `failed: ${what}\n`),
  ].join('');
}
