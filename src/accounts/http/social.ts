/**
 * The way back from providers over HTTP: `/self-service/methods/oidc/callback`, and how a native app gets the session
 * that a browser ended for it (`/sessions/token-exchange`). INVARIANT: a browser flow goes on in the browser that began
 * it; a session token is handed to who knows both codes, once.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Json, JsonObject } from '../account.ts';
import { FlowFault } from '../flows/fault.ts';
import { FLOW_KINDS, type Flow, type FlowKind } from '../flows/flow.ts';
import { UnverifiedAddress } from '../flows/login.ts';
import { rehearsalOf } from '../flows/rehearsal.ts';
import type { SocialOutcome } from '../flows/social.ts';
import type { AccountsManager } from '../manager.ts';
import { personView, sessionView } from '../view.ts';
import { plainError, seeOther, tell, uiUrl } from './answer.ts';
import { FlowRefusals } from './flows/refusal.ts';
import { OutcomeAnswers } from './outcome.ts';
import { csrfOf, NO_STORE, queryText, renewCsrf, visitorOf } from './web.ts';

const EXCHANGE_MS = 600_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PARAMETER_MAX = 8_192;
/** What a provider may send back. */
const PARAMETERS = [
  ...['code', 'authCode', 'state', 'iss', 'error', 'error_description', 'user', 'scope'],
];

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
type Taken = Exclude<SocialOutcome, { readonly of: 'rehearsal' }>;

const isRecord = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

class SocialSurface {
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

  async callback(
    request: FastifyRequest,
    reply: FastifyReply,
    provider: string | undefined,
  ): Promise<FastifyReply> {
    try {
      const parameters = parametersOf((name) => queryText(request, name));
      const { social } = this.#manager;
      const arrival = await social.find(parameters.get('state') ?? '', provider);
      const { flow } = arrival;
      if (flow.expiresAtMs <= this.#services.clock.now())
        throw new FlowFault('self_service_flow_expired', {
          details: {
            redirect_to: `${this.#services.config.publicUrl}/self-service/${flow.kind}/browser`,
          },
        });
      // An app's flow comes back in a browser that knows nothing of it, and gets nothing but a code.
      const isApi = flow.type === 'api';
      const isDryRun = rehearsalOf(flow) !== undefined;
      if (!isApi && !isDryRun && csrfOf(this.#services.config, request) !== flow.csrf)
        throw new FlowFault('security_csrf_violation', {
          details: { hint: 'Come back in the browser, and at the host name, in which you began.' },
        });
      const visitor = await visitorOf(this.#services, request);
      const outcome = await social.arrive(arrival, parameters, {
        ...visitor,
        session: isApi ? undefined : visitor.session,
      });
      if (outcome.of === 'rehearsal') return await this.#showRehearsal(outcome.flow, reply);
      return isApi
        ? await this.#leaveCode(flow, outcome, reply)
        : await this.#answer(outcome, reply);
    } catch (reason) {
      const hasWay =
        reason instanceof UnverifiedAddress ||
        (reason instanceof FlowFault && reason.details.redirectTo !== undefined);
      return hasWay
        ? this.#refusals.answer('login', request, reply, reason, false)
        : tell(this.#services, request, reply, reason, false);
    }
  }

  /** Binds what was captured to this browser, and shows it there. */
  async #showRehearsal(flow: Flow, reply: FastifyReply): Promise<FastifyReply> {
    const { config, flows } = this.#services;
    const kept = await flows.replace({ ...flow, csrf: renewCsrf(config, reply) });
    return seeOther(reply, uiUrl(config, 'login', kept));
  }

  /** Takes a dry run away: one with results for the browser that made it, another for whoever knows its id. */
  async forget(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { config, flows, store } = this.#services;
    const id = queryText(request, 'id') ?? '';
    if (!UUID.test(id)) return reply.code(400).send(plainError(400, 'invalid flow id'));
    const flow = await flows.find('login', id);
    const rehearsal = flow === undefined ? undefined : rehearsalOf(flow);
    if (flow === undefined || rehearsal === undefined)
      return reply.code(404).send(plainError(404, 'There is no such flow'));
    if (rehearsal.payload !== undefined && csrfOf(config, request) !== flow.csrf)
      return reply
        .code(403)
        .send(plainError(403, 'The CSRF cookie is missing or of another browser'));
    await store.write((trx) => flows.finish(trx, flow));
    return reply.code(204).send();
  }

  #answer(social: Taken, reply: FastifyReply): Promise<FastifyReply> {
    switch (social.of) {
      case 'login':
        return this.#answers.login(social.outcome, reply, 'html');
      case 'registration':
        return this.#answers.registration(social.outcome, reply, 'html');
      case 'settings':
        return this.#answers.settings(social.outcome, reply, 'html');
    }
  }

  /** Keeps what an app will fetch, and sends the browser back to it with the second half of the key. */
  async #leaveCode(begun: Flow, { outcome }: Taken, reply: FastifyReply): Promise<FastifyReply> {
    const { exchangeCode, returnToCode } = begun;
    const url = new URL(this.#answers.returnUrl(begun));
    if (exchangeCode === undefined || returnToCode === undefined) return seeOther(reply, `${url}`);
    const issued =
      outcome.kind === 'signed-in'
        ? outcome.signedIn.issued
        : outcome.kind === 'registered'
          ? outcome.issued
          : undefined;
    const note: Json = {
      returnTo: hash(returnToCode),
      ...(issued === undefined
        ? { flow: outcome.flow.id, kind: outcome.flow.kind }
        : { token: issued.token.reveal() }),
    };
    await this.#services.flows.putNote('exchange', note, EXCHANGE_MS, hash(exchangeCode));
    url.searchParams.set('code', returnToCode);
    return seeOther(reply, url.toString());
  }

  /** Hands a native app the session that was begun for it in a browser. */
  async exchange(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    reply.header('cache-control', NO_STORE);
    const initCode = queryText(request, 'init_code');
    const returnToCode = queryText(request, 'return_to_code');
    if (initCode === undefined || returnToCode === undefined)
      return reply
        .code(400)
        .send(plainError(400, '"init_code" and "return_to_code" have to be there'));
    try {
      const { flows } = this.#services;
      const id = hash(initCode);
      const note = await flows.findNote('exchange', id);
      const data = isRecord(note?.data) ? note.data : {};
      const { returnTo, token, flow, kind } = data;
      const none = plainError(404, 'There is no session for these codes');
      if (typeof returnTo !== 'string' || !isSame(returnTo, hash(returnToCode)))
        return reply.code(404).send(none);
      if (typeof token !== 'string') return await this.#pending(flow, kind, none, reply);
      const taken = await flows.takeNote('exchange', id);
      const session = taken === undefined ? undefined : await this.#services.sessions.find(token);
      const person =
        session === undefined ? undefined : await this.#services.accounts.person(session.accountId);
      if (session === undefined || person?.state !== 'active') return reply.code(404).send(none);
      const identity = personView(person, this.#services.config.publicUrl);
      return reply.send({ session: sessionView(session, identity), session_token: token });
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }

  /** The flow that a person did not get through, with what was wrong. */
  async #pending(
    id: Json | undefined,
    kind: Json | undefined,
    none: unknown,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const isKind = (text: Json | undefined): text is FlowKind =>
      FLOW_KINDS.some((known) => known === text);
    const flow =
      typeof id === 'string' && isKind(kind)
        ? await this.#services.flows.find(kind, id)
        : undefined;
    if (flow === undefined) return reply.code(404).send(none);
    return reply.code(422).send(await this.#answers.view(flow));
  }
}

/** The known parameters of an answer; the first where one came twice. */
function parametersOf(read: (name: string) => string | undefined): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const name of PARAMETERS) {
    const value = read(name);
    if (value !== undefined && value.length <= PARAMETER_MAX) parameters.set(name, value);
  }
  return parameters;
}

/** Adds the routes. */
export function addSocialRoutes(app: FastifyInstance, manager: AccountsManager): void {
  const surface = new SocialSurface(manager);
  const base = '/self-service/methods/oidc/callback';
  const providerOf = (request: FastifyRequest): string | undefined => {
    const { params } = request;
    const id: unknown = isRecord(params) ? params['provider'] : undefined;
    return typeof id === 'string' ? id : undefined;
  };
  for (const path of [base, `${base}/:provider`]) {
    app.get(path, (q, r) => surface.callback(q, r, providerOf(q)));
    // Apple posts its answer, across sites and so without cookies: the browser asks again by itself, with them.
    app.post(path, async (request, reply) => {
      const body = isRecord(request.body) ? request.body : {};
      const text = (name: string): string | undefined => {
        const value = Object.hasOwn(body, name) ? body[name] : undefined;
        return typeof value === 'string' && value !== '' ? value : undefined;
      };
      const id = providerOf(request);
      const own = id === undefined ? base : `${base}/${encodeURIComponent(id)}`;
      const { publicUrl } = manager.services.config;
      return seeOther(reply, `${publicUrl}${own}?${parametersOf(text)}`);
    });
  }
  app.delete('/self-service/login/test', (q, r) => surface.forget(q, r));
  app.get('/sessions/token-exchange', (q, r) => surface.exchange(q, r));
}
