/** Peers without a credential, with an expired, foreign, wrong or revoked one: real nodes refuse them and say why. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refusalFromHeaders } from '../../src/channel/index.ts';
import { managementOverSocket } from '../../src/control/index.ts';
import {
  answerOf,
  expiredCredential,
  nodePlaces,
  presenting,
  raiseStage,
  type Stage,
  steal,
  Wire,
} from '../harness/hostile.ts';
import { until } from '../harness/postern.ts';
import { ask } from '../harness/talk.ts';

let stage: Stage;
const CONTROL = { ':method': 'POST', ':path': '/postern/channel/v1/control/api' };
beforeAll(async () => {
  stage = await raiseStage();
}, 120_000);
afterAll(() => stage.close(), 60_000);

const run = (home: string, line: string): Promise<string> =>
  stage.world.ok(home, ...line.split(' '));
/** A member with this attribute in a home of its own, with a node of the home's name. */
async function enrol(home: string, attributes: string, ...options: string[]): Promise<void> {
  const ticket = await run('admin', `project ticket --attribute ${attributes}`);
  await run(home, `project enroll ${ticket}`);
  await stage.world.ok(home, 'node', 'create', home, ...options);
}
/** The refusal that db's own listener gives to a channel with these TLS options. */
async function refusalOf(options: Parameters<typeof presenting>[0] | undefined): Promise<string> {
  const { port } = nodePlaces(stage.world, 'db');
  const wire = await Wire.open(port, options === undefined ? {} : presenting(options));
  const { status, headers } = await answerOf(wire.stream(CONTROL));
  wire.close();
  return `${status} ${refusalFromHeaders(headers).message}`;
}
/** A direct inlet from a home to db's listener; answers its port and the reason it gives. */
async function directInlet(home: string): Promise<{ port: number; why: string }> {
  const { port } = nodePlaces(stage.world, 'db');
  const to = `/dnsaddr/127.0.0.1/tcp/${port}/secure/api/service/outlet`;
  const bound = await run(home, `tcp-inlet create --alias direct --to ${to}`);
  const { last_failure } = JSON.parse(await run(home, 'tcp-inlet show direct'));
  return { port: Number(bound.split(':')[1]), why: last_failure };
}

describe('a peer', () => {
  it('without a certificate, or with a credential that has expired, gets no channel', async () => {
    expect(await refusalOf(undefined)).toContain('403');
    const expired = await expiredCredential(stage.world, steal(stage.world, 'web'));
    expect(await refusalOf(expired)).toMatch(/^403 .*expired/);
    const wire = await Wire.open(stage.world.nodePort, presenting(expired));
    const answer = await wire.ask({ ':method': 'GET', ':path': '/control/v1/session?node=x' });
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('expired') });
    wire.close();
    expect(await ask(stage.inletPort, 'ping')).toBe('ping');
  });

  it('of no project gets no channel, and its inlet says so', async () => {
    await run('stranger', 'node create stranger');
    const before = stage.served.length;
    const { port, why } = await directInlet('stranger');
    expect(why).toContain('holds no credential of this project');
    await expect(ask(port, 'ping')).rejects.toThrow();
    expect(stage.served.length).toBe(before);
  });

  it('of another project gets no channel, no relay and no control over this one', async () => {
    await run('admin', 'project create default other');
    const admin = managementOverSocket(join(stage.world.serverHome, 'admin.sock'));
    const answer = await admin.request('POST', '/api/v1/projects/other/tickets', { relay: '*' });
    const ticket = String(Reflect.get(Object(answer), 'ticket'));
    await run('foreign', `project enroll ${ticket}`);
    await run('foreign', 'node create foreign');
    const { port, why } = await directInlet('foreign');
    expect(why).toContain('holds no credential of this project');
    await expect(ask(port, 'ping')).rejects.toThrow();
    const foreign = steal(stage.world, 'foreign');
    const wire = await Wire.open(stage.world.nodePort, presenting(foreign.credential));
    const control = wire.stream({ ':method': 'GET', ':path': '/control/v1/session?node=f' }, true);
    await once(control, 'data');
    const path = { ':method': 'POST', ':path': '/control/v1/rendezvous' };
    expect(await wire.ask(path, { relay: 'db' })).toMatchObject({ status: 404 });
    const { id } = steal(stage.world, 'web').project;
    for (const what of ['members', 'relays', 'tickets']) {
      const method = what === 'tickets' ? 'POST' : 'GET';
      const request = { ':method': method, ':path': `/api/v1/projects/${id}/${what}` };
      expect((await wire.ask(request, method === 'POST' ? {} : undefined)).status).toBe(403);
    }
    wire.close();
  });

  it('with the wrong attribute is denied by the outlet, named at both ends, in logs and audit', async () => {
    await enrol('wrong', 'component=wrong');
    const { port, why } = await directInlet('wrong');
    await expect(ask(port, 'ping')).rejects.toThrow();
    expect(why).toContain("the outlet's policy at node db");
    expect(why).toContain('subject.component="wrong"');
    const last = JSON.parse(await run('db', 'explain last --output json'));
    expect(last).toMatchObject({ allowed: false, side: 'outlet' });
    expect(last.rule).toContain('(= subject.component "web")');
    expect(last.why).toContain('subject.component="wrong"');
    const log = readFileSync(join(stage.world.folder, 'db/nodes/db/stdout.log'), 'utf8');
    expect(log).toContain(last.id);
    await until(async () => expect(await run('admin', 'audit list')).toContain(last.id), 'audit');
  });

  it('with the wrong attribute is denied by the inlet, before a byte of the app leaves', async () => {
    await enrol('shy', 'component=web');
    const rule = '(= subject.component "none")';
    const command = 'policy create --resource-type tcp-inlet --expression';
    await stage.world.ok('shy', ...command.split(' '), rule);
    const before = stage.served.length;
    const { port, why } = await directInlet('shy');
    await expect(ask(port, 'ping')).rejects.toThrow();
    expect(why).toContain("the inlet's policy at node shy");
    expect(why).toContain('subject.component="db"');
    const last = JSON.parse(await run('shy', 'explain last --output json'));
    expect(last).toMatchObject({
      allowed: false,
      side: 'inlet',
      rule: expect.stringContaining('none'),
    });
    await until(async () => expect(await run('admin', 'audit list')).toContain(last.id), 'audit');
    expect(stage.served.length).toBe(before);
  });
});

describe('a revoked member', () => {
  it('is cut within a second and can not come in by what it kept half-open', async () => {
    await enrol('rev', 'component=web');
    const { credential } = steal(stage.world, 'rev');
    const { port } = await directInlet('rev');
    const live = net.connect(port, '127.0.0.1');
    live.on('error', () => undefined);
    live.write('x');
    await once(live, 'data');
    const places = nodePlaces(stage.world, 'db');
    const halfOpen = await Wire.open(places.port, presenting(credential));
    const halfControl = await Wire.open(stage.world.nodePort, presenting(credential));
    const cut = new Promise((r) => live.once('close', r));
    await run('admin', `project-member delete ${await run('rev', 'identity show')} --yes`);
    const revokedMs = Date.now();
    await cut;
    expect(Date.now() - revokedMs).toBeLessThan(1_000);
    const { status, headers } = await answerOf(halfOpen.stream(CONTROL));
    expect(`${status} ${refusalFromHeaders(headers).message}`).toMatch(/^403 .*revoked/);
    const session = { ':method': 'GET', ':path': '/control/v1/session?node=rev' };
    expect((await halfControl.ask(session)).status).toBe(403);
    halfOpen.close();
    halfControl.close();
  });

  it('stays out when the node starts again while its server is away', async () => {
    const { credential } = steal(stage.world, 'rev');
    process.kill(stage.world.serverPid(), 'SIGKILL');
    await run('db', 'node stop db');
    await run('db', 'node start db');
    expect(await refusalOf(credential)).toMatch(/^403 .*revoked/);
    await stage.world.startServer();
    await until(() => ask(stage.inletPort, 'ping'), 'the portal again', 8_000);
  });
});
