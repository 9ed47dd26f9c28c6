/**
 * The write port: put one tuple, patch many in one transaction, delete what matches a filter (reference/permissions.md §2),
 * on Keto's paths and on those it had up to 0.8. INVARIANT: who writes is settled before the body is read.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { PosternError } from '../../kernel/index.ts';
import type { WriteRequest, Writer } from '../permissions.ts';
import type { Tuple } from '../tuple.ts';
import { readJson } from './ask.ts';
import { badRequest, malformed } from './fault.ts';
import type { RestParts } from './parts.ts';
import * as schemas from './schemas.ts';
import { addScope, queryOf, tell } from './scope.ts';
import {
  asObject,
  FILTER_KEYS,
  filterIn,
  filterInQuery,
  isObject,
  type JsonObject,
  tupleIn,
  tupleJson,
  tupleQuery,
} from './tuple-json.ts';

const PATHS = ['/admin/relation-tuples', '/relation-tuples'];
/** Longer addresses are refused by clients and proxies, with the whole answer; such a tuple is found by its parts. */
const LOCATION_LENGTH_MAX = 8192;
const IDEMPOTENCY_KEY_LENGTH_MAX = 256;

function idempotencyKey(request: FastifyRequest): { idempotencyKey?: string } {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return {};
  if (typeof key !== 'string' || key === '' || key.length > IDEMPOTENCY_KEY_LENGTH_MAX)
    throw badRequest(`Idempotency-Key must have 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`);
  return { idempotencyKey: key };
}

function preconditionIn(value: unknown): { matches: boolean; query: ReturnType<typeof filterIn> } {
  const from = asObject(value, 'a precondition');
  const [key, ...others] = Object.keys(from);
  if (others.length > 0 || (key !== 'must_match' && key !== 'must_not_match'))
    throw badRequest('a precondition has either "must_match" or "must_not_match"');
  return { matches: key === 'must_match', query: filterIn(from[key]) };
}

/** Sorts deltas into inserts and deletes. Throws 400 in Keto's order: tuple, subject, action. */
function deltasIn(value: unknown): { inserts: Tuple[]; deletes: Tuple[] } {
  if (!Array.isArray(value)) throw badRequest('the deltas must be an array');
  const inserts: Tuple[] = [];
  const deletes: Tuple[] = [];
  for (const entry of value) {
    const given: unknown = isObject(entry) ? entry['relation_tuple'] : undefined;
    if (!isObject(entry) || given === undefined || given === null)
      throw badRequest('relation_tuple is missing');
    const tuple = tupleIn(given);
    const action = entry['action'] ?? '';
    if (action === 'insert') inserts.push(tuple);
    else if (action === 'delete') deletes.push(tuple);
    else throw badRequest(`unknown action ${typeof action === 'string' ? action : '(no text)'}`);
  }
  return { inserts, deletes };
}

const PATCH_KEYS: readonly string[] = ['deltas', 'preconditions', 'validate'];

/** The object form of a patch. An unknown key is refused: a condition that is misspelt must not be none. */
function patchIn(body: JsonObject): WriteRequest {
  for (const key of Object.keys(body))
    if (!PATCH_KEYS.includes(key)) throw badRequest(`key ${JSON.stringify(key)} unknown`);
  const { deltas = [], preconditions = [], validate = false } = body;
  if (!Array.isArray(preconditions)) throw badRequest('"preconditions" must be an array');
  if (typeof validate !== 'boolean') throw badRequest('"validate" must be a boolean');
  return {
    ...deltasIn(deltas),
    ...(preconditions.length === 0 ? {} : { preconditions: preconditions.map(preconditionIn) }),
    ...(validate ? { isValidated: true } : {}),
  };
}

/** Keto's rules of a deletion, all of them told at once. */
function refuseDelete(request: FastifyRequest): void {
  const query = queryOf(request);
  const reasons: string[] = [];
  const unknown = [...query.keys()].find((key) => !FILTER_KEYS.includes(key));
  if (unknown !== undefined) reasons.push(`query parameter key ${JSON.stringify(unknown)} unknown`);
  if (!query.has('namespace'))
    reasons.push('query parameters must specify at least one of the following: namespace');
  if (typeof request.body === 'string' && request.body !== '') reasons.push('body is not empty');
  if (reasons.length > 0) throw malformed(reasons.join('; '));
}

class WriteRoutes {
  readonly #parts: RestParts;
  readonly #writers = new WeakMap<FastifyRequest, Writer>();

  constructor(parts: RestParts) {
    this.#parts = parts;
  }

  /** To be run when nothing but the head of the request was read. */
  readonly authorise = async (request: FastifyRequest): Promise<void> => {
    this.#writers.set(request, await this.#parts.authorise(request));
  };

  #writer(request: FastifyRequest): Writer {
    const writer = this.#writers.get(request);
    if (writer === undefined) throw new PosternError('internal', 'A write without a writer');
    return writer;
  }

  readonly put = async (request: FastifyRequest, reply: FastifyReply): Promise<object> => {
    const tuple = tupleIn(readJson(request.body, ''));
    const write = { inserts: [tuple], deletes: [], ...idempotencyKey(request) };
    const { token } = await this.#parts.permissions.write(write, this.#writer(request));
    tell(reply, token);
    const location = `/relation-tuples?${tupleQuery(tuple)}`;
    if (location.length <= LOCATION_LENGTH_MAX) void reply.header('location', location);
    void reply.code(201);
    return tupleJson(tuple);
  };

  readonly patch = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = readJson(request.body, '');
    const write = isObject(body) ? patchIn(body) : deltasIn(body);
    const keyed = { ...write, ...idempotencyKey(request) };
    const { token } = await this.#parts.permissions.write(keyed, this.#writer(request));
    tell(reply, token);
    return reply.code(204).send();
  };

  readonly delete = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    refuseDelete(request);
    const filter = filterInQuery(queryOf(request));
    const { token } = await this.#parts.permissions.deleteMatching(filter, this.#writer(request));
    tell(reply, token);
    return reply.code(204).send();
  };
}

/** Adds what the write port serves. */
export function addWriteRoutes(app: FastifyInstance, parts: RestParts): void {
  addScope(app, parts, (scope) => {
    const routes = new WriteRoutes(parts);
    const describe = (
      summary: string,
      schema: Parameters<typeof schemas.describe>[2],
    ): RouteShorthandOptions => ({
      ...schemas.describe('relationship', summary, schema),
      onRequest: routes.authorise,
    });
    const put = describe('Add a tuple', { body: schemas.TUPLE, response: { 201: schemas.TUPLE } });
    const patch = describe('Add and remove tuples, in one transaction', {
      body: schemas.PATCH_BODY,
      response: { 204: schemas.NOTHING },
    });
    const remove = describe('Remove the tuples that match a filter', {
      querystring: schemas.FILTER_QUERY,
      response: { 204: schemas.NOTHING },
    });
    for (const path of PATHS) {
      scope.put(path, put, routes.put);
      scope.patch(path, patch, routes.patch);
      scope.delete(path, remove, routes.delete);
    }
  });
}
