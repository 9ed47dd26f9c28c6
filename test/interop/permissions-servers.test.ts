/**
 * Two servers on one PostgreSQL, one of them killed again and again: whoever asks with a token never sees less than its
 * writer wrote, at whichever server, and a watcher gets every committed change once, in order.
 */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingPeers, type Postgres, postgresBin, startPostgres } from '../harness/peers.ts';
import { until, World } from '../harness/postern.ts';

const missing = missingPeers({ PostgreSQL: postgresBin() !== undefined });
const rootKey = { POSTERN_ROOT_KEY: randomBytes(32).toString('hex') };
const KILLS = 6;
const WRITERS = 6;
const TUPLES_PER_WRITE = 3;
const SUBJECTS = Array.from({ length: TUPLES_PER_WRITE }, (_, i) => `s${i}`);

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly token: string;
}

function ask(
  address: string,
  method: string,
  path: string,
  o: { agent?: Agent; bearer?: string; body?: unknown } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(`http://${address}`);
  return new Promise((resolve, reject) => {
    const headers = {
      ...(o.bearer === undefined ? {} : { authorization: `Bearer ${o.bearer}` }),
      ...(o.body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const asked = request(
      {
        hostname,
        port,
        method,
        path,
        headers,
        ...(o.agent === undefined ? {} : { agent: o.agent }),
      },
      (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          body += chunk;
        });
        answer.on('end', () => {
          const token = answer.headers['x-postern-snaptoken'];
          resolve({ status: answer.statusCode ?? 0, body, token: String(token ?? '') });
        });
        answer.on('error', reject);
      },
    );
    asked.setTimeout(10_000, () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.end(o.body === undefined ? undefined : JSON.stringify(o.body));
  });
}

const patchOf = (object: string, action: 'insert' | 'delete'): unknown =>
  SUBJECTS.map((subject_id) => ({
    action,
    relation_tuple: { namespace: 'app', object, relation: 'read', subject_id },
  }));

describe.skipIf(missing.length > 0)('two servers on one PostgreSQL', () => {
  const worlds = [new World(rootKey), new World(rootKey)] as const;
  const [one, two] = worlds;
  const record = new Map<string, 'there' | 'gone' | 'unknown'>();
  const shortfalls: string[] = [];
  let postgres: Postgres;
  let url = '';
  let bearer = '';
  let checked = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
    url = `postgres://postgres:password@127.0.0.1:${postgres.port}/postgres`;
    for (const world of worlds) await world.startServer('--database', url);
    await one.ok('admin', 'enroll');
    await one.applyModel('app', 'names');
    bearer = await one.ok('admin', 'token', 'create', 'writer', '--scope', 'permissions:write');
  }, 120_000);
  afterAll(async () => {
    for (const world of worlds) await world.close();
    await postgres?.stop();
  }, 60_000);

  /** What the other server says of an object, asked with the writer's token; undefined when that server is down. */
  async function isShown(world: World, object: string, token: string): Promise<void> {
    const expected = record.get(object);
    const at = world.permissionPorts().read;
    const asked = `namespace=app&object=${object}&relation=read&snaptoken=${token}`;
    let check: Answer;
    let list: Answer;
    try {
      check = await ask(at, 'GET', `/relation-tuples/check/openapi?${asked}&subject_id=s1`);
      list = await ask(at, 'GET', `/relation-tuples?${asked}`);
    } catch {
      return;
    }
    if (check.status !== 200 || list.status !== 200) return;
    checked += 1;
    const isThere = JSON.parse(check.body).allowed === true;
    const count: number = JSON.parse(list.body).relation_tuples.length;
    const isRight = expected === 'there' ? isThere && count === 3 : !isThere && count === 0;
    if (!isRight) shortfalls.push(`${object}: ${expected}, but ${check.body} and ${count} listed`);
  }

  async function writeOnce(writer: number, n: number, agents: readonly Agent[]): Promise<void> {
    const side = (writer + n) % 2;
    const [world, other] = side === 0 ? [one, two] : [two, one];
    const agent = agents[side];
    const object = `w${writer}-${n}`;
    for (const action of ['insert', 'delete'] as const) {
      // Half of the objects stay.
      if (action === 'delete' && n % 2 === 0) return;
      record.set(object, 'unknown');
      try {
        const { write } = world.permissionPorts();
        const body = patchOf(object, action);
        const answer = await ask(write, 'PATCH', '/admin/relation-tuples', {
          bearer,
          body,
          ...(agent === undefined ? {} : { agent }),
        });
        if (answer.status !== 204) return;
        record.set(object, action === 'insert' ? 'there' : 'gone');
        await isShown(other, object, answer.token);
      } catch {
        // The server died meanwhile: the write's outcome is unknown.
        return;
      }
    }
  }

  it('never shows less than a token names, however often one is killed', async () => {
    let isOver = false;
    const agents = worlds.map(() => new Agent({ keepAlive: true }));
    const watched: { operation: string; object: string; at: string }[] = [];
    const head = await ask(
      two.permissionPorts().read,
      'GET',
      '/relation-tuples/watch?timeout_ms=0',
    );
    let cursor: string = JSON.parse(head.body).cursor;
    const watcher = (async () => {
      while (!isOver || watched.length === 0) {
        try {
          const path = `/relation-tuples/watch?cursor=${encodeURIComponent(cursor)}&timeout_ms=1000`;
          const { status, body } = await ask(two.permissionPorts().read, 'GET', path);
          if (status !== 200) throw new Error(`watch was answered with ${status}: ${body}`);
          const page: {
            changes: { operation: string; relation_tuple: { object: string }; at: string }[];
            cursor: string;
          } = JSON.parse(body);
          for (const { operation, relation_tuple, at } of page.changes)
            watched.push({ operation, object: relation_tuple.object, at });
          cursor = page.cursor;
        } catch (reason) {
          if (String(reason).includes('answered with 4')) throw reason;
          await sleep(100);
        }
      }
    })();
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let n = 0; !isOver; n++) {
        await writeOnce(writer, n, agents);
        await sleep(5);
      }
    });
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = kill % 3 === 2 ? one : two;
      await sleep(300 + Math.random() * 900);
      process.kill(victim.serverPid(), 'SIGKILL');
      await sleep(Math.random() * 500);
      await victim.startServer('--database', url);
    }
    await sleep(500);
    isOver = true;
    await Promise.all(writers);
    for (const agent of agents) agent.destroy();
    expect(shortfalls).toEqual([]);
    expect(checked).toBeGreaterThan(200);

    // Both servers agree with the record, and nothing is there by half.
    for (const world of worlds) {
      const counts = new Map<string, number>();
      let page = '';
      do {
        const path = `/relation-tuples?namespace=app&latest=true&page_size=500&page_token=${page}`;
        const answer = await ask(world.permissionPorts().read, 'GET', path);
        const { relation_tuples, next_page_token } = JSON.parse(answer.body);
        for (const { object } of relation_tuples) counts.set(object, (counts.get(object) ?? 0) + 1);
        page = next_page_token;
      } while (page !== '');
      for (const [object, count] of counts) expect(count, object).toBe(TUPLES_PER_WRITE);
      for (const [object, state] of record) {
        if (state === 'there') expect(counts.get(object), object).toBe(TUPLES_PER_WRITE);
        if (state === 'gone') expect(counts.has(object), object).toBe(false);
      }
    }

    await watcher;
    await until(async () => {
      const path = `/relation-tuples/watch?cursor=${encodeURIComponent(cursor)}&timeout_ms=0`;
      const { body } = await ask(two.permissionPorts().read, 'GET', path);
      const { changes, cursor: next } = JSON.parse(body);
      for (const { operation, relation_tuple, at } of changes)
        watched.push({ operation, object: relation_tuple.object, at });
      cursor = next;
      if (changes.length > 0) throw new Error('there is more');
    }, 'the watcher caught up');
    const inserted = watched.filter((w) => w.operation === 'insert').map((w) => w.object);
    const deleted = watched.filter((w) => w.operation === 'delete').map((w) => w.object);
    for (const [object, state] of record) {
      const inserts = inserted.filter((o) => o === object).length;
      const deletes = deleted.filter((o) => o === object).length;
      if (state === 'there') expect([object, inserts, deletes]).toEqual([object, 3, 0]);
      if (state === 'gone') expect([object, inserts, deletes]).toEqual([object, 3, 3]);
    }
    const times = watched.map((w) => w.at);
    expect(times).toEqual([...times].sort());
  }, 180_000);
});
