/**
 * The providers that are known by name: where they are, and how their answers become claims. Pure data, as Kratos has
 * it. What they say of a person is theirs to say; nothing here may invent a verified address.
 */
import type { Json, JsonObject } from '../account.ts';

/** A provider with OpenID Connect discovery. */
export interface OpenIdPreset {
  readonly kind: 'openid';
  /** Undefined: `issuer_url` says it. */
  readonly issuer: string | undefined;
  readonly claimsSource: 'id_token' | 'userinfo';
}
/** A provider with OAuth 2.0 and an API of its own. */
export interface OAuthPreset {
  readonly kind: 'oauth';
  readonly issuer: string;
  readonly authorizeUrl: string;
  readonly tokenUrl: string;
  /** Asked with the access token, in this order. */
  readonly profileUrls: readonly string[];
  /** The claims of their answers; an answer that was refused is undefined. */
  readonly claims: (answers: readonly (Json | undefined)[]) => JsonObject;
}
export type Preset = OpenIdPreset | OAuthPreset;

const isRecord = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const recordOf = (value: Json | undefined): JsonObject => (isRecord(value) ? value : {});
const openid = (
  issuer: string | undefined,
  claimsSource: OpenIdPreset['claimsSource'] = 'id_token',
): OpenIdPreset => ({ kind: 'openid', issuer, claimsSource });

/** Claims from the fields of one answer; numbers become text. */
function renamed(answer: Json | undefined, names: Readonly<Record<string, string>>): JsonObject {
  const from = recordOf(answer);
  return Object.fromEntries(
    Object.entries(names).flatMap(([claim, field]) => {
      const value = Object.hasOwn(from, field) ? from[field] : undefined;
      if (value === undefined || value === null || value === '') return [];
      return [[claim, typeof value === 'number' && claim === 'sub' ? String(value) : value]];
    }),
  );
}

/** GitHub's user, with the primary address of the list where `user:email` was granted. */
function githubClaims([user, emails]: readonly (Json | undefined)[]): JsonObject {
  const names = {
    ...{ sub: 'id', name: 'name', nickname: 'login', website: 'blog', picture: 'avatar_url' },
    ...{ profile: 'html_url', updated_at: 'updated_at' },
  };
  const list: readonly Json[] = Array.isArray(emails) ? emails : [];
  const primary = list.map(recordOf).find((e) => e['primary'] === true);
  return {
    ...renamed(user, names),
    ...renamed(primary, { email: 'email', email_verified: 'verified' }),
  };
}

function discordClaims([user]: readonly (Json | undefined)[]): JsonObject {
  const { username, discriminator, id, avatar } = recordOf(user);
  return {
    ...renamed(user, { sub: 'id', nickname: 'username', preferred_username: 'username' }),
    ...renamed(user, { email: 'email', email_verified: 'verified', locale: 'locale' }),
    name: `${String(username ?? '')}#${String(discriminator ?? '0')}`,
    ...(typeof avatar === 'string'
      ? { picture: `https://cdn.discordapp.com/avatars/${String(id)}/${avatar}.png` }
      : {}),
  };
}

function facebookClaims([user]: readonly (Json | undefined)[]): JsonObject {
  const names = {
    ...{ sub: 'id', name: 'name', given_name: 'first_name', family_name: 'last_name' },
    ...{ middle_name: 'middle_name', nickname: 'name', preferred_username: 'name' },
    ...{ email: 'email', gender: 'gender', birthdate: 'birthday' },
  };
  const { picture, email } = recordOf(user);
  const { url } = recordOf(recordOf(picture)['data']);
  return {
    ...renamed(user, names),
    ...(typeof url === 'string' ? { picture: url } : {}),
    // Facebook gives no address that it has not confirmed.
    ...(typeof email === 'string' && email !== '' ? { email_verified: true } : {}),
  };
}

function spotifyClaims([user]: readonly (Json | undefined)[]): JsonObject {
  const { images, external_urls: urls } = recordOf(user);
  const [image] = Array.isArray(images) ? images.map(recordOf) : [];
  return {
    ...renamed(user, { sub: 'id', name: 'display_name', nickname: 'display_name', email: 'email' }),
    ...renamed(image, { picture: 'url' }),
    ...renamed(urls, { profile: 'spotify' }),
  };
}

const GITHUB: OAuthPreset = {
  kind: 'oauth',
  issuer: 'https://github.com/login/oauth/access_token',
  authorizeUrl: 'https://github.com/login/oauth/authorize',
  tokenUrl: 'https://github.com/login/oauth/access_token',
  profileUrls: ['https://api.github.com/user', 'https://api.github.com/user/emails'],
  claims: githubClaims,
};

/** By the name of `provider` in a configuration. */
export const PRESETS: ReadonlyMap<string, Preset> = new Map<string, Preset>([
  ['generic', openid(undefined)],
  ['google', openid('https://accounts.google.com')],
  ['apple', openid('https://appleid.apple.com')],
  // The tenant is put in when the configuration is read.
  ['microsoft', openid('https://login.microsoftonline.com/{tenant}/v2.0')],
  ['auth0', openid(undefined, 'userinfo')],
  ['gitlab', openid('https://gitlab.com', 'userinfo')],
  ['linkedin_v2', openid('https://www.linkedin.com/oauth', 'userinfo')],
  ['salesforce', openid('https://login.salesforce.com', 'userinfo')],
  ['netid', openid('https://broker.netid.de', 'userinfo')],
  ['line', openid('https://access.line.me')],
  ['github', GITHUB],
  ['github-app', GITHUB],
  [
    'discord',
    {
      kind: 'oauth',
      issuer: 'https://discord.com/api/v9/oauth2/',
      authorizeUrl: 'https://discord.com/api/v9/oauth2/authorize',
      tokenUrl: 'https://discord.com/api/v9/oauth2/token',
      profileUrls: ['https://discord.com/api/v9/users/@me'],
      claims: discordClaims,
    },
  ],
  [
    'facebook',
    {
      kind: 'oauth',
      issuer: 'https://graph.facebook.com/me',
      authorizeUrl: 'https://facebook.com/dialog/oauth',
      tokenUrl: 'https://graph.facebook.com/oauth/access_token',
      profileUrls: [
        'https://graph.facebook.com/me?fields=id,name,first_name,last_name,middle_name,email,picture,birthday,gender',
      ],
      claims: facebookClaims,
    },
  ],
  [
    'spotify',
    {
      kind: 'oauth',
      issuer: 'https://accounts.spotify.com/api/token',
      authorizeUrl: 'https://accounts.spotify.com/authorize',
      tokenUrl: 'https://accounts.spotify.com/api/token',
      profileUrls: ['https://api.spotify.com/v1/me'],
      claims: spotifyClaims,
    },
  ],
  [
    'amazon',
    {
      kind: 'oauth',
      issuer: 'https://www.amazon.com',
      authorizeUrl: 'https://www.amazon.com/ap/oa',
      tokenUrl: 'https://api.amazon.com/auth/o2/token',
      profileUrls: ['https://api.amazon.com/user/profile'],
      claims: ([user]) => renamed(user, { sub: 'user_id', name: 'name', email: 'email' }),
    },
  ],
]);
