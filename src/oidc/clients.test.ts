/** Clients of the provider on both databases: who may make and change what, and what is kept of a secret. */
import { describe, expect, it } from 'vitest';
import type { Actor, ClientSpec } from './client.ts';
import { isClientSecret } from './client-secret.ts';
import { ClientManager } from './clients.ts';
import { onEachStore, type Rooms } from './stores.fixture.ts';

const ADMIN: Actor = { principalId: 'admin', isAdministrator: true };
const ANN: Actor = { principalId: 'ann', isAdministrator: false };
const BOB: Actor = { principalId: 'bob', isAdministrator: false };
const SHOP: ClientSpec = {
  name: 'Shop',
  type: 'web',
  callbackUrls: ['https://shop.example.org/cb'],
};
async function managerOf(rooms: Rooms): Promise<ClientManager> {
  const manager = new ClientManager(rooms);
  await manager.open();
  return manager;
}

describe('clients', () => {
  onEachStore((rooms) => {
    it('keep a hash of their secret, sealed, and show it once', async () => {
      const clients = await managerOf(rooms());
      const { client, secret } = await clients.create(SHOP, ADMIN);
      const shown = secret?.reveal() ?? '';
      expect(shown.length).toBeGreaterThanOrEqual(64);
      const row = await rooms()
        .store.db.selectFrom('oidc_clients')
        .selectAll()
        .where('client_id', '=', client.id)
        .executeTakeFirstOrThrow();
      const hash = (await clients.findWithSecret(client.id))?.secretHash ?? '';
      const dump = Object.values(row)
        .map((v) => (v instanceof Uint8Array ? Buffer.from(v).toString('latin1') : String(v)))
        .join('\n');
      expect(dump).not.toContain(shown);
      expect(dump).not.toContain(hash);
      expect(isClientSecret(shown, hash)).toBe(true);
      for (const other of ['', `${shown} `, hash, shown.slice(1)])
        expect(isClientSecret(other, hash)).toBe(false);
      expect(JSON.stringify(await clients.get(client.id, ADMIN))).not.toContain(hash);
    });

    it('have a new secret in place of the old at once; native ones have none', async () => {
      const clients = await managerOf(rooms());
      const { client, secret } = await clients.create(SHOP, ANN);
      const fresh = await clients.rotateSecret(client.id, ANN);
      const hash = (await clients.findWithSecret(client.id))?.secretHash ?? '';
      expect(isClientSecret(fresh.reveal(), hash)).toBe(true);
      expect(isClientSecret(secret?.reveal() ?? '', hash)).toBe(false);
      const native = await clients.create({ name: 'App', type: 'native' }, ANN);
      expect(native.secret).toBeUndefined();
      await expect(clients.rotateSecret(native.client.id, ANN)).rejects.toMatchObject({
        code: 'invalid',
      });
    });

    it('have wildcards where strangers have names from an administrator alone, who leaves them to a person', async () => {
      const clients = await managerOf(rooms());
      const wild = ['http://*.ngrok-free.app/callback'];
      const spec = { ...SHOP, callbackUrls: wild };
      await expect(clients.create(spec, ANN)).rejects.toMatchObject({ code: 'denied' });
      await expect(
        clients.create({ ...SHOP, callbackUrls: ['https://*.co.uk/cb'] }, ADMIN),
      ).rejects.toMatchObject({ code: 'invalid' });
      const { client } = await clients.create(SHOP, ANN);
      const change = { callbackUrls: wild };
      await expect(clients.update(client.id, change, ANN)).rejects.toMatchObject({
        code: 'denied',
      });
      expect((await clients.update(client.id, change, ADMIN)).callbackUrls).toEqual(wild);
      // What was allowed stays; nothing is added to it.
      expect((await clients.update(client.id, { name: 'Stall' }, ANN)).callbackUrls).toEqual(wild);
      const more = { logoutUrls: ['https://*.github.io/'] };
      await expect(clients.update(client.id, more, ANN)).rejects.toMatchObject({ code: 'denied' });
    });

    it('are not there for who does not own them, whatever they ask', async () => {
      const clients = await managerOf(rooms());
      const { client } = await clients.create(SHOP, ANN);
      const asked = [
        clients.get(client.id, BOB),
        clients.update(client.id, { name: 'Mine' }, BOB),
        clients.rotateSecret(client.id, BOB),
        clients.delete(client.id, BOB),
        clients.get('nobody-s', BOB),
        clients.get('__proto__', BOB),
        clients.get('', BOB),
        clients.get('a'.repeat(10_000), BOB),
      ];
      for (const one of await Promise.allSettled(asked))
        expect(one).toMatchObject({ status: 'rejected', reason: { code: 'not_found' } });
      expect((await clients.list(BOB)).map(({ id }) => id)).not.toContain(client.id);
      expect((await clients.list(ANN)).map(({ id }) => id)).toContain(client.id);
      expect((await clients.list(ADMIN)).map(({ id }) => id)).toContain(client.id);
      expect((await clients.get(client.id, ADMIN)).name).toBe('Shop');
    });

    it('of a person are not trusted, do not act for themselves and are not posted to', async () => {
      const clients = await managerOf(rooms());
      const refused: Partial<ClientSpec>[] = [
        { isFirstParty: true },
        { type: 'service' },
        { backchannelLogoutUrl: 'http://169.254.169.254/' },
        { id: 'postern-cli' },
      ];
      for (const more of refused)
        await expect(clients.create({ ...SHOP, ...more }, ANN)).rejects.toMatchObject({
          code: 'denied',
        });
      const { client } = await clients.create(SHOP, ANN);
      for (const more of [{ isFirstParty: true }, { backchannelLogoutUrl: 'http://127.0.0.1/' }])
        await expect(clients.update(client.id, more, ANN)).rejects.toMatchObject({
          code: 'denied',
        });
      expect((await clients.get(client.id, ANN)).isFirstParty).toBe(false);
    });

    it('keep their type, their id and their owner, whatever a change says', async () => {
      const clients = await managerOf(rooms());
      const { client } = await clients.create(SHOP, ANN);
      const change = { name: 'New', type: 'native', id: 'other', ownerId: 'bob', createdAtMs: 0 };
      await clients.update(client.id, change, ANN);
      const after = await clients.get(client.id, ANN);
      expect(after).toMatchObject({ name: 'New', type: 'web', ownerId: 'ann' });
      expect(after.createdAtMs).toBe(client.createdAtMs);
    });

    it('refuse what no client may be', async () => {
      const clients = await managerOf(rooms());
      const wrong: Partial<ClientSpec>[] = [
        { name: '' },
        { name: ' \t' },
        { name: 'a\nb' },
        { name: 'Pay\u202elor' },
        { name: 'Goo\u200bgle' },
        { name: 'a'.repeat(201) },
        { callbackUrls: [] },
        { callbackUrls: ['javascript:alert(1)'] },
        { callbackUrls: Array.from({ length: 51 }, (_, i) => `https://shop.example.org/${i}`) },
        { logoutUrls: ['data:x'] },
        { webOrigins: ['https://shop.example.org/path'] },
        { uri: 'javascript:alert(1)' },
        { id: 'a' },
        { id: 'a:b' },
        { id: 'a b c' },
        { id: 'a'.repeat(129) },
        { backchannelLogoutUrl: 'file:///etc/passwd' },
        { backchannelLogoutUrl: 'x' },
      ];
      for (const more of wrong)
        await expect(
          clients.create({ ...SHOP, ...more }, ADMIN),
          JSON.stringify(more).slice(0, 80),
        ).rejects.toMatchObject({ code: 'invalid' });
    });

    it('have an id once, and a person at most 100', async () => {
      const clients = await managerOf(rooms());
      await clients.create({ ...SHOP, id: 'constructor' }, ADMIN);
      await expect(clients.create({ ...SHOP, id: 'constructor' }, ADMIN)).rejects.toMatchObject({
        code: 'conflict',
      });
      const carl: Actor = { principalId: 'carl', isAdministrator: false };
      for (let i = 0; i < 100; i++) await clients.create(SHOP, carl);
      await expect(clients.create(SHOP, carl)).rejects.toMatchObject({ code: 'exhausted' });
      await clients.create(SHOP, BOB);
    }, 60_000);
  });
});
