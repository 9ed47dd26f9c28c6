/**
 * Holds the provider and mounts it: loads the library when it is first wanted, makes a new instance when the signing
 * keys change, sweeps what has expired. INVARIANT: two instances never differ but in their keys, since everything else
 * is in the store.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type Provider from 'oidc-provider';
import type { Audit } from '../audit/index.ts';
import type { Fabric, StoredEvent } from '../fabric/index.ts';
import { type Clock, type Logger, PosternError } from '../kernel/index.ts';
import { type Store, sweepInTurns } from '../store/index.ts';
import type { FindInitialAccess } from './client-records.ts';
import { ClientManager } from './clients.ts';
import { hasJsonBody, readAsForm, withForm } from './json-body.ts';
import { KEYS_EVENT, ProviderKeys } from './keys.ts';
import type { TokenOwner } from './provider.ts';
import type { Api, Pages, People, ShownClient } from './types.ts';

const SWEEP_INTERVAL_MS = 60_000;
const REFRESH_OVERLAP_MS = 5_000;
const COOKIE_KEY = 'oidc/cookies';
const FORM_BYTES_MAX = 4_096;
/** What the library reads of a body; a larger one is refused before. */
const BODY_BYTES_MAX = 56 * 1_024;
/** A request for authorisation that came as a form goes on as an address. */
const AUTHORIZE_BYTES_MAX = 16 * 1_024;
/** Answered by pages; the others speak JSON. */
const PAGE_PATHS = /^\/(authorize|activate|oidc\/logout)(\/|$)/;

type Library = typeof import('./library.ts');

/** What the library serves, by path; Fastify knows these routes and no other of it. */
const PATHS = [
  '/.well-known/openid-configuration',
  '/.well-known/jwks.json',
  '/authorize',
  '/authorize/:uid',
  '/activate',
  '/activate/:uid',
  '/oauth/token',
  '/oauth/revoke',
  '/oauth/introspect',
  '/oauth/par',
  '/oauth/device/code',
  '/oidc/register',
  '/oidc/logout',
  '/oidc/logout/confirm',
  '/oidc/logout/success',
  '/userinfo',
] as const;
const METHODS = ['GET', 'POST', 'OPTIONS'] as const;
/** Where a POST is sent on as a GET: by GET, cookies come along from other sites. */
const BY_GET_ALONE: ReadonlySet<string> = new Set(['/authorize', '/oidc/logout']);

export interface HostParts {
  /** With a slash at its end, as at Auth0. */
  readonly issuer: string;
  readonly store: Store;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly people: People;
  readonly pages: Pages;
  readonly apis: readonly Api[];
  readonly logoutUrls: readonly string[];
  readonly initialAccess: FindInitialAccess;
}

interface Loaded {
  readonly library: Library;
  readonly provider: Provider;
  readonly handle: (req: IncomingMessage, res: ServerResponse) => void;
}

export class OidcHost {
  readonly clients: ClientManager;
  readonly keys: ProviderKeys;
  readonly #parts: HostParts;
  readonly #issuer: URL;
  #loaded: Promise<Loaded> | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#issuer = new URL(parts.issuer);
    this.clients = new ClientManager(parts);
    this.keys = new ProviderKeys(parts);
  }

  /** Makes the keys that are needed inside of transactions, and begins to sweep. */
  async open(): Promise<void> {
    await this.clients.open();
    for (const name of [COOKIE_KEY, 'oidc/records', 'oidc/user-codes'])
      await this.#parts.fabric.keyring.secret(name);
    this.#sweeper = setInterval(() => void this.#sweep(), SWEEP_INTERVAL_MS);
    this.#sweeper.unref();
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  async #sweep(): Promise<void> {
    if (this.#loaded === undefined) return;
    try {
      const { library } = await this.#loaded;
      const records = this.#records(library);
      await sweepInTurns(() => records.sweep());
    } catch (reason) {
      this.#parts.logger.warn({ err: reason }, 'expired tokens could not be removed; tried again');
    }
  }

  #records(library: Library): InstanceType<Library['Records']> {
    return new library.Records({ ...this.#parts, refreshOverlapMs: REFRESH_OVERLAP_MS });
  }

  #load(): Promise<Loaded> {
    this.#loaded ??= this.#make().catch((reason: unknown) => {
      this.#loaded = undefined;
      throw reason;
    });
    return this.#loaded;
  }

  async #make(): Promise<Loaded> {
    const library = await import('./library.ts');
    const records = this.#records(library);
    const jwks = await this.keys.load();
    const cookie = await this.#parts.fabric.keyring.secret(COOKIE_KEY);
    const provider = library.createProvider(
      { ...this.#parts, records, clients: this.clients },
      { jwks, cookies: [cookie.toString('base64url')] },
      (sessionId) => this.#parts.people.endSession(sessionId),
    );
    return { library, provider, handle: provider.callback() };
  }

  /** Acts on an event of this server or another: changed keys, sessions that ended, people who were shut out. */
  async onEvent(event: StoredEvent): Promise<void> {
    if (event.kind === KEYS_EVENT) this.#loaded = undefined;
    else if (event.kind === 'grant.revoked' && event.data['kind'] === 'session')
      await this.sessionEnded(event.subject ?? '');
  }

  /** Takes away what rests on a session that has ended, and tells the clients that asked for it. */
  async sessionEnded(sessionId: string): Promise<void> {
    const any = await this.#parts.store.db
      .selectFrom('oidc_records')
      .select('model')
      .where('session_id', '=', sessionId)
      .limit(1)
      .executeTakeFirst();
    if (any === undefined) return;
    const { provider, library } = await this.#load();
    const records = this.#records(library);
    await library.forgetSession(
      provider,
      { ...this.#parts, records, clients: this.clients },
      sessionId,
    );
  }

  /** Whose a standing access token is. */
  async ownerOf(token: string): Promise<TokenOwner | undefined> {
    const { library, provider } = await this.#load();
    return library.ownerOf(provider, token);
  }

  /** Which application began a sign-in that still goes on; undefined for one that is over or never was. */
  async applicationAt(uid: string): Promise<ShownClient | undefined> {
    const { provider } = await this.#load();
    const interaction = await provider.Interaction.find(uid);
    const id: unknown = interaction?.params['client_id'];
    const client = typeof id === 'string' ? await provider.Client.find(id) : undefined;
    if (client === undefined) return undefined;
    return { name: client.clientName ?? client.clientId, uri: client.clientUri };
  }

  /** Adds the provider's paths to the public listener. */
  async register(app: FastifyInstance): Promise<void> {
    await app.register(async (scope) => {
      // The library reads bodies itself, and bounds them.
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
      for (const url of PATHS)
        scope.route({
          method: BY_GET_ALONE.has(url) ? ['GET', 'OPTIONS'] : [...METHODS],
          url,
          exposeHeadRoute: false,
          handler: (q, r) => this.#serve(q, r),
        });
      scope.get('/interaction/:uid', (q, r) =>
        this.#raw(q, r, async ({ library, provider }) =>
          library.showInteraction(this.#interaction(provider), q.raw, r.raw),
        ),
      );
    });
    await app.register(async (scope) => {
      await scope.register(formbody, { bodyLimit: FORM_BYTES_MAX });
      scope.post('/interaction/:uid', { bodyLimit: FORM_BYTES_MAX }, (q, r) =>
        this.#raw(q, r, async ({ library, provider }) => {
          const { body } = q;
          const decision: unknown =
            typeof body === 'object' && body !== null ? Reflect.get(body, 'decision') : undefined;
          const isAllowed = decision === 'allow';
          await library.decideInteraction(this.#interaction(provider), q.raw, r.raw, isAllowed);
        }),
      );
      // OpenID Connect Core 3.1.2.1 and RP-Initiated Logout 2 ask for POST too.
      for (const path of BY_GET_ALONE)
        scope.post(path, { bodyLimit: AUTHORIZE_BYTES_MAX }, (q, r) => {
          const fields =
            typeof q.body === 'object' && q.body !== null ? Object.entries(q.body) : [];
          const given = fields.flatMap(([name, value]) =>
            [value]
              .flat()
              .filter((v) => typeof v === 'string')
              .map((v): [string, string] => [name, v]),
          );
          const url = `${this.#parts.issuer}${path.slice(1)}?${new URLSearchParams(given)}`;
          return r.code(303).header('location', url).header('cache-control', 'no-store').send();
        });
      // A HEAD must not sign anybody out.
      scope.get('/v2/logout', { exposeHeadRoute: false }, (q, r) => this.#v2Logout(q, r));
    });
  }

  #interaction(provider: Provider): Parameters<Library['showInteraction']>[0] {
    return { ...this.#parts, provider };
  }

  async #serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX)
      return this.#tooLarge(request, reply);
    if (hasJsonBody(request.raw)) return this.#serveJson(request, reply);
    await this.#raw(request, reply, async ({ handle }) => handle(request.raw, reply.raw));
  }

  /** Auth0's clients send JSON to the token endpoints; the library reads forms. */
  async #serveJson(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    let form: Buffer;
    try {
      form = await readAsForm(request.raw, BODY_BYTES_MAX);
    } catch (reason) {
      if (!(reason instanceof PosternError)) throw reason;
      reply.code(400).header('cache-control', 'no-store');
      await reply.send({ error: 'invalid_request', error_description: reason.message });
      return;
    }
    await this.#raw(request, reply, async ({ handle }) =>
      handle(withForm(request.raw, form), reply.raw),
    );
  }

  /** Refuses a body without reading it. */
  async #tooLarge(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const detail = `The request is larger than ${BODY_BYTES_MAX} bytes`;
    reply.code(413).header('connection', 'close').header('cache-control', 'no-store');
    if (!PAGE_PATHS.test(request.url.split('?')[0] ?? '')) {
      await reply.send({ error: 'invalid_request', error_description: detail });
      return;
    }
    const page = this.#parts.pages.error({
      ...{ title: 'This request does not work', detail },
      code: 'invalid_request',
    });
    await reply.headers(page.headers).send(page.html);
  }

  /** Runs what answers on the raw connection; a fault before it becomes an answer of ours. */
  async #raw(
    request: FastifyRequest,
    reply: FastifyReply,
    run: (loaded: Loaded) => Promise<void>,
  ): Promise<void> {
    const loaded = await this.#load();
    reply.hijack();
    loaded.library.takeHeaders(request.raw, reply.raw, {
      ...{ issuer: this.#issuer, ipAddress: request.ip },
    });
    try {
      await run(loaded);
    } catch (reason) {
      this.#parts.logger.error({ err: reason }, 'the OpenID Provider met a fault');
      if (reply.raw.headersSent) reply.raw.destroy();
      else {
        const detail = 'Something went wrong here. Try again.';
        const page = this.#parts.pages.error({ title: 'Fault', detail, code: 'server_error' });
        reply.raw.writeHead(500, { ...page.headers });
        reply.raw.end(page.html);
      }
    }
  }

  async #v2Logout(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { people, pages } = this.#parts;
    const { library } = await this.#load();
    const query = request.query as Readonly<Record<string, unknown>>;
    const text = (name: string): string | undefined => {
      const value = Object.hasOwn(query, name) ? query[name] : undefined;
      return typeof value === 'string' && value !== '' ? value : undefined;
    };
    const parts = { ...this.#parts, records: this.#records(library), clients: this.clients };
    let target: string | undefined;
    try {
      target = await library.v2Target(parts, {
        returnTo: text('returnTo'),
        clientId: text('client_id'),
      });
    } catch (reason) {
      if (!(reason instanceof PosternError)) throw reason;
      const page = pages.error({
        ...{ title: 'This sign-out does not work', detail: reason.message },
        code: 'invalid_request',
      });
      return reply.code(400).headers(page.headers).send(page.html);
    }
    const signedIn = await people.sessionOf(request.headers);
    if (signedIn !== undefined) {
      await people.endSession(signedIn.sessionId);
      reply.header('set-cookie', [...people.forgetting]);
    }
    reply.header('cache-control', 'no-store');
    if (target === undefined) return reply.type('text/plain').send('OK');
    return reply.code(302).header('location', target).send();
  }
}
