/**
 * The registration flow, on one screen or on two: who one is, then how one will sign in (reference: Kratos, self-service
 * registration). INVARIANT: an account is stored with its credentials, addresses, first session and verification mail in
 * one transaction, or not at all.
 */

import { newUuid, PosternError } from '../../kernel/index.ts';
import type { Account, Credential, JsonObject, Session } from '../account.ts';
import { newRecoveryAddress, newVerifiableAddress } from '../addresses.ts';
import { forgetCode } from '../codes.ts';
import { hasHook } from '../hooks/configured.ts';
import type { IdentitySchema } from '../schema/identity-schema.ts';
import type { Services } from '../services.ts';
import type { IssuedSession } from '../sessions.ts';
import { refuseSpent, registrationBudgets } from '../throttle.ts';
import { FLOW, INVALID, REGISTRATION } from '../ui/message.ts';
import { submit, type UiNode } from '../ui/node.ts';
import { FlowFault } from './fault.ts';
import { issueSession, storeNew } from './finish.ts';
import {
  aboutFlow,
  type ContinueWith,
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
import { csrfNode, methodOfAnswer, REGISTRATION_ANSWERS, tellProblems, withTyped } from './form.ts';
import { type Method, type Registered, withFreshChallenges } from './method.ts';
import { chosenSchemaId } from './schema-choice.ts';
import type { VerificationFlows } from './verification.ts';

const SCREEN = 'screen';

export interface BeginRegistration {
  readonly type: 'browser' | 'api';
  readonly requestUrl: string;
  readonly csrf: string | undefined;
  readonly returnTo: string | undefined;
  readonly loginChallenge: string | undefined;
  readonly afterVerificationReturnTo: string | undefined;
  readonly organizationId: string | undefined;
  readonly schemaId: string | undefined;
  readonly exchangeCode?: string;
  readonly returnToCode?: string;
  readonly session: Session | undefined;
}

export type RegistrationOutcome =
  | { readonly kind: 'shown'; readonly flow: Flow; readonly status: 200 | 400 }
  | { readonly kind: 'detour'; readonly flow: Flow; readonly url: string }
  | {
      readonly kind: 'registered';
      readonly flow: Flow;
      readonly account: Account;
      /** Where the hook `session` is configured. */
      readonly issued: IssuedSession | undefined;
      readonly continueWith: readonly ContinueWith[];
      /** The hook `show_verification_ui` sends the browser there. */
      readonly verificationUrl: string | undefined;
    };

/** Addresses of one registration that are written to at once. */
const MAILED_MAX = 5;

export class RegistrationFlows {
  readonly #services: Services;
  readonly #methods: readonly Method[];
  readonly #verification: VerificationFlows;

  constructor(services: Services, methods: readonly Method[], verification: VerificationFlows) {
    this.#services = services;
    this.#methods = methods;
    this.#verification = verification;
  }

  /** Throws FlowFault: already signed in, or the flow is switched off. */
  async begin(o: BeginRegistration): Promise<Flow> {
    const { config, clock, flows } = this.#services;
    if (!config.flows.registration.isEnabled) throw new FlowFault('self_service_flow_disabled');
    if (o.session !== undefined) throw new FlowFault('session_already_available');
    const chosen = chosenSchemaId(config, o.schemaId);
    const flow = newFlow(
      {
        ...o,
        kind: 'registration',
        lifespanMs: config.flows.registration.lifespanMs,
        publicUrl: config.publicUrl,
        schemaId: chosen ?? config.defaultSchemaId,
        isSchemaChosen: chosen !== undefined,
      },
      clock.now(),
    );
    const prepared = withFreshChallenges(this.#methods, flow);
    return flows.insert(show(prepared, await this.#nodes(prepared)));
  }

  async submit(flow: Flow, submission: Submission, visitor: Visitor): Promise<RegistrationOutcome> {
    const { flows, store, messages, budgets } = this.#services;
    // Somebody signed in since it was begun: their session would be left standing, out of their reach.
    if (visitor.session !== undefined) throw new FlowFault('session_already_available');
    const active: Flow = {
      ...flow,
      active: submission.method ?? flow.active,
      transientPayload: submission.transientPayload ?? flow.transientPayload,
    };
    try {
      const screen = textOf(submission, 'screen');
      if (screen === 'previous') return await this.#turn(active, submission, 'profile');
      const schema = this.#schema(active);
      const name = submission.method || methodOfAnswer(submission, REGISTRATION_ANSWERS);
      const method = this.#methods.find((m) => m.name === name)?.registration;
      const traits =
        method?.isDetour === true
          ? (submission.traits ?? {})
          : this.#traits(active, submission, schema);
      if (submission.method === 'profile')
        return await this.#turn(withNote(active, 'traits', traits), submission, 'credentials');
      if (screen === 'credential-selection')
        return await this.#turn(forgetCode(active), submission, 'credentials');
      if (method === undefined) throw problem(FLOW.noRegistration);
      await refuseSpent(budgets, registrationBudgets(visitor));
      const outcome = await method.submit(active, submission, traits, schema, visitor);
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
        return { kind: 'shown', flow: kept, status: 400 };
      }
      return await this.finish(outcome.flow ?? active, outcome, schema, visitor);
    } catch (reason) {
      if (!(reason instanceof FlowProblem)) throw reason;
      return { kind: 'shown', status: 400, flow: await this.tell(active, submission, reason) };
    }
  }

  /** The flow as it is shown again, with what was wrong. */
  async tell(flow: Flow, submission: Submission, reason: FlowProblem): Promise<Flow> {
    const base = reason.flow ?? withFreshChallenges(this.#methods, flow);
    const nodes = reason.flow?.ui.nodes ?? withTyped(await this.#nodes(base), submission);
    return this.#services.flows.replace(tellProblems(base, nodes, reason));
  }

  /** Stores the account of a finished registration. Throws FlowProblem when an identifier is taken. */
  async finish(
    flow: Flow,
    registered: Registered,
    schema: IdentitySchema,
    visitor: Visitor,
  ): Promise<RegistrationOutcome> {
    const { store, flows, accounts, config, hooks, sessions } = this.#services;
    const how = registered.method.method;
    const { request } = visitor;
    const account = await keeping(registered.flow, () =>
      hooks.decide(how, {
        ...{ flow, request },
        account: newAccount(this.#services, schema, registered),
      }),
    );
    const isSessionIssued =
      hasHook(config, 'registration', how, 'session') && account.state === 'active';
    const prepared = await accounts.prepare(account);
    const verifications = config.flows.verification.isEnabled
      ? await Promise.all(
          account.verifiableAddresses
            .filter((a) => !a.verified)
            // Whoever lists a thousand addresses of others does not have a thousand mails sent; the rest can ask.
            .slice(0, MAILED_MAX)
            .map((a) =>
              this.#verification.prepareFor(account, a, {
                type: flow.type,
                requestUrl: flow.requestUrl,
                csrf: flow.csrf,
                returnTo: flow.afterVerificationReturnTo ?? flow.returnTo,
              }),
            ),
        )
      : [];
    try {
      const issued = await store.write(async (trx) => {
        await flows.finish(trx, flow);
        await storeNew(this.#services, trx, prepared, account.id);
        for (const v of verifications) await v.put(trx);
        return isSessionIssued
          ? issueSession(this.#services, trx, account, [registered.method], visitor)
          : undefined;
      });
      await hooks.tell(how, { flow, account, request }).catch(async (reason: unknown) => {
        // The account stays, as at Kratos; nobody is signed in by a registration that has failed.
        if (issued !== undefined)
          await store.write((trx) => sessions.revoke(trx, issued.session.id));
        throw reason;
      });
      const [first] = verifications;
      return {
        kind: 'registered',
        flow,
        account,
        issued,
        continueWith: verifications.map((v) => v.continueWith),
        verificationUrl:
          first !== undefined && hasHook(config, 'registration', how, 'show_verification_ui')
            ? this.#verification.uiUrl(first.flow)
            : undefined,
      };
    } catch (reason) {
      const isTaken =
        reason instanceof PosternError &&
        reason.code === 'conflict' &&
        reason.message.includes('identifier');
      if (isTaken) throw problem(INVALID.duplicate);
      throw reason;
    }
  }

  async #detours(flow: Flow, schema: IdentitySchema): Promise<readonly UiNode[]> {
    const detours = this.#methods.flatMap(({ registration: r }) =>
      r?.isDetour === true ? [r] : [],
    );
    return (await Promise.all(detours.map((r) => r.nodes(flow, schema)))).flat();
  }

  #schema(flow: Flow): IdentitySchema {
    const schema = this.#services.schemas.get(flow.schemaId);
    if (schema === undefined) throw new FlowFault('flow_not_found');
    return schema;
  }

  /** The traits of a submission, or those of the screen before. Throws FlowProblem for what is wrong with them. */
  #traits(flow: Flow, submission: Submission, schema: IdentitySchema): JsonObject {
    const before = noteOf(flow, 'traits');
    const kept =
      typeof before === 'object' && before !== null && !Array.isArray(before)
        ? (before as JsonObject)
        : undefined;
    const traits = submission.traits ?? kept ?? {};
    const problems = schema.problems(traits);
    if (problems.length > 0) throw new FlowProblem(problems);
    return traits;
  }

  async #turn(
    flow: Flow,
    submission: Submission,
    screen: 'profile' | 'credentials',
  ): Promise<RegistrationOutcome> {
    const turned = withNote(flow, SCREEN, screen);
    const nodes = withTyped(await this.#nodes(turned), submission);
    const messages = screen === 'credentials' ? [REGISTRATION.chooseCredential] : [];
    return {
      kind: 'shown',
      status: 400,
      flow: await this.#services.flows.replace(show(turned, nodes, messages)),
    };
  }

  async #nodes(flow: Flow): Promise<readonly UiNode[]> {
    const { config } = this.#services;
    const schema = this.#schema(flow);
    const isTwoSteps = config.flows.registration.style === 'profile_first';
    const isProfile = noteOf(flow, SCREEN) !== 'credentials';
    const before = noteOf(flow, 'traits');
    const traits =
      typeof before === 'object' && before !== null && !Array.isArray(before)
        ? (before as JsonObject)
        : undefined;
    if (isTwoSteps && isProfile)
      return [
        csrfNode(flow),
        ...schema.nodes('default', traits),
        submit('profile', 'method', 'profile', REGISTRATION.signUp),
        ...(await this.#detours(flow, schema)),
      ];
    const nodes: UiNode[] = [csrfNode(flow)];
    const asked = schema.nodes('default', traits);
    nodes.push(...(isTwoSteps ? asked.map(hidden) : asked));
    for (const { registration } of this.#methods)
      if (registration !== undefined) nodes.push(...(await registration.nodes(flow, schema)));
    if (isTwoSteps) nodes.push(submit('profile', 'screen', 'previous', REGISTRATION.back));
    return nodes;
  }
}

function hidden(node: UiNode): UiNode {
  const { attributes } = node;
  return attributes.node_type === 'input'
    ? { ...node, attributes: { ...attributes, type: 'hidden' } }
    : node;
}

/** The account that a registration makes. */
export function newAccount(
  { clock }: Pick<Services, 'clock'>,
  schema: IdentitySchema,
  o: Pick<Registered, 'traits' | 'credentials' | 'verified' | 'metadataPublic' | 'metadataAdmin'>,
): Account {
  const nowMs = clock.now();
  const proved = new Set((o.verified ?? []).map((a) => `${a.via} ${a.value}`));
  const credentials: readonly Credential[] = o.credentials;
  return {
    id: newUuid(),
    externalId: undefined,
    schemaId: schema.id,
    state: 'active',
    stateChangedAtMs: nowMs,
    traits: o.traits,
    metadataPublic: o.metadataPublic ?? null,
    metadataAdmin: o.metadataAdmin ?? null,
    organizationId: undefined,
    verifiableAddresses: schema.verifiable(o.traits).map((a) => {
      const address = newVerifiableAddress(a, nowMs);
      return proved.has(`${a.via} ${a.value}`)
        ? { ...address, verified: true, status: 'completed', verifiedAtMs: nowMs }
        : address;
    }),
    recoveryAddresses: schema.recovery(o.traits).map((a) => newRecoveryAddress(a, nowMs)),
    credentials: new Map(credentials.map((c) => [c.type, c])),
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}
