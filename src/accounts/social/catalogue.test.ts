import { describe, expect, it } from 'vitest';
import { PRESETS, REFUSED } from './catalogue.ts';

/** The domains that a provider's own documents name. */
const DOMAINS: Readonly<Record<string, readonly string[]>> = {
  google: ['google.com'],
  apple: ['apple.com'],
  microsoft: ['microsoftonline.com'],
  gitlab: ['gitlab.com'],
  linkedin: ['linkedin.com'],
  linkedin_v2: ['linkedin.com'],
  salesforce: ['salesforce.com'],
  netid: ['netid.de'],
  line: ['line.me'],
  github: ['github.com'],
  'github-app': ['github.com'],
  discord: ['discord.com'],
  facebook: ['facebook.com'],
  spotify: ['spotify.com'],
  amazon: ['amazon.com'],
  slack: ['slack.com'],
  vk: ['vk.com'],
  yandex: ['yandex.com', 'yandex.ru'],
  patreon: ['patreon.com'],
  lark: ['feishu.cn'],
  dingtalk: ['dingtalk.com'],
  uaepass: ['uaepass.ae'],
};
/** What `provider` may be in Kratos's configuration schema. */
const KRATOS = [
  ...['github', 'github-app', 'gitlab', 'generic', 'google', 'microsoft', 'discord', 'salesforce'],
  ...['slack', 'facebook', 'auth0', 'vk', 'yandex', 'apple', 'spotify', 'netid', 'dingtalk'],
  ...['patreon', 'line', 'linkedin', 'linkedin_v2', 'lark', 'x', 'fedcm-test', 'amazon', 'uaepass'],
];

function urlsOf(name: string): readonly string[] {
  const preset = PRESETS.get(name);
  if (preset === undefined) return [];
  if (preset.kind === 'openid') return preset.issuer === undefined ? [] : [preset.issuer];
  const { issuer, authorizeUrl, tokenUrl, profileUrls } = preset;
  return [issuer, authorizeUrl, tokenUrl, ...profileUrls];
}

describe('the catalogue', () => {
  it.each(KRATOS)('knows %s of Kratos, or says why not', (name) => {
    expect(PRESETS.has(name)).not.toBe(REFUSED.has(name));
  });

  it.each([...PRESETS.keys()])('has %s at its own hosts, by https', (name) => {
    for (const text of urlsOf(name)) {
      const { protocol, hostname, username, port } = new URL(text);
      expect(protocol, text).toBe('https:');
      expect(username + port, text).toBe('');
      const isOwn = (DOMAINS[name] ?? []).some(
        (domain) => hostname === domain || hostname.endsWith(`.${domain}`),
      );
      expect(isOwn, text).toBe(true);
    }
  });

  it('moves a provider as a whole', () => {
    for (const [name, preset] of PRESETS)
      if (preset.kind === 'oauth' && preset.isMovable === true)
        for (const url of urlsOf(name)) expect(url.startsWith(preset.issuer), url).toBe(true);
  });

  it('sends no access token in a URL', () => {
    for (const name of PRESETS.keys()) expect(urlsOf(name).join()).not.toMatch(/[?&]\w*token=/);
  });
});
