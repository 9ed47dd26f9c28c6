/** `/ui/sessions`: where somebody is signed in, and signing out there. It never shows or ends another person's. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Session } from '../account.ts';
import type { AccountsManager } from '../manager.ts';
import { type Html, html } from '../pages/html.ts';
import { pageHeaders, renderPage } from '../pages/page.ts';
import { seeOther } from './answer.ts';
import { formField, type Owner, OwnPages } from './own-pages.ts';

const PATH = '/ui/sessions';

const when = (ms: number): string => new Date(ms).toUTCString();

/** What somebody recognises a device by. */
function deviceOf({ devices }: Session): string {
  const { userAgent = '', ipAddress = '' } = devices.at(-1) ?? {};
  const program =
    /(Firefox|Edg|OPR|Chrome|Safari)\/[\d.]+/.exec(userAgent)?.[1] ??
    userAgent.split(/[\s/]/)[0] ??
    '';
  const name = { Edg: 'Edge', OPR: 'Opera' }[program] ?? program;
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(userAgent)?.[1] ?? '';
  const words = [name, system].filter((word) => word !== '').join(' on ');
  return [words === '' ? 'An app' : words, ipAddress].filter((word) => word !== '').join(', ');
}

function row(session: Session, isThis: boolean, csrf: string): Html {
  const end = html`<form method="post" action="${PATH}"><input type="hidden" name="csrf_token" value="${csrf}"><button class="second" name="end" value="${session.id}" aria-label="Sign out there: ${deviceOf(session)}">Sign out there</button></form>`;
  return html`<section><h2>${deviceOf(session)}</h2><dl><dt>Signed in</dt><dd>${when(session.authenticatedAtMs)}</dd><dt>Until</dt><dd>${when(session.expiresAtMs)}</dd></dl>${isThis ? html`<p class="message">This is the one you are using.</p>` : end}</section>`;
}

class SessionsPage {
  readonly #manager: AccountsManager;
  readonly #pages: OwnPages;
  constructor(manager: AccountsManager) {
    this.#manager = manager;
    this.#pages = new OwnPages(manager);
  }

  async show(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = await this.#pages.owner(request, reply, PATH);
    return owner === undefined ? reply : this.#send(owner, reply);
  }

  async #send({ session, csrf }: Owner, reply: FastifyReply): Promise<FastifyReply> {
    const all = await this.#manager.services.sessions.list(session.accountId);
    const others = all.filter((s) => s.isActive && s.id !== session.id);
    const endAll = html`<section><form method="post" action="${PATH}"><input type="hidden" name="csrf_token" value="${csrf}"><button class="danger" name="end" value="others">Sign out everywhere else</button></form></section>`;
    const body = html`${[session, ...others].map((s) => row(s, s.id === session.id, csrf))}${others.length === 0 ? html`<p class="hint">You are signed in nowhere else.</p>` : endAll}
<p class="links"><a href="/ui/">Home</a></p>`;
    const page = renderPage({
      ...{ title: 'Where you are signed in', brand: this.#pages.brand, body, isWide: true },
    });
    return reply.headers(pageHeaders(this.#pages.brand, [])).send(page);
  }

  async end(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = await this.#pages.owner(request, reply, PATH);
    if (owner === undefined) return reply;
    if (this.#pages.isOwnForm(request)) await this.#end(owner.session, formField(request, 'end'));
    return seeOther(reply, `${this.#manager.services.config.publicUrl}${PATH}`);
  }

  async #end({ id, accountId }: Session, which: string): Promise<void> {
    const { store, sessions, audit } = this.#manager.services;
    // Also what expired: an application's refresh tokens live on from it.
    const own = (await sessions.list(accountId)).filter((s) => s.id !== id);
    const ended = which === 'others' ? own : own.filter((s) => s.id === which);
    await store.write(async (trx) => {
      for (const session of ended) {
        if (!(await sessions.revoke(trx, session.id))) continue;
        await audit.append(trx, {
          actor: accountId,
          action: 'accounts:logout',
          resource: `session/${session.id}`,
        });
      }
    });
  }
}

/** Adds the page. */
export function addSessionsPage(app: FastifyInstance, manager: AccountsManager): void {
  const page = new SessionsPage(manager);
  app.get(PATH, (q, r) => page.show(q, r));
  app.post(PATH, (q, r) => page.end(q, r));
}
