/**
 * Sessions and the rest of the public surface: whoami, one's own sessions, logout, errors, schemas, token exchange.
 * INVARIANT: whoami always answers JSON, and reads the store each time.
 */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isUuid } from '../../kernel/index.ts';
import type { Person, Session } from '../account.ts';
import { FlowFault } from '../flows/fault.ts';
import { isSureEnough } from '../flows/finish.ts';
import { returnToOf } from '../flows/return-to.ts';
import type { AccountsManager } from '../manager.ts';
import { tokenize } from '../tokenizer.ts';
import { personView, sessionView } from '../view.ts';
import { plainError, seeOther, tell } from './answer.ts';
import {
  addCookie,
  clearSessionCookie,
  NO_STORE,
  queryText,
  readCookies,
  refuseBrowser,
  renewCsrf,
  sessionOf,
  visitorOf,
  wantsJson,
} from './web.ts';

const PAGE_SIZE = 250;
const PAGE_SIZE_MAX = 500;

/** What the server hands in: what else ends with a session. */
export type LogoutHook = (session: Session) => Promise<void>;

class SessionSurface {
  readonly #manager: AccountsManager;
  readonly #onLogout: LogoutHook;
  constructor(manager: AccountsManager, onLogout: LogoutHook) {
    this.#manager = manager;
    this.#onLogout = onLogout;
  }
  get #services(): AccountsManager['services'] {
    return this.#manager.services;
  }
  get #config(): AccountsManager['services']['config'] {
    return this.#services.config;
  }

  async whoami(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      const { session, account } = await this.#current(request);
      this.#insistOnAal(session, account);
      const view = sessionView(session, personView(account, this.#config.publicUrl));
      reply.header('x-kratos-authenticated-identity-id', account.id);
      reply.header('cache-control', NO_STORE);
      const template = queryText(request, 'tokenize_as');
      if (template === undefined || template === '') {
        this.#allowCaching(reply, session.expiresAtMs - this.#services.clock.now());
        return reply.send(view);
      }
      const tokenized = await tokenize(this.#services, template, session, view);
      return reply.send({ ...view, tokenized });
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }

  /** Tells a gateway for how long it may believe the answer, where the configuration lets revocation wait so long. */
  #allowCaching(reply: FastifyReply, leftMs: number): void {
    const { cacheableSessions, cacheableSessionsMaxAgeMs = 0 } = this.#config.features;
    if (!cacheableSessions) return;
    const forMs =
      cacheableSessionsMaxAgeMs > 0 ? Math.min(leftMs, cacheableSessionsMaxAgeMs) : leftMs;
    reply.header('ory-session-cache-for', String(Math.round(forMs / 1_000)));
  }

  /** The session of a request with its person. Throws FlowFault `session_inactive`. */
  async #current(
    request: FastifyRequest,
  ): Promise<{ readonly session: Session; readonly account: Person }> {
    const session = await sessionOf(this.#services, request.headers);
    if (session === undefined) throw new FlowFault('session_inactive');
    const account = await this.#services.accounts.person(session.accountId);
    if (account === undefined || account.state !== 'active')
      throw new FlowFault('session_inactive');
    return { session, account };
  }

  #insistOnAal(session: Session, account: Person): void {
    const { session: rules, publicUrl } = this.#config;
    if (isSureEnough(this.#services, session, account, rules.requiredAal)) return;
    throw new FlowFault('session_aal2_required', {
      redirectTo: `${publicUrl}/self-service/login/browser?aal=aal2`,
    });
  }

  async list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      const { session, account } = await this.#current(request);
      this.#insistOnAal(session, account);
      const asked = Number(queryText(request, 'page_size') ?? queryText(request, 'per_page'));
      const size = asked > 0 ? Math.min(asked, PAGE_SIZE_MAX) : PAGE_SIZE;
      const page = Math.max(1, Number(queryText(request, 'page') ?? 1) || 1);
      const others = (await this.#services.sessions.list(account.id)).filter(
        (s) => s.isActive && s.id !== session.id,
      );
      const views = others
        .slice((page - 1) * size, page * size)
        .map((s) => sessionView(s, undefined));
      reply.header('x-total-count', String(others.length)).header('cache-control', NO_STORE);
      return reply.send(views);
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }

  async revokeOthers(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      const { session, account } = await this.#current(request);
      this.#insistOnAal(session, account);
      const { store, sessions, audit } = this.#services;
      const count = await store.write(async (trx) => {
        const ended = await sessions.revokeAll(trx, account.id, session.id);
        if (ended > 0)
          await audit.append(trx, {
            ...{ actor: account.id, action: 'accounts:logout', resource: `account/${account.id}` },
            data: { others: ended },
          });
        return ended;
      });
      return reply.send({ count });
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }

  async revoke(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      const { session, account } = await this.#current(request);
      this.#insistOnAal(session, account);
      const { id } = request.params as { id: string };
      if (id === session.id)
        throw new FlowFault('bad_request', {}, 'The current session ends by logging out.');
      const { store, sessions, audit } = this.#services;
      const other = isUuid(id) ? await sessions.get(id) : undefined;
      if (other !== undefined && other.accountId === account.id)
        await store.write(async (trx) => {
          if (await sessions.revoke(trx, id))
            await audit.append(trx, {
              ...{ actor: account.id, action: 'accounts:logout', resource: `session/${id}` },
            });
        });
      return reply.code(204).send();
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }

  // Logout

  async beginLogout(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      const { publicUrl, session: rules } = this.#config;
      const cookie = readCookies(request.headers.cookie).get(rules.cookieName);
      const session = cookie === undefined ? undefined : await this.#services.sessions.find(cookie);
      if (session === undefined) throw new FlowFault('session_inactive');
      const returnTo = returnToOf(this.#config, queryText(request, 'return_to'));
      const token = await this.#services.sessions.logoutToken(session.id);
      const url = new URL(`${publicUrl}/self-service/logout`);
      url.searchParams.set('token', token);
      if (returnTo !== undefined) url.searchParams.set('return_to', returnTo);
      reply.header('cache-control', NO_STORE);
      return reply.send({ logout_url: url.toString(), logout_token: token });
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }

  async logout(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const isJson = wantsJson(request.headers);
    try {
      const { sessions } = this.#services;
      const { flows, defaultReturnUrl } = this.#config;
      const returnTo = returnToOf(this.#config, queryText(request, 'return_to'));
      const { session } = await visitorOf(this.#services, request);
      if (session !== undefined) {
        const token = queryText(request, 'token') ?? '';
        if (!(await sessions.isLogoutToken(session.id, token)))
          throw new FlowFault(
            'security_csrf_violation',
            {},
            'The log-out token is of another session.',
          );
        await this.end(session);
        addCookie(reply, clearSessionCookie(this.#config));
        renewCsrf(this.#config, reply);
      }
      if (isJson) return reply.code(204).send();
      return seeOther(reply, returnTo ?? flows.logout.defaultReturnUrl ?? defaultReturnUrl);
    } catch (reason) {
      return tell(this.#services, request, reply, reason, isJson);
    }
  }

  /** Ends a session, and all that rests on it. */
  async end(session: Session): Promise<void> {
    const { store, sessions, audit } = this.#services;
    await store.write(async (trx) => {
      await sessions.revoke(trx, session.id);
      await audit.append(trx, {
        actor: session.accountId,
        action: 'accounts:logout',
        resource: `session/${session.id}`,
      });
    });
    await this.#onLogout(session);
  }

  async logoutApi(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      refuseBrowser(request.headers);
      const { body } = request;
      const token: unknown =
        typeof body === 'object' && body !== null ? Reflect.get(body, 'session_token') : undefined;
      if (typeof token !== 'string')
        throw new FlowFault('bad_request', {}, 'The body has no session_token.');
      const session = await this.#services.sessions.find(token);
      if (session === undefined)
        return reply
          .code(403)
          .send(
            plainError(
              403,
              'The provided session token could not be found, is invalid, or was revoked.',
            ),
          );
      await this.end(session);
      return reply.code(204).send();
    } catch (reason) {
      return tell(this.#services, request, reply, reason, true);
    }
  }

  // Errors and schemas

  async error(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const id = queryText(request, 'id') ?? '';
    if (id === 'stub:500') {
      // An example for who builds an error page: like any other, under an id of its own each time.
      const at = new Date(this.#services.clock.now()).toISOString();
      const { error } = plainError(500, 'This is a stub error.');
      return reply.send({ id: randomUUID(), error, created_at: at, updated_at: at });
    }
    const note = isUuid(id) ? await this.#services.flows.findNote('error', id) : undefined;
    if (note === undefined) return reply.code(404).send(plainError(404, 'There is no such error.'));
    const at = new Date(note.createdAtMs).toISOString();
    const { data } = note;
    const error =
      typeof data === 'object' && data !== null && 'error' in data ? data['error'] : undefined;
    return reply
      .header('cache-control', NO_STORE)
      .send({ id, error, created_at: at, updated_at: at });
  }

  schemas(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const list = this.#config.schemas.map(({ id, document }) => ({ id, schema: document }));
    const asked = Number(queryText(request, 'per_page') ?? queryText(request, 'page_size'));
    const size = asked > 0 ? Math.min(asked, PAGE_SIZE_MAX) : PAGE_SIZE;
    reply.header('x-total-count', String(list.length));
    return reply.send(list.slice(0, size));
  }
  schema(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { id } = request.params as { id: string };
    const plain = Buffer.from(id, 'base64url').toString();
    const found =
      this.#config.schemas.find((s) => s.id === id) ??
      this.#config.schemas.find((s) => s.id === plain);
    if (found === undefined)
      return reply.code(404).send(plainError(404, 'There is no such identity schema.'));
    return reply.send(found.document);
  }
}

/** Adds the routes; answers what ends a session from elsewhere. */
export function addSessionRoutes(
  app: FastifyInstance,
  manager: AccountsManager,
  onLogout: LogoutHook,
): (session: Session) => Promise<void> {
  const surface = new SessionSurface(manager, onLogout);
  app.route({
    method: ['GET', 'POST', 'PUT', 'PATCH', 'HEAD'],
    url: '/sessions/whoami',
    handler: (q, r) => surface.whoami(q, r),
  });
  app.get('/sessions', (q, r) => surface.list(q, r));
  app.delete('/sessions', (q, r) => surface.revokeOthers(q, r));
  app.delete('/sessions/:id', (q, r) => surface.revoke(q, r));
  app.get('/self-service/logout/browser', (q, r) => surface.beginLogout(q, r));
  app.get('/self-service/logout', (q, r) => surface.logout(q, r));
  app.delete('/self-service/logout/api', (q, r) => surface.logoutApi(q, r));
  app.get('/self-service/errors', (q, r) => surface.error(q, r));
  app.get('/schemas', (q, r) => surface.schemas(q, r));
  app.get('/schemas/:id', (q, r) => surface.schema(q, r));
  app.get('/.well-known/change-password', (_q, r) =>
    seeOther(r, `${manager.services.config.publicUrl}/self-service/settings/browser`),
  );
  return (session) => surface.end(session);
}
