/**
 * What the public surface reads of a request and writes of an answer: cookies, the kind of answer that is wanted, forms.
 * INVARIANT: nothing here trusts Host or Forwarded headers; every address that is answered comes from the configuration.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isJsonObject, type Json, type JsonObject, type Session } from '../account.ts';
import type { AccountsConfig, CookieConfig } from '../config/config.ts';
import { csrfCookieName, newCsrfSecret, readCsrfSecret } from '../flows/csrf.ts';
import { FlowFault } from '../flows/fault.ts';
import type { RequestFacts, Submission, Visitor } from '../flows/flow.ts';
import { isFlatEnough } from '../outgoing/nesting.ts';
import type { IdentitySchema } from '../schema/identity-schema.ts';
import type { Services } from '../services.ts';

export const NO_STORE = 'private, no-cache, no-store, must-revalidate';

/** Cookies by name; one that came twice with different values is nobody's, since one of the two was planted. */
export function readCookies(header: string | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const planted = new Set<string>();
  for (const part of (header ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at < 1) continue;
    const name = part.slice(0, at).trim();
    const value = part
      .slice(at + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
    const before = found.get(name);
    if (before !== undefined && before !== value) planted.add(name);
    found.set(name, value);
  }
  for (const name of planted) found.delete(name);
  return found;
}

/** A Set-Cookie (RFC 6265). `maxAgeS` 0 removes it; undefined makes it one of the browser's session. */
export function cookieText(
  name: string,
  value: string,
  { domain, path, sameSite, isSecure }: CookieConfig,
  maxAgeS: number | undefined,
): string {
  const parts = [
    `${name}=${value}`,
    `Path=${path}`,
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
    ...(maxAgeS === undefined ? [] : [`Max-Age=${maxAgeS}`]),
    'HttpOnly',
    ...(isSecure ? ['Secure'] : []),
    // A browser takes None from secure origins alone.
    `SameSite=${sameSite === 'None' && !isSecure ? 'Lax' : sameSite}`,
  ];
  return parts.join('; ');
}

/** Adds a Set-Cookie to those that are there: Fastify keeps each of them. */
export function addCookie(reply: FastifyReply, text: string): void {
  reply.header('set-cookie', text);
}

function quality(accept: string, types: readonly string[]): number {
  let best = 0;
  for (const part of accept.split(',')) {
    const [type = '', ...parameters] = part.split(';').map((p) => p.trim().toLowerCase());
    if (!types.includes(type)) continue;
    const q = parameters.find((p) => p.startsWith('q='));
    const value = q === undefined ? 1 : Number(q.slice(2));
    if (value > best) best = value;
  }
  return best;
}

/** Whether an init of a browser flow is answered as JSON (the SPA flavour). */
export function wantsJson(headers: IncomingHttpHeaders): boolean {
  const accept = headers.accept ?? '';
  const json = quality(accept, ['application/json']);
  return json > 0 && json > quality(accept, ['text/html', 'text/*']);
}
/** Whether a submission is: by what it accepts, or because it is JSON itself. */
export function submitsJson(headers: IncomingHttpHeaders): boolean {
  return wantsJson(headers) || headers['content-type'] === 'application/json';
}

/** Programs' flows are not for browsers: a page could not protect them against another page. */
export function refuseBrowser(headers: IncomingHttpHeaders): void {
  const isForeign = [...readCookies(headers.cookie).keys()].some((n) => !/^(__cf|_cf|cf_)/.test(n));
  if (headers.origin !== undefined || isForeign)
    throw new FlowFault(
      'bad_request',
      {},
      'Programs send neither cookies nor an Origin: a browser uses the browser flow.',
    );
}

/** The token of a session, from wherever clients put it. */
export function sessionTokenOf(
  headers: IncomingHttpHeaders,
  cookieName: string,
): string | undefined {
  const own = headers['x-session-token'];
  if (typeof own === 'string' && own !== '') return own;
  const cookie = readCookies(headers.cookie).get(cookieName);
  if (cookie !== undefined && cookie !== '') return cookie;
  return /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
}

export async function sessionOf(
  services: Services,
  headers: IncomingHttpHeaders,
): Promise<Session | undefined> {
  const token = sessionTokenOf(headers, services.config.session.cookieName);
  return token === undefined ? undefined : services.sessions.find(token);
}

export async function visitorOf(services: Services, request: FastifyRequest): Promise<Visitor> {
  return {
    ipAddress: request.ip,
    userAgent: request.headers['user-agent'] ?? '',
    session: await sessionOf(services, request.headers),
    request: requestFacts(services.config, request),
  };
}

/** What web hooks may be told of a request; the address is the configured one, whatever the request named. */
export function requestFacts(config: AccountsConfig, request: FastifyRequest): RequestFacts {
  const headers = new Map<string, string[]>();
  for (const [name, value] of Object.entries(request.headers)) {
    const canonical = name.replace(/(^|-)([a-z])/g, (letter) => letter.toUpperCase());
    if (value !== undefined) headers.set(canonical, [value].flat());
  }
  return {
    method: request.method,
    url: `${config.publicUrl}${request.url}`,
    headers: Object.fromEntries(headers),
    cookies: Object.fromEntries(readCookies(request.headers.cookie)),
  };
}

/** The browser's CSRF secret, made and set when it has none. */
export function ensureCsrf(
  config: AccountsConfig,
  request: FastifyRequest,
  reply: FastifyReply,
): string {
  const known = csrfOf(config, request);
  if (known !== undefined) return known;
  return renewCsrf(config, reply);
}
const YEAR_S = 365 * 24 * 3_600;
export function renewCsrf(config: AccountsConfig, reply: FastifyReply): string {
  const secret = newCsrfSecret();
  addCookie(reply, cookieText(csrfCookieName(config.publicUrl), secret, config.cookies, YEAR_S));
  return secret;
}
export function csrfOf(config: AccountsConfig, request: FastifyRequest): string | undefined {
  return readCsrfSecret(readCookies(request.headers.cookie).get(csrfCookieName(config.publicUrl)));
}

export function setSessionCookie(
  config: AccountsConfig,
  reply: FastifyReply,
  token: string,
  expiresAtMs: number,
  nowMs: number,
): void {
  const maxAgeS = config.session.isPersistent
    ? Math.ceil((expiresAtMs - nowMs) / 1_000)
    : undefined;
  addCookie(reply, cookieText(config.session.cookieName, token, config.session.cookie, maxAgeS));
}
export function clearSessionCookie(config: AccountsConfig): string {
  return cookieText(config.session.cookieName, '', config.session.cookie, 0);
}

/** One value of a query; the first where there are several. */
export function queryText(request: FastifyRequest, name: string): string | undefined {
  const { query } = request;
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return undefined;
  const value: unknown = Reflect.get(query, name);
  const [first]: unknown[] = Array.isArray(value) ? value : [value];
  // PostgreSQL takes no text with a NUL, and nothing here has one.
  return typeof first === 'string' && first !== '' && !first.includes('\0') ? first : undefined;
}

/** Of `transient_payload`: it is for hooks, and no store of files. */
const PAYLOAD_CHARACTERS_MAX = 16_384;

function recordOf(value: Json | undefined): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined;
}

/** The body of a submission, JSON or a form, for a flow of the schema. Throws FlowFault for what is neither. */
export function submissionOf(request: FastifyRequest, schema: IdentitySchema): Submission {
  const { body } = request;
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(
    request.headers['content-type'] ?? '',
  );
  if (body === undefined || body === null || body === '')
    return { method: undefined, fields: {}, traits: undefined, transientPayload: undefined };
  if (!isJsonObject(body)) throw new FlowFault('bad_request', {}, 'The body is no JSON object.');
  const text = (name: string): string | undefined => {
    const value = Object.hasOwn(body, name) ? body[name] : undefined;
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  if (!isForm && !isFlatEnough(body))
    throw new FlowFault('bad_request', {}, 'The body is nested too deeply.');
  const payload = recordOf(body['transient_payload']);
  // Anybody may begin flows, and each keeps it.
  if (payload !== undefined && JSON.stringify(payload).length > PAYLOAD_CHARACTERS_MAX)
    throw new FlowFault(
      'bad_request',
      {},
      `transient_payload has more than ${PAYLOAD_CHARACTERS_MAX} characters.`,
    );
  if (!isForm)
    return {
      method: text('method'),
      fields: body,
      traits: recordOf(body['traits']),
      transientPayload: payload,
    };
  const flat = new Map<string, string>();
  for (const [name, value] of Object.entries(body)) {
    // A button repeats what a hidden field said; the button is what was pressed, and comes last. Some pages have a hidden
    // field twice, of which a script fills the first.
    const given = Array.isArray(value) ? (value.findLast((v) => v !== '') ?? '') : value;
    if (typeof given === 'string') flat.set(name, given);
  }
  const hasTraits = [...flat.keys()].some((name) => name.startsWith('traits.'));
  return {
    method: flat.get('method') || undefined,
    fields: Object.fromEntries(flat),
    traits: hasTraits ? schema.fromForm(flat) : undefined,
    transientPayload: undefined,
  };
}
