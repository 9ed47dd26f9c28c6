/** Service accounts, as an administrator makes them by the command line and as apps use them: real requests, both doors. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rankShift } from '../harness/chance.ts';
import { type Asked, accountsAt, type People, type Told } from '../harness/people.ts';
import { until, World } from '../harness/postern.ts';

const world = new World();
let people: People;
let admin: People;
let write: string;

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  const path = join(world.serverHome, 'server.json');
  const state: { public: string; accounts_admin: string } = JSON.parse(readFileSync(path, 'utf8'));
  people = accountsAt(`http://${state.public}`);
  admin = accountsAt(`http://${state.accounts_admin}`);
  ({ write } = world.permissionPorts());
}, 120_000);
afterAll(() => world.close(), 60_000);

const cli = async (...args: string[]): Promise<string> =>
  (await world.ok('admin', 'service', ...args)).trim();
const json = async (...args: string[]) => JSON.parse(await cli(...args, '--output', 'json'));
const signIn = (name: string, password: string, more: Asked & { space?: string } = {}) => {
  const { space, ...asked } = more;
  const body = { name, password, ...(space === undefined ? {} : { space }) };
  return people.ask('POST', '/api/v1/service-tokens', { json: body, ...asked });
};
const bearer = (token: string): Asked => ({ headers: { authorization: `Bearer ${token}` } });
/** Whether a token may write relations on their own listener. */
async function mayWrite(token: string): Promise<number> {
  const answer = await fetch(`http://${write}/admin/relation-tuples`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ namespace: 'docs', object: 'o', relation: 'r', subject_id: 's' }),
  });
  return answer.status;
}
const audit = async (id: string): Promise<{ action: string; outcome: string; data: object }[]> => {
  const all = JSON.parse((await world.askAdmin('GET', '/api/v1/audit')).body);
  return all.filter((e: { resource: string }) => e.resource === `service/${id}`);
};

describe('a service account', () => {
  it('is made, given a password and tokens, listed and shown, by the command line', async () => {
    await world.applyModel('class docs implements Namespace { related: { r: docs[] } }');
    const id = await cli('create', 'Backup', '--scope', 'permissions:write', '--expires', '30d');
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    const password = await cli('password', 'backup');
    expect(password).toMatch(/^[\w-]{32}$/);
    const token = await cli('token', 'add', 'backup', 'nightly', '--expires', '1h');
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(await mayWrite(token)).toBe(201);
    const shown = await json('show', 'BACKUP');
    expect(shown).toMatchObject({
      ...{ id, name: 'Backup', space: 'default', scopes: ['permissions:write'], disabled: false },
      tokens: [{ name: 'nightly', scopes: ['permissions:write'] }],
    });
    expect(await json('list')).toMatchObject([{ id }]);
    expect(JSON.stringify([shown, await json('token', 'list', 'backup')])).not.toContain(password);
    const plain = await cli('show', 'backup', '--output', 'plain');
    expect(plain).toContain('nightly');
    for (const secret of [password, token]) expect(plain).not.toContain(secret);
    expect(await world.ok('admin', 'token', 'list')).not.toContain('nightly');

    const told = await signIn('backup', password);
    expect([told.status, told.json.service]).toEqual([201, id]);
    expect(told.headers.get('cache-control')).toBe('no-store');
    expect(await mayWrite(told.json.token)).toBe(201);
    const next = await cli('password', 'backup');
    expect(await mayWrite(told.json.token)).toBe(401);
    expect((await signIn('backup', password)).status).toBe(401);
    expect((await signIn('backup', next)).status).toBe(201);
    await cli('token', 'revoke', 'backup', 'nightly');
    expect(await mayWrite(token)).toBe(401);
    const actions = (await audit(id)).map((e) => [e.action, e.outcome]);
    expect(actions).toEqual([
      ...[
        ['service.create', 'done'],
        ['service.password', 'done'],
      ],
      ...[
        ['service.token-create', 'done'],
        ['service.login', 'done'],
      ],
      ...[
        ['service.password', 'done'],
        ['service.login', 'denied'],
      ],
      ...[
        ['service.login', 'done'],
        ['service.token-revoke', 'done'],
      ],
    ]);
  }, 60_000);

  it('is shut out within a second at every door, let in again, and deleted', async () => {
    await cli('create', 'switch', '--scope', 'permissions:write', '--scope', 'accounts:read');
    const password = await cli('password', 'switch');
    const token = await cli('token', 'add', 'switch', 'ci');
    const signedIn = (await signIn('switch', password)).json.token;
    const statusOf = async (asked: Promise<Told>): Promise<number> => (await asked).status;
    const doors = (): Promise<number[]> =>
      Promise.all([
        ...[mayWrite(token), mayWrite(signedIn)],
        statusOf(admin.ask('GET', '/admin/identities', bearer(token))),
        statusOf(people.ask('GET', '/api/v1/status', bearer(token))),
        statusOf(signIn('switch', password)),
      ]);
    expect(await doors()).toEqual([201, 201, 200, 200, 201]);
    await cli('disable', 'switch');
    const startMs = Date.now();
    await until(async () => expect(await doors()).toEqual([401, 401, 401, 401, 401]), 'its end');
    expect(Date.now() - startMs).toBeLessThan(1_000);
    await cli('enable', 'switch');
    expect(await doors()).toEqual([201, 201, 200, 200, 201]);
    await cli('delete', 'switch', '--yes');
    expect(await doors()).toEqual([401, 401, 401, 401, 401]);
    const gone = await world.postern('admin', 'service', 'show', 'switch');
    expect([gone.code === 0, gone.stderr]).toEqual([false, expect.stringContaining('no service')]);
  }, 60_000);

  it('is no person, and a person is no service', async () => {
    const id = await cli('create', 'robot@example.com', '--scope', '*');
    const password = await cli('password', 'robot@example.com');
    const token = await cli('token', 'add', 'robot@example.com', 'ci');
    expect((await people.login('robot@example.com', password)).json.ui.messages[0].id).toBe(
      4000006,
    );
    expect((await people.login(id, password)).status).toBe(400);
    expect((await people.whoami(token)).status).toBe(401);
    expect((await people.ask('GET', '/sessions/whoami', bearer(token))).status).toBe(401);
    expect((await people.ask('GET', '/userinfo', bearer(token))).status).toBe(401);
    for (const path of ['enrollments', 'authtokens']) {
      const asked = { ...bearer(token), json: path === 'authtokens' ? { name: 'x' } : {} };
      expect((await people.ask('POST', `/api/v1/${path}`, asked)).status).toBe(403);
    }
    expect((await admin.ask('GET', `/admin/identities/${id}`, bearer(token))).status).toBe(404);
    await expect(people.register('Robot@example.com', 'correct horse battery')).rejects.toThrow(
      '4000007',
    );
    await people.register('ann@example.com', 'correct horse battery');
    expect((await signIn('ann@example.com', 'correct horse battery')).status).toBe(401);
    const taken = await world.postern('admin', 'service', 'create', 'ANN@example.com');
    expect([taken.code === 0, taken.stderr]).toEqual([false, expect.stringContaining('person')]);
  }, 60_000);

  it('signs in neither by the device flow nor as an application of the OpenID Provider', async () => {
    const id = await cli('create', 'gadget', '--scope', '*');
    const password = await cli('password', 'gadget');
    const form = (fields: Record<string, string>): Asked => ({
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
    for (const client_id of ['gadget', id]) {
      const secret = { client_id, client_secret: password };
      const granted = form({ grant_type: 'client_credentials', ...secret });
      expect((await people.ask('POST', '/oauth/token', granted)).status).toBe(401);
      const device = await people.ask('POST', '/oauth/device/code', form(secret));
      expect(device.status).toBeGreaterThanOrEqual(400);
      const owner = { username: 'gadget', password };
      const direct = form({ grant_type: 'password', ...secret, ...owner });
      expect((await people.ask('POST', '/oauth/token', direct)).status).toBeGreaterThanOrEqual(400);
    }
  });

  it('can not be made to be more than the token that makes it', async () => {
    const scopes = ['--scope', 'services:*', '--scope', 'permissions:read'];
    const narrow = bearer(await world.ok('admin', 'token', 'create', 'narrow', ...scopes));
    const post = (path: string, body: object): Promise<Told> =>
      people.ask('POST', `/api/v1/services${path}`, { ...narrow, json: body });
    expect((await post('', { name: 'up', scopes: ['*'] })).status).toBe(403);
    expect((await post('', { name: 'up', scopes: ['no:such:scope'] })).status).toBe(400);
    expect((await post('', { name: 'even', scopes: ['permissions:read'] })).status).toBe(201);
    await cli('create', 'mighty', '--scope', '*');
    expect((await post('/mighty/tokens', { name: 't' })).status).toBe(403);
    expect((await post('/mighty/password', {})).status).toBe(403);
    const token = bearer(await cli('token', 'add', 'even', 't'));
    expect((await people.ask('GET', '/api/v1/services', token)).status).toBe(403);
    expect((await people.ask('GET', '/api/v1/services')).status).toBe(401);
  }, 60_000);

  it('belongs to a space, which is not deleted as long as it has one', async () => {
    await world.ok('admin', 'space', 'create', 'acme');
    await cli('create', 'twin');
    await cli('create', 'twin', '--space', 'acme');
    const password = await cli('password', 'twin', '--space', 'acme');
    const unclear = await world.postern('admin', 'service', 'show', 'twin');
    expect([unclear.code === 0, unclear.stderr]).toEqual([
      ...[false, expect.stringContaining('--space')],
    ]);
    expect((await signIn('twin', password)).status).toBe(401);
    expect((await signIn('twin', password, { space: 'acme' })).status).toBe(201);
    expect((await signIn('twin', password, { space: 'no such space' })).status).toBe(401);
    const kept = await world.postern('admin', 'space', 'delete', 'acme', '--yes');
    expect([kept.code === 0, kept.stderr]).toEqual([false, expect.stringContaining('services')]);
    await cli('delete', 'twin', '--space', 'acme', '--yes');
    await world.ok('admin', 'space', 'delete', 'acme', '--yes');
  }, 60_000);

  it('refuses names and bodies of every kind without a fault', async () => {
    for (const name of ['', '..', 'a/b', '\u0007', '\u202eevil', 'x'.repeat(300)]) {
      const { status } = await world.askAdmin('POST', '/api/v1/services', { name });
      expect([name, status]).toEqual([name, 400]);
    }
    for (const name of ['__proto__', 'constructor', '%2e%2e', "'; drop table", '<script>']) {
      const made = await world.askAdmin('POST', '/api/v1/services', { name });
      expect([name, made.status]).toEqual([name, 201]);
      const path = `/api/v1/services/${encodeURIComponent(name)}`;
      expect(JSON.parse((await world.askAdmin('GET', path)).body).name).toBe(name);
      expect((await world.askAdmin('DELETE', path)).status).toBe(200);
      expect((await world.askAdmin('GET', path)).status).toBe(404);
    }
    const from = (i: number): Asked => ({ localAddress: `127.8.0.${i + 1}` });
    for (const [i, name] of ['', '\ud800', '\u0000', '__proto__', 'x'.repeat(1_000)].entries())
      expect((await signIn(name, '\ud800', from(i))).status).toBe(401);
    const odd = [
      {},
      [],
      null,
      { name: 'a' },
      { name: 1, password: 2 },
      { name: 'a', password: [] },
    ];
    for (const body of odd)
      expect((await people.ask('POST', '/api/v1/service-tokens', { json: body })).status).toBe(400);
    const huge = { name: 'a', password: 'x'.repeat(5_000) };
    expect((await people.ask('POST', '/api/v1/service-tokens', { json: huge })).status).toBe(400);
  }, 60_000);

  it('is told how long to wait by whoever tried too often', async () => {
    await cli('create', 'tried');
    const from = { localAddress: '127.8.1.1' };
    for (let i = 0; i < 10; i++) expect((await signIn('tried', 'x', from)).status).toBe(401);
    const told = await signIn('tried', 'x', from);
    expect([told.status, told.text]).toEqual([429, expect.stringContaining('retry_after_ms')]);
  }, 60_000);

  it('takes as long to be refused whether there is one or not', async () => {
    await cli('create', 'timed');
    await cli('password', 'timed');
    const times: { known: number[]; unknown: number[] } = { known: [], unknown: [] };
    for (let i = 0; i < 80; i++) {
      const order = i % 2 === 0 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const);
      for (const [place, kind] of order.entries()) {
        const name = kind === 'known' ? 'timed' : `nobody${i}`;
        const startMs = performance.now();
        await signIn(name, 'wrong', { localAddress: `127.8.${2 + place}.${i + 1}` });
        times[kind].push(performance.now() - startMs);
      }
    }
    const { effect, chance } = rankShift(times.known, times.unknown);
    expect(Math.abs(effect - 0.5), `guessed right ${effect}, by chance ${chance}`).toBeLessThan(
      0.15,
    );
  }, 120_000);
});

describe('the word service', () => {
  it("is a node's for whoever calls the program ockam, or names a node", async () => {
    await world.ok('n', 'node', 'create', 'n1');
    const listed = JSON.parse(
      await world.ok('n', 'service', 'list', '--at', 'n1', '--output', 'json'),
    );
    expect(listed.map((s: { type: string }) => s.type)).toContain('echo');
  }, 60_000);
});
