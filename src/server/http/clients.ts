/**
 * The management API's part about the OpenID Provider: clients, signing keys, and people's authtokens. Administrators
 * manage every client; a person manages their own. INVARIANT: another's client is answered as one that is not there.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { Audit } from '../../audit/index.ts';
import type { Fabric, Grant } from '../../fabric/index.ts';
import { checkDisplayName, PosternError } from '../../kernel/index.ts';
import type { Actor, ClientManager, OidcClient, SigningKeyInfo } from '../../oidc/index.ts';
import type { Caller } from '../caller.ts';

const AUTHTOKENS_MAX = 50;
const AUTHTOKEN_NAME_MAX = 128;
const DAY_MS = 24 * 3_600_000;
/** An authtoken that nobody revokes ends by itself. */
const AUTHTOKEN_LIFE_MS = 365 * DAY_MS;

export interface ClientApi {
  readonly clients: ClientManager;
  readonly keys: { list(): Promise<SigningKeyInfo[]>; rotate(): Promise<void> };
}

const Id = { params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) }) };
const Url = Type.String({ minLength: 1, maxLength: 1_024 });
const Urls = Type.Optional(Type.Array(Url, { maxItems: 50 }));
const Name = Type.String({ minLength: 1, maxLength: 200 });
const strict = { additionalProperties: false } as const;

const ClientChange = {
  callback_urls: Urls,
  logout_urls: Urls,
  web_origins: Urls,
  backchannel_logout_url: Type.Optional(Url),
  first_party: Type.Optional(Type.Boolean()),
  uri: Type.Optional(Url),
};
const ClientBody = Type.Object(
  {
    id: Type.Optional(Type.String({ minLength: 3, maxLength: 128 })),
    name: Name,
    type: Type.Union([
      Type.Literal('web'),
      Type.Literal('spa'),
      Type.Literal('native'),
      Type.Literal('service'),
    ]),
    ...ClientChange,
  },
  strict,
);

const clientJson = (c: OidcClient): object => ({
  id: c.id,
  name: c.name,
  type: c.type,
  callback_urls: c.callbackUrls,
  logout_urls: c.logoutUrls,
  web_origins: c.webOrigins,
  backchannel_logout_url: c.backchannelLogoutUrl ?? null,
  first_party: c.isFirstParty,
  uri: c.uri ?? null,
  has_secret: c.hasSecret,
  owner: c.ownerId ?? null,
  created_at: new Date(c.createdAtMs).toISOString(),
  updated_at: new Date(c.updatedAtMs).toISOString(),
});
const authtokenJson = (g: Grant): object => ({
  id: g.id,
  name: g.name ?? '',
  created_at: new Date(g.createdAtMs).toISOString(),
  expires_at: g.expiresAtMs === undefined ? null : new Date(g.expiresAtMs).toISOString(),
});

/** The standing authtokens of a person. */
export async function authtokensOf(fabric: Fabric, accountId: string): Promise<Grant[]> {
  const all = await fabric.grants.list({ kind: 'authtoken', principalId: accountId });
  const nowMs = Date.now();
  return all.filter((g) => g.revokedAtMs === undefined && (g.expiresAtMs ?? nowMs + 1) > nowMs);
}

/** Makes an authtoken of a person; its secret is shown once. Throws `invalid` for its name, `exhausted` when there are too many. */
export async function createAuthtoken(
  parts: { readonly fabric: Fabric; readonly audit: Audit },
  accountId: string,
  name: string,
): Promise<{ readonly grant: Grant; readonly token: string }> {
  const { fabric, audit } = parts;
  checkDisplayName(name, "An authtoken's name", AUTHTOKEN_NAME_MAX);
  if ((await authtokensOf(fabric, accountId)).length >= AUTHTOKENS_MAX)
    throw new PosternError('exhausted', `One person has at most ${AUTHTOKENS_MAX} authtokens`, {
      hint: 'Revoke one that nobody uses.',
    });
  return fabric.store.write(async (trx) => {
    const { grant, secret } = await fabric.grants.create(trx, {
      kind: 'authtoken',
      principalId: accountId,
      name,
      scopes: ['applications:*'],
      expiresAtMs: Date.now() + AUTHTOKEN_LIFE_MS,
      createdBy: accountId,
    });
    await audit.append(trx, {
      actor: accountId,
      action: 'authtoken.create',
      resource: `authtoken/${grant.id}`,
    });
    return { grant, token: secret.reveal() };
  });
}

/** Revokes a person's own authtoken. Throws `not_found`, also for another's. */
export async function revokeAuthtoken(
  parts: { readonly fabric: Fabric; readonly audit: Audit },
  accountId: string,
  id: string,
): Promise<void> {
  const { fabric, audit } = parts;
  const found = (await authtokensOf(fabric, accountId)).find((g) => g.id === id);
  if (found === undefined) throw new PosternError('not_found', 'There is no such authtoken');
  await fabric.store.write(async (trx) => {
    await fabric.grants.revoke(trx, id);
    await audit.append(trx, {
      actor: accountId,
      action: 'authtoken.revoke',
      resource: `authtoken/${id}`,
    });
  });
}

/** Adds the routes. `may` asks whether an administrator may; `callerOf` is the door's. */
export function addClientManagement(
  app: FastifyInstance,
  parts: { readonly fabric: Fabric; readonly audit: Audit; readonly api: ClientApi },
  callerOf: (request: FastifyRequest) => Promise<Caller>,
  may: (request: FastifyRequest, action: string, resource: string) => Promise<{ id: string }>,
): void {
  const { clients, keys } = parts.api;
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  /** The person of a request that comes with their access token or authtoken. */
  async function personOf(request: FastifyRequest): Promise<string | undefined> {
    const caller = await callerOf(request);
    if (caller.kind === 'person') return caller.accountId;
    return caller.kind === 'token' && caller.grant.kind === 'authtoken'
      ? caller.grant.principalId
      : undefined;
  }
  async function actor(request: FastifyRequest, action: string): Promise<Actor> {
    const person = await personOf(request);
    if (person !== undefined && !(await isAdministrator(parts.fabric, person)))
      return { principalId: person, isAdministrator: false };
    const { id } = await may(request, action, 'clients');
    return { principalId: id, isAdministrator: true };
  }
  async function person(request: FastifyRequest): Promise<string> {
    const found = await personOf(request);
    if (found !== undefined) return found;
    throw new PosternError('denied', 'Authtokens belong to people: this needs one who signed in', {
      hint: 'postern login --server URL',
    });
  }

  api.get('/api/v1/clients', async (request) => {
    const by = await actor(request, 'clients:read');
    return { clients: (await clients.list(by)).map(clientJson) };
  });
  api.post('/api/v1/clients', { schema: { body: ClientBody } }, async (request, reply) => {
    const by = await actor(request, 'clients:write');
    const b = request.body;
    const { client, secret } = await clients.create(
      {
        id: b.id,
        name: b.name,
        type: b.type,
        callbackUrls: b.callback_urls,
        logoutUrls: b.logout_urls,
        webOrigins: b.web_origins,
        backchannelLogoutUrl: b.backchannel_logout_url,
        // What an administrator makes for this site asks nobody for consent, unless it is said.
        isFirstParty: b.first_party ?? by.isAdministrator,
        uri: b.uri,
      },
      by,
    );
    return reply.code(201).send({ ...clientJson(client), secret: secret?.reveal() ?? null });
  });
  api.get('/api/v1/clients/:id', { schema: Id }, async (request) =>
    clientJson(await clients.get(request.params.id, await actor(request, 'clients:read'))),
  );
  api.patch(
    '/api/v1/clients/:id',
    {
      schema: { ...Id, body: Type.Object({ name: Type.Optional(Name), ...ClientChange }, strict) },
    },
    async (request) => {
      const by = await actor(request, 'clients:write');
      const b = request.body;
      return clientJson(
        await clients.update(
          request.params.id,
          {
            ...(b.name === undefined ? {} : { name: b.name }),
            ...(b.callback_urls === undefined ? {} : { callbackUrls: b.callback_urls }),
            ...(b.logout_urls === undefined ? {} : { logoutUrls: b.logout_urls }),
            ...(b.web_origins === undefined ? {} : { webOrigins: b.web_origins }),
            ...(b.backchannel_logout_url === undefined
              ? {}
              : { backchannelLogoutUrl: b.backchannel_logout_url }),
            ...(b.first_party === undefined ? {} : { isFirstParty: b.first_party }),
            ...(b.uri === undefined ? {} : { uri: b.uri }),
          },
          by,
        ),
      );
    },
  );
  api.post('/api/v1/clients/:id/secret', { schema: Id }, async (request) => {
    const by = await actor(request, 'clients:write');
    const secret = await clients.rotateSecret(request.params.id, by);
    return { id: request.params.id, secret: secret.reveal() };
  });
  api.delete('/api/v1/clients/:id', { schema: Id }, async (request) => {
    await clients.delete(request.params.id, await actor(request, 'clients:write'));
    return {};
  });

  api.get('/api/v1/oidc-keys', async (request) => {
    await may(request, 'clients:read', 'oidc-keys');
    return { keys: (await keys.list()).map(keyJson) };
  });
  api.post('/api/v1/oidc-keys', async (request) => {
    await may(request, 'clients:write', 'oidc-keys');
    await keys.rotate();
    return { keys: (await keys.list()).map(keyJson) };
  });

  api.get('/api/v1/authtokens', async (request) => ({
    authtokens: (await authtokensOf(parts.fabric, await person(request))).map(authtokenJson),
  }));
  api.post(
    '/api/v1/authtokens',
    { schema: { body: Type.Object({ name: Name }, strict) } },
    async (request, reply) => {
      const caller = await callerOf(request);
      // Who holds an authtoken can not make it last for ever by making others.
      if (caller.kind !== 'person')
        throw new PosternError('denied', 'An authtoken is made by a person who signed in', {
          hint: 'postern login --server URL, or the page /ui/applications',
        });
      const { grant, token } = await createAuthtoken(parts, caller.accountId, request.body.name);
      return reply.code(201).send({ ...authtokenJson(grant), token });
    },
  );
  api.delete('/api/v1/authtokens/:id', { schema: Id }, async (request) => {
    await revokeAuthtoken(parts, await person(request), request.params.id);
    return {};
  });
}

const keyJson = (k: SigningKeyInfo): object => ({
  kid: k.kid,
  created_at: new Date(k.createdAtMs).toISOString(),
  current: k.isCurrent,
});

async function isAdministrator(fabric: Fabric, principalId: string): Promise<boolean> {
  const roles = await fabric.grants.list({ kind: 'role', principalId });
  const nowMs = Date.now();
  return roles.some(
    (g) =>
      g.scopes.includes('admin') &&
      g.projectId === undefined &&
      g.revokedAtMs === undefined &&
      (g.expiresAtMs ?? nowMs + 1) > nowMs,
  );
}
