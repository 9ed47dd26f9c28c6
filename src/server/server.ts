/**
 * The composition root: opens the store, puts the domains together and starts the listeners (admin Unix socket, public
 * listener for tokens, node port). It owns what it opens and closes all of it.
 */
import { constants } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { Counter, Gauge, Registry } from 'prom-client';
import { createAudit } from '../audit/index.ts';
import { AuthorityManager } from '../authority/index.ts';
import { releaseStartMemory, tuneMemory } from '../channel/index.ts';
import { createFabric } from '../fabric/index.ts';
import {
  type Logger,
  newId,
  PosternError,
  silentLogger,
  systemClock,
  toPosternError,
} from '../kernel/index.ts';
import type { PermissionManager } from '../permissions/index.ts';
import { RelayService } from '../relay/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { createServerCa, fingerprint } from '../trust/index.ts';
import type { Caller } from './caller.ts';
import { ServerCertificate } from './certificate.ts';
import { adminSocketPath, type ServerConfig } from './config.ts';
import { protectBrowsers, refuseMalformed } from './http/browser-headers.ts';
import { addFaults } from './http/fault.ts';
import { addManagementRoutes, type ServerParts } from './http/management.ts';
import { addNodeRoutes, machineOf, NodeSessions } from './http/nodes.ts';
import { publishOpenApi } from './http/openapi.ts';
import { NodePort } from './node-port.ts';
import { bindPublic, CHECK_INTERVAL_MS, HEADERS_MS } from './public-port.ts';

export interface RunningServer {
  readonly nodes: { readonly host: string; readonly port: number };
  readonly public: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

const NODE_TLS = {
  minVersion: 'TLSv1.3',
  ecdhCurve: 'X25519MLKEM768',
  // A node shakes hands in full each time. Tickets without state are off; those with state find no cache.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;
const HEAD_INTERVAL_MS = 60_000;
const RELATIONS_PUSH_MS = 250;
const BODY_BYTES_MAX = 256 * 1024;
const REQUEST_MS = 30_000;
/** How long requests under way may take when the server stops. */
const DRAIN_MS = 3_000;

/** What `server.json` in the server's home tells the command line. */
export interface ServerState {
  readonly pid: number;
  readonly nodes: string;
  readonly public: string;
  readonly permissions?: Readonly<Record<'read' | 'write' | 'metrics' | 'opl', string>>;
  readonly accounts_admin?: string;
  /** How browsers reach the accounts. */
  readonly accounts_url?: string;
  /** Where nodes were told to dial in the last run, when none of it is told now: those nodes do not find it. */
  readonly moved_from?: readonly string[];
  readonly started_at: string;
  readonly version: string;
}
export function readServerState(home: string): ServerState | undefined {
  try {
    // Written by this program, in a folder of mode 0700.
    return JSON.parse(readFileSync(join(home, 'server.json'), 'utf8')) as ServerState;
  } catch {
    return undefined;
  }
}

/** Keeps where nodes are told to dial; answers where they were told before when nothing of that is left. */
function rememberAddresses(home: string, now: readonly string[]): readonly string[] | undefined {
  const path = join(home, 'addresses.json');
  let before: unknown;
  try {
    before = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // The first run, or a file that somebody damaged: there is nothing to compare with.
  }
  writeFileSync(path, `${JSON.stringify(now)}\n`, { mode: 0o600 });
  if (!Array.isArray(before) || before.length === 0) return undefined;
  return before.some((address) => now.includes(String(address))) ? undefined : before.map(String);
}

async function caOf(
  store: Store,
  fabric: Awaited<ReturnType<typeof createFabric>>,
): Promise<{
  certificatePem: string;
  privateKey: Awaited<ReturnType<typeof fabric.keyring.privateKey>>;
}> {
  const known = await store.db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'server.ca')
    .executeTakeFirst();
  if (known !== undefined)
    return {
      certificatePem: known.value,
      privateKey: await fabric.keyring.privateKey('server/ca'),
    };
  const ca = await createServerCa(hostname());
  await store.write(async (trx) => {
    await fabric.keyring.putPrivateKey('server/ca', ca.privateKey, trx);
    await trx
      .insertInto('settings')
      .values({ name: 'server.ca', value: ca.certificatePem })
      .execute();
  });
  return ca;
}

/** The hosts of a list of `host:port`. */
function hostsOf(addresses: readonly string[]): string[] {
  return addresses.map((a) => a.slice(0, a.lastIndexOf(':')).replace(/^\[|\]$/g, ''));
}

/** The addresses of this machine when the node port listens on all of them. */
function ownAddresses(host: string, port: number): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [`${host}:${port}`];
  const found = Object.values(networkInterfaces())
    .flat()
    .flatMap((i) =>
      i === undefined || i.internal || i.family !== 'IPv4' ? [] : [`${i.address}:${port}`],
    );
  return [...found, `127.0.0.1:${port}`];
}

async function refuseSecondServer(socketPath: string): Promise<void> {
  const isTaken = await new Promise<boolean>((resolve) => {
    const s = connect(socketPath);
    s.once('connect', () => {
      s.destroy();
      resolve(true);
    });
    s.once('error', () => resolve(false));
  });
  if (isTaken)
    throw new PosternError('conflict', `A server already runs in this home (${socketPath})`, {
      hint: 'Stop it with: postern server stop',
    });
  rmSync(socketPath, { force: true });
}

/** Nodes whose policies ask about relations hear that some changed, at most four times a second. */
function tellNodes(permissions: PermissionManager, sessions: NodeSessions): () => void {
  let timer: NodeJS.Timeout | undefined;
  const stop = permissions.onChange(() => {
    timer ??= setTimeout(() => {
      timer = undefined;
      for (const s of sessions.all) if (s.hasAsked) s.push({ type: 'relations' });
    }, RELATIONS_PUSH_MS);
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}

/** Starts a server. Throws `conflict` when one runs in the home or a port is taken, `denied` for a wrong root key. */
export async function runServer(
  config: ServerConfig,
  o: { version: string; logger?: Logger },
): Promise<RunningServer> {
  tuneMemory();
  const logger = o.logger ?? silentLogger;
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  chmodSync(config.home, 0o700);
  const socketPath = adminSocketPath(config.home);
  await refuseSecondServer(socketPath);
  const store = await openStore(
    config.database === undefined
      ? { sqlitePath: join(config.home, 'server.sqlite3') }
      : { postgresUrl: config.database },
  );
  const closers: (() => Promise<unknown> | unknown)[] = [() => store.close()];
  try {
    const fabric = await createFabric(store, {
      rootKey:
        config.rootKey === undefined
          ? { kind: 'file', path: config.rootKeyFile }
          : { kind: 'value', value: config.rootKey },
    });
    closers.push(() => fabric.close());
    const audit = createAudit(store, {
      signer: () => fabric.keyring.signingKey('audit'),
      verifying: () => fabric.keyring.verifyingKeys('audit'),
    });
    await fabric.keyring.signingKey('audit');
    const authority = new AuthorityManager({ store, fabric, audit, clock: systemClock });
    const eventsSeen = await fabric.events.latest();
    await authority.refresh();
    const ca = await caOf(store, fabric);
    // Public: what others verify this server's certificate with (curl --cacert).
    writeFileSync(join(config.home, 'ca.pem'), ca.certificatePem, { mode: 0o644 });
    // Loaded when it is wanted: a relay alone starts without it.
    const room = config.permissions === undefined ? undefined : await import('./permissions.ts');
    const permissions =
      room === undefined || config.permissions === undefined
        ? undefined
        : await room.openPermissions(config.permissions, { store, fabric, audit, logger });
    closers.push(() => permissions?.close());
    const publicPort = await bindPublic(config.public);
    closers.push(() => publicPort.close());
    const accounts = config.hasAccounts
      ? await (await import('./accounts.ts')).openAccounts(
          {
            publicUrl: config.accountsUrl ?? `http://${config.public.host}:${publicPort.port}`,
            kratosFile: config.kratosFile,
          },
          { store, fabric, audit, logger, version: o.version },
        )
      : undefined;
    closers.push(() => accounts?.close());
    const people = await accounts?.openPeople(authority);
    closers.push(() => people?.close());
    const relay = new RelayService();
    const sessions = new NodeSessions();
    let nodeAddress = config.nodes;
    const parts: ServerParts = {
      fabric,
      audit,
      authority,
      relay,
      serverCaPem: ca.certificatePem,
      serverCaFingerprint: fingerprint(ca.certificatePem),
      advertised: () =>
        config.advertise.length > 0
          ? config.advertise
          : ownAddresses(nodeAddress.host, nodeAddress.port),
      version: o.version,
      startedAtMs: Date.now(),
      permissions,
      oidc: accounts?.oidc.host,
      people: people?.api,
    };

    // What changed at this server or another on the same database: revocations reach every session at once.
    const reader = fabric.events.subscribe(eventsSeen, async (event) => {
      if (event.kind === 'project.create' || event.kind === 'project.delete') {
        await authority.refresh();
        return;
      }
      const { projectId, subject: identifier } = event;
      if (event.kind !== 'member.revoked' || projectId === undefined || identifier === undefined)
        return;
      const { number, min_generation } = event.data;
      const minGeneration = typeof min_generation === 'number' ? min_generation : null;
      const list = [{ number: Number(number), identifier, min_generation: minGeneration }];
      authority.noteRevocation({ number: Number(number), projectId, identifier, minGeneration });
      for (const s of sessions.all) {
        if (s.projectId !== projectId) continue;
        s.push({ type: 'revocations', list });
        if (s.identifier !== identifier) continue;
        if (minGeneration === null) s.end();
        else s.push({ type: 'renew' });
      }
    });
    closers.push(() => reader.close());
    if (permissions !== undefined) closers.push(tellNodes(permissions, sessions));

    const registry = new Registry();
    const requests = new Counter({
      name: 'postern_api_requests_total',
      help: 'Requests answered',
      labelNames: ['door', 'status'],
      registers: [registry],
    });
    new Gauge({
      name: 'postern_node_sessions',
      help: 'Control sessions of nodes',
      registers: [registry],
      collect() {
        this.set(sessions.all.length);
      },
    });
    new Gauge({
      name: 'postern_relays',
      help: 'Relay names held',
      registers: [registry],
      collect() {
        this.set(relay.holders.length);
      },
    });
    new Gauge({
      name: 'postern_relay_splices',
      help: 'Channels that run through this relay',
      registers: [registry],
      collect() {
        this.set(relay.splices);
      },
    });

    const finish = (app: FastifyInstance, door: string): void => {
      addFaults(app, logger);
      app.addHook('onResponse', async (_request, reply) => {
        requests.inc({ door, status: String(reply.statusCode) });
      });
    };
    const options = {
      bodyLimit: BODY_BYTES_MAX,
      http: { connectionsCheckingInterval: CHECK_INTERVAL_MS, headersTimeout: HEADERS_MS },
      requestTimeout: REQUEST_MS,
      ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
      // Clients put base URLs that end in a slash before paths that begin with one.
      routerOptions: { ignoreDuplicateSlashes: true },
    } as const;

    // The admin socket: the operating system's permissions are its lock.
    const admin = Fastify(options);
    finish(admin, 'admin');
    await publishOpenApi(admin, o.version);
    addManagementRoutes(admin, parts, async () => ({ kind: 'local' }));
    if (permissions !== undefined && config.permissions !== undefined)
      await room?.addAdminPermissions(admin, {
        ...{ permissions, fabric, logger, version: o.version },
        config: config.permissions,
      });
    await accounts?.addLocal(admin);
    admin.get('/metrics', async (_request, reply) =>
      reply.type(registry.contentType).send(await registry.metrics()),
    );
    const umask = process.umask(0o177);
    try {
      await admin.listen({ path: socketPath });
    } finally {
      process.umask(umask);
    }
    chmodSync(socketPath, 0o600);
    closers.push(() => admin.close());

    // The public listener: bearer tokens alone.
    const open = Fastify({ ...options, frameworkErrors: refuseMalformed });
    protectBrowsers(open);
    finish(open, 'public');
    await publishOpenApi(open, o.version);
    addManagementRoutes(open, parts, async (request) => {
      const [, token = ''] =
        /^Bearer ([\w-]{43,64})$/.exec(request.headers.authorization ?? '') ?? [];
      const { grants } = fabric;
      const grant = /^[0-9a-f]{64}$/.test(token)
        ? ((await grants.findBySecret(token, 'token')) ??
          (await grants.findBySecret(token, 'authtoken')))
        : undefined;
      if (grant !== undefined) return { kind: 'token', grant };
      const person = token === '' ? undefined : await accounts?.oidc.personOf(token);
      if (person !== undefined) return person;
      throw new PosternError('unauthenticated', 'This needs an access token', {
        hint: 'postern token create NAME --scope …',
      });
    });
    if (permissions !== undefined && config.permissions !== undefined)
      await room?.addPublicPermissions(open, {
        ...{ permissions, fabric, logger, version: o.version },
        config: config.permissions,
      });
    await accounts?.addPublic(open);
    open.get('/health', async () => ({ status: 'ok' }));
    open.get('/metrics', async (_request, reply) =>
      reply.type(registry.contentType).send(await registry.metrics()),
    );
    const certificate = await ServerCertificate.create(
      ca,
      [hostname(), 'localhost', ...hostsOf(parts.advertised()), '127.0.0.1'],
      logger,
    );
    closers.push(() => certificate.close());
    await publicPort.serve(open, certificate);
    const accountsAdmin = await accounts?.listenAdmin(config.accountsAdmin, certificate);

    const permissionPorts =
      permissions === undefined || config.permissions === undefined
        ? undefined
        : await room?.listenPermissions({
            ...{ permissions, fabric, certificate, registry, logger, audit },
            config: config.permissions,
            version: o.version,
          });
    closers.push(() => permissionPorts?.close());

    // The node port.
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
    const certificates = new WeakMap<
      object,
      { der: Buffer | undefined; san: string | undefined }
    >();
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
    finish(nodes, 'nodes');
    addManagementRoutes(nodes, parts, callerOf);
    addNodeRoutes(nodes, parts, sessions, callerOf, connectionOf);
    await nodes.ready();
    nodeAddress = await port.listen(config.nodes);
    closers.push(async () => {
      for (const s of sessions.all) s.end();
      await port.close();
      await nodes.close().catch(() => undefined);
    });

    const heads = setInterval(() => {
      audit
        .signHead()
        .catch((reason: unknown) =>
          logger.warn({ err: toPosternError(reason) }, 'the audit head could not be signed'),
        );
    }, HEAD_INTERVAL_MS);
    closers.push(() => clearInterval(heads));

    const reachedAt = parts.advertised();
    const movedFrom = rememberAddresses(config.home, reachedAt);
    if (movedFrom !== undefined)
      logger.warn(
        { before: movedFrom, now: reachedAt },
        'nodes knew this server by other addresses',
      );
    const state: ServerState = {
      pid: process.pid,
      nodes: `${nodeAddress.host}:${nodeAddress.port}`,
      public: `${config.public.host}:${publicPort.port}`,
      ...(permissionPorts === undefined ? {} : { permissions: permissionPorts.addresses }),
      ...(accountsAdmin === undefined ? {} : { accounts_admin: accountsAdmin }),
      ...(accounts === undefined
        ? {}
        : { accounts_url: accounts.manager.services.config.publicUrl }),
      ...(movedFrom === undefined ? {} : { moved_from: movedFrom }),
      started_at: new Date().toISOString(),
      version: o.version,
    };
    const temporary = join(config.home, `server.json.${newId('tmp')}`);
    writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
    renameSync(temporary, join(config.home, 'server.json'));
    releaseStartMemory();
    logger.info(state, 'the server is ready');
    return {
      nodes: nodeAddress,
      public: { host: config.public.host, port: publicPort.port },
      close: async () => {
        await audit.signHead().catch(() => undefined);
        const slow = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
        for (const close of closers.reverse())
          await Promise.race([Promise.resolve(close()).catch(() => undefined), slow]);
        if (existsSync(join(config.home, 'server.json')))
          rmSync(join(config.home, 'server.json'), { force: true });
      },
    };
  } catch (reason) {
    for (const close of closers.reverse()) await Promise.resolve(close()).catch(() => undefined);
    if (reason instanceof Error && 'code' in reason && reason.code === 'EADDRINUSE')
      throw new PosternError(
        'conflict',
        `A port is already in use: ${reason.message.replace(/^listen EADDRINUSE: address already in use /, '')}`,
        { cause: reason },
      );
    throw reason;
  }
}
