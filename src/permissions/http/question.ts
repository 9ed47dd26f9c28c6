/** The question of a check, as check and explain take it. */
import type { FastifyRequest } from 'fastify';
import type { AskOptions } from '../permissions.ts';
import type { Subject, SubjectSet } from '../tuple.ts';
import { askInQuery, askOf, depthInQuery, readJsonObject } from './ask.ts';
import type { RestParts } from './parts.ts';
import { queryOf } from './scope.ts';
import { questionIn, questionInQuery, required } from './tuple-json.ts';

/** Precedes what is wrong with a body. */
export const JSON_PREFIX = 'could not unmarshal json: ';

export interface Question {
  readonly on: SubjectSet;
  readonly subject: Subject;
  readonly ask: AskOptions;
}

/** The question of a check: of the query for GET, of the body for POST. Throws 400. */
export function questionOf(request: FastifyRequest, parts: RestParts): Question {
  const query = queryOf(request);
  if (request.method !== 'POST') {
    const ask = askInQuery(query, parts.limits);
    return { ...questionInQuery(query), ask };
  }
  // The depth first: Keto looks at it before the body.
  depthInQuery(query);
  const body = readJsonObject(request.body, JSON_PREFIX);
  const { on, subject } = questionIn(body);
  return { on, subject: required(subject), ask: askOf(query, body, parts.limits) };
}
