/** How a load process asks: closed loop (as fast as answers come, a fixed number at a time) or at a fixed rate. */

/** Asks the question of a number and waits for its answer. Throws at a wrong one. */
export type Ask = (i: number) => Promise<void>;

export interface LoadReport {
  readonly perSecond: number;
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

function report(tookMs: number[], seconds: number): LoadReport {
  const sorted = Float64Array.from(tookMs).sort();
  const at = (q: number): number => sorted[Math.floor(sorted.length * q)] ?? Number.NaN;
  return {
    perSecond: tookMs.length / seconds,
    count: tookMs.length,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
  };
}

/** As fast as answers come, `width` under way at once. */
export async function closedLoop(ask: Ask, seconds: number, width: number): Promise<LoadReport> {
  const tookMs: number[] = [];
  let next = 1;
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let beganMs = performance.now(); beganMs < endMs; beganMs = performance.now()) {
        await ask(next++);
        tookMs.push(performance.now() - beganMs);
      }
    }),
  );
  return report(tookMs, (performance.now() - startMs) / 1_000);
}

/** A turn of the event loop, after a sleep far shorter than a timer's millisecond: a timer's wait is not the server's. */
const asleep = new Int32Array(new SharedArrayBuffer(4));
const NAP_MS = 0.05;
function turn(): Promise<void> {
  Atomics.wait(asleep, 0, 0, NAP_MS);
  return new Promise((resolve) => setImmediate(resolve));
}

/** Each question has its moment; one that has to wait for its moment's turn waits on its own time. */
export async function atRate(ask: Ask, seconds: number, rate: number): Promise<LoadReport> {
  const tookMs: number[] = [];
  const running: Promise<void>[] = [];
  const total = Math.floor(seconds * rate);
  const startMs = performance.now();
  for (let i = 1; i <= total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) / 1_000) * rate));
    for (; i <= due; i++) {
      const momentMs = startMs + (i / rate) * 1_000;
      running.push(ask(i).then(() => void tookMs.push(performance.now() - momentMs)));
    }
    if (i <= total) await turn();
  }
  await Promise.all(running);
  return report(tookMs, (performance.now() - startMs) / 1_000);
}
