/**
 * `/ui/applications`: somebody who is no administrator manages their own applications, and the authtokens by which scripts
 * do. INVARIANT: another's application is answered as one that is not there; a secret is on one page, once.
 */
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type AccountsManager,
  formField,
  type Html,
  type Owner,
  OwnPages,
  pageHeaders,
  renderPage,
} from '../accounts/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Fabric } from '../fabric/index.ts';
import { PosternError } from '../kernel/index.ts';
import { type Actor, CLIENT_TYPES, type ClientManager } from '../oidc/index.ts';
import {
  APPLICATIONS_PATH,
  AUTHTOKENS_PATH,
  absentPage,
  editPage,
  listPage,
  type Mistake,
  NOTHING_TYPED,
  secretPage,
  type Typed,
  typedOf,
} from './application-pages.ts';
import { authtokensOf, createAuthtoken, revokeAuthtoken } from './http/clients.ts';

const BODY_BYTES_MAX = 64 * 1024;

export interface ApplicationsParts {
  readonly manager: AccountsManager;
  readonly clients: ClientManager;
  readonly fabric: Fabric;
  readonly audit: Audit;
}

const actorOf = ({ person }: Owner): Actor => ({ principalId: person.id, isAdministrator: false });
const linesOf = (text: string): string[] =>
  text.split(/\r?\n/).flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
const typed = (request: FastifyRequest): Typed => ({
  name: formField(request, 'name'),
  type: formField(request, 'type'),
  callbacks: formField(request, 'callbacks'),
  logouts: formField(request, 'logouts'),
  origins: formField(request, 'origins'),
});
const urlsOf = (
  t: Typed,
): { callbackUrls: string[]; logoutUrls: string[]; webOrigins: string[] } => ({
  callbackUrls: linesOf(t.callbacks),
  logoutUrls: linesOf(t.logouts),
  webOrigins: linesOf(t.origins),
});
const textFact = (fact: unknown): string | undefined =>
  typeof fact === 'string' ? fact : undefined;
/** What a person can put right; anything else is a fault. */
function told(reason: unknown, field?: string): Mistake {
  if (reason instanceof PosternError && ['invalid', 'denied', 'exhausted'].includes(reason.code))
    return { text: reason.message, field: field ?? textFact(reason.facts['field']) };
  throw reason;
}
const idOf = (request: FastifyRequest): string => String(Reflect.get(Object(request.params), 'id'));

class Applications {
  readonly #parts: ApplicationsParts;
  readonly #pages: OwnPages;
  constructor(parts: ApplicationsParts) {
    this.#parts = parts;
    this.#pages = new OwnPages(parts.manager);
  }

  #send(reply: FastifyReply, title: string, body: Html, status = 200): FastifyReply {
    const page = renderPage({
      ...{ title, brand: this.#pages.brand, body, isWide: true },
      hasError: status >= 400,
    });
    return reply.code(status).headers(pageHeaders(this.#pages.brand, [])).send(page);
  }

  /** Whose form it is; undefined when it was answered: nobody is signed in, or the form is not theirs. */
  async #sender(request: FastifyRequest, reply: FastifyReply): Promise<Owner | undefined> {
    const owner = await this.#pages.owner(request, reply, APPLICATIONS_PATH);
    if (owner === undefined || this.#pages.isOwnForm(request)) return owner;
    reply.code(303).header('location', APPLICATIONS_PATH);
    reply.send();
    return undefined;
  }

  async list(
    owner: Owner,
    reply: FastifyReply,
    o: { readonly typed?: Typed; readonly error?: Mistake; readonly tokenError?: Mistake } = {},
  ): Promise<FastifyReply> {
    const { clients, fabric } = this.#parts;
    const body = listPage({
      clients: await clients.list(actorOf(owner)),
      tokens: await authtokensOf(fabric, owner.person.id),
      csrf: owner.csrf,
      typed: o.typed ?? NOTHING_TYPED,
      error: o.error,
      tokenError: o.tokenError,
    });
    const isWrong = o.error !== undefined || o.tokenError !== undefined;
    return this.#send(reply, 'Your applications', body, isWrong ? 400 : 200);
  }

  async show(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = await this.#pages.owner(request, reply, APPLICATIONS_PATH);
    return owner === undefined ? reply : this.list(owner, reply);
  }

  async create(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = await this.#sender(request, reply);
    if (owner === undefined) return reply;
    const given = typed(request);
    const type = CLIENT_TYPES.find((t) => t === given.type && t !== 'service');
    try {
      if (type === undefined) throw new PosternError('invalid', 'Choose a kind of application');
      const spec = { name: given.name, type, ...urlsOf(given) };
      const { client, secret } = await this.#parts.clients.create(spec, actorOf(owner));
      const body = secretPage({
        ...{ what: `${client.name} can sign people in now.`, id: client.id },
        secret: secret?.reveal(),
      });
      return this.#send(reply, 'Application created', body);
    } catch (reason) {
      return this.list(owner, reply, { typed: given, error: told(reason) });
    }
  }

  async one(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = await this.#pages.owner(request, reply, APPLICATIONS_PATH);
    if (owner === undefined) return reply;
    return this.#edit(owner, request, reply, {});
  }

  async #edit(
    owner: Owner,
    request: FastifyRequest,
    reply: FastifyReply,
    o: { readonly typed?: Typed; readonly error?: Mistake; readonly isSaved?: boolean },
  ): Promise<FastifyReply> {
    try {
      const client = await this.#parts.clients.get(idOf(request), actorOf(owner));
      const body = editPage({
        ...{ client, csrf: owner.csrf, error: o.error, isSaved: o.isSaved === true },
        typed: o.typed ?? typedOf(client),
      });
      return this.#send(reply, client.name, body, o.error === undefined ? 200 : 400);
    } catch (reason) {
      return this.#absent(reply, reason);
    }
  }

  #absent(reply: FastifyReply, reason: unknown): FastifyReply {
    if (!(reason instanceof PosternError && reason.code === 'not_found')) throw reason;
    return this.#send(reply, 'Not found', absentPage(), 404);
  }

  async change(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = await this.#sender(request, reply);
    if (owner === undefined) return reply;
    const { clients } = this.#parts;
    const [id, by, given] = [idOf(request), actorOf(owner), typed(request)];
    try {
      switch (formField(request, 'do')) {
        case 'save':
          await clients.update(id, { name: given.name, ...urlsOf(given) }, by);
          return await this.#edit(owner, request, reply, { isSaved: true });
        case 'secret': {
          const secret = (await clients.rotateSecret(id, by)).reveal();
          const body = secretPage({ what: 'The secret before works no more.', id, secret });
          return this.#send(reply, 'A new secret', body);
        }
        case 'delete':
          if (formField(request, 'confirm').trim() !== (await clients.get(id, by)).name)
            throw new PosternError('invalid', 'That is not its name: nothing was deleted', {
              facts: { field: 'confirm' },
            });
          await clients.delete(id, by);
          return reply.code(303).header('location', APPLICATIONS_PATH).send();
        default:
          return await this.#edit(owner, request, reply, {});
      }
    } catch (reason) {
      if (reason instanceof PosternError && reason.code === 'not_found')
        return this.#absent(reply, reason);
      const kept = given.name === '' ? {} : { typed: given };
      return this.#edit(owner, request, reply, { ...kept, error: told(reason) });
    }
  }

  async createToken(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = await this.#sender(request, reply);
    if (owner === undefined || !this.#pages.isFresh(owner, reply, APPLICATIONS_PATH)) return reply;
    try {
      const name = formField(request, 'name').trim();
      const { token } = await createAuthtoken(this.#parts, owner.person.id, name);
      const body = secretPage({ what: `${name} was made.`, id: undefined, secret: token });
      return this.#send(reply, 'Authtoken created', body);
    } catch (reason) {
      return this.list(owner, reply, { tokenError: told(reason, 'token-name') });
    }
  }

  async revokeToken(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = await this.#sender(request, reply);
    if (owner === undefined) return reply;
    try {
      await revokeAuthtoken(this.#parts, owner.person.id, idOf(request));
    } catch (reason) {
      // Gone is what was asked for.
      if (!(reason instanceof PosternError && reason.code === 'not_found')) throw reason;
    }
    return reply.code(303).header('location', APPLICATIONS_PATH).send();
  }
}

/** Adds the pages to the public listener. */
export async function addApplications(
  app: FastifyInstance,
  parts: ApplicationsParts,
): Promise<void> {
  const pages = new Applications(parts);
  await app.register(async (scope) => {
    await scope.register(formbody, { bodyLimit: BODY_BYTES_MAX });
    scope.get(APPLICATIONS_PATH, (q, r) => pages.show(q, r));
    scope.post(APPLICATIONS_PATH, (q, r) => pages.create(q, r));
    scope.get(`${APPLICATIONS_PATH}/:id`, (q, r) => pages.one(q, r));
    scope.post(`${APPLICATIONS_PATH}/:id`, (q, r) => pages.change(q, r));
    scope.post(AUTHTOKENS_PATH, (q, r) => pages.createToken(q, r));
    scope.post(`${AUTHTOKENS_PATH}/:id`, (q, r) => pages.revokeToken(q, r));
  });
}
