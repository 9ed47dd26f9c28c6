/**
 * Pages of administrators' lists: by token (`page_size`, `page_token` and a `Link` header, RFC 8288), or by number
 * (`page`, `per_page`), which is for the first items alone. INVARIANT: a token says where the next page begins, whether or not
 * what stood there was deleted meanwhile; one that is not ours is refused, since the first page again would have no end.
 */
import type { FastifyRequest } from 'fastify';
import { isUuid } from '../../../kernel/index.ts';
import type { ListPlace } from '../../account.ts';
import { queryText } from '../web.ts';
import { refuse } from './body.ts';

const PAGE_SIZE = 250;
/** Also the most that one request names, such as sessions to end. */
export const PAGE_SIZE_MAX = 500;
/** A page further on is found by passing over all the ones before it: as with Kratos, that has an end. */
const OFFSET_MAX = 1_000;
const INTEGER = /^-?\d{1,15}$/;

function integerOf(request: FastifyRequest, name: string): number | undefined {
  const text = queryText(request, name);
  if (text === undefined) return undefined;
  if (!INTEGER.test(text)) refuse(`${name} is no whole number`);
  return Number(text);
}

/** How many items a page has: 1 to 500. Throws `invalid`. */
export function pageSizeOf(request: FastifyRequest): number {
  const size = integerOf(request, 'page_size') ?? integerOf(request, 'per_page') ?? PAGE_SIZE;
  return Math.min(Math.max(size, 1), PAGE_SIZE_MAX);
}

/** How many items come before a page by its number, which begins at 0; undefined for a page by token. Throws `invalid`. */
export function offsetOf(request: FastifyRequest): number | undefined {
  const isByToken = ['page_token', 'page_size'].some((n) => queryText(request, n) !== undefined);
  const page = isByToken ? undefined : integerOf(request, 'page');
  if (page === undefined) return undefined;
  const offset = Math.max(page, 0) * pageSizeOf(request);
  if (offset > OFFSET_MAX) refuse(`Pages by number end at ${OFFSET_MAX} items: use page_token`);
  return offset;
}

/** The token of the page that begins behind an item. */
export function tokenOf({ createdAtMs, id }: ListPlace): string {
  return Buffer.from(`${createdAtMs}.${id}`).toString('base64url');
}

/** Where a page by token begins; undefined for the first. Throws `invalid` for a token that is not ours. */
export function placeOf(request: FastifyRequest): ListPlace | undefined {
  const token = queryText(request, 'page_token');
  if (token === undefined) return undefined;
  const [, atMs, id = ''] =
    /^(\d{1,15})\.(.{36})$/.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (atMs === undefined || !isUuid(id)) refuse('page_token is no token of a page');
  return { createdAtMs: Number(atMs), id };
}

/** The number that a page by token begins behind. Throws `invalid`. */
export function numberOf(request: FastifyRequest): number | undefined {
  return integerOf(request, 'page_token');
}

/** The `Link` header of a page by token: what else was asked for stays as it was. */
export function linkTo(request: FastifyRequest, path: string, next: string | undefined): string {
  const [, query = ''] = request.url.split('?');
  const asked = new URLSearchParams(query);
  for (const name of ['page_token', 'page', 'per_page']) asked.delete(name);
  asked.set('page_size', String(pageSizeOf(request)));
  const first = `<${path}?${asked}>; rel="first"`;
  if (next === undefined) return first;
  asked.set('page_token', next);
  return `${first}, <${path}?${asked}>; rel="next"`;
}
