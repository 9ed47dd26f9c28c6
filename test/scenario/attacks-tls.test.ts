/** TLS as the listeners of the node port and of a node's channels insist on it, and what a stolen token is worth. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEY_EXCHANGE_GROUP, refusalFromHeaders } from '../../src/channel/index.ts';
import { PREAMBLE_HEAD, SPLICED_BYTE } from '../../src/control/index.ts';
import {
  attestLeaf,
  createAuthorityCa,
  createIdentity,
  exportPrivateKey,
  generateLeafKey,
  issueCredential,
  selfIssue,
} from '../../src/trust/index.ts';
import {
  answerOf,
  dialTls,
  nodePlaces,
  presenting,
  raiseStage,
  type Stage,
  type Stolen,
  steal,
  Wire,
} from '../harness/hostile.ts';
import { ask } from '../harness/talk.ts';

let stage: Stage;
let member: Stolen;
const ports = new Map<string, number>();
const DOORS = ['the node port', "a node's channel listener"];
beforeAll(async () => {
  stage = await raiseStage();
  member = steal(stage.world, 'web');
  ports.set('the node port', stage.world.nodePort);
  ports.set("a node's channel listener", nodePlaces(stage.world, 'db').port);
}, 120_000);
afterAll(() => stage.close(), 60_000);

const dial = (door: string, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> =>
  dialTls(ports.get(door) ?? 0, { ...presenting(member.credential), ...options });

describe.each(DOORS)('%s', (door) => {
  it('speaks TLS 1.3 with X25519MLKEM768', async () => {
    const socket = await dial(door);
    expect(socket.getProtocol()).toBe('TLSv1.3');
    expect(socket.alpnProtocol).toBe('h2');
    socket.destroy();
  });

  it.each(['TLSv1.2', 'TLSv1.1'] as const)('refuses %s', async (maxVersion) => {
    const old = {
      minVersion: maxVersion,
      maxVersion,
      ecdhCurve: 'auto',
      ciphers: 'ALL:@SECLEVEL=0',
    };
    await expect(dial(door, old)).rejects.toThrow('alert protocol version');
  });

  it.each(['X25519', 'P-256', 'P-384', 'SecP256r1MLKEM768'])(
    'refuses a client that offers %s alone',
    async (ecdhCurve) => {
      await expect(dial(door, { ecdhCurve })).rejects.toThrow('alert handshake failure');
    },
  );

  it('takes the hybrid group from a client that would rather have another', async () => {
    const socket = await dial(door, { ecdhCurve: `X25519:${KEY_EXCHANGE_GROUP}` });
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
  });

  it('never resumes a session, with or without the credential at hand', async () => {
    const first = await dial(door);
    const sessions: Buffer[] = [];
    first.on('session', (s) => sessions.push(s));
    await new Promise((r) => setTimeout(r, 200));
    first.destroy();
    for (const session of sessions) {
      const again = await dial(door, { session });
      expect(again.isSessionReused()).toBe(false);
      again.destroy();
    }
  });

  it.each([[['http/1.1']], [['postern']], [['h3', 'http/1.1']]])(
    'refuses ALPN %s',
    async (ALPNProtocols) => {
      await expect(dial(door, { ALPNProtocols })).rejects.toThrow('alert no application protocol');
    },
  );

  it('gives nothing to a client without ALPN and cuts it off', async () => {
    const socket = await dial(door, { ALPNProtocols: [] });
    const closed = once(socket, 'close');
    socket.write('GET /control/v1/session?node=x HTTP/1.1\r\nHost: x\r\n\r\n');
    let got = '';
    socket.on('data', (c: Buffer) => {
      got += c.toString();
    });
    await closed;
    expect(got).not.toContain('200');
  });
});

describe('a client certificate', () => {
  /** A certificate for web's identifier, issued by an authority of the thief's own. */
  async function foreign(): Promise<tls.ConnectionOptions> {
    const keys = createIdentity();
    const leaf = generateLeafKey();
    const { certificatePem } = await issueCredential({
      authority: await createAuthorityCa(member.project.id),
      projectId: member.project.id,
      identifier: keys.identity.identifier,
      attributes: { component: 'web', 'ockam-relay': '*' },
      generation: 99,
      spki: leaf.publicKeySpki,
      evidence: attestLeaf(keys, leaf.publicKeySpki),
      nowMs: Date.now(),
      validityMs: 60_000,
    });
    return { key: exportPrivateKey(leaf.privateKey), cert: certificatePem };
  }
  async function own(): Promise<tls.ConnectionOptions> {
    const leaf = generateLeafKey();
    const cert = await selfIssue(createIdentity(), leaf, Date.now());
    return { key: exportPrivateKey(leaf.privateKey), cert };
  }

  it.each([
    ['of another authority with the same name', foreign],
    ['signed by itself', own],
  ])('%s opens neither a session nor a channel', async (_what, make) => {
    const options = await make();
    const session = await Wire.open(stage.world.nodePort, options);
    const path = '/control/v1/session?node=x';
    expect([401, 403]).toContain((await session.ask({ ':method': 'GET', ':path': path })).status);
    session.close();
    const channel = await Wire.open(ports.get("a node's channel listener") ?? 0, options);
    const control = { ':method': 'POST', ':path': '/postern/channel/v1/control/api' };
    const { status, headers } = await answerOf(channel.stream(control));
    expect(`${status} ${refusalFromHeaders(headers).message}`).toMatch(/^403 .*no credential/);
    channel.close();
  });
});

describe('a rendezvous token', () => {
  /** Presents a token at the node port; answers the first byte, or undefined when cut off. */
  async function present(token: Buffer): Promise<number | undefined> {
    const socket = net.connect(stage.world.nodePort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(Buffer.concat([PREAMBLE_HEAD, token]));
    const first = await new Promise<Buffer | undefined>((resolve) => {
      socket.once('data', resolve);
      socket.once('close', () => resolve(undefined));
    });
    socket.destroy();
    return first?.[0];
  }
  async function granted(): Promise<{ wire: Wire; token: Buffer }> {
    const wire = await Wire.open(stage.world.nodePort, presenting(member.credential));
    const path = '/control/v1/session?node=thief';
    await once(wire.stream({ ':method': 'GET', ':path': path }, true), 'data');
    const grant = await wire.ask(
      { ':method': 'POST', ':path': '/control/v1/rendezvous' },
      { relay: 'db' },
    );
    return { wire, token: Buffer.from(JSON.parse(grant.body).token, 'hex') };
  }

  it('works once', async () => {
    const { wire, token } = await granted();
    expect(await present(token)).toBe(SPLICED_BYTE);
    expect(await present(token)).toBeUndefined();
    wire.close();
  });

  it('dies with the session that it was given to', async () => {
    const { wire, token } = await granted();
    wire.close();
    await wire.closed;
    // The server learns of the end a moment later than this side.
    await new Promise((r) => setTimeout(r, 100));
    expect(await present(token)).toBeUndefined();
  });

  it('is not to be guessed', async () => {
    for (let i = 0; i < 50; i++) expect(await present(randomBytes(32))).toBeUndefined();
    expect(await ask(stage.inletPort, 'ping')).toBe('ping');
  });

  it('is asked for in vain without a control session', async () => {
    const wire = await Wire.open(stage.world.nodePort, presenting(member.credential));
    const path = { ':method': 'POST', ':path': '/control/v1/rendezvous' };
    expect((await wire.ask(path, { relay: 'db' })).status).toBe(403);
    wire.close();
  });
});
