/** Sessions of anybody (`/admin/sessions`, `/admin/identities/ID/sessions`): to see, to prolong and to end. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isUuid, PosternError } from '../../../kernel/index.ts';
import type { Json, Session } from '../../account.ts';
import type { AccountsManager } from '../../manager.ts';
import { accountView, sessionView, type View } from '../../view.ts';
import { fields, listField, refuse, textField } from './body.ts';
import { linkTo, offsetOf, PAGE_SIZE_MAX, pageSizeOf, placeOf, tokenOf } from './paging.ts';
import type { AddRoute, AdminParts } from './parts.ts';
import { queryFlag, queryList, uuidOf } from './query.ts';

/** In `identities` of many sessions. */
const EVERYBODY = '*';

/** What a session is shown with. Throws `invalid`. */
function expandOf(request: FastifyRequest): readonly string[] {
  const given = queryList(request, 'expand').map((e) => e.toLowerCase());
  const strange = given.find((e) => e !== '' && e !== 'identity' && e !== 'devices');
  if (strange !== undefined) refuse(`expand: identity or devices, not "${strange.slice(0, 100)}"`);
  return given;
}

/** The ids of a list. Throws `invalid` for anything else in it, and for too many. */
function idsOf(list: readonly Json[], name: string): string[] {
  if (list.length > PAGE_SIZE_MAX) refuse(`${name}: at most ${PAGE_SIZE_MAX} at a time`);
  return list.map((id) => {
    if (typeof id !== 'string' || !isUuid(id)) refuse(`${name} has something that is no UUID`);
    return id;
  });
}
/** What was removed meanwhile needs no ending. */
function isGone(reason: unknown): false {
  if (reason instanceof PosternError && reason.code === 'not_found') return false;
  throw reason;
}

class AdminSessionSurface {
  readonly #parts: AdminParts;
  constructor(parts: AdminParts) {
    this.#parts = parts;
  }
  get #services(): AccountsManager['services'] {
    return this.#parts.manager.services;
  }

  async #view(session: Session, expand: readonly string[]): Promise<View> {
    const { publicUrl } = this.#services.config;
    const account = expand.includes('identity')
      ? await this.#services.accounts.get(session.accountId)
      : undefined;
    const view = sessionView(
      session,
      account && accountView(account, { publicUrl, isAdmin: true }),
    );
    if (expand.includes('devices')) return view;
    const { devices: _devices, ...rest } = view;
    return rest;
  }

  async listOf(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    await this.#parts.administration.get(uuidOf(request));
    const isActive = queryFlag(request, 'active');
    const [limit, offset = 0] = [pageSizeOf(request), offsetOf(request)];
    const list = (await this.#services.sessions.list(uuidOf(request))).filter(
      (s) => isActive === undefined || s.isActive === isActive,
    );
    const shown = list.slice(offset, offset + limit);
    const views = await Promise.all(shown.map((s) => this.#view(s, ['devices'])));
    return reply.header('x-total-count', String(list.length)).send(views);
  }

  async deleteOf(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const { id } = await this.#parts.administration.get(uuidOf(request));
    const list = await this.#services.sessions.list(id);
    if (list.length === 0) throw new PosternError('not_found', 'The account has no sessions');
    await this.#endAll('delete', list, by);
    return reply.code(204).send();
  }

  async list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const isActive = queryFlag(request, 'active');
    const expand = expandOf(request);
    const [limit, after] = [pageSizeOf(request), placeOf(request)];
    const list = await this.#services.sessions.listAll({
      ...{ limit: limit + 1, after },
      ...(isActive === undefined ? {} : { isActive }),
    });
    const shown = list.slice(0, limit);
    const last = list.length > limit ? shown.at(-1) : undefined;
    const next = last && tokenOf({ createdAtMs: last.issuedAtMs, id: last.id });
    reply.header('link', linkTo(request, '/admin/sessions', next));
    return reply.send(await Promise.all(shown.map((s) => this.#view(s, expand))));
  }

  async #session(request: FastifyRequest): Promise<Session> {
    const session = await this.#services.sessions.get(uuidOf(request));
    if (session === undefined) throw new PosternError('not_found', 'There is no such session');
    return session;
  }
  async get(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const expand = expandOf(request);
    return reply.send(await this.#view(await this.#session(request), expand));
  }
  async disable(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    await this.#endAll('disable', [await this.#session(request)], by);
    return reply.code(204).send();
  }
  async extend(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const session = await this.#session(request);
    const { store, sessions, config, clock, audit } = this.#services;
    const { earliestExtendMs } = config.session;
    const isEarly =
      earliestExtendMs !== undefined && session.expiresAtMs - clock.now() > earliestExtendMs;
    const extended = isEarly
      ? session
      : await store.write(async (trx) => {
          await audit.append(trx, {
            actor: by,
            action: 'accounts:session-extend',
            resource: `session/${session.id}`,
          });
          return sessions.extend(trx, session);
        });
    if (config.features.fasterSessionExtend) return reply.code(204).send();
    return reply.send(await this.#view(extended, ['identity', 'devices']));
  }

  /**
   * Ends or forgets many sessions: those that are named, all of the named accounts, or everybody's (`"*"`), a batch at a
   * time. INVARIANT: only sessions; an id of another kind of grant is nothing here.
   */
  async manage(request: FastifyRequest, reply: FastifyReply, by: string): Promise<FastifyReply> {
    const given = fields(request.body, ['action', 'identities', 'sessions'], 'The body');
    const action = textField(given, 'action');
    if (action !== 'disable' && action !== 'delete') refuse('action is disable or delete');
    const people = listField(given, 'identities') ?? [];
    const named = listField(given, 'sessions') ?? [];
    if (people.length > 0 === named.length > 0)
      refuse('Exactly one of identities and sessions has to be a list that is not empty');
    const { sessions } = this.#services;
    const isEverybody = people.length === 1 && people[0] === EVERYBODY;
    const found: Session[] = [];
    if (isEverybody)
      found.push(
        ...(await sessions.listAll({
          limit: PAGE_SIZE_MAX,
          // Those that expired too: refresh tokens of applications live on from them.
          ...(action === 'disable' ? { isUnrevoked: true } : {}),
        })),
      );
    else {
      for (const id of idsOf(people, 'identities')) found.push(...(await sessions.list(id)));
      for (const id of idsOf(named, 'sessions')) {
        const session = await sessions.get(id);
        if (session !== undefined) found.push(session);
      }
    }
    const processed = await this.#endAll(action, found, by);
    return reply.send({ processed, more: isEverybody && found.length === PAGE_SIZE_MAX });
  }

  /** Ends or forgets sessions; answers how many. Applications learn of each by its grant's event. */
  async #endAll(
    action: 'disable' | 'delete',
    ending: readonly Session[],
    by: string,
  ): Promise<number> {
    let processed = 0;
    // One transaction each: a person may have any number of them.
    for (let i = 0; i < ending.length; i += PAGE_SIZE_MAX)
      processed += await this.#endPage(action, ending.slice(i, i + PAGE_SIZE_MAX), by);
    return processed;
  }
  #endPage(action: 'disable' | 'delete', ending: readonly Session[], by: string): Promise<number> {
    const { store, sessions, audit } = this.#services;
    return store.write(async (trx) => {
      let count = 0;
      for (const { id, accountId } of ending) {
        const isEnded =
          action === 'delete'
            ? (await sessions.delete(trx, [id])) > 0
            : await sessions.revoke(trx, id).catch(isGone);
        if (!isEnded) continue;
        count += 1;
        await audit.append(trx, {
          ...{ actor: by, action: `accounts:session-${action}`, resource: `session/${id}` },
          data: { account: accountId },
        });
      }
      return count;
    });
  }
}

/** Adds the routes. */
export function addAdminSessions(add: AddRoute, parts: AdminParts): void {
  const surface = new AdminSessionSurface(parts);
  add('GET', '/identities/:id/sessions', (q, r) => surface.listOf(q, r));
  add('DELETE', '/identities/:id/sessions', (q, r, by) => surface.deleteOf(q, r, by));
  add('GET', '/sessions', (q, r) => surface.list(q, r));
  add('GET', '/sessions/:id', (q, r) => surface.get(q, r));
  add('POST', '/sessions', (q, r, by) => surface.manage(q, r, by));
  add('DELETE', '/sessions/:id', (q, r, by) => surface.disable(q, r, by));
  add('PATCH', '/sessions/:id/extend', (q, r, by) => surface.extend(q, r, by));
}
