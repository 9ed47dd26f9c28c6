/**
 * What a provider says of a person, in the shape that mappers written for Kratos read. Pure. Only what the provider
 * signed, or told over its own API, may become a claim.
 */
import type { Json, JsonObject } from '../account.ts';
import { isFlatEnough } from '../outgoing/nesting.ts';

const UPSTREAM_TEXT_MAX = 255;
const UPSTREAM_LIST_MAX = 16;

/** Claims as mappers see them: `iss`, `sub`, the known ones as far as they are there, and `raw_claims`. */
export type Claims = JsonObject & { readonly iss: string; readonly sub: string };

const TEXTS = [
  ...['oid', 'name', 'given_name', 'family_name', 'last_name', 'middle_name', 'nickname'],
  ...['preferred_username', 'profile', 'picture', 'website', 'email', 'gender', 'birthdate'],
  ...['zoneinfo', 'phone_number', 'hd', 'team', 'acr'],
] as const;
/** Some providers send them as text. */
const FLAGS = ['email_verified', 'phone_number_verified', 'nonce_supported'] as const;
const SUBJECT_MAX = 255;

/**
 * The claims of a provider's answer; what is empty or false is left out, as Kratos does. Undefined where it names no
 * person: a subject is text of at most 255 characters (OpenID Connect Core 2), and nobody's profile is nested without end.
 */
export function claimsOf(raw: JsonObject, issuer: string): Claims | undefined {
  if (!isFlatEnough(raw)) return undefined;
  const own = (name: string): Json | undefined =>
    Object.hasOwn(raw, name) ? raw[name] : undefined;
  const sub = own('sub');
  if (typeof sub !== 'string' || sub === '' || sub.length > SUBJECT_MAX) return undefined;
  const iss = own('iss');
  const claims: Record<string, Json> = { iss: typeof iss === 'string' ? iss : issuer, sub };
  for (const name of TEXTS) {
    const value = own(name);
    if (typeof value === 'string' && value !== '') claims[name] = value;
  }
  for (const name of FLAGS) if ([true, 'true'].includes(own(name) as never)) claims[name] = true;
  const locale = localeOf(own('locale'));
  if (locale !== undefined) claims['locale'] = locale;
  const updatedAt = own('updated_at');
  const seconds = typeof updatedAt === 'string' ? Date.parse(updatedAt) / 1_000 : updatedAt;
  if (typeof seconds === 'number' && Number.isFinite(seconds)) claims['updated_at'] = seconds;
  const amr = own('amr');
  if (Array.isArray(amr)) claims['amr'] = amr.filter((item) => typeof item === 'string');
  return { ...claims, raw_claims: raw } as unknown as Claims;
}

/** LinkedIn tells language and country apart. */
function localeOf(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { language, country } = value as JsonObject;
  const parts = [language, country].filter((p) => typeof p === 'string' && p !== '');
  return parts.length === 0 ? undefined : parts.join('-');
}

/** How a provider says that it identified somebody (OpenID Connect Core 2, RFC 8176). */
export interface Assurance {
  readonly acr: string | undefined;
  readonly amr: readonly string[];
}

/** Of claims, in which they are the ID token's own; what no list would name is left out. */
export function assuranceOf({ acr, amr }: Claims): Assurance {
  const isShort = (value: Json | undefined): value is string =>
    typeof value === 'string' && value !== '' && value.length <= UPSTREAM_TEXT_MAX;
  const list: readonly Json[] = Array.isArray(amr) ? amr : [];
  return {
    acr: isShort(acr) ? acr : undefined,
    amr: list.filter(isShort).slice(0, UPSTREAM_LIST_MAX),
  };
}

/** Whether the provider asked for a second factor already, by the values that the configuration names. */
export function isSecondFactorDone(
  { acr, amr }: Assurance,
  named: { readonly aal2Acr: readonly string[]; readonly aal2Amr: readonly string[] },
): boolean {
  return (
    (acr !== undefined && named.aal2Acr.includes(acr)) ||
    amr.some((value) => named.aal2Amr.includes(value))
  );
}
