/** What Apple does in its own way: a client secret that is a token of ours, and a name beside the ID token. */
import { importPKCS8, SignJWT } from 'jose';
import type { JsonObject } from '../account.ts';
import type { OidcProviderConfig } from '../config/config.ts';

const SECRET_S = 300;

/** The client's secret, good for five minutes. */
export async function appleSecret(
  { apple, clientId }: OidcProviderConfig,
  nowMs: number,
): Promise<string> {
  const seconds = Math.floor(nowMs / 1_000);
  return new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: apple?.keyId ?? '' })
    .setIssuer(apple?.teamId ?? '')
    .setSubject(clientId)
    .setAudience('https://appleid.apple.com')
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + SECRET_S)
    .sign(await importPKCS8(apple?.privateKey ?? '', 'ES256'));
}

/** Apple tells a person's name once, beside the code and unsigned: it is no more than what one types oneself. */
export function withAppleName(raw: JsonObject, user: string | null): JsonObject {
  try {
    const told: unknown = JSON.parse(user ?? '');
    const name: unknown = Reflect.get(told as object, 'name');
    const first: unknown = Reflect.get(name as object, 'firstName');
    const last: unknown = Reflect.get(name as object, 'lastName');
    const given = typeof first === 'string' ? { given_name: first } : {};
    const family = typeof last === 'string' ? { family_name: last, last_name: last } : {};
    return { ...given, ...family, ...raw };
  } catch {
    return raw;
  }
}
