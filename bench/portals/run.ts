/**
 * The portals benchmark: the same loads on a direct connection, on a plain splice, on Postern through its relay and
 * without it, on `ssh -L` and on stunnel, side by side in one run. Load, target and every hop are processes of their
 * own on loopback; Postern is the program as its users start it.
 */
import { cpus } from 'node:os';
import { MissingPeer, type Stage } from '../stage.ts';
import { measure, type Plan } from './measure.ts';
import { PATH_NAMES, type Path, type PathName } from './path.ts';
import { openPath } from './paths.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { printReport, type Report, withGoals } from './report.ts';
import { Samples } from './samples.ts';

/** Takes about 20 minutes. */
const WHOLE = { runs: 7, seconds: 2, idleConnections: 2_000 } as const satisfies Plan;
/** Shows within a minute that everything works; its figures say little. */
const QUICK = { runs: 1, seconds: 0.3, idleConnections: 500 } as const satisfies Plan;

/** Runs the benchmark, prints its report, and answers it for the JSON file and whether anything broke. */
export async function runPortals(
  stage: Stage,
  o: { isQuick: boolean; runs: number | undefined },
): Promise<{ report: unknown; isWhole: boolean }> {
  const base = o.isQuick ? QUICK : WHOLE;
  const plan: Plan = { ...base, runs: o.runs ?? base.runs };
  const skipped: string[] = [];
  const failed: string[] = [];
  const onFailure = (what: string, reason: unknown): void => {
    const why = reason instanceof Error ? reason.message : String(reason);
    (reason instanceof MissingPeer ? skipped : failed).push(`${what}: ${why}`);
  };
  const postgres: Postgres | undefined = await startPostgres(stage).catch((reason: unknown) => {
    onFailure('pgbench', reason);
    return undefined;
  });
  const target = await stage.role({ role: 'target' });
  const load = await stage.role({ role: 'load' });
  const services = { app: target.ports[0] ?? 0, database: postgres?.port };
  const opened = await Promise.all(
    PATH_NAMES.map((name) =>
      openPath(stage, name, services).then(
        (path): [PathName, Path] => [name, path],
        (reason: unknown) => onFailure(name, reason),
      ),
    ),
  );
  const paths = new Map(opened.filter((entry) => entry !== undefined));
  const samples = new Samples();
  await measure({ stage, load, services, postgres, paths, samples, onFailure }, plan);
  const all = cpus();
  const report: Report = {
    node: process.version,
    openssl: process.versions.openssl,
    cpus: `${all.length} × ${all[0]?.model ?? 'unknown'}`,
    ...plan,
    paths: [...paths.keys()],
    skipped,
    failed,
    rows: samples.rows(),
  };
  process.stdout.write(printReport(report));
  return { report: withGoals(report), isWhole: failed.length === 0 };
}
