/**
 * The recovery flow: who can read an address of an account gets a session that may set new credentials (reference:
 * Kratos, self-service recovery). INVARIANT: known and unknown addresses look and take the same; a code is counted before
 * it is judged; opening a link signs nobody in and spends nothing: the person's click does.
 */
import type { Account } from '../account.ts';
import { forgetCode, newCode, newLinkToken, noteCode, sentCode } from '../codes.ts';
import { hasHook } from '../hooks/configured.ts';
import { normaliseIdentifier } from '../schema/identity-schema.ts';
import type { Services } from '../services.ts';
import type { IssuedSession } from '../sessions.ts';
import { FLOW, INVALID, LABEL, RECOVERY } from '../ui/message.ts';
import { input, type UiNode, type UiText } from '../ui/node.ts';
import { templateIdentity } from '../view.ts';
import { evenly } from './evenly.ts';
import { FlowFault } from './fault.ts';
import { authtokensOf, issueSession } from './finish.ts';
import {
  type Flow,
  FlowProblem,
  keeping,
  newFlow,
  noteOf,
  problem,
  type Submission,
  show,
  textOf,
  type Visitor,
  withNote,
} from './flow.ts';
import { csrfNode, tellProblems } from './form.ts';
import {
  addressNodes,
  codeForm,
  countMail,
  judgeProof,
  keepSent,
  linkForm,
  type Sent,
  withCode,
  wrongCode,
} from './mailed.ts';
import { openedFrom, withoutRoot } from './opened.ts';
import type { SettingsFlows } from './settings.ts';
import type { PreparedFlow } from './store.ts';
import { markVerified } from './verification.ts';

export interface BeginRecovery {
  readonly type: 'browser' | 'api';
  readonly requestUrl: string;
  readonly csrf: string | undefined;
  readonly returnTo: string | undefined;
}

export type RecoveryOutcome =
  | { readonly kind: 'shown'; readonly flow: Flow; readonly status: 200 | 400 }
  | {
      readonly kind: 'recovered';
      readonly flow: Flow;
      readonly account: Account;
      readonly issued: IssuedSession;
      readonly settings: Flow;
    };

/** A flow that an administrator began, whose code goes to no address. */
const BY_ADMINISTRATOR = 'by_administrator';

export class RecoveryFlows {
  readonly #services: Services;
  readonly #settings: SettingsFlows;
  constructor(services: Services, settings: SettingsFlows) {
    this.#services = services;
    this.#settings = settings;
  }

  /** Throws FlowFault: signed in already, or switched off. */
  async begin(o: BeginRecovery & { readonly isSignedIn: boolean }): Promise<Flow> {
    if (o.isSignedIn) throw new FlowFault('session_already_available');
    return this.#services.flows.insert(this.#choose(this.#new(o)));
  }

  #new(o: BeginRecovery): Flow {
    const { config, clock } = this.#services;
    const { recovery } = config.flows;
    if (!recovery.isEnabled) throw new FlowFault('self_service_flow_disabled');
    const { type, requestUrl, csrf, returnTo } = o;
    return newFlow(
      {
        ...{ kind: 'recovery', type, requestUrl, csrf, returnTo },
        lifespanMs: recovery.lifespanMs,
        publicUrl: config.publicUrl,
        schemaId: config.defaultSchemaId,
      },
      clock.now(),
    );
  }

  /** A flow with its code, for an administrator to hand over; it needs no CSRF cookie. */
  async forAdministrator(
    account: Account,
    o: {
      readonly lifespanMs: number;
      readonly type: 'browser' | 'api';
      readonly use: 'code' | 'link';
    },
  ): Promise<{ readonly flow: Flow; readonly secret: string }> {
    const { config, clock, fabric, flows } = this.#services;
    const begun = this.#new({
      type: o.type,
      requestUrl: `${config.publicUrl}/self-service/recovery`,
      csrf: undefined,
      returnTo: undefined,
    });
    const secret = o.use === 'code' ? newCode() : newLinkToken();
    const expiresAtMs = clock.now() + o.lifespanMs;
    const [address] = account.recoveryAddresses;
    const noted = await noteCode(fabric, { ...begun, expiresAtMs }, secret, {
      address: address?.value ?? '',
      via: address?.via ?? 'email',
      accountId: account.id,
      expiresAtMs,
      triesLeft: config.methods.code.maxSubmissions,
    });
    const vouched = withNote(noted, BY_ADMINISTRATOR, true);
    const flow = await flows.insert(this.#ask(vouched, undefined, o.use));
    return { flow, secret };
  }

  /** Takes the same time whether the address is known or not. */
  submit(flow: Flow, submission: Submission, visitor: Visitor): Promise<RecoveryOutcome> {
    return evenly(() => this.#submit(flow, submission, visitor));
  }

  async #submit(begun: Flow, submission: Submission, visitor: Visitor): Promise<RecoveryOutcome> {
    const { flows, accounts } = this.#services;
    const flow: Flow = {
      ...begun,
      transientPayload: submission.transientPayload ?? begun.transientPayload,
    };
    try {
      if (flow.state === 'passed_challenge') throw problem(RECOVERY.alreadyDone);
      const { use } = this.#services.config.flows.recovery;
      const method = submission.method ?? use;
      if (method !== 'code' && method !== 'link') throw problem(FLOW.noRecovery);
      const code = textOf(submission, 'code') ?? textOf(submission, 'token');
      const email = textOf(submission, 'email');
      if (code !== undefined && email === undefined) return await this.#judge(flow, code, visitor);
      if (email === undefined) throw problem(INVALID.required('email'), 'email');
      const value = normaliseIdentifier(email);
      const account = await accounts.findByAddress('recovery', value, 'email');
      await countMail(this.#services, 'recovery mail', { address: value, account, visitor });
      const sent = await this.#send({ ...flow, active: use }, value, account);
      return { kind: 'shown', flow: await keepSent(this.#services, sent), status: 200 };
    } catch (reason) {
      if (!(reason instanceof FlowProblem)) throw reason;
      const base = reason.flow ?? flow;
      const told = tellProblems(base, base.ui.nodes, reason);
      return { kind: 'shown', flow: await flows.replace(told), status: 400 };
    }
  }

  /**
   * A link of a flow was opened: the answer is a flow of that browser, whose form holds what the link brought. One that
   * can't serve any more says so in a new flow.
   */
  async open(root: Flow, proof: string, csrf: string): Promise<Flow> {
    const { clock, flows } = this.#services;
    const isPassed = root.state === 'passed_challenge';
    if (isPassed || proof === '' || sentCode(root) === undefined) {
      const { requestUrl, returnTo } = root;
      const begun = this.#choose(this.#new({ type: 'browser', requestUrl, csrf, returnTo }));
      const said = isPassed ? this.#usedUp(root) : RECOVERY.tokenInvalid;
      return flows.insert(show(begun, begun.ui.nodes, [said]));
    }
    const opened = openedFrom(root, csrf, clock.now());
    const address = sentCode(root)?.address || undefined;
    const use = this.#useOf(root);
    return flows.insert(
      use === 'code'
        ? this.#withCode(this.#ask(opened, address, use), proof)
        : show({ ...opened, state: 'choose_method', active: use }, linkForm(opened, proof)),
    );
  }

  #withCode(flow: Flow, code: string): Flow {
    return show(flow, withCode(flow.ui.nodes, code), flow.ui.messages);
  }

  async #send(flow: Flow, value: string, account: Account | undefined): Promise<Sent> {
    const { config, fabric, clock } = this.#services;
    const { use, isUnknownNotified } = config.flows.recovery;
    const secret = use === 'code' ? newCode() : newLinkToken();
    const { lifespanMs } = use === 'code' ? config.methods.code : config.methods.link;
    const noted = await noteCode(
      fabric,
      withNote(withoutRoot(flow), BY_ADMINISTRATOR, undefined),
      secret,
      {
        ...{ address: value, via: 'email', accountId: account?.id },
        triesLeft: config.methods.code.maxSubmissions,
        expiresAtMs: clock.now() + lifespanMs,
      },
    );
    const asked = this.#ask(noted, value, use);
    if (account === undefined && !isUnknownNotified) return { flow: asked, messages: [] };
    const kind = account === undefined ? 'invalid' : 'valid';
    const data: Record<string, unknown> = {
      To: value,
      ExpiresInMinutes: Math.round(lifespanMs / 60_000),
      ...(account === undefined ? {} : { Identity: templateIdentity(account) }),
    };
    if (use === 'code') data['RecoveryCode'] = secret;
    else
      data['RecoveryURL'] =
        `${config.publicUrl}/self-service/recovery?flow=${flow.id}&token=${secret}`;
    return {
      flow: asked,
      messages: [
        {
          templateType: use === 'code' ? `recovery_code_${kind}` : `recovery_${kind}`,
          via: 'email',
          recipient: value,
          data,
        },
      ],
    };
  }

  async #judge(flow: Flow, code: string, visitor: Visitor): Promise<RecoveryOutcome> {
    const { fabric, flows, store, accounts, clock, budgets, audit, config } = this.#services;
    const judged = await judgeProof(this.#services, flow, {
      ...{ what: 'recovery code', proof: code, visitor },
      ...{ alreadyDone: this.#usedUp(flow), failedState: RECOVERY.failedState },
    });
    const { sent, account, flow: counted } = judged;
    // An address that is no longer the account's lets nobody in, whatever was sent to it; an administrator vouches for the rest.
    const isByAdministrator = noteOf(judged.root, BY_ADMINISTRATOR) === true;
    const isStillTheirs =
      isByAdministrator ||
      account?.recoveryAddresses.some((a) => a.value === sent.address && a.via === sent.via) ===
        true;
    if (!judged.isRight || account === undefined || !isStillTheirs) {
      const use = this.#useOf(counted);
      // Who only has a link need not know whose address it went to.
      const address = sent.address === '' || judged.isOpened ? undefined : sent.address;
      const asked =
        use === 'link' && judged.isOpened
          ? this.#choose(counted, use)
          : this.#ask(counted, address, use);
      const wrong =
        use === 'code' ? wrongCode(judged, RECOVERY.codeInvalid) : RECOVERY.tokenInvalid;
      const shown = await flows.replace(show(asked, asked.ui.nodes, [wrong]));
      return { kind: 'shown', flow: shown, status: 200 };
    }
    if (account.state === 'inactive') throw new FlowFault('identity_disabled');
    const nowMs = clock.now();
    // What an administrator handed over went to no address, and proves none.
    const verified = isByAdministrator
      ? account
      : markVerified(account, sent.address, sent.via, nowMs);
    const { hooks, sessions } = this.#services;
    await keeping(counted, () =>
      hooks.ask(undefined, { flow: counted, account: verified, request: visitor.request }),
    );
    const settings = await this.#settings.populate(
      this.#settings.prepareNew(
        {
          type: flow.type,
          requestUrl: `${config.publicUrl}/self-service/settings/${flow.type}`,
          csrf: flow.csrf ?? visitor.csrf,
          returnTo: flow.returnTo,
        },
        verified,
      ),
      verified,
      [RECOVERY.recovered(config.flows.settings.privilegedSessionMaxAgeMs)],
    );
    const done = (one: Flow): Promise<PreparedFlow> =>
      flows.prepare(show({ ...forgetCode(one), state: 'passed_challenge' }, []));
    const [preparedAccount, preparedSettings, passed] = [
      await accounts.prepare(verified),
      await flows.prepare(settings),
      await done(counted),
    ];
    const passedRoot = judged.isOpened ? await done(judged.root) : undefined;
    // Nobody had proved anything of this account: whoever is in it may be a stranger who registered with the address.
    const isFirstProof = !account.verifiableAddresses.some((a) => a.verified);
    const authtokens = isFirstProof ? await authtokensOf(this.#services, account.id) : [];
    const issued = await store.write(async (trx) => {
      await accounts.replace(trx, preparedAccount);
      await budgets.giveBack(trx, judged.spent);
      await flows.replacePrepared(trx, passed);
      if (passedRoot !== undefined) await flows.replacePrepared(trx, passedRoot);
      await flows.insertPrepared(trx, preparedSettings);
      await audit.append(trx, {
        actor: account.id,
        action: 'accounts:recover',
        resource: `account/${account.id}`,
        data: { ip: visitor.ipAddress },
      });
      const method = this.#useOf(flow) === 'code' ? 'code_recovery' : 'link_recovery';
      if (visitor.session !== undefined) await sessions.revoke(trx, visitor.session.id);
      const begun = await issueSession(
        this.#services,
        trx,
        account,
        [{ method, aal: 'aal1', completedAtMs: nowMs }],
        visitor,
      );
      for (const id of authtokens) await fabric.grants.revoke(trx, id);
      if (isFirstProof || hasHook(config, 'recovery', undefined, 'revoke_active_sessions'))
        await sessions.revokeAll(trx, account.id, begun.session.id);
      return begun;
    });
    return { kind: 'recovered', flow: passed.flow, account: verified, issued, settings };
  }

  #choose(flow: Flow, use: 'code' | 'link' = this.#services.config.flows.recovery.use): Flow {
    return show({ ...flow, state: 'choose_method', active: use }, [
      csrfNode(flow),
      ...addressNodes(use),
    ]);
  }

  /** A link is asked for again as it was at first. */
  #askAgain(address: string | undefined): UiNode[] {
    if (address === undefined)
      return [input('link', { name: 'method', type: 'hidden', value: 'link' })];
    return addressNodes('link', address);
  }

  /** What is said of a proof that let somebody in already. */
  #usedUp(flow: Flow): UiText {
    return this.#useOf(flow) === 'code' ? RECOVERY.alreadyDone : RECOVERY.tokenInvalid;
  }

  /** What a flow asks for: an administrator's link stays one where codes are mailed. */
  #useOf({ active }: Flow): 'code' | 'link' {
    const { use } = this.#services.config.flows.recovery;
    return active === 'code' || active === 'link' ? active : use;
  }

  #ask(flow: Flow, address: string | undefined, use: 'code' | 'link'): Flow {
    const nodes =
      use === 'code'
        ? codeForm(flow, LABEL.recoveryCode, address)
        : [csrfNode(flow), ...this.#askAgain(address)];
    const said = use === 'code' ? RECOVERY.codeSent : RECOVERY.linkSent;
    return show({ ...flow, state: 'sent_email', active: use }, nodes, [said]);
  }
}
