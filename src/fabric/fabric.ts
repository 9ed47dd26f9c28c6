/** All of the fabric over one store, put together. */
import { type Clock, systemClock } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';
import { type Authoriser, createAuthoriser } from './authorise.ts';
import { createDecisions, type Decision, type Decisions } from './decisions.ts';
import { createEvents, type Events } from './events.ts';
import { createGrants, type Grants } from './grants.ts';
import { createKeyring, type Keyring } from './keyring.ts';
import { createPrincipals, type Principals } from './principals.ts';
import type { RootKeySource } from './root-key.ts';

export interface FabricOptions {
  readonly rootKey: RootKeySource;
  readonly clock?: Clock;
}

export interface Fabric extends Authoriser {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly principals: Principals;
  readonly grants: Grants;
  readonly events: Events;
  readonly decisions: Decisions;
  /** Tells of a decision; see `Decisions.explain`. */
  explain(id: string): Promise<Decision>;
  /** Writes what waits; the store is closed by who opened it. */
  close(): Promise<void>;
}

/** Builds the fabric. Throws `denied` when the root key is not the one that sealed the store's keyring. */
export async function createFabric(store: Store, options: FabricOptions): Promise<Fabric> {
  const clock = options.clock ?? systemClock;
  const keyring = await createKeyring(store, options.rootKey, clock);
  const principals = createPrincipals(store, clock);
  const events = createEvents(store, clock);
  const grants = createGrants(store, events, clock);
  const decisions = createDecisions(store, clock);
  const authoriser = createAuthoriser({ principals, grants, decisions }, clock);
  return {
    ...authoriser,
    store,
    keyring,
    principals,
    grants,
    events,
    decisions,
    explain: (id) => decisions.explain(id),
    close: () => decisions.close(),
  };
}
