/** Tuples, tokens, models, watch and preconditions on both databases, with two servers on PostgreSQL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAudit } from '../audit/index.ts';
import { createFabric, type Fabric } from '../fabric/index.ts';
import { Secret, silentLogger } from '../kernel/index.ts';
import { openStore, type Store, type StoreOptions } from '../store/index.ts';
import {
  hasPostgres,
  type PostgresServer,
  startPostgres,
} from '../store/postgres-server.fixture.ts';
import { PermissionManager } from './manager.ts';
import type { WriteRequest } from './permissions.ts';
import { parseSubject, parseTuple, printTuple, type Subject, type SubjectSet } from './tuple.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-permissions-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const BY = { id: 'tester' };
let nowMs = 1_700_000_000_000;
const clock = { now: () => nowMs };

interface Server {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly permissions: PermissionManager;
  close(): Promise<void>;
}
async function serve(options: StoreOptions): Promise<Server> {
  const store = await openStore(options);
  const rootKey = { kind: 'value', value: new Secret('11'.repeat(32)) } as const;
  const fabric = await createFabric(store, { rootKey, clock });
  const audit = createAudit(store, {
    signer: () => fabric.keyring.signingKey('audit'),
    verifying: () => fabric.keyring.verifyingKeys('audit'),
  });
  const permissions = await PermissionManager.open({
    ...{ store, fabric, audit, clock },
    logger: silentLogger,
    limits: { historyWindowMs: 60_000 },
  });
  return {
    ...{ store, fabric, permissions },
    close: async () => {
      permissions.close();
      await fabric.close();
      await store.close();
    },
  };
}
const inserting = (...texts: string[]): WriteRequest => ({
  inserts: texts.map(parseTuple),
  deletes: [],
});
const deleting = (...texts: string[]): WriteRequest => ({
  inserts: [],
  deletes: texts.map(parseTuple),
});
const asks = (text: string): [SubjectSet, Subject] => {
  const { subject, ...on } = parseTuple(text);
  return [on, subject];
};

function suite(options: () => StoreOptions): void {
  let server: Server;
  beforeAll(async () => {
    server = await serve(options());
    await server.permissions.applyModel('app\ndoc\ngroup', 'names', BY);
  });
  afterAll(() => server.close());
  const write = (request: WriteRequest): Promise<{ token: string; revision: number }> =>
    server.permissions.write(request, BY);
  const allowed = async (text: string, token?: string): Promise<boolean> =>
    (
      await server.permissions.check(
        ...asks(text),
        token === undefined ? {} : { consistency: { mode: 'at_exact_snapshot', token } },
      )
    ).allowed;
  const listed = async (namespace: string): Promise<string[]> =>
    (await server.permissions.listTuples({ namespace })).items.map(printTuple);

  it('answers by what was written, as soon as the write was answered', async () => {
    await write(inserting('app:home#read@alice', 'app:home#read@group:eng#member'));
    await write(inserting('group:eng#member@bob'));
    expect(await allowed('app:home#read@alice')).toBe(true);
    expect(await allowed('app:home#read@bob')).toBe(true);
    expect(await allowed('app:home#read@carol')).toBe(false);
  });

  it('keeps a set: writing again changes nothing and takes no revision', async () => {
    const first = await write(inserting('app:set#read@alice'));
    const again = await write(inserting('app:set#read@alice', 'app:set#read@alice'));
    expect(again.token).toBe(first.token);
    expect((await listed('app')).filter((t) => t.startsWith('app:set'))).toHaveLength(1);
  });

  it('deletes after it inserts, all or nothing', async () => {
    await write({
      inserts: [parseTuple('app:both#read@alice'), parseTuple('app:only#read@alice')],
      deletes: [parseTuple('app:both#read@alice')],
    });
    expect(await allowed('app:both#read@alice')).toBe(false);
    expect(await allowed('app:only#read@alice')).toBe(true);
    const bad = write(inserting('app:half#read@alice', 'nowhere:x#read@alice'));
    await expect(bad).rejects.toMatchObject({ code: 'not_found' });
    expect(await allowed('app:half#read@alice')).toBe(false);
  });

  it('answers at the revision of a token, and refuses one of another store', async () => {
    const before = await write(inserting('doc:1#owner@alice'));
    const after = await write(deleting('doc:1#owner@alice'));
    expect(after.revision).toBeGreaterThan(before.revision);
    expect(await allowed('doc:1#owner@alice', before.token)).toBe(true);
    expect(await allowed('doc:1#owner@alice', after.token)).toBe(false);
    await expect(allowed('doc:1#owner@alice', 'AAAA')).rejects.toMatchObject({ code: 'invalid' });
  });

  it('holds a write back when a precondition does not hold', async () => {
    const guarded = (matches: boolean): Promise<unknown> =>
      write({
        ...inserting('doc:guarded#owner@bob'),
        preconditions: [{ matches, query: { namespace: 'doc', object: 'guard' } }],
      });
    await expect(guarded(true)).rejects.toMatchObject({ code: 'conflict' });
    expect(await allowed('doc:guarded#owner@bob')).toBe(false);
    await guarded(false);
    expect(await allowed('doc:guarded#owner@bob')).toBe(true);
  });

  it('does a request with an idempotency key once', async () => {
    const request = { ...inserting('doc:once#owner@bob'), idempotencyKey: 'k1' };
    const first = await write(request);
    await write(deleting('doc:once#owner@bob'));
    expect(await write(request)).toEqual(first);
    expect(await allowed('doc:once#owner@bob')).toBe(false);
    await expect(
      write({ ...inserting('doc:twice#owner@bob'), idempotencyKey: 'k1' }),
    ).rejects.toMatchObject({ code: 'conflict' });
  });

  it('hides an expired tuple at once, and lets it be written again', async () => {
    const tuple = { ...parseTuple('doc:brief#view@bob'), expiresAtMs: nowMs + 1_000 };
    await write({ inserts: [tuple], deletes: [] });
    expect(await allowed('doc:brief#view@bob')).toBe(true);
    nowMs += 1_000;
    expect(await allowed('doc:brief#view@bob')).toBe(false);
    await write(inserting('doc:brief#view@bob'));
    expect(await allowed('doc:brief#view@bob')).toBe(true);
  });

  it('tells each change once, in order, and whole revisions alone', async () => {
    const cursor = await server.permissions.headCursor();
    await write(inserting('doc:w#a@x', 'doc:w#a@y', 'doc:w#a@z'));
    await write(deleting('doc:w#a@x'));
    const all = await server.permissions.changes(cursor);
    expect(all.changes.map((c) => `${c.operation} ${printTuple(c.tuple)}`)).toEqual([
      'insert doc:w#a@x',
      'insert doc:w#a@y',
      'insert doc:w#a@z',
      'delete doc:w#a@x',
    ]);
    expect((await server.permissions.changes(all.cursor)).changes).toEqual([]);
    const first = await server.permissions.changes(cursor, 1);
    expect(first.changes).toHaveLength(3);
    expect((await server.permissions.changes(first.cursor, 1)).changes).toHaveLength(1);
  });

  it('pages what it lists without a gap or a double, while others write', async () => {
    const names = Array.from({ length: 23 }, (_, i) => `group:page#member@u${i}`);
    await write(inserting(...names));
    const found: string[] = [];
    let pageToken = '';
    do {
      const page = await server.permissions.listTuples(
        { namespace: 'group', object: 'page' },
        { pageSize: 5, pageToken },
      );
      found.push(...page.items.map(printTuple));
      pageToken = page.nextPageToken;
      await write(inserting(`group:page#member@late${found.length}`));
    } while (pageToken !== '');
    expect(found.toSorted()).toEqual(names.toSorted());
  });

  it('refuses a model that stored tuples do not fit, and keeps the one before', async () => {
    const { permissions } = server;
    await expect(permissions.applyModel('app\ngroup', 'names', BY)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('namespace "doc"'),
    });
    expect(permissions.namespaces()).toEqual(['app', 'doc', 'group']);
    const current = permissions.currentModel();
    expect((await permissions.applyModel('app\ndoc\ngroup', 'names', BY)).id).toBe(current?.id);
  });

  it.each(['a\0b', 'a\ud800b'])(
    'refuses a name that no database can carry (case %#)',
    async (name) => {
      const tuple = { ...parseTuple('app:x#read@alice'), object: name };
      await expect(write({ inserts: [tuple], deletes: [] })).rejects.toMatchObject({
        code: 'invalid',
      });
    },
  );

  it.each(['', '#:@', 'é🦄', '__proto__', 'x'.repeat(65_536)])(
    'keeps a name as it is (case %#)',
    async (name) => {
      const tuple = { namespace: 'app', object: name, relation: name, subject: { id: name } };
      await write({ inserts: [tuple], deletes: [] });
      const page = await server.permissions.listTuples({ namespace: 'app', object: name });
      expect(page.items).toEqual([tuple]);
      const on = { namespace: 'app', object: name, relation: name };
      expect((await server.permissions.check(on, { id: name })).allowed).toBe(true);
    },
  );

  it('has everything again after a restart, and forgets what is out of the window', async () => {
    const old = await write(inserting('doc:old#view@bob'));
    await write(deleting('doc:old#view@bob'));
    const expected = await listed('app');
    await server.close();
    server = await serve(options());
    expect(await listed('app')).toEqual(expected);
    expect(await allowed('doc:old#view@bob', old.token)).toBe(true);
    nowMs += 61_000;
    await write(inserting('doc:new#view@bob'));
    await server.permissions.tidy();
    nowMs += 61_000;
    await write(inserting('doc:newer#view@bob'));
    await server.permissions.tidy();
    await expect(allowed('doc:old#view@bob', old.token)).rejects.toMatchObject({ code: 'expired' });
    expect(await allowed('doc:new#view@bob')).toBe(true);
  });

  it('counts every write in the audit log', async () => {
    const { revision } = await write(inserting('doc:audited#view@bob'));
    const rows = await server.store.db
      .selectFrom('audit')
      .select('data_json')
      .where('action', '=', 'permissions:write')
      .execute();
    expect(rows.map((r) => JSON.parse(r.data_json).revision)).toContain(revision);
  });
}

describe('permissions on SQLite', () => suite(() => ({ sqlitePath: join(folder, 'p.sqlite3') })));

it('lets no long check wait behind long lists', async () => {
  const server = await serve({ sqlitePath: join(folder, 'long.sqlite3') });
  const { permissions } = server;
  await permissions.applyModel('doc\ngroup', 'names', BY);
  // Layers of groups, each a member of all of the layer above: a check of nobody follows 40,000 edges.
  const layers = Array.from({ length: 26 }, (_, l) =>
    Array.from({ length: 40 }, (_, i) => `g${l}-${i}`),
  );
  const edges = layers.flatMap((above, l) =>
    above.flatMap((a) => (layers[l + 1] ?? []).map((b) => `group:${a}#member@group:${b}#member`)),
  );
  const docs = Array.from({ length: 5_000 }, (_, i) => `doc:d${i}#view@group:g0-0#member`);
  for (const texts of [edges, docs])
    for (let i = 0; i < texts.length; i += 5_000)
      await permissions.write(inserting(...texts.slice(i, i + 5_000)), BY);
  const order: string[] = [];
  const lists = Array.from({ length: 12 }, (_, i) => {
    const set = { namespace: 'group', object: `g25-${i}`, relation: 'member' };
    const question = { namespace: 'doc', relation: 'view', subject: { set } };
    return permissions.listObjects(question).then(() => order.push('list'));
  });
  // By now the lists are under way or wait for their turn.
  await new Promise((resolve) => setImmediate(resolve));
  await permissions.check(...asks('doc:d1#view@nobody')).then(() => order.push('check'));
  await Promise.all(lists);
  expect(order.indexOf('check')).toBeLessThan(4);
  await server.close();
}, 60_000);

describe.skipIf(!hasPostgres)('permissions on PostgreSQL', () => {
  let postgres: PostgresServer;
  beforeAll(async () => {
    postgres = await startPostgres();
  }, 60_000);
  afterAll(() => postgres.remove());

  describe('alone', () => suite(() => ({ postgresUrl: postgres.url })));

  it('never show less on one server than a token of the other names', async () => {
    const [a, b] = await Promise.all([
      serve({ postgresUrl: postgres.url }),
      serve({ postgresUrl: postgres.url }),
    ]);
    try {
      await a.permissions.applyModel('app\ndoc\ngroup', 'names', BY);
      for (let i = 0; i < 60; i++) {
        const [writer, reader] = i % 2 === 0 ? [a, b] : [b, a];
        const { token } = await writer.permissions.write(inserting(`doc:${i}#view@x`), BY);
        const subject = parseSubject('x');
        const on = { namespace: 'doc', object: String(i), relation: 'view' };
        const fresh = { consistency: { mode: 'at_least_as_fresh', token } } as const;
        expect((await reader.permissions.check(on, subject, fresh)).allowed).toBe(true);
        const sure = { consistency: { mode: 'fully_consistent' } } as const;
        expect((await reader.permissions.check(on, subject, sure)).allowed).toBe(true);
      }
      // Both at once: revisions never collide, and both end with the same.
      await Promise.all(
        [a, b].flatMap((s, n) =>
          Array.from({ length: 20 }, (_, i) =>
            s.permissions.write(inserting(`group:g${n}#member@u${i}`), BY),
          ),
        ),
      );
      const all = { consistency: { mode: 'fully_consistent' }, pageSize: 500 } as const;
      const [left, right] = await Promise.all(
        [a, b].map(async (s) => (await s.permissions.listTuples({}, all)).items.map(printTuple)),
      );
      expect(left).toEqual(right);
    } finally {
      await a.close();
      await b.close();
    }
  });
});
