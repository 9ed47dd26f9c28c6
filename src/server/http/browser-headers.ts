/**
 * What every answer of the public listener tells browsers, also the ones for paths that are not there, for what is
 * malformed and for the OpenID Provider's: nobody frames it, guesses its type or learns its address. A page says more by
 * headers of its own. INVARIANT: set before anything else runs, so that nothing can answer without.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PosternError, toErrorBody } from '../../kernel/index.ts';

const HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  // The empty script-src is where the OpenID Provider puts the hash of the one script that posts an answer on.
  'content-security-policy': "default-src 'none'; script-src; frame-ancestors 'none'",
};

function protect(answer: ServerResponse): void {
  for (const [name, value] of Object.entries(HEADERS)) answer.setHeader(name, value);
}

export function protectBrowsers(app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, reply) => protect(reply.raw));
}

/** Refuses what Fastify cannot make a request of, such as a path that is no UTF-8. */
export function refuseMalformed(
  _error: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  protect(reply.raw);
  void reply.code(400).send(toErrorBody(new PosternError('invalid', 'The path is malformed')));
}
