/**
 * Errors as Keto tells them: `{"error":{code,status,message,reason?,request?,details?}}` (reference/permissions.md §2,
 * "Errors"). Nothing of the inside is ever shown: what is not an error of ours answers Keto's text for a 500.
 */
import { STATUS_CODES } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, HTTP_STATUS, PosternError, toPosternError } from '../../kernel/index.ts';

export const MALFORMED_TEXT = 'The request was malformed or contained invalid parameters';
export const NOT_FOUND_TEXT = 'The requested resource could not be found';
const INTERNAL_TEXT = 'An internal server error occurred, please contact the system administrator';
/** An answer that is none: the words that Keto has for it. */
const INCOMPLETE_TEXT = 'The check could not be completed';

/** Insufficient Storage (RFC 4918 §11.5). */
const STORE_FULL = 507;

/** Keto's messages where it has them; what is particular to the case goes into `reason`. */
const MESSAGES: Readonly<Record<ErrorCode, string>> = {
  invalid: MALFORMED_TEXT,
  unauthenticated: 'The request could not be authorized',
  denied: 'The requested action was forbidden',
  not_found: NOT_FOUND_TEXT,
  conflict: 'The resource could not be created due to a conflict',
  expired: 'The revision that was asked for is no longer kept',
  exhausted: 'A limit was reached',
  unavailable: 'The service is unavailable at the moment',
  unsupported: 'The request is not supported',
  internal: INTERNAL_TEXT,
};

/** Why a check has no answer; any other `exhausted` is a limit of the server. */
const INCOMPLETE_REASONS: ReadonlySet<unknown> = new Set([
  'max_depth_exceeded',
  'max_width_exceeded',
  'max_steps_exceeded',
  'negative_cycle',
]);

export interface Fault {
  readonly code: number;
  readonly status: string;
  readonly message: string;
  readonly reason?: string;
  readonly request?: string;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/** A refusal of this surface whose `message` is part of Keto's wire format. */
export class RestError extends Error {
  override readonly name = 'RestError';
  readonly status: number;
  readonly reason: string | undefined;
  constructor(status: number, message: string, reason?: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** 400 with a message of its own. */
export function badRequest(message: string): RestError {
  return new RestError(400, message);
}

/** 400 with the general message and a reason. */
export function malformed(reason: string): RestError {
  return new RestError(400, MALFORMED_TEXT, reason);
}

function fault(code: number, message: string, more: Partial<Fault> = {}): Fault {
  return { code, status: STATUS_CODES[code] ?? 'Error', message, ...more };
}

function detailsOf(error: PosternError): Partial<Fault> {
  const details = {
    ...error.facts,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.decisionId === undefined ? {} : { decision_id: error.decisionId }),
  };
  return Object.keys(details).length === 0 ? {} : { details };
}

/** Whether an error says that a check has no answer, and why. */
export function incompleteReason(error: PosternError): string | undefined {
  const { reason } = error.facts;
  return error.code === 'exhausted' && INCOMPLETE_REASONS.has(reason) ? String(reason) : undefined;
}

/** Whether an error says that the model has no such namespace. */
export function isUnknownNamespace(reason: unknown): boolean {
  return (
    reason instanceof PosternError &&
    reason.code === 'not_found' &&
    reason.facts['namespace'] !== undefined
  );
}

function ofPostern(error: PosternError): Fault {
  if (error.code === 'internal') return fault(500, INTERNAL_TEXT);
  const incomplete = incompleteReason(error);
  if (incomplete !== undefined)
    return fault(422, INCOMPLETE_TEXT, { reason: incomplete, ...detailsOf(error) });
  const isFull = error.facts['reason'] === 'memory_budget';
  return fault(isFull ? STORE_FULL : HTTP_STATUS[error.code], MESSAGES[error.code], {
    reason: error.message,
    ...detailsOf(error),
  });
}

/** The wire form of anything thrown. */
export function toFault(reason: unknown): Fault {
  if (reason instanceof RestError)
    return fault(
      reason.status,
      reason.message,
      reason.reason === undefined ? {} : { reason: reason.reason },
    );
  if (reason instanceof PosternError) return ofPostern(reason);
  const status: unknown =
    typeof reason === 'object' && reason !== null ? Reflect.get(reason, 'statusCode') : undefined;
  // Fastify's own refusals: of a body that is too large, a length that is wrong, and the like.
  if (typeof status === 'number' && status >= 400 && status < 500 && reason instanceof Error)
    return fault(status, reason.message);
  return ofPostern(toPosternError(reason));
}

/** The body of an error's answer to a request. */
export function faultBody(reason: unknown, request: FastifyRequest): { error: Fault } {
  const id = request.headers['x-request-id'];
  const error = toFault(reason);
  return { error: typeof id === 'string' && id !== '' ? { ...error, request: id } : error };
}

/** Answers with an error; of a fault of the server the cause goes to the request's log alone. */
export function sendFault(reason: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const body = faultBody(reason, request);
  if (body.error.code >= 500) request.log.error({ err: reason }, 'a request met a fault');
  if (body.error.code === 401) void reply.header('www-authenticate', 'Bearer');
  // By hand: this also runs where no schema, serializer or type of the answer was settled.
  void reply
    .code(body.error.code)
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(body));
}

/** For the server's option `frameworkErrors`: paths that can't be decoded never reach a route. */
export function frameworkErrors(reason: Error, request: FastifyRequest, reply: FastifyReply): void {
  sendFault(reason, request, reply);
}

const noRoutes: WeakSet<FastifyInstance> = new WeakSet();

/** Makes a scope tell errors this way; unknown routes too, for the whole of `app`, which may be done once. */
export function addFaults(app: FastifyInstance, scope: FastifyInstance): void {
  scope.setErrorHandler((reason, request, reply) => sendFault(reason, request, reply));
  if (noRoutes.has(app)) return;
  noRoutes.add(app);
  scope.setNotFoundHandler((request, reply) =>
    sendFault(new RestError(404, NOT_FOUND_TEXT), request, reply),
  );
}
