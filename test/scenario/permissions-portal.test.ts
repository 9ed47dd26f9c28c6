/** Portals whose policies ask for a relation: the server answers, and a revoked relation cuts what is live. */
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until, World } from '../harness/postern.ts';
import { exchange } from '../harness/talk.ts';

const world = new World();
let target: net.Server;
let inletPort = 0;
let webIdentifier = '';

const write = async (action: 'insert' | 'delete', subject: string): Promise<void> => {
  const relation_tuple = {
    namespace: 'db',
    object: 'prod',
    relation: 'access',
    subject_id: subject,
  };
  const { status, body } = await world.askAdmin('PATCH', '/permissions/admin/relation-tuples', [
    { action, relation_tuple },
  ]);
  expect(status, body).toBe(204);
};
const works = async (): Promise<void> => {
  expect((await exchange(inletPort, Buffer.from('ping'))).toString()).toBe('ping');
};

beforeAll(async () => {
  target = net.createServer({ allowHalfOpen: true }, (s) => {
    s.on('error', () => undefined);
    s.pipe(s);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const address = target.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await world.startServer();
  await world.ok('admin', 'enroll');
  await world.applyModel('db', 'names');
  const db = await world.ok('admin', 'project', 'ticket', '--relay', 'db');
  const web = await world.ok('admin', 'project', 'ticket');
  await world.ok('db', 'project', 'enroll', db);
  await world.ok('db', 'node', 'create', 'db');
  const allow = ['--allow', '(check "access" "db:prod")'];
  await world.ok('db', 'tcp-outlet', 'create', '--to', String(port), ...allow);
  const shown: { route: { short: string } } = JSON.parse(
    await world.ok('db', 'node', 'show', 'db'),
  );
  await world.ok('web', 'project', 'enroll', web);
  webIdentifier = await world.ok('web', 'identity', 'show');
  await world.ok('web', 'node', 'create', 'web');
  // From node to node: a relay would stop with the server.
  const route = `${shown.route.short}/secure/api/service/outlet`;
  const bound = await world.ok(
    ...(['web', 'tcp-inlet', 'create', '--to', route, '--no-connection-wait'] as const),
  );
  inletPort = Number(bound.split(':')[1]);
}, 120_000);
afterAll(async () => {
  await world.close();
  target.close();
}, 60_000);

describe('a policy that asks for a relation', () => {
  it('denies without it, and the denial names the relation', async () => {
    await expect(works()).rejects.toThrow();
    const explained = await until(async () => {
      const text = await world.ok('admin', 'explain', 'last');
      if (!text.includes('db:prod#access')) throw new Error(text);
      return text;
    }, 'the explanation');
    expect(explained).toContain('db:prod#access is no');
  });

  it('lets in within moments of the relation being written', async () => {
    await write('insert', webIdentifier);
    await until(works, 'the portal', 10_000);
  });

  it('cuts a live stream within a second of the relation being revoked', async () => {
    const socket = net.connect(inletPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('hello');
    await once(socket, 'data');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const startMs = performance.now();
    await write('delete', webIdentifier);
    await closed;
    expect(performance.now() - startMs).toBeLessThan(1_000);
    await expect(works()).rejects.toThrow();
  });

  it('keeps what is live while the server is away, and lets nothing new in', async () => {
    await write('insert', webIdentifier);
    await until(works, 'the portal', 10_000);
    const socket = net.connect(inletPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('hello');
    await once(socket, 'data');
    process.kill(world.serverPid(), 'SIGSTOP');
    try {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await expect(works()).rejects.toThrow();
      expect(socket.destroyed).toBe(false);
    } finally {
      process.kill(world.serverPid(), 'SIGCONT');
    }
    socket.destroy();
    await until(works, 'the portal', 10_000);
  });
});
