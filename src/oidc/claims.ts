/** What applications may ask to know, and how a person's profile becomes claims. Pure. */
import type { Profile } from './types.ts';

export const SCOPES: Readonly<Record<string, string>> = {
  openid: 'Know who you are',
  profile: 'See your name and picture',
  email: 'See your e-mail address',
  offline_access: 'Stay signed in while you are away',
};
/** The claims behind each scope; null: always there. */
export const CLAIMS: Readonly<Record<string, null | string[]>> = {
  acr: null,
  amr: null,
  auth_time: null,
  sid: null,
  iss: null,
  openid: ['sub'],
  profile: ['name', 'nickname', 'given_name', 'family_name', 'picture', 'updated_at'],
  email: ['email', 'email_verified'],
};

/** The claims of a person (OpenID Connect Core section 5.1), without what is unknown. */
export function claimsOf(accountId: string, profile: Profile): Record<string, unknown> {
  const { email } = profile;
  const claims: Record<string, unknown> = {
    name: profile.name,
    nickname: profile.nickname,
    given_name: profile.givenName,
    family_name: profile.familyName,
    picture: profile.picture,
    updated_at: Math.floor(profile.updatedAtMs / 1_000),
    ...(email === undefined ? {} : { email, email_verified: profile.isEmailVerified }),
  };
  for (const [name, value] of Object.entries(claims)) if (value === undefined) delete claims[name];
  return { ...claims, sub: accountId };
}
