/**
 * How many attempts there may be, by whom. What strangers try at an account is counted by network and, from everywhere
 * together, by account; the person's own networks are asked about themselves alone, so that nobody is locked out by
 * others. Codes are counted apart from passwords, and each second factor from both.
 */
import type { Budget, Budgets } from './budgets.ts';
import { networkOf, siteOf } from './budgets.ts';
import { problem, type Visitor } from './flows/flow.ts';
import { INVALID } from './ui/message.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * How many attempts an hour all strangers' networks have together at one account. A password has many more
 * possibilities than a code: six digits in three windows, guessed twenty times an hour, fall in years.
 */
export const STRANGERS_PER_HOUR = {
  password: 100,
  secondFactor: 20,
  /** Codes that are sent: each can be guessed as often as its flow allows, and fills somebody's mailbox. */
  mail: 20,
} as const;

export interface Attempt {
  /** What is tried, such as `password`, `totp`, `recovery mail`; each is counted apart. */
  readonly what: string;
  readonly visitor: Pick<Visitor, 'ipAddress'>;
  /** The account, or the unknown name. */
  readonly subject: string;
  /** Whether the person signed in from this network before, as surely as the attempt would make it. */
  readonly isKnownNetwork?: boolean;
  /** Absent where strangers can not guess: the secret is long, or the flow itself counts. */
  readonly strangersPerHour?: number;
}

export interface AttemptBudget extends Budget {
  /** What a success gives back: all of it, or this attempt. */
  readonly givesBack: 'all' | 'one';
}

/** The budgets of one attempt. */
export function attemptBudgets(o: Attempt): AttemptBudget[] {
  const { what, subject, strangersPerHour } = o;
  const network = networkOf(o.visitor.ipAddress);
  const own: AttemptBudget = {
    name: `${what} account and network`,
    subject: `${subject} ${network}`,
    burst: 10,
    refillMs: 10 * MINUTE_MS,
    givesBack: 'all',
  };
  // Many people may share one address; who is at home there is not held up by the rest.
  if (o.isKnownNetwork === true) return [own];
  const hourly = (name: string, of: string, burst: number): AttemptBudget => ({
    ...{ name: `${what} ${name}`, subject: of, burst, refillMs: HOUR_MS, givesBack: 'one' },
  });
  const site = siteOf(o.visitor.ipAddress);
  return [
    own,
    hourly('network', network, 300),
    ...(site === undefined ? [] : [hourly('site', site, 3_000)]),
    ...(strangersPerHour === undefined ? [] : [hourly('account', subject, strangersPerHour)]),
  ];
}

/**
 * The budgets of registrations from one network: each sends a mail to an address that somebody typed. A school's class fits
 * in, and where a proxy is not named (`trusted_proxies`) a day of launch.
 */
export function registrationBudgets({ ipAddress }: Pick<Visitor, 'ipAddress'>): readonly Budget[] {
  const site = siteOf(ipAddress);
  const hourly = (name: string, subject: string, burst: number): Budget => ({
    ...{ name: `registration ${name}`, subject, burst, refillMs: HOUR_MS },
  });
  const own = hourly('network', networkOf(ipAddress), 500);
  return site === undefined ? [own] : [own, hourly('site', site, 5_000)];
}

/** The budget of one person's changes of address, each of which sends a mail to whatever was typed. */
export function addressBudget(accountId: string): Budget {
  return { name: 'address change', subject: accountId, burst: 10, refillMs: HOUR_MS };
}

/** Takes the attempt. Throws FlowProblem, which says when there is another, when the budgets are spent. */
export async function refuseSpent(budgets: Budgets, list: readonly Budget[]): Promise<void> {
  const waitMs = await budgets.take(list);
  if (waitMs === 0) return;
  const minutes = Math.max(1, Math.ceil(waitMs / MINUTE_MS));
  throw problem(
    INVALID.throttled(
      `Too many attempts. Try again in ${minutes === 1 ? 'a minute' : `${minutes} minutes`}.`,
      waitMs,
    ),
  );
}
