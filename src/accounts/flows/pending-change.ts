/**
 * A change of traits that waits until its new address is verified (reference: Kratos's hook `verify_new_address`). It is
 * kept in the verification flow, which is sealed. INVARIANT: it is applied once, to the traits that it was made from, for
 * the session that asked for it and only while that stands, and only for the code that went to the new address.
 */
import { createHash } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { Database } from '../../store/index.ts';
import type { Account, JsonObject, VerifiableAddress, Via } from '../account.ts';
import { hooksAfter } from '../hooks/configured.ts';
import { noticesOf } from '../hooks/notices.ts';
import { withTraits } from '../methods/profile.ts';
import { type Services, schemaOf } from '../services.ts';
import { withAddresses } from './addresses.ts';
import { aboutFlow, type Flow, noteOf, withNote } from './flow.ts';

const NOTE = 'pending_change';

export interface PendingChange {
  readonly accountId: string;
  readonly sessionId: string;
  readonly settingsFlowId: string;
  readonly address: string;
  readonly via: Via;
  /** Of the traits that it changes. */
  readonly traitsBefore: string;
  readonly traits: JsonObject;
}

/** What tells traits from others; their order is that in which they are stored. */
export function digestOf(traits: JsonObject): string {
  return createHash('sha256').update(JSON.stringify(traits)).digest('base64url');
}

/** The verification flow with the change that it decides on. */
export function withPendingChange(flow: Flow, change: PendingChange): Flow {
  return withNote(flow, NOTE, { ...change });
}

/** The change that a verification flow decides on; undefined for most. */
export function pendingChange(flow: Flow): PendingChange | undefined {
  const note = noteOf(flow, NOTE);
  if (typeof note !== 'object' || note === null || Array.isArray(note)) return undefined;
  // Written by withPendingChange.
  const n = note as JsonObject;
  return {
    accountId: String(n['accountId']),
    sessionId: String(n['sessionId']),
    settingsFlowId: String(n['settingsFlowId']),
    address: String(n['address']),
    via: n['via'] === 'sms' ? 'sms' : 'email',
    traitsBefore: String(n['traitsBefore']),
    traits: n['traits'] as JsonObject,
  };
}

/** The addresses that a change brings. */
export function newAddresses(before: Account, after: Account): readonly VerifiableAddress[] {
  return after.verifiableAddresses.filter(
    (a) => !before.verifiableAddresses.some((b) => b.value === a.value && b.via === a.via),
  );
}

/** Whether somebody else has an address. */
export async function isAnothers(
  services: Pick<Services, 'accounts'>,
  address: string,
  via: Via,
  accountId: string,
): Promise<boolean> {
  const holder = await services.accounts.findByAddress('verifiable', address, via);
  return holder !== undefined && holder.id !== accountId;
}

/**
 * The account as the change makes it, with the settings flow that asked for it; undefined where the change is over: the
 * session has ended, or the traits, the schema or the flow are not those of then.
 */
export async function applied(
  services: Services,
  account: Account,
  change: PendingChange,
): Promise<{ readonly account: Account; readonly settings: Flow } | undefined> {
  const session = await services.sessions.get(change.sessionId);
  const settings = await services.flows.find('settings', change.settingsFlowId);
  const isOfThen =
    session?.isActive === true &&
    session.accountId === account.id &&
    change.accountId === account.id &&
    account.state === 'active' &&
    digestOf(account.traits) === change.traitsBefore;
  if (!isOfThen || settings === undefined) return undefined;
  const schema = schemaOf(services, account);
  if (schema.problems(change.traits).length > 0) return undefined;
  const changed = withAddresses(services, withTraits(schema, account, change.traits));
  return { account: changed, settings };
}

/** What `notify_previous_addresses` sends after a settings flow, to be queued in the transaction of the change. */
export function prepareNotices(
  services: Pick<Services, 'config' | 'messages' | 'clock'>,
  settings: Flow,
  before: Account,
  after: Account,
): Promise<readonly ((trx: Transaction<Database>) => Promise<void>)[]> {
  const { config, messages, clock } = services;
  const hook = hooksAfter(config, 'settings', settings.active).find((h) => h.recipients);
  if (hook?.recipients === undefined) return Promise.resolve([]);
  const notices = noticesOf(hook.recipients, before, after, clock.now());
  return Promise.all(notices.map((notice) => messages.prepare(aboutFlow(settings, notice))));
}
