/**
 * What the server's home tells others about it: `server.json` for the command line, and where nodes were told to dial.
 * It never holds a secret.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../kernel/index.ts';

/** What `server.json` in the server's home tells the command line. */
export interface ServerState {
  readonly pid: number;
  readonly nodes: string;
  readonly public: string;
  readonly permissions?: Readonly<Record<'read' | 'write' | 'metrics' | 'opl', string>>;
  readonly accounts_admin?: string;
  /** How browsers reach the accounts. */
  readonly accounts_url?: string;
  /** How their mail leaves; `none`: it waits in the queue. */
  readonly mail?: 'smtp' | 'http' | 'none';
  /** Where nodes were told to dial in the last run, when none of it is told now: those nodes do not find it. */
  readonly moved_from?: readonly string[];
  readonly started_at: string;
  readonly version: string;
}

/** The state that a running server wrote; undefined when there is none. */
export function readServerState(home: string): ServerState | undefined {
  try {
    // Written by this program, in a folder of mode 0700.
    return JSON.parse(readFileSync(join(home, 'server.json'), 'utf8')) as ServerState;
  } catch {
    return undefined;
  }
}

/** Keeps where nodes are told to dial; answers where they were told before when nothing of that is left. */
export function rememberAddresses(
  home: string,
  now: readonly string[],
): readonly string[] | undefined {
  const path = join(home, 'addresses.json');
  let before: unknown;
  try {
    before = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // The first run, or a file that somebody damaged: there is nothing to compare with.
  }
  writeFileSync(path, `${JSON.stringify(now)}\n`, { mode: 0o600 });
  if (!Array.isArray(before) || before.length === 0) return undefined;
  return before.some((address) => now.includes(String(address))) ? undefined : before.map(String);
}

/** Writes the state whole or not at all. */
export function writeServerState(home: string, state: ServerState): void {
  const temporary = join(home, `server.json.${newId('tmp')}`);
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, join(home, 'server.json'));
}
