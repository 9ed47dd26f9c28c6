/** The OpenID Provider put over the accounts: what it is told of people and sessions, and what it shows. */
import type { FastifyInstance } from 'fastify';
import {
  type Account,
  type AccountsManager,
  clearSessionCookie,
  highestAal,
  isSureEnough,
  type JsonObject,
  networkOf,
  readCookies,
  type Session,
} from '../accounts/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Fabric } from '../fabric/index.ts';
import { type Logger, PosternError, systemClock } from '../kernel/index.ts';
import {
  type Api,
  type InitialAccess,
  OidcHost,
  type People,
  type Profile,
  type SignedIn,
} from '../oidc/index.ts';
import type { Store } from '../store/index.ts';
import { providerPages } from './provider-pages.ts';

/** After which all tries at devices' codes are there again. */
const GUESSES_MS = 10 * 60_000;
const TOKEN = /^[0-9a-f]{64}$/;

/** Methods as authentication method references (RFC 8176). */
const AMR: Readonly<Record<string, readonly string[]>> = {
  password: ['pwd'],
  code: ['otp'],
  code_recovery: ['otp'],
  link_recovery: ['otp'],
  totp: ['otp'],
  lookup_secret: ['otp'],
  webauthn: ['hwk'],
  passkey: ['swk', 'user'],
  oidc: ['fed'],
};

function amrOf(session: Session): string[] {
  const found = new Set(session.methods.flatMap(({ method }) => AMR[method] ?? []));
  if (session.aal === 'aal2') found.add('mfa');
  return [...found];
}

const textOf = (object: JsonObject, name: string): string | undefined => {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** What clients learn of a person, by where traits usually stand (reference: identity, section 9). */
export function profileOf(account: Account): Profile {
  const { traits } = account;
  const name: unknown = Object.hasOwn(traits, 'name') ? traits['name'] : undefined;
  const names =
    typeof name === 'object' && name !== null && !Array.isArray(name) ? (name as JsonObject) : {};
  const given = textOf(names, 'first') ?? textOf(traits, 'given_name');
  const family = textOf(names, 'last') ?? textOf(traits, 'family_name');
  const address = account.verifiableAddresses.find(({ via }) => via === 'email');
  const email = address?.value ?? textOf(traits, 'email');
  const whole = [given, family].filter((part) => part !== undefined).join(' ');
  return {
    name: textOf(traits, 'name') ?? (whole === '' ? (email ?? account.id) : whole),
    nickname:
      textOf(traits, 'nickname') ?? textOf(traits, 'username') ?? email?.replace(/@[^@]*$/, ''),
    givenName: given,
    familyName: family,
    picture: textOf(traits, 'picture'),
    email,
    isEmailVerified: address?.verified === true,
    updatedAtMs: account.updatedAtMs,
  };
}

const GROUP = /^[\w.-]{1,40}$/;

/**
 * What credentials of an account's machines may say: what is verified, and the groups that administrators set in
 * `metadata_admin.groups`. Undefined for an account that is shut out or gone.
 */
export async function verifiedOf(
  manager: AccountsManager,
  accountId: string,
): Promise<Record<string, string> | undefined> {
  const account = await manager.services.accounts.get(accountId);
  if (account?.state !== 'active') return undefined;
  const address = account.verifiableAddresses.find((a) => a.via === 'email' && a.verified);
  const { metadataAdmin: admin } = account;
  const groups =
    typeof admin === 'object' && admin !== null && !Array.isArray(admin)
      ? (admin as JsonObject)['groups']
      : undefined;
  const names = Array.isArray(groups)
    ? (groups as readonly unknown[]).filter((g) => typeof g === 'string' && GROUP.test(g))
    : [];
  return {
    'account.id': account.id,
    ...(address === undefined ? {} : { 'account.email': address.value }),
    ...Object.fromEntries(names.map((name) => [`account.group.${String(name)}`, 'true'])),
  };
}

function peopleOf(manager: AccountsManager, onEnd: (sessionId: string) => Promise<void>): People {
  const { services } = manager;
  const { config, sessions, accounts, store, audit } = services;
  const activeOf = async (id: string): Promise<Account | undefined> => {
    const account = await accounts.get(id);
    return account?.state === 'active' ? account : undefined;
  };
  return {
    sessionOf: async (headers): Promise<SignedIn | undefined> => {
      const token = readCookies(headers.cookie).get(config.session.cookieName);
      const session = token === undefined ? undefined : await sessions.find(token);
      const account = session?.isActive === true ? await activeOf(session.accountId) : undefined;
      if (session === undefined || account === undefined) return undefined;
      return {
        sessionId: session.id,
        accountId: account.id,
        authenticatedAtMs: session.authenticatedAtMs,
        acr: session.aal,
        amr: amrOf(session),
        canStepUp: highestAal(services, account) === 'aal2',
        isEnough: isSureEnough(services, session, account, config.session.requiredAal),
      };
    },
    profileOf: async (accountId) => {
      const account = await activeOf(accountId);
      return account === undefined ? undefined : profileOf(account);
    },
    isStanding: (sessionId) => sessions.isUnrevoked(sessionId),
    endSession: async (sessionId) => {
      const session = await sessions.get(sessionId);
      if (session === undefined) return;
      await store.write(async (trx) => {
        await sessions.revoke(trx, session.id);
        await audit.append(trx, {
          actor: session.accountId,
          action: 'accounts:logout',
          resource: `session/${session.id}`,
        });
      });
      await onEnd(sessionId);
    },
    spendGuess: async ({ address, accountId }) => {
      const waitMs = await services.budgets.take([
        {
          name: 'device code network',
          subject: networkOf(address),
          burst: 60,
          refillMs: GUESSES_MS,
        },
        ...(accountId === undefined
          ? []
          : [{ name: 'device code account', subject: accountId, burst: 20, refillMs: GUESSES_MS }]),
      ]);
      return waitMs === 0;
    },
    forgetting: [clearSessionCookie(config)],
    signInUrl: ({ returnTo, isRefresh, acr, isSignup }) => {
      const flow = isSignup && config.flows.registration.isEnabled ? 'registration' : 'login';
      const url = new URL(`${config.publicUrl}/self-service/${flow}/browser`);
      url.searchParams.set('return_to', returnTo);
      if (isRefresh) url.searchParams.set('refresh', 'true');
      if (acr !== undefined) url.searchParams.set('aal', acr);
      return url.toString();
    },
  };
}

/** Whom a token lets register clients: a token with the scope, or a person's own authtoken. */
async function initialAccessOf(fabric: Fabric, token: string): Promise<InitialAccess | undefined> {
  if (!TOKEN.test(token)) return undefined;
  const own = await fabric.grants.findBySecret(token, 'authtoken');
  if (own?.principalId !== undefined) return { ownerId: own.principalId, isAdministrator: false };
  const grant = await fabric.grants.findBySecret(token, 'token');
  if (grant === undefined) return undefined;
  const question = {
    principalId: grant.principalId ?? grant.id,
    resource: 'clients',
    grant,
  } as const;
  const decision = await fabric.authorise({ ...question, action: 'clients:register' });
  if (!decision.isAllowed) return undefined;
  return { ownerId: question.principalId, isAdministrator: false };
}

/** The command line's own client: a person signs in to it by the device flow. */
export const CLI_CLIENT_ID = 'postern-cli';

async function ensureCliClient(host: OidcHost): Promise<void> {
  if ((await host.clients.find(CLI_CLIENT_ID)) !== undefined) return;
  await host.clients
    .create(
      { id: CLI_CLIENT_ID, name: 'Postern command line', type: 'native', isFirstParty: true },
      { principalId: 'postern', isAdministrator: true },
    )
    .catch((reason: unknown) => {
      // Another server on the same database was first.
      if (!(reason instanceof PosternError && reason.code === 'conflict')) throw reason;
    });
}

export interface OidcRoom {
  readonly host: OidcHost;
  /** The person of an access token that was given to the command line; undefined for any other. */
  personOf(
    token: string,
  ): Promise<{ kind: 'person'; accountId: string; sessionId: string } | undefined>;
  addPublic(app: FastifyInstance): Promise<void>;
  close(): void;
}

/** Opens the provider over accounts that are open. */
export async function openOidc(
  manager: AccountsManager,
  parts: {
    readonly store: Store;
    readonly fabric: Fabric;
    readonly audit: Audit;
    readonly logger: Logger;
    readonly apis: readonly Api[];
  },
): Promise<OidcRoom> {
  const { config } = manager.services;
  const host: OidcHost = new OidcHost({
    ...parts,
    clock: systemClock,
    issuer: `${config.publicUrl}/`,
    people: peopleOf(manager, (sessionId) => host.sessionEnded(sessionId)),
    pages: providerPages(manager.services.brand),
    logoutUrls: config.allowedReturnUrls,
    initialAccess: (token) => initialAccessOf(parts.fabric, token),
  });
  await host.open();
  await ensureCliClient(host);
  const reader = parts.fabric.events.subscribe(await parts.fabric.events.latest(), (event) =>
    host.onEvent(event),
  );
  return {
    host,
    personOf: async (token) => {
      const owner = await host.ownerOf(token);
      if (owner?.clientId !== CLI_CLIENT_ID) return undefined;
      if ((await manager.services.accounts.get(owner.accountId))?.state !== 'active')
        return undefined;
      return { kind: 'person', accountId: owner.accountId, sessionId: owner.sessionId };
    },
    addPublic: (app) => host.register(app),
    close: () => {
      reader.close();
      host.close();
    },
  };
}
