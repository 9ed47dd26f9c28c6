/** Publishes the management API as OpenAPI, made from the same schemas that check its requests. */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';

/** Adds `GET /openapi.json` for the permission listeners; call it before the routes that it is to describe. */
export async function publishPermissionsApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      info: {
        title: 'Postern permissions API',
        version,
        description:
          "Ory Keto's operations on relation tuples, and Postern's own questions beside them.",
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

/** Adds `GET /api/v1/openapi.json`; call it before the routes that it is to describe. */
export async function publishOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      info: {
        title: 'Postern management API',
        version,
        description:
          'What the command line and the console use: projects, members, tickets, relays, tokens, audit, decisions.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  });
  app.get('/api/v1/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
