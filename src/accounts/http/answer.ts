/** How the public surface answers: faults as JSON or by way of the error page, redirects, and where flows are shown. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type PosternError, toPosternError } from '../../kernel/index.ts';
import type { Json, JsonObject } from '../account.ts';
import type { AccountsConfig } from '../config/config.ts';
import { FlowFault, faultBody } from '../flows/fault.ts';
import type { Flow, FlowKind } from '../flows/flow.ts';
import type { Services } from '../services.ts';
import { NO_STORE } from './web.ts';

const ERROR_LIFESPAN_MS = 3_600_000;

/** Who was turned away is asked to come back after this long. */
const RETRY_S = '60';

const STATUS_TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};
const STATUS_OF: Readonly<Record<PosternError['code'], number>> = {
  invalid: 400,
  unauthenticated: 401,
  denied: 403,
  not_found: 404,
  conflict: 409,
  expired: 410,
  exhausted: 429,
  unavailable: 503,
  unsupported: 400,
  internal: 500,
};
/** The fault of a `return_to` that is not listed comes out of the pure ring with this fact. */
const RETURN_TO = 'self_service_flow_return_to_forbidden';

/** Status and body of anything thrown. */
export function errorBody(reason: unknown): { readonly status: number; readonly body: unknown } {
  if (reason instanceof FlowFault) return { status: reason.status, body: faultBody(reason) };
  const told: unknown =
    typeof reason === 'object' && reason !== null ? Reflect.get(reason, 'statusCode') : undefined;
  if (typeof told === 'number' && told >= 400 && told < 500) {
    const why = reason instanceof Error ? reason.message : 'The request is not valid';
    return { status: told, body: plainError(told, why) };
  }
  const error = toPosternError(reason);
  if (error.facts['id'] === RETURN_TO) {
    const fault = new FlowFault(RETURN_TO);
    return { status: fault.status, body: faultBody(fault) };
  }
  const status = STATUS_OF[error.code];
  return { status, body: plainError(status, error.message) };
}

/** An error without an id of its own. */
export function plainError(status: number, reason: string): { readonly error: JsonObject } {
  const title = STATUS_TITLES[status] ?? 'Error';
  return { error: { code: status, status: title, reason, message: title } };
}

export function uiUrl(config: AccountsConfig, kind: FlowKind, flow: Pick<Flow, 'id'>): string {
  const url = new URL(config.flows[kind].uiUrl ?? `${config.publicUrl}/ui/${kind}`);
  url.searchParams.set('flow', flow.id);
  return url.toString();
}

/** A redirect after which the browser asks with GET. An address of the configuration may have letters that no header has. */
export function seeOther(reply: FastifyReply, url: string): FastifyReply {
  const isPlain = /^[\x21-\x7e]*$/.test(url) || !URL.canParse(url);
  return reply.header('cache-control', NO_STORE).redirect(isPlain ? url : new URL(url).href, 303);
}

/** Tells what was thrown: as JSON, or by a redirect to the error page, which reads it by its id. */
export async function tell(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  reason: unknown,
  isJson: boolean,
): Promise<FastifyReply> {
  const { status, body } = errorBody(reason);
  if (status >= 500) services.logger.error({ err: reason }, 'a sign-in request met a fault');
  reply.header('cache-control', NO_STORE);
  // On a redirect it would ask the browser to wait before it goes on to the page that says so (RFC 9110 §10.2.3).
  if (isJson && (status === 429 || status === 503)) reply.header('retry-after', RETRY_S);
  if (isJson) return reply.code(status).send(body);
  const { error } = body as { error: JsonObject };
  const note: Json = { error, url: request.routeOptions.url ?? '' };
  const id = await services.flows.putNote('error', note, ERROR_LIFESPAN_MS);
  const url = new URL(services.config.errorUiUrl ?? `${services.config.publicUrl}/ui/error`);
  url.searchParams.set('id', id);
  return seeOther(reply, url.toString());
}
