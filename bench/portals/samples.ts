/** What was measured: each metric on each path, one figure a run. */
import type { PathName } from './path.ts';

/** A metric's row in the report: the median of the runs for each path on which it was measured. */
export interface Row {
  readonly metric: string;
  readonly medians: Readonly<Partial<Record<PathName, number>>>;
  readonly samples: Readonly<Partial<Record<PathName, readonly number[]>>>;
}

/** The middle one; of an even number, the lower of the two. Throws on none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error('There is no median of nothing');
  return middle;
}

export class Samples {
  readonly #rows = new Map<string, Partial<Record<PathName, number[]>>>();

  add(metric: string, path: PathName, value: number): void {
    const row = this.#rows.get(metric) ?? {};
    this.#rows.set(metric, row);
    row[path] = [...(row[path] ?? []), value];
  }

  /** The metrics in the order in which they were first measured. */
  rows(): Row[] {
    return [...this.#rows].map(([metric, samples]) => ({
      metric,
      medians: Object.fromEntries(
        Object.entries(samples).map(([path, values]) => [path, median(values)]),
      ),
      samples,
    }));
  }
}
