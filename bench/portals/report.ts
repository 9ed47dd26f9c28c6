/** The benchmark's table, and Postern's figures as ratios of the others' in the same run. */
import type { PathName } from './paths.ts';

export interface Row {
  readonly metric: string;
  /** The median for each path that was measured. */
  readonly values: Readonly<Partial<Record<PathName, number>>>;
}
export interface Report {
  readonly node: string;
  readonly openssl: string;
  readonly runs: number;
  readonly seconds: number;
  readonly paths: readonly PathName[];
  /** Paths that could not be set up, each with its reason. */
  readonly left: readonly string[];
  readonly rows: readonly Row[];
}
interface Goal {
  readonly metric: string;
  readonly path: PathName;
  readonly against: PathName;
  readonly least: number;
}

/** What Postern means to reach, as ratios in one run. */
const GOALS: readonly Goal[] = [
  { metric: 'bulk MB/s', path: 'postern', against: 'plain', least: 0.8 },
  { metric: 'bulk MB/s', path: 'postern-direct', against: 'ssh', least: 1 },
  { metric: 'round trips/s at 16', path: 'postern', against: 'plain', least: 1 },
  { metric: 'round trips/s at 128', path: 'postern', against: 'plain', least: 1 },
  { metric: 'round trips/s at 16', path: 'postern', against: 'ssh', least: 1 },
  { metric: 'round trips/s at 128', path: 'postern', against: 'ssh', least: 0.9 },
  { metric: 'pgbench -S tps', path: 'postern', against: 'ssh', least: 1 },
  { metric: 'pgbench -S tps', path: 'postern', against: 'stunnel', least: 1 },
  { metric: 'pgbench TPC-B tps', path: 'postern', against: 'ssh', least: 1 },
  { metric: 'pgbench TPC-B tps', path: 'postern', against: 'stunnel', least: 1 },
];

const WIDE = 28;
const NARROW = 15;

const print = (n: number | undefined): string =>
  n === undefined ? '' : n >= 1000 ? Math.round(n).toLocaleString('en') : n.toPrecision(3);

/** The report as text. */
export function printReport(r: Report): string {
  const line = (name: string, cells: readonly string[]): string =>
    `${name.padEnd(WIDE)}${cells.map((c) => c.padStart(NARROW)).join('')}`.trimEnd();
  const goals = GOALS.flatMap((g) => {
    const values = r.rows.find((row) => row.metric === g.metric)?.values;
    const mine = values?.[g.path];
    const theirs = values?.[g.against];
    if (mine === undefined || theirs === undefined) return [];
    const ratio = mine / theirs;
    const name = `${g.metric}, ${g.path} / ${g.against}`;
    const verdict = ratio >= g.least ? 'reached' : 'missed';
    return [`${name.padEnd(50)}${ratio.toFixed(2).padStart(6)}  at least ${g.least}: ${verdict}`];
  });
  return [
    `Node ${r.node}, OpenSSL ${r.openssl}; medians of ${r.runs} interleaved runs of ${r.seconds} s`,
    line('', r.paths),
    ...r.rows.map((row) =>
      line(
        row.metric,
        r.paths.map((p) => print(row.values[p])),
      ),
    ),
    '',
    ...goals,
    ...r.left.map((l) => `left out: ${l}`),
    '',
  ].join('\n');
}
