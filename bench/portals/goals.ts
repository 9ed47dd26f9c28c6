/** What Postern means to reach, judged from the medians of one report. */
import type { PathName, Place } from './path.ts';
import type { Row } from './samples.ts';

type Goal =
  | {
      readonly metric: string;
      readonly path: PathName;
      /** The path whose figure is the measure. */
      readonly against: PathName;
      readonly least: number;
      /** The ratio has to be more than `least`, not just as much. */
      readonly isStrict?: true;
    }
  | { readonly metric: string; readonly path: PathName; readonly below: number };

const MEMORY_KIB = 32;
const idleGoal = (path: PathName, place: Place): Goal => ({
  metric: `idle connection, KiB: ${place}`,
  path,
  below: MEMORY_KIB,
});
const faster = (metric: string, path: PathName, against: PathName): Goal => ({
  metric,
  path,
  against,
  least: 1,
  isStrict: true,
});

const GOALS: readonly Goal[] = [
  { metric: 'download, MB/s', path: 'relay', against: 'splice', least: 0.8 },
  { metric: 'upload, MB/s', path: 'relay', against: 'splice', least: 0.8 },
  faster('download, MB/s', 'to node', 'ssh'),
  faster('upload, MB/s', 'to node', 'ssh'),
  { metric: 'round trips/s at 16', path: 'relay', against: 'splice', least: 1 },
  { metric: 'round trips/s at 128', path: 'relay', against: 'splice', least: 1 },
  { metric: 'round trips/s at 16', path: 'relay', against: 'ssh', least: 1 },
  { metric: 'round trips/s at 128', path: 'relay', against: 'ssh', least: 0.9 },
  faster('pgbench -S, tps', 'relay', 'ssh'),
  faster('pgbench -S, tps', 'relay', 'stunnel'),
  faster('pgbench TPC-B, tps', 'relay', 'ssh'),
  faster('pgbench TPC-B, tps', 'relay', 'stunnel'),
  idleGoal('relay', 'near'),
  idleGoal('relay', 'middle'),
  idleGoal('relay', 'far'),
  idleGoal('to node', 'near'),
  idleGoal('to node', 'far'),
];

export interface Judgement {
  readonly goal: string;
  readonly wanted: string;
  /** Undefined when a figure is missing. */
  readonly reached: number | undefined;
  readonly verdict: 'pass' | 'falls short' | 'not measured';
}

function judge(goal: Goal, rows: readonly Row[]): Judgement {
  const medians = rows.find((row) => row.metric === goal.metric)?.medians;
  const figure = medians?.[goal.path];
  const verdictOf = (isReached: boolean): Judgement['verdict'] =>
    isReached ? 'pass' : 'falls short';
  if ('below' in goal)
    return {
      goal: `${goal.path}: ${goal.metric}`,
      wanted: `< ${goal.below}`,
      reached: figure,
      verdict: figure === undefined ? 'not measured' : verdictOf(figure < goal.below),
    };
  const measure = medians?.[goal.against];
  const ratio = figure === undefined || measure === undefined ? undefined : figure / measure;
  const isReached =
    ratio !== undefined && (goal.isStrict ? ratio > goal.least : ratio >= goal.least);
  return {
    goal: `${goal.path} / ${goal.against}: ${goal.metric}`,
    wanted: `${goal.isStrict ? '>' : '>='} ${goal.least}`,
    reached: ratio,
    verdict: ratio === undefined ? 'not measured' : verdictOf(isReached),
  };
}

/** Every goal with what was reached. */
export function judgeAll(rows: readonly Row[]): Judgement[] {
  return GOALS.map((goal) => judge(goal, rows));
}
