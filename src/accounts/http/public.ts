/** The public surface of accounts as one Fastify plugin: forms and JSON in, Kratos's shapes out, safe headers on all. */
import formbody from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import type { Session } from '../account.ts';
import type { AccountsManager } from '../manager.ts';
import { errorBody } from './answer.ts';
import type { SharedWith } from './flows/site.ts';
import { addFlowRoutes } from './flows.ts';
import { addHealth, type HealthParts } from './health.ts';
import { addPages, type FindApplication } from './pages.ts';
import { addSessionRoutes, type LogoutHook } from './sessions.ts';
import { addSessionsPage } from './sessions-page.ts';
import { addSocialRoutes } from './social.ts';
import { NO_STORE } from './web.ts';

const BODY_BYTES_MAX = 256 * 1024;

/** Adds the surface; answers what ends a session from elsewhere, with all that rests on it. */
export async function addPublicAccounts(
  app: FastifyInstance,
  manager: AccountsManager,
  o: HealthParts & {
    readonly onLogout: LogoutHook;
    readonly applicationAt: FindApplication;
    /** Whose pages the configuration shares credentials with. */
    readonly isShared: SharedWith;
  },
): Promise<(session: Session) => Promise<void>> {
  let end: (session: Session) => Promise<void> = async () => undefined;
  await app.register(async (scope) => {
    await scope.register(formbody, { bodyLimit: BODY_BYTES_MAX });
    scope.addHook('onSend', async (_request, reply) => {
      reply.header('x-content-type-options', 'nosniff');
      reply.header('x-frame-options', 'DENY');
      reply.header('referrer-policy', 'same-origin');
      if (!reply.hasHeader('content-security-policy'))
        reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
    });
    // Fastify answers HEAD by running GET, which begins and ends things here; a scanner of mails looks by HEAD first.
    scope.addHook('onRequest', async (request, reply) => {
      if (request.method === 'HEAD' && request.url.startsWith('/self-service/'))
        return reply.header('cache-control', NO_STORE).send();
    });
    scope.setErrorHandler((reason, _request, reply) => {
      const { status, body } = errorBody(reason);
      if (status >= 500)
        manager.services.logger.error({ err: reason }, 'a sign-in request met a fault');
      return reply.code(status).send(body);
    });
    addFlowRoutes(scope, manager, o.isShared);
    end = addSessionRoutes(scope, manager, o.onLogout);
    addSocialRoutes(scope, manager);
    addPages(scope, manager, o.applicationAt);
    addSessionsPage(scope, manager);
    addHealth(scope, o);
  });
  return (session) => end(session);
}
