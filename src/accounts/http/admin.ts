/**
 * The administrators' surface (reference: Kratos's admin API, port 4434), put together from its rooms in admin/. Every route
 * asks who may; a request that names a field that is not known is refused, so that nothing is set by accident.
 */
import type { FastifyInstance } from 'fastify';
import { addCourierMessages } from './admin/courier.ts';
import { addIdentities } from './admin/identities.ts';
import { addIdentityBatch } from './admin/identity-batch.ts';
import type { AddRoute, AdminParts } from './admin/parts.ts';
import { addAdminRecovery } from './admin/recovery.ts';
import { addRehearsals } from './admin/rehearsal.ts';
import { addAdminSessions } from './admin/sessions.ts';
import { errorBody } from './answer.ts';
import { addHealth } from './health.ts';

/** Adds the routes, under `/admin` and, for older clients, without. */
export function addAdminAccounts(app: FastifyInstance, parts: AdminParts): void {
  app.setErrorHandler((reason, _request, reply) => {
    const { status, body } = errorBody(reason);
    if (status >= 500)
      parts.manager.services.logger.error(
        { err: reason },
        'an administrator’s request met a fault',
      );
    return reply.code(status).send(body);
  });
  // Clients name a type for bodies that they do not send; any other body but JSON is refused.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, next) => {
    if (body === '') next(null, undefined);
    else next(Object.assign(new Error('The body has to be JSON'), { statusCode: 415 }));
  });
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, next) => {
    if (body === '') next(null, undefined);
    else void parseJson(request, String(body), next);
  });
  const add: AddRoute = (method, path, run) => {
    const action = method === 'GET' ? 'accounts:read' : 'accounts:write';
    for (const url of [`/admin${path}`, path])
      app.route({
        method,
        url,
        handler: async (q, r) => run(q, r, await parts.authorise(q, action)),
      });
  };
  addIdentities(add, parts);
  addIdentityBatch(add, parts);
  addAdminSessions(add, parts);
  addRehearsals(add, parts);
  addCourierMessages(add, parts);
  addAdminRecovery(add, parts);
  addHealth(app, parts);
  // What belongs to the public surface is found there.
  const { publicUrl } = parts.manager.services.config;
  for (const path of ['/self-service/*', '/schemas', '/schemas/*', '/sessions/whoami'])
    app.get(path, (request, reply) =>
      reply.redirect(`${publicUrl}${request.url.slice(app.prefix.length)}`, 307),
    );
}
