/** What the tests of Ory's own client share: a server, its four watched clients, and how people get in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Configuration,
  CourierApi,
  FrontendApi,
  type Identity,
  IdentityApi,
  MetadataApi,
  type UiNode,
} from '@ory/client';
import type { AnswerWatch } from '../harness/ory/watch.ts';
import type { World } from '../harness/postern.ts';

export const PASSWORD = 'correct horse battery';

interface Clients {
  readonly frontend: FrontendApi;
  readonly identities: IdentityApi;
  readonly courier: CourierApi;
  readonly metadata: MetadataApi;
}

export class Stage {
  readonly #watch: AnswerWatch;
  #clients: Clients | undefined;

  constructor(watch: AnswerWatch) {
    this.#watch = watch;
  }

  /** Makes the clients of a server that runs. */
  async open(world: World): Promise<void> {
    await world.ok('admin', 'enroll');
    const state: { public: string; accounts_admin: string } = JSON.parse(
      readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
    );
    const accessToken = await world.ok('admin', 'token', 'create', 'p', '--scope', 'accounts:*');
    const open = new Configuration({ basePath: `http://${state.public}` });
    const admin = new Configuration({ basePath: `http://${state.accounts_admin}`, accessToken });
    this.#clients = {
      frontend: this.#watch.over(new FrontendApi(open)),
      identities: this.#watch.over(new IdentityApi(admin)),
      courier: this.#watch.over(new CourierApi(admin)),
      metadata: this.#watch.over(new MetadataApi(open)),
    };
  }
  get #open(): Clients {
    if (this.#clients === undefined) throw new Error('The stage is not open yet');
    return this.#clients;
  }
  get frontend(): FrontendApi {
    return this.#open.frontend;
  }
  get identities(): IdentityApi {
    return this.#open.identities;
  }
  get courier(): CourierApi {
    return this.#open.courier;
  }
  get metadata(): MetadataApi {
    return this.#open.metadata;
  }

  async register(email: string): Promise<{ identity: Identity; token: string }> {
    const { data: flow } = await this.frontend.createNativeRegistrationFlow();
    const { data } = await this.frontend.updateRegistrationFlow({
      flow: flow.id,
      updateRegistrationFlowBody: { method: 'password', traits: { email }, password: PASSWORD },
    });
    return { identity: data.identity, token: data.session_token ?? '' };
  }
  async login(identifier: string, password: string = PASSWORD): Promise<string> {
    const { data: flow } = await this.frontend.createNativeLoginFlow();
    const { data } = await this.frontend.updateLoginFlow({
      flow: flow.id,
      updateLoginFlowBody: { method: 'password', identifier, password },
    });
    return data.session_token ?? '';
  }
  /** The code in the last mail to an address. */
  async mailedCode(recipient: string): Promise<string> {
    const { data } = await this.courier.listCourierMessages({ recipient });
    return /^\d{6}$/m.exec(data[0]?.body ?? '')?.[0] ?? '';
  }
}

/** The cookies of one browser, which axios does not keep. */
export class Jar {
  readonly #cookies = new Map<string, string>();
  keep(headers: unknown): void {
    const list: unknown = Reflect.get(Object(headers), 'set-cookie');
    for (const line of Array.isArray(list) ? list : []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(String(line)) ?? [];
      this.#cookies.set(name, value);
    }
  }
  get cookie(): string {
    return [...this.#cookies].map(([k, v]) => `${k}=${v}`).join('; ');
  }
}
/** What a script in a page asks with. */
export const JSON_PLEASE = { headers: { accept: 'application/json' } } as const;

export const nameOf = (n: UiNode): string =>
  String(Reflect.get(n.attributes, 'name') ?? Reflect.get(n.attributes, 'id'));
export const valueIn = (nodes: readonly UiNode[], name: string): string =>
  String(Reflect.get(nodes.find((n) => nameOf(n) === name)?.attributes ?? {}, 'value') ?? '');

/** Status and body of a refusal; anything but a refusal is thrown. */
export async function refused(work: Promise<unknown>): Promise<{ status: number; data: unknown }> {
  try {
    await work;
  } catch (reason) {
    const response: unknown = Reflect.get(Object(reason), 'response');
    // Axios's errors carry the answer in these two members.
    if (response !== undefined) return response as { status: number; data: unknown };
    throw reason;
  }
  throw new Error('it was not refused');
}
