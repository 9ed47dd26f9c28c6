/**
 * Faults of flows for whom they happen to: a browser is sent where it can go on, to sign in again, to prove more or to verify an
 * address; all else is told as ../answer.ts tells it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FlowFault } from '../../flows/fault.ts';
import type { FlowKind } from '../../flows/flow.ts';
import { UnverifiedAddress } from '../../flows/login.ts';
import { returnToOf } from '../../flows/return-to.ts';
import type { AccountsManager } from '../../manager.ts';
import { seeOther, tell, uiUrl } from '../answer.ts';
import { ensureCsrf, queryText } from '../web.ts';

export class FlowRefusals {
  readonly #manager: AccountsManager;
  constructor(manager: AccountsManager) {
    this.#manager = manager;
  }
  get #services(): AccountsManager['services'] {
    return this.#manager.services;
  }
  get #config(): AccountsManager['services']['config'] {
    return this.#services.config;
  }

  /** Faults that have a better answer for a browser than the error page. */
  async answer(
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
    try {
      return returnToOf(this.#config, text);
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
