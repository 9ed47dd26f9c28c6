/**
 * How many attempts there may be, by whom. A stranger's attempts on an account are counted by network and, from
 * everywhere together, by account; the person's own network has a budget of its own, so that nobody is locked out by
 * others. Codes are counted apart from passwords.
 */
import type { Budget, Budgets } from './budgets.ts';
import { networkOf } from './budgets.ts';
import { problem, type Visitor } from './flows/flow.ts';
import { INVALID } from './ui/message.ts';

const MINUTE_MS = 60_000;

export interface AttemptBudget extends Budget {
  /** Whether a success gives it back. */
  readonly isReset: boolean;
}

/** The budgets of one attempt at a secret (`password`, `code`, `totp` …) of an account or of an unknown name. */
export function attemptBudgets(
  what: string,
  visitor: Pick<Visitor, 'ipAddress'>,
  subject: string,
  isKnownNetwork: boolean,
): AttemptBudget[] {
  const network = networkOf(visitor.ipAddress);
  return [
    {
      name: `${what} account and network`,
      subject: `${subject} ${network}`,
      burst: 10,
      refillMs: 10 * MINUTE_MS,
      isReset: true,
    },
    {
      name: `${what} network`,
      subject: network,
      burst: 300,
      refillMs: 60 * MINUTE_MS,
      isReset: false,
    },
    ...(isKnownNetwork
      ? []
      : [
          {
            name: `${what} account`,
            subject,
            burst: 100,
            refillMs: 60 * MINUTE_MS,
            isReset: false,
          },
        ]),
  ];
}

/** Takes the attempt. Throws FlowProblem, which says when there is another, when the budgets are spent. */
export async function refuseSpent(budgets: Budgets, list: readonly Budget[]): Promise<void> {
  const waitMs = await budgets.take(list);
  if (waitMs === 0) return;
  const minutes = Math.max(1, Math.ceil(waitMs / MINUTE_MS));
  throw problem(
    INVALID.generic(
      `Too many attempts. Try again in ${minutes === 1 ? 'a minute' : `${minutes} minutes`}.`,
    ),
  );
}
