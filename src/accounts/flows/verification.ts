/**
 * The verification flow: somebody proves that an address is theirs, by the code or the link that was sent to it (reference: Kratos, self-service verification). INVARIANT: an address that nobody here has looks like any
 * other; opening a link changes nothing, since mail scanners open links: the person's click does.
 */
import type { Transaction } from 'kysely';
import type { Database } from '../../store/index.ts';
import type { Account, VerifiableAddress, Via } from '../account.ts';
import { forgetCode, newCode, newLinkToken, noteCode, type SentCode, sentCode } from '../codes.ts';
import { normaliseIdentifier } from '../schema/identity-schema.ts';
import type { NewMessage, Services } from '../services.ts';
import { FLOW, INVALID, LABEL, VERIFICATION } from '../ui/message.ts';
import { anchor, nameOf } from '../ui/node.ts';
import { templateIdentity } from '../view.ts';
import { isIdentifierTaken } from './addresses.ts';
import { evenly } from './evenly.ts';
import { FlowFault } from './fault.ts';
import {
  type ContinueWith,
  type Flow,
  FlowProblem,
  keeping,
  newFlow,
  problem,
  type Submission,
  show,
  textOf,
  type Visitor,
} from './flow.ts';
import { csrfNode, tellProblems } from './form.ts';
import {
  addressNodes,
  codeForm,
  countMail,
  judgeProof,
  keepSent,
  linkForm,
  prepareMessages,
  type Sent,
  withCode,
  wrongCode,
} from './mailed.ts';
import { openedFrom, rootOf, withoutRoot } from './opened.ts';
import {
  applied,
  isAnothers,
  type PendingChange,
  pendingChange,
  prepareNotices,
  withPendingChange,
} from './pending-change.ts';

export interface BeginVerification {
  readonly type: 'browser' | 'api';
  readonly requestUrl: string;
  readonly csrf: string | undefined;
  readonly returnTo: string | undefined;
}

/** A flow with its message, ready to be stored in the transaction of what it follows from. */
export interface PreparedVerification {
  readonly flow: Flow;
  readonly continueWith: ContinueWith;
  put(trx: Transaction<Database>): Promise<void>;
}

export interface VerificationOutcome {
  readonly flow: Flow;
  readonly status: 200 | 400;
}

export class VerificationFlows {
  readonly #services: Services;
  constructor(services: Services) {
    this.#services = services;
  }

  /** Throws FlowFault when verification is switched off. */
  async begin(o: BeginVerification): Promise<Flow> {
    return this.#services.flows.insert(this.#choose(this.#new(o)));
  }

  #new(o: BeginVerification, accountId?: string): Flow {
    const { config, clock } = this.#services;
    const { verification } = config.flows;
    if (!verification.isEnabled) throw new FlowFault('self_service_flow_disabled');
    return newFlow(
      {
        kind: 'verification',
        ...o,
        accountId,
        lifespanMs: verification.lifespanMs,
        publicUrl: config.publicUrl,
        schemaId: config.defaultSchemaId,
      },
      clock.now(),
    );
  }

  /** Begins a verification that follows from something else: a registration, a changed address, a login. */
  async prepareFor(
    account: Account,
    address: VerifiableAddress,
    o: BeginVerification,
    pending?: PendingChange,
  ): Promise<PreparedVerification> {
    const { flows } = this.#services;
    const begun = this.#new(o, account.id);
    const flow = pending === undefined ? begun : withPendingChange(begun, pending);
    const sent = await this.#send(flow, address.value, address.via, account);
    const puts = await prepareMessages(this.#services, sent);
    const prepared = await flows.prepare(sent.flow);
    return {
      flow: sent.flow,
      continueWith: {
        action: 'show_verification_ui',
        flow: {
          id: sent.flow.id,
          verifiable_address: address.value,
          url: this.uiUrl(sent.flow),
        },
      },
      put: async (trx) => {
        await flows.insertPrepared(trx, prepared);
        for (const put of puts) await put(trx);
      },
    };
  }

  uiUrl(flow: Flow): string {
    const { config } = this.#services;
    const base = config.flows.verification.uiUrl ?? `${config.publicUrl}/ui/verification`;
    const url = new URL(base);
    url.searchParams.set('flow', flow.id);
    return url.toString();
  }

  /** Takes the same time whether the address is known or not. */
  submit(flow: Flow, submission: Submission, visitor: Visitor): Promise<VerificationOutcome> {
    return evenly(() => this.#submit(flow, submission, visitor));
  }

  async #submit(
    begun: Flow,
    submission: Submission,
    visitor: Visitor,
  ): Promise<VerificationOutcome> {
    const { flows, accounts } = this.#services;
    const flow: Flow = {
      ...begun,
      transientPayload: submission.transientPayload ?? begun.transientPayload,
    };
    try {
      if (flow.state === 'passed_challenge') throw problem(VERIFICATION.alreadyDone);
      const { use } = this.#services.config.flows.verification;
      const method = submission.method ?? use;
      if (method !== 'code' && method !== 'link') throw problem(FLOW.noVerification);
      const token = textOf(submission, 'token');
      const proof = textOf(submission, 'code') ?? token;
      const email = textOf(submission, 'email');
      if (proof !== undefined && email === undefined) {
        const active = token === undefined ? 'code' : 'link';
        return { flow: await this.#judge({ ...flow, active }, proof, visitor), status: 200 };
      }
      if (email === undefined) throw problem(INVALID.required('email'), 'email');
      const value = normaliseIdentifier(email);
      const root = (await rootOf(this.#services, flow)) ?? flow;
      const before = sentCode(root);
      // Asked for again: by the way it went before.
      const via = before?.address === value ? before.via : 'email';
      const account = await accounts.findByAddress('verifiable', value, via);
      await countMail(this.#services, 'verification mail', { address: value, account, visitor });
      const sent = await this.#sendTo({ ...flow, active: use }, { value, via, root }, account);
      return { flow: await keepSent(this.#services, sent), status: 200 };
    } catch (reason) {
      if (!(reason instanceof FlowProblem)) throw reason;
      const base = reason.flow ?? flow;
      const told = tellProblems(base, base.ui.nodes, reason);
      return { flow: await flows.replace(told), status: 400 };
    }
  }

  /**
   * A link of a flow was opened: the answer is a flow of that browser whose form holds what the link brought. What is done
   * already shows itself in the browser that did it, and is told in a new flow to others.
   */
  async open(root: Flow, proof: string, csrf: string): Promise<Flow> {
    const { clock, flows } = this.#services;
    const isPassed = root.state === 'passed_challenge';
    if (isPassed && root.csrf === csrf) return root;
    const sent = sentCode(root);
    const isLink = useOf(root) === 'link';
    if (isPassed || sent === undefined || (isLink && proof === '')) {
      const { requestUrl, returnTo } = root;
      const begun = this.#choose(this.#new({ type: 'browser', requestUrl, csrf, returnTo }));
      if (!isPassed && !isLink) return flows.insert(begun);
      const said = isPassed ? VERIFICATION.alreadyDone : VERIFICATION.tokenInvalid;
      return flows.insert(show(begun, begun.ui.nodes, [said]));
    }
    const opened = openedFrom(root, csrf, clock.now());
    if (isLink)
      return flows.insert(show({ ...opened, state: 'choose_method' }, linkForm(opened, proof)));
    const asked = this.#askAgain(opened, sent.address, true);
    return flows.insert(show(asked, withCode(asked.ui.nodes, proof), asked.ui.messages));
  }

  async #sendTo(
    flow: Flow,
    { value, via, root }: { readonly value: string; readonly via: Via; readonly root: Flow },
    account: Account | undefined,
  ): Promise<Sent> {
    const { accounts, config } = this.#services;
    const change = pendingChange(root);
    if (change?.address === value) {
      const { accountId } = change;
      if (await isAnothers(this.#services, value, change.via, accountId))
        throw problem(INVALID.duplicate);
      // What a link opened has to carry the change by itself, now that it gets a code of its own.
      const carrying = withPendingChange(flow, change);
      return this.#send(carrying, value, change.via, await accounts.get(accountId));
    }
    const sent = await this.#send(flow, value, via, account);
    if (account !== undefined || config.flows.verification.isUnknownNotified) return sent;
    return { flow: sent.flow, messages: [] };
  }

  async #send(flow: Flow, address: string, via: Via, account: Account | undefined): Promise<Sent> {
    const { fabric, config, clock } = this.#services;
    // A text message holds a code.
    const use = via === 'sms' ? 'code' : config.flows.verification.use;
    const secret = use === 'code' ? newCode() : newLinkToken();
    const { lifespanMs } = use === 'code' ? config.methods.code : config.methods.link;
    const unsent: Flow = { ...withoutRoot(flow), active: use };
    const noted = await noteCode(fabric, unsent, secret, {
      ...{ address, via, accountId: account?.id },
      triesLeft: config.methods.code.maxSubmissions,
      expiresAtMs: clock.now() + lifespanMs,
    });
    const kind = account === undefined ? 'invalid' : 'valid';
    const base = `${config.publicUrl}/self-service/verification`;
    const data: Record<string, unknown> = {
      To: address,
      ExpiresInMinutes: Math.round(lifespanMs / 60_000),
      ...(account === undefined ? {} : { Identity: templateIdentity(account) }),
      ...(use === 'code'
        ? { VerificationCode: secret, VerificationURL: `${base}?code=${secret}&flow=${flow.id}` }
        : { VerificationURL: `${base}?flow=${flow.id}&token=${secret}` }),
    };
    const templateType =
      use === 'code' ? (`verification_code_${kind}` as const) : (`verification_${kind}` as const);
    const message: NewMessage = { templateType, via, recipient: address, data };
    return { flow: this.#ask(noted, address), messages: [message] };
  }

  async #judge(flow: Flow, code: string, visitor: Visitor): Promise<Flow> {
    const { flows, store, accounts, clock, budgets, audit, hooks, sessions } = this.#services;
    const judged = await judgeProof(this.#services, flow, {
      ...{ what: 'verification code', proof: code, visitor },
      ...{ alreadyDone: VERIFICATION.alreadyDone, failedState: VERIFICATION.failedState },
    });
    const { sent, account, isRight, flow: counted } = judged;
    const change = changeBy(judged.root, sent);
    const made =
      isRight && change !== undefined && account !== undefined
        ? await applied(this.#services, account, change)
        : undefined;
    // A change that is over looks like a code that is, and so does an address that is no longer the account's.
    const isOver =
      change === undefined
        ? account?.verifiableAddresses.some(
            (a) => a.value === sent.address && a.via === sent.via,
          ) !== true
        : made === undefined;
    if (!isRight || isOver || account === undefined) {
      const asked = this.#askAgain(counted, sent.address, judged.isOpened);
      const wrong =
        useOf(counted) === 'code'
          ? wrongCode(judged, VERIFICATION.codeInvalid)
          : VERIFICATION.tokenInvalid;
      return flows.replace(show(asked, asked.ui.nodes, [wrong]));
    }
    const nowMs = clock.now();
    if (
      made !== undefined &&
      (await isAnothers(this.#services, sent.address, sent.via, account.id))
    )
      throw problem(INVALID.duplicate, undefined, counted);
    const verified = markVerified(made?.account ?? account, sent.address, sent.via, nowMs);
    await keeping(counted, () =>
      hooks.ask(undefined, { flow: counted, account: verified, request: visitor.request }),
    );
    const prepared = await accounts.prepare(verified);
    const passed = await flows.prepare(this.#passed(forgetCode(counted), sent.via));
    const passedRoot = judged.isOpened
      ? await flows.prepare(this.#passed(forgetCode(judged.root), sent.via))
      : undefined;
    const notices = made
      ? await prepareNotices(this.#services, made.settings, account, verified)
      : [];
    const kept = await store.write(async (trx) => {
      if (change !== undefined && !(await sessions.isUnrevoked(change.sessionId, trx)))
        throw problem(VERIFICATION.codeInvalid, undefined, counted);
      await accounts.replace(trx, prepared).catch((reason: unknown) => {
        throw isIdentifierTaken(reason) ? problem(INVALID.duplicate, undefined, counted) : reason;
      });
      for (const put of notices) await put(trx);
      await budgets.giveBack(trx, judged.spent);
      await audit.append(trx, {
        actor: account.id,
        action: 'accounts:verify',
        resource: `account/${account.id}`,
        data: { via: sent.via, ...(change === undefined ? {} : { what: 'address changed' }) },
      });
      if (passedRoot !== undefined) await flows.replacePrepared(trx, passedRoot);
      return flows.replacePrepared(trx, passed);
    });
    if (made !== undefined)
      await hooks.tell(made.settings.active, {
        ...{ flow: made.settings, account: verified, request: visitor.request },
      });
    return kept;
  }

  #choose(flow: Flow): Flow {
    const { use } = this.#services.config.flows.verification;
    return show({ ...flow, state: 'choose_method', active: use }, [
      csrfNode(flow),
      ...addressNodes(use),
    ]);
  }

  #ask(flow: Flow, address: string): Flow {
    const sent: Flow = { ...flow, state: 'sent_email' };
    return useOf(flow) === 'code'
      ? show(sent, codeForm(flow, LABEL.verificationCode, address), [VERIFICATION.codeSent])
      : show(sent, [csrfNode(flow), ...addressNodes('link', address)], [VERIFICATION.linkSent]);
  }

  /** Asks in whichever browser: who only has a link need not know whose address it went to. */
  #askAgain(flow: Flow, address: string, isOpened: boolean): Flow {
    if (isOpened && useOf(flow) === 'link') return this.#choose(flow);
    const asked = this.#ask(flow, address);
    if (!isOpened) return asked;
    const nodes = asked.ui.nodes.filter((n) => nameOf(n) !== 'email');
    return show(asked, nodes, asked.ui.messages);
  }

  #passed(flow: Flow, via: Via): Flow {
    const { config } = this.#services;
    const target =
      flow.returnTo ?? config.flows.verification.after.defaultReturnUrl ?? config.defaultReturnUrl;
    const shown = show(
      { ...flow, state: 'passed_challenge' },
      [anchor(useOf(flow), 'continue', target, LABEL.continue)],
      [via === 'sms' ? VERIFICATION.phoneVerified : VERIFICATION.verified],
    );
    return { ...shown, ui: { ...shown.ui, method: 'GET', action: target } };
  }
}

/** What proves the address: what was sent last, or came. */
function useOf({ active }: Flow): 'code' | 'link' {
  return active === 'link' ? 'link' : 'code';
}

/** The change that a code decides on: only the one that went to its new address. */
function changeBy(flow: Flow, sent: SentCode): PendingChange | undefined {
  const change = pendingChange(flow);
  const isOfIt =
    change?.address === sent.address &&
    change.via === sent.via &&
    change.accountId === sent.accountId;
  return isOfIt ? change : undefined;
}

/** The account with an address verified; as it is when the address is no longer among its own. */
export function markVerified(account: Account, value: string, via: Via, nowMs: number): Account {
  return {
    ...account,
    updatedAtMs: nowMs,
    verifiableAddresses: account.verifiableAddresses.map((a) =>
      a.value === value && a.via === via
        ? { ...a, verified: true, status: 'completed', verifiedAtMs: nowMs, updatedAtMs: nowMs }
        : a,
    ),
  };
}
