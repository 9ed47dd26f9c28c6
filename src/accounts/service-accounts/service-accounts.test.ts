import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { onEachStore } from '../../oidc/stores.fixture.ts';
import { Budgets } from '../budgets.ts';
import { createPasswordHasher } from '../password/hasher.ts';
import { type ServiceAccounts, ServiceAccounts as Services } from './manager.ts';
import { checkServiceName, serviceNameKey, withNetwork } from './service-account.ts';
import { createServiceSignIn, type ServiceSignIn } from './sign-in.ts';

const ADMIN = { id: 'local-admin', scopes: ['*'] };
const argon2 = { memoryKiB: 8_192, iterations: 1, parallelism: 1, saltLength: 16, keyLength: 32 };
const hasher = createPasswordHasher({ algorithm: 'argon2', bcryptCost: 4, argon2 });

const HOSTILE = [
  ...['', ' ', '.', '..', '...', 'a/b', 'a\\b', 'a\nb', 'a\u0000', 'a\u200bb', '\u202eabc'],
  ...['\ud800', '\u2028', 'x'.repeat(129), '\ufdfa'.repeat(200), 'f'.repeat(32)],
];

describe("a service's name", () => {
  it.each(HOSTILE)('is not %j', (name) => {
    expect(() => checkServiceName(name)).toThrow(expect.objectContaining({ code: 'invalid' }));
  });
  it.each(['__proto__', 'constructor', 'backup', 'Größe', 'nova compute', "a'; --", '<b>'])(
    'may be %j',
    (name) => {
      expect(checkServiceName(name).name).toBe(name);
    },
  );
  it('that is taken stands for itself, however it is written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (given) => {
        try {
          const { name, key } = checkServiceName(given);
          expect(serviceNameKey(name)).toBe(key);
          expect(serviceNameKey(` ${name.toUpperCase()}`)).toBe(serviceNameKey(name.toUpperCase()));
          expect(checkServiceName(name)).toEqual({ name, key });
        } catch (reason) {
          expect(reason).toMatchObject({ code: 'invalid' });
        }
      }),
    );
  });
  it('is looked for without harm, whatever somebody sends', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (n) => typeof serviceNameKey(n) === 'string'),
    );
    expect(serviceNameKey('x'.repeat(1_000_000))).toBe('');
  });
});

describe('the networks of a service', () => {
  it('are remembered, and the oldest is forgotten', () => {
    expect(withNetwork(['a'], 'a')).toBeUndefined();
    const full = Array.from({ length: 16 }, (_, i) => String(i));
    expect(withNetwork(full, 'new')).toEqual([...full.slice(1), 'new']);
  });
});

onEachStore((rooms) => {
  let services: ServiceAccounts;
  let door: ServiceSignIn;
  const SPACES = [
    { id: 'space-1', name: 'default' },
    { id: 'space-2', name: 'acme' },
  ];
  beforeAll(async () => {
    const { store, fabric, audit, clock } = rooms();
    const parts = {
      ...{ store, fabric, audit, clock, hasher },
      budgets: new Budgets({ store, clock }),
      spaceOf: async (word = 'default') => SPACES.find((s) => s.id === word || s.name === word),
    };
    for (const { id, name } of SPACES)
      await store.write(async (trx) => {
        const row = { id, name, created_at_ms: 1, created_by: null };
        await trx.insertInto('spaces').values(row).execute();
      });
    services = await Services.open(parts);
    door = createServiceSignIn(parts);
  });
  const make = (name: string, more: object = {}) =>
    services.create({ name, scopes: ['permissions:read'], ...more }, ADMIN);
  const as = (name: string, password: string, more: object = {}) =>
    door.authenticateService({ name, password, address: '192.0.2.7', ...more });
  const lastAudit = async () => {
    const [last] = await rooms().audit.list(undefined, 1);
    return { ...last, data: JSON.parse(last?.dataJson ?? '{}') };
  };
  const findToken = (secret: string) => rooms().fabric.grants.findBySecret(secret, 'token');

  it('lets in by the password that was made, by name or id, and by nothing else', async () => {
    const made = await make('Backup Job');
    await expect(as('backup job', '')).rejects.toMatchObject({ code: 'unauthenticated' });
    const password = (await services.setPassword(made.id, ADMIN)).reveal();
    expect(password.length).toBeGreaterThanOrEqual(32);
    expect((await as(' BACKUP JOB', password)).id).toBe(made.id);
    expect(await lastAudit()).toMatchObject({
      ...{ actor: made.id, action: 'service.login', outcome: 'done' },
      data: { method: 'password', ip: '192.0.2.7' },
    });
    expect((await as(made.id, password)).id).toBe(made.id);
    await expect(as('backup job', password, { space: 'acme' })).rejects.toThrow('wrong');
    for (const [name, given] of [
      ['backup job', `${password} `],
      ['backup job', 'x'.repeat(1_000_000)],
      ['', password],
      ['__proto__', password],
      ['x'.repeat(1_000_000), password],
      ['\ud800', '\ud800'],
    ] as const)
      await expect(as(name, given)).rejects.toMatchObject({
        ...{ code: 'unauthenticated', message: 'The name or the password is wrong' },
      });
    const after = (await services.setPassword(made.id, ADMIN)).reveal();
    await expect(as('backup job', password)).rejects.toThrow('wrong');
    expect((await as('backup job', after)).id).toBe(made.id);
  });

  it('says nothing of why to whoever asks, and everything to the audit, without the name that was typed', async () => {
    const made = await make('quiet');
    const password = (await services.setPassword(made.id, ADMIN)).reveal();
    const told = async (name: string, given: string) => {
      const reason: unknown = await as(name, given).catch((e: unknown) => e);
      return [String(reason), (await lastAudit()).data.why];
    };
    const same = 'PosternError: The name or the password is wrong';
    expect(await told('nobody-of-this-name', password)).toEqual([same, 'unknown']);
    expect(JSON.stringify(await lastAudit())).not.toContain('nobody-of-this-name');
    expect(await told('quiet', 'wrong')).toEqual([same, 'wrong password']);
    await services.setDisabled(made.id, true, ADMIN);
    expect(await told('quiet', password)).toEqual([same, 'disabled']);
    await services.setDisabled(made.id, false, ADMIN);
    await services.removePassword(made.id, ADMIN);
    expect(await told('quiet', password)).toEqual([same, 'no password']);
    const all = JSON.stringify(await rooms().audit.list());
    expect(all).not.toContain(password);
  });

  it('is over when its time is, and so are its tokens', async () => {
    const nowMs = rooms().clock.now();
    const made = await make('brief', { expiresAtMs: nowMs + 60_000 });
    const password = (await services.setPassword(made.id, ADMIN)).reveal();
    const spec = { name: 'long', expiresAtMs: nowMs + 3_600_000 };
    const { grant, secret } = await services.addToken(made.id, spec, ADMIN);
    expect(grant.expiresAtMs).toBe(made.expiresAtMs);
    const opened = await door.openToken({ name: 'brief', password, address: '192.0.2.7' });
    expect(opened.grant.expiresAtMs).toBe(made.expiresAtMs);
    rooms().advance(60_000);
    await expect(as('brief', password)).rejects.toThrow('wrong');
    expect((await lastAudit()).data.why).toBe('expired');
    expect(await findToken(secret.reveal())).toBeUndefined();
    await expect(make('late', { expiresAtMs: 1 })).rejects.toMatchObject({ code: 'invalid' });
  });

  it('is shut out at once with all its tokens, and let in again', async () => {
    const made = await make('switch');
    const { secret } = await services.addToken(made.id, { name: 'ci' }, ADMIN);
    expect((await findToken(secret.reveal()))?.principalId).toBe(made.id);
    await services.setDisabled(made.id, true, ADMIN);
    expect(await findToken(secret.reveal())).toBeUndefined();
    await services.setDisabled(made.id, false, ADMIN);
    expect(await findToken(secret.reveal())).toBeDefined();
    await services.revokeToken(made.id, 'ci', ADMIN);
    expect(await findToken(secret.reveal())).toBeUndefined();
    await expect(services.revokeToken(made.id, 'ci', ADMIN)).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('ends what a password opened when the password ends, and keeps the other tokens', async () => {
    const made = await make('rotating');
    const password = (await services.setPassword(made.id, ADMIN)).reveal();
    const { secret } = await services.addToken(made.id, { name: 'ci' }, ADMIN);
    const opened = await door.openToken({ name: 'rotating', password, address: '192.0.2.7' });
    expect(opened.grant.scopes).toEqual(['permissions:read']);
    expect(await services.tokens(made.id)).toHaveLength(2);
    await services.setPassword(made.id, ADMIN);
    expect(await findToken(opened.token.reveal())).toBeUndefined();
    expect(await findToken(secret.reveal())).toBeDefined();
    await services.delete(made.id, ADMIN);
    expect(await findToken(secret.reveal())).toBeUndefined();
    expect(await rooms().fabric.principals.find(made.id)).toMatchObject({ isDisabled: true });
    await expect(services.get('rotating')).rejects.toMatchObject({ code: 'not_found' });
    expect((await make('rotating')).id).not.toBe(made.id);
  });

  it('may never be more than whoever makes it, opens it or gives it a token', async () => {
    const narrow = { id: 'grt', scopes: ['services:*', 'permissions:read'] };
    const wide = await make('wide', { scopes: ['permissions:*'] });
    const denied = { code: 'denied' };
    await expect(services.create({ name: 'up', scopes: ['*'] }, narrow)).rejects.toMatchObject(
      denied,
    );
    await expect(services.setPassword(wide.id, narrow)).rejects.toMatchObject(denied);
    await expect(services.addToken(wide.id, { name: 't' }, narrow)).rejects.toMatchObject(denied);
    await services.setDisabled(wide.id, true, narrow);
    await expect(services.setDisabled(wide.id, false, narrow)).rejects.toMatchObject(denied);
    const spec = { name: 't', scopes: ['permissions:read'] };
    expect((await services.addToken(wide.id, spec, narrow)).grant.scopes).toEqual(spec.scopes);
    const beyond = { name: 'u', scopes: ['accounts:read'] };
    await expect(services.addToken(wide.id, beyond, ADMIN)).rejects.toMatchObject(denied);
  });

  it('is called by a name that is its own in its space, and no person has', async () => {
    await make('twin');
    await expect(make(' TWIN ')).rejects.toMatchObject({ code: 'conflict' });
    const other = await make('twin', { space: 'acme' });
    await expect(services.get('twin')).rejects.toMatchObject({ code: 'conflict' });
    expect((await services.get('twin', 'acme')).id).toBe(other.id);
    expect((await services.list('acme')).map((s) => s.name)).toEqual(['twin']);
    await expect(make('lost', { space: 'nowhere' })).rejects.toMatchObject({ code: 'not_found' });
    const person = { type: 'password', identifier: 'ann@example.com', account_id: 'a' };
    await rooms().store.write((trx) =>
      trx.insertInto('account_identifiers').values(person).execute(),
    );
    await expect(make('Ann@example.com')).rejects.toMatchObject({ code: 'conflict' });
    const { store } = rooms();
    await expect(store.write((trx) => services.insistOnNone(trx, 'space-2'))).rejects.toMatchObject(
      { code: 'conflict' },
    );
  });

  it('is tried so often and no more, by strangers; its own network is not held up by them', async () => {
    const made = await make('tried');
    const password = (await services.setPassword(made.id, ADMIN)).reveal();
    const home = { address: '2001:db8:1:2::5' };
    await as('tried', password, home);
    for (let i = 0; i < 10; i++) await expect(as('tried', 'x')).rejects.toThrow('wrong');
    await expect(as('tried', password)).rejects.toMatchObject({
      ...{ code: 'exhausted', facts: { retry_after_ms: expect.any(Number) } },
    });
    for (let n = 0; n < 10; n++)
      for (let i = 0; i < 10; i++)
        await as('tried', 'x', { address: `198.51.100.${n}` }).catch(() => undefined);
    await expect(as('tried', password, { address: '203.0.113.9' })).rejects.toMatchObject({
      code: 'exhausted',
    });
    expect((await as('tried', password, { address: '2001:db8:1:2::6' })).id).toBe(made.id);
    rooms().advance(3_600_000);
    expect((await as('tried', password)).id).toBe(made.id);
  }, 60_000);

  it('has so many tokens and no more, each of another name', async () => {
    const made = await make('many');
    for (let i = 0; i < 50; i++) await services.addToken(made.id, { name: `t${i}` }, ADMIN);
    await expect(services.addToken(made.id, { name: 'one more' }, ADMIN)).rejects.toMatchObject({
      code: 'exhausted',
    });
    await services.revokeToken(made.id, 't7', ADMIN);
    await expect(services.addToken(made.id, { name: 't8' }, ADMIN)).rejects.toMatchObject({
      code: 'conflict',
    });
  }, 60_000);
});
