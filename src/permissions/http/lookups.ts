/** The reverse questions and the explanation of an answer, which Keto does not have (reference/permissions.md §9). */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { checkName } from '../tuple.ts';
import { askOf, pageOf, readJsonObject } from './ask.ts';
import { badRequest, toFault } from './fault.ts';
import type { RestParts } from './parts.ts';
import type { Query } from './query.ts';
import { JSON_PREFIX, questionOf } from './question.ts';
import * as schemas from './schemas.ts';
import { listing, queryOf, sendJson, tell } from './scope.ts';
import { traceJson } from './tree.ts';
import {
  type JsonObject,
  required,
  subjectIn,
  subjectInQuery,
  subjectJson,
  textOf,
} from './tuple-json.ts';

/** The names of a question: of the body for POST, else of the query. Throws 400 for one that is missing. */
function namesOf<K extends string>(
  keys: readonly K[],
  query: Query,
  body: JsonObject,
  isPost: boolean,
): Readonly<Record<K, string>> {
  const entries = keys.map((key): [K, string] => {
    const name = isPost ? textOf(body, key) : query.get(key);
    if (name === undefined)
      throw badRequest(`incomplete query, provide ${keys.map((k) => `"${k}"`).join(', ')}`);
    checkName(key, name);
    return [key, name];
  });
  return Object.fromEntries(entries) as Record<K, string>;
}

interface Asked {
  readonly query: Query;
  readonly body: JsonObject;
  readonly isPost: boolean;
}

function asked(request: FastifyRequest): Asked {
  const isPost = request.method === 'POST';
  const body = isPost ? readJsonObject(request.body, JSON_PREFIX) : {};
  return { query: queryOf(request), body, isPost };
}

/** Adds a question that is asked by GET with a query and by POST with a body. */
function addBoth(
  scope: FastifyInstance,
  path: string,
  summary: string,
  shapes: Record<'query' | 'body' | 'answer', typeof schemas.TUPLE>,
  handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
): void {
  const response = { 200: shapes.answer };
  const byQuery = { querystring: shapes.query, response };
  scope.get(path, schemas.describe('permission', summary, byQuery), handler);
  const byBody = { body: shapes.body, response };
  scope.post(path, schemas.describe('permission', summary, byBody), handler);
}

export function addLookupRoutes(scope: FastifyInstance, parts: RestParts): void {
  const { limits, permissions } = parts;
  addBoth(
    scope,
    '/relation-tuples/list-objects',
    'The objects to which a subject has a relation or permit',
    { query: schemas.OBJECTS_QUERY, body: schemas.OBJECTS_BODY, answer: schemas.OBJECTS },
    async (request, reply) => {
      const { query, body, isPost } = asked(request);
      const names = namesOf(['namespace', 'relation'], query, body, isPost);
      const subject = required(isPost ? subjectIn(body) : subjectInQuery(query));
      const options = { ...askOf(query, body, limits), ...pageOf(query, body) };
      const list = permissions.listObjects({ ...names, subject }, options);
      const page = await listing(options.pageToken, list);
      tell(reply, page.token);
      return { objects: page.items, next_page_token: page.nextPageToken };
    },
  );
  addBoth(
    scope,
    '/relation-tuples/list-subjects',
    'The subjects that have a relation or permit of an object',
    { query: schemas.SUBJECTS_QUERY, body: schemas.SUBJECTS_BODY, answer: schemas.SUBJECTS },
    async (request, reply) => {
      const { query, body, isPost } = asked(request);
      const on = namesOf(['namespace', 'object', 'relation'], query, body, isPost);
      const of = textOf(body, 'subject_namespace') ?? query.get('subject_namespace');
      if (of !== undefined) checkName('subject_namespace', of);
      const options = { ...askOf(query, body, limits), ...pageOf(query, body) };
      const question = of === undefined ? { on } : { on, subjectNamespace: of };
      const page = await listing(options.pageToken, permissions.listSubjects(question, options));
      tell(reply, page.token);
      return { subjects: page.items.map(subjectJson), next_page_token: page.nextPageToken };
    },
  );
  addBoth(
    scope,
    '/relation-tuples/explain',
    'A check, and what its answer rests on',
    { query: schemas.CHECK_QUERY, body: schemas.CHECK_BODY, answer: schemas.EXPLAINED },
    async (request, reply) => {
      const { on, subject, ask } = questionOf(request, parts);
      const { allowed, trace, error, steps, token } = await permissions.explain(on, subject, ask);
      tell(reply, token);
      const head = JSON.stringify({
        allowed: allowed ?? null,
        ...(error === undefined ? {} : { error: toFault(error) }),
        steps,
      });
      return sendJson(reply, `${head.slice(0, -1)},"tree":${traceJson(trace)}}`);
    },
  );
}
