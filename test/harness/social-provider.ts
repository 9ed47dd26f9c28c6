/** A provider of social sign-in on loopback: oidc-provider itself, whose people consent at once. For tests alone. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Adapter, type AdapterPayload, Provider } from 'oidc-provider';

/** Who is at the keyboard at the provider. */
export interface SocialPerson {
  readonly sub: string;
  readonly [claim: string]: unknown;
}

type Routes = Readonly<Partial<Record<'authorization' | 'token' | 'userinfo', string>>>;

const SECRET = 'a client secret of tests, long enough';

export class SocialProviderFixture {
  readonly url: string;
  readonly clientId: string = 'postern';
  readonly clientSecret: string = SECRET;
  person: SocialPerson = { sub: 'nobody' };
  /** What is said at its userinfo endpoint alone, unsigned. */
  unsigned: Readonly<Record<string, unknown>> = {};
  /** When set: what is answered in the place of the provider's own. */
  intercept: RequestListener | undefined;
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  redirectUris: readonly string[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** `routes`: where its endpoints are, for a provider that is known by name. */
  static async start(routes: Routes = {}): Promise<SocialProviderFixture> {
    let answer: RequestListener = (_request, response) => response.end();
    const server = createServer((request, response) => answer(request, response));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const fixture = new SocialProviderFixture(server);
    const provider = fixture.#provider(routes);
    const own = provider.callback();
    answer = (request, response) => {
      fixture.asked.push(new URL(request.url ?? '/', fixture.url).pathname);
      if (fixture.intercept !== undefined) return fixture.intercept(request, response);
      if (!request.url?.startsWith('/interaction/')) return own(request, response);
      // Everybody signs in and consents.
      return void fixture.#consent(provider, request, response);
    };
    return fixture;
  }

  async #consent(
    provider: Provider,
    request: Parameters<RequestListener>[0],
    response: Parameters<RequestListener>[1],
  ): Promise<void> {
    const details = await provider.interactionDetails(request, response);
    const grant = new provider.Grant({ accountId: this.person.sub, clientId: this.clientId });
    grant.addOIDCScope(String(details.params['scope']));
    const { sub, acr, amr } = this.person;
    // Whatever a test wants to be signed, also in a wrong shape.
    const how = { acr, amr } as { acr?: string; amr?: string[] };
    await provider.interactionFinished(request, response, {
      login: { accountId: sub, ...how },
      consent: { grantId: await grant.save() },
    });
  }

  #provider(routes: Routes): Provider {
    const kept = new Map<string, AdapterPayload>();
    const client = (): AdapterPayload => ({
      client_id: this.clientId,
      client_secret: SECRET,
      redirect_uris: [...this.redirectUris],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    });
    class Kept implements Adapter {
      readonly #model: string;
      constructor(model: string) {
        this.#model = model;
      }
      async upsert(id: string, payload: AdapterPayload): Promise<void> {
        kept.set(`${this.#model} ${id}`, payload);
      }
      async find(id: string): Promise<AdapterPayload | undefined> {
        return this.#model === 'Client' ? client() : kept.get(`${this.#model} ${id}`);
      }
      async findByUserCode(): Promise<undefined> {}
      async findByUid(uid: string): Promise<AdapterPayload | undefined> {
        return [...kept.values()].find((payload) => payload.uid === uid);
      }
      async consume(id: string): Promise<void> {
        const payload = kept.get(`${this.#model} ${id}`);
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1_000);
      }
      async destroy(id: string): Promise<void> {
        kept.delete(`${this.#model} ${id}`);
      }
      async revokeByGrantId(grantId: string): Promise<void> {
        for (const [name, payload] of kept) if (payload.grantId === grantId) kept.delete(name);
      }
    }
    return new Provider(this.url, {
      ...{ adapter: Kept, routes },
      cookies: { keys: ['a key of tests'] },
      claims: {
        openid: ['sub', 'acr', 'amr'],
        email: ['email', 'email_verified'],
        profile: ['name', 'given_name', 'firstnameEN', 'fullnameEN'],
      },
      conformIdTokenClaims: false,
      features: { devInteractions: { enabled: false } },
      pkce: { required: () => false },
      findAccount: async (_ctx, sub) => ({
        accountId: sub,
        claims: async (use) => ({
          ...this.person,
          ...(use === 'userinfo' ? this.unsigned : {}),
          sub,
        }),
      }),
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

/** Walks through the provider's pages, from where it was asked to where it sends the browser back. */
export async function throughProvider(provider: string, start: string): Promise<string> {
  const cookies = new Map<string, string>();
  let url = start;
  for (let hops = 0; hops < 12; hops++) {
    if (!url.startsWith(provider)) return url;
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    const to = answer.headers.get('location');
    if (to === null) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    url = new URL(to, url).toString();
  }
  throw new Error(`The provider goes in circles: ${url}`);
}
