/** How a question is to be answered: freshness, depth, contextual tuples, model version, and where a list goes on. */
import type { AskOptions, Consistency, PageOptions } from '../permissions.ts';
import { badRequest } from './fault.ts';
import type { RestParts } from './parts.ts';
import { type Query, readInteger } from './query.ts';
import { asObject, isObject, type JsonObject, textOf, tupleIn } from './tuple-json.ts';

/** What Keto answers in place of a token; clients that stored it send it back. */
const NO_TOKEN = 'not yet implemented';
const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 500;
const MODES = ['minimize_latency', 'fully_consistent'] as const;

const isNone = (token: string): boolean => token === '' || token === NO_TOKEN;

function consistencyInQuery(query: Query): Consistency | undefined {
  const latest = query.get('latest') ?? '';
  if (latest === 'true' || latest === '1') return { mode: 'fully_consistent' };
  if (!['', '0', 'false'].includes(latest)) throw badRequest('"latest" must be true or false');
  const token = query.get('snaptoken') ?? '';
  return isNone(token) ? undefined : { mode: 'at_least_as_fresh', token };
}

function consistencyIn(value: unknown): Consistency | undefined {
  const mode = MODES.find((m) => m === value);
  if (mode !== undefined) return { mode };
  const refuse = badRequest(
    '"consistency" must be "minimize_latency", "fully_consistent", {"at_least_as_fresh": token} or {"at_exact_snapshot": token}',
  );
  if (!isObject(value) || Object.keys(value).length !== 1) throw refuse;
  const fresh = textOf(value, 'at_least_as_fresh');
  if (fresh !== undefined)
    return isNone(fresh) ? undefined : { mode: 'at_least_as_fresh', token: fresh };
  const exact = textOf(value, 'at_exact_snapshot');
  // No token names no snapshot: any other answer would pass for one of it.
  if (exact === undefined || isNone(exact)) throw refuse;
  return { mode: 'at_exact_snapshot', token: exact };
}

/** A depth counts where it is from 1 to the server's limit; else the limit, where there is one, stands. */
function boundedDepth(depth: number, limits: RestParts['limits']): number {
  const { maxReadDepth: max = 0 } = limits;
  const isIn = depth >= 1 && (max === 0 || depth <= max);
  return isIn ? depth : max;
}

/** `max-depth` of a query; 0 when absent. Throws 400 for what is no integer. */
export function depthInQuery(query: Query): number {
  const text = query.get('max-depth');
  if (text === undefined) return 0;
  return readInteger(text, 0, "unable to parse 'max-depth' query parameter to int: ");
}

function integerIn(body: JsonObject, key: string): number {
  const value = body[key] ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw badRequest(`${JSON.stringify(key)} must be an integer`);
  return value;
}

/** What a query asks. Throws 400. */
export function askInQuery(query: Query, limits: RestParts['limits']): AskOptions {
  return askOf(query, {}, limits);
}

/** What a query and a body ask; where both say something, the body holds. Throws 400. */
export function askOf(query: Query, body: JsonObject, limits: RestParts['limits']): AskOptions {
  const depth = depthInQuery(query);
  const maxDepth = boundedDepth(integerIn(body, 'max-depth') || depth, limits);
  const consistency =
    (body['consistency'] ?? undefined) === undefined
      ? consistencyInQuery(query)
      : consistencyIn(body['consistency']);
  const contextual = body['contextual_tuples'] ?? [];
  if (!Array.isArray(contextual)) throw badRequest('"contextual_tuples" must be an array');
  const modelId = textOf(body, 'model_id') ?? query.get('model_id') ?? '';
  return {
    isAbandoned: query.isAbandoned,
    ...(maxDepth > 0 ? { maxDepth } : {}),
    ...(consistency === undefined ? {} : { consistency }),
    ...(contextual.length === 0 ? {} : { contextualTuples: contextual.map(tupleIn) }),
    ...(modelId === '' ? {} : { modelId }),
  };
}

/** The page that a query, or a body, asks for. Throws 400 for a size that is no integer. */
export function pageOf(query: Query, body: JsonObject = {}): PageOptions {
  const text = query.get('page_size') ?? '';
  const asked = integerIn(body, 'page_size') || (text === '' ? 0 : readInteger(text, 10, ''));
  const pageSize = asked <= 0 ? PAGE_SIZE_DEFAULT : Math.min(asked, PAGE_SIZE_MAX);
  const pageToken = textOf(body, 'page_token') ?? query.get('page_token') ?? '';
  return pageToken === '' ? { pageSize } : { pageSize, pageToken };
}

/** Reads a body's JSON; `prefix` precedes the message of the 400. */
export function readJson(body: unknown, prefix: string): unknown {
  const text = typeof body === 'string' ? body : '';
  if (text.trim() === '') throw badRequest(`${prefix}EOF`);
  try {
    return JSON.parse(text);
  } catch (reason) {
    throw badRequest(`${prefix}${reason instanceof Error ? reason.message : 'no JSON'}`);
  }
}

/** Reads a body that is an object. */
export function readJsonObject(body: unknown, prefix: string): JsonObject {
  return asObject(readJson(body, prefix), `${prefix}the body`);
}
