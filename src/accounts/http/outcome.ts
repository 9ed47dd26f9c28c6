/**
 * How the end of a flow is answered in each flavour: the flow again, a redirect, a session by cookie or by token
 * (reference: Kratos's public API). INVARIANT: a token leaves in a cookie or to a program, never in an address.
 */
import type { FastifyReply } from 'fastify';
import { FlowFault } from '../flows/fault.ts';
import type { Flow } from '../flows/flow.ts';
import type { LoginOutcome } from '../flows/login.ts';
import type { RecoveryOutcome } from '../flows/recovery.ts';
import type { RegistrationOutcome } from '../flows/registration.ts';
import type { SettingsOutcome } from '../flows/settings.ts';
import type { PreparedVerification } from '../flows/verification.ts';
import type { AccountsManager } from '../manager.ts';
import type { IssuedSession } from '../sessions.ts';
import { accountView, flowView, sessionView, type View } from '../view.ts';
import { seeOther, uiUrl } from './answer.ts';
import { renewCsrf, setSessionCookie } from './web.ts';

/** A browser with pages, a browser by script, or a program. */
export type Flavour = 'html' | 'spa' | 'api';

type SignedInOutcome = Extract<LoginOutcome, { readonly kind: 'signed-in' }>;

/** Sends a browser to another site; a script is told to. */
export function goTo(url: string, reply: FastifyReply, flavour: Flavour): FastifyReply {
  if (flavour === 'html') return seeOther(reply, url);
  throw new FlowFault('browser_location_change_required', { redirectTo: url });
}

/** When there is another attempt, in seconds, for a flow that was throttled just now. */
function retryAfterOf({ ui }: Flow): number | undefined {
  const waits = (ui.messages ?? []).map(({ context }) => context?.['retry_after']);
  return waits.find((wait) => typeof wait === 'number');
}

export class OutcomeAnswers {
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

  /** A flow as its owner sees it. */
  async view(flow: Flow): Promise<View> {
    if (flow.kind !== 'settings' || flow.accountId === undefined) return flowView(flow);
    const account = await this.#services.accounts.get(flow.accountId);
    const { publicUrl } = this.#config;
    return flowView(flow, account && accountView(account, { publicUrl }));
  }

  /** The flow, shown again. */
  async shown(
    outcome: { readonly flow: Flow; readonly status: 200 | 400 },
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    const { flow, status } = outcome;
    if (flavour === 'html') return seeOther(reply, uiUrl(this.#config, flow.kind, flow));
    const waitS = status === 400 ? retryAfterOf(flow) : undefined;
    if (waitS !== undefined) reply.header('retry-after', String(waitS));
    return reply.code(status).send(await this.view(flow));
  }

  /** Where the browser goes at the end. */
  returnUrl(flow: Flow): string {
    const { defaultReturnUrl, flows } = this.#config;
    const { after } = flows[flow.kind];
    const byMethod = Object.hasOwn(after.byMethod, flow.active ?? '')
      ? after.byMethod[flow.active ?? '']
      : undefined;
    return (
      flow.returnTo ?? byMethod?.defaultReturnUrl ?? after.defaultReturnUrl ?? defaultReturnUrl
    );
  }

  #hand(reply: FastifyReply, { session, token }: IssuedSession): void {
    const { clock } = this.#services;
    setSessionCookie(this.#config, reply, token.reveal(), session.expiresAtMs, clock.now());
  }

  async login(outcome: LoginOutcome, reply: FastifyReply, flavour: Flavour): Promise<FastifyReply> {
    if (outcome.kind === 'shown') return this.shown(outcome, reply, flavour);
    if (outcome.kind === 'detour') return goTo(outcome.url, reply, flavour);
    const { signedIn, needsAal2 } = outcome;
    const { session, issued, account } = signedIn;
    const { publicUrl } = this.#config;
    let { csrf } = outcome.flow;
    if (issued !== undefined && flavour !== 'api') {
      this.#hand(reply, issued);
      // Another person may be signed in now: what forms of before knew is void. A registration begins with nobody, and
      // has just begun a verification for this very browser.
      csrf = renewCsrf(this.#config, reply);
    }
    const verifying = await this.#verify(outcome, csrf);
    const further = verifying === undefined ? [] : [verifying.continueWith];
    const raise = new URL(`${publicUrl}/self-service/login/browser`);
    raise.searchParams.set('aal', 'aal2');
    const { returnTo } = outcome.flow;
    if (returnTo !== undefined) raise.searchParams.set('return_to', returnTo);
    if (needsAal2 && flavour === 'spa')
      throw new FlowFault('browser_location_change_required', { redirectTo: raise.toString() });
    if (flavour === 'html')
      return seeOther(
        reply,
        needsAal2
          ? raise.toString()
          : verifying !== undefined && outcome.isVerificationShown
            ? uiUrl(this.#config, 'verification', verifying.flow)
            : this.returnUrl(outcome.flow),
      );
    const identity = needsAal2 ? undefined : accountView(account, { publicUrl });
    const shown = { ...sessionView(session, identity), ...(needsAal2 ? { identity: null } : {}) };
    const token = issued?.token.reveal();
    if (flavour === 'api')
      return reply.send({
        session: shown,
        ...(token === undefined ? {} : { session_token: token }),
        ...(further.length === 0 ? {} : { continue_with: further }),
      });
    return reply.send({
      session: shown,
      continue_with: [...further, ...this.#onwards(outcome.flow)],
    });
  }

  /** Begins the verification that the hook `verification` asks for. */
  async #verify(
    { flow, signedIn, toVerify }: SignedInOutcome,
    csrf: string | undefined,
  ): Promise<PreparedVerification | undefined> {
    if (toVerify === undefined) return undefined;
    const { type, requestUrl, returnTo } = flow;
    const { verification } = this.#manager;
    const begun = { type, requestUrl, csrf, returnTo };
    const prepared = await verification.prepareFor(signedIn.account, toVerify, begun);
    await this.#services.store.write((trx) => prepared.put(trx));
    return prepared;
  }

  #onwards(flow: Flow): readonly unknown[] {
    return [{ action: 'redirect_browser_to', redirect_browser_to: this.returnUrl(flow) }];
  }

  async registration(
    outcome: RegistrationOutcome,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    if (outcome.kind === 'shown') return this.shown(outcome, reply, flavour);
    if (outcome.kind === 'detour') return goTo(outcome.url, reply, flavour);
    const { account, issued, continueWith, verificationUrl } = outcome;
    if (issued !== undefined && flavour !== 'api') this.#hand(reply, issued);
    if (flavour === 'html') return seeOther(reply, verificationUrl ?? this.returnUrl(outcome.flow));
    const identity = accountView(account, { publicUrl: this.#config.publicUrl });
    const token = flavour === 'api' ? issued?.token.reveal() : undefined;
    return reply.send({
      identity,
      ...(issued === undefined ? {} : { session: sessionView(issued.session, identity) }),
      ...(token === undefined ? {} : { session_token: token }),
      continue_with: [
        ...(token === undefined
          ? []
          : [{ action: 'set_ory_session_token', ory_session_token: token }]),
        ...continueWith,
        ...(flavour === 'spa' ? this.#onwards(outcome.flow) : []),
      ],
    });
  }

  async settings(
    outcome: SettingsOutcome,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    if (outcome.kind === 'detour') return goTo(outcome.url, reply, flavour);
    if (outcome.kind === 'shown') return this.shown(outcome, reply, flavour);
    if (outcome.kind === 'pending')
      return flavour === 'html'
        ? seeOther(reply, outcome.url)
        : reply.send(await this.view(outcome.flow));
    if (flavour === 'html') {
      const target = outcome.flow.returnTo ?? this.#config.flows.settings.after.defaultReturnUrl;
      return seeOther(reply, target ?? uiUrl(this.#config, 'settings', outcome.flow));
    }
    const view = await this.view(outcome.flow);
    if (flavour === 'api') return reply.send(view);
    const before = outcome.flow.continueWith;
    return reply.send({ ...view, continue_with: [...before, ...this.#onwards(outcome.flow)] });
  }

  async recovery(
    outcome: RecoveryOutcome,
    reply: FastifyReply,
    flavour: Flavour,
  ): Promise<FastifyReply> {
    if (outcome.kind === 'shown') return this.shown(outcome, reply, flavour);
    const { issued, settings } = outcome;
    if (flavour !== 'api') this.#hand(reply, issued);
    const url = uiUrl(this.#config, 'settings', settings);
    if (flavour === 'html') return seeOther(reply, url);
    if (!this.#config.features.useContinueWithTransitions && flavour === 'spa')
      throw new FlowFault('browser_location_change_required', { redirectTo: url });
    const token = { action: 'set_ory_session_token', ory_session_token: issued.token.reveal() };
    return reply.send({
      ...(await this.view(outcome.flow)),
      continue_with: [
        ...(flavour === 'api' ? [token] : []),
        { action: 'show_settings_ui', flow: { id: settings.id, url } },
      ],
    });
  }
}
