/**
 * The composition root: opens the store, puts the domains together and starts the listeners (admin Unix socket, public
 * listener for tokens, node port). It owns what it opens and closes all of it.
 */
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { createAudit } from '../audit/index.ts';
import { AuthorityManager } from '../authority/index.ts';
import { releaseStartMemory, tuneMemory } from '../channel/index.ts';
import { createFabric } from '../fabric/index.ts';
import {
  type Logger,
  PosternError,
  silentLogger,
  systemClock,
  toPosternError,
} from '../kernel/index.ts';
import { RelayService } from '../relay/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { createServerCa, fingerprint } from '../trust/index.ts';
import { hostsOf, ownAddresses } from './addresses.ts';
import { ServerCertificate } from './certificate.ts';
import { adminSocketPath, type ServerConfig } from './config.ts';
import { takeForwarded } from './forwarded.ts';
import { protectBrowsers, refuseMalformed } from './http/browser-headers.ts';
import { createDoor, type Door } from './http/door.ts';
import { addFaults } from './http/fault.ts';
import { addManagementRoutes } from './http/management.ts';
import { NodeSessions } from './http/nodes.ts';
import { publishOpenApi } from './http/openapi.ts';
import type { ServerParts } from './http/parts.ts';
import { createMetrics } from './metrics.ts';
import { createNodeListener } from './node-listener.ts';
import { tellRelations, tellRevocations } from './node-news.ts';
import { bindPublic, CHECK_INTERVAL_MS, HEADERS_MS } from './public-port.ts';
import { rememberAddresses, type ServerState, writeServerState } from './state.ts';

export interface RunningServer {
  readonly nodes: { readonly host: string; readonly port: number };
  readonly public: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

const HEAD_INTERVAL_MS = 60_000;
const BODY_BYTES_MAX = 256 * 1024;
const REQUEST_MS = 30_000;
/** How long requests under way may take when the server stops. */
const DRAIN_MS = 3_000;

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
            kratosKeys: config.kratosKeys,
            courier: config.courier,
            apis: config.apis,
            brand: config.brand,
          },
          { store, fabric, audit, logger, version: o.version },
        )
      : undefined;
    closers.push(() => accounts?.close());
    const people = await accounts?.openPeople(authority);
    closers.push(() => people?.close());
    const services = await accounts?.openServices(authority);
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
      accounts:
        accounts === undefined
          ? undefined
          : { url: accounts.manager.services.config.publicUrl, mail: accounts.mail },
      oidc: accounts?.oidc.host,
      people: people?.api,
      services,
    };

    const news = tellRevocations(fabric, authority, sessions, eventsSeen);
    closers.push(() => news.close());
    if (permissions !== undefined) closers.push(tellRelations(permissions, sessions));

    const { registry, requests } = createMetrics(sessions, relay);
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
    const open = Fastify({
      ...{ ...options, frameworkErrors: refuseMalformed },
      // An address that somebody else may write would give every guess a budget of its own.
      trustProxy: config.trustedProxies.length === 0 ? false : [...config.trustedProxies],
    });
    if (config.trustedProxies.length > 0)
      open.addHook('onRequest', async ({ raw }) => takeForwarded(raw.headers));
    protectBrowsers(open);
    finish(open, 'public');
    await publishOpenApi(open, o.version);
    const callerOf: Door['callerOf'] = async (request) => {
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
        hint: 'postern token create NAME --scope …; a person’s authtoken is made on /ui/applications',
      });
    };
    addManagementRoutes(open, parts, callerOf);
    if (permissions !== undefined && config.permissions !== undefined)
      await room?.addPublicPermissions(open, {
        ...{ permissions, fabric, logger, version: o.version },
        config: config.permissions,
      });
    await accounts?.addPublic(open);
    open.get('/health', async () => ({ status: 'ok' }));
    // Whoever reaches the port is nobody in particular: a proxy on this machine stands in front of everybody.
    const door = createDoor(parts, callerOf);
    open.get('/metrics', async (request, reply) => {
      await door.mayServer(request, 'metrics:read', 'metrics');
      return reply.type(registry.contentType).send(await registry.metrics());
    });
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

    const nodePort = await createNodeListener(options, {
      ...{ parts, sessions, relay, certificate },
      finish: (app) => finish(app, 'nodes'),
    });
    nodeAddress = await nodePort.listen(config.nodes);
    closers.push(() => nodePort.close());

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
        : { accounts_url: accounts.manager.services.config.publicUrl, mail: accounts.mail }),
      ...(movedFrom === undefined ? {} : { moved_from: movedFrom }),
      started_at: new Date().toISOString(),
      version: o.version,
    };
    writeServerState(config.home, state);
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
