import { expect, it } from 'vitest';
import { onEachStore } from '../oidc/stores.fixture.ts';
import { newDevice, SessionManager } from './sessions.ts';

const HOUR_MS = 3_600_000;

onEachStore((rooms) => {
  const manager = (): SessionManager => new SessionManager({ ...rooms(), lifespanMs: HOUR_MS });
  async function begin(accountId: string): Promise<string> {
    const { store, fabric, advance } = rooms();
    advance(1_000);
    return store.write(async (trx) => {
      await fabric.principals.ensure(trx, { kind: 'account', name: accountId, id: accountId });
      const device = newDevice('127.0.0.1', 'test');
      const { session } = await manager().issue(trx, { accountId, methods: [], device });
      return session.id;
    });
  }

  it('nothing to forget is nothing forgotten', async () => {
    expect(await rooms().store.write((trx) => manager().delete(trx, []))).toBe(0);
  });

  it('a page begins behind its place, whether or not what stood there was forgotten meanwhile', async () => {
    const sessions = manager();
    const ids = [await begin('a'), await begin('a'), await begin('b')].reverse();
    const [first] = await sessions.listAll({ limit: 1 });
    if (first === undefined) throw new Error('there is no session');
    expect(first.id).toBe(ids[0]);
    await rooms().store.write((trx) => sessions.delete(trx, [first.id]));
    const after = { createdAtMs: first.issuedAtMs, id: first.id };
    const rest = await sessions.listAll({ limit: 10, after });
    expect(rest.map((s) => s.id)).toEqual(ids.slice(1));
  });

  it('ending all of a person ends those that expired too: refresh tokens live on from them', async () => {
    const { store, advance } = rooms();
    const sessions = manager();
    const expired = await begin('c');
    advance(2 * HOUR_MS);
    const [ended, kept] = [await begin('c'), await begin('c')];
    expect(await sessions.isUnrevoked(expired)).toBe(true);
    expect(await store.write((trx) => sessions.revokeAll(trx, 'c', kept))).toBe(1);
    for (const id of [expired, ended]) expect(await sessions.isUnrevoked(id)).toBe(false);
    expect(await sessions.isUnrevoked(kept)).toBe(true);
  });

  it('two proofs that saw the same session are both kept', async () => {
    const { store } = rooms();
    const sessions = manager();
    const before = await sessions.get(await begin('d'));
    if (before === undefined) throw new Error('there is no session');
    const proof = { completedAtMs: 1 };
    await store.write((trx) =>
      sessions.addMethod(trx, before, { ...proof, method: 'password', aal: 'aal1' }),
    );
    await store.write((trx) =>
      sessions.addMethod(trx, before, { ...proof, method: 'totp', aal: 'aal2' }),
    );
    const after = await sessions.get(before.id);
    expect(after?.methods.map(({ method }) => method)).toEqual(['password', 'totp']);
    expect(after?.aal).toBe('aal2');
  });
});
