/** How every door of our own APIs tells errors, and the refusal of what a browser on another site could send. */
import type { FastifyInstance } from 'fastify';
import {
  HTTP_STATUS,
  type Logger,
  PosternError,
  toErrorBody,
  toPosternError,
} from '../../kernel/index.ts';

function statusOf(reason: unknown): number | undefined {
  const status: unknown =
    typeof reason === 'object' && reason !== null ? Reflect.get(reason, 'statusCode') : undefined;
  return typeof status === 'number' ? status : undefined;
}

export function addFaults(app: FastifyInstance, logger: Logger): void {
  app.setErrorHandler((reason, _request, reply) => {
    const status = statusOf(reason);
    const error =
      status !== undefined && status >= 400 && status < 500 && !(reason instanceof PosternError)
        ? new PosternError(
            'invalid',
            reason instanceof Error ? reason.message : 'The request is not valid',
          )
        : toPosternError(reason);
    if (error.code === 'internal')
      logger.error({ err: error.cause ?? error }, 'a request met a fault');
    return reply.code(HTTP_STATUS[error.code]).send(toErrorBody(error));
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(toErrorBody(new PosternError('not_found', 'No such path'))),
  );
}
