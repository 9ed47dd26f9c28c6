import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csrfCookieName, isCsrfToken, maskCsrf, newCsrfSecret, readCsrfSecret } from './csrf.ts';

describe('a CSRF token', () => {
  it('is any mask of its own secret, and of no other', () => {
    const [secret, other] = [newCsrfSecret(), newCsrfSecret()];
    const [a, b] = [maskCsrf(secret), maskCsrf(secret)];
    expect(a).not.toBe(b);
    expect([a, b, secret].map((t) => isCsrfToken(t, secret))).toEqual([true, true, true]);
    expect([a, b, secret].map((t) => isCsrfToken(t, other))).toEqual([false, false, false]);
  });
  it('is nothing else', () => {
    const secret = newCsrfSecret();
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(isCsrfToken(text, secret)).toBe(false);
        expect(isCsrfToken(text, text)).toBe(false);
      }),
    );
  });
  it('has a cookie whose name is of the public address', () => {
    expect(csrfCookieName('https://a')).toMatch(/^csrf_token_[0-9a-f]{64}$/);
    expect(csrfCookieName('https://a')).not.toBe(csrfCookieName('https://b'));
    const secret = newCsrfSecret();
    expect(readCsrfSecret(secret)).toBe(secret);
    expect(readCsrfSecret('x')).toBeUndefined();
  });
});
