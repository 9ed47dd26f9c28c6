/**
 * The login flow: first factors, a second one, and proving oneself again (reference: Kratos, self-service login). The
 * methods do the proving; this decides who may begin, what is shown and what follows.
 */
import type { Aal, Account, Session, VerifiableAddress } from '../account.ts';
import { hasHook } from '../hooks/configured.ts';
import { isChanged } from '../repository.ts';
import { normaliseIdentifier } from '../schema/identity-schema.ts';
import { type Services, schemaOf } from '../services.ts';
import { FLOW, INVALID, LABEL, LOGIN } from '../ui/message.ts';
import { input, submit, type UiNode, type UiText } from '../ui/node.ts';
import { evenly } from './evenly.ts';
import { FlowFault } from './fault.ts';
import { isSureEnough, type SignedIn, sessionToBe, signIn } from './finish.ts';
import {
  aboutFlow,
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
import { csrfNode, LOGIN_ANSWERS, methodOfAnswer, tellProblems, withTyped } from './form.ts';
import { withLinked } from './linking.ts';
import {
  type Authenticated,
  type LoginMethod,
  type Method,
  withFreshChallenges,
} from './method.ts';

import { rehearsalOf } from './rehearsal.ts';
import { chosenSchemaId } from './schema-choice.ts';

export interface BeginLogin {
  readonly type: 'browser' | 'api';
  readonly requestUrl: string;
  readonly csrf: string | undefined;
  readonly returnTo: string | undefined;
  readonly isRefresh: boolean;
  readonly aal: Aal;
  readonly via: string | undefined;
  readonly loginChallenge: string | undefined;
  readonly organizationId: string | undefined;
  /** Asked for; only told to who reads the flow, and to the registration that they may go on to. */
  readonly schemaId: string | undefined;
  readonly exchangeCode?: string;
  readonly returnToCode?: string;
  readonly session: Session | undefined;
}

/** What became of a submission. */
export type LoginOutcome =
  | { readonly kind: 'shown'; readonly flow: Flow; readonly status: 200 | 400 }
  | { readonly kind: 'detour'; readonly flow: Flow; readonly url: string }
  | {
      readonly kind: 'signed-in';
      readonly flow: Flow;
      readonly signedIn: SignedIn;
      /** A second factor is there and has not been given. */
      readonly needsAal2: boolean;
      /** The hook `verification`: this address is to be verified now. */
      readonly toVerify: VerifiableAddress | undefined;
      /** The hook `show_verification_ui`: the browser goes there to do it. */
      readonly isVerificationShown: boolean;
    };

const IDENTIFIER_FIRST = 'identifier_first';
const IDENTIFIER_MAX = 1_024;
/** What is said to whoever did not prove who they are. Attempts that the throttle turned away are no proofs. */
const REFUSALS: ReadonlySet<number> = new Set(
  [
    ...[INVALID.credentials, INVALID.totpWrong, INVALID.lookupUsed, INVALID.lookupWrong],
    ...[INVALID.noWebauthnUser, FLOW.loginCodeWrong],
  ].map(({ id }) => id),
);

export class LoginFlows {
  readonly #services: Services;
  readonly #methods: readonly Method[];

  constructor(services: Services, methods: readonly Method[]) {
    this.#services = services;
    this.#methods = methods;
  }

  /** Throws FlowFault: already signed in, a session is needed first, or the flow is switched off. */
  async begin(o: BeginLogin): Promise<Flow> {
    const { config, clock, flows } = this.#services;
    if (!config.flows.login.isEnabled) throw new FlowFault('self_service_flow_disabled');
    const { session } = o;
    if (o.aal === 'aal2' && session === undefined) throw new FlowFault('session_aal1_required');
    const isRaise = o.aal === 'aal2' && session?.aal !== 'aal2';
    if (session !== undefined && !o.isRefresh && !isRaise)
      throw new FlowFault('session_already_available');
    const chosen = o.aal === 'aal2' ? undefined : chosenSchemaId(config, o.schemaId);
    const account = session === undefined ? undefined : await this.#accountOf(session);
    const flow = newFlow(
      {
        kind: 'login',
        type: o.type,
        requestUrl: o.requestUrl,
        lifespanMs: config.flows.login.lifespanMs,
        publicUrl: config.publicUrl,
        schemaId: chosen ?? account?.schemaId ?? config.defaultSchemaId,
        isSchemaChosen: chosen !== undefined,
        returnTo: o.returnTo,
        csrf: o.csrf,
        accountId: account?.id,
        isRefresh: o.isRefresh && session !== undefined,
        requestedAal: o.aal === 'aal2' ? 'aal2' : 'aal1',
        via: o.via,
        loginChallenge: o.loginChallenge,
        organizationId: o.organizationId,
        exchangeCode: o.exchangeCode,
        returnToCode: o.returnToCode,
      },
      clock.now(),
    );
    const prepared = withFreshChallenges(this.#methods, flow);
    return flows.insert(await this.populate(prepared));
  }

  /** The flow with the nodes that it begins with. */
  async populate(flow: Flow): Promise<Flow> {
    const account =
      flow.accountId === undefined ? undefined : await this.#services.accounts.get(flow.accountId);
    const messages: UiText[] = [];
    if (flow.requestedAal === 'aal2') messages.push(LOGIN.secondFactor);
    else if (flow.isRefresh) messages.push(LOGIN.refresh);
    const nodes = await this.#nodes(flow, account);
    const hasMethod = nodes.some((n) => n.group !== 'default');
    return show(flow, nodes, hasMethod ? messages : [...messages, FLOW.noMethod]);
  }

  /** Takes the same time whether there is such a person or not, unless it signs somebody in. */
  submit(flow: Flow, submission: Submission, visitor: Visitor): Promise<LoginOutcome> {
    return evenly(
      () => this.#retrying(flow, (now) => this.#submit(now, submission, visitor)),
      ({ kind }) => kind !== 'shown',
    );
  }

  /** Proves a person again, once, whose account was changed while the proof was held against it. */
  async #retrying(
    flow: Flow,
    attempt: (flow: Flow) => Promise<LoginOutcome>,
  ): Promise<LoginOutcome> {
    try {
      return await attempt(flow);
    } catch (reason) {
      if (!isChanged(reason)) throw reason;
      // The first attempt may have counted a try in it.
      return attempt((await this.#services.flows.find('login', flow.id)) ?? flow);
    }
  }

  async #submit(flow: Flow, submission: Submission, visitor: Visitor): Promise<LoginOutcome> {
    const { flows, store, messages } = this.#services;
    try {
      const account = await this.#boundAccount(flow, visitor);
      insistOnRehearsed(flow, submission);
      if (submission.method === IDENTIFIER_FIRST && isIdentifierFirst(this.#services, flow))
        return await this.#identify(flow, submission);
      const method = this.#pick(flow, submission);
      if (method === undefined) throw problem(FLOW.noLogin);
      const active: Flow = {
        ...flow,
        active: method.name,
        transientPayload: submission.transientPayload ?? flow.transientPayload,
      };
      const outcome = await method.submit(active, submission, visitor, account);
      if (outcome.kind === 'detour')
        return { kind: 'detour', url: outcome.url, flow: await flows.replace(outcome.flow) };
      if (outcome.kind === 'shown') {
        const puts = await Promise.all(
          (outcome.messages ?? []).map((m) => messages.prepare(aboutFlow(outcome.flow, m))),
        );
        const prepared = await flows.prepare(outcome.flow);
        const kept = await store.write(async (trx) => {
          for (const put of puts) await put(trx);
          return flows.replacePrepared(trx, prepared);
        });
        return { kind: 'shown', flow: kept, status: outcome.isOk === true ? 200 : 400 };
      }
      if (account !== undefined && outcome.account.id !== account.id)
        throw new FlowFault('security_identity_mismatch');
      return await this.#finish(outcome.flow ?? active, outcome, visitor);
    } catch (reason) {
      if (!(reason instanceof FlowProblem)) throw reason;
      await this.#recordRefusal(flow, submission, visitor, reason);
      return { kind: 'shown', status: 400, flow: await this.tell(flow, submission, reason) };
    }
  }

  /** Whom somebody failed to be is in the audit; what they typed is not: it may be a password in the wrong field. */
  async #recordRefusal(
    flow: Flow,
    submission: Submission,
    { ipAddress: ip }: Visitor,
    reason: FlowProblem,
  ): Promise<void> {
    if (!reason.problems.some(({ message }) => REFUSALS.has(message.id))) return;
    const { accounts, store, audit } = this.#services;
    const name = normaliseIdentifier(textOf(submission, 'identifier') ?? '');
    const known = flow.accountId ?? (await accounts.findByIdentifier(name))?.id;
    const method = submission.method ?? methodOfAnswer(submission, LOGIN_ANSWERS) ?? '';
    await store.write((trx) =>
      audit.append(trx, {
        actor: known ?? 'anyone',
        action: 'accounts:login',
        resource: known === undefined ? 'account/unknown' : `account/${known}`,
        outcome: 'denied',
        data: { method, ip },
      }),
    );
  }

  /** Takes who somebody says they are; what is offered then tells nobody whether there is such a person. */
  async #identify(flow: Flow, submission: Submission): Promise<LoginOutcome> {
    const identifier = textOf(submission, 'identifier');
    if (identifier === undefined) throw problem(INVALID.required('identifier'), 'identifier');
    if (identifier.length > IDENTIFIER_MAX) throw problem(INVALID.generic('That is too long.'));
    const named = withNote({ ...flow, active: IDENTIFIER_FIRST }, IDENTIFIER_FIRST, identifier);
    const shown = show(named, await this.#nodes(named, undefined), []);
    return { kind: 'shown', flow: await this.#services.flows.replace(shown), status: 400 };
  }

  /** Ends a flow whose person comes back from another site. Throws as `submit`. */
  complete(flow: Flow, authenticated: Authenticated, visitor: Visitor): Promise<LoginOutcome> {
    return this.#finish({ ...flow, active: authenticated.method.method }, authenticated, visitor);
  }

  /** Ends a flow whose person has proved who they are, by a method or on the way back from another site. */
  async #finish(flow: Flow, o: Authenticated, visitor: Visitor): Promise<LoginOutcome> {
    const { config, hooks } = this.#services;
    const changed = withLinked(this.#services, flow, o);
    const person = changed ?? o.account;
    const how = flow.active ?? o.method.method;
    this.#insistOnVerified(how, person);
    if (person.state === 'inactive') throw new FlowFault('identity_disabled');
    const signing = { flow, account: o.account, changed, method: o.method, visitor };
    const session = sessionToBe(this.#services, signing);
    await keeping(o.flow, () =>
      hooks.ask(how, { flow, account: person, session, request: visitor.request }),
    );
    const signedIn = await signIn(this.#services, {
      ...signing,
      sessionId: session.id,
      spent: o.spent ?? [],
      isOnlySession: hasHook(config, 'login', how, 'revoke_active_sessions'),
    });
    const { requiredAal } = config.session;
    const needsAal2 = !isSureEnough(
      this.#services,
      signedIn.session,
      signedIn.account,
      requiredAal,
    );
    const isVerifying =
      config.flows.verification.isEnabled && hasHook(config, 'login', how, 'verification');
    return {
      ...{ kind: 'signed-in', flow, signedIn, needsAal2 },
      toVerify: isVerifying ? person.verifiableAddresses.find((a) => !a.verified) : undefined,
      isVerificationShown: hasHook(config, 'login', how, 'show_verification_ui'),
    };
  }

  #insistOnVerified(how: string, account: Account): void {
    if (!hasHook(this.#services.config, 'login', how, 'require_verified_address')) return;
    if (account.verifiableAddresses.some((a) => a.verified)) return;
    throw new UnverifiedAddress(account);
  }

  /** The flow as it is shown again, with what was wrong. */
  async tell(flow: Flow, submission: Submission, reason: FlowProblem): Promise<Flow> {
    // A challenge is good for one answer, right or wrong.
    const base = reason.flow ?? withFreshChallenges(this.#methods, flow);
    const account =
      flow.accountId === undefined ? undefined : await this.#services.accounts.get(flow.accountId);
    const nodes = reason.flow?.ui.nodes ?? withTyped(await this.#nodes(base, account), submission);
    return this.#services.flows.replace(
      tellProblems({ ...base, active: submission.method ?? base.active }, nodes, reason),
    );
  }

  #pick(flow: Flow, submission: Submission): LoginMethod | undefined {
    const name = submission.method || methodOfAnswer(submission, LOGIN_ANSWERS);
    const method = this.#methods.find((m) => m.name === name);
    return flow.requestedAal === 'aal2' ? method?.secondFactor : method?.login;
  }

  async #boundAccount(flow: Flow, visitor: Visitor): Promise<Account | undefined> {
    if (flow.accountId === undefined) return undefined;
    // A flow that proves somebody again, or more, is that person's alone.
    if (visitor.session?.accountId !== flow.accountId)
      throw new FlowFault('security_identity_mismatch');
    return this.#accountOf(visitor.session);
  }

  async #accountOf(session: Session): Promise<Account> {
    const account = await this.#services.accounts.get(session.accountId);
    if (account === undefined) throw new FlowFault('session_inactive');
    return account;
  }

  async #nodes(flow: Flow, account: Account | undefined): Promise<UiNode[]> {
    const nodes = [csrfNode(flow)];
    const isInSteps = isIdentifierFirst(this.#services, flow);
    const named = noteOf(flow, IDENTIFIER_FIRST);
    if (isInSteps && typeof named === 'string')
      nodes.push(input(IDENTIFIER_FIRST, { name: 'identifier', type: 'hidden', value: named }));
    else if (flow.requestedAal !== 'aal2' && this.#hasIdentifier())
      nodes.push(this.#identifier(account, isInSteps ? IDENTIFIER_FIRST : 'default'));
    const shown = isInSteps ? stepOf(named !== undefined) : (): boolean => true;
    for (const method of this.#methods) {
      const part = flow.requestedAal === 'aal2' ? method.secondFactor : method.login;
      if (part !== undefined && shown(method.name))
        nodes.push(...(await part.nodes(flow, account)));
    }
    if (isInSteps && named === undefined)
      nodes.push(submit(IDENTIFIER_FIRST, 'method', IDENTIFIER_FIRST, LABEL.continue));
    return nodes;
  }

  #hasKeys(): boolean {
    return this.#methods.some((m) => m.name === 'passkey' || m.name === 'webauthn');
  }
  #hasIdentifier(): boolean {
    return this.#methods.some((m) => m.login !== undefined && m.name !== 'oidc');
  }

  #identifier(account: Account | undefined, group: UiNode['group']): UiNode {
    if (account !== undefined) {
      const schema = schemaOf(this.#services, account);
      const [value = ''] = [
        ...schema.identifiers('password', account.traits),
        ...schema.codeAddresses(account.traits).map((a) => a.value),
      ];
      return input('default', { name: 'identifier', type: 'hidden', value });
    }
    const { schemas, config } = this.#services;
    const label = schemas.get(config.defaultSchemaId)?.signInLabel();
    return input(
      group,
      {
        name: 'identifier',
        type: 'text',
        value: '',
        required: true,
        // A browser offers passkeys in this very field.
        autocomplete: this.#hasKeys() ? 'username webauthn' : 'username',
      },
      label === undefined ? LABEL.identifier : LABEL.trait(label.title, label.name),
    );
  }
}

/** A dry run goes to its own provider and nowhere else, once: it signs nobody in. */
function insistOnRehearsed(flow: Flow, submission: Submission): void {
  const rehearsal = rehearsalOf(flow);
  if (rehearsal === undefined) return;
  const isDone = rehearsal.payload !== undefined;
  const isIts = textOf(submission, 'provider') === rehearsal.provider;
  const isTrip = (submission.method ?? 'oidc') === 'oidc' && isIts;
  if (isDone || !isTrip || textOf(submission, 'id_token') !== undefined)
    throw problem(INVALID.generic('This is a dry run: it leads to its provider alone, once.'));
}

/** Whether somebody says who they are on a screen of its own: `style: identifier_first`, and nobody is known yet. */
function isIdentifierFirst({ config }: Services, flow: Flow): boolean {
  return (
    config.flows.login.style === IDENTIFIER_FIRST &&
    flow.requestedAal === 'aal1' &&
    flow.accountId === undefined
  );
}
/** What stands beside the name, and what after it: ways that need no name come first. */
function stepOf(isNamed: boolean): (method: string) => boolean {
  const needsNoName = (method: string): boolean => method === 'oidc' || method === 'passkey';
  return (method) => needsNoName(method) !== isNamed;
}

/** The person proved who they are, and has no verified address though one is asked for. */
export class UnverifiedAddress extends Error {
  override readonly name = 'UnverifiedAddress';
  readonly account: Account;
  constructor(account: Account) {
    super('The address is not verified');
    this.account = account;
  }
}
