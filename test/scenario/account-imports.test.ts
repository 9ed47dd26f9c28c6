/** People who come with their old password hashes: each format is taken over, and replaced at the first sign-in. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../harness/postern.ts';

const FIRE_KEY =
  'xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1oxM2/k4SsbOu73wlKe1A==';
const FIRE_SIGNER =
  'YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw==';
/** Of Kratos's own tests; see src/accounts/password/formats.test.ts for all of them. */
const HASHES: Readonly<Record<string, readonly [password: string, hash: string]>> = {
  bcrypt: ['test', '$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6'],
  argon2i: [
    'test',
    '$argon2i$v=19$m=65536,t=3,p=4$kk51rW/vxIVCYn+EG4kTSg$NyT88uraJ6im6dyha/M5jhXvpqlEdlS/9fEm7ScMb8c',
  ],
  pbkdf2: [
    'test',
    '$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI',
  ],
  scrypt: [
    'test',
    '$scrypt$ln=16384,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA=$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=',
  ],
  firescrypt: [
    '8x4WjoDbSxJZdR',
    `$firescrypt$ln=14,r=8,p=1$sPtDhWcd1MfdAw==$${FIRE_KEY}$Bw==$${FIRE_SIGNER}`,
  ],
  ssha: ['test123', '{SSHA256}czO44OTV17PcF1cRxWrLZLy9xHd7CWyVYplr1rOhuMlx/7IK'],
  md5: ['test', '$md5$CY9rzUYh03PK3k6DJie09g=='],
  'md5-crypt': ['test', '$md5-crypt$TVEiiKNb$SN6/pUaRQS/E8Jh46As2C/'],
  'sha256-crypt': [
    'Hello world!',
    '$sha256-crypt$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5',
  ],
};

const world = new World();
let base = '';
let admin = '';
let token = '';
interface Identity {
  readonly id: string;
  readonly credentials: { readonly password: { readonly config: { hashed_password: string } } };
}

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  const state: { public: string; accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  base = `http://${state.public}`;
  admin = `http://${state.accounts_admin}`;
  token = await world.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
}, 60_000);
afterAll(() => world.close(), 60_000);

function administer(method: string, path: string, json?: unknown): Promise<Response> {
  return fetch(`${admin}/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
}
const identityOf = (email: string, hashed_password: string): unknown => ({
  schema_id: 'default',
  traits: { email },
  credentials: { password: { config: { hashed_password } } },
});
async function signIn(identifier: string, password: string): Promise<number> {
  const flow = (await (await fetch(`${base}/self-service/login/api`)).json()) as { id: string };
  const answer = await fetch(`${base}/self-service/login?flow=${flow.id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ method: 'password', identifier, password }),
  });
  return answer.status;
}
async function storedHash(email: string): Promise<string> {
  const query = `credentials_identifier=${encodeURIComponent(email)}&include_credential=password`;
  const [found] = (await (await administer('GET', `/identities?${query}`)).json()) as Identity[];
  return found?.credentials.password.config.hashed_password ?? '';
}

describe('an account that was imported with a hash of', () => {
  it.each(Object.entries(HASHES))(
    '%s signs in with its old password, and gets a new hash',
    async (name, [password, hash]) => {
      const email = `${name}@example.com`;
      const made = await administer('POST', '/identities', identityOf(email, hash));
      expect(made.status).toBe(201);
      expect(await signIn(email, `${password}!`)).toBe(400);
      expect(await signIn(email, password)).toBe(200);
      expect(await signIn(email, password)).toBe(200);
    },
  );
});

it.each([
  [
    'that would cost too much memory',
    '$scrypt$ln=1073741824,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA=$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=',
  ],
  [
    'that would take minutes',
    '$pbkdf2-sha256$i=4000000000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI',
  ],
  ['of an unknown kind', '$rot13$grfg'],
  [
    'that any password would match',
    `$md5$pf=${Buffer.from('{SALT}').toString('base64')}$MTIz$8PhwWanVRnpJAFK4NUjR0w==`,
  ],
])('a hash %s is refused', async (_why, hash) => {
  const refused = await administer('POST', '/identities', identityOf('no@example.com', hash));
  expect(refused.status).toBe(400);
  expect(await refused.text()).not.toContain(hash);
});

it('the command line imports a file, and says which line was refused', async () => {
  const file = join(world.folder, 'people.json');
  const [password, hash] = HASHES['ssha'] ?? ['', ''];
  writeFileSync(file, JSON.stringify([identityOf('one@example.com', hash)]));
  await world.ok('admin', 'account', 'import', file);
  expect(await signIn('one@example.com', password)).toBe(200);
  writeFileSync(file, JSON.stringify([identityOf('two@example.com', '$rot13$x')]));
  const refused = await world.postern('admin', 'account', 'import', file);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('number 1');
});

it('the command line takes what the admin API shows, and says what stays behind', async () => {
  const [password, hash] = HASHES['md5-crypt'] ?? ['', ''];
  const email = 'moved@example.com';
  const body: unknown = {
    schema_id: 'default',
    traits: { email },
    metadata_admin: { from: 'crm' },
    verifiable_addresses: [{ value: email, via: 'email', verified: true, status: 'completed' }],
    credentials: {
      password: { config: { hashed_password: hash } },
      oidc: { config: { providers: [{ provider: 'corp', subject: 'moved' }] } },
    },
  };
  const made = (await (await administer('POST', '/identities', body)).json()) as Identity;
  const query = ['password', 'oidc', 'totp'].map((type) => `include_credential=${type}`).join('&');
  const shown = (await (
    await administer('GET', `/identities/${made.id}?${query}`)
  ).json()) as Record<string, object>;
  expect(shown).toMatchObject({ state: 'active', created_at: expect.any(String) });
  const gone = await administer('DELETE', `/identities/${made.id}`);
  expect(gone.status, await gone.text()).toBe(204);
  const file = join(world.folder, 'moved.json');
  const totp = { type: 'totp', identifiers: [made.id], config: { totp_url: 'otpauth://totp/x' } };
  const credentials = { ...shown['credentials'], totp };
  writeFileSync(file, JSON.stringify([{ ...shown, credentials }]));
  const moved = await world.postern('admin', 'account', 'import', file);
  expect(moved.code, moved.stderr).toBe(0);
  expect(moved.stderr).toContain('totp of 1');
  expect(await signIn(email, password)).toBe(200);
  const [again] = (await (
    await administer('GET', `/identities?credentials_identifier=${email}&include_credential=oidc`)
  ).json()) as unknown[];
  expect(again).toMatchObject({
    metadata_admin: { from: 'crm' },
    verifiable_addresses: [{ value: email, verified: true }],
    credentials: { oidc: { config: { providers: [{ provider: 'corp', subject: 'moved' }] } } },
  });
});

it('the new hash is the configured one', async () => {
  await administer('POST', '/identities', identityOf('new@example.com', HASHES['md5']?.[1] ?? ''));
  expect(await signIn('new@example.com', 'test')).toBe(200);
  expect(await storedHash('new@example.com')).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});
