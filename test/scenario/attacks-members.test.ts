/** What a member may not do although it is one: on the node port, over the channel, and to the audit log. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headers, preface, reset } from '../harness/h2-frames.ts';
import {
  type Answer,
  dialTls,
  presenting,
  raiseStage,
  type Stage,
  type Stolen,
  steal,
  Wire,
} from '../harness/hostile.ts';
import { until } from '../harness/postern.ts';
import { ask } from '../harness/talk.ts';

let stage: Stage;
let member: Stolen;
beforeAll(async () => {
  stage = await raiseStage();
  member = steal(stage.world, 'web');
}, 120_000);
afterAll(() => stage.close(), 60_000);

/** The node port as the thief of web's credential sees it, with a control session of its own. */
async function session(): Promise<Wire> {
  const wire = await Wire.open(stage.world.nodePort, presenting(member.credential));
  const path = '/control/v1/session?node=thief';
  const control = wire.stream({ ':method': 'GET', ':path': path }, true);
  await new Promise((r) => control.once('data', r));
  return wire;
}
const request = (method: string, path: string): [string, string][] => [
  [':method', method],
  [':scheme', 'https'],
  [':authority', 'peer'],
  [':path', path],
];
const messageOf = (answer: Answer): string => JSON.parse(answer.body).error.message;
const audit = (): Promise<string> => stage.world.ok('admin', 'audit', 'list');

describe('a member on the node port', () => {
  it('can not claim a relay name that it was not given, and the denial is on record', async () => {
    const wire = await session();
    const body = { services: ['outlet'], direct_addresses: [] };
    for (const name of ['db', 'default', '*', '..', 'db%00', 'DB']) {
      const path = `/control/v1/relays/${encodeURIComponent(name)}`;
      const answer = await wire.ask({ ':method': 'PUT', ':path': path }, body);
      expect([400, 403], `${name}: ${answer.body}`).toContain(answer.status);
    }
    const refused = await wire.ask({ ':method': 'PUT', ':path': '/control/v1/relays/db' }, body);
    expect(messageOf(refused)).toContain('no ockam-relay');
    const { decision_id } = JSON.parse(refused.body).error;
    expect(decision_id).toMatch(/^dec_/);
    expect(await stage.world.ok('admin', 'explain', decision_id)).toContain('relay/db');
    expect(await audit()).toContain('relay:hold');
    wire.close();
    expect(await ask(stage.inletPort, 'ping')).toBe('ping');
  });

  it('can not release the name of another', async () => {
    const wire = await session();
    const released = await wire.ask({ ':method': 'DELETE', ':path': '/control/v1/relays/db' });
    expect(released.status).toBeLessThan(500);
    wire.close();
    const [holder] = JSON.parse(await stage.world.ok('db', 'relay', 'list'));
    expect(holder.connection_status).toBe('Up');
    process.kill(await stage.world.nodePid('web', 'web'), 'SIGKILL');
    await stage.world.ok('web', 'node', 'start', 'web');
    await until(() => ask(stage.inletPort, 'ping'), 'the portal anew', 5_000);
  });

  it('can not administer anything over its session', async () => {
    const wire = await session();
    const id = member.project.id;
    const other = 'I'.padEnd(65, 'a');
    const mine = member.credential.identity.identity.identifier;
    const calls: [string, string, object?][] = [
      ['POST', '/api/v1/admin-tickets', {}],
      ['POST', '/api/v1/enroll-admin', { change_history: '', spki: '', evidence_signature: '' }],
      ['POST', `/api/v1/projects/${id}/tickets`, {}],
      ['POST', `/api/v1/projects/default/tickets`, { enroller: true }],
      ['POST', `/api/v1/projects/${id}/members`, { identifier: other }],
      ['POST', `/api/v1/projects/${id}/members`, { identifier: mine, enroller: true }],
      ['DELETE', `/api/v1/projects/${id}/members/${other}`],
      ['GET', `/api/v1/projects/${id}/members`],
      ['GET', `/api/v1/projects/${id}/relays`],
      ['DELETE', `/api/v1/projects/${id}`],
      ['POST', '/api/v1/spaces', { name: 'mine' }],
      ['POST', '/api/v1/projects', { space: 'default', name: 'mine' }],
      ['POST', '/api/v1/tokens', { name: 'mine', scopes: ['*'] }],
      ['GET', '/api/v1/tokens'],
      ['GET', '/api/v1/audit'],
      ['GET', '/api/v1/decisions/last'],
    ];
    for (const [method, path, body] of calls) {
      const answer = await wire.ask({ ':method': method, ':path': path }, body);
      expect(answer.status, `${method} ${path}: ${answer.body}`).toBe(403);
    }
    wire.close();
  });

  it('can report only what a node itself refuses, without control characters', async () => {
    const wire = await session();
    const report = {
      id: 'dec_forged',
      at_ms: Date.now(),
      action: 'tcp-outlet:use',
      resource: 'outlet',
      peer: 'Ix',
      rule: 'r',
      why: 'w',
      count: 1,
    };
    const path = { ':method': 'POST', ':path': '/control/v1/reports' };
    for (const forged of [
      { action: 'member.delete' },
      { why: 'fine\n{"level":30,"msg":"forged"}' },
      { why: '\u001b[2J\u001b]0;owned\u0007' },
      { peer: 'I\r\nx' },
    ]) {
      const answer = await wire.ask(path, { decisions: [{ ...report, ...forged }] });
      expect(answer.status).toBe(400);
    }
    wire.close();
    expect(await audit()).not.toContain('dec_forged');
  });

  it('has one control session a connection, and a bound on its meetings', async () => {
    const wire = await session();
    const second = wire.ask({ ':method': 'GET', ':path': '/control/v1/session?node=thief2' });
    expect((await second).status).toBe(409);
    const path = { ':method': 'POST', ':path': '/control/v1/rendezvous' };
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => wire.ask(path, { relay: 'db' })),
    );
    const statuses = new Set(answers.map((a) => a.status));
    expect([...statuses].sort()).toEqual([200, 429]);
    expect(await ask(stage.inletPort, 'ping')).toBe('ping');
    wire.close();
  });

  it('leaves nothing at the server when its session ends before it began', async () => {
    const state: { public: string } = JSON.parse(
      readFileSync(join(stage.world.serverHome, 'server.json'), 'utf8'),
    );
    const token = await stage.world.ok('admin', 'token', 'create', 'm', '--scope', 'metrics:read');
    const metrics = (headers: Record<string, string>): Promise<Response> =>
      fetch(`http://${state.public}/metrics`, { headers });
    expect((await metrics({})).status).toBe(401);
    const sessions = async (): Promise<string | undefined> =>
      /^postern_node_sessions (\d+)$/m.exec(
        await (await metrics({ authorization: `Bearer ${token}` })).text(),
      )?.[1];
    await expect.poll(sessions, { timeout: 5_000 }).toBe('2');
    for (let i = 0; i < 10; i++) {
      const socket = await dialTls(stage.world.nodePort, presenting(member.credential));
      const path = '/control/v1/session?node=x';
      socket.write(Buffer.concat([preface(), headers(1, request('GET', path)), reset(1)]));
      await sleep(20);
      socket.destroy();
    }
    await expect.poll(sessions, { timeout: 5_000 }).toBe('2');
  });
});
