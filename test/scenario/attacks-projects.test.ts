/**
 * What members and ticket holders must not reach, tried against the real program: another project, a name that was not
 * given, administration, a portal that a policy closes, membership that was taken away; and what no log may hold.
 */
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTROL, Link, renewCredential } from '../../src/control/index.ts';
import { type Home, openHome } from '../../src/home/index.ts';
import { encodeTicket, parseTicket } from '../../src/trust/light.ts';
import { World } from '../harness/postern.ts';
import { ask } from '../harness/talk.ts';

const world = new World();
const targets: net.Server[] = [];
/** Connections and bytes that reached the app behind an outlet: an attack that is refused adds none. */
const reached = { default: 0, second: 0 };
const inlets: Record<string, number> = {};
const secrets: string[] = [];
const facts = { services: ['outlet'], direct_addresses: [] };

async function listen(project: 'default' | 'second'): Promise<string> {
  const target = net.createServer({ allowHalfOpen: true }, (s) => {
    reached[project]++;
    s.on('error', () => undefined).pipe(s);
  });
  targets.push(target);
  await once(target.listen(0, '127.0.0.1'), 'listening');
  const address = target.address();
  return String(typeof address === 'object' && address !== null ? address.port : 0);
}
async function ticket(...args: string[]): Promise<string> {
  const line = await world.ok('admin', 'project', 'ticket', ...args);
  secrets.push(line, parseTicket(line).oneTimeCode);
  return line;
}
/** A home of its own whose node runs as a member. */
async function joinAs(home: string, ...args: string[]): Promise<string> {
  const line = await ticket(...args);
  await world.ok(home, 'project', 'enroll', line);
  await world.ok(home, 'node', 'create', home);
  return line;
}
async function inlet(home: string, via: string, ...args: string[]): Promise<number> {
  const bound = await world.ok(home, 'tcp-inlet', 'create', '--via', via, ...args);
  return Number(bound.split(':')[1]);
}
const works = async (port: number = inlets['default'] ?? 0): Promise<void> =>
  expect(await ask(port, 'ping')).toBe('ping');

/** Reads a home as whoever stole it would. */
async function inHome<T>(name: string, use: (home: Home) => Promise<T> | T): Promise<T> {
  const home = openHome(join(world.folder, name));
  try {
    return await use(home);
  } finally {
    home.close();
  }
}
/** Speaks on the node port with what a home holds, around the program. */
function asMember<T>(name: string, use: (link: Link, home: Home) => Promise<T>): Promise<T> {
  return inHome(name, async (home) => {
    const [project, credential] = [home.projects.get(), home.credentials.list()[0]];
    if (credential === undefined) throw new Error(`${name} holds no credential`);
    const link = await Link.open({
      address: `127.0.0.1:${world.nodePort}`,
      serverCa: { pem: project.serverCaPem },
      clientCertificate: credential,
    });
    try {
      return await use(link, home);
    } finally {
      link.close();
    }
  });
}
/** Opens a control session on the link and leaves it open, so that session-bound requests are heard. */
async function openSession(link: Link): Promise<NodeJS.EventEmitter> {
  const stream = link.session.request({ ':path': `${CONTROL}/session?node=attacker` });
  stream.on('error', () => undefined);
  await once(stream.resume(), 'data');
  return stream;
}

/** What the audit log says was denied to the member of a home, as `action resource`. */
async function deniedTo(home: string): Promise<string[]> {
  const me = await world.ok(home, 'identity', 'show');
  const entries: { actor: string; action: string; resource: string; outcome: string }[] =
    JSON.parse(await world.ok('admin', 'audit', 'list', '--output', 'json'));
  return entries
    .filter((e) => e.actor === me && e.outcome === 'denied')
    .map((e) => `${e.action} ${e.resource}`);
}
async function statusOf(link: Link, method: string, path: string, body?: object): Promise<number> {
  const stream = link.session.request(
    { ':method': method, ':path': path, ...(body && { 'content-type': 'application/json' }) },
    { endStream: body === undefined },
  );
  if (body !== undefined) stream.end(JSON.stringify(body));
  const [headers] = await once(stream.resume(), 'response');
  return Number(headers[':status']);
}

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  await world.ok('admin', 'project', 'create', 'default', 'second');
  for (const [home, project] of [
    ['db', 'default'],
    ['vault', 'second'],
  ] as const) {
    await joinAs(home, '--project', project, '--relay', home, '--attribute', `component=${home}`);
    await world.ok(home, 'tcp-outlet', 'create', '--to', await listen(project));
    await world.ok(home, 'relay', 'create', home);
  }
  await joinAs('web', '--attribute', 'component=web');
  await joinAs('other', '--project', 'second');
  inlets['default'] = await inlet('web', 'db');
  inlets['second'] = await inlet('other', 'vault');
}, 120_000);

afterAll(async () => {
  await world.close();
  for (const target of targets) target.close();
}, 60_000);

describe('a project', () => {
  it('lets nobody in by a ticket or a membership of another project', async () => {
    await works(inlets['default']);
    await works(inlets['second']);
    const before = reached.second;
    const mine = parseTicket(await ticket());
    const theirs = parseTicket(await ticket('--project', 'second'));
    const forged = encodeTicket({ ...mine, project: theirs.project });
    expect(await world.postern('forger', 'project', 'enroll', forged)).toMatchObject({
      code: 70,
      stderr: expect.stringContaining('another project'),
    });
    await inHome('forger', (home) => expect(home.credentials.list()).toEqual([]));
    await asMember('web', async (link, home) => {
      const id = theirs.project.id;
      await expect(
        renewCredential(link, home.identityKeys(home.identity()), id),
      ).rejects.toMatchObject({ code: 'denied', message: expect.stringContaining('not a member') });
      await openSession(link);
      await expect(
        link.request('POST', `${CONTROL}/rendezvous`, { relay: 'vault' }),
      ).rejects.toMatchObject({ code: 'not_found' });
      for (const path of ['relays', 'members'])
        await expect(link.request('GET', `/api/v1/projects/${id}/${path}`)).rejects.toMatchObject({
          code: 'denied',
        });
    });
    const port = await inlet('web', 'vault', '--connection-wait', '500ms');
    await expect(ask(port, 'ping')).rejects.toThrow();
    expect(reached.second).toBe(before);
  });

  it('takes from a member that it removes nothing of another project', async () => {
    await world.ok('admin', 'project', 'create', 'default', 'third');
    const me = await world.ok('admin', 'identity', 'show');
    await world.ok('admin', 'project-member', 'delete', me, '-p', 'third', '--yes');
    expect((await world.postern('admin', 'project', 'ticket', '--project', 'third')).code).toBe(70);
    await ticket();
  });
});

describe('a member', () => {
  it('gets no relay name and no administration by its bare credential, and each attempt is in the audit log', async () => {
    const victim = await world.ok('db', 'identity', 'show');
    await asMember('web', async (link, home) => {
      const [project, me] = [home.projects.get().id, home.identity().identifier];
      const at = `/api/v1/projects/${project}`;
      const here = `project/${project}`;
      await openSession(link);
      const attempts: [string, string, object | undefined, string][] = [
        ['PUT', `${CONTROL}/relays/db`, facts, 'relay:hold relay/db'],
        ['PUT', `${CONTROL}/relays/free`, facts, 'relay:hold relay/free'],
        ['POST', `${at}/tickets`, {}, `tickets:create ${here}`],
        ['POST', `${at}/members`, { identifier: me, enroller: true }, `members:add ${here}`],
        ['DELETE', `${at}/members/${victim}`, undefined, `members:delete ${here}`],
        ['DELETE', at, undefined, `projects:delete ${here}`],
        ['POST', '/api/v1/tokens', { name: 'mine', scopes: ['*'] }, 'tokens:create tokens'],
        ['GET', '/api/v1/tokens', undefined, 'tokens:list tokens'],
        ['GET', '/api/v1/audit', undefined, 'audit:read audit'],
      ];
      for (const [method, path, body, what] of attempts)
        expect([what, await statusOf(link, method, path, body)]).toEqual([what, 403]);
      expect(await statusOf(link, 'POST', '/api/v1/admin-tickets')).toBe(403);
      expect(await deniedTo('web')).toEqual(expect.arrayContaining(attempts.map((a) => a[3])));
    });
    await works();
  });
});
