/**
 * What becomes of a key that may have been copied: it is marked, the audit is told, and it opens nothing any more until
 * it is removed. INVARIANT: the mark is stored before the refusal is answered.
 */
import type { Account } from '../account.ts';
import { problem } from '../flows/flow.ts';
import type { Services } from '../services.ts';
import { INVALID } from '../ui/message.ts';
import { type PublicKey, removalName } from './credential.ts';

/** Stores the account in which the key is marked. Throws FlowProblem always. */
export async function refuseCopied(
  services: Services,
  account: Account,
  key: PublicKey,
): Promise<never> {
  const { accounts, audit, store } = services;
  const prepared = await accounts.prepare(account);
  await store.write(async (trx) => {
    await accounts.replace(trx, prepared);
    await audit.append(trx, {
      actor: account.id,
      action: 'accounts:clone-warning',
      resource: `account/${account.id}`,
      data: { key: removalName(key) },
    });
  });
  throw problem(INVALID.webauthnWrong);
}
