/**
 * What the providers without OpenID Connect say of a person, as claims: by the names that Kratos gives them, so that its
 * mappers go on. Pure; the answers are a provider's and may have any shape.
 */
import type { Json, JsonObject } from '../account.ts';

type Answers = readonly (Json | undefined)[];

const isRecord = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const recordOf = (value: Json | undefined): JsonObject => (isRecord(value) ? value : {});
const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

/** A number as a subject; one that lost digits on its way may be somebody else's too, and is none. */
function subjectOf(value: Json): Json {
  if (typeof value !== 'number') return value;
  return Number.isSafeInteger(value) ? String(value) : '';
}

/** Claims from the fields of one answer, without what is empty. */
export function renamed(
  answer: Json | undefined,
  names: Readonly<Record<string, string>>,
): JsonObject {
  const from = recordOf(answer);
  return Object.fromEntries(
    Object.entries(names).flatMap(([claim, field]) => {
      const value = Object.hasOwn(from, field) ? from[field] : undefined;
      if (value === undefined || value === null || value === '') return [];
      return [[claim, claim === 'sub' ? subjectOf(value) : value]];
    }),
  );
}

/** GitHub's user, with the primary address of the list where `user:email` was granted. */
export function githubClaims([user, emails]: Answers): JsonObject {
  const names = {
    ...{ sub: 'id', name: 'name', nickname: 'login', website: 'blog', picture: 'avatar_url' },
    ...{ profile: 'html_url', updated_at: 'updated_at' },
  };
  const primary = listOf(emails)
    .map(recordOf)
    .find((e) => e['primary'] === true);
  return {
    ...renamed(user, names),
    ...renamed(primary, { email: 'email', email_verified: 'verified' }),
  };
}

export function discordClaims([user]: Answers): JsonObject {
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

export function facebookClaims([user]: Answers): JsonObject {
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

export function spotifyClaims([user]: Answers): JsonObject {
  const { images, external_urls: urls } = recordOf(user);
  const [image] = listOf(images);
  return {
    ...renamed(user, { sub: 'id', name: 'display_name', nickname: 'display_name' }),
    ...renamed(user, { email: 'email', birthdate: 'birthdate' }),
    ...renamed(image, { picture: 'url' }),
    ...renamed(urls, { profile: 'spotify' }),
  };
}

export function amazonClaims([user]: Answers): JsonObject {
  return renamed(user, { sub: 'user_id', name: 'name', email: 'email', zoneinfo: 'postal_code' });
}

/**
 * Slack's user and workspace. DEVIATION: Kratos calls every address verified. Slack says nothing of the kind there, and
 * the owners of a workspace may give its people any address.
 */
export function slackClaims([answer]: Answers): JsonObject {
  const { ok, user, team } = recordOf(answer);
  if (ok !== true) return {};
  return {
    ...renamed(user, { sub: 'id', name: 'name', preferred_username: 'name', nickname: 'name' }),
    ...renamed(user, { email: 'email', picture: 'image_512' }),
    ...renamed(team, { team: 'id' }),
  };
}

/** LinkedIn's first API: the person, and beside it the address. */
export function linkedinClaims([me, email]: Answers): JsonObject {
  const names = { sub: 'id', given_name: 'localizedFirstName', last_name: 'localizedLastName' };
  const picture = recordOf(recordOf(me)['profilePicture']);
  const sizes = listOf(recordOf(picture['displayImage~'])['elements']);
  // They come from small to large; the third is Kratos's choice.
  const [file] = listOf(recordOf(sizes[Math.min(sizes.length, 3) - 1])['identifiers']);
  const [first] = listOf(recordOf(email)['elements']);
  return {
    ...renamed(me, names),
    ...renamed(file, { picture: 'identifier' }),
    ...renamed(recordOf(first)['handle~'], { email: 'emailAddress' }),
  };
}

/** VK's user; the address comes with the token alone, and nobody says that it is confirmed. */
export function vkClaims([answer]: Answers, token: JsonObject): JsonObject {
  const [user] = listOf(recordOf(answer)['response']);
  const gender = new Map<Json | undefined, string>([
    [1, 'female'],
    [2, 'male'],
  ]).get(recordOf(user)['sex']);
  return {
    ...renamed(user, { sub: 'id', given_name: 'first_name', family_name: 'last_name' }),
    ...renamed(user, { nickname: 'nickname', picture: 'photo_200', birthdate: 'bdate' }),
    ...renamed(token, { email: 'email' }),
    ...(gender === undefined ? {} : { gender }),
  };
}

export function yandexClaims([user]: Answers): JsonObject {
  const { default_avatar_id: avatar, is_avatar_empty: isEmpty } = recordOf(user);
  const hasPicture = typeof avatar === 'string' && avatar !== '' && isEmpty !== true;
  return {
    ...renamed(user, { sub: 'id', given_name: 'first_name', family_name: 'last_name' }),
    ...renamed(user, { email: 'default_email', gender: 'sex', birthdate: 'birthday' }),
    ...(hasPicture
      ? { picture: `https://avatars.yandex.net/get-yapic/${avatar}/islands-200` }
      : {}),
  };
}

export function patreonClaims([answer]: Answers): JsonObject {
  const data = recordOf(recordOf(answer)['data']);
  const names = {
    ...{ name: 'full_name', given_name: 'first_name', family_name: 'last_name' },
    ...{ last_name: 'last_name', email: 'email', picture: 'image_url' },
  };
  return { ...renamed(data, { sub: 'id' }), ...renamed(data['attributes'], names) };
}

export function larkClaims([user]: Answers): JsonObject {
  const names = {
    ...{ sub: 'open_id', name: 'name', nickname: 'name', picture: 'avatar_url' },
    ...{ email: 'email', phone_number: 'mobile' },
  };
  return renamed(user, names);
}

export function dingtalkClaims([user]: Answers): JsonObject {
  const names = { sub: 'openId', name: 'nick', nickname: 'nick' };
  return { ...renamed(user, names), ...renamed(user, { picture: 'avatarUrl', email: 'email' }) };
}

/** UAE PASS; mappers find its own words (`idn`, `uuid` …) in `raw_claims`. Its documents promise no confirmed address. */
export function uaepassClaims([user]: Answers): JsonObject {
  const names = { name: 'fullnameEN', given_name: 'firstnameEN', last_name: 'lastnameEN' };
  const { email_verified: _email, phone_number_verified: _phone, ...rest } = recordOf(user);
  return { ...rest, ...renamed(user, names) };
}
