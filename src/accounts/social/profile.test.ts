/** What each provider without OpenID Connect says of a person, in the shape that its documents show, as claims. */
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../account.ts';
import { PRESETS } from './catalogue.ts';
import { claimsOf } from './claims.ts';

const EMAIL = 'ann@example.com';

function claimsBy(name: string, answers: readonly (Json | undefined)[], token: JsonObject = {}) {
  const preset = PRESETS.get(name);
  if (preset?.kind !== 'oauth') throw new Error(`${name} has no profile`);
  const claims = claimsOf(preset.claims(answers, token), preset.issuer);
  if (claims === undefined) return undefined;
  const { raw_claims: _raw, ...rest } = claims;
  return rest;
}

interface Example {
  readonly answers: readonly Json[];
  readonly token?: JsonObject;
  readonly claims: JsonObject;
}
const GITHUB: Example = {
  answers: [
    {
      ...{
        id: 583_231,
        login: 'octo',
        name: 'Octo',
        blog: '',
        updated_at: '2020-01-01T00:00:00Z',
      },
      ...{ avatar_url: 'https://g.example/a', html_url: 'https://github.com/octo' },
    },
    [
      { email: 'old@example.com', primary: false, verified: true },
      { email: EMAIL, primary: true, verified: true },
    ],
  ],
  claims: {
    ...{ iss: 'https://github.com/login/oauth/access_token', sub: '583231', name: 'Octo' },
    ...{ nickname: 'octo', picture: 'https://g.example/a', profile: 'https://github.com/octo' },
    ...{ email: EMAIL, email_verified: true, updated_at: 1_577_836_800 },
  },
};
const EXAMPLES: Readonly<Record<string, Example>> = {
  github: GITHUB,
  'github-app': GITHUB,
  discord: {
    answers: [
      {
        ...{ id: '8035', username: 'nelly', discriminator: '1337', avatar: 'abc' },
        ...{ email: EMAIL, verified: true, locale: 'de' },
      },
    ],
    claims: {
      ...{ iss: 'https://discord.com/api/v9/oauth2/', sub: '8035', name: 'nelly#1337' },
      ...{ nickname: 'nelly', preferred_username: 'nelly', locale: 'de' },
      ...{ picture: 'https://cdn.discordapp.com/avatars/8035/abc.png' },
      ...{ email: EMAIL, email_verified: true },
    },
  },
  facebook: {
    answers: [
      {
        ...{ id: '102', name: 'Ann B', first_name: 'Ann', last_name: 'B', email: EMAIL },
        ...{ birthday: '01/02/1990', picture: { data: { url: 'https://f.example/p' } } },
      },
    ],
    claims: {
      ...{ iss: 'https://graph.facebook.com/me', sub: '102', name: 'Ann B', given_name: 'Ann' },
      ...{ family_name: 'B', nickname: 'Ann B', preferred_username: 'Ann B' },
      ...{ birthdate: '01/02/1990', picture: 'https://f.example/p' },
      ...{ email: EMAIL, email_verified: true },
    },
  },
  spotify: {
    answers: [
      {
        ...{
          id: 'wiz',
          display_name: 'Wiz',
          email: EMAIL,
          images: [{ url: 'https://i.example/1' }],
        },
        ...{ external_urls: { spotify: 'https://open.spotify.com/user/wiz' } },
      },
    ],
    claims: {
      ...{
        iss: 'https://accounts.spotify.com/api/token',
        sub: 'wiz',
        name: 'Wiz',
        nickname: 'Wiz',
      },
      ...{ email: EMAIL, picture: 'https://i.example/1' },
      ...{ profile: 'https://open.spotify.com/user/wiz' },
    },
  },
  amazon: {
    answers: [{ user_id: 'amzn1.account.K2', name: 'Ann', email: EMAIL, postal_code: '98052' }],
    claims: {
      ...{ iss: 'https://api.amazon.com/auth/o2/token', sub: 'amzn1.account.K2', name: 'Ann' },
      ...{ email: EMAIL, zoneinfo: '98052' },
    },
  },
  slack: {
    answers: [
      {
        ...{ ok: true, team: { id: 'T0G9' } },
        user: { id: 'U0G9', name: 'Ann', email: EMAIL, image_512: 'https://s.example/512' },
      },
    ],
    claims: {
      ...{ iss: 'https://slack.com/oauth/', sub: 'U0G9', name: 'Ann', nickname: 'Ann' },
      ...{
        preferred_username: 'Ann',
        picture: 'https://s.example/512',
        team: 'T0G9',
        email: EMAIL,
      },
    },
  },
  linkedin: {
    answers: [
      {
        ...{ id: 'yrZC', localizedFirstName: 'Ann', localizedLastName: 'B' },
        profilePicture: {
          'displayImage~': {
            elements: [1, 2, 3, 4].map((n) => ({
              identifiers: [{ identifier: `https://l.example/${n}` }],
            })),
          },
        },
      },
      { elements: [{ handle: 'urn:li:emailAddress:1', 'handle~': { emailAddress: EMAIL } }] },
    ],
    claims: {
      ...{ iss: 'https://login.linkedin.com/', sub: 'yrZC', given_name: 'Ann', last_name: 'B' },
      ...{ picture: 'https://l.example/3', email: EMAIL },
    },
  },
  vk: {
    answers: [
      {
        response: [
          {
            ...{ id: 66_748, first_name: 'Ann', last_name: 'B', nickname: '', sex: 1 },
            ...{ bdate: '2.1.1990', photo_200: 'https://v.example/200' },
          },
        ],
      },
    ],
    token: { access_token: 'x', user_id: 66_748, email: EMAIL },
    claims: {
      ...{ iss: 'https://api.vk.com/method/users.get', sub: '66748', given_name: 'Ann' },
      ...{ family_name: 'B', gender: 'female', birthdate: '2.1.1990', email: EMAIL },
      ...{ picture: 'https://v.example/200' },
    },
  },
  yandex: {
    answers: [
      {
        ...{ id: '1000034426', first_name: 'Ann', last_name: 'B', default_email: EMAIL },
        ...{ sex: 'female', birthday: '1990-01-02', default_avatar_id: '131652443' },
        ...{ is_avatar_empty: false },
      },
    ],
    claims: {
      ...{ iss: 'https://login.yandex.ru/info', sub: '1000034426', given_name: 'Ann' },
      ...{ family_name: 'B', email: EMAIL, gender: 'female', birthdate: '1990-01-02' },
      ...{ picture: 'https://avatars.yandex.net/get-yapic/131652443/islands-200' },
    },
  },
  patreon: {
    answers: [
      {
        data: {
          ...{ id: '12345689', type: 'user' },
          attributes: {
            ...{ email: EMAIL, first_name: 'Ann', last_name: 'B', full_name: 'Ann B' },
            ...{ image_url: 'https://p.example/1' },
          },
        },
      },
    ],
    claims: {
      ...{ iss: 'https://www.patreon.com/', sub: '12345689', name: 'Ann B', given_name: 'Ann' },
      ...{ family_name: 'B', last_name: 'B', email: EMAIL, picture: 'https://p.example/1' },
    },
  },
  lark: {
    answers: [
      {
        ...{ sub: 'ou_other', open_id: 'ou_caec', union_id: 'on_48', name: 'Ann' },
        ...{ avatar_url: 'https://k.example/1', email: EMAIL, mobile: '+8613800000000' },
      },
    ],
    claims: {
      iss: 'https://passport.feishu.cn/suite/passport/oauth/userinfo',
      ...{ sub: 'ou_caec', name: 'Ann', nickname: 'Ann', picture: 'https://k.example/1' },
      ...{ email: EMAIL, phone_number: '+8613800000000' },
    },
  },
  dingtalk: {
    answers: [
      {
        ...{ nick: 'Ann', unionId: 'z21H', openId: '123', email: EMAIL, mobile: '150' },
        ...{ avatarUrl: 'https://d.example/1' },
      },
    ],
    claims: {
      ...{ iss: 'https://api.dingtalk.com/v1.0/contact/users/me', sub: '123', name: 'Ann' },
      ...{ nickname: 'Ann', picture: 'https://d.example/1', email: EMAIL },
    },
  },
  uaepass: {
    answers: [
      {
        ...{ sub: 'UAEPASS/1', fullnameEN: 'Ann B', firstnameEN: 'Ann', lastnameEN: 'B' },
        ...{ email: EMAIL, idn: '784', userType: 'SOP3' },
      },
    ],
    claims: {
      ...{ iss: 'https://id.uaepass.ae', sub: 'UAEPASS/1', name: 'Ann B', given_name: 'Ann' },
      ...{ last_name: 'B', email: EMAIL },
    },
  },
};

describe('the claims of', () => {
  it.each(Object.entries(EXAMPLES))('%s', (name, { answers, token, claims }) => {
    expect(claimsBy(name, answers, token)).toEqual(claims);
  });

  it('every provider without OpenID Connect have an example here', () => {
    const names = [...PRESETS].filter(([, { kind }]) => kind === 'oauth').map(([name]) => name);
    expect(names.sort()).toEqual(Object.keys(EXAMPLES).sort());
  });

  it.each(Object.keys(EXAMPLES))('%s name nobody in answers of another shape', (name) => {
    for (const answer of [
      undefined,
      null,
      {},
      [],
      'x',
      7,
      { ok: false },
      { response: 'x' },
      { data: [] },
    ])
      expect(claimsBy(name, [answer, answer]), JSON.stringify(answer)).toBeUndefined();
  });

  it('UAE PASS keep its own words for mappers', () => {
    const preset = PRESETS.get('uaepass');
    const [answer] = EXAMPLES['uaepass']?.answers ?? [];
    const raw = preset?.kind === 'oauth' ? preset.claims([answer], {}) : {};
    expect(claimsOf(raw, 'x')?.['raw_claims']).toMatchObject({ idn: '784', userType: 'SOP3' });
  });
});

describe('an address', () => {
  it.each([
    'slack',
    'vk',
    'yandex',
    'linkedin',
    'patreon',
    'lark',
    'dingtalk',
    'amazon',
    'uaepass',
  ])('of %s is not called verified, since nobody says so', (name) => {
    const { answers = [], token } = EXAMPLES[name] ?? {};
    const claims = claimsBy(name, answers, token);
    expect(claims).toHaveProperty('email', EMAIL);
    expect(claims).not.toHaveProperty('email_verified');
  });

  it('of GitHub that is not confirmed is not called verified', () => {
    const emails = [{ email: EMAIL, primary: true, verified: false }];
    expect(claimsBy('github', [{ id: 1 }, emails])).not.toHaveProperty('email_verified');
  });

  it('of GitHub is left out where the list was refused', () => {
    const user = { id: 1, email: 'public@example.com' };
    expect(claimsBy('github', [user, undefined])).not.toHaveProperty('email');
  });
});

describe('a subject', () => {
  it.each([2 ** 53, 1e21, 1.5])('of %d, which lost digits, is nobody', (id) => {
    expect(claimsBy('github', [{ id }])).toBeUndefined();
  });
  it.each([[['1']], [{ id: 1 }], [true]])('of %j is nobody', (id) => {
    expect(claimsBy('github', [{ id }])).toBeUndefined();
  });
});
