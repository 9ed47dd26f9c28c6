/** Addresses of people as they begin: nobody has proved yet that they are theirs. Pure but for their ids. */
import { newUuid } from '../kernel/index.ts';
import type { RecoveryAddress, VerifiableAddress, Via } from './account.ts';

export function newVerifiableAddress(
  a: { readonly value: string; readonly via: Via },
  nowMs: number,
): VerifiableAddress {
  return {
    id: newUuid(),
    ...a,
    verified: false,
    status: 'pending',
    verifiedAtMs: undefined,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}
export function newRecoveryAddress(
  a: { readonly value: string; readonly via: Via },
  nowMs: number,
): RecoveryAddress {
  return { id: newUuid(), ...a, createdAtMs: nowMs, updatedAtMs: nowMs };
}
