/** Writes of tuples while the server is killed: what was acknowledged is there, and nothing is there by half. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../harness/postern.ts';

const KILLS = 4;
const WRITERS = 8;
const TUPLES_PER_WRITE = 3;
const world = new World();
let token = '';

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  await world.applyModel('app', 'names');
  token = await world.ok('admin', 'token', 'create', 'writer', '--scope', 'permissions:write');
}, 120_000);
afterAll(() => world.close(), 60_000);

const object = (write: number): string => `w${write}`;
const patch = (write: number): string =>
  JSON.stringify(
    Array.from({ length: TUPLES_PER_WRITE }, (_, i) => ({
      action: 'insert',
      relation_tuple: {
        ...{ namespace: 'app', object: object(write), relation: 'read', subject_id: `s${i}` },
      },
    })),
  );

/** Sends one write; answers whether it was acknowledged. */
function send(agent: Agent, port: number, write: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      {
        ...{ agent, host: '127.0.0.1', port, method: 'PATCH', path: '/admin/relation-tuples' },
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode === 204));
        answer.on('error', () => resolve(false));
      },
    );
    asked.on('error', () => resolve(false));
    asked.end(patch(write));
  });
}

interface Page {
  readonly relation_tuples: readonly { readonly object: string }[];
  readonly next_page_token: string;
}
async function stored(): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  let pageToken = '';
  do {
    const { body } = await world.askAdmin(
      'GET',
      `/permissions/relation-tuples?namespace=app&page_size=500&page_token=${pageToken}`,
    );
    const page: Page = JSON.parse(body);
    for (const { object: name } of page.relation_tuples)
      counts.set(name, (counts.get(name) ?? 0) + 1);
    pageToken = page.next_page_token;
  } while (pageToken !== '');
  return counts;
}

describe('a server that is killed while it writes', () => {
  it('keeps every acknowledged write, and none by half', async () => {
    const acknowledged = new Set<string>();
    let next = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const port = Number(world.permissionPorts().write.split(':')[1]);
      const agent = new Agent({ keepAlive: true });
      let isOver = false;
      const writers = Array.from({ length: WRITERS }, async () => {
        while (!isOver) {
          const write = next++;
          if (await send(agent, port, write)) acknowledged.add(object(write));
          else isOver = true;
        }
      });
      await sleep(100 + kill * 120);
      process.kill(world.serverPid(), 'SIGKILL');
      isOver = true;
      await Promise.all(writers);
      agent.destroy();
      await world.startServer();
      const counts = await stored();
      for (const name of acknowledged) expect(counts.get(name), name).toBe(TUPLES_PER_WRITE);
      for (const [name, count] of counts) expect(count, name).toBe(TUPLES_PER_WRITE);
    }
    expect(acknowledged.size).toBeGreaterThan(50);
  });
});
