/** Signing keys: one signs, those before it verify for thirty days more. */
import { createLocalJWKSet, importJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { ProviderKeys } from './keys.ts';
import { onEachStore } from './stores.fixture.ts';

const DAY_MS = 24 * 3_600_000;
const publicOf = ({ kty, n, e, kid, use, alg }: JWK): JWK => ({ kty, n, e, kid, use, alg }) as JWK;

describe('signing keys', () => {
  onEachStore((rooms) => {
    it('rotate with an overlap in which older tokens verify, and are dropped after it', async () => {
      const keys = new ProviderKeys(rooms());
      const [first] = await keys.load();
      expect(await keys.load()).toHaveLength(1);
      const token = await new SignJWT({})
        .setProtectedHeader({ alg: 'RS256', kid: String(first?.kid) })
        .sign(await importJWK(first ?? {}));
      // Long after it was made: the overlap counts from the key that follows.
      rooms().advance(400 * DAY_MS);
      await keys.rotate();
      const both = await keys.load();
      expect(both).toHaveLength(2);
      expect(both[1]?.kid).toBe(first?.kid);
      expect(both[0]?.kid).not.toBe(first?.kid);
      expect((await keys.list()).map(({ isCurrent }) => isCurrent)).toEqual([true, false]);
      const verify = async (): Promise<unknown> =>
        jwtVerify(token, createLocalJWKSet({ keys: (await keys.load()).map(publicOf) }));
      rooms().advance(30 * DAY_MS - 1);
      await verify();
      rooms().advance(1);
      await expect(verify()).rejects.toThrow();
      expect((await keys.list()).map(({ kid }) => kid)).toEqual([both[0]?.kid]);
    }, 60_000);

    it('are listed without their private parts, and kept sealed', async () => {
      const keys = new ProviderKeys(rooms());
      const [key] = await keys.load();
      expect(key).toMatchObject({ kty: 'RSA', use: 'sig', alg: 'RS256' });
      for (const info of await keys.list())
        expect(Object.keys(info).sort()).toEqual(['createdAtMs', 'isCurrent', 'kid']);
    });
  });
});
