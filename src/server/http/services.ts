/**
 * The management API's part about service accounts, and the one route that they sign in at themselves. INVARIANT: a
 * password or token is in one answer, the one that made it.
 */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import {
  isBySignIn,
  type ServiceAccount,
  type ServiceAccounts,
  type ServiceActor,
  type ServiceSignIn,
} from '../../accounts/index.ts';
import type { Grant } from '../../fabric/index.ts';
import type { Caller } from '../caller.ts';
import { checkScopes, scopesOf } from './scopes.ts';

export interface ServiceApi {
  readonly services: ServiceAccounts;
  readonly signIn: ServiceSignIn;
  spaces(): Promise<readonly { readonly id: string; readonly name: string }[]>;
}

const Name = Type.String({ minLength: 1, maxLength: 256 });
const Scopes = Type.Optional(Type.Array(Type.String({ maxLength: 128 }), { maxItems: 64 }));
const Lifetime = Type.Optional(Type.Integer({ minimum: 1, maximum: 100 * 365 * 86_400_000 }));
const strict = { additionalProperties: false } as const;
const Space = { querystring: Type.Object({ space: Type.Optional(Name) }) };
const Params = { params: Type.Object({ service: Name }), ...Space };
const NewServiceBody = Type.Object(
  { name: Name, space: Type.Optional(Name), scopes: Scopes, expires_in_ms: Lifetime },
  strict,
);
const NewTokenBody = Type.Object({ name: Name, scopes: Scopes, expires_in_ms: Lifetime }, strict);
const SignInBody = Type.Object(
  {
    name: Type.String({ maxLength: 1_024 }),
    password: Type.String({ maxLength: 4_096 }),
    space: Type.Optional(Type.String({ maxLength: 256 })),
  },
  strict,
);

const iso = (atMs: number | undefined): string | null =>
  atMs === undefined ? null : new Date(atMs).toISOString();
const endAt = (lifeMs: number | undefined): number | undefined =>
  lifeMs === undefined ? undefined : Date.now() + lifeMs;

const tokenJson = (g: Grant): object => ({
  id: g.id,
  name: g.name ?? '',
  scopes: g.scopes,
  by_password: isBySignIn(g),
  created_at: iso(g.createdAtMs),
  expires_at: iso(g.expiresAtMs),
});

/** Adds the routes. `may` asks whether an administrator may; `callerOf` is the door's. */
export function addServiceManagement(
  app: FastifyInstance,
  { services, signIn, spaces }: ServiceApi,
  callerOf: (request: FastifyRequest) => Promise<Caller>,
  may: (request: FastifyRequest, action: string, resource: string) => Promise<{ id: string }>,
): void {
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  async function json(s: ServiceAccount): Promise<object> {
    const space = (await spaces()).find(({ id }) => id === s.spaceId);
    return {
      id: s.id,
      name: s.name,
      space: space?.name ?? s.spaceId,
      space_id: s.spaceId,
      scopes: s.scopes,
      disabled: s.isDisabled,
      password_set_at: s.hasPassword ? iso(s.passwordSetAtMs) : null,
      created_at: iso(s.createdAtMs),
      created_by: s.createdBy ?? null,
      expires_at: iso(s.expiresAtMs),
    };
  }
  async function actor(
    request: FastifyRequest,
    action: string,
    resource: string = 'services',
  ): Promise<ServiceActor> {
    const { id } = await may(request, action, resource);
    return { id, scopes: scopesOf(await callerOf(request)) };
  }
  /** The service of a path, for whoever may; asked in this order, so that nobody else learns what there is. */
  async function named(
    request: FastifyRequest<{ Params: { service: string }; Querystring: { space?: string } }>,
    action: string,
  ): Promise<{ readonly service: ServiceAccount; readonly by: ServiceActor }> {
    const by = await actor(request, action);
    return { by, service: await services.get(request.params.service, request.query.space) };
  }

  api.get('/api/v1/services', { schema: Space }, async (request) => {
    await actor(request, 'services:list');
    const found = await services.list(request.query.space);
    return { services: await Promise.all(found.map(json)) };
  });
  api.post('/api/v1/services', { schema: { body: NewServiceBody } }, async (request, reply) => {
    const by = await actor(request, 'services:create');
    const { name, space, scopes = [], expires_in_ms } = request.body;
    checkScopes(scopes);
    const made = await services.create(
      { name, space, scopes, expiresAtMs: endAt(expires_in_ms) },
      by,
    );
    return reply.code(201).send(await json(made));
  });
  api.get('/api/v1/services/:service', { schema: Params }, async (request) => {
    const { service } = await named(request, 'services:list');
    return json(service);
  });
  api.patch(
    '/api/v1/services/:service',
    { schema: { ...Params, body: Type.Object({ disabled: Type.Boolean() }, strict) } },
    async (request) => {
      const { service, by } = await named(request, 'services:update');
      await services.setDisabled(service.id, request.body.disabled, by);
      return json(await services.get(service.id));
    },
  );
  api.delete('/api/v1/services/:service', { schema: Params }, async (request) => {
    const { service, by } = await named(request, 'services:delete');
    await services.delete(service.id, by);
    return {};
  });

  api.post('/api/v1/services/:service/password', { schema: Params }, async (request, reply) => {
    const { service, by } = await named(request, 'services:password');
    const password = (await services.setPassword(service.id, by)).reveal();
    return reply.header('cache-control', 'no-store').send({ id: service.id, password });
  });
  api.delete('/api/v1/services/:service/password', { schema: Params }, async (request) => {
    const { service, by } = await named(request, 'services:password');
    await services.removePassword(service.id, by);
    return {};
  });

  api.get('/api/v1/services/:service/tokens', { schema: Params }, async (request) => {
    const { service } = await named(request, 'services:list');
    return { tokens: (await services.tokens(service.id)).map(tokenJson) };
  });
  api.post(
    '/api/v1/services/:service/tokens',
    { schema: { ...Params, body: NewTokenBody } },
    async (request, reply) => {
      const { service, by } = await named(request, 'services:tokens');
      const { name, scopes, expires_in_ms } = request.body;
      checkScopes(scopes ?? []);
      const spec = { name, scopes, expiresAtMs: endAt(expires_in_ms) };
      const { grant, secret } = await services.addToken(service.id, spec, by);
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...tokenJson(grant), token: secret.reveal() });
    },
  );
  api.delete(
    '/api/v1/services/:service/tokens/:token',
    { schema: { ...Params, params: Type.Object({ service: Name, token: Name }) } },
    async (request) => {
      const { service, by } = await named(request, 'services:tokens');
      await services.revokeToken(service.id, request.params.token, by);
      return {};
    },
  );

  // What a service proves is its name and password: nobody's leave is asked.
  api.post('/api/v1/service-tokens', { schema: { body: SignInBody } }, async (request, reply) => {
    const { name, password, space } = request.body;
    const attempt = { name, password, space, address: request.ip ?? '' };
    const { grant, token } = await signIn.openToken(attempt);
    return reply
      .code(201)
      .header('cache-control', 'no-store')
      .send({ ...tokenJson(grant), service: grant.principalId, token: token.reveal() });
  });
}
