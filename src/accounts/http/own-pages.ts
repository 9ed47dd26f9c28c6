/**
 * What pages of a signed-in person share, here and in the rooms beside: whose they are, and whether a form comes from them.
 * INVARIANT: nobody sees such a page who is not signed in as surely as whoami asks; no form counts without its token.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Person, Session } from '../account.ts';
import { isCsrfToken, maskCsrf } from '../flows/csrf.ts';
import { isSureEnough } from '../flows/finish.ts';
import type { AccountsManager } from '../manager.ts';
import type { Brand } from '../pages/brand.ts';
import { seeOther } from './answer.ts';
import { isForeign } from './flows/site.ts';
import { csrfOf, renewCsrf, sessionOf } from './web.ts';

export interface Owner {
  readonly person: Person;
  readonly session: Session;
  /** The token for the forms of the page. */
  readonly csrf: string;
}

export class OwnPages {
  readonly #manager: AccountsManager;
  constructor(manager: AccountsManager) {
    this.#manager = manager;
  }
  get brand(): Brand {
    return this.#manager.services.brand;
  }

  /** Whose page it is; undefined when the browser was sent to sign in first. `path` is where it comes back to. */
  async owner(
    request: FastifyRequest,
    reply: FastifyReply,
    path: string,
  ): Promise<Owner | undefined> {
    const { services } = this.#manager;
    const { config } = services;
    const session = await sessionOf(services, request.headers);
    const person =
      session === undefined ? undefined : await services.accounts.person(session.accountId);
    if (session === undefined || person?.state !== 'active') {
      this.#toSignIn(reply, path, {});
      return undefined;
    }
    if (!isSureEnough(services, session, person, config.session.requiredAal)) {
      this.#toSignIn(reply, path, { aal: 'aal2' });
      return undefined;
    }
    const secret = csrfOf(config, request) ?? renewCsrf(config, reply);
    return { person, session, csrf: maskCsrf(secret) };
  }

  /** Whether somebody proved who they are lately; else the browser was sent to do it again. */
  isFresh({ session }: Owner, reply: FastifyReply, path: string): boolean {
    const { config, clock } = this.#manager.services;
    const { privilegedSessionMaxAgeMs } = config.flows.settings;
    if (clock.now() - session.authenticatedAtMs <= privilegedSessionMaxAgeMs) return true;
    this.#toSignIn(reply, path, { refresh: 'true' });
    return false;
  }

  /** Whether a form comes from a page that this browser was given, and no other site's. */
  isOwnForm(request: FastifyRequest): boolean {
    const { config } = this.#manager.services;
    // Nobody else has a page with these forms, whomever sessions are shared with.
    if (isForeign(request.headers, config, () => false)) return false;
    const secret = csrfOf(config, request);
    const token = formField(request, 'csrf_token');
    return secret !== undefined && isCsrfToken(token, secret);
  }

  #toSignIn(reply: FastifyReply, path: string, query: Readonly<Record<string, string>>): void {
    const { publicUrl } = this.#manager.services.config;
    const url = new URL(`${publicUrl}/self-service/login/browser`);
    url.search = new URLSearchParams({ ...query, return_to: `${publicUrl}${path}` }).toString();
    seeOther(reply, url.toString());
  }
}

/** A text of a submitted form; empty where there is none, or more than one. */
export function formField(request: FastifyRequest, name: string): string {
  const { body } = request;
  const value: unknown =
    typeof body === 'object' && body !== null && Object.hasOwn(body, name)
      ? Reflect.get(body, name)
      : undefined;
  return typeof value === 'string' ? value : '';
}
