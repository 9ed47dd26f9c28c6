/** The benchmark's own processes: started, asked one order at a time, and what they cost. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Stage } from './stage.ts';

const TICKS_PER_SECOND = 100;

/** CPU milliseconds that a process has used (proc(5), fields 14 and 15). */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
}
/** Megabytes of memory that a process has. */
export function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Starts a process of the benchmark's own, which answers orders; resolves when it is there. */
export async function startRole(stage: Stage, path: string): Promise<ChildProcess> {
  const child = stage.child(() => fork(path));
  await answer(child);
  return child;
}
/** The next answer of a process of our own. Throws what it threw. */
export function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error('The process ended before it answered'));
    child.once('exit', onExit);
    // Our own processes are at the other end.
    child.once('message', (m: { result: T } | { failed: string }) => {
      child.off('exit', onExit);
      if ('failed' in m) reject(new Error(m.failed));
      else resolve(m.result);
    });
  });
}
