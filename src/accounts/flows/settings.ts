/**
 * The settings flow: a signed-in person changes what is known of them and how they sign in (reference: Kratos,
 * self-service settings). INVARIANT: a flow acts for the person who began it alone, and credentials change only in a
 * session that was proved a short while ago.
 */
import type { Transaction } from 'kysely';
import type { Database } from '../../store/index.ts';
import type { Account, Session, VerifiableAddress } from '../account.ts';
import { hasHook } from '../hooks/configured.ts';
import type { Services } from '../services.ts';
import type { SessionManager } from '../sessions.ts';
import { addressBudget, refuseSpent } from '../throttle.ts';
import { FLOW, INVALID, SETTINGS } from '../ui/message.ts';
import type { UiNode, UiText } from '../ui/node.ts';
import { isIdentifierTaken, withAddresses } from './addresses.ts';
import { FlowFault } from './fault.ts';
import { isSureEnough } from './finish.ts';
import {
  type Flow,
  FlowProblem,
  newFlow,
  problem,
  type Submission,
  show,
  type Visitor,
} from './flow.ts';
import { csrfNode, tellProblems, withTyped } from './form.ts';
import { type Changed, type Method, withFreshChallenges } from './method.ts';
import {
  digestOf,
  isAnothers,
  newAddresses,
  type PendingChange,
  prepareNotices,
} from './pending-change.ts';
import type { VerificationFlows } from './verification.ts';
import { waitingOf, withoutWaiting, withWaiting } from './waiting.ts';

export interface BeginSettings {
  readonly type: 'browser' | 'api';
  readonly requestUrl: string;
  readonly csrf: string | undefined;
  readonly returnTo: string | undefined;
  readonly session: Session | undefined;
}

export type SettingsOutcome =
  | { readonly kind: 'shown'; readonly flow: Flow; readonly status: 200 | 400 }
  | { readonly kind: 'detour'; readonly flow: Flow; readonly url: string }
  /** Changed once the new address is verified, at the address that is named. */
  | { readonly kind: 'pending'; readonly flow: Flow; readonly url: string }
  | { readonly kind: 'changed'; readonly flow: Flow; readonly account: Account };

export class SettingsFlows {
  readonly #services: Services;
  readonly #methods: readonly Method[];
  readonly #verification: VerificationFlows;

  constructor(services: Services, methods: readonly Method[], verification: VerificationFlows) {
    this.#services = services;
    this.#methods = methods;
    this.#verification = verification;
  }

  /** Throws FlowFault: nobody is signed in, or not surely enough. */
  async begin(o: BeginSettings, first: readonly UiText[] = []): Promise<Flow> {
    const account = await this.account(o.session);
    const flow = this.prepareNew(o, account);
    return this.#services.flows.insert(await this.populate(flow, account, first));
  }

  /** A flow of an account, not stored yet and without nodes: recovery ends in one. */
  prepareNew(o: Omit<BeginSettings, 'session'>, account: Account): Flow {
    const { config, clock } = this.#services;
    if (!config.flows.settings.isEnabled) throw new FlowFault('self_service_flow_disabled');
    const { type, requestUrl, csrf, returnTo } = o;
    const flow = newFlow(
      {
        ...{ kind: 'settings', type, requestUrl, csrf, returnTo },
        accountId: account.id,
        lifespanMs: config.flows.settings.lifespanMs,
        publicUrl: config.publicUrl,
        schemaId: account.schemaId,
      },
      clock.now(),
    );
    return this.#prepared(flow, account);
  }

  #prepared(flow: Flow, account: Account): Flow {
    return this.#methods.reduce(
      (prepared, { prepareSettings }) => prepareSettings?.(prepared, account) ?? prepared,
      flow,
    );
  }
  async populate(flow: Flow, account: Account, messages: readonly UiText[] = []): Promise<Flow> {
    return show(flow, await this.#nodes(flow, account), messages);
  }

  /**
   * The person of a session that is sure enough for settings; also after a recovery, or a mailbox alone would open what a
   * second factor protects. Throws FlowFault.
   */
  async account(session: Session | undefined, flow?: Flow): Promise<Account> {
    if (session === undefined) throw new FlowFault('session_inactive');
    const account = await this.#services.accounts.get(session.accountId);
    if (account === undefined) throw new FlowFault('session_inactive');
    const { config } = this.#services;
    if (isSureEnough(this.#services, session, account, config.flows.settings.requiredAal))
      return account;
    const raise = new URL(`${config.publicUrl}/self-service/login/browser?aal=aal2`);
    if (flow !== undefined) raise.searchParams.set('return_to', this.#addressOf(flow));
    throw new FlowFault('session_aal2_required', { redirectTo: raise.toString() });
  }

  /** Where a flow goes on after a detour to sign in. */
  #addressOf({ id }: Flow): string {
    return `${this.#services.config.publicUrl}/self-service/settings?flow=${id}`;
  }

  /** The flow's person, who must be the one that asks. Throws FlowFault. */
  async owner(flow: Flow, session: Session | undefined): Promise<Account> {
    const account = await this.account(session, flow);
    if (flow.accountId !== account.id) throw new FlowFault('security_identity_mismatch');
    return account;
  }

  async submit(flow: Flow, submission: Submission, visitor: Visitor): Promise<SettingsOutcome> {
    const { flows } = this.#services;
    const account = await this.owner(flow, visitor.session);
    const active: Flow = {
      ...withoutWaiting(flow),
      active: submission.method ?? flow.active,
      transientPayload: submission.transientPayload ?? flow.transientPayload,
    };
    try {
      const name = submission.method ?? methodByField(submission);
      const method = this.#methods.find((m) => m.name === name)?.settings;
      if (method === undefined) throw problem(FLOW.noSettings);
      if (method.isPrivileged(submission, account) && !this.#isFresh(visitor.session)) {
        if (flow.type === 'browser' && visitor.session !== undefined)
          await flows.replace(withWaiting(flow, submission, visitor.session));
        throw this.#needsFresh(flow);
      }
      const outcome = await method.submit(active, submission, account, visitor);
      if (outcome.kind === 'detour')
        return { kind: 'detour', url: outcome.url, flow: await flows.replace(outcome.flow) };
      if (outcome.kind === 'shown') {
        const shown = await this.populate({ ...outcome.flow, state: 'show_form' }, account);
        return { kind: 'shown', flow: await flows.replace(shown), status: 200 };
      }
      return await this.#store({ ...active, active: method.name }, account, outcome, visitor);
    } catch (reason) {
      if (!(reason instanceof FlowProblem)) throw reason;
      const told = await this.tell(active, account, submission, reason);
      return { kind: 'shown', status: 400, flow: told };
    }
  }

  /**
   * Does what waited for the session to be proved again; undefined when there is nothing, or it was not proved.
   * Throws FlowFault as `submit` does.
   */
  async resume(flow: Flow, visitor: Visitor): Promise<SettingsOutcome | undefined> {
    const waiting = waitingOf(flow, visitor.session);
    if (waiting === undefined || !this.#isFresh(visitor.session)) return undefined;
    const freed = await this.#services.flows.replace(withoutWaiting(flow));
    return this.submit(freed, waiting, visitor);
  }

  /** The flow as it is shown again, with what was wrong. */
  async tell(
    flow: Flow,
    account: Account,
    submission: Submission,
    reason: FlowProblem,
  ): Promise<Flow> {
    const base = reason.flow ?? withFreshChallenges(this.#methods, flow);
    const nodes = withTyped(await this.#nodes(base, account), submission);
    const told = tellProblems({ ...base, state: 'show_form' }, nodes, reason);
    return this.#services.flows.replace(told);
  }

  /** Stores what a person brought back from another site. Throws FlowFault, and FlowProblem when it is taken. */
  async complete(
    flow: Flow,
    account: Account,
    changed: Changed,
    visitor: Visitor,
  ): Promise<SettingsOutcome> {
    if (!this.#isFresh(visitor.session)) throw this.#needsFresh(flow);
    return this.#store(flow, account, changed, visitor);
  }

  async #store(
    flow: Flow,
    before: Account,
    { account: wanted, what, proved }: Changed,
    { session, request }: Visitor,
  ): Promise<SettingsOutcome> {
    const { accounts, flows, store, audit, clock, config, sessions, hooks } = this.#services;
    const occasion = { flow, session, request };
    const account = await hooks.decide(flow.active, {
      ...occasion,
      account: withAddresses(this.#services, { ...wanted, updatedAtMs: clock.now() }),
    });
    if (hasHook(config, 'settings', flow.active, 'verify_new_address')) {
      const brought = newAddresses(before, account);
      if (brought.length > 0) return this.#defer(flow, before, account, brought, session);
    }
    const isOnlySession = hasHook(config, 'settings', flow.active, 'revoke_active_sessions');
    const known = new Set(before.verifiableAddresses.map((a) => a.value));
    const fresh = account.verifiableAddresses.filter((a) => !known.has(a.value) && !a.verified);
    const verifications = config.flows.verification.isEnabled
      ? await Promise.all(fresh.map((a) => this.#verificationFor(flow, account, a)))
      : [];
    const notices = await prepareNotices(this.#services, flow, before, account);
    const done = this.#methods.reduce((f, { afterSettings }) => afterSettings?.(f) ?? f, flow);
    const saved: Flow = {
      ...this.#prepared(done, account),
      state: 'success',
      continueWith: verifications.map((v) => v.continueWith),
    };
    const shown = await this.populate(saved, account, [SETTINGS.saved]);
    const [preparedAccount, preparedFlow] = [
      await accounts.prepare(account),
      await flows.prepare(shown),
    ];
    try {
      const kept = await store.write(async (trx) => {
        await insistOnStanding(sessions, session, trx);
        await accounts.replace(trx, preparedAccount);
        for (const v of verifications) await v.put(trx);
        for (const put of notices) await put(trx);
        if (proved !== undefined && session !== undefined)
          await sessions.addMethod(trx, session, proved, false);
        if (isOnlySession) await sessions.revokeAll(trx, account.id, session?.id);
        await audit.append(trx, {
          actor: account.id,
          action: 'accounts:settings',
          resource: `account/${account.id}`,
          data: { what },
        });
        return flows.replacePrepared(trx, preparedFlow);
      });
      await hooks.tell(flow.active, { ...occasion, account });
      return { kind: 'changed', flow: kept, account };
    } catch (reason) {
      if (isIdentifierTaken(reason)) throw problem(INVALID.duplicate);
      throw reason;
    }
  }

  /** Keeps a change until its new address is verified (`verify_new_address`); nothing of the account is stored. */
  async #defer(
    flow: Flow,
    before: Account,
    wanted: Account,
    brought: readonly VerifiableAddress[],
    session: Session | undefined,
  ): Promise<SettingsOutcome> {
    const { flows, store, audit, sessions } = this.#services;
    const [address] = brought;
    if (address === undefined || brought.length > 1) throw problem(SETTINGS.tooManyAddresses);
    if (session === undefined) throw new FlowFault('session_inactive');
    const { value, via } = address;
    if (await isAnothers(this.#services, value, via, before.id)) throw problem(INVALID.duplicate);
    const verification = await this.#verificationFor(flow, wanted, address, {
      ...{ accountId: before.id, sessionId: session.id, settingsFlowId: flow.id },
      ...{ address: value, via, traitsBefore: digestOf(before.traits), traits: wanted.traits },
    });
    const asked: Flow = {
      ...flow,
      state: 'show_form',
      continueWith: [verification.continueWith],
    };
    const prepared = await flows.prepare(await this.populate(asked, before));
    const kept = await store.write(async (trx) => {
      await insistOnStanding(sessions, session, trx);
      await verification.put(trx);
      await audit.append(trx, {
        actor: before.id,
        action: 'accounts:settings',
        resource: `account/${before.id}`,
        data: { what: 'address asked for' },
      });
      return flows.replacePrepared(trx, prepared);
    });
    return { kind: 'pending', flow: kept, url: this.#verification.uiUrl(verification.flow) };
  }

  async #verificationFor(
    flow: Flow,
    account: Account,
    address: VerifiableAddress,
    pending?: PendingChange,
  ): ReturnType<VerificationFlows['prepareFor']> {
    const { type, requestUrl, csrf, returnTo } = flow;
    const begun = { type, requestUrl, csrf, returnTo };
    await refuseSpent(this.#services.budgets, [addressBudget(account.id)]);
    return this.#verification.prepareFor(account, address, begun, pending);
  }

  /** Whether a session was proved a short while ago. */
  #isFresh(session: Session | undefined): boolean {
    const { config, clock } = this.#services;
    const maxAgeMs = config.flows.settings.privilegedSessionMaxAgeMs;
    return session !== undefined && clock.now() - session.authenticatedAtMs <= maxAgeMs;
  }
  #needsFresh(flow: Flow): FlowFault {
    const returnTo = encodeURIComponent(this.#addressOf(flow));
    const { publicUrl } = this.#services.config;
    return new FlowFault('session_refresh_required', {
      redirectTo: `${publicUrl}/self-service/login/browser?refresh=true&return_to=${returnTo}`,
    });
  }

  async #nodes(flow: Flow, account: Account): Promise<readonly UiNode[]> {
    const nodes = [csrfNode(flow)];
    for (const { settings } of this.#methods)
      if (settings !== undefined) nodes.push(...(await settings.nodes(flow, account)));
    return nodes;
  }
}

/** Throws FlowFault when the session ended while its password was hashed or a hook asked: then nothing of it counts. */
async function insistOnStanding(
  sessions: SessionManager,
  session: Session | undefined,
  trx: Transaction<Database>,
): Promise<void> {
  if (session === undefined || !(await sessions.isUnrevoked(session.id, trx)))
    throw new FlowFault('session_inactive');
}

/** Buttons such as `totp_unlink` say by their name alone whose they are. */
const FIELD_METHODS: readonly (readonly [RegExp, string])[] = [
  [/^totp_/, 'totp'],
  [/^lookup_secret_/, 'lookup_secret'],
  [/^webauthn_/, 'webauthn'],
  [/^passkey_/, 'passkey'],
  [/^(link|unlink)$/, 'oidc'],
];
function methodByField({ fields }: Submission): string | undefined {
  const names = Object.keys(fields);
  return FIELD_METHODS.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
}
