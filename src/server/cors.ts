/**
 * Cross-origin sharing (Fetch standard, "CORS protocol") as Keto's and Kratos's configurations say it, for every door of
 * a listener alike: REST, Connect and gRPC-Web. Nothing is shared unless the configuration names the origin; a star is
 * never combined with credentials.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { PosternError } from '../kernel/index.ts';

const Texts = Type.Optional(Type.Array(Type.String({ minLength: 1 })));
const Cors = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean()),
    allowed_origins: Texts,
    allowed_methods: Texts,
    allowed_headers: Texts,
    exposed_headers: Texts,
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
  readonly headers: readonly string[];
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
  if (allowCredentials && origins.includes('*'))
    throw new PosternError(
      'invalid',
      `${name}: allow_credentials with the origin * would let every site act for its visitors`,
      { hint: 'Name the origins under allowed_origins' },
    );
  const matchers = origins.map(matcherOf);
  return {
    isAllowed: (origin) => matchers.some((matches) => matches(origin.toLowerCase())),
    methods: part.allowed_methods ?? ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    headers: part.allowed_headers ?? ['Authorization', 'Content-Type'],
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
  answer.setHeader('access-control-allow-headers', rules.headers.join(', '));
  if (rules.maxAgeS > 0) answer.setHeader('access-control-max-age', String(rules.maxAgeS));
  answer.writeHead(204);
  answer.end();
  return true;
}
