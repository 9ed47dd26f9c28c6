/**
 * Whom `notify_previous_addresses` tells that the addresses of an account were changed, and what (reference: Kratos's hook
 * of that name). Pure. The built-in notice never names the new address: its reader may no longer be the account's owner.
 */
import type { Account, VerifiableAddress } from '../account.ts';
import type { NewMessage } from '../services.ts';
import { templateIdentity } from '../view.ts';

/** Which of the addresses before the change are told: those that are gone, all that were verified, or all. */
export const RECIPIENTS = ['removed', 'all_verified', 'all'] as const;
export type Recipients = (typeof RECIPIENTS)[number];

const isIn = (list: readonly VerifiableAddress[], { value, via }: VerifiableAddress): boolean =>
  list.some((other) => other.value === value && other.via === via);

/** The addresses to tell; none where the same ones are there as before. */
export function addressesToTell(
  recipients: Recipients,
  before: readonly VerifiableAddress[],
  after: readonly VerifiableAddress[],
): readonly VerifiableAddress[] {
  const isSame = before.length === after.length && after.every((address) => isIn(before, address));
  if (isSame) return [];
  switch (recipients) {
    case 'removed':
      return before.filter((address) => !isIn(after, address));
    case 'all_verified':
      return before.filter(({ verified }) => verified);
    case 'all':
      return before;
  }
}

/** The notices about a change that was made at `atMs`. */
export function noticesOf(
  recipients: Recipients,
  before: Account,
  after: Account,
  atMs: number,
): readonly NewMessage[] {
  // Kratos's templates see seconds: RFC 3339.
  const changedAt = new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z');
  return addressesToTell(recipients, before.verifiableAddresses, after.verifiableAddresses).map(
    ({ value, via }) => ({
      ...{ templateType: 'verifiable_address_changed', via, recipient: value },
      data: { To: value, ChangedAt: changedAt, Identity: templateIdentity(after) },
    }),
  );
}
