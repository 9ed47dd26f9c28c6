/** Our own sign-in pages over the flows: what another program would be behind `ui_url`. They read flows as such a program does. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Account, JsonObject, Session } from '../account.ts';
import { FlowFault } from '../flows/fault.ts';
import { FLOW_KINDS, type Flow, type FlowKind } from '../flows/flow.ts';
import { isUnmade } from '../flows/rehearsal.ts';
import type { AccountsManager } from '../manager.ts';
import type { Brand } from '../pages/brand.ts';
import { type PageLinks, renderError, renderFlow, renderWelcome } from '../pages/flow-page.ts';
import { LOGO_HEADERS } from '../pages/logo.ts';
import { pageHeaders } from '../pages/page.ts';
import { schemaOf } from '../services.ts';
import { WEBAUTHN_SCRIPT, WEBAUTHN_SCRIPT_PATH } from '../webauthn/script.ts';
import { seeOther } from './answer.ts';
import { csrfOf, queryText, sessionOf } from './web.ts';

/** The application that began a sign-in of the OpenID Provider, by the sign-in's id. */
export type FindApplication = (uid: string) => Promise<{ readonly name: string } | undefined>;

class PageSurface {
  readonly #manager: AccountsManager;
  readonly #applicationAt: FindApplication;
  constructor(manager: AccountsManager, applicationAt: FindApplication) {
    this.#manager = manager;
    this.#applicationAt = applicationAt;
  }
  get #services(): AccountsManager['services'] {
    return this.#manager.services;
  }
  get #brand(): Brand {
    return this.#services.brand;
  }

  async #links(session: Session | undefined, returnTo?: string): Promise<PageLinks> {
    const { publicUrl, flows } = this.#services.config;
    const to = (kind: FlowKind): string => {
      const url = new URL(`${publicUrl}/self-service/${kind}/browser`);
      if (returnTo !== undefined) url.searchParams.set('return_to', returnTo);
      return url.toString();
    };
    const token =
      session === undefined ? undefined : await this.#services.sessions.logoutToken(session.id);
    return {
      login: to('login'),
      registration: flows.registration.isEnabled ? to('registration') : undefined,
      recovery: flows.recovery.isEnabled ? to('recovery') : undefined,
      home: `${publicUrl}/ui/`,
      logout: token === undefined ? undefined : `${publicUrl}/self-service/logout?token=${token}`,
    };
  }

  #send(reply: FastifyReply, page: string, targets: readonly string[] = []): FastifyReply {
    const script = `${this.#services.config.publicUrl}${WEBAUTHN_SCRIPT_PATH}`;
    return reply.headers(pageHeaders(this.#brand, targets, script)).send(page);
  }

  async flow(kind: FlowKind, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { config, flows, clock } = this.#services;
    const again = `${config.publicUrl}/self-service/${kind}/browser`;
    const id = queryText(request, 'flow');
    const flow = id === undefined ? undefined : await flows.find(kind, id);
    if (flow === undefined || flow.expiresAtMs <= clock.now() || flow.type !== 'browser')
      return seeOther(reply, again);
    const session = await sessionOf(this.#services, request.headers);
    // A page shows what its form may say: another browser's flow is begun anew.
    const isOwn =
      kind === 'settings'
        ? session?.accountId === flow.accountId
        : flow.csrf === undefined || isUnmade(flow) || csrfOf(config, request) === flow.csrf;
    if (!isOwn) return seeOther(reply, again);
    const raise = kind === 'settings' ? await this.#raise(flow, session) : undefined;
    if (raise !== undefined) return seeOther(reply, raise);
    const links = await this.#links(session, flow.returnTo);
    const destination = kind === 'settings' ? undefined : await this.#destination(flow);
    const page = renderFlow(kind, pageOf(flow), { brand: this.#brand, links, destination });
    const targets = [
      ...config.allowedReturnUrls,
      ...applicationOf(flow, config.publicUrl),
      ...providersOf(flow, config),
    ];
    return this.#send(reply, page, targetsOf(flow, targets));
  }

  /**
   * Where somebody goes on to: the application by the name that it is registered with, else the host of a `return_to`
   * that the configuration allows. INVARIANT: nothing that an address alone says is shown as an application.
   */
  async #destination({ returnTo }: Flow): Promise<string | undefined> {
    const { publicUrl } = this.#services.config;
    if (returnTo === undefined || !URL.canParse(returnTo)) return undefined;
    const [, uid] = returnTo.startsWith(`${publicUrl}/interaction/`)
      ? (/^([\w-]{1,64})(?:[?#]|$)/.exec(returnTo.slice(`${publicUrl}/interaction/`.length)) ?? [])
      : [];
    if (uid !== undefined) return (await this.#applicationAt(uid))?.name;
    const { origin, host, protocol } = new URL(returnTo);
    const isElsewhere = /^https?:$/.test(protocol) && origin !== new URL(publicUrl).origin;
    return isElsewhere ? host : undefined;
  }

  /** Where a session is sent that is not sure enough for the settings. */
  async #raise(flow: Flow, session: Session | undefined): Promise<string | undefined> {
    try {
      await this.#manager.settings.owner(flow, session);
      return undefined;
    } catch (reason) {
      if (reason instanceof FlowFault && reason.id === 'session_aal2_required')
        return reason.details.redirectTo;
      throw reason;
    }
  }

  async error(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const id = queryText(request, 'id') ?? '';
    const note = await this.#services.flows.findNote('error', id);
    const data = note?.data;
    const error =
      typeof data === 'object' && data !== null && !Array.isArray(data)
        ? ((data as JsonObject)['error'] as JsonObject | undefined)
        : undefined;
    const page = renderError(
      {
        code: Number(error?.['code'] ?? 404),
        reason: String(error?.['reason'] ?? 'This error is no longer known.'),
        message: String(error?.['message'] ?? ''),
      },
      { brand: this.#brand, home: `${this.#services.config.publicUrl}/ui/` },
    );
    return this.#send(reply, page);
  }

  #unverified(account: Account): { readonly address: string; readonly url: string } | undefined {
    const { flows, publicUrl } = this.#services.config;
    const address = account.verifiableAddresses.find((a) => !a.verified);
    if (address === undefined || !flows.verification.isEnabled) return undefined;
    return { address: address.value, url: `${publicUrl}/self-service/verification/browser` };
  }

  async welcome(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const session = await sessionOf(this.#services, request.headers);
    const account =
      session === undefined ? undefined : await this.#services.accounts.get(session.accountId);
    const links = await this.#links(session);
    const when = (ms: number): string => new Date(ms).toUTCString();
    const who =
      session === undefined || account === undefined
        ? undefined
        : {
            name: shownName(this.#services, account),
            since: when(session.authenticatedAtMs),
            until: when(session.expiresAtMs),
            unverified: this.#unverified(account),
          };
    const settings = `${this.#services.config.publicUrl}/self-service/settings/browser`;
    return this.#send(reply, renderWelcome(who, { brand: this.#brand, links, settings }));
  }
}

/** What a person knows themselves by: an address, or what they sign in with. */
function shownName(services: AccountsManager['services'], account: Account): string {
  const schema = schemaOf(services, account);
  const [identifier] = schema.identifiers('password', account.traits);
  return (
    account.verifiableAddresses[0]?.value ??
    identifier ??
    schema.passkeyDisplayName(account.traits) ??
    account.id
  );
}

function pageOf(flow: Flow): Parameters<typeof renderFlow>[1] {
  return {
    id: flow.id,
    ui: flow.ui,
    state: flow.state,
    isRefresh: flow.isRefresh,
    isSecondFactor: flow.requestedAal === 'aal2',
    returnTo: flow.returnTo,
  };
}

/** A browser holds `form-action` against the redirect behind a form as well. */
function targetsOf(flow: Flow, allowed: readonly string[]): readonly string[] {
  const origins = [flow.returnTo, ...allowed].flatMap((text) => {
    const [origin] =
      /^(https?:\/\/[^/?#;,\s']+|(?!https?:\/)[a-z][a-z0-9+.-]*:)/i.exec(text ?? '') ?? [];
    return origin === undefined ? [] : [origin];
  });
  return origins;
}

/**
 * Where a button of social sign-in may lead. A provider sends people on to sites of its own choice (an employer's sign-in,
 * another host name), and a browser holds `form-action` against each of them: every https site, and providers on loopback.
 */
function providersOf(
  { ui }: Flow,
  config: AccountsManager['services']['config'],
): readonly string[] {
  if (!ui.nodes.some(({ group }) => group === 'oidc')) return [];
  const issuers = config.methods.oidc.providers.map(({ issuerUrl }) => issuerUrl ?? '');
  return ['https:', ...issuers.filter((url) => url.startsWith('http://'))];
}

/** Where the OpenID Provider sends the browser on to, when the flow returns to it. */
function applicationOf({ returnTo }: Flow, publicUrl: string): readonly string[] {
  if (returnTo?.startsWith(`${publicUrl}/interaction/`) !== true) return [];
  const target = new URL(returnTo).searchParams.get('to') ?? '';
  return /^(https?:\/\/[^/?#;,\s']+|[a-z][a-z0-9+.-]*:)$/.test(target) ? [target] : [];
}

/** Adds `/ui/…`, and sends who opens the bare address there. */
export function addPages(
  app: FastifyInstance,
  manager: AccountsManager,
  applicationAt: FindApplication,
): void {
  const surface = new PageSurface(manager, applicationAt);
  for (const kind of FLOW_KINDS) app.get(`/ui/${kind}`, (q, r) => surface.flow(kind, q, r));
  app.get(WEBAUTHN_SCRIPT_PATH, (_q, r) =>
    r
      .header('content-type', 'text/javascript; charset=utf-8')
      .header('cache-control', 'public, max-age=3600')
      // Pages of other origins hold it against its hash, which takes CORS.
      .header('access-control-allow-origin', '*')
      .header('cross-origin-resource-policy', 'cross-origin')
      .send(WEBAUTHN_SCRIPT),
  );
  const { logo, logoDark } = manager.services.brand;
  for (const image of new Map([logo, logoDark].flatMap((l) => (l ? [[l.path, l]] : []))).values())
    app.get(image.path, (_q, r) =>
      r
        .headers({ ...LOGO_HEADERS })
        .type(image.type)
        .send(image.bytes),
    );
  app.get('/ui/error', (q, r) => surface.error(q, r));
  app.get('/ui/', (q, r) => surface.welcome(q, r));
  app.get('/', (_q, r) => seeOther(r, `${manager.services.config.publicUrl}/ui/`));
}
