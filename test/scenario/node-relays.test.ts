/** Relays that a node holds, and secure channel listeners with lists of their own: no server, no project. */
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, until, World } from '../harness/postern.ts';
import { ask } from '../harness/talk.ts';

const world = new World();
let target: Server;
let targetPort = 0;
let inletPort = 0;

beforeAll(async () => {
  target = createServer((s) => s.on('error', () => undefined).pipe(s));
  targetPort = await freePort();
  await new Promise<void>((r) => target.listen(targetPort, '127.0.0.1', r));
  for (const name of ['relay', 'blue', 'green']) await world.ok('one', 'node', 'create', name);
  await world.ok('one', 'tcp-outlet', 'create', '--at', 'blue', '--to', String(targetPort));
  inletPort = await freePort();
}, 60_000);
afterAll(async () => {
  await world.close();
  target.close();
});

describe('a relay on a node', () => {
  it('is claimed by another node and leads to it', async () => {
    const made = await world.ok(
      'one',
      'relay',
      'create',
      'blue',
      '--at',
      '/node/relay',
      '--to',
      'blue',
    );
    expect(made).toBe('/service/forward_to_blue');
    await world.ok(
      'one',
      ...['tcp-inlet', 'create', '--at', 'green', '--from', String(inletPort)],
      ...['--to', '/node/relay/service/forward_to_blue/secure/api/service/outlet'],
    );
    expect(await ask(inletPort, 'hello')).toBe('hello');
  });

  it('serves again when the node that holds it is killed and returns', async () => {
    process.kill(await world.nodePid('one', 'relay'), 'SIGKILL');
    const { length } = JSON.parse(await world.ok('one', 'node', 'list'));
    expect(length).toBe(3);
    const show = JSON.parse(await world.ok('one', 'node', 'show', 'blue'));
    expect(show.relays).toHaveLength(1);
    await world.ok('one', 'node', 'start', 'relay');
  });

  it('leaves the name to a second claimant, and the first says so', async () => {
    await world.ok('one', 'node', 'create', 'red');
    await until(async () => {
      const [relay] = JSON.parse(await world.ok('one', 'relay', 'list', '--to', 'blue'));
      expect(relay.connection_status).toBe('Up');
    }, 'the relay is up again');
    await world.ok('one', 'relay', 'create', 'blue', '--at', '/node/relay', '--to', 'red');
    await until(async () => {
      const [relay] = JSON.parse(await world.ok('one', 'relay', 'list', '--to', 'blue'));
      expect(relay.connection_status).toBe('Down');
      expect(relay.last_failure).toContain('Another node took the relay name');
    }, 'the first claimant is displaced');
  });
});

describe('a secure channel listener', () => {
  it('admits the identities it names and nobody else', async () => {
    const green = JSON.parse(await world.ok('one', 'node', 'show', 'green')).identity_name;
    const greenId = await world.ok('one', 'identity', 'show', green);
    const other = await world.ok('one', 'identity', 'create', 'other');
    const create = (name: string, id: string): Promise<string> =>
      world.ok(
        'one',
        'secure-channel-listener',
        'create',
        name,
        '--at',
        'blue',
        '--authorized',
        id,
      );
    await create('for-green', greenId);
    await create('for-other', other);
    const open = (listener: string): ReturnType<World['postern']> =>
      world.postern(
        'one',
        'secure-channel',
        'create',
        '--from',
        'green',
        '--to',
        `/node/blue/service/${listener}`,
      );
    expect((await open('for-green')).code).toBe(0);
    const refused = await open('for-other');
    expect(refused.code).toBe(70);
    expect(refused.stderr).toContain('--authorized does not name');
    expect((await open('absent')).code).toBe(70);
  });
});
