/** What the kernel says that a process and its descendants have cost so far (proc(5), Linux). */
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second in /proc: USER_HZ, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface Cost {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

interface Entry {
  readonly parent: number;
  readonly cpuSeconds: number;
}

/** Parent and CPU time of a process; undefined when it is gone. */
function entryOf(pid: string): Entry | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold blanks. After it: field 4 is the parent, 14 and 15 user and system time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      parent: Number(fields[1]),
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    };
  } catch {
    return undefined;
  }
}

function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes ?? 0) * 1024;
}

/** The cost of a running process; its CPU time includes all its descendants' (sshd works in a child). */
export function costOf(pid: number): Cost {
  const entries = new Map<number, Entry>();
  for (const name of readdirSync('/proc')) {
    const entry = /^\d+$/.test(name) ? entryOf(name) : undefined;
    if (entry !== undefined) entries.set(Number(name), entry);
  }
  const sum = (id: number): number => {
    let cpuSeconds = entries.get(id)?.cpuSeconds ?? 0;
    for (const [child, entry] of entries) if (entry.parent === id) cpuSeconds += sum(child);
    return cpuSeconds;
  };
  return { cpuSeconds: sum(pid), residentBytes: residentBytes(pid) };
}
