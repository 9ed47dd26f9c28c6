/**
 * Flows as they begin: `/self-service/FLOW/browser` and `/api`, and anew after one that came too late. INVARIANT: a browser's
 * flow is bound to its CSRF cookie; a program's is refused to browsers.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Session } from '../../account.ts';
import { FlowFault } from '../../flows/fault.ts';
import { type Flow, type FlowKind, FlowProblem, show } from '../../flows/flow.ts';
import { returnToOf } from '../../flows/return-to.ts';
import type { AccountsManager } from '../../manager.ts';
import { newToken } from '../../sessions.ts';
import { FLOW, RECOVERY, VERIFICATION } from '../../ui/message.ts';
import type { UiText } from '../../ui/node.ts';
import { seeOther, uiUrl } from '../answer.ts';
import { type Flavour, OutcomeAnswers } from '../outcome.ts';
import {
  ensureCsrf,
  NO_STORE,
  queryText,
  refuseBrowser,
  requestFacts,
  sessionOf,
  wantsJson,
} from '../web.ts';
import { FlowRefusals } from './refusal.ts';

/** What was said of an expired flow, by its kind. */
function expiredText(kind: FlowKind, agoMs: number): UiText {
  switch (kind) {
    case 'login':
      return FLOW.loginExpired(agoMs);
    case 'registration':
      return FLOW.registrationExpired(agoMs);
    case 'settings':
      return FLOW.settingsExpired(agoMs);
    case 'recovery':
      return RECOVERY.expired(agoMs);
    case 'verification':
      return VERIFICATION.expired(agoMs);
  }
}

export class FlowBeginnings {
  readonly #manager: AccountsManager;
  readonly #answers: OutcomeAnswers;
  readonly #refusals: FlowRefusals;
  constructor(manager: AccountsManager) {
    this.#manager = manager;
    this.#answers = new OutcomeAnswers(manager);
    this.#refusals = new FlowRefusals(manager);
  }
  get #services(): AccountsManager['services'] {
    return this.#manager.services;
  }
  get #config(): AccountsManager['services']['config'] {
    return this.#services.config;
  }

  async begin(
    kind: FlowKind,
    type: 'browser' | 'api',
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const isJson = type === 'api' || wantsJson(request.headers);
    try {
      if (type === 'api') refuseBrowser(request.headers);
      const flow = await this.make(kind, type, request, reply);
      reply.header('cache-control', NO_STORE);
      if (!isJson) return seeOther(reply, uiUrl(this.#config, kind, flow));
      return reply.send(await this.#answers.view(flow));
    } catch (reason) {
      return this.#refusals.answer(kind, request, reply, reason, isJson);
    }
  }

  /** A new flow of a browser or a program; `from` is the one that it follows. */
  async make(
    kind: FlowKind,
    type: 'browser' | 'api',
    request: FastifyRequest,
    reply: FastifyReply,
    from?: Flow,
  ): Promise<Flow> {
    const session = await sessionOf(this.#services, request.headers);
    const flow = await this.#begun(kind, type, request, reply, session, from);
    await this.#beforeHooks(flow, request, kind === 'settings' ? session : undefined);
    return flow;
  }

  /** A flow that a hook stops is never told of: nobody can go on with it. */
  async #beforeHooks(
    flow: Flow,
    request: FastifyRequest,
    session: Session | undefined,
  ): Promise<void> {
    try {
      const facts = requestFacts(this.#config, request);
      await this.#services.hooks.before({ flow, session, request: facts });
    } catch (reason) {
      // There is no form yet that the messages could stand in.
      if (reason instanceof FlowProblem) throw new FlowFault('bad_request', {}, reason.message);
      throw reason;
    }
  }

  async #begun(
    kind: FlowKind,
    type: 'browser' | 'api',
    request: FastifyRequest,
    reply: FastifyReply,
    session: Session | undefined,
    from?: Flow,
  ): Promise<Flow> {
    const { publicUrl } = this.#config;
    const common = {
      type,
      requestUrl: `${publicUrl}${request.url}`,
      csrf: type === 'browser' ? ensureCsrf(this.#config, request, reply) : undefined,
      returnTo: from?.returnTo ?? returnToOf(this.#config, queryText(request, 'return_to')),
    };
    const isExchange = queryText(request, 'return_session_token_exchange_code') === 'true';
    // What a flow was begun with holds for the one in its place: the address of this request says nothing of it.
    const { exchangeCode, returnToCode } = from ?? {};
    const exchange =
      exchangeCode !== undefined && returnToCode !== undefined
        ? { exchangeCode, returnToCode }
        : type === 'api' && isExchange
          ? { exchangeCode: newToken('ory_ec_'), returnToCode: newToken('ory_rc_') }
          : {};
    const chosen = from?.isSchemaChosen === true ? from.schemaId : undefined;
    const schemaId = chosen ?? queryText(request, 'identity_schema');
    const loginChallenge = from?.loginChallenge ?? queryText(request, 'login_challenge');
    const organizationId = from?.organizationId ?? queryText(request, 'organization');
    switch (kind) {
      case 'login':
        return this.#manager.login.begin({
          ...common,
          ...exchange,
          isRefresh: from?.isRefresh ?? queryText(request, 'refresh') === 'true',
          aal: (from?.requestedAal ?? queryText(request, 'aal')) === 'aal2' ? 'aal2' : 'aal1',
          via: from?.via ?? queryText(request, 'via'),
          ...{ loginChallenge, organizationId, schemaId, session },
        });
      case 'registration':
        return this.#manager.registration.begin({
          ...common,
          ...exchange,
          afterVerificationReturnTo:
            from?.afterVerificationReturnTo ??
            returnToOf(this.#config, queryText(request, 'after_verification_return_to')),
          ...{ loginChallenge, organizationId, schemaId, session },
        });
      case 'settings':
        return this.#manager.settings.begin({ ...common, session });
      case 'recovery':
        return this.#manager.recovery.begin({ ...common, isSignedIn: session !== undefined });
      case 'verification':
        return this.#manager.verification.begin(common);
    }
  }

  /** A flow that came too late is followed by a new one that says so. */
  async replace(
    flow: Flow,
    request: FastifyRequest,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    const agoMs = this.#services.clock.now() - flow.expiresAtMs;
    const fresh = await this.make(flow.kind, flow.type, request, reply, flow);
    const said = await this.#services.flows.replace(
      show(fresh, fresh.ui.nodes, [expiredText(flow.kind, agoMs)]),
    );
    if (flavour === 'html') return seeOther(reply, uiUrl(this.#config, flow.kind, said));
    throw new FlowFault('self_service_flow_expired', {
      useFlowId: said.id,
      expiredAtMs: flow.expiresAtMs,
      since: agoMs * 1_000_000,
    });
  }
}
