/** Access tokens for programs, on the management API: made, listed, revoked. A token never gives what its maker lacks. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Grant } from '../../fabric/index.ts';
import { checkDisplayName, PosternError } from '../../kernel/index.ts';
import type { Door } from './door.ts';
import type { ServerParts } from './parts.ts';
import { checkScopes, refuseBeyond } from './scopes.ts';
import { Name } from './wire.ts';

const TokenBody = Type.Object({
  name: Name,
  scopes: Type.Array(Type.String({ maxLength: 128 }), { minItems: 1, maxItems: 64 }),
  expires_in_ms: Type.Optional(Type.Integer({ minimum: 1 })),
});

/** Whether a token stands for itself, and not for a service account. */
const isOwn = (token: Grant): boolean => token.principalId?.startsWith('token:') !== false;

/** Adds the routes. */
export function addTokenManagement(app: FastifyInstance, parts: ServerParts, door: Door): void {
  const { fabric, audit } = parts;
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  api.get('/api/v1/tokens', async (request) => {
    await door.mayServer(request, 'tokens:list', 'tokens');
    // Those of services are listed with them.
    const own = (await fabric.grants.list({ kind: 'token' })).filter(isOwn);
    return own.map((g) => ({
      id: g.id,
      name: g.name ?? '',
      scopes: g.scopes,
      created_at: new Date(g.createdAtMs).toISOString(),
      expires_at: g.expiresAtMs === undefined ? null : new Date(g.expiresAtMs).toISOString(),
      revoked: g.revokedAtMs !== undefined,
    }));
  });
  api.post('/api/v1/tokens', { schema: { body: TokenBody } }, async (request) => {
    const by = await door.mayServer(request, 'tokens:create', 'tokens');
    const { name, scopes, expires_in_ms } = request.body;
    checkDisplayName(name, "A token's name", 128);
    checkScopes(scopes);
    refuseBeyond(await door.callerOf(request), scopes);
    return fabric.store.write(async (trx) => {
      const principal = await fabric.principals.ensure(trx, {
        kind: 'service',
        name,
        id: `token:${name}`,
      });
      const { grant, secret } = await fabric.grants.create(trx, {
        kind: 'token',
        name,
        principalId: principal.id,
        scopes,
        createdBy: by.id,
        ...(expires_in_ms === undefined ? {} : { expiresAtMs: Date.now() + expires_in_ms }),
      });
      await audit.append(trx, {
        actor: by.id,
        action: 'token.create',
        resource: `token/${grant.id}`,
        data: { name, scopes },
      });
      return { id: grant.id, name, token: secret.reveal() };
    });
  });
  api.delete(
    '/api/v1/tokens/:id',
    { schema: { params: Type.Object({ id: Name }) } },
    async (request) => {
      const by = await door.mayServer(request, 'tokens:revoke', `token/${request.params.id}`);
      const tokens = await fabric.grants.list({ kind: 'token' });
      const token = tokens.find(
        (g) =>
          g.id === request.params.id ||
          (g.name === request.params.id && isOwn(g) && g.revokedAtMs === undefined),
      );
      if (token === undefined) throw new PosternError('not_found', 'No such token');
      await fabric.store.write(async (trx) => {
        await fabric.grants.revoke(trx, token.id);
        await audit.append(trx, {
          actor: by.id,
          action: 'token.revoke',
          resource: `token/${token.id}`,
        });
      });
      return {};
    },
  );
}
