/**
 * The end of a sign-in or registration: one transaction that stores what changed, issues or raises the session and takes
 * the flow away. INVARIANT: a session begins under a token of its own, never under one that the browser brought.
 */
import type { Transaction } from 'kysely';
import type { Database } from '../../store/index.ts';
import type {
  Aal,
  Account,
  AuthenticationMethod,
  CredentialType,
  Person,
  Session,
} from '../account.ts';
import type { AccountsConfig } from '../config/config.ts';
import type { PreparedAccount } from '../repository/credential-seal.ts';
import { type Services, schemaOf } from '../services.ts';
import { type IssuedSession, newDevice } from '../sessions.ts';
import type { AttemptBudget } from '../throttle.ts';
import { isSecondFactor } from '../webauthn/credential.ts';
import { FlowFault } from './fault.ts';
import type { Flow, Visitor } from './flow.ts';

/** The credentials that can be a second factor, and whether somebody is asked for them. */
const SECOND_FACTORS = [
  ['totp', (m) => m.totp.isEnabled],
  ['lookup_secret', (m) => m.lookupSecret.isEnabled],
  ['webauthn', (m) => m.webauthn.isEnabled],
] as const satisfies readonly (readonly [
  CredentialType,
  (m: AccountsConfig['methods']) => boolean,
])[];

/** Somebody whose credentials were opened, or of whom only is known what they have. */
type Known = Pick<Account, 'schemaId' | 'traits'> &
  (Pick<Account, 'credentials'> | Pick<Person, 'credentials' | 'secondFactors'>);

function hasSecondFactor(account: Known, type: CredentialType): boolean {
  if ('secondFactors' in account) return account.secondFactors.has(type);
  const credential = account.credentials.get(type);
  return credential !== undefined && isSecondFactor(credential);
}

/**
 * The highest level that an account's credentials allow. A factor that nobody can be asked for, because its method is
 * turned off, is not waited for.
 */
export function highestAal(services: Pick<Services, 'config' | 'schemas'>, account: Known): Aal {
  const { methods } = services.config;
  const has = SECOND_FACTORS.some(
    ([type, isAsked]) => isAsked(methods) && hasSecondFactor(account, type),
  );
  // Whoever has an address that codes go to can be asked for one.
  const byCode =
    methods.code.isEnabled &&
    methods.code.isMfa &&
    schemaOf(services, account).codeAddresses(account.traits).length > 0;
  return has || byCode ? 'aal2' : 'aal1';
}

/** Whether a session is as sure as a rule asks. */
export function isSureEnough(
  services: Pick<Services, 'config' | 'schemas'>,
  session: Session,
  account: Known,
  required: 'aal1' | 'highest_available',
): boolean {
  if (required === 'aal1' || session.aal === 'aal2') return true;
  return highestAal(services, account) !== 'aal2';
}

export interface SignedIn {
  readonly session: Session;
  /** Undefined where an earlier session was raised or refreshed. */
  readonly issued: IssuedSession | undefined;
  readonly account: Account;
}

export interface SignIn {
  readonly flow: Flow;
  readonly account: Account;
  readonly changed: Account | undefined;
  readonly method: AuthenticationMethod;
  readonly visitor: Visitor;
  /** As `sessionToBe` answered it, where somebody was told of it. */
  readonly sessionId?: string;
  /** Ends the person's other sessions. */
  readonly isOnlySession?: boolean;
  /** What the attempt took. */
  readonly spent?: readonly AttemptBudget[];
}

/** A person's authtokens that stand. */
export async function authtokensOf(
  { fabric }: Pick<Services, 'fabric'>,
  accountId: string,
): Promise<readonly string[]> {
  const all = await fabric.grants.list({ kind: 'authtoken', principalId: accountId });
  return all.filter((g) => g.revokedAtMs === undefined).map((g) => g.id);
}

/** The session that a sign-in will issue or raise; nothing is stored. */
export function sessionToBe(services: Services, o: SignIn): Session {
  const { session: before } = o.visitor;
  const account = o.changed ?? o.account;
  if (before !== undefined && isRaise(o, before)) return services.sessions.raised(before, o.method);
  return services.sessions.draft({
    accountId: account.id,
    methods: [o.method],
    device: newDevice(o.visitor.ipAddress, o.visitor.userAgent),
  });
}

/** Whether the browser's session goes on, proved again or more. */
function isRaise(o: SignIn, before: Session): boolean {
  const isSame = before.accountId === o.account.id;
  return isSame && (o.flow.isRefresh || o.method.aal === 'aal2');
}

/**
 * Throws FlowFault `identity_disabled`; `conflict` when the flow was finished by another request, or (`isChanged`) when the
 * account is no longer what the proof was held against: hashes wait in a queue, and a password may be changed meanwhile.
 */
export async function signIn(services: Services, o: SignIn): Promise<SignedIn> {
  const account = o.changed ?? o.account;
  if (account.state === 'inactive') throw new FlowFault('identity_disabled');
  const prepared = o.changed === undefined ? undefined : await services.accounts.prepare(o.changed);
  const { session: before } = o.visitor;
  return services.store.write(async (trx) => {
    await services.flows.finish(trx, o.flow);
    await services.budgets.giveBack(trx, o.spent ?? []);
    if (prepared !== undefined) await services.accounts.replace(trx, prepared);
    else await services.accounts.insistOnRevision(trx, account);
    await services.audit.append(trx, {
      actor: account.id,
      action: 'accounts:login',
      resource: `account/${account.id}`,
      data: { method: o.method.method, aal: o.method.aal, ip: o.visitor.ipAddress },
    });
    if (before !== undefined && isRaise(o, before)) {
      const session = await services.sessions.addMethod(trx, before, o.method);
      if (o.isOnlySession === true) await services.sessions.revokeAll(trx, account.id, before.id);
      return { session, issued: undefined, account };
    }
    // Somebody else was signed in here: their session ends with this one's beginning.
    if (before !== undefined) await services.sessions.revoke(trx, before.id);
    const issued = await issueSession(services, trx, account, [o.method], o.visitor, o.sessionId);
    if (o.isOnlySession === true)
      await services.sessions.revokeAll(trx, account.id, issued.session.id);
    return { session: issued.session, issued, account };
  });
}

export function issueSession(
  services: Services,
  trx: Transaction<Database>,
  account: Account,
  methods: readonly AuthenticationMethod[],
  visitor: Visitor,
  id?: string,
): Promise<IssuedSession> {
  return services.sessions.issue(trx, {
    ...(id === undefined ? {} : { id }),
    accountId: account.id,
    methods,
    device: newDevice(visitor.ipAddress, visitor.userAgent),
  });
}

/** Stores a new account. Throws `conflict` when an identifier is taken. */
export async function storeNew(
  services: Services,
  trx: Transaction<Database>,
  prepared: PreparedAccount,
  actor: string,
): Promise<void> {
  await services.accounts.insert(trx, prepared);
  await services.audit.append(trx, {
    actor,
    action: 'accounts:create',
    resource: `account/${prepared.account.id}`,
  });
}
