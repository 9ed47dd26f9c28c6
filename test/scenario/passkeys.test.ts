/** Passkeys of programs at the real server, with an authenticator in software that also signs what it should not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SoftAuthenticator } from '../../src/accounts/webauthn/authenticator.fixture.ts';
import { freePort, World } from '../harness/postern.ts';

const port = await freePort();
const world = new World({
  POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}`,
  POSTERN_ACCOUNTS_PUBLIC_URL: `http://localhost:${port}`,
});
let base = '';
let admin = '';
let token = '';

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  const state: { accounts_admin: string } = JSON.parse(
    readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
  );
  base = `http://localhost:${port}`;
  admin = `http://${state.accounts_admin}/admin`;
  token = await world.ok('admin', 'token', 'create', 'people', '--scope', 'accounts:*');
}, 60_000);
afterAll(() => world.close(), 60_000);

interface Told {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked at by the tests.
  readonly body: any;
}
async function ask(method: string, url: string, json?: unknown, headers = {}): Promise<Told> {
  const answer = await fetch(url, {
    method,
    headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}
const administer = (method: string, path: string, json?: unknown): Promise<Told> =>
  ask(method, `${admin}${path}`, json, { authorization: `Bearer ${token}` });

/** The value of a flow's node. */
function fieldOf(flow: Told['body'], name: string): string {
  const node = flow.ui.nodes.find(
    (n: { attributes: { name?: string } }) => n.attributes.name === name,
  );
  return node.attributes.value;
}
function ids(flow: Told['body']): number[] {
  return (flow.ui.messages ?? []).map((m: { id: number }) => m.id);
}
const here = (challenge: string, counter = 0) => ({
  ...{ challenge, counter, origin: base, rpId: new URL(base).hostname },
});

async function register(email: string, device: SoftAuthenticator, counter = 0): Promise<Told> {
  const { body: begun } = await ask('GET', `${base}/self-service/registration/api`);
  const url = begun.ui.action;
  const { body: second } = await ask('POST', url, { method: 'profile', traits: { email } });
  const data = JSON.parse(fieldOf(second, 'passkey_create_data'));
  expect(data.displayNameFieldName).toBe('traits.email');
  const { publicKey } = data.credentialOptions;
  device.userHandle = Buffer.from(publicKey.user.id, 'base64url');
  return ask('POST', url, {
    method: 'passkey',
    traits: { email },
    passkey_register: device.register(here(publicKey.challenge, counter)),
  });
}
async function beginLogin(): Promise<{ url: string; challenge: string }> {
  const { body } = await ask('GET', `${base}/self-service/login/api`);
  const { publicKey } = JSON.parse(fieldOf(body, 'passkey_challenge'));
  return { url: body.ui.action, challenge: publicKey.challenge };
}
async function login(device: SoftAuthenticator, counter = 0): Promise<Told> {
  const { url, challenge } = await beginLogin();
  const answer = device.login(here(challenge, counter));
  return ask('POST', url, { method: 'passkey', passkey_login: answer });
}

describe('a program with a passkey', () => {
  it('registers and signs in; what it signed opens nothing a second time', async () => {
    const device = new SoftAuthenticator();
    const made = await register('pat@example.com', device);
    expect(made.status).toBe(200);
    const { url, challenge } = await beginLogin();
    const answer = device.login(here(challenge));
    const first = await ask('POST', url, { method: 'passkey', passkey_login: answer });
    expect(first.status).toBe(200);
    expect(first.body.session.authentication_methods[0]).toMatchObject({
      ...{ method: 'passkey', aal: 'aal1' },
    });
    const again = await ask('POST', url, { method: 'passkey', passkey_login: answer });
    expect(again.status).toBeGreaterThanOrEqual(400);
    const other = await beginLogin();
    const replayed = await ask('POST', other.url, { method: 'passkey', passkey_login: answer });
    expect([replayed.status, ids(replayed.body)]).toEqual([400, [4000043]]);
  });

  it('gets a new challenge after a wrong answer, and the old one is good no more', async () => {
    const device = new SoftAuthenticator();
    await register('quin@example.com', device);
    const { url, challenge } = await beginLogin();
    const elsewhere = device.login({ ...here(challenge), origin: 'https://evil.example.net' });
    const wrong = await ask('POST', url, { method: 'passkey', passkey_login: elsewhere });
    expect([wrong.status, ids(wrong.body)]).toEqual([400, [4000043]]);
    const next = JSON.parse(fieldOf(wrong.body, 'passkey_challenge')).publicKey.challenge;
    expect(next).not.toBe(challenge);
    const late = device.login(here(challenge));
    const refused = await ask('POST', url, { method: 'passkey', passkey_login: late });
    expect(ids(refused.body)).toEqual([4000043]);
    const last = JSON.parse(fieldOf(refused.body, 'passkey_challenge')).publicKey.challenge;
    const right = await ask('POST', url, {
      ...{ method: 'passkey', passkey_login: device.login(here(last)) },
    });
    expect(right.status).toBe(200);
  });

  it('is nobody else: neither by their handle, nor by their key’s id, nor after it was removed', async () => {
    const [mine, theirs] = [new SoftAuthenticator(), new SoftAuthenticator()];
    await register('mia@example.com', mine);
    const made = await register('theo@example.com', theirs);
    for (const o of [
      { userHandle: theirs.userHandle },
      { userHandle: theirs.userHandle, id: theirs.id },
      { id: theirs.id },
    ]) {
      const { url, challenge } = await beginLogin();
      const forged = mine.login(here(challenge), o);
      const told = await ask('POST', url, { method: 'passkey', passkey_login: forged });
      expect([told.status, ids(told.body)]).toEqual([400, [4000043]]);
    }
    const { id } = made.body.identity;
    const path = `/identities/${id}/credentials/passkey`;
    expect((await administer('DELETE', path)).status).toBe(400);
    await administer('PUT', `/identities/${id}`, {
      ...{ schema_id: 'default', state: 'active', traits: { email: 'theo@example.com' } },
      credentials: { password: { config: { password: 'correct horse battery' } } },
    });
    expect((await login(theirs)).status).toBe(200);
    expect((await administer('DELETE', path)).status).toBe(204);
    const gone = await login(theirs);
    expect([gone.status, ids(gone.body)]).toEqual([400, [4000015]]);
  });

  it('whose counter went back is refused from then on, and administrators see why', async () => {
    const device = new SoftAuthenticator();
    const { body } = await register('cleo@example.com', device, 3);
    expect((await login(device, 4)).status).toBe(200);
    expect(ids((await login(device, 4)).body)).toEqual([4000043]);
    expect(ids((await login(device, 9)).body)).toEqual([4000043]);
    const { body: shown } = await administer(
      'GET',
      `/identities/${body.identity.id}?include_credential=passkey`,
    );
    const [key] = shown.credentials.passkey.config.credentials;
    expect(key.authenticator).toMatchObject({ sign_count: 4, clone_warning: true });
  });

  it('comes over from another server by export and import', async () => {
    const device = new SoftAuthenticator();
    const { body } = await register('emil@example.com', device);
    const path = `/identities/${body.identity.id}`;
    const { body: shown } = await administer('GET', `${path}?include_credential=passkey`);
    const { config } = shown.credentials.passkey;
    expect(Buffer.from(config.user_handle, 'base64')).toEqual(device.userHandle);
    expect((await administer('DELETE', path)).status).toBe(204);
    expect(ids((await login(device)).body)).toEqual([4000015]);
    const spec = { schema_id: 'default', traits: { email: 'emil@example.com' } };
    for (const wrong of [
      { ...config, user_handle: '' },
      { ...config, credentials: [] },
      { ...config, credentials: [{ id: '%', public_key: 'AA' }] },
    ]) {
      const told = await administer('POST', '/identities', {
        ...{ ...spec, credentials: { passkey: { config: wrong } } },
      });
      expect(told.status).toBe(400);
    }
    const made = await administer('POST', '/identities', {
      ...{ ...spec, credentials: { passkey: { config }, webauthn: { config } } },
    });
    expect(made.status).toBe(201);
    const told = await login(device);
    expect([told.status, told.body.session.identity.id]).toEqual([200, made.body.id]);
  });
});

describe('webauthn.js', () => {
  it('is what the flow’s node says it is, and any page may load it', async () => {
    const { body } = await ask('GET', `${base}/self-service/login/browser`, undefined, {
      accept: 'application/json',
    });
    const node = body.ui.nodes.find((n: { type: string }) => n.type === 'script');
    expect(node).toMatchObject({
      group: 'webauthn',
      attributes: { id: 'webauthn_script', src: `${base}/.well-known/ory/webauthn.js` },
    });
    const answer = await fetch(node.attributes.src);
    expect(answer.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    const digest = await crypto.subtle.digest('SHA-512', await answer.arrayBuffer());
    const integrity = Buffer.from(digest).toString('base64');
    expect(node.attributes.integrity).toBe(`sha512-${integrity}`);
  });
});
