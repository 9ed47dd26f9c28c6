/** What the audit keeps of people: every sign-in, right or wrong, and every change of who can sign in; no secret with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountsAt, type People } from '../harness/people.ts';
import { World } from '../harness/postern.ts';

const world = new World();
const PASSWORD = 'correct horse battery';
const WRONG = 'not the password at all';
const EMAIL = 'ann@example.com';
let people: People;
let id = '';

interface Entry {
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly outcome: string;
  readonly data: Readonly<Record<string, unknown>> | null;
}
const entries = async (): Promise<Entry[]> =>
  JSON.parse(await world.ok('admin', 'audit', 'list', '--output', 'json'));

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  const path = join(world.serverHome, 'server.json');
  const state: { public: string } = JSON.parse(readFileSync(path, 'utf8'));
  people = accountsAt(`http://${state.public}`);
  const token = await people.register(EMAIL, PASSWORD);
  id = (await people.whoami(token)).json.identity.id;
}, 60_000);
afterAll(() => world.close(), 60_000);

describe('the audit', () => {
  it('knows who signed in, how and from where, and who was refused', async () => {
    await people.login(EMAIL, WRONG, '127.3.0.1');
    await people.login('nobody@example.com', WRONG, '127.3.0.1');
    await people.login(EMAIL, PASSWORD, '127.3.0.2');
    const logins = (await entries()).filter((e) => e.action === 'accounts:login');
    const seen = logins.map(({ actor, resource, outcome, data }) => ({
      actor,
      resource,
      outcome,
      data,
    }));
    const about = (ip: string) => expect.objectContaining({ method: 'password', ip });
    for (const expected of [
      { actor: id, resource: `account/${id}`, outcome: 'denied', data: about('127.3.0.1') },
      { actor: 'anyone', resource: 'account/unknown', outcome: 'denied', data: about('127.3.0.1') },
      { actor: id, resource: `account/${id}`, outcome: 'done', data: about('127.3.0.2') },
    ])
      expect(seen).toContainEqual(expected);
  });

  it('knows of logout, settings, recovery, and what administrators did', async () => {
    const told = await people.login(EMAIL, PASSWORD, '127.3.0.3');
    const session = told.json.session_token;
    const headers = { 'x-session-token': session };
    const flow = await people.ask('GET', '/self-service/settings/api', { headers });
    await people.ask('POST', `/self-service/settings?flow=${flow.json.id}`, {
      ...{ headers, json: { method: 'profile', traits: { email: EMAIL, name: { first: 'A' } } } },
    });
    const json = { session_token: session };
    await people.ask('DELETE', '/self-service/logout/api', { json });
    await world.ok('admin', 'account', 'create', 'bea@example.com');
    await world.ok('admin', 'account', 'recover', EMAIL);
    await world.ok('admin', 'account', 'disable', EMAIL);
    await world.ok('admin', 'client', 'create', 'shop', '--callback', 'http://127.0.0.1:1/cb');
    await world.ok('admin', 'service', 'create', 'backup');
    const actions = new Set((await entries()).map(({ action }) => action));
    for (const action of [
      ...['accounts:create', 'accounts:settings', 'accounts:logout', 'accounts:recovery-code'],
      ...['oidc:client.create', 'service.create'],
    ])
      expect([...actions], action).toContain(action);
    const disabled = (await entries()).find(
      (e) => e.resource === `account/${id}` && /disable|update/.test(e.action),
    );
    expect(disabled).toBeDefined();
  });

  it('holds no password, token or code', async () => {
    const text = JSON.stringify(await entries());
    for (const secret of [PASSWORD, WRONG, 'ory_st_', 'nobody@example.com'])
      expect(text).not.toContain(secret);
  });
});
