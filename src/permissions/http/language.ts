/** The syntax port: checks a model in the permission language without applying it. */
import type { FastifyInstance } from 'fastify';
import type { Position, Problem } from '../language/problem.ts';
import type { RestParts } from './parts.ts';
import * as schemas from './schemas.ts';
import { addScope } from './scope.ts';

/** Keto's keys (`Line` has a capital letter, `column` has none), and its columns: ours less one, at least 1. */
const positionJson = ({ line, column }: Position): object => ({
  Line: line,
  column: Math.max(column - 1, 1),
});
const problemJson = ({ message, start, end }: Problem): object => ({
  message,
  start: positionJson(start),
  end: positionJson(end),
});

/** Adds what the syntax port serves. Warnings are not among `errors`, since their source is good. */
export function addLanguageRoutes(app: FastifyInstance, parts: RestParts): void {
  addScope(app, parts, (scope) => {
    const options = schemas.describe('relationship', 'Check a model in the permission language', {
      body: schemas.OPL_BODY,
      response: { 200: schemas.OPL },
    });
    scope.post('/opl/syntax/check', options, (request) => {
      const source = typeof request.body === 'string' ? request.body : '';
      const problems = parts.permissions.checkModel(source);
      const of = (severity: Problem['severity']): object[] =>
        problems.filter((p) => p.severity === severity).map(problemJson);
      const [errors, warnings] = [of('error'), of('warning')];
      return {
        ...(errors.length === 0 ? {} : { errors }),
        ...(warnings.length === 0 ? {} : { warnings }),
      };
    });
  });
}
