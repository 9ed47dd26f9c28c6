import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Secret } from '../kernel/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { createFabric, type Fabric, type RootKeySource, scopeCovers } from './index.ts';

let folder: string;
let store: Store;
let fabric: Fabric;
let nowMs = 1_000_000;
const clock = { now: () => nowMs };
const rootKey: RootKeySource = { kind: 'value', value: new Secret('11'.repeat(32)) };

beforeEach(async () => {
  nowMs = 1_000_000;
  folder = mkdtempSync(join(tmpdir(), 'postern-fabric-'));
  store = await openStore({ sqlitePath: join(folder, 'server.sqlite3') });
  fabric = await createFabric(store, { rootKey, clock });
});
afterEach(async () => {
  await fabric.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the keyring', () => {
  it('makes a key once, and opens it again with the same root key', async () => {
    const [one, two] = await Promise.all([
      fabric.keyring.secret('cookies'),
      fabric.keyring.secret('cookies'),
    ]);
    expect(one).toEqual(two);
    const again = await createFabric(store, { rootKey });
    expect(await again.keyring.secret('cookies')).toEqual(one);
    expect(await again.keyring.secret('other')).not.toEqual(one);
  });

  it('refuses a wrong root key with a clear error', async () => {
    const wrong: RootKeySource = { kind: 'value', value: new Secret('22'.repeat(32)) };
    await expect(createFabric(store, { rootKey: wrong })).rejects.toMatchObject({
      code: 'denied',
      message: 'The root key is not the one that sealed this keyring',
    });
    const malformed: RootKeySource = { kind: 'value', value: new Secret('short') };
    await expect(createFabric(store, { rootKey: malformed })).rejects.toMatchObject({
      code: 'invalid',
    });
  });

  it('keeps no key in the clear in the database', async () => {
    const secret = await fabric.keyring.secret('cookies');
    const { privateKey } = generateKeyPairSync('ed25519');
    await fabric.keyring.putPrivateKey('project-ca/1', privateKey);
    const der = privateKey.export({ type: 'pkcs8', format: 'der' });
    await store.close();
    const file = readFileSync(join(folder, 'server.sqlite3'));
    expect([file.includes(secret), file.includes(der.subarray(-32))]).toEqual([false, false]);
    store = await openStore({ sqlitePath: join(folder, 'server.sqlite3') });
    fabric = await createFabric(store, { rootKey, clock });
    const kept = await fabric.keyring.privateKey('project-ca/1');
    expect(kept.export({ type: 'pkcs8', format: 'der' })).toEqual(der);
    await expect(fabric.keyring.privateKey('project-ca/2')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('opens and verifies with older versions after a rotation', async () => {
    const sealed = await fabric.keyring.seal('tokens', Buffer.from('before'));
    const old = await fabric.keyring.signingKey('audit');
    const signature = sign(null, Buffer.from('x'), old.privateKey);
    expect(await fabric.keyring.rotate('tokens')).toBe(2);
    expect(await fabric.keyring.rotate('audit')).toBe(2);
    expect((await fabric.keyring.open('tokens', sealed)).toString()).toBe('before');
    const key = (await fabric.keyring.verifyingKeys('audit')).get(old.version);
    expect(key !== undefined && verify(null, Buffer.from('x'), key, signature)).toBe(true);
    expect((await fabric.keyring.signingKey('audit')).version).toBe(2);
  });

  it('opens what another server sealed with a version that it made meanwhile', async () => {
    await fabric.keyring.secret('tokens');
    const other = await createFabric(store, { rootKey });
    await other.keyring.rotate('tokens');
    const sealed = await other.keyring.seal('tokens', Buffer.from('new'));
    expect((await fabric.keyring.open('tokens', sealed)).toString()).toBe('new');
  });

  it('does not open altered bytes, nor those of another name', async () => {
    const sealed = await fabric.keyring.seal('tokens', Buffer.from('x'));
    await expect(fabric.keyring.open('cookies', sealed)).rejects.toMatchObject({ code: 'invalid' });
    for (let i = 0; i < sealed.length; i++) {
      const altered = Buffer.from(sealed);
      altered[i] = (altered[i] ?? 0) ^ 1;
      await expect(fabric.keyring.open('tokens', altered)).rejects.toMatchObject({
        code: 'invalid',
      });
    }
  });

  it('moves from one root key to a passphrase and back', async () => {
    const secret = await fabric.keyring.secret('cookies');
    const passphrase: RootKeySource = { kind: 'passphrase', passphrase: new Secret('correct') };
    await fabric.keyring.reseal(passphrase);
    await expect(createFabric(store, { rootKey })).rejects.toMatchObject({ code: 'denied' });
    const opened = await createFabric(store, { rootKey: passphrase });
    expect(await opened.keyring.secret('cookies')).toEqual(secret);
    const wrong: RootKeySource = { kind: 'passphrase', passphrase: new Secret('incorrect') };
    await expect(createFabric(store, { rootKey: wrong })).rejects.toMatchObject({ code: 'denied' });
  }, 20_000);

  it('creates the root key file 0600, and never a second one for a sealed database', async () => {
    const path = join(folder, 'home', 'root.key');
    const other = await openStore({ sqlitePath: join(folder, 'other.sqlite3') });
    await createFabric(other, { rootKey: { kind: 'file', path } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await createFabric(other, { rootKey: { kind: 'file', path } });
    rmSync(path);
    const lost = createFabric(other, { rootKey: { kind: 'file', path } });
    await expect(lost).rejects.toMatchObject({ code: 'not_found' });
    writeFileSync(path, randomBytes(32).toString('hex'));
    const replaced = createFabric(other, { rootKey: { kind: 'file', path } });
    await expect(replaced).rejects.toMatchObject({ code: 'denied' });
    await other.close();
  });
});

describe('grants', () => {
  const ticket = (uses = 1): Promise<string> =>
    store.write(async (trx) => {
      const made = await fabric.grants.create(trx, {
        kind: 'ticket',
        projectId: 'p1',
        attributes: { component: 'web' },
        uses,
        expiresAtMs: nowMs + 60_000,
      });
      return made.secret.reveal();
    });
  const redeem = (secret: string): Promise<unknown> =>
    store.write((trx) => fabric.grants.redeem(trx, secret, 'ticket'));

  it('are redeemed as often as they say, however many ask at once', async () => {
    const secret = await ticket(3);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => redeem(secret)));
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(3);
    expect(results.at(-1)).toMatchObject({
      reason: { code: 'expired', message: 'This ticket was used already' },
    });
  });

  it('give the use back when the rest of the transaction fails', async () => {
    const secret = await ticket();
    const failing = store.write(async (trx) => {
      await fabric.grants.redeem(trx, secret, 'ticket');
      throw new Error('no certificate');
    });
    await expect(failing).rejects.toThrow('no certificate');
    expect(await redeem(secret)).toMatchObject({ attributes: { component: 'web' }, usesLeft: 0 });
  });

  it('are void after their time, from the very millisecond', async () => {
    const secret = await ticket();
    nowMs += 59_999;
    expect(await fabric.grants.findBySecret(secret, 'ticket')).toBeDefined();
    nowMs += 1;
    expect(await fabric.grants.findBySecret(secret, 'ticket')).toBeUndefined();
    await expect(redeem(secret)).rejects.toMatchObject({ message: 'This ticket has expired' });
  });

  it('are void when revoked, told of once', async () => {
    const secret = await ticket();
    const grant = await fabric.grants.findBySecret(secret, 'ticket');
    const revoke = (): Promise<boolean> =>
      store.write((trx) => fabric.grants.revoke(trx, grant?.id ?? ''));
    expect([await revoke(), await revoke()]).toEqual([true, false]);
    await expect(redeem(secret)).rejects.toMatchObject({ message: 'This ticket was revoked' });
    const kinds = (await fabric.events.read(0)).map((e) => e.kind);
    expect(kinds).toEqual(['grant.created', 'grant.revoked']);
  });

  it('are void while their principal is shut out', async () => {
    const secret = await store.write(async (trx) => {
      const { id } = await fabric.principals.ensure(trx, { kind: 'service', name: 'script' });
      const made = await fabric.grants.create(trx, { kind: 'token', principalId: id });
      await fabric.principals.setDisabled(trx, id, true);
      return made.secret.reveal();
    });
    expect(await fabric.grants.findBySecret(secret, 'token')).toBeUndefined();
  });

  it('are not found under another kind, and the store has no secret', async () => {
    const secret = await ticket();
    expect(await fabric.grants.findBySecret(secret, 'token')).toBeUndefined();
    await expect(redeem('guess')).rejects.toMatchObject({ code: 'unauthenticated' });
    const rows = await store.db.selectFrom('grants').selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain(secret);
  });
});

describe('events', () => {
  const append = (kind: string): Promise<number> =>
    store.write((trx) => fabric.events.append(trx, { kind }));

  it('reach a reader in order, once each, from where it was', async () => {
    await append('early');
    const seen: number[] = [];
    const reader = fabric.events.subscribe(1, (event) => void seen.push(event.number));
    await Promise.all(Array.from({ length: 700 }, () => append('many')));
    await vi.waitFor(() => expect(seen).toHaveLength(700));
    expect(seen).toEqual(Array.from({ length: 700 }, (_, i) => i + 2));
    expect(reader.position).toBe(await fabric.events.latest());
    reader.close();
  });

  it('come again when the handler failed, and do not exist when the change failed', async () => {
    const failing = store.write(async (trx) => {
      await fabric.events.append(trx, { kind: 'undone' });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    const handle = vi.fn().mockRejectedValueOnce(new Error('busy')).mockResolvedValue(undefined);
    const reader = fabric.events.subscribe(0, handle);
    await append('done');
    await vi.waitFor(() => expect(handle).toHaveBeenCalledTimes(2));
    expect(handle.mock.calls.map(([e]) => [e.number, e.kind])).toEqual([
      [1, 'done'],
      [1, 'done'],
    ]);
    reader.close();
  });
});

describe('authorise', () => {
  const question = (action = 'tickets:create', projectId = 'p1') => ({
    principalId: 'ann',
    action,
    resource: `project/${projectId}`,
    projectId,
  });
  const makeAdmin = (projectId?: string): Promise<string> =>
    store.write(async (trx) => {
      await fabric.principals.ensure(trx, { kind: 'account', name: 'Ann', id: 'ann' });
      const { grant } = await fabric.grants.create(trx, {
        kind: 'role',
        principalId: 'ann',
        scopes: ['admin'],
        ...(projectId === undefined ? {} : { projectId }),
      });
      return grant.id;
    });

  it('denies by default, and explains it under the id that the error carries', async () => {
    const error = await fabric.require(question()).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'denied', decisionId: expect.stringMatching(/^dec_/) });
    const last = await fabric.explain('last');
    expect(last).toMatchObject({ isAllowed: false, rule: 'default deny', principalId: 'ann' });
    await fabric.decisions.flush();
    expect(await fabric.explain(last.id)).toEqual(last);
    expect(await fabric.explain('last-denied')).toEqual(last);
    await expect(fabric.explain('dec_none')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('lets an administrator of the project, until the role is revoked', async () => {
    const role = await makeAdmin('p1');
    expect(await fabric.require(question())).toMatchObject({ rule: 'role admin' });
    expect(await fabric.authorise(question('x', 'p2'))).toMatchObject({ isAllowed: false });
    await store.write((trx) => fabric.grants.revoke(trx, role));
    expect(await fabric.authorise(question())).toMatchObject({ isAllowed: false });
  });

  it('holds a token to its scopes, even an administrator’s', async () => {
    await makeAdmin();
    const { grant } = await store.write((trx) =>
      fabric.grants.create(trx, { kind: 'token', principalId: 'ann', scopes: ['relays:*'] }),
    );
    const ask = (action: string) => fabric.authorise({ ...question(action), grant });
    expect(await ask('relays:list')).toMatchObject({ isAllowed: true, rule: 'scope relays:*' });
    expect(await ask('tickets:create')).toMatchObject({ isAllowed: false, rule: 'scope' });
  });

  it('shuts out a disabled principal before anything else', async () => {
    await makeAdmin();
    await store.write((trx) => fabric.principals.setDisabled(trx, 'ann', true));
    expect(await fabric.authorise(question())).toMatchObject({ rule: 'principal disabled' });
  });

  it('asks the rules of domains too', async () => {
    fabric.addRule(async ({ action }) =>
      action === 'open' ? { isAllowed: true, rule: 'everybody', why: 'it is open' } : undefined,
    );
    expect(await fabric.authorise(question('open'))).toMatchObject({ isAllowed: true });
    expect(await fabric.authorise(question('closed'))).toMatchObject({ isAllowed: false });
  });

  it.each([
    ['*', 'a:b', true],
    ['a:*', 'a:b', true],
    ['a:b', 'a:b', true],
    ['a:*', 'ab:c', false],
    ['a', 'a:b', false],
    ['', 'a:b', false],
  ])('scope %j covers %j: %j', (scope, action, yes) =>
    expect(scopeCovers(scope, action)).toBe(yes),
  );

  it('keeps a bounded number of decisions', async () => {
    for (let i = 0; i < 2_500; i++) {
      const isAllowed = i !== 0;
      fabric.decisions.record({ ...question(`a${i}`), isAllowed, rule: 'r', why: '' });
    }
    expect(await fabric.explain('last-denied')).toMatchObject({ action: 'a0' });
    await fabric.decisions.flush();
    const { n } = await store.db
      .selectFrom('decisions')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow();
    expect(n).toBe(2_000);
  });
});
