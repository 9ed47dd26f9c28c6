/**
 * Cross-origin sharing (Fetch standard, "CORS protocol") as Keto's and Kratos's configurations say it, for every door of
 * a listener alike: REST, Connect and gRPC-Web. Nothing is shared unless the configuration names the origin; credentials
 * are never shared with origins that anybody could register.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { PosternError } from '../kernel/index.ts';

/** The names of methods and headers (RFC 9110 §5.6.2): anything else could not be sent. */
const Names = Type.Optional(Type.Array(Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" })));
const Cors = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean()),
    allowed_origins: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    allowed_methods: Names,
    allowed_headers: Names,
    exposed_headers: Names,
    allow_credentials: Type.Optional(Type.Boolean()),
    max_age: Type.Optional(Type.Integer()),
    debug: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
/** The keys of `serve.*.cors`. */
export const CorsFile: TSchema = Cors;

export interface CorsRules {
  readonly isAllowed: (origin: string) => boolean;
  readonly methods: readonly string[];
  /** Undefined: whichever a preflight asks for. */
  readonly headers: readonly string[] | undefined;
  readonly exposedHeaders: readonly string[];
  readonly allowCredentials: boolean;
  /** Seconds. */
  readonly maxAgeS: number;
}

/** `https://*.example.com` stands for one or more labels there, and `*` for every origin. */
function matcherOf(pattern: string): (origin: string) => boolean {
  const text = pattern.toLowerCase();
  if (text === '*') return () => true;
  const star = text.indexOf('*');
  if (star === -1) return (origin) => origin === text;
  const [before, after] = [text.slice(0, star), text.slice(star + 1)];
  return (origin) =>
    origin.length > before.length + after.length &&
    origin.startsWith(before) &&
    origin.endsWith(after) &&
    /^[a-z0-9.-]+$/.test(origin.slice(before.length, origin.length - after.length));
}

/** Names of headers (RFC 9110 §5.6.2) between commas. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~ ,-]*$/;
/** A star for the leftmost labels of a domain of at least two more, or for the port of a host. */
const BOUNDED = /^[a-z][a-z0-9+.-]*:\/\/(\*(\.[a-z0-9-]+){2,}(:\d+)?|[^*/]+:\*)$/i;

function checkOrigins(origins: readonly string[], allowCredentials: boolean, name: string): void {
  const doubled = origins.find((origin) => origin.split('*').length > 2);
  if (doubled !== undefined)
    throw new PosternError('invalid', `${name}: ${doubled} has more than one *`, {
      hint: '`https://*.example.com` stands for every name below, however deep',
    });
  const open = origins.find((origin) => origin.includes('*') && !BOUNDED.test(origin));
  if (allowCredentials && open !== undefined)
    throw new PosternError(
      'invalid',
      `${name}: allow_credentials with the origin ${open} would let sites of anybody act for their visitors`,
      { hint: 'Name the origins, or the domain that they are below: https://*.example.com' },
    );
}

/** Reads `serve.*.cors`; undefined when it is off. Throws `invalid`, naming the key. */
export function readCors(part: unknown, name: string): CorsRules | undefined {
  if (part === undefined) return undefined;
  if (!Value.Check(Cors, part)) {
    const [first] = Value.Errors(Cors, part);
    throw new PosternError(
      'invalid',
      `${name} is not valid: ${first?.instancePath || '/'} ${first?.message ?? ''}`,
    );
  }
  if (part.enabled !== true) return undefined;
  const origins = part.allowed_origins ?? ['*'];
  const allowCredentials = part.allow_credentials ?? false;
  checkOrigins(origins, allowCredentials, name);
  const matchers = origins.map(matcherOf);
  return {
    isAllowed: (origin) => matchers.some((matches) => matches(origin.toLowerCase())),
    methods: part.allowed_methods ?? ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    headers: part.allowed_headers?.includes('*')
      ? undefined
      : (part.allowed_headers ?? ['Authorization', 'Content-Type']),
    exposedHeaders: part.exposed_headers ?? ['Content-Type'],
    allowCredentials,
    maxAgeS: part.max_age ?? 0,
  };
}

/** What of a response the rules set. */
interface Answer {
  setHeader(name: string, value: string): unknown;
  writeHead(status: number): unknown;
  end(): unknown;
}

/** Sets the headers of sharing; answers a preflight wholly, and tells so by true. */
export function shareAcross(
  rules: CorsRules,
  request: { readonly method?: string | undefined; readonly headers: IncomingHttpHeaders },
  answer: Answer,
): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return false;
  answer.setHeader('vary', 'Origin');
  if (!rules.isAllowed(origin)) return false;
  answer.setHeader('access-control-allow-origin', origin);
  if (rules.allowCredentials) answer.setHeader('access-control-allow-credentials', 'true');
  const asked = request.headers['access-control-request-method'];
  if (request.method !== 'OPTIONS' || asked === undefined) {
    answer.setHeader('access-control-expose-headers', rules.exposedHeaders.join(', '));
    return false;
  }
  answer.setHeader('access-control-allow-methods', rules.methods.join(', '));
  const wanted = request.headers['access-control-request-headers'];
  const asks = typeof wanted === 'string' && HEADER_NAMES.test(wanted) ? wanted : '';
  answer.setHeader('vary', 'Origin, Access-Control-Request-Headers');
  // A star in the answer would not stand for Authorization (Fetch standard).
  answer.setHeader('access-control-allow-headers', rules.headers?.join(', ') ?? asks);
  if (rules.maxAgeS > 0) answer.setHeader('access-control-max-age', String(rules.maxAgeS));
  answer.writeHead(204);
  answer.end();
  return true;
}
