/**
 * The read port: check, batch check, expand, list and namespaces, as Keto has them (reference/permissions.md §2), and the
 * paths that it had up to 0.8. Reading asks for no token: whoever reaches the port may read, as with Keto.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PosternError, toPosternError } from '../../kernel/index.ts';
import { askInQuery, askOf, depthInQuery, pageOf, readJsonObject } from './ask.ts';
import { badRequest, incompleteReason, isUnknownNamespace, NOT_FOUND_TEXT } from './fault.ts';
import { addLookupRoutes } from './lookups.ts';
import type { RestParts } from './parts.ts';
import { JSON_PREFIX, questionOf } from './question.ts';
import * as schemas from './schemas.ts';
import { addScope, listing, queryOf, sendJson, tell } from './scope.ts';
import { expandJson, legacyExpandJson } from './tree.ts';
import { asObject, filterInQuery, questionIn, tupleJson } from './tuple-json.ts';
import { addWatchRoute } from './watch.ts';

/** Answers a check; an unknown namespace, also the subject's, has nothing and is denied. */
async function check(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: RestParts,
): Promise<boolean> {
  const { on, subject, ask } = questionOf(request, parts);
  try {
    const { allowed, token } = await parts.permissions.check(on, subject, ask);
    tell(reply, token);
    return allowed;
  } catch (reason) {
    if (isUnknownNamespace(reason)) return false;
    throw reason;
  }
}

function addCheckRoutes(scope: FastifyInstance, parts: RestParts): void {
  const mirrored = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const allowed = await check(request, reply, parts);
    return reply.code(allowed ? 200 : 403).send({ allowed });
  };
  const plain = async (request: FastifyRequest, reply: FastifyReply): Promise<object> => ({
    allowed: await check(request, reply, parts),
  });
  const byQuery = (summary: string, response: Record<number, typeof schemas.ALLOWED>) =>
    schemas.describe('permission', summary, { querystring: schemas.CHECK_QUERY, response });
  const byBody = (summary: string, response: Record<number, typeof schemas.ALLOWED>) =>
    schemas.describe('permission', summary, {
      querystring: schemas.DEPTH_QUERY,
      body: schemas.CHECK_BODY,
      response,
    });
  const both = { 200: schemas.ALLOWED, 403: schemas.ALLOWED };
  for (const path of ['/relation-tuples/check', '/check']) {
    const summary = 'Check; 403 where it is denied';
    scope.get(path, byQuery(summary, both), mirrored);
    scope.post(path, byBody(summary, both), mirrored);
  }
  const summary = 'Check; always 200';
  scope.get('/relation-tuples/check/openapi', byQuery(summary, { 200: schemas.ALLOWED }), plain);
  scope.post('/relation-tuples/check/openapi', byBody(summary, { 200: schemas.ALLOWED }), plain);
}

interface BatchEntry {
  readonly allowed: boolean;
  readonly error?: string;
}

/** What a batch says of a check that has no answer: Keto's words for a namespace and a limit, else what is wrong. */
function entryOf(result: { readonly allowed: boolean; readonly error?: Error }): BatchEntry {
  if (result.error === undefined) return { allowed: result.allowed };
  if (isUnknownNamespace(result.error)) return { allowed: false, error: NOT_FOUND_TEXT };
  const error = toPosternError(result.error);
  return { allowed: false, error: incompleteReason(error) ?? error.message };
}

function addBatchRoute(scope: FastifyInstance, parts: RestParts): void {
  const { limits, permissions } = parts;
  const options = schemas.describe('permission', 'Check many, all at one revision', {
    querystring: schemas.DEPTH_QUERY,
    body: schemas.BATCH_BODY,
    response: { 200: schemas.BATCH },
  });
  scope.post('/relation-tuples/batch/check', options, async (request, reply) => {
    const query = queryOf(request);
    depthInQuery(query);
    const body = readJsonObject(request.body, JSON_PREFIX);
    const tuples = body['tuples'] ?? [];
    if (!Array.isArray(tuples)) throw badRequest(`${JSON_PREFIX}"tuples" must be an array`);
    if (tuples.length > limits.maxBatchSize)
      throw badRequest(`batch exceeds max size of ${limits.maxBatchSize}`);
    const ask = askOf(query, body, limits);
    const asked = tuples.map((value) => questionIn(asObject(value, `${JSON_PREFIX}a tuple`)));
    const questions = asked.flatMap(({ on, subject }) =>
      subject === undefined ? [] : [{ on, subject }],
    );
    const { results, token } = await permissions.batchCheck(questions, ask);
    tell(reply, token);
    const answers = results.values();
    return {
      results: asked.map(({ subject }): BatchEntry => {
        if (subject === undefined)
          return { allowed: false, error: 'subject is not allowed to be nil' };
        const { value } = answers.next();
        if (value === undefined) throw new PosternError('internal', 'A batch lost an answer');
        return entryOf(value);
      }),
    };
  });
}

function addExpandRoutes(scope: FastifyInstance, parts: RestParts): void {
  const expand = async (
    request: FastifyRequest,
    reply: FastifyReply,
    print: typeof expandJson,
  ): Promise<FastifyReply> => {
    const query = queryOf(request);
    const ask = askInQuery(query, parts.limits);
    const { namespace = '', object = '', relation = '' } = filterInQuery(query);
    const set = { namespace, object, relation };
    const { tree, token } = await parts.permissions.expand({ set }, ask);
    tell(reply, token);
    return sendJson(reply, print(tree));
  };
  const options = schemas.describe('permission', 'The tree of subjects below a subject set', {
    querystring: schemas.EXPAND_QUERY,
    response: { 200: schemas.TREE },
  });
  scope.get('/relation-tuples/expand', options, (request, reply) =>
    expand(request, reply, expandJson),
  );
  scope.get('/expand', { schema: { hide: true } }, (request, reply) => {
    if (!queryOf(request).has('max-depth'))
      throw badRequest("required query parameter 'max-depth' is missing");
    return expand(request, reply, legacyExpandJson);
  });
}

function addListRoutes(scope: FastifyInstance, parts: RestParts): void {
  const { limits, permissions } = parts;
  const list = schemas.describe('relationship', 'The tuples that match a filter', {
    querystring: schemas.LIST_QUERY,
    response: { 200: schemas.TUPLES },
  });
  scope.get('/relation-tuples', list, async (request, reply) => {
    const query = queryOf(request);
    const filter = filterInQuery(query);
    const options = { ...askInQuery(query, limits), ...pageOf(query) };
    const page = await listing(options.pageToken, permissions.listTuples(filter, options));
    tell(reply, page.token);
    return { relation_tuples: page.items.map(tupleJson), next_page_token: page.nextPageToken };
  });
  const namespaces = schemas.describe('relationship', 'The namespaces of the model', {
    response: { 200: schemas.NAMESPACES },
  });
  scope.get('/namespaces', namespaces, () => ({
    namespaces: permissions.namespaces().map((name) => ({ name })),
  }));
}

/** Adds what the read port serves. */
export function addReadRoutes(app: FastifyInstance, parts: RestParts): void {
  addScope(app, parts, (scope) => {
    addCheckRoutes(scope, parts);
    addBatchRoute(scope, parts);
    addExpandRoutes(scope, parts);
    addListRoutes(scope, parts);
    addLookupRoutes(scope, parts);
    addWatchRoute(scope, parts);
  });
}
