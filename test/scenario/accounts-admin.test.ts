/** Administrators at the real program: lists page by page, patches, batches, many sessions, and help for who is locked out. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { accountsAt, type Told } from '../harness/people.ts';
import { World } from '../harness/postern.ts';

const world = new World();
const PASSWORD = 'correct horse battery';
const NOBODY = '00000000-0000-4000-8000-000000000000';
let base = '';
let admin = '';
let token = '';

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

const administer = (method: string, path: string, json?: unknown): Promise<Told> =>
  accountsAt(admin).ask(method, `/admin${path}`, {
    headers: { authorization: `Bearer ${token}` },
    ...(json === undefined ? {} : { json }),
  });
async function create(email: string, more: object = {}): Promise<string> {
  const body = { schema_id: 'default', traits: { email }, ...more };
  const told = await administer('POST', '/identities', body);
  expect(told.status).toBe(201);
  expect(told.headers.get('location')).toBe(`/admin/identities/${told.json.id}`);
  return told.json.id;
}
const PLAIN = { credentials: { password: { config: { password: PASSWORD } } } };
const nextOf = (told: Told): string | undefined =>
  /<([^>]+)>; rel="next"/.exec(told.headers.get('link') ?? '')?.[1]?.replace(/^\/admin/, '');
const emailsOf = (told: Told): string[] =>
  told.json.map((i: { traits: { email: string } }) => i.traits.email);

describe('a list', () => {
  it('goes on behind its place, also when what stood there was deleted, and keeps its filters', async () => {
    const organization_id = 'paged';
    for (const n of [1, 2, 3]) await create(`paged${n}@example.com`, { organization_id });
    const first = await administer('GET', '/identities?organization_id=paged&page_size=1');
    expect(emailsOf(first)).toEqual(['paged1@example.com']);
    await administer('DELETE', `/identities/${first.json[0].id}`);
    const second = await administer('GET', nextOf(first) ?? '');
    expect(emailsOf(second)).toEqual(['paged2@example.com']);
    const third = await administer('GET', nextOf(second) ?? '');
    expect(emailsOf(third)).toEqual(['paged3@example.com']);
    expect(nextOf(third)).toBeUndefined();
    expect(third.headers.get('link')).toContain('rel="first"');
  });

  it('by numbers counts what the filter finds', async () => {
    await create('other@example.com');
    const query = 'organization_id=paged&page=0&per_page=1';
    const told = await administer('GET', `/identities?${query}`);
    expect(told.json).toHaveLength(1);
    expect(told.headers.get('x-total-count')).toBe('2');
    const nobody = await administer('GET', `/identities?page=0&credentials_identifier=nobody`);
    expect(nobody.headers.get('x-total-count')).toBe('0');
  });

  it.each([
    ['two filters', '/identities?credentials_identifier=a&organization_id=b'],
    ['more than 500 ids', `/identities?ids=${Array(501).fill(NOBODY).join(',')}`],
    ['an id that is none', '/identities?ids=x'],
    ['a size that is none', '/identities?page_size=many'],
    ['a token of somebody else', '/identities?page_token=eyJpZCI6IjEifQ'],
    ['pages by number that are too far', '/identities?page=3&per_page=500'],
    ['credentials of no type', '/identities?include_credential=secret'],
    ['sessions with a token of somebody else', '/sessions?page_token=x'],
    ['sessions that are active perhaps', '/sessions?active=maybe'],
    ['sessions with what is not theirs', '/sessions?expand=everything'],
    ['messages with a token that is no number', '/courier/messages?page_token=x'],
    ['messages of no status', '/courier/messages?status=lost'],
  ])('refuses %s', async (_name, path) => {
    const told = await administer('GET', path);
    expect(told.status).toBe(400);
    expect(told.json.error).toMatchObject({ code: 400, status: 'Bad Request' });
  });

  it('takes 500 ids, and shows at most 500', async () => {
    const told = await administer('GET', `/identities?ids=${Array(500).fill(NOBODY).join(',')}`);
    expect(told.json).toEqual([]);
    const all = await administer('GET', '/identities?page_size=100000');
    expect(all.headers.get('link')).toContain('page_size=500');
  });
});

describe('a change', () => {
  it('or a new account of JSON that is too deep is refused', async () => {
    const bag = JSON.parse(`${'['.repeat(3_500)}${']'.repeat(3_500)}`);
    const email = 'deep@example.com';
    for (const more of [{ traits: { email, bag } }, { traits: { email }, metadata_admin: bag }]) {
      const told = await administer('POST', '/identities', { schema_id: 'default', ...more });
      expect(told.status, told.text).toBe(400);
    }
  });
  it('of one field by several administrators at a time loses none of theirs', async () => {
    const id = await create('patched@example.com', { metadata_public: {} });
    const names = ['a', 'b', 'c', 'd'];
    const told = await Promise.all(
      names.map((name) =>
        administer('PATCH', `/identities/${id}`, [
          { op: 'add', path: `/metadata_public/${name}`, value: 1 },
        ]),
      ),
    );
    expect(told.map((t) => t.status)).toEqual([200, 200, 200, 200]);
    const after = await administer('GET', `/identities/${id}`);
    expect(after.json.metadata_public).toEqual({ a: 1, b: 1, c: 1, d: 1 });
  });

  it('says that an address is verified', async () => {
    const id = await create('proved@example.com');
    const path = '/verifiable_addresses/0/verified';
    const told = await administer('PATCH', `/identities/${id}`, [
      { op: 'replace', path, value: true },
    ]);
    expect(told.json.verifiable_addresses).toMatchObject([
      { value: 'proved@example.com', verified: true, status: 'completed' },
    ]);
    const other = [{ op: 'replace', path: '/metadata_admin', value: { n: 1 } }];
    const again = await administer('PATCH', `/identities/${id}`, other);
    expect(again.json.verifiable_addresses).toEqual(told.json.verifiable_addresses);
  });

  it.each(['/id', '/stateChangedAt', '/credentials', '/credentials/oidc'])(
    'of %s is refused',
    async (path) => {
      const [one] = (await administer('GET', '/identities?page_size=1')).json;
      const told = await administer('PATCH', `/identities/${one.id}`, [
        { op: 'replace', path, value: 'x' },
      ]);
      expect(told.status).toBe(400);
    },
  );

  it('that takes what is another’s is a conflict, and changes nothing', async () => {
    await create('taken@example.com', PLAIN);
    const twice = { schema_id: 'default', traits: { email: 'taken@example.com' }, ...PLAIN };
    const told = await administer('POST', '/identities', twice);
    expect(told.status).toBe(409);
    expect(told.json.error).toMatchObject({ code: 409, status: 'Conflict' });
    expect(told.json.error.message).toBeTypeOf('string');
  });
});

describe('a batch', () => {
  const many = (n: number, more: object = {}): unknown => ({
    identities: Array.from({ length: n }, () => ({ create: { traits: {}, ...more } })),
  });
  it('has at most 1000, 200 of them with passwords in plain', async () => {
    expect((await administer('PATCH', '/identities', many(1_001))).status).toBe(400);
    expect((await administer('PATCH', '/identities', many(201, PLAIN))).status).toBe(400);
  });
  it('counts no trait as a password', async () => {
    const told = await administer('PATCH', '/identities', many(201, { traits: { password: 'x' } }));
    expect(told.status).toBe(200);
    expect(told.json.identities).toHaveLength(201);
  });
  it('answers each by its mark: made, or refused and why', async () => {
    const create = (email: string): object => ({
      schema_id: 'default',
      traits: { email },
      ...PLAIN,
    });
    const told = await administer('PATCH', '/identities', {
      identities: [
        { patch_id: NOBODY, create: create('batch@example.com') },
        { patch_id: NOBODY, create: create('batch@example.com') },
        { create: { traits: {}, what: 1 } },
      ],
    });
    expect(told.json.identities).toMatchObject([
      { action: 'create', patch_id: NOBODY },
      { action: 'error', patch_id: NOBODY, error: { code: 409, status: 'Conflict' } },
      { action: 'error', error: { code: 400 } },
    ]);
  });
});

describe('sessions', () => {
  const signIn = async (email: string): Promise<void> => {
    expect((await accountsAt(base).login(email, PASSWORD)).status).toBe(200);
  };
  it('of a person come in pages, active ones or those that are over', async () => {
    const id = await create('often@example.com', PLAIN);
    for (let i = 0; i < 3; i++) await signIn('often@example.com');
    const [last] = (await administer('GET', `/identities/${id}/sessions?per_page=2`)).json;
    await administer('DELETE', `/sessions/${last.id}`);
    const count = async (query: string): Promise<readonly unknown[]> => {
      const told = await administer('GET', `/identities/${id}/sessions?${query}`);
      return [told.json.length, told.headers.get('x-total-count')];
    };
    expect(await count('per_page=2')).toEqual([2, '3']);
    expect(await count('per_page=2&page=1')).toEqual([1, '3']);
    expect(await count('active=true')).toEqual([2, '2']);
    expect(await count('active=1')).toEqual([2, '2']);
    expect(await count('active=false')).toEqual([1, '1']);
  });

  it('are ended for whole accounts; those that are over count no more', async () => {
    const id = await create('ended@example.com', PLAIN);
    await signIn('ended@example.com');
    await signIn('ended@example.com');
    const body = { action: 'disable', identities: [id], sessions: [] };
    expect((await administer('POST', '/sessions', body)).json).toEqual({
      processed: 2,
      more: false,
    });
    expect((await administer('POST', '/sessions', body)).json).toEqual({
      processed: 0,
      more: false,
    });
  });

  it.each([
    ['ids that are none', { action: 'disable', sessions: ['x'] }],
    ['more than 500', { action: 'delete', identities: Array(501).fill(NOBODY) }],
    ['another action', { action: 'extend', sessions: [] }],
    ['nobody and nothing', { action: 'delete' }],
  ])('refuses %s', async (_name, body) => {
    expect((await administer('POST', '/sessions', body)).status).toBe(400);
  });
});

describe('recovery by an administrator', () => {
  it.each([
    ['no duration', { expires_in: 'soon' }],
    ['no time at all', { expires_in: '0s' }],
    ['more than a year', { expires_in: '999999999999d' }],
    ['another kind of flow', { flow_type: 'pigeon' }],
  ])('refuses %s', async (_name, more) => {
    const [one] = (await administer('GET', '/identities?page_size=1')).json;
    const told = await administer('POST', '/recovery/code', { identity_id: one.id, ...more });
    expect(told.status).toBe(400);
  });
  it('is for somebody who is there', async () => {
    const told = await administer('POST', '/recovery/code', { identity_id: NOBODY });
    expect(told.status).toBe(404);
  });
  it('by a link leads into the settings, also where codes are mailed', async () => {
    const id = await create('linked@example.com', PLAIN);
    const told = await administer('POST', '/recovery/link', { identity_id: id });
    expect(told.status).toBe(200);
    const me = new Browser(base);
    const page = await me.open(told.json.recovery_link.slice(base.length));
    expect((await me.submit(page, {}, ['method', 'link'])).url).toContain('/ui/settings');
    // It went to no address, and proves none.
    const [address] = (await administer('GET', `/identities/${id}`)).json.verifiable_addresses;
    expect(address).toMatchObject({ value: 'linked@example.com', verified: false });
    const other = new Browser(base);
    const again = await other.open(told.json.recovery_link.slice(base.length));
    expect(again.text).toContain('invalid or has already been used');
    expect(other.cookies.has('ory_kratos_session')).toBe(false);
  });
});

describe('a way to sign in', () => {
  it('is taken away, but for the last one', async () => {
    const oidc = { config: { providers: [{ provider: 'acme', subject: 's-1' }] } };
    const credentials = { ...PLAIN.credentials, oidc };
    const id = await create('ways@example.com', { credentials });
    const path = `/identities/${id}/credentials`;
    expect((await administer('DELETE', `${path}/totp`)).status).toBe(404);
    expect((await administer('DELETE', `${path}/oidc`)).status).toBe(400);
    expect((await administer('DELETE', `${path}/oidc?identifier=acme:s-2`)).status).toBe(404);
    expect((await administer('DELETE', `${path}/oidc?identifier=acme:s-1`)).status).toBe(204);
    expect((await administer('DELETE', `${path}/password`)).status).toBe(400);
    expect((await administer('DELETE', `${path}/pigeon`)).status).toBe(400);
  });
});
