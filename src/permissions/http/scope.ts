/**
 * The ground that every group of routes stands on: an encapsulated plugin with Keto's errors, bodies taken as text of any
 * content type as Keto does (curl sends JSON as a form), and the routes that each port has.
 *
 * Schemas only describe the routes for OpenAPI: requests are checked by hand, because the texts of refusals are part of
 * Keto's wire format, and answers are plain JSON, so that no schema can drop a field.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { PosternError, toPosternError } from '../../kernel/index.ts';
import { addFaults, badRequest, RestError } from './fault.ts';
import { BODY_BYTES_MAX, type RestParts, TOKEN_HEADER } from './parts.ts';
import { Query } from './query.ts';
import { describe, HEALTH, NOT_READY, VERSION } from './schemas.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

function readText(request: FastifyRequest, bytes: Buffer): string {
  const type = request.headers['content-type'] ?? '';
  if (/^\s*(multipart|image|audio|video)\//i.test(type))
    throw new RestError(415, 'The request is using an unknown content type');
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity')
    throw new RestError(415, 'The request is using an unknown content encoding');
  try {
    return decoder.decode(bytes);
  } catch {
    throw badRequest('the body is not UTF-8');
  }
}

/** Whether the client has hung up, or taken its question back. */
function isGone({ raw }: FastifyRequest): boolean {
  // Requests over HTTP/2 have a stream, which Fastify's types do not name.
  const stream: unknown = Reflect.get(raw, 'stream');
  if (typeof stream === 'object' && stream !== null)
    return Reflect.get(stream, 'destroyed') === true;
  return raw.socket?.destroyed === true;
}

/** The query of a request. Throws 400. */
export function queryOf(request: FastifyRequest): Query {
  return new Query(request.url, () => isGone(request));
}

/** Sets the header with the revision of the answer. */
export function tell(reply: FastifyReply, token: string): void {
  if (token !== '') void reply.header(TOKEN_HEADER, token);
}

/** Sends text that is JSON already. */
export function sendJson(reply: FastifyReply, text: string): FastifyReply {
  return reply.header('content-type', 'application/json; charset=utf-8').send(text);
}

/** A list that went too far back with its page token is a page token that is not good, which Keto answers with 400. */
export async function listing<T>(pageToken: string | undefined, list: Promise<T>): Promise<T> {
  try {
    return await list;
  } catch (reason) {
    const isOld = reason instanceof PosternError && reason.code === 'expired';
    throw isOld && pageToken !== undefined ? badRequest('the page token has expired') : reason;
  }
}

const common: WeakSet<FastifyInstance> = new WeakSet();

function addCommonRoutes(scope: FastifyInstance, parts: RestParts): void {
  const route = (summary: string, answers: Parameters<typeof describe>[2]): RouteShorthandOptions =>
    describe('metadata', summary, answers);
  scope.get(
    '/health/alive',
    route('Whether the server runs', { response: { 200: HEALTH } }),
    () => ({
      status: 'ok',
    }),
  );
  scope.get(
    '/health/ready',
    route('Whether the server can answer', { response: { 200: HEALTH, 503: NOT_READY } }),
    async (request, reply) => {
      try {
        await parts.isReady();
      } catch (reason) {
        request.log.warn({ err: reason }, 'not ready');
        return reply.code(503).send({ errors: { permissions: toPosternError(reason).message } });
      }
      return { status: 'ok' };
    },
  );
  scope.get('/version', route('The version', { response: { 200: VERSION } }), () => ({
    version: parts.version,
  }));
}

/** Adds a group of routes to an app: once each; the groups may share an app, or have one each. */
export function addScope(
  app: FastifyInstance,
  parts: RestParts,
  add: (scope: FastifyInstance) => void,
): void {
  const isFirst = !common.has(app);
  common.add(app);
  void app.register(async (scope) => {
    addFaults(app, scope);
    scope.setValidatorCompiler(() => () => true);
    scope.setSerializerCompiler(() => (data) => JSON.stringify(data));
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX },
      (request, bytes, done) => {
        try {
          done(null, readText(request, Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)));
        } catch (reason) {
          done(reason instanceof Error ? reason : new Error('the body could not be read'));
        }
      },
    );
    if (isFirst) addCommonRoutes(scope, parts);
    add(scope);
  });
}
