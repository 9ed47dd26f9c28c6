/** What is odd about providers with OpenID Connect, and hostile in their answers, against an issuer on loopback. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../kernel/index.ts';
import type { OidcProviderConfig } from '../config/config.ts';
import type { Claims } from './claims.ts';
import { SocialProvider } from './provider.ts';
import { ProviderRefusal } from './refusal.ts';

const keys = await generateKeyPair('RS256');
const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' };

let url = '';
let asked: { readonly path: string; readonly auth: string; readonly form: URLSearchParams }[] = [];
/** What the next ID token says, and what userinfo says. */
let signed: Record<string, unknown> = {};
let userinfo: Record<string, unknown> = {};

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
async function answer(path: string): Promise<unknown> {
  switch (path) {
    case '/.well-known/openid-configuration':
      return {
        ...{ issuer: url, authorization_endpoint: `${url}/auth`, token_endpoint: `${url}/token` },
        ...{ jwks_uri: `${url}/jwks`, userinfo_endpoint: `${url}/userinfo` },
        id_token_signing_alg_values_supported: ['RS256'],
      };
    case '/jwks':
      return { keys: [jwk] };
    case '/userinfo':
      return userinfo;
    default: {
      const token = await new SignJWT({ iss: url, aud: 'client', sub: 's', ...signed })
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(keys.privateKey);
      return { access_token: 'at', token_type: 'Bearer', id_token: token };
    }
  }
}
const server = createServer(async (request, response) => {
  const path = request.url ?? '';
  const form = new URLSearchParams(await bodyOf(request));
  asked.push({ path, auth: request.headers.authorization ?? '', form });
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(await answer(path)));
});
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  // It listens on a port.
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
  signed = {};
  userinfo = { sub: 's' };
});

function providerOf(provider: string, more: Partial<OidcProviderConfig> = {}): SocialProvider {
  const config: OidcProviderConfig = {
    ...{ id: 'p', provider, label: 'P', clientId: 'client', clientSecret: 'a secret' },
    ...{ issuerUrl: url, scope: [], mapper: '{ identity: { traits: {} } }' },
    ...{ pkce: 'auto', claimsSource: undefined, subjectSource: 'userinfo' },
    ...{ requestedClaims: undefined, updateOnLogin: 'never', additionalAudiences: [] },
    ...{ aal2Acr: [], aal2Amr: [], apple: undefined, ...more },
  };
  return new SocialProvider(config, { baseUrl: 'https://id.example.com', clock: systemClock });
}
/** The whole way; the ID token has the nonce that was asked for, unless `signed` has another. */
async function through(provider: SocialProvider): Promise<Claims> {
  const { url: to, trip } = await provider.begin('st', { isForced: false, upstream: {} });
  const nonce = new URL(to).searchParams.get('nonce');
  signed = { ...(nonce === null ? {} : { nonce }), ...signed };
  return provider.finish(new URLSearchParams({ code: 'c', state: 'st' }), trip);
}
async function refusal(provider: SocialProvider): Promise<string> {
  const told = await through(provider).catch((reason: unknown) => reason);
  if (!(told instanceof ProviderRefusal)) throw new Error('no refusal');
  return told.code;
}
const tokenRequest = () => asked.find(({ path }) => path === '/token');

describe('an issuer', () => {
  it('is asked for its discovery once by all who wait', async () => {
    const provider = providerOf('generic');
    const o = { isForced: false, upstream: {} };
    await Promise.all(Array.from({ length: 20 }, () => provider.begin('st', o)));
    expect(asked.map(({ path }) => path)).toEqual(['/.well-known/openid-configuration']);
  });

  it('gets the secret in the header, where it says nothing else', async () => {
    expect(await through(providerOf('generic'))).toMatchObject({ iss: url, sub: 's' });
    expect(tokenRequest()?.auth).toMatch(/^Basic /);
    expect(tokenRequest()?.form.has('client_secret')).toBe(false);
  });

  it.each([
    ['another nonce', { nonce: 'other' }],
    ['no nonce', { nonce: undefined }],
    ['another audience', { aud: 'other' }],
    ['a second audience that is the authorized one', { aud: ['client', 'other'], azp: 'other' }],
    ['another issuer', { iss: 'https://foe.example' }],
  ])('is not believed with %s', async (_what, claims) => {
    signed = claims;
    expect(await refusal(providerOf('generic'))).toBe('invalid_answer');
  });

  it('tells at userinfo of nobody else', async () => {
    userinfo = { sub: 'admin', email: 'admin@example.com' };
    const provider = providerOf('generic', { claimsSource: 'userinfo' });
    expect(await refusal(provider)).toBe('invalid_answer');
  });

  it('says how sure it is in the ID token alone', async () => {
    signed = { acr: 'one' };
    userinfo = { sub: 's', acr: 'two', amr: ['mfa'], name: 'Ann' };
    const claims = await through(providerOf('generic', { claimsSource: 'userinfo' }));
    expect(claims).toMatchObject({ acr: 'one', name: 'Ann' });
    expect(claims).not.toHaveProperty('amr');
  });
});

describe('LinkedIn', () => {
  it('gets no nonce and the secret in the form, and tells language and country apart', async () => {
    userinfo = { sub: 's', locale: { language: 'en', country: 'US' }, email_verified: true };
    const provider = providerOf('linkedin_v2');
    expect(await through(provider)).toMatchObject({ locale: 'en-US', email_verified: true });
    expect(tokenRequest()?.auth).toBe('');
    expect(tokenRequest()?.form.get('client_secret')).toBe('a secret');
  });

  it('is not believed with a nonce that nobody sent', async () => {
    signed = { nonce: 'of another sign-in' };
    expect(await refusal(providerOf('linkedin_v2'))).toBe('invalid_answer');
  });
});

describe('LINE', () => {
  it('is asked for an ID token that its keys sign', async () => {
    await through(providerOf('line'));
    expect(tokenRequest()?.form.get('id_token_key_type')).toBe('JWK');
    expect(tokenRequest()?.auth).toBe('');
  });
});

describe("Microsoft's object id", () => {
  it('is a subject', async () => {
    signed = { oid: '00000000-0000-0000-66f3-3332eca7ea81' };
    const provider = providerOf('microsoft', { subjectSource: 'oid' });
    expect(await through(provider)).toMatchObject({ sub: '00000000-0000-0000-66f3-3332eca7ea81' });
  });

  it.each([undefined, '', 7, {}, ['a']])('%j is nobody', async (oid) => {
    signed = { oid };
    expect(await refusal(providerOf('microsoft', { subjectSource: 'oid' }))).toBe('no_subject');
  });
});
