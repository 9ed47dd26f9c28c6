/**
 * Forms and JSON that come to a flow (`POST /self-service/FLOW`). INVARIANT: a browser's counts only from our
 * sites and with the token of its CSRF cookie, a program's only without a browser's marks; what comes too late is answered with a new flow.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { networkOf } from '../../budgets.ts';
import { isCsrfToken } from '../../flows/csrf.ts';
import { FlowFault } from '../../flows/fault.ts';
import type { Flow, FlowKind, Submission, Visitor } from '../../flows/flow.ts';
import { rehearsalOf } from '../../flows/rehearsal.ts';
import { waitingOf } from '../../flows/waiting.ts';
import type { AccountsManager } from '../../manager.ts';
import type { IdentitySchema } from '../../schema/identity-schema.ts';
import { seeOther, uiUrl } from '../answer.ts';
import { type Flavour, OutcomeAnswers } from '../outcome.ts';
import {
  csrfOf,
  ensureCsrf,
  NO_STORE,
  queryText,
  refuseBrowser,
  submissionOf,
  submitsJson,
  visitorOf,
} from '../web.ts';
import type { FlowBeginnings } from './begin.ts';
import { flowOf } from './read.ts';
import { FlowRefusals } from './refusal.ts';
import { isForeign, type SharedWith } from './site.ts';

/** Whether a submission brings a password, which costs a hash. */
function willHash(body: unknown): boolean {
  const isThere = typeof body === 'object' && body !== null && Object.hasOwn(body, 'password');
  return isThere && Reflect.get(body, 'password') !== '';
}

export class FlowSubmissions {
  readonly #manager: AccountsManager;
  readonly #beginnings: FlowBeginnings;
  readonly #answers: OutcomeAnswers;
  readonly #refusals: FlowRefusals;
  readonly #isShared: SharedWith;
  constructor(manager: AccountsManager, beginnings: FlowBeginnings, isShared: SharedWith) {
    this.#manager = manager;
    this.#isShared = isShared;
    this.#beginnings = beginnings;
    this.#answers = new OutcomeAnswers(manager);
    this.#refusals = new FlowRefusals(manager);
  }
  get #services(): AccountsManager['services'] {
    return this.#manager.services;
  }
  get #config(): AccountsManager['services']['config'] {
    return this.#services.config;
  }

  async submit(
    kind: FlowKind,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    if (!willHash(request.body)) return this.#submit(kind, request, reply);
    try {
      return await this.#services.hasher.admit(networkOf(request.ip), () =>
        this.#submit(kind, request, reply),
      );
    } catch (reason) {
      return this.#refusals.answer(kind, request, reply, reason, submitsJson(request.headers));
    }
  }

  /**
   * Back from signing in again (`GET /self-service/settings`): what waited for that is done, and the page of the settings
   * flow follows, or of a new one.
   */
  async resume(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { clock, flows, hasher } = this.#services;
    const flow = await flows.find('settings', queryText(request, 'flow') ?? '');
    if (flow === undefined)
      return seeOther(reply, `${this.#config.publicUrl}/self-service/settings/browser`);
    const isTheirs = flow.csrf !== undefined && flow.csrf === csrfOf(this.#config, request);
    const isTimely = flow.expiresAtMs > clock.now();
    try {
      const visitor = await visitorOf(this.#services, request);
      if (isTheirs && isTimely && waitingOf(flow, visitor.session) !== undefined) {
        const outcome = await hasher.admit(networkOf(request.ip), () =>
          this.#manager.settings.resume(flow, visitor),
        );
        if (outcome !== undefined) return await this.#answers.settings(outcome, reply, 'html');
      }
    } catch (reason) {
      return this.#refusals.answer('settings', request, reply, reason, false);
    }
    return seeOther(reply, uiUrl(this.#config, 'settings', flow));
  }

  async #submit(
    kind: FlowKind,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    let isJson = submitsJson(request.headers);
    try {
      const flow = await flowOf(this.#services, kind, request, 'flow');
      if (flow.type === 'api') isJson = true;
      const flavour: Flavour = flow.type === 'api' ? 'api' : isJson ? 'spa' : 'html';
      if (flow.expiresAtMs <= this.#services.clock.now())
        return await this.#beginnings.replace(flow, request, reply, flavour);
      const submission = submissionOf(request, this.#schema(flow));
      if (flow.type === 'api') refuseBrowser(request.headers);
      else {
        this.#insistOnSite(request);
        this.#insistOnCsrf(flow, request, submission);
      }
      reply.header('cache-control', NO_STORE);
      return await this.#finish(flow, submission, request, reply, flavour);
    } catch (reason) {
      return this.#refusals.answer(kind, request, reply, reason, isJson);
    }
  }

  async #finish(
    flow: Flow,
    submission: Submission,
    request: FastifyRequest,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    const { login, registration, settings, recovery, verification } = this.#manager;
    const answers = this.#answers;
    const visitor = await visitorOf(this.#services, request);
    switch (flow.kind) {
      case 'login':
        return answers.login(await login.submit(flow, submission, visitor), reply, flavour);
      case 'registration':
        return answers.registration(
          await registration.submit(flow, submission, visitor),
          reply,
          flavour,
        );
      case 'settings':
        return answers.settings(await settings.submit(flow, submission, visitor), reply, flavour);
      case 'recovery':
        return answers.recovery(
          await recovery.submit(flow, submission, this.#withCsrf(flow, visitor, request, reply)),
          reply,
          flavour,
        );
      case 'verification':
        return answers.shown(await verification.submit(flow, submission, visitor), reply, flavour);
    }
  }

  /** An administrator's recovery flow is of no browser yet: what follows from it belongs to the one that finishes it. */
  #withCsrf(flow: Flow, visitor: Visitor, request: FastifyRequest, reply: FastifyReply): Visitor {
    if (flow.type === 'api' || flow.csrf !== undefined) return visitor;
    return { ...visitor, csrf: ensureCsrf(this.#config, request, reply) };
  }

  #schema(flow: Flow): IdentitySchema {
    const { schemas } = this.#services;
    const schema = schemas.get(flow.schemaId) ?? schemas.get(this.#config.defaultSchemaId);
    if (schema === undefined) throw new FlowFault('flow_not_found');
    return schema;
  }

  #insistOnSite(request: FastifyRequest): void {
    if (!isForeign(request.headers, this.#config, this.#isShared)) return;
    throw new FlowFault('security_csrf_violation', {
      details: {
        docs: 'postern account doctor URL',
        hint: 'A page of another site sent the form. A ui_url in kratos.yml, or serve.public.cors with credentials, names sites that may.',
        reject_reason: 'the form is of another site',
      },
    });
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
}
