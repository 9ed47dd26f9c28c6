/**
 * Ids and secrets of clients. INVARIANT: of a secret nothing is kept but its SHA-256: 384 random bits need no slow hash, and
 * are compared in constant time.
 */
import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { Secret } from '../kernel/index.ts';

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ID_CHARACTERS = 32;
const SECRET_BYTES = 48;
const CLIENT_ID = /^[\x21-\x39\x3b-\x7e]{3,128}$/;

/** Whether a text may be a client's id: no colon, which ends it in HTTP Basic (RFC 7617). */
export function isClientId(text: string): boolean {
  return CLIENT_ID.test(text);
}
export function newClientId(): string {
  let text = '';
  for (let i = 0; i < ID_CHARACTERS; i++) text += ALPHANUMERIC[randomInt(ALPHANUMERIC.length)];
  return text;
}
export function newClientSecret(): Secret {
  return new Secret(randomBytes(SECRET_BYTES).toString('base64url'));
}
/** What is kept of a secret: hex. */
export function hashClientSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
export function isClientSecret(given: string, hash: string): boolean {
  const mine = Buffer.from(hashClientSecret(given));
  const kept = Buffer.from(hash);
  return mine.length === kept.length && timingSafeEqual(mine, kept);
}
