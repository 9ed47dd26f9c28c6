/**
 * What the second factors share that a person types: how their tries are counted, and what a right one changes. INVARIANT: a
 * try is counted before it is judged, and the mark that keeps a code from serving twice is stored with the session it opened.
 */
import type { Account, Credential, JsonObject } from '../account.ts';
import type { Visitor } from '../flows/flow.ts';
import type { Authenticated } from '../flows/method.ts';
import type { Services } from '../services.ts';
import {
  type AttemptBudget,
  attemptBudgets,
  refuseSpent,
  STRANGERS_PER_HOUR,
} from '../throttle.ts';

/** Takes one try; the answer is what a right one gives back. Throws FlowProblem when there are none left. */
export async function takeTry(
  { budgets, sessions }: Services,
  what: 'totp' | 'lookup',
  account: Account,
  visitor: Visitor,
): Promise<readonly AttemptBudget[]> {
  const spent = attemptBudgets({
    ...{ what, visitor, subject: account.id },
    isKnownNetwork: await sessions.wasInNetworkOf(account.id, visitor.ipAddress, 'aal2'),
    strangersPerHour: STRANGERS_PER_HOUR.secondFactor,
  });
  await refuseSpent(budgets, spent);
  return spent;
}

/** The person with a second factor given; `config` is the credential's with what was used marked. */
export function authenticatedBy(
  method: 'totp' | 'lookup_secret',
  account: Account,
  credential: Credential,
  o: {
    readonly config: JsonObject;
    readonly nowMs: number;
    readonly spent: readonly AttemptBudget[];
  },
): Authenticated {
  const used: Credential = { ...credential, config: o.config, updatedAtMs: o.nowMs };
  return {
    kind: 'authenticated',
    account,
    changed: { ...account, credentials: new Map([...account.credentials, [method, used]]) },
    method: { method, aal: 'aal2', completedAtMs: o.nowMs },
    spent: o.spent,
  };
}
