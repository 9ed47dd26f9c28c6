/** The addresses of an account, made from its traits. Pure but for the clock. */
import { PosternError } from '../../kernel/index.ts';
import type { Account } from '../account.ts';
import { newRecoveryAddress, newVerifiableAddress } from '../addresses.ts';
import { type Services, schemaOf } from '../services.ts';

/** Whether the store refused an account because somebody else signs in with one of its names. */
export function isIdentifierTaken(reason: unknown): boolean {
  const isConflict = reason instanceof PosternError && reason.code === 'conflict';
  return isConflict && reason.message.includes('identifier');
}

/** The account with the addresses that its traits give; one that was known keeps what was proved of it. */
export function withAddresses(
  services: Pick<Services, 'schemas' | 'config' | 'clock'>,
  account: Account,
): Account {
  const schema = schemaOf(services, account);
  const nowMs = services.clock.now();
  return {
    ...account,
    verifiableAddresses: schema
      .verifiable(account.traits)
      .map(
        (a) =>
          account.verifiableAddresses.find((b) => b.value === a.value && b.via === a.via) ??
          newVerifiableAddress(a, nowMs),
      ),
    recoveryAddresses: schema
      .recovery(account.traits)
      .map(
        (a) =>
          account.recoveryAddresses.find((b) => b.value === a.value && b.via === a.via) ??
          newRecoveryAddress(a, nowMs),
      ),
  };
}
