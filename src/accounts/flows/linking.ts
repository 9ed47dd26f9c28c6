/**
 * Linking a person of a provider to the account that has the same address already: only by signing in to that account in
 * the very flow. INVARIANT: nothing is linked by an address alone, nor past a second factor that was not given.
 */
import type { Account, Json } from '../account.ts';
import type { Services } from '../services.ts';
import { linksOf, type SocialLink, withLinks } from '../social/credential.ts';
import { FLOW } from '../ui/message.ts';
import { highestAal } from './finish.ts';
import { type Flow, problem, recordOf, withNote } from './flow.ts';
import type { Authenticated } from './method.ts';

const NOTE = 'linking';

export interface Linking extends SocialLink {
  readonly accountId: string;
}

/** The login flow that links once its account has signed in. */
export function withLinking(flow: Flow, linking: Linking): Flow {
  return withNote(flow, NOTE, { ...linking } satisfies Json);
}
function linkingOf(flow: Flow): Linking | undefined {
  return recordOf(flow, NOTE);
}

/**
 * The account as it is to be stored: with the link of the flow, where there is one. Throws FlowProblem when somebody else
 * signed in. An account with a second factor keeps its link for its settings: it was not given yet.
 */
export function withLinked(
  services: Pick<Services, 'config' | 'clock' | 'schemas'>,
  flow: Flow,
  { account, changed }: Authenticated,
): Account | undefined {
  const linking = linkingOf(flow);
  if (linking === undefined) return changed;
  if (linking.accountId !== account.id) throw problem(FLOW.linkMismatch);
  if (highestAal(services, account) === 'aal2') return changed;
  const base = changed ?? account;
  const { provider, subject } = linking;
  const others = linksOf(base).filter((l) => l.provider !== provider || l.subject !== subject);
  return withLinks(base, [...others, { provider, subject }], services.clock.now());
}
