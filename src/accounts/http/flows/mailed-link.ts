/**
 * Links of mails, opened in whichever browser (`GET /self-service/verification` and `/recovery`). INVARIANT: a GET is what mail
 * scanners do too: it signs nobody in, spends nothing and takes no flow away from the browser that began it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccountsManager } from '../../manager.ts';
import { seeOther, tell, uiUrl } from '../answer.ts';
import { ensureCsrf, queryText, sessionOf, wantsJson } from '../web.ts';
import type { FlowBeginnings } from './begin.ts';
import { flowOf } from './read.ts';

export class MailedLinks {
  readonly #manager: AccountsManager;
  readonly #beginnings: FlowBeginnings;
  constructor(manager: AccountsManager, beginnings: FlowBeginnings) {
    this.#manager = manager;
    this.#beginnings = beginnings;
  }

  /** A mailed link of verification or recovery was opened in a browser: it is shown a form that is filled in. */
  async open(
    kind: 'verification' | 'recovery',
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { services } = this.#manager;
    try {
      const root = await flowOf(services, kind, request, 'flow');
      const proof = queryText(request, 'code') ?? queryText(request, 'token') ?? '';
      if (root.expiresAtMs <= services.clock.now())
        return await this.#beginnings.replace({ ...root, type: 'browser' }, request, reply, 'html');
      const csrf = ensureCsrf(services.config, request, reply);
      const flow = await this.#manager[kind].open(root, proof, csrf);
      const { publicUrl } = services.config;
      // Pages elsewhere send whoever is signed in away from recovery; ours lets them press the button.
      const isSignedIn = (await sessionOf(services, request.headers)) !== undefined;
      return seeOther(
        reply,
        kind === 'recovery' && isSignedIn
          ? `${publicUrl}/ui/recovery?flow=${flow.id}`
          : uiUrl(services.config, kind, flow),
      );
    } catch (reason) {
      return tell(services, request, reply, reason, wantsJson(request.headers));
    }
  }
}
