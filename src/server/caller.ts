/** Who stands behind a request, whichever door it came through. */

import type { Actor } from '../authority/index.ts';
import type { Grant } from '../fabric/index.ts';
import type { Peer } from '../trust/index.ts';

export type Caller =
  /** The admin Unix socket: whoever the operating system lets open it. */
  | { readonly kind: 'local' }
  | { readonly kind: 'token'; readonly grant: Grant }
  /** A person who signed in to the command line, by the OpenID Provider. */
  | { readonly kind: 'person'; readonly accountId: string; readonly sessionId: string }
  | { readonly kind: 'machine'; readonly peer: Peer; readonly projectId: string };

export function callerId(caller: Caller): string {
  if (caller.kind === 'local') return 'local-admin';
  if (caller.kind === 'person') return caller.accountId;
  return caller.kind === 'token'
    ? (caller.grant.principalId ?? caller.grant.id)
    : caller.peer.identifier;
}

/** What `authorise` answers for administrators; a token for one action alone is not one. */
const ADMIN_RULES: ReadonlySet<string> = new Set(['role admin', 'scope admin', 'scope *']);

/** The caller as the authority's rules know it; administrator only when `authorise` found that role or scope. */
export function actorOf(caller: Caller, rule: string): Actor {
  return {
    id: callerId(caller),
    isAdmin: caller.kind === 'local' || ADMIN_RULES.has(rule),
  };
}
