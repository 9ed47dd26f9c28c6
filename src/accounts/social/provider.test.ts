/** What is asked of the providers of the catalogue; none of it needs the network. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../kernel/index.ts';
import type { OidcProviderConfig } from '../config/config.ts';
import { SocialProvider } from './provider.ts';
import { ProviderRefusal } from './refusal.ts';

function providerOf(provider: string, more: Partial<OidcProviderConfig> = {}): SocialProvider {
  const config: OidcProviderConfig = {
    ...{ id: 'p', provider, label: 'P', clientId: 'client', clientSecret: 'secret' },
    ...{ issuerUrl: undefined, scope: ['a', 'b'], mapper: '{ identity: { traits: {} } }' },
    ...{ pkce: 'auto', claimsSource: undefined, subjectSource: 'userinfo' },
    ...{ requestedClaims: undefined, updateOnLogin: 'never', additionalAudiences: [] },
    ...{ aal2Acr: [], aal2Amr: [], apple: undefined, ...more },
  };
  return new SocialProvider(config, { baseUrl: 'https://id.example.com', clock: systemClock });
}
async function asked(provider: SocialProvider, isForced = false, upstream = {}): Promise<URL> {
  return new URL((await provider.begin('the-state', { isForced, upstream })).url);
}
async function refusal(provider: SocialProvider, answer: Record<string, string>): Promise<string> {
  const trip = { state: 'the-state', nonce: 'n', verifier: undefined };
  const parameters = new URLSearchParams({ state: 'the-state', ...answer });
  const told = await provider.finish(parameters, trip).catch((reason: unknown) => reason);
  if (!(told instanceof ProviderRefusal)) throw new Error('no refusal');
  return told.code;
}

describe('the way to a provider of the catalogue', () => {
  it('has what OAuth 2.0 asks for, and no nonce', async () => {
    const { origin, pathname, searchParams } = await asked(providerOf('github'));
    expect(origin + pathname).toBe('https://github.com/login/oauth/authorize');
    expect(Object.fromEntries(searchParams)).toEqual({
      ...{ client_id: 'client', response_type: 'code', scope: 'a b', state: 'the-state' },
      redirect_uri: 'https://id.example.com/self-service/methods/oidc/callback/p',
    });
  });

  it.each([
    ['patreon', 'none', 'consent'],
    ['discord', 'none', 'consent'],
    ['dingtalk', 'consent', 'consent'],
    ['vk', null, 'login'],
  ])('of %s says prompt=%s, and %s to prove oneself again', async (name, usual, forced) => {
    const provider = providerOf(name);
    expect((await asked(provider)).searchParams.get('prompt')).toBe(usual);
    expect((await asked(provider, true)).searchParams.get('prompt')).toBe(forced);
    const upstream = { prompt: 'none' };
    expect((await asked(provider, true, upstream)).searchParams.get('prompt')).toBe(forced);
  });

  it('of UAE PASS has a level that the app may choose, and can be its staging', async () => {
    const issuerUrl = 'https://stg-id.uaepass.ae/';
    const provider = providerOf('uaepass', { issuerUrl, pkce: 'force' });
    const usual = await asked(provider);
    expect(usual.origin + usual.pathname).toBe('https://stg-id.uaepass.ae/idshub/authorize');
    expect(usual.searchParams.get('acr_values')).toMatch(/level:low$/);
    expect(usual.searchParams.get('code_challenge_method')).toBe('S256');
    expect(usual.searchParams.get('redirect_uri')).toMatch(/oidc\/callback$/);
    const chosen = await asked(provider, false, { acr_values: 'urn:app' });
    expect(chosen.searchParams.get('acr_values')).toBe('urn:app');
  });

  it('lets no app change what belongs to the server', async () => {
    const upstream = { state: 'x', redirect_uri: 'https://foe.example', scope: 'admin' };
    const { searchParams } = await asked(providerOf('github'), false, upstream);
    expect(searchParams.getAll('state')).toEqual(['the-state']);
    expect(searchParams.get('redirect_uri')).toMatch(/^https:\/\/id\.example\.com/);
    expect(searchParams.get('scope')).toBe('a b');
  });
});

describe('an answer', () => {
  it("of GitHub may have GitHub's name in it, and no other (RFC 9207)", async () => {
    const github = providerOf('github');
    const told = { error: 'access_denied' };
    const right = { ...told, iss: 'https://github.com/login/oauth' };
    expect(await refusal(github, right)).toBe('access_denied');
    expect(await refusal(github, told)).toBe('access_denied');
    expect(await refusal(github, { ...told, iss: 'https://foe.example' })).toBe('invalid_answer');
  });

  it('of another state counts for nothing', async () => {
    expect(await refusal(providerOf('vk'), { code: 'c', state: 'other' })).toBe('invalid_answer');
    expect(await refusal(providerOf('vk'), { error: 'x', state: 'other' })).toBe('invalid_answer');
  });

  it('says why in a word, or not at all', async () => {
    expect(await refusal(providerOf('vk'), { error: '<script>alert(1)</script>' })).toBe('refused');
  });

  it('of a native app needs a provider with keys', async () => {
    for (const name of ['github', 'uaepass', 'vk']) {
      const provider = providerOf(name, { additionalAudiences: ['app'] });
      await expect(provider.verify('a.b.c', 'n')).rejects.toMatchObject({
        code: 'id_token_not_supported',
      });
    }
  });
});
