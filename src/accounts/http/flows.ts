/**
 * The self-service flows over HTTP (reference: Kratos's public API): begin, read, submit, in the browser, SPA and API
 * flavours. The rules stand in flows/; this is their dialect.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Session } from '../account.ts';
import { isCsrfToken } from '../flows/csrf.ts';
import { FlowFault } from '../flows/fault.ts';
import {
  FLOW_KINDS,
  type Flow,
  type FlowKind,
  FlowProblem,
  type Submission,
  show,
} from '../flows/flow.ts';
import { UnverifiedAddress } from '../flows/login.ts';
import { isUnmade, rehearsalOf } from '../flows/rehearsal.ts';
import { checkReturnTo } from '../flows/return-to.ts';
import type { AccountsManager } from '../manager.ts';
import type { IdentitySchema } from '../schema/identity-schema.ts';
import { newToken } from '../sessions.ts';
import { FLOW, RECOVERY, VERIFICATION } from '../ui/message.ts';
import type { UiText } from '../ui/node.ts';
import { seeOther, tell, uiUrl } from './answer.ts';
import { type Flavour, OutcomeAnswers } from './outcome.ts';
import {
  csrfOf,
  ensureCsrf,
  NO_STORE,
  queryText,
  refuseBrowser,
  requestFacts,
  sessionOf,
  setSessionCookie,
  submissionOf,
  submitsJson,
  visitorOf,
  wantsJson,
} from './web.ts';

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

class FlowSurface {
  readonly #manager: AccountsManager;
  readonly #answers: OutcomeAnswers;
  constructor(manager: AccountsManager) {
    this.#manager = manager;
    this.#answers = new OutcomeAnswers(manager);
  }
  get #services(): AccountsManager['services'] {
    return this.#manager.services;
  }
  get #config(): AccountsManager['services']['config'] {
    return this.#services.config;
  }

  // Begin

  async begin(
    kind: FlowKind,
    type: 'browser' | 'api',
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const isJson = type === 'api' || wantsJson(request.headers);
    try {
      if (type === 'api') refuseBrowser(request.headers);
      const flow = await this.#new(kind, type, request, reply);
      reply.header('cache-control', NO_STORE);
      if (!isJson) return seeOther(reply, uiUrl(this.#config, kind, flow));
      return reply.send(await this.#answers.view(flow));
    } catch (reason) {
      return this.#refuse(kind, request, reply, reason, isJson);
    }
  }

  async #new(
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
    const { publicUrl, allowedReturnUrls } = this.#config;
    const rules = { publicUrl, allowed: allowedReturnUrls, pages: `${publicUrl}/ui` };
    const common = {
      type,
      requestUrl: `${publicUrl}${request.url}`,
      csrf: type === 'browser' ? ensureCsrf(this.#config, request, reply) : undefined,
      returnTo: from?.returnTo ?? this.#returnTo(queryText(request, 'return_to'), rules),
    };
    const isExchange = queryText(request, 'return_session_token_exchange_code') === 'true';
    const exchange =
      type === 'api' && isExchange
        ? { exchangeCode: newToken('ory_ec_'), returnToCode: newToken('ory_rc_') }
        : {};
    switch (kind) {
      case 'login':
        return this.#manager.login.begin({
          ...common,
          ...exchange,
          isRefresh: from?.isRefresh ?? queryText(request, 'refresh') === 'true',
          aal: (from?.requestedAal ?? queryText(request, 'aal')) === 'aal2' ? 'aal2' : 'aal1',
          via: queryText(request, 'via'),
          loginChallenge: queryText(request, 'login_challenge'),
          organizationId: queryText(request, 'organization'),
          session,
        });
      case 'registration':
        return this.#manager.registration.begin({
          ...common,
          ...exchange,
          loginChallenge: queryText(request, 'login_challenge'),
          afterVerificationReturnTo: this.#returnTo(
            queryText(request, 'after_verification_return_to'),
            rules,
          ),
          organizationId: queryText(request, 'organization'),
          schemaId: queryText(request, 'identity_schema'),
          session,
        });
      case 'settings':
        return this.#manager.settings.begin({ ...common, session });
      case 'recovery':
        return this.#manager.recovery.begin({ ...common, isSignedIn: session !== undefined });
      case 'verification':
        return this.#manager.verification.begin(common);
    }
  }

  #returnTo(
    text: string | undefined,
    rules: Parameters<typeof checkReturnTo>[1],
  ): string | undefined {
    return checkReturnTo(text, { ...rules, base: this.#config.defaultReturnUrl });
  }

  // Read

  async read(kind: FlowKind, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      const flow = await this.#find(kind, queryText(request, 'id') ?? '');
      const { clock } = this.#services;
      if (flow.type === 'browser' && kind !== 'recovery' && kind !== 'settings')
        if (!isUnmade(flow) && csrfOf(this.#config, request) !== flow.csrf)
          throw new FlowFault('security_csrf_violation');
      if (kind === 'settings')
        await this.#manager.settings.owner(flow, await sessionOf(this.#services, request.headers));
      if (flow.expiresAtMs <= clock.now())
        throw new FlowFault('self_service_flow_expired', {
          details: {
            redirect_to: `${this.#config.publicUrl}/self-service/${kind}/browser`,
            ...(flow.returnTo === undefined ? {} : { return_to: flow.returnTo }),
          },
        });
      return reply.header('cache-control', NO_STORE).send(await this.#answers.view(flow));
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }

  async #find(kind: FlowKind, id: string): Promise<Flow> {
    const flow = await this.#services.flows.find(kind, id);
    if (flow === undefined) throw new FlowFault('flow_not_found');
    return flow;
  }

  // Submit

  async submit(
    kind: FlowKind,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    let isJson = submitsJson(request.headers);
    try {
      const flow = await this.#find(kind, queryText(request, 'flow') ?? '');
      if (flow.type === 'api') isJson = true;
      const flavour: Flavour = flow.type === 'api' ? 'api' : isJson ? 'spa' : 'html';
      if (flow.expiresAtMs <= this.#services.clock.now())
        return await this.#replace(flow, request, reply, flavour);
      const submission = submissionOf(request, this.#schema(flow));
      if (flow.type === 'api') refuseBrowser(request.headers);
      else this.#insistOnCsrf(flow, request, submission);
      reply.header('cache-control', NO_STORE);
      switch (kind) {
        case 'login':
          return await this.#answers.login(
            await this.#manager.login.submit(
              flow,
              submission,
              await visitorOf(this.#services, request),
            ),
            reply,
            flavour,
          );
        case 'registration':
          return await this.#answers.registration(
            await this.#manager.registration.submit(
              flow,
              submission,
              await visitorOf(this.#services, request),
            ),
            reply,
            flavour,
          );
        case 'settings':
          return await this.#answers.settings(
            await this.#manager.settings.submit(
              flow,
              submission,
              await visitorOf(this.#services, request),
            ),
            reply,
            flavour,
          );
        case 'recovery':
          return await this.#recovery(flow, submission, request, reply, flavour);
        case 'verification':
          return await this.#verification(flow, submission, request, reply, flavour);
      }
    } catch (reason) {
      return this.#refuse(kind, request, reply, reason, isJson);
    }
  }

  #schema(flow: Flow): IdentitySchema {
    const { schemas } = this.#services;
    const schema = schemas.get(flow.schemaId) ?? schemas.get(this.#config.defaultSchemaId);
    if (schema === undefined) throw new FlowFault('flow_not_found');
    return schema;
  }

  #insistOnCsrf(flow: Flow, request: FastifyRequest, submission: Submission): void {
    const given = submission.fields['csrf_token'];
    const header = request.headers['x-csrf-token'];
    const token = typeof given === 'string' ? given : typeof header === 'string' ? header : '';
    const rehearsal = rehearsalOf(flow);
    const cookie = rehearsal === undefined ? csrfOf(this.#config, request) : flow.csrf;
    // An administrator's recovery flow begins without a browser: whoever holds the code is its browser.
    if (flow.csrf === undefined && flow.kind === 'recovery') return;
    if (cookie === undefined || cookie !== flow.csrf || !isCsrfToken(token, cookie))
      throw new FlowFault('security_csrf_violation', {
        details: {
          docs: 'postern account doctor URL',
          hint: 'The CSRF cookie is missing, belongs to another host name, or the form is of another browser.',
          reject_reason: cookie === undefined ? 'no CSRF cookie' : 'the CSRF token does not match',
        },
      });
  }

  /** A flow that came too late is followed by a new one that says so. */
  async #replace(
    flow: Flow,
    request: FastifyRequest,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    const agoMs = this.#services.clock.now() - flow.expiresAtMs;
    const fresh = await this.#new(flow.kind, flow.type, request, reply, flow);
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

  async #recovery(
    flow: Flow,
    submission: Submission,
    request: FastifyRequest,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    const visitor = await visitorOf(this.#services, request);
    const outcome = await this.#manager.recovery.submit(flow, submission, visitor);
    return this.#recovered(outcome, request, reply, flavour);
  }

  async #recovered(
    outcome: Awaited<ReturnType<AccountsManager['recovery']['submit']>>,
    request: FastifyRequest,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    if (outcome.kind === 'shown') return this.#answers.shown(outcome, reply, flavour);
    const { issued, settings } = outcome;
    if (flavour !== 'api') {
      setSessionCookie(
        this.#config,
        reply,
        issued.token.reveal(),
        issued.session.expiresAtMs,
        this.#services.clock.now(),
      );
      // The settings flow was begun for this browser's secret; an administrator's flow had none.
      if (csrfOf(this.#config, request) === undefined) ensureCsrf(this.#config, request, reply);
    }
    const url = uiUrl(this.#config, 'settings', settings);
    if (flavour === 'html') return seeOther(reply, url);
    if (!this.#config.features.useContinueWithTransitions && flavour === 'spa')
      throw new FlowFault('browser_location_change_required', { redirectTo: url });
    const token = { action: 'set_ory_session_token', ory_session_token: issued.token.reveal() };
    return reply.send({
      ...(await this.#answers.view(outcome.flow)),
      continue_with: [
        ...(flavour === 'api' ? [token] : []),
        { action: 'show_settings_ui', flow: { id: settings.id, url } },
      ],
    });
  }

  async #verification(
    flow: Flow,
    submission: Submission,
    request: FastifyRequest,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    const visitor = await visitorOf(this.#services, request);
    const outcome = await this.#manager.verification.submit(flow, submission, visitor);
    return this.#answers.shown(outcome, reply, flavour);
  }

  /** Back from signing in again: the page of the settings flow, or of a new one. */
  async goOn(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const id = queryText(request, 'flow');
    const flow = id === undefined ? undefined : await this.#services.flows.find('settings', id);
    if (flow === undefined)
      return seeOther(reply, `${this.#config.publicUrl}/self-service/settings/browser`);
    return seeOther(reply, uiUrl(this.#config, 'settings', flow));
  }

  /** A mailed link of verification or recovery was opened in a browser. */
  async open(
    kind: 'verification' | 'recovery',
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    try {
      const flow = await this.#find(kind, queryText(request, 'flow') ?? '');
      const given = queryText(request, 'code') ?? queryText(request, 'token') ?? '';
      if (flow.expiresAtMs <= this.#services.clock.now())
        return await this.#replace(flow, request, reply, 'html');
      // The link may be opened in another browser than the one that asked: from now on it is that one's flow.
      const csrf = ensureCsrf(this.#config, request, reply);
      if (kind === 'verification') {
        const filled = await this.#manager.verification.fillIn(rebind(flow, csrf), given);
        return seeOther(reply, uiUrl(this.#config, kind, filled));
      }
      const visitor = await visitorOf(this.#services, request);
      const outcome = await this.#manager.recovery.open(rebind(flow, csrf), given, visitor);
      return await this.#recovered(outcome, request, reply, 'html');
    } catch (reason) {
      return tell(this.#services, request, reply, reason, wantsJson(request.headers));
    }
  }

  /** Faults that have a better answer for a browser than the error page. */
  async #refuse(
    kind: FlowKind,
    request: FastifyRequest,
    reply: FastifyReply,
    reason: unknown,
    isJson: boolean,
  ): Promise<FastifyReply> {
    if (reason instanceof UnverifiedAddress)
      return this.#sendToVerify(request, reply, reason, isJson);
    if (!isJson && reason instanceof FlowFault) {
      const { publicUrl, defaultReturnUrl } = this.#config;
      const here = encodeURIComponent(`${publicUrl}${request.url}`);
      if (reason.id === 'session_already_available')
        return seeOther(reply, this.#allowed(queryText(request, 'return_to')) ?? defaultReturnUrl);
      if (
        reason.id === 'session_aal1_required' ||
        (reason.id === 'session_inactive' && kind === 'settings')
      )
        return seeOther(reply, `${publicUrl}/self-service/login/browser?return_to=${here}`);
      if (reason.id === 'session_aal2_required')
        return seeOther(
          reply,
          `${publicUrl}/self-service/login/browser?aal=aal2&return_to=${here}`,
        );
      if (reason.details.redirectTo !== undefined)
        return seeOther(reply, reason.details.redirectTo);
    }
    return tell(this.#services, request, reply, reason, isJson);
  }

  #allowed(text: string | undefined): string | undefined {
    const { publicUrl, allowedReturnUrls } = this.#config;
    try {
      return this.#returnTo(text, {
        publicUrl,
        allowed: allowedReturnUrls,
        pages: `${publicUrl}/ui`,
      });
    } catch {
      return undefined;
    }
  }

  async #sendToVerify(
    request: FastifyRequest,
    reply: FastifyReply,
    { account }: UnverifiedAddress,
    isJson: boolean,
  ): Promise<FastifyReply> {
    const [address] = account.verifiableAddresses;
    if (address === undefined || !this.#config.flows.verification.isEnabled)
      return tell(
        this.#services,
        request,
        reply,
        new FlowFault('session_verified_address_required'),
        isJson,
      );
    const prepared = await this.#manager.verification.prepareFor(account, address, {
      type: isJson && request.headers.cookie === undefined ? 'api' : 'browser',
      requestUrl: `${this.#config.publicUrl}${request.url}`,
      csrf: ensureCsrf(this.#config, request, reply),
      returnTo: undefined,
    });
    await this.#services.store.write((trx) => prepared.put(trx));
    if (!isJson) return seeOther(reply, uiUrl(this.#config, 'verification', prepared.flow));
    const fault = new FlowFault('session_verified_address_required', {
      details: { continue_with: [prepared.continueWith] },
    });
    return tell(this.#services, request, reply, fault, true);
  }
}

/** The flow under another browser's CSRF secret. */
function rebind(flow: Flow, csrf: string): Flow {
  return flow.type === 'browser' ? { ...flow, csrf } : flow;
}

/** Adds the routes of all flows. */
export function addFlowRoutes(app: FastifyInstance, manager: AccountsManager): void {
  const surface = new FlowSurface(manager);
  for (const kind of FLOW_KINDS) {
    const base = `/self-service/${kind}`;
    app.get(`${base}/browser`, (q, r) => surface.begin(kind, 'browser', q, r));
    app.get(`${base}/api`, (q, r) => surface.begin(kind, 'api', q, r));
    app.get(`${base}/flows`, (q, r) => surface.read(kind, q, r));
    app.post(base, (q, r) => surface.submit(kind, q, r));
    if (kind === 'verification' || kind === 'recovery')
      app.get(base, (q, r) => surface.open(kind, q, r));
    if (kind === 'settings') app.get(base, (q, r) => surface.goOn(q, r));
  }
}
