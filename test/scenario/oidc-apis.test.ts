/** Access tokens for APIs: asked for by `audience`, JWTs that an API checks by itself. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRemoteJWKSet, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALLBACK, OidcSite, toCallback } from '../harness/oidc.ts';
import { World } from '../harness/postern.ts';

const AUDIENCE = 'https://api.example/orders';
const world = new World();
let site: OidcSite;

beforeAll(async () => {
  const file = join(world.folder, 'server.yaml');
  writeFileSync(
    file,
    `accounts: { apis: [ { audience: ${AUDIENCE}, scopes: [ "read:orders", "write:orders" ], lifespan: 5m } ] }\n`,
  );
  site = await OidcSite.start(world, '--config', file);
}, 60_000);
afterAll(() => world.close(), 60_000);

interface Tokens {
  readonly access_token: string;
  readonly expires_in: number;
  readonly scope: string;
  readonly error: string;
}
/** As an API does, with nothing but the provider's address. */
async function verify(token: string): Promise<JWTPayload> {
  const keys = createRemoteJWKSet(new URL(`${site.base}/.well-known/jwks.json`));
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: `${site.base}/`,
    audience: AUDIENCE,
    algorithms: ['RS256'],
    typ: 'at+jwt',
  });
  expect(protectedHeader.alg).toBe('RS256');
  return payload;
}

describe('an access token for an API', () => {
  it('is a JWT that names the person, the application and what it may do', async () => {
    const made = await site.client({ first_party: true });
    const url = site.authorize(made, { audience: AUDIENCE, scope: 'openid read:orders other' });
    const back = await toCallback(await site.person(), url);
    const answer = await site.exchange({
      grant_type: 'authorization_code',
      code: back.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      client_id: made.id,
      client_secret: made.secret ?? '',
    });
    const tokens = (await answer.json()) as Tokens;
    expect(tokens.expires_in).toBe(300);
    const claims = await verify(tokens.access_token);
    expect(claims).toMatchObject({ client_id: made.id, scope: 'read:orders' });
    expect(claims.sub).toMatch(/^[0-9a-f-]{36}$/);
    expect(claims).not.toHaveProperty('email');
  });

  it('goes to a service for itself, within the scopes of the API', async () => {
    const made = await site.client({ type: 'service', callback_urls: [], logout_urls: [] });
    const ask = async (more: Record<string, string>): Promise<Tokens> => {
      const answer = await site.exchange({
        ...{ grant_type: 'client_credentials', client_id: made.id },
        client_secret: made.secret ?? '',
        ...more,
      });
      return (await answer.json()) as Tokens;
    };
    const tokens = await ask({ audience: AUDIENCE, scope: 'write:orders' });
    expect(await verify(tokens.access_token)).toMatchObject({
      scope: 'write:orders',
      sub: made.id,
    });
    expect(await ask({ audience: 'https://api.example/other' })).toMatchObject({
      error: 'invalid_target',
    });
    // What the API does not have is not given.
    const less = await ask({ audience: AUDIENCE, scope: 'admin' });
    expect(await verify(less.access_token)).not.toHaveProperty('scope');
  });

  it('cannot be made by somebody who knows the public key, or the address', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: `${site.base}/`, aud: AUDIENCE, sub: 'x', iat: now, exp: now + 60 };
    const jwks = (await (await fetch(`${site.base}/.well-known/jwks.json`)).json()) as {
      keys: { kid: string; n: string }[];
    };
    const [key] = jwks.keys;
    const forged = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: key?.kid ?? '' })
      .sign(Buffer.from(key?.n ?? '', 'base64url'));
    await expect(verify(forged)).rejects.toThrow();
  });
});
