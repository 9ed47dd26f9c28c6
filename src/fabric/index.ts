/** The door of the fabric: principals, grants, decisions, events and the keyring, one of each for the whole server. */
export {
  type Authoriser,
  createAuthoriser,
  type Question,
  type Rule,
  scopeCovers,
} from './authorise.ts';
export { createDecisions, type Decision, type Decisions, type NewDecision } from './decisions.ts';
export {
  createEvents,
  type Events,
  type NewEvent,
  type StoredEvent,
  type Subscription,
} from './events.ts';
export { createFabric, type Fabric, type FabricOptions } from './fabric.ts';
export {
  createGrants,
  type Grant,
  type GrantFilter,
  type GrantKind,
  type Grants,
  type NewGrant,
} from './grants.ts';
export { createKeyring, type DatedKey, type Keyring, type SigningKey } from './keyring.ts';
export {
  createPrincipals,
  type Principal,
  type PrincipalKind,
  type Principals,
} from './principals.ts';
export { hashSecret, type RootKeySource } from './root-key.ts';
