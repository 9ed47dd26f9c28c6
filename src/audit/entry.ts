/**
 * The chain: each entry's hash covers its content and the hash before it, so no entry can be edited, dropped or put
 * in between without every later hash changing. The encoding is JSON of an array in a fixed order, which has one
 * form only.
 */
import { createHash } from 'node:crypto';

export type AuditOutcome = 'done' | 'denied' | 'failed';

export interface AuditEntry {
  readonly number: number;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly outcome: string;
  /** JSON text, as it was hashed. */
  readonly dataJson: string;
  readonly previousHash: string;
  readonly hash: string;
}

/** The hash before the first entry. */
export const FIRST_HASH: string = '0'.repeat(64);

/** The SHA-256 that an entry must carry. */
export function hashEntry(entry: Omit<AuditEntry, 'hash'>): string {
  const content = JSON.stringify([
    'postern-audit-v1',
    entry.number,
    entry.atMs,
    entry.actor,
    entry.action,
    entry.resource,
    entry.outcome,
    entry.dataJson,
    entry.previousHash,
  ]);
  return createHash('sha256').update(content).digest('hex');
}

/** A running check over entries in order. */
export interface ChainState {
  readonly number: number;
  readonly hash: string;
}

/** Takes one more entry; a text says what is wrong with it. */
export function followChain(before: ChainState, entry: AuditEntry): ChainState | string {
  if (entry.number !== before.number + 1) {
    return `entry ${before.number + 1} is missing`;
  }
  if (entry.previousHash !== before.hash)
    return `entry ${entry.number} does not follow its predecessor`;
  if (hashEntry(entry) !== entry.hash) return `entry ${entry.number} was altered`;
  return { number: entry.number, hash: entry.hash };
}
