/** Whether this server lives and reaches its store, and which one it is (reference: Kratos's metadata API). */
import type { FastifyInstance } from 'fastify';

export interface HealthParts {
  readonly version: string;
  /** Throws when what is needed is out of reach. */
  readonly isReady: () => Promise<void>;
}

/** Adds the routes; whoever asks may. */
export function addHealth(app: FastifyInstance, { version, isReady }: HealthParts): void {
  app.get('/health/alive', async () => ({ status: 'ok' }));
  app.get('/health/ready', async (_request, reply) => {
    try {
      await isReady();
      return { status: 'ok' };
    } catch {
      return reply.code(503).send({ errors: { database: 'The database is out of reach' } });
    }
  });
  app.get('/version', async () => ({ version }));
}
