/** Tickets and roles: guessed, raced, changed and carried to another project; what an enroller and a token can't borrow. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  enrollWithTicket,
  Link,
  type ManagementClient,
  managementOverNodePort,
  managementOverSocket,
  prove,
} from '../../src/control/index.ts';
import { attestLeaf, createIdentity, generateLeafKey, parseTicket } from '../../src/trust/index.ts';
import { steal } from '../harness/hostile.ts';
import { World } from '../harness/postern.ts';

const world = new World();
const run = (home: string, line: string): Promise<string> => world.ok(home, ...line.split(' '));
let local: ManagementClient;
beforeAll(async () => {
  await world.startServer();
  await run('admin', 'enroll');
  local = managementOverSocket(join(world.serverHome, 'admin.sock'));
  await local.request('POST', '/api/v1/projects', { space: 'default', name: 'other' });
}, 120_000);
afterAll(() => world.close(), 60_000);

const fresh = (): Promise<string> => run('admin', 'project ticket --attribute component=x');
/** A ticket with parts of its text changed. */
function changed(ticket: string, change: (wire: Record<string, unknown>) => object): string {
  const wire: Record<string, unknown> = JSON.parse(Buffer.from(ticket, 'hex').toString());
  return Buffer.from(JSON.stringify({ ...wire, ...change(wire) })).toString('hex');
}
const ticketOf = async (project: string, body: object): Promise<string> => {
  const answer = await local.request('POST', `/api/v1/projects/${project}/tickets`, body);
  return String(Reflect.get(Object(answer), 'ticket'));
};
/** The management API as a home's machine calls it. */
const asMachine = (home: string): Promise<ManagementClient> => {
  const { credential, project } = steal(world, home);
  return managementOverNodePort(project.serverAddresses, {
    serverCa: { pem: project.serverCaPem },
    clientCertificate: credential,
  });
};

describe('a ticket', () => {
  it('for one use lets one in, however many redeem it at the same time', async () => {
    const ticket = parseTicket(await fresh());
    const tries = await Promise.allSettled(
      Array.from({ length: 12 }, () => enrollWithTicket(ticket, createIdentity())),
    );
    expect(tries.filter((t) => t.status === 'fulfilled')).toHaveLength(1);
  });

  it('belongs to its server and its project: a changed one is refused', async () => {
    const other = parseTicket(await ticketOf('other', {}));
    const ticket = await fresh();
    const pins = changed(ticket, () => ({
      project: {
        id: other.project.id,
        name: other.project.name,
        authority_identifier: other.project.authorityIdentifier,
        authority_fingerprint: other.project.authorityFingerprint,
      },
    }));
    expect(await world.postern('mixed', 'project', 'enroll', pins)).toMatchObject({
      code: 70,
      stderr: expect.stringContaining('another project'),
    });
    const wrongServer = changed(await fresh(), () => ({
      server: { addresses: [`127.0.0.1:${world.nodePort}`], ca_fingerprint: '0'.repeat(64) },
    }));
    expect(await world.postern('mixed', 'project', 'enroll', wrongServer)).toMatchObject({
      code: 70,
      stderr: expect.stringContaining('another authority'),
    });
    expect((await world.postern('mixed', 'project', 'ticket')).code).toBe(70);
  });

  it('gives a credential of its own project alone', async () => {
    await run('guest', `project enroll ${await ticketOf('other', {})}`);
    const guest = await asMachine('guest');
    const { id } = steal(world, 'admin').project;
    await expect(guest.request('POST', `/api/v1/projects/${id}/tickets`, {})).rejects.toThrow();
    guest.close();
  });

  it('is kept as a hash: no code is in the database', async () => {
    const { oneTimeCode } = parseTicket(await fresh());
    for (const file of ['server.sqlite3', 'server.sqlite3-wal'])
      expect(readFileSync(join(world.serverHome, file)).includes(oneTimeCode)).toBe(false);
  });
});

describe('roles', () => {
  it('of one project are out of the reach of the enrollers of another', async () => {
    await run('enroller', `project enroll ${await ticketOf('other', { enroller: true })}`);
    const enroller = await asMachine('enroller');
    const members = '/api/v1/projects/other/members';
    const admin = await run('admin', 'identity show');
    await enroller.request('POST', members, { identifier: admin });
    await enroller.request('DELETE', `${members}/${admin}`);
    enroller.close();
    expect(await run('admin', 'project ticket --enroller')).toMatch(/^[0-9a-f]+$/);
  });

  it('end when the member is made a plain one', async () => {
    const made = Object(await local.request('POST', '/api/v1/admin-tickets'));
    await run('second', `enroll --ticket ${Reflect.get(made, 'ticket')}`);
    await run('second', 'project ticket --enroller');
    const identifier = await run('second', 'identity show');
    await local.request('POST', '/api/v1/projects/default/members', { identifier });
    // Its old credential is void in any case; with a new one it is still a member.
    await run('second', 'project enroll');
    const second = await asMachine('second');
    expect(await second.request('GET', '/api/v1/projects/default')).toMatchObject({
      name: 'default',
    });
    second.close();
    expect((await world.postern('second', 'project', 'ticket', '--enroller')).code).toBe(70);
    expect((await world.postern('second', 'project', 'ticket')).code).toBe(70);
  });

  it('are not to be borrowed by a token: it gives no scope that it lacks', async () => {
    const state: { public: string } = JSON.parse(
      readFileSync(join(world.serverHome, 'server.json'), 'utf8'),
    );
    const token = await run('admin', 'token create narrow --scope tokens:create');
    const create = (scopes: string[], authorization: string): Promise<Response> =>
      fetch(`http://${state.public}/api/v1/tokens`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify({ name: 'wide', scopes }),
      });
    for (const scope of ['*', 'admin', 'tokens:*', 'members:add'])
      expect((await create([scope], `Bearer ${token}`)).status, scope).toBe(403);
    expect((await create(['tokens:create'], `Bearer ${token}`)).status).toBe(200);
    for (const wrong of ['', 'Bearer', `Bearer ${'0'.repeat(64)}`, `Basic ${token}`, token])
      expect((await create(['*'], wrong)).status).toBe(401);
  });
});

describe('guessing', () => {
  it('is cut off after 20 tries a minute, also when all come at once', async () => {
    const ticket = parseTicket(await fresh());
    const link = await Link.open({
      address: `127.0.0.1:${world.nodePort}`,
      serverCa: { fingerprint: ticket.server.caFingerprint },
    });
    const keys = createIdentity();
    const guess = (code: string): Promise<unknown> => {
      const leaf = generateLeafKey();
      const evidence = attestLeaf(keys, leaf.publicKeySpki);
      const proof = prove(link.tls, 'enroll', leaf.publicKeySpki, keys.privateKey);
      return link.request('POST', '/control/v1/enroll', {
        one_time_code: code,
        change_history: evidence.changeHistory.toString('base64'),
        spki: leaf.publicKeySpki.toString('base64'),
        evidence_signature: evidence.signature.toString('base64'),
        proof: proof.toString('base64'),
      });
    };
    const guesses = await Promise.allSettled(
      Array.from({ length: 80 }, () => guess(randomBytes(32).toString('hex'))),
    );
    const said = guesses.map((g) => (g.status === 'rejected' ? String(g.reason.message) : 'in'));
    expect(said.filter((s) => s.includes('not known')).length).toBeLessThanOrEqual(20);
    expect(said.filter((s) => s.includes('Too many wrong tickets')).length).toBeGreaterThan(59);
    expect(said).not.toContain('in');
    // Also the right one, from there and now: otherwise the bound would tell right from wrong.
    await expect(guess(ticket.oneTimeCode)).rejects.toThrow('Too many wrong tickets');
    link.close();
  });
});
