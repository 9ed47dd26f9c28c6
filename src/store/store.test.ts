import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { nextNumber, openStore, type Store, type StoreOptions } from './index.ts';
import { hasPostgres, type PostgresServer, startPostgres } from './postgres-server.fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const put = (store: Store, name: string, value = ''): Promise<void> =>
  store.write(async (trx) => {
    await trx.insertInto('settings').values({ name, value }).execute();
  });
const names = async (store: Store): Promise<string[]> =>
  (await store.db.selectFrom('settings').select('name').orderBy('name').execute()).map(
    (r) => r.name,
  );

/** What every store promises, asked of each. */
function suite(options: () => StoreOptions): void {
  let store: Store;
  beforeAll(async () => {
    store = await openStore(options());
  });
  afterAll(() => store.close());

  it('shows a write once it resolved, and undoes one that threw', async () => {
    await put(store, 'kept');
    const failing = store.write(async (trx) => {
      await trx.insertInto('settings').values({ name: 'undone', value: '' }).execute();
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await names(store)).toEqual(['kept']);
  });

  it('keeps the other writes of a group when one fails', async () => {
    const results = await Promise.allSettled(
      ['a', 'b', 'a', 'c'].map((name) => put(store, `group-${name}`)),
    );
    expect(results.map((r) => r.status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(results[2]).toMatchObject({ reason: { code: 'conflict' } });
    expect(await names(store)).toEqual(['group-a', 'group-b', 'group-c', 'kept']);
  });

  it('commits a group though a write in it fails and is tried again without end', async () => {
    let isThere = false;
    const hurried = (async () => {
      for (let tries = 0; tries < 5_000; tries++) {
        if ((await names(store)).includes('awaited')) return true;
        await store.write(async () => Promise.reject(new Error('not yet'))).catch(() => undefined);
      }
      return false;
    })();
    const first = put(store, 'awaited').then(() => {
      isThere = true;
    });
    expect(await hurried).toBe(true);
    await first;
    expect(isThere).toBe(true);
  });

  it('acknowledges nothing of a group whose transaction was lost, and goes on', async () => {
    const results = await Promise.allSettled([
      put(store, 'lost-a'),
      store.write(async (trx) => {
        await sql`rollback`.execute(trx);
        throw new Error('as SQLite does when the disk is full');
      }),
      put(store, 'lost-b'),
    ]);
    expect(results.map((r) => r.status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect((await names(store)).filter((n) => n.startsWith('lost'))).toEqual(['lost-b']);
  });

  it('numbers without gaps in the order of commits', async () => {
    const numbers = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        store
          .write(async (trx) => {
            const number = await nextNumber(trx, 'test');
            if (i % 7 === 3) throw new Error('given back');
            return number;
          })
          .catch(() => undefined),
      ),
    );
    const given = numbers.filter((n) => n !== undefined);
    expect(given).toEqual(Array.from({ length: given.length }, (_, i) => i + 1));
  });

  it('hands out bytes, numbers beyond 32 bits and nulls as they were', async () => {
    const row = { name: 'k', version: 1, kind: 'aes256', created_at_ms: 1_900_000_000_123 };
    await store.write(async (trx) => {
      await trx
        .insertInto('keyring')
        .values({ ...row, sealed: Buffer.from([0, 255]) })
        .execute();
      await trx
        .insertInto('principals')
        .values({ id: 'p', kind: 'node', name: '', created_at_ms: 0, disabled_at_ms: null })
        .execute();
    });
    const key = await store.db.selectFrom('keyring').selectAll().executeTakeFirstOrThrow();
    expect({ ...key, sealed: [...key.sealed] }).toEqual({ ...row, sealed: [0, 255] });
    const principal = await store.db.selectFrom('principals').selectAll().executeTakeFirst();
    expect(principal?.disabled_at_ms).toBeNull();
  });

  it('refuses a write inside a write instead of waiting for ever', async () => {
    const nested = store.write(() => put(store, 'inner'));
    await expect(nested).rejects.toMatchObject({ code: 'internal' });
  });

  it('tells listeners of commits', async () => {
    const heard = vi.fn();
    const undo = store.onCommit(heard);
    await put(store, 'heard');
    await vi.waitFor(() => expect(heard).toHaveBeenCalled());
    undo();
  });

  it('keeps everything over closing and opening, and migrates once', async () => {
    await store.close();
    await expect(put(store, 'late')).rejects.toMatchObject({ code: 'unavailable' });
    store = await openStore(options());
    expect(await names(store)).toContain('kept');
  });

  it('loses nothing that was acknowledged when the process is killed', async () => {
    const child = fork(fileURLToPath(new URL('./killed-writer.fixture.ts', import.meta.url)), {
      execArgv: [],
      env: { ...process.env, STORE_OPTIONS: JSON.stringify(options()) },
    });
    const acknowledged: string[] = [];
    child.on('message', (name) => {
      acknowledged.push(String(name));
      if (acknowledged.length === 400) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    expect(acknowledged.length).toBeGreaterThanOrEqual(400);
    const kept = new Set(await names(store));
    expect(acknowledged.filter((name) => !kept.has(name))).toEqual([]);
    await put(store, 'after the kill');
  });
}

describe('the SQLite store', () => {
  const options: StoreOptions = { sqlitePath: join(folder, 'deep', 'server.sqlite3') };
  suite(() => options);

  it('is readable by its owner alone', () => {
    expect(statSync(options.sqlitePath).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'deep')).mode & 0o777).toBe(0o700);
  });

  it('does not block the main thread while it writes', async () => {
    const store = await openStore({ sqlitePath: join(folder, 'busy.sqlite3') });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await store.write(async (trx) => {
      await trx
        .insertInto('settings')
        .values({ name: 'big', value: 'x'.repeat(1e7) })
        .execute();
    });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    await store.close();
  });

  it('tells all that wait when another program holds the file, and goes on when it lets go', async () => {
    const path = join(folder, 'held.sqlite3');
    const store = await openStore({ sqlitePath: path });
    const other = new DatabaseSync(path);
    other.exec('begin immediate');
    const startMs = performance.now();
    const results = await Promise.allSettled([
      put(store, 'held-a'),
      store.write(async () => undefined),
      put(store, 'held-b'),
    ]);
    // One wait for all of them.
    expect(performance.now() - startMs).toBeLessThan(19_000);
    for (const r of results)
      expect(r).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    other.exec('rollback');
    other.close();
    await put(store, 'held-c');
    expect(await names(store)).toEqual(['held-c']);
    await store.close();
  }, 40_000);
});

describe.skipIf(!hasPostgres)('the PostgreSQL store (skipped where PostgreSQL is absent)', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server.remove());
  suite(() => ({ postgresUrl: server.url }));

  it('wakes the readers of another server', async () => {
    const [one, two] = await Promise.all([
      openStore({ postgresUrl: server.url }),
      openStore({ postgresUrl: server.url }),
    ]);
    const heard = vi.fn();
    two.onCommit(heard);
    await put(one, 'from another');
    await vi.waitFor(() => expect(heard).toHaveBeenCalled());
    await Promise.all([one.close(), two.close()]);
  });

  it('fails with unavailable while the database is away, and works when it is back', async () => {
    const store = await openStore({ postgresUrl: server.url });
    const heard = vi.fn();
    await put(store, 'before');
    await server.stop();
    await expect(put(store, 'meanwhile')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.ping()).rejects.toMatchObject({ code: 'unavailable' });
    // While the database is away, since the wake-up for its return can come before the first ping that succeeds.
    store.onCommit(heard);
    await server.start();
    await vi.waitFor(() => store.ping(), { timeout: 5_000 });
    // The wake-ups of other servers come again too.
    await vi.waitFor(() => expect(heard).toHaveBeenCalled(), { timeout: 5_000 });
    await put(store, 'again');
    expect(await names(store)).toEqual(expect.arrayContaining(['before', 'again']));
    await store.close();
  }, 30_000);

  it('says that it cannot reach a database that is not there', async () => {
    const away = openStore({ postgresUrl: 'postgres://nobody@127.0.0.1:1/none' });
    await expect(away).rejects.toMatchObject({ code: 'unavailable' });
  });
});
