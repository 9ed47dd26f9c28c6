/**
 * The providers that are known by name: where they are and what is odd about them. Pure data, as Kratos has it; profile.ts
 * has what their answers mean.
 */
import type { OAuthPreset, OpenIdPreset, Preset } from './preset.ts';
import * as profile from './profile.ts';

const openid = (
  issuer: string | undefined,
  o: Partial<Omit<OpenIdPreset, 'kind' | 'issuer'>> = {},
): OpenIdPreset => ({ kind: 'openid', issuer, claimsSource: 'id_token', ...o });
const USERINFO = { claimsSource: 'userinfo' } as const;

const GITHUB: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://github.com/login/oauth/access_token',
  answersAs: 'https://github.com/login/oauth',
  authorizeUrl: 'https://github.com/login/oauth/authorize',
  tokenUrl: 'https://github.com/login/oauth/access_token',
  profileUrls: ['https://api.github.com/user', 'https://api.github.com/user/emails'],
  claims: profile.githubClaims,
};
const DISCORD: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://discord.com/api/v9/oauth2/',
  authorizeUrl: 'https://discord.com/api/v9/oauth2/authorize',
  tokenUrl: 'https://discord.com/api/v9/oauth2/token',
  profileUrls: ['https://discord.com/api/v9/users/@me'],
  // Whoever consented once is not asked again.
  parameters: { prompt: 'none' },
  forcedPrompt: 'consent',
  claims: profile.discordClaims,
};
const FACEBOOK: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://graph.facebook.com/me',
  authorizeUrl: 'https://facebook.com/dialog/oauth',
  tokenUrl: 'https://graph.facebook.com/oauth/access_token',
  profileUrls: [
    'https://graph.facebook.com/me?fields=id,name,first_name,last_name,middle_name,email,picture,birthday,gender',
  ],
  claims: profile.facebookClaims,
};
const SPOTIFY: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://accounts.spotify.com/api/token',
  authorizeUrl: 'https://accounts.spotify.com/authorize',
  tokenUrl: 'https://accounts.spotify.com/api/token',
  profileUrls: ['https://api.spotify.com/v1/me'],
  claims: profile.spotifyClaims,
};
const AMAZON: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://api.amazon.com/auth/o2/token',
  authorizeUrl: 'https://www.amazon.com/ap/oa',
  tokenUrl: 'https://api.amazon.com/auth/o2/token',
  profileUrls: ['https://api.amazon.com/user/profile'],
  tokenShown: { header: 'x-amz-access-token' },
  claims: profile.amazonClaims,
};
/** By Slack's first OAuth, whose scopes are `identity.basic` and its like. With OpenID Connect Slack is `generic`. */
const SLACK: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://slack.com/oauth/',
  authorizeUrl: 'https://slack.com/oauth/authorize',
  tokenUrl: 'https://slack.com/api/oauth.access',
  profileUrls: ['https://slack.com/api/users.identity'],
  claims: profile.slackClaims,
};
const LINKEDIN: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://login.linkedin.com/',
  authorizeUrl: 'https://www.linkedin.com/oauth/v2/authorization',
  tokenUrl: 'https://www.linkedin.com/oauth/v2/accessToken',
  profileUrls: [
    'https://api.linkedin.com/v2/me?projection=(id,localizedFirstName,localizedLastName,profilePicture(displayImage~digitalmediaAsset:playableStreams))',
    'https://api.linkedin.com/v2/emailAddress?q=members&projection=(elements*(handle~))',
  ],
  claims: profile.linkedinClaims,
};
const VK: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://api.vk.com/method/users.get',
  authorizeUrl: 'https://oauth.vk.com/authorize',
  tokenUrl: 'https://oauth.vk.com/access_token',
  profileUrls: ['https://api.vk.com/method/users.get?fields=photo_200,nickname,bdate,sex&v=5.103'],
  tokenShown: { field: 'access_token' },
  claims: profile.vkClaims,
};
const YANDEX: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://login.yandex.ru/info',
  authorizeUrl: 'https://oauth.yandex.com/authorize',
  tokenUrl: 'https://oauth.yandex.com/token',
  profileUrls: ['https://login.yandex.ru/info?format=json'],
  tokenShown: { header: 'authorization', scheme: 'OAuth' },
  claims: profile.yandexClaims,
};
const PATREON: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://www.patreon.com/',
  authorizeUrl: 'https://www.patreon.com/oauth2/authorize',
  tokenUrl: 'https://www.patreon.com/api/oauth2/token',
  profileUrls: [
    'https://www.patreon.com/api/oauth2/v2/identity?fields%5Buser%5D=first_name,last_name,url,full_name,email,image_url',
  ],
  parameters: { prompt: 'none' },
  forcedPrompt: 'consent',
  claims: profile.patreonClaims,
};
const LARK: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://passport.feishu.cn/suite/passport/oauth/userinfo',
  authorizeUrl: 'https://passport.feishu.cn/suite/passport/oauth/authorize',
  tokenUrl: 'https://passport.feishu.cn/suite/passport/oauth/token',
  profileUrls: ['https://passport.feishu.cn/suite/passport/oauth/userinfo'],
  claims: profile.larkClaims,
};
const DINGTALK: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://api.dingtalk.com/v1.0/contact/users/me',
  authorizeUrl: 'https://login.dingtalk.com/oauth2/auth',
  tokenUrl: 'https://api.dingtalk.com/v1.0/oauth2/userAccessToken',
  profileUrls: ['https://api.dingtalk.com/v1.0/contact/users/me'],
  parameters: { prompt: 'consent' },
  forcedPrompt: 'consent',
  codeParameter: 'authCode',
  dialect: {
    json: {
      client_id: 'clientId',
      client_secret: 'clientSecret',
      code: 'code',
      grant_type: 'grantType',
    },
    accessToken: 'accessToken',
  },
  tokenShown: { header: 'x-acs-dingtalk-access-token' },
  claims: profile.dingtalkClaims,
};
const UAEPASS: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://id.uaepass.ae',
  isMovable: true,
  authorizeUrl: 'https://id.uaepass.ae/idshub/authorize',
  tokenUrl: 'https://id.uaepass.ae/idshub/token',
  profileUrls: ['https://id.uaepass.ae/idshub/userinfo'],
  authentication: 'basic',
  parameters: { acr_values: 'urn:safelayer:tws:policies:authentication:level:low' },
  pkce: 'force',
  claims: profile.uaepassClaims,
};

/** By the name of `provider` in a configuration. */
export const PRESETS: ReadonlyMap<string, Preset> = new Map<string, Preset>([
  ['generic', openid(undefined)],
  ['google', openid('https://accounts.google.com')],
  ['apple', openid('https://appleid.apple.com')],
  // The tenant is put in when the configuration is read.
  ['microsoft', openid('https://login.microsoftonline.com/{tenant}/v2.0')],
  ['auth0', openid(undefined, USERINFO)],
  ['gitlab', openid('https://gitlab.com', USERINFO)],
  [
    'linkedin_v2',
    openid('https://www.linkedin.com/oauth', {
      ...USERINFO,
      isPostOnly: true,
      isWithoutNonce: true,
    }),
  ],
  ['salesforce', openid('https://login.salesforce.com', USERINFO)],
  ['netid', openid('https://broker.netid.de', USERINFO)],
  // Without the parameter LINE signs by the client's secret, which proves nothing to a third.
  [
    'line',
    openid('https://access.line.me', {
      isPostOnly: true,
      tokenParameters: { id_token_key_type: 'JWK' },
    }),
  ],
  ['github', GITHUB],
  ['github-app', GITHUB],
  ['discord', DISCORD],
  ['facebook', FACEBOOK],
  ['spotify', SPOTIFY],
  ['amazon', AMAZON],
  ['slack', SLACK],
  ['linkedin', LINKEDIN],
  ['vk', VK],
  ['yandex', YANDEX],
  ['patreon', PATREON],
  ['lark', LARK],
  ['dingtalk', DINGTALK],
  ['uaepass', UAEPASS],
]);

/** Kratos's providers that are not there, and what helps. */
export const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    'x',
    'is "x", which needs OAuth 1.0a: that is not spoken here. An OpenID Provider that knows X can stand between, as "generic"',
  ],
  ['jackson', 'is "jackson", which is SAML: that is not spoken here'],
  ['fedcm-test', 'is "fedcm-test", which is for tests alone: everybody knows its key'],
]);
