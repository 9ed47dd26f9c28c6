/**
 * The listener of nodes (4480): mutually authenticated HTTP/2 for control and management, and raw sockets that present a
 * relay's token. Every request is verified against the project that its certificate names; who shows none may only enrol.
 */

import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { PosternError } from '../kernel/index.ts';
import type { RelayService } from '../relay/index.ts';
import type { Caller } from './caller.ts';
import type { ServerCertificate } from './certificate.ts';
import { addManagementRoutes } from './http/management.ts';
import { addNodeRoutes, machineOf, type NodeSessions } from './http/nodes.ts';
import type { ServerParts } from './http/parts.ts';
import { NodePort } from './node-port.ts';

const NODE_TLS = {
  minVersion: 'TLSv1.3',
  ecdhCurve: 'X25519MLKEM768',
  // A node shakes hands in full each time. Tickets without state are off; those with state find no cache.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;

/** What the listener stands on. */
export interface NodeListenerParts {
  readonly parts: ServerParts;
  readonly sessions: NodeSessions;
  readonly relay: RelayService;
  readonly certificate: ServerCertificate;
  /** Adds what every door has: faults and figures. */
  finish(app: FastifyInstance): void;
}

interface NodeListener {
  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /** Ends the sessions, then the listener. */
  close(): Promise<void>;
}

/** Makes the listener; it takes connections from `listen` on. */
export async function createNodeListener(
  options: object,
  { parts, sessions, relay, certificate, finish }: NodeListenerParts,
): Promise<NodeListener> {
  // Typed as any other instance: the routes use nothing that HTTP/1.1 and HTTP/2 do not share, connectionOf apart.
  const nodes = Fastify({
    ...options,
    http2: true,
    https: {
      ...NODE_TLS,
      ...certificate.pair,
      ALPNProtocols: ['h2'],
      requestCert: true,
      // Verified for each request by machineOf, against the project that the certificate names.
      rejectUnauthorized: false,
      handshakeTimeout: 5_000,
      // Nodes seldom take a request back; a flood of such would hold up everybody.
      streamResetBurst: 100,
      streamResetRate: 10,
    },
  }) as unknown as FastifyInstance;
  certificate.follow(nodes.server as unknown as TlsServer, NODE_TLS);
  const port = new NodePort({
    onTls: (socket) => nodes.server.emit('connection', socket),
    onToken: (token, socket) => relay.present(token, socket),
  });
  const connectionOf = (request: FastifyRequest): { tls: TLSSocket; key: object } => {
    const session: unknown = Reflect.get(Reflect.get(request.raw, 'stream'), 'session');
    if (typeof session !== 'object' || session === null)
      throw new PosternError('unavailable', 'The connection is gone');
    // An HTTP/2 session of a TLS server: its socket is a proxy of the TLSSocket.
    const tls = Reflect.get(session, 'socket') as TLSSocket;
    return { tls, key: session };
  };
  const certificates = new WeakMap<object, { der: Buffer | undefined; san: string | undefined }>();
  const callerOf = async (request: FastifyRequest): Promise<Caller> => {
    const { tls, key } = connectionOf(request);
    let known = certificates.get(key);
    if (known === undefined) {
      const x = tls.getPeerX509Certificate();
      known = { der: x?.raw, san: x?.subjectAltName };
      certificates.set(key, known);
    }
    return { kind: 'machine', ...machineOf(known.der, known.san, parts) };
  };
  nodes.addHook('onRequest', async (request) => {
    if (/^\/control\/v1\/(enroll|credential)$/.test(request.url)) return;
    const { tls, key } = connectionOf(request);
    const isKnown = certificates.has(key);
    await callerOf(request);
    if (isKnown) return;
    for (const raw of strangers)
      if (raw.remotePort === tls.remotePort && raw.remoteAddress === tls.remoteAddress) {
        strangers.delete(raw);
        port.promote(raw);
      }
  });
  const strangers = new Set<Socket>();
  nodes.server.on('connection', (socket: Socket) => {
    strangers.add(socket);
    socket.once('close', () => strangers.delete(socket));
  });
  finish(nodes);
  addManagementRoutes(nodes, parts, callerOf);
  addNodeRoutes(nodes, parts, sessions, callerOf, connectionOf);
  await nodes.ready();
  return {
    listen: (address) => port.listen(address),
    close: async () => {
      for (const s of sessions.all) s.end();
      await port.close();
      await nodes.close().catch(() => undefined);
    },
  };
}
