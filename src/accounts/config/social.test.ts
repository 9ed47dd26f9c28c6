import { describe, expect, it } from 'vitest';
import { Part } from './part.ts';
import { socialOf } from './social.ts';

const LEAST = {
  ...{ id: 'p', provider: 'generic', issuer_url: 'https://issuer.example' },
  ...{ client_id: 'c', client_secret: 's', mapper_url: '{ identity: { traits: {} } }' },
};
async function read(provider: Record<string, unknown>) {
  const part = new Part({ enabled: true, config: { providers: [provider] } }, 'oidc');
  const { providers } = await socialOf(part, async () => '{}');
  return providers[0];
}
const without = (name: keyof typeof LEAST) => {
  const { [name]: _, ...rest } = LEAST;
  return rest;
};

describe('a provider of the file', () => {
  it('may name values of acr and amr that are two factors', async () => {
    const told = await read({ ...LEAST, aal2_acr_values: ['urn:mfa'], aal2_amr_values: ['mfa'] });
    expect(told).toMatchObject({ aal2Acr: ['urn:mfa'], aal2Amr: ['mfa'] });
    expect(await read(LEAST)).toMatchObject({ aal2Acr: [], aal2Amr: [] });
  });

  it('without an ID token can have no such values', async () => {
    const github = { ...without('issuer_url'), provider: 'github', aal2_amr_values: ['mfa'] };
    await expect(read(github)).rejects.toThrow('aal2_amr_values can never match');
    expect(await read({ ...github, aal2_amr_values: [] })).toMatchObject({ provider: 'github' });
  });

  it('may have auth_url and token_url beside its issuer, and not in its place', async () => {
    const urls = { auth_url: 'https://a.example/auth', token_url: 'https://a.example/token' };
    expect(await read({ ...LEAST, ...urls })).toMatchObject({ issuerUrl: LEAST.issuer_url });
    await expect(read({ ...without('issuer_url'), ...urls })).rejects.toThrow(
      'issuer_url is missing',
    );
    await expect(read({ ...LEAST, auth_url: 'nowhere' })).rejects.toThrow('auth_url is no URL');
  });

  it('of the catalogue needs no issuer, and UAE PASS may have one and has PKCE', async () => {
    expect(await read({ ...without('issuer_url'), provider: 'vk' })).toMatchObject({
      ...{ issuerUrl: undefined, pkce: 'auto' },
    });
    const pass = { ...LEAST, provider: 'uaepass' };
    expect(await read(pass)).toMatchObject({ issuerUrl: LEAST.issuer_url, pkce: 'force' });
    expect(await read({ ...pass, pkce: 'never' })).toMatchObject({ pkce: 'never' });
    await expect(read({ ...pass, issuer_url: 'http://id.example' })).rejects.toThrow('https');
  });

  it.each([
    ['x', 'OAuth 1.0a'],
    ['jackson', 'SAML'],
    ['fedcm-test', 'tests'],
    ['nobody', 'known are'],
  ])('"%s" is refused by its name', async (provider, why) => {
    await expect(read({ ...LEAST, provider })).rejects.toThrow(why);
  });

  it.each([
    ['organization_id', '12345678-1234-1234-1234-123456789012'],
    ['fedcm_config_url', 'https://example.com/config.json'],
    ['net_id_token_origin_header', 'https://example.com'],
    ['account_linking_mode', 'automatic'],
    ['scopes', ['email']],
  ])('with %s is refused by that name', async (name, value) => {
    await expect(read({ ...LEAST, [name]: value })).rejects.toThrow(name);
  });
});
