/**
 * The permission listeners: read 4466, write 4467, metrics 4468, language 4469, each speaking REST and gRPC. Reading is
 * open to whoever reaches the port (loopback by default); changing needs a bearer token with `permissions:write`, unless
 * the configuration opens the listener. The write port answers everything, for clients that know one base URL.
 *
 * INVARIANT: a browser on another site can neither ask nor change: on a loopback listener a foreign Host is refused, and
 * on any a foreign Origin.
 */
import type { IncomingHttpHeaders } from 'node:http';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { Gauge, type Registry } from 'prom-client';
import type { Audit } from '../audit/index.ts';
import type { Fabric } from '../fabric/index.ts';
import { type Logger, PosternError, toPosternError } from '../kernel/index.ts';
import {
  addLanguageRoutes,
  addReadRoutes,
  addWriteRoutes,
  createLanguageServices,
  createReadServices,
  createWriteServices,
  frameworkErrors,
  type ListenOptions,
  listenBoth,
  type Permissions,
  type RestParts,
  type ServiceRegistration,
  type Writer,
} from '../permissions/index.ts';
import type { ServerCertificate } from './certificate.ts';
import { type CorsRules, shareAcross } from './cors.ts';
import { refuseForeign } from './foreign.ts';
import { publishPermissionsApi } from './http/openapi.ts';
import type { PermissionConfig, PermissionListener } from './permission-config.ts';

const BODY_BYTES_MAX = 8 * 1024 * 1024;
/** The command line sends whole files of questions. */
const ADMIN_BATCH_MAX = 10_000;
const BEARER = /^Bearer ([0-9a-f]{64})$/i;

export interface PermissionPortsParts {
  readonly permissions: Permissions;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly certificate: ServerCertificate;
  readonly config: PermissionConfig;
  readonly registry: Registry;
  readonly version: string;
  readonly logger: Logger;
}

export interface PermissionPorts {
  /** `host:port` of each. */
  readonly addresses: Readonly<Record<'read' | 'write' | 'metrics' | 'opl', string>>;
  close(): Promise<void>;
}

function isOwn(listener: PermissionListener, headers: IncomingHttpHeaders): boolean {
  try {
    refuseForeign(listener, headers);
    return true;
  } catch {
    return false;
  }
}

/** Who may write: the principal of a token with the scope. Throws `unauthenticated` or `denied`. */
async function writerOf(
  { fabric }: { readonly fabric: Fabric },
  listener: { readonly isOpen: boolean },
  authorization: string | undefined,
  action: string = 'permissions:write',
): Promise<Writer> {
  if (listener.isOpen) return { id: 'anyone' };
  const [, token] = BEARER.exec(authorization ?? '') ?? [];
  const grant =
    token === undefined
      ? undefined
      : await fabric.grants.findBySecret(token.toLowerCase(), 'token');
  if (grant === undefined)
    throw new PosternError('unauthenticated', 'This needs an access token', {
      hint: `postern token create NAME --scope ${action}`,
    });
  const id = grant.principalId ?? grant.id;
  await fabric.require({
    principalId: id,
    action,
    resource: 'relation-tuples',
    grant,
  });
  return { id };
}

/** What a listener serves. */
interface Surface {
  readonly read?: boolean;
  readonly write?: boolean;
  readonly language?: boolean;
}

function addSurface(app: FastifyInstance, surface: Surface, parts: RestParts): void {
  if (surface.read === true) addReadRoutes(app, parts);
  if (surface.write === true) addWriteRoutes(app, parts);
  if (surface.language === true) addLanguageRoutes(app, parts);
}

function restParts(parts: PermissionPortsParts, listener: PermissionListener): RestParts {
  return {
    permissions: parts.permissions,
    version: parts.version,
    limits: limitsOf(parts.config),
    authorise: (request) => writerOf(parts, listener, request.headers.authorization),
    isReady: () => parts.fabric.store.ping(),
  };
}
function limitsOf({ maxBatchSize, maxReadDepth }: PermissionConfig): RestParts['limits'] {
  return { maxBatchSize, ...(maxReadDepth === undefined ? {} : { maxReadDepth }) };
}

function servicesOf(
  parts: PermissionPortsParts,
  listener: PermissionListener,
  surface: Surface,
): readonly ServiceRegistration[] {
  const serviceParts = {
    permissions: parts.permissions,
    version: parts.version,
    limits: limitsOf(parts.config),
    authoriseHeaders: (headers: Headers) =>
      writerOf(parts, listener, headers.get('authorization') ?? undefined),
  };
  return [
    ...(surface.read === true ? createReadServices(serviceParts) : []),
    ...(surface.write === true ? createWriteServices(serviceParts) : []),
    ...(surface.language === true ? createLanguageServices(serviceParts) : []),
  ];
}

/** Whether the server is at fault, and not whoever asked: a stranger's bad requests must not fill the log. */
function isFault(reason: unknown): boolean {
  if (reason instanceof PosternError) return reason.code === 'internal';
  const told: unknown =
    typeof reason === 'object' && reason !== null
      ? (Reflect.get(reason, 'status') ?? Reflect.get(reason, 'statusCode'))
      : undefined;
  return typeof told === 'number' ? told >= 500 : toPosternError(reason).code === 'internal';
}

/** One listener with its part of the surface; every listener also has `/metrics/prometheus`. */
async function appOf(
  parts: PermissionPortsParts,
  listener: PermissionListener,
  surface: Surface,
): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: 1_024 },
    frameworkErrors,
  });
  app.addHook('onRequest', async (request) => refuseForeign(listener, request.headers));
  app.addHook('onError', async (_request, _reply, reason) => {
    if (isFault(reason)) parts.logger.error({ err: reason }, 'a question met a fault');
  });
  await publishPermissionsApi(app, parts.version);
  addSurface(app, surface, restParts(parts, listener));
  app.get('/metrics/prometheus', async (_request, reply) =>
    reply.type(parts.registry.contentType).send(await parts.registry.metrics()),
  );
  return app;
}

/** Adds the whole surface below a prefix of the admin socket, whose lock is the operating system's. */
export async function addAdminPermissions(
  app: FastifyInstance,
  parts: Omit<PermissionPortsParts, 'certificate' | 'audit' | 'registry'>,
): Promise<void> {
  await app.register(
    async (scope) => {
      addSurface(
        scope,
        { read: true, write: true, language: true },
        {
          permissions: parts.permissions,
          version: parts.version,
          limits: { ...limitsOf(parts.config), maxBatchSize: ADMIN_BATCH_MAX },
          authorise: async () => ({ id: 'local-admin' }),
          isReady: () => parts.fabric.store.ping(),
        },
      );
    },
    { prefix: '/permissions' },
  );
}

/** Adds the whole surface below a prefix of the public listener: every question and change needs a token's scope. */
export async function addPublicPermissions(
  app: FastifyInstance,
  parts: Omit<PermissionPortsParts, 'certificate' | 'audit' | 'registry'>,
): Promise<void> {
  const may =
    (action: string) =>
    (request: FastifyRequest): Promise<Writer> =>
      writerOf(parts, { isOpen: false }, request.headers.authorization, action);
  await app.register(
    async (scope) => {
      scope.addHook('onRequest', async (request) => {
        // Whatever does not write reads: HEAD and OPTIONS tell of what is there as well.
        if (!['PUT', 'PATCH', 'DELETE'].includes(request.method))
          await may('permissions:read')(request);
      });
      addSurface(
        scope,
        { read: true, write: true, language: true },
        {
          permissions: parts.permissions,
          version: parts.version,
          limits: { ...limitsOf(parts.config), maxBatchSize: ADMIN_BATCH_MAX },
          authorise: may('permissions:write'),
          isReady: () => parts.fabric.store.ping(),
        },
      );
    },
    { prefix: '/permissions' },
  );
}

function measure({ permissions, registry }: PermissionPortsParts): void {
  const gauge = (name: string, help: string, read: () => Promise<number>): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set(await read());
      },
    });
  };
  gauge(
    'postern_permission_tuples',
    'Relation tuples',
    async () => (await permissions.status()).tuples,
  );
  gauge(
    'postern_permission_memory_bytes',
    'Memory that tuples and their history take',
    async () => (await permissions.status()).memoryBytes,
  );
  gauge(
    'postern_permission_revision',
    'The newest revision in memory',
    async () => (await permissions.status()).revision,
  );
}

function sharing(rules: CorsRules): NonNullable<ListenOptions['share']> {
  return (request, response) => shareAcross(rules, request, response);
}

/** Starts the four listeners. Throws when a port is taken. */
export async function listenPermissions(parts: PermissionPortsParts): Promise<PermissionPorts> {
  measure(parts);
  const { config, certificate } = parts;
  const closers: (() => Promise<void>)[] = [];
  const listen = async (listener: PermissionListener, surface: Surface): Promise<string> => {
    const app = await appOf(parts, listener, surface);
    const { host, port } = listener;
    const bound = await listenBoth(app, {
      address: { host, port },
      certificate,
      services: servicesOf(parts, listener, surface),
      admits: (headers) => isOwn(listener, headers),
      ...(listener.cors === undefined ? {} : { share: sharing(listener.cors) }),
      isReady: () =>
        parts.fabric.store.ping().then(
          () => true,
          () => false,
        ),
      reportFault: (reason) =>
        parts.logger.error({ err: toPosternError(reason) }, 'a call met a fault'),
    });
    closers.push(() => bound.close());
    return `${host}:${bound.port}`;
  };
  const close = async (): Promise<void> => {
    await Promise.all(closers.map((closer) => closer()));
  };
  try {
    const addresses = {
      read: await listen(config.read, { read: true }),
      write: await listen(config.write, { read: true, write: true, language: true }),
      metrics: await listen(config.metrics, {}),
      opl: await listen(config.language, { language: true }),
    };
    return { addresses, close };
  } catch (reason) {
    await close();
    throw reason;
  }
}
