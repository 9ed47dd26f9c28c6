/** Everything of the server that belongs to accounts, behind one import that a server without them never makes. */
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { parse } from 'yaml';
import {
  type AccountsConfig,
  AccountsManager,
  Administration,
  addAdminAccounts,
  addPublicAccounts,
  Courier,
  createBrand,
  createBreachList,
  createPasswordHasher,
  createPasswordPolicy,
  defaultConfig,
  idleKeys,
  readCourier,
  readKratos,
} from '../accounts/index.ts';
import type { Audit } from '../audit/index.ts';
import type { AuthorityManager } from '../authority/index.ts';
import type { Fabric } from '../fabric/index.ts';
import { type Logger, PosternError, systemClock } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';
import { addApplications } from './applications.ts';
import type { ServerCertificate } from './certificate.ts';
import type { ServerConfig } from './config.ts';
import { type CorsRules, readCors, shareAcross } from './cors.ts';
import { type EnvironmentKey, merged, overlay, variablesByPath } from './environment.ts';
import { refuseForeign } from './foreign.ts';
import type { ServiceApi } from './http/services.ts';
import { type OidcRoom, openOidc } from './oidc.ts';
import { openPeople, type PeopleRoom } from './people.ts';
import { bindPublic } from './public-port.ts';
import { openServices } from './services.ts';

const BEARER = /^Bearer ([0-9a-f]{64})$/i;
/** Of the keys without effect that the log names. */
const IDLE_SHOWN_MAX = 50;
const BODY_BYTES_MAX = 8 * 1024 * 1024;
/** A list may be asked for by 500 ids, which is more than Node's 16 KiB. */
const HEAD_BYTES_MAX = 32 * 1024;

/** How mail leaves, as operators are told. */
export type MailWay = 'smtp' | 'http' | 'none';

export interface AccountsRoom {
  readonly manager: AccountsManager;
  readonly mail: MailWay;
  readonly oidc: OidcRoom;
  /** Joins people to the machines that they let into projects. */
  openPeople(authority: AuthorityManager): Promise<PeopleRoom>;
  /** Service accounts, in the authority's spaces. */
  openServices(authority: AuthorityManager): Promise<ServiceApi>;
  /** Adds the public surface to the public listener. */
  addPublic(app: FastifyInstance): Promise<void>;
  /** Adds the administrators' surface below a prefix of the admin socket, whose lock is the operating system's. */
  addLocal(app: FastifyInstance): Promise<void>;
  /** Starts the administrators' listener; answers `host:port`. */
  listenAdmin(address: AdminAddress, certificate: ServerCertificate): Promise<string>;
  close(): Promise<void>;
}
export interface AdminAddress {
  readonly host: string;
  readonly port: number;
  /** Whether whoever reaches the port is an administrator. */
  readonly isOpen: boolean;
}

interface Parts {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly logger: Logger;
  readonly version: string;
}

/** Opens the accounts of a server whose public address is known. Throws what is wrong with the configuration. */
export async function openAccounts(
  given: {
    readonly publicUrl: string;
    readonly kratosFile: string | undefined;
    readonly kratosKeys: readonly EnvironmentKey[];
    readonly courier: ServerConfig['courier'];
    readonly apis: ServerConfig['apis'];
    readonly brand: ServerConfig['brand'];
  },
  parts: Parts,
): Promise<AccountsRoom> {
  const raw = settingsOf(given);
  const config = await configOf(given, raw);
  const idle = idleKeys(raw);
  if (idle.length > 0)
    parts.logger.warn(
      { keys: idle.slice(0, IDLE_SHOWN_MAX) },
      'the kratos.yml has keys that are not known or have no effect here',
    );
  const cors = { public: corsOf(raw, 'public'), admin: corsOf(raw, 'admin') };
  const { publicUrl } = config;
  const { password } = config.methods;
  const site = new URL(publicUrl).hostname;
  const brand = createBrand(new URL(publicUrl).host, given.brand);
  const courier = new Courier({
    ...{ ...parts, clock: systemClock, config: config.courier, site },
    name: given.brand?.name,
  });
  const hasher = createPasswordHasher(config.hasher);
  const manager = await AccountsManager.open({
    ...parts,
    config,
    brand,
    clock: systemClock,
    hasher,
    passwordPolicy: createPasswordPolicy({
      minLength: password.minLength,
      maxBytes: hasher.passwordBytesMax,
      isSimilarityChecked: password.isSimilarityChecked,
      breaches: createBreachList({
        host: password.haveibeenpwnedHost,
        isOnline: password.isBreachListAsked,
        maxBreaches: password.maxBreaches,
        ignoreNetworkErrors: password.ignoreNetworkErrors,
        logger: parts.logger,
      }),
    }),
    messages: courier,
  });
  const administration = new Administration(manager.services);
  const oidc = await openOidc(manager, { ...parts, apis: given.apis });
  const mail = mailWayOf(config.courier);
  if (mail === 'none')
    parts.logger.warn(
      { mail },
      'no mail server is configured: codes and links wait in the queue and reach nobody (accounts.courier.smtp.connection_uri in server.yaml; until then: postern account messages)',
    );
  courier.start();
  const closers: (() => Promise<void>)[] = [async () => oidc.close(), () => courier.close()];
  const ready = { isReady: () => parts.store.ping(), version: parts.version };
  return {
    ...{ manager, oidc, mail },
    openPeople: (authority) => openPeople(manager, { ...parts, authority }),
    openServices: (authority) => openServices(manager, authority),
    addPublic: async (app) => {
      if (cors.public !== undefined) shareAccounts(app, cors.public);
      await addPublicAccounts(app, manager, {
        ...ready,
        onLogout: (session) => oidc.host.sessionEnded(session.id),
        applicationAt: (uid) => oidc.host.applicationAt(uid),
        // Rules that let everybody in share no credentials, and vouch for nobody.
        isShared: (origin) =>
          cors.public?.allowCredentials === true && cors.public.isAllowed(origin),
      });
      await oidc.addPublic(app);
      await addApplications(app, { ...parts, manager, clients: oidc.host.clients });
    },
    addLocal: async (app) => {
      await app.register(
        async (scope) => {
          addAdminAccounts(scope, {
            ...{ manager, administration, courier, ...ready },
            authorise: async () => 'local-admin',
          });
        },
        { prefix: '/accounts' },
      );
    },
    listenAdmin: async (address, certificate) => {
      if (address.isOpen && cors.admin?.isAllowed(NOBODYS_ORIGIN) === true)
        throw new PosternError(
          'invalid',
          'kratos.yml: serve.admin.cors lets every site in, and accounts.admin.auth is none: any page could administer',
          { hint: 'Name the origins, or let administrators show a token' },
        );
      const app = Fastify({
        bodyLimit: BODY_BYTES_MAX,
        http: { maxHeaderSize: HEAD_BYTES_MAX },
        ajv: { customOptions: { coerceTypes: false } },
        routerOptions: { ignoreDuplicateSlashes: true },
      });
      const listener = { host: address.host, cors: cors.admin };
      if (cors.admin !== undefined) shareAccounts(app, cors.admin);
      app.addHook('onRequest', async (request) => refuseForeign(listener, request.headers));
      addAdminAccounts(app, {
        ...{ manager, administration, courier, ...ready },
        authorise: (request, action) =>
          address.isOpen
            ? Promise.resolve('anyone')
            : administratorOf(parts.fabric, request, action),
      });
      const front = await bindPublic(address);
      closers.push(() => front.close());
      await front.serve(app, certificate, { maxHeaderSize: HEAD_BYTES_MAX });
      return `${address.host}:${front.port}`;
    },
    close: async () => {
      manager.close();
      for (const close of closers) await close();
    },
  };
}

function mailWayOf({ smtp, channels }: AccountsConfig['courier']): MailWay {
  if (channels.has('email')) return 'http';
  return smtp === undefined ? 'none' : 'smtp';
}

/** What Kratos's keys say, in the file and in the environment; undefined without any. Throws `invalid`. */
/** Reads all that the accounts need of the configuration, as a start does. Throws as `openAccounts`; answers keys without effect. */
export async function checkAccounts(config: ServerConfig): Promise<string[]> {
  if (!config.hasAccounts) return [];
  const publicUrl = config.accountsUrl ?? `http://${config.public.host}:${config.public.port}`;
  const given = { ...config, publicUrl };
  const raw = settingsOf(given);
  await configOf(given, raw);
  return idleKeys(raw);
}

function settingsOf(
  given: Pick<ServerConfig, 'kratosFile' | 'kratosKeys'> & { readonly publicUrl: string },
): unknown {
  const { kratosFile, kratosKeys } = given;
  if (kratosKeys.length === 0) return fileOf(kratosFile);
  // Variables alone need not say what a file must: they are laid over our own defaults.
  const base =
    kratosFile === undefined
      ? { selfservice: { default_browser_return_url: `${given.publicUrl}/` } }
      : fileOf(kratosFile);
  return overlay(base ?? {}, kratosKeys);
}

/** A kratos.yml as it stands; undefined without one. Throws `invalid`. */
function fileOf(kratosFile: string | undefined): unknown {
  if (kratosFile === undefined) return undefined;
  try {
    return parse(readFileSync(kratosFile, 'utf8'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : 'unreadable';
    throw new PosternError('invalid', `${kratosFile} can't be read: ${why}`, { cause });
  }
}

/** The paths that a page of another origin may be let use; the OpenID Provider asks each application's own list. */
const SHARED =
  /^\/(self-service|sessions|schemas|identities|admin|health|version|\.well-known\/ory)(\/|\?|$)/;
const NOBODYS_ORIGIN = 'https://origin.invalid';
const PREFLIGHTED = ['self-service', 'sessions', 'schemas', 'admin'];
/** What Kratos lets through when its file names nothing. */
const SHARED_BY_DEFAULT = {
  allowed_headers: ['Authorization', 'Content-Type', 'X-Session-Token', 'X-CSRF-Token'],
  exposed_headers: ['Content-Type'],
};

/** `serve.*.cors` of a kratos.yml. Throws `invalid`, naming the key. */
function corsOf(raw: unknown, listener: 'public' | 'admin'): CorsRules | undefined {
  const serve: unknown = Reflect.get(Object(raw), 'serve');
  const given: unknown = Reflect.get(Object(Reflect.get(Object(serve), listener)), 'cors');
  if (given === undefined || given === null) return undefined;
  const origins: unknown = Reflect.get(Object(given), 'allowed_origins');
  const isBounded = Array.isArray(origins) && !origins.includes('*');
  // Credentials go along by default, as at Kratos, but never to sites that nobody named.
  const whole = { ...SHARED_BY_DEFAULT, allow_credentials: isBounded, ...given };
  return readCors(whole, `kratos.yml: serve.${listener}.cors`);
}

function shareAccounts(app: FastifyInstance, rules: CorsRules): void {
  app.addHook('onRequest', async (request, reply) => {
    if (SHARED.test(request.url) && shareAcross(rules, request.raw, reply.raw)) reply.hijack();
  });
  for (const path of PREFLIGHTED)
    for (const url of [`/${path}`, `/${path}/*`])
      app.options(url, (_request, reply) => reply.code(204).send());
}

async function configOf(
  given: Pick<ServerConfig, 'kratosFile' | 'kratosKeys' | 'brand' | 'courier'> & {
    readonly publicUrl: string;
  },
  raw: unknown,
): Promise<AccountsConfig> {
  // Without a base URL of its own, what administrators are answered is relative to where they asked.
  const urls = { publicUrl: given.publicUrl, adminUrl: '', siteName: given.brand?.name };
  const { kratosFile, kratosKeys, courier } = given;
  if (raw === undefined && kratosFile === undefined) {
    const ours = defaultConfig(urls);
    if (courier === undefined) return ours;
    const files = filesOf(courier.folder);
    const place = { file: 'server.yaml', path: 'accounts.courier' };
    return {
      ...ours,
      courier: await readCourier(courier.keys, ours.courier, { ...place, ...files }),
    };
  }
  const folder = kratosFile === undefined ? process.cwd() : dirname(kratosFile);
  // Secure cookies would never come back over plain HTTP, which browsers take for this machine alone.
  const isDev = false;
  const whole = courier === undefined ? raw : merged(raw, { courier: courier.keys });
  return readKratos(whole, {
    ...{ ...urls, isDev, ...filesOf(folder) },
    variables: variablesByPath(kratosKeys),
  });
}

/** How a configuration reaches the files that it names, from its own folder. */
function filesOf(folder: string): {
  load: (url: string) => Promise<string>;
  list: (name: string) => Promise<readonly string[]>;
} {
  return {
    load: (url) => load(url, folder),
    list: (name) => list(resolve(folder, name)),
  };
}

/** The names in a folder of templates; none where there is no folder. */
async function list(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined;
    if (code === 'ENOENT') return [];
    throw new PosternError('invalid', `The folder ${folder} can't be read: ${String(code)}`, {
      cause,
    });
  }
}

const FETCH_MS = 10_000;
/** The text of an address in a kratos.yml; a relative file is taken from its folder. */
async function load(url: string, folder: string): Promise<string> {
  if (url.startsWith('base64://')) return Buffer.from(url.slice(9), 'base64').toString();
  if (/^https?:/.test(url)) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS) });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    return answer.text();
  }
  return readFileSync(resolve(folder, url.replace(/^file:\/\//, '')), 'utf8');
}

/** The principal of a token with the scope. Throws `unauthenticated` or `denied`. */
async function administratorOf(
  fabric: Fabric,
  request: FastifyRequest,
  action: string,
): Promise<string> {
  const [, token] = BEARER.exec(request.headers.authorization ?? '') ?? [];
  const grant =
    token === undefined
      ? undefined
      : await fabric.grants.findBySecret(token.toLowerCase(), 'token');
  if (grant === undefined)
    throw new PosternError('unauthenticated', 'This needs an access token', {
      hint: `postern token create NAME --scope ${action}`,
    });
  const principalId = grant.principalId ?? grant.id;
  await fabric.require({ principalId, action, resource: 'accounts', grant });
  return principalId;
}
