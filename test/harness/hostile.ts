/**
 * What an enemy works with: a portal that runs for real, credentials stolen from a home, forged ones, and bare TLS and
 * HTTP/2 connections that speak no better than the test tells them to.
 */
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { KEY_EXCHANGE_GROUP, type LocalCredential } from '../../src/channel/index.ts';
import { createFabric } from '../../src/fabric/index.ts';
import { openHome, type ProjectRecord } from '../../src/home/index.ts';
import { openStore } from '../../src/store/index.ts';
import {
  attestLeaf,
  exportPrivateKey,
  generateLeafKey,
  issueCredential,
} from '../../src/trust/index.ts';
import { World } from './postern.ts';

/** A portal from home `web` to home `db`, with an administrator in home `admin`. */
export interface Stage {
  readonly world: World;
  /** Where the app connects. */
  readonly inletPort: number;
  readonly targetPort: number;
  /** Everything that ever reached the target, one entry a connection. */
  readonly served: string[];
  /** How many bytes each connection brought that ended cleanly at the target. */
  readonly cleanEnds: number[];
  close(): Promise<void>;
}

/** Raises the stage: the target echoes, db's outlet asks for component web, web's inlet for component db. */
export async function raiseStage(environment: NodeJS.ProcessEnv = {}): Promise<Stage> {
  const served: string[] = [];
  const cleanEnds: number[] = [];
  const target = net.createServer({ allowHalfOpen: true }, (s) => {
    const at = served.push('') - 1;
    let bytes = 0;
    s.on('error', () => undefined);
    s.on('end', () => cleanEnds.push(bytes));
    s.on('data', (c: Buffer) => {
      bytes += c.length;
      if ((served[at]?.length ?? 0) < 4096) served[at] += c.toString('latin1');
    });
    s.pipe(s);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const targetPort = portOf(target);
  const world = new World(environment);
  const run = (home: string, line: string): Promise<string> => world.ok(home, ...line.split(' '));
  await world.startServer();
  await run('admin', 'enroll');
  for (const [home, other, extra] of [
    ['db', 'web', ' --relay db'],
    ['web', 'db', ''],
  ] as const) {
    const ticket = await run('admin', `project ticket --attribute component=${home}${extra}`);
    await run(home, `project enroll ${ticket}`);
    await run(home, `node create ${home}`);
    const type = home === 'db' ? 'tcp-outlet' : 'tcp-inlet';
    const rule = `(= subject.component "${other}")`;
    await world.ok(home, ...`policy create --resource-type ${type} --expression`.split(' '), rule);
  }
  await run('db', `tcp-outlet create --to ${targetPort}`);
  await run('db', 'relay create db');
  const bound = await run('web', 'tcp-inlet create --via db --alias web-db');
  return {
    world,
    inletPort: Number(bound.split(':')[1]),
    targetPort,
    served,
    cleanEnds,
    close: async () => {
      await world.close();
      target.close();
    },
  };
}

export function portOf(server: net.Server): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return address.port;
}

/** Everything that a thief of a home has. */
export interface Stolen {
  readonly credential: LocalCredential;
  readonly project: ProjectRecord;
}
export function steal(world: World, homeName: string): Stolen {
  const home = openHome(join(world.folder, homeName));
  try {
    const identity = home.identity();
    const project = home.projects.get();
    const kept = home.credentials.get(`${identity.identifier}@${project.id}`);
    return {
      project,
      credential: {
        identity: home.identityKeys(identity),
        leafPrivateKeyPem: kept.leafPrivateKeyPem,
        certificatePem: kept.certificatePem,
        authorityCertificatePem: project.authorityCertificatePem,
        projectId: project.id,
      },
    };
  } finally {
    home.close();
  }
}

/** Where a node of a home listens for channels, and where its API is. */
export function nodePlaces(
  world: World,
  homeName: string,
  node: string = homeName,
): { port: number; socket: string } {
  const home = openHome(join(world.folder, homeName));
  try {
    const address = home.nodes.get(node).boundAddress ?? '';
    return { port: Number(address.split(':').at(-1)), socket: home.nodeSocketPath(node) };
  } finally {
    home.close();
  }
}

/** A credential that the project's own authority signed for a member, as it was two hours ago: it has expired. */
export async function expiredCredential(world: World, member: Stolen): Promise<LocalCredential> {
  const store = await openStore({ sqlitePath: join(world.serverHome, 'server.sqlite3') });
  const rootKey = { kind: 'file', path: join(world.serverHome, 'root.key') } as const;
  const fabric = await createFabric(store, { rootKey });
  const { identity } = member.credential;
  try {
    const leaf = generateLeafKey();
    const issued = await issueCredential({
      authority: {
        privateKey: await fabric.keyring.privateKey(`authority/${member.project.id}/ca`),
        certificatePem: member.project.authorityCertificatePem,
      },
      projectId: member.project.id,
      identifier: identity.identity.identifier,
      attributes: { component: 'web', 'ockam-relay': '*' },
      generation: 1_000,
      spki: leaf.publicKeySpki,
      evidence: attestLeaf(identity, leaf.publicKeySpki),
      nowMs: Date.now() - 7_200_000,
      validityMs: 3_600_000,
    });
    return {
      ...member.credential,
      leafPrivateKeyPem: exportPrivateKey(leaf.privateKey),
      certificatePem: issued.certificatePem,
    };
  } finally {
    await fabric.close();
    await store.close();
  }
}

/** A TLS connection as the options say; rejects with the alert. */
export function dialTls(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      servername: '',
      ALPNProtocols: ['h2'],
      ecdhCurve: KEY_EXCHANGE_GROUP,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...options,
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed during the handshake')));
    socket.once('secureConnect', () => {
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

/** TLS options that present a credential. */
export const presenting = (c: LocalCredential): tls.ConnectionOptions => ({
  key: c.leafPrivateKeyPem,
  cert: c.certificatePem,
});

export interface Answer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTP/2 session without any of the program's own manners. */
export class Wire {
  readonly session: http2.ClientHttp2Session;
  readonly closed: Promise<unknown>;
  constructor(socket: tls.TLSSocket) {
    this.session = http2.connect('https://peer.invalid', { createConnection: () => socket });
    this.session.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.session.once('close', resolve));
  }
  static async open(port: number, options: tls.ConnectionOptions = {}): Promise<Wire> {
    return new Wire(await dialTls(port, options));
  }
  stream(headers: http2.OutgoingHttpHeaders, endStream: boolean = false): http2.ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream });
    stream.on('error', () => undefined);
    return stream;
  }
  /** One request; status 0 when the connection or the stream is cut instead of answered. */
  ask(headers: http2.OutgoingHttpHeaders, body?: unknown): Promise<Answer> {
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const stream = this.stream({ ...headers, ...json }, body === undefined);
    if (body !== undefined) stream.end(JSON.stringify(body));
    return answerOf(stream);
  }
  close(): void {
    this.session.destroy();
  }
}

export function answerOf(stream: http2.ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve) => {
    let headers: http2.IncomingHttpHeaders = {};
    let body = '';
    stream.on('response', (h) => {
      headers = h;
    });
    stream.on('data', (c: Buffer) => {
      body += c.toString();
    });
    stream.on('close', () => resolve({ status: Number(headers[':status'] ?? 0), headers, body }));
  });
}
