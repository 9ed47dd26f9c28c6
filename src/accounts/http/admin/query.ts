/** Ids and parameters of administrators' requests. */
import type { FastifyRequest } from 'fastify';
import { isUuid, PosternError } from '../../../kernel/index.ts';
import { CREDENTIAL_TYPES, type CredentialType } from '../../account.ts';
import { queryText } from '../web.ts';
import { refuse } from './body.ts';
import { FOREIGN_TYPES } from './identity-spec.ts';

/** The id that a path names. Throws `not_found` for one that nothing has. */
export function idOf(request: FastifyRequest): string {
  const { id } = request.params as { id: string };
  if (!isUuid(id)) throw new PosternError('not_found', 'There is nothing of that id');
  return id;
}

/** The same, where Kratos calls what is no UUID a bad request and not an unknown id. Throws `invalid`. */
export function uuidOf(request: FastifyRequest): string {
  const { id } = request.params as { id: string };
  return isUuid(id) ? id : refuse('The id is no UUID');
}

/** The values of a parameter that may come more than once, or as a list with commas. */
export function queryList(request: FastifyRequest, name: string): readonly string[] {
  const { query } = request;
  const value: unknown =
    typeof query === 'object' && query !== null ? Reflect.get(query, name) : undefined;
  const list: unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return list.filter((v): v is string => typeof v === 'string').flatMap((v) => v.split(','));
}

/** The credentials whose configuration is asked for. Throws `invalid` for what is no type; nobody has one of a foreign type. */
export function includedTypes(request: FastifyRequest): readonly CredentialType[] {
  return queryList(request, 'include_credential').flatMap((given) => {
    const type = CREDENTIAL_TYPES.find((t) => t === given);
    if (type === undefined && !FOREIGN_TYPES.includes(given))
      refuse(`include_credential: "${given.slice(0, 100)}" is no type of credential`);
    return type ?? [];
  });
}

/** A parameter that is true or false, as Go's clients write it; undefined where it is not there. Throws `invalid`. */
export function queryFlag(request: FastifyRequest, name: string): boolean | undefined {
  const text = queryText(request, name);
  if (text === undefined) return undefined;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  return refuse(`${name} is true or false`);
}
