/** Links of mails, opened in whichever browser (`GET /self-service/verification` and `/recovery`). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Flow } from '../../flows/flow.ts';
import type { AccountsManager } from '../../manager.ts';
import { seeOther, tell, uiUrl } from '../answer.ts';
import { OutcomeAnswers } from '../outcome.ts';
import { ensureCsrf, queryText, visitorOf, wantsJson } from '../web.ts';
import type { FlowBeginnings } from './begin.ts';
import { flowOf } from './read.ts';

/** The flow under another browser's CSRF secret. */
function rebind(flow: Flow, csrf: string): Flow {
  return flow.type === 'browser' ? { ...flow, csrf } : flow;
}

export class MailedLinks {
  readonly #manager: AccountsManager;
  readonly #beginnings: FlowBeginnings;
  readonly #answers: OutcomeAnswers;
  constructor(manager: AccountsManager, beginnings: FlowBeginnings) {
    this.#manager = manager;
    this.#beginnings = beginnings;
    this.#answers = new OutcomeAnswers(manager);
  }
  get #services(): AccountsManager['services'] {
    return this.#manager.services;
  }
  get #config(): AccountsManager['services']['config'] {
    return this.#services.config;
  }

  /** A mailed link of verification or recovery was opened in a browser. */
  async open(
    kind: 'verification' | 'recovery',
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    try {
      const flow = await flowOf(this.#services, kind, request, 'flow');
      const given = queryText(request, 'code') ?? queryText(request, 'token') ?? '';
      if (flow.expiresAtMs <= this.#services.clock.now())
        return await this.#beginnings.replace(flow, request, reply, 'html');
      // The link may be opened in another browser than the one that asked: from now on it is that one's flow.
      const csrf = ensureCsrf(this.#config, request, reply);
      if (kind === 'verification') {
        const filled = await this.#manager.verification.fillIn(rebind(flow, csrf), given);
        return seeOther(reply, uiUrl(this.#config, kind, filled));
      }
      const visitor = await visitorOf(this.#services, request);
      const outcome = await this.#manager.recovery.open(rebind(flow, csrf), given, visitor);
      return await this.#answers.recovery(outcome, request, reply, 'html');
    } catch (reason) {
      return tell(this.#services, request, reply, reason, wantsJson(request.headers));
    }
  }
}
