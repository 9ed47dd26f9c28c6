/** What the rules of accounts work with, put together once by manager.ts. Types alone. */

import type { Transaction } from 'kysely';
import type { Audit } from '../audit/index.ts';
import type { Fabric } from '../fabric/index.ts';
import type { Clock, Logger } from '../kernel/index.ts';
import type { Database, Store } from '../store/index.ts';
import type { Account, Via } from './account.ts';
import type { Budgets } from './budgets.ts';
import type { AccountsConfig } from './config/config.ts';
import type { FlowStore } from './flows/store.ts';
import type { FlowHooks } from './hooks/flow-hooks.ts';
import type { Brand } from './pages/brand.ts';
import type { AccountRepository } from './repository.ts';
import type { IdentitySchema } from './schema/identity-schema.ts';
import type { SessionManager } from './sessions.ts';
import type { UiText } from './ui/node.ts';

/** Hashes and checks passwords off the event loop; throws `exhausted` when too many wait. */
export interface PasswordHasher {
  /** The longest password that `hash` takes, in bytes of UTF-8. */
  readonly passwordBytesMax: number;
  hash(password: string): Promise<string>;
  verify(password: string, stored: string): Promise<boolean>;
  needsRehash(stored: string): boolean;
  /** Takes as long as a real check, for people who do not exist. */
  verifyNothing(password: string): Promise<false>;
  /** Runs a request that will ask for a hash, while there is a place for one and its network has not too many; throws `exhausted` at once. */
  admit<T>(network: string, work: () => Promise<T>): Promise<T>;
}

export interface PasswordPolicy {
  /** What is wrong with a new password; undefined when nothing is. */
  check(password: string, identifiers: readonly string[]): Promise<UiText | undefined>;
}

export type TemplateType =
  | 'recovery_valid'
  | 'recovery_invalid'
  | 'recovery_code_valid'
  | 'recovery_code_invalid'
  | 'verification_valid'
  | 'verification_invalid'
  | 'verification_code_valid'
  | 'verification_code_invalid'
  | 'login_code_valid'
  | 'registration_code_valid'
  | 'verifiable_address_changed';

export interface NewMessage {
  readonly templateType: TemplateType;
  readonly via: Via;
  readonly recipient: string;
  /** What templates may show: `RecoveryCode`, `RecoveryURL`, `Identity` … */
  readonly data: Readonly<Record<string, unknown>>;
}

/** The courier's queue, as flows see it. */
export interface MessageQueue {
  /** Renders and seals; what it answers is put into the queue inside the caller's transaction. */
  prepare(message: NewMessage): Promise<(trx: Transaction<Database>) => Promise<void>>;
}

export interface Services {
  readonly config: AccountsConfig;
  /** Whose the pages are. */
  readonly brand: Brand;
  readonly store: Store;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly accounts: AccountRepository;
  readonly sessions: SessionManager;
  readonly flows: FlowStore;
  readonly budgets: Budgets;
  readonly schemas: ReadonlyMap<string, IdentitySchema>;
  readonly hasher: PasswordHasher;
  readonly passwordPolicy: PasswordPolicy;
  readonly messages: MessageQueue;
  readonly hooks: FlowHooks;
}

/** The schema of an account; the default one when its own was taken out of the configuration. */
export function schemaOf(
  services: Pick<Services, 'schemas' | 'config'>,
  account: Pick<Account, 'schemaId'>,
): IdentitySchema {
  const { schemas, config } = services;
  const schema = schemas.get(account.schemaId) ?? schemas.get(config.defaultSchemaId);
  if (schema === undefined) throw new Error('The default identity schema is missing');
  return schema;
}
