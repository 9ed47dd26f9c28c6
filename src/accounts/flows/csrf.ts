/**
 * Double-submit tokens against cross-site requests: a random secret in a cookie, and a masked form of it in the form,
 * so that the form's bytes differ each time (against BREACH). Pure but for randomness.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 32;

/** The cookie's name for a public base URL: two servers on one host do not overwrite each other's. */
export function csrfCookieName(publicUrl: string): string {
  return `csrf_token_${createHash('sha256').update(publicUrl).digest('hex')}`;
}

export function newCsrfSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64');
}

/** The secret of a cookie; undefined when it is none of ours. */
export function readCsrfSecret(cookie: string | undefined): string | undefined {
  if (cookie === undefined || !/^[A-Za-z0-9+/]{43}=$/.test(cookie)) return undefined;
  return cookie;
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));
}

/** A token for a form. */
export function maskCsrf(secret: string): string {
  const mask = randomBytes(SECRET_BYTES);
  return Buffer.concat([mask, xor(mask, Buffer.from(secret, 'base64'))]).toString('base64');
}

/** Whether a form's token is a mask of the cookie's secret; the bare secret counts too. */
export function isCsrfToken(token: string, secret: string): boolean {
  const expected = Buffer.from(secret, 'base64');
  const given = Buffer.from(token, 'base64');
  if (expected.length !== SECRET_BYTES) return false;
  if (given.length === SECRET_BYTES) return timingSafeEqual(given, expected);
  if (given.length !== 2 * SECRET_BYTES) return false;
  return timingSafeEqual(
    xor(given.subarray(0, SECRET_BYTES), given.subarray(SECRET_BYTES)),
    expected,
  );
}
