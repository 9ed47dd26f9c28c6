/**
 * Reads a `kratos.yml`, today's and that of 0.8, into our settings. What Postern decides for the whole server (`dsn`,
 * `log`, `secrets`, `ciphers` …) is taken and not used; what would change how people sign in and is not supported is
 * refused with its name, never passed over.
 */
import { PosternError } from '../../kernel/index.ts';
import type { FlowKind } from '../flows/flow.ts';
import {
  type AccountsConfig,
  type CookieConfig,
  defaultConfig,
  type FlowConfig,
  type RelyingPartyConfig,
  type SchemaConfig,
} from './config.ts';
import { courierOf, type List } from './courier.ts';
import { hooksOfFlow } from './hooks.ts';
import { Part, refuse } from './part.ts';
import { featuresOf, sessionRulesOf } from './session.ts';
import { socialOf } from './social.ts';

/** Gets the text of a `file://`, `base64://` or `http(s)://` address. */
export type Load = (url: string) => Promise<string>;

/** Top-level keys that are known; others are a mistake in the file. */
const KNOWN = [
  ...['version', 'dsn', 'serve', 'selfservice', 'log', 'secrets', 'ciphers', 'hashers', 'identity'],
  ...['courier', 'cookies', 'session', 'security', 'feature_flags', 'oauth2_provider', 'dev'],
  ...[
    'tracing',
    'profiling',
    'help',
    'sqa-opt-out',
    'watch-courier',
    'expose-metrics-port',
    'config',
  ],
  ...['clients', 'organizations', 'enterprise', 'preview', 'revision', 'database', 'tls', 'sqa'],
];
const METHODS = [
  ...['password', 'code', 'link', 'totp', 'lookup_secret', 'profile', 'webauthn', 'passkey'],
  'oidc',
];

function slashless(url: string): string {
  return url.replace(/\/+$/, '');
}

/** Codes as the second factor. As at Kratos they can't be the first too: one mailbox would be both. */
function isSecondFactorOf(code: Part): boolean {
  const isMfa = code.at('mfa_enabled').flag() ?? false;
  if (isMfa && code.at('passwordless_enabled').flag() === true)
    refuse(code.at('mfa_enabled').path, 'and passwordless_enabled exclude each other');
  return isMfa;
}

async function flowOf<T extends FlowConfig>(
  kind: FlowKind,
  part: Part,
  before: T,
  isEnabledByDefault: boolean,
  load: Load,
): Promise<T> {
  return {
    ...before,
    ...(await hooksOfFlow(kind, part, load)),
    isEnabled: part.at('enabled').flag() ?? isEnabledByDefault,
    uiUrl: part.at('ui_url').text() ?? before.uiUrl,
    lifespanMs: part.at('lifespan').durationMs() ?? before.lifespanMs,
  };
}

async function schemasOf(
  identity: Part,
  load: Load,
): Promise<{ schemas: SchemaConfig[]; id: string } | undefined> {
  const read = async (id: string, url: string, isSelectable: boolean): Promise<SchemaConfig> => {
    try {
      return { id, document: JSON.parse(await load(url)), isSelfserviceSelectable: isSelectable };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : 'unreadable';
      throw new PosternError(
        'invalid',
        `kratos.yml: the identity schema "${id}" can't be read: ${why}`,
        { cause },
      );
    }
  };
  const legacy = identity.at('default_schema_url').text();
  const listed = await Promise.all(
    identity
      .at('schemas')
      .items()
      .map((item) =>
        read(
          item.at('id').text() ?? refuse(item.path, 'has no id'),
          item.at('url').text() ?? refuse(item.path, 'has no url'),
          item.at('selfservice_selectable').flag() ?? false,
        ),
      ),
  );
  if (legacy !== undefined) listed.unshift(await read('default', legacy, false));
  const [first] = listed;
  if (first === undefined) return undefined;
  const id =
    identity.at('default_schema_id').text() ?? (legacy === undefined ? first.id : 'default');
  if (!listed.some((s) => s.id === id))
    refuse('identity.default_schema_id', `names no schema: "${id}"`);
  return { schemas: listed, id };
}

function cookiesOf(
  part: Part,
  before: CookieConfig,
  isDev: boolean,
  publicUrl: string,
): CookieConfig {
  return {
    domain: part.at('domain').text() ?? before.domain,
    path: part.at('path').text() ?? before.path,
    sameSite: part.at('same_site').oneOf(['Lax', 'Strict', 'None']) ?? before.sameSite,
    isSecure: part.at('secure').flag() ?? (!isDev && publicUrl.startsWith('https:')),
  };
}

/**
 * Whom authenticators sign for. Origins that the file leaves out are that of the id, in the public address's scheme as at
 * Kratos, and the public address itself where it belongs to the id; an `origin` of before stands for one.
 */
function relyingPartyOf(config: Part, before: RelyingPartyConfig): RelyingPartyConfig {
  for (const name of ['authenticator_selection', 'attestation', 'timeouts'])
    if (config.at(name).isThere)
      throw new PosternError('unsupported', `kratos.yml: ${config.path}.${name} is not supported`);
  const part = config.at('rp');
  const id = part.at('id').text();
  if (id !== undefined && !/^[a-z0-9.-]+$/.test(id))
    refuse(part.at('id').path, `is no host name: "${id}"`);
  const origins = part.at('origins').texts() ?? [part.at('origin').text() ?? ''].filter(Boolean);
  const implied = before.origins.flatMap((origin) => {
    const { protocol, hostname } = new URL(origin);
    const isOwn = hostname === id || hostname.endsWith(`.${id}`);
    return [`${protocol}//${id}`, ...(isOwn ? [origin] : [])];
  });
  return {
    id: id ?? before.id,
    displayName: part.at('display_name').text() ?? before.displayName,
    origins:
      origins.length > 0
        ? origins.map(slashless)
        : id === undefined
          ? before.origins
          : [...new Set(implied)],
  };
}

function methodsOf(part: Part, before: AccountsConfig['methods']): AccountsConfig['methods'] {
  for (const name of part.keys())
    if (!METHODS.includes(name) && part.at(name, 'enabled').flag() === true)
      throw new PosternError(
        'unsupported',
        `kratos.yml: selfservice.methods.${name} is not supported yet`,
      );
  const on = (name: string, fallback: boolean): boolean =>
    part.at(name, 'enabled').flag() ?? fallback;
  const password = part.at('password', 'config');
  const code = part.at('code');
  if (password.at('migrate_hook', 'enabled').flag() === true)
    throw new PosternError(
      'unsupported',
      'kratos.yml: the password migration hook is not supported',
    );
  return {
    ...before,
    password: {
      ...before.password,
      isEnabled: on('password', true),
      minLength: password.at('min_password_length').number() ?? before.password.minLength,
      isSimilarityChecked:
        password.at('identifier_similarity_check_enabled').flag() ??
        before.password.isSimilarityChecked,
      haveibeenpwnedHost:
        password.at('haveibeenpwned_host').text() ?? before.password.haveibeenpwnedHost,
      isBreachListAsked: password.at('haveibeenpwned_enabled').flag() ?? true,
      maxBreaches: password.at('max_breaches').number() ?? 0,
      ignoreNetworkErrors: password.at('ignore_network_errors').flag() ?? true,
    },
    code: {
      ...before.code,
      isEnabled: on('code', true),
      isPasswordless: code.at('passwordless_enabled').flag() ?? false,
      isMfa: isSecondFactorOf(code),
      lifespanMs: code.at('config', 'lifespan').durationMs() ?? before.code.lifespanMs,
      maxSubmissions: code.at('config', 'max_submissions').number() ?? before.code.maxSubmissions,
    },
    link: {
      ...before.link,
      isEnabled: on('link', true),
      lifespanMs: part.at('link', 'config', 'lifespan').durationMs() ?? before.link.lifespanMs,
    },
    totp: {
      isEnabled: on('totp', false),
      issuer: part.at('totp', 'config', 'issuer').text() ?? before.totp.issuer,
    },
    lookupSecret: { isEnabled: on('lookup_secret', false) },
    webauthn: {
      isEnabled: on('webauthn', false),
      isPasswordless: part.at('webauthn', 'config', 'passwordless').flag() ?? false,
      rp: relyingPartyOf(part.at('webauthn', 'config'), before.webauthn.rp),
    },
    passkey: {
      isEnabled: on('passkey', false),
      rp: relyingPartyOf(part.at('passkey', 'config'), before.passkey.rp),
    },
    profile: { isEnabled: on('profile', true) },
  };
}

function hasherOf(part: Part, before: AccountsConfig['hasher']): AccountsConfig['hasher'] {
  const argon2 = part.at('argon2');
  const memory = argon2.at('memory').text();
  const [, amount, unit] = /^(\d+)\s*(KB|MB|GB|B)?$/i.exec(memory ?? '') ?? [];
  const scale =
    { b: 1 / 1_024, kb: 1, mb: 1_024, gb: 1_048_576 }[(unit ?? 'kb').toLowerCase()] ?? 1;
  const algorithm = part.at('algorithm').oneOf(['bcrypt', 'argon2']);
  return {
    algorithm: algorithm ?? 'bcrypt',
    bcryptCost: part.at('bcrypt', 'cost').number() ?? before.bcryptCost,
    argon2: {
      memoryKiB: amount === undefined ? 131_072 : Math.round(Number(amount) * scale),
      iterations: argon2.at('iterations').number() ?? 1,
      parallelism: argon2.at('parallelism').number() ?? 4,
      saltLength: argon2.at('salt_length').number() ?? 16,
      keyLength: argon2.at('key_length').number() ?? 32,
    },
  };
}

/** The settings of a file. `publicUrl` and `adminUrl` stand where the file names none. Throws, naming the key. */
export async function readKratos(
  raw: unknown,
  o: {
    readonly publicUrl: string;
    readonly siteName?: string | undefined;
    readonly adminUrl: string;
    readonly isDev: boolean;
    readonly load: Load;
    readonly list: List;
    /** Which environment variable gave a key, by the key's path: messages name it. */
    readonly variables?: ReadonlyMap<string, string>;
  },
): Promise<AccountsConfig> {
  const file = new Part(raw, '', o.variables);
  const strange = file.keys().find((name) => !KNOWN.includes(name));
  if (strange !== undefined) refuse(strange, 'is not known');
  const publicUrl = slashless(file.at('serve', 'public', 'base_url').text() ?? o.publicUrl);
  const adminUrl = slashless(file.at('serve', 'admin', 'base_url').text() ?? o.adminUrl);
  const base = defaultConfig({ publicUrl, adminUrl, siteName: o.siteName });
  const self = file.at('selfservice');
  const flows = self.at('flows');
  const [login, registration, settings] = [
    flows.at('login'),
    flows.at('registration'),
    flows.at('settings'),
  ];
  const [recovery, verification] = [flows.at('recovery'), flows.at('verification')];
  const session = file.at('session');
  const cookies = cookiesOf(file.at('cookies'), base.cookies, o.isDev, publicUrl);
  const schemas = await schemasOf(file.at('identity'), o.load);
  const isLegacy = file.at('identity', 'default_schema_url').isThere;
  const isOneStep = registration.at('enable_legacy_one_step').flag() === true || isLegacy;
  const isDeferring = [settings.at('after'), settings.at('after', 'profile')].some((part) =>
    part
      .at('hooks')
      .items()
      .some((item) => item.at('hook').value === 'verify_new_address'),
  );
  if (isDeferring && verification.at('enabled').flag() !== true)
    refuse(settings.path, 'has the hook verify_new_address: enable selfservice.flows.verification');
  if (file.at('oauth2_provider', 'url').isThere)
    throw new PosternError('unsupported', 'kratos.yml: oauth2_provider is not supported', {
      hint: 'Take it out: Postern is an OpenID Provider itself, and needs no Hydra',
    });
  return {
    ...base,
    defaultReturnUrl:
      self.at('default_browser_return_url').text() ??
      refuse('selfservice.default_browser_return_url', 'is missing'),
    allowedReturnUrls:
      self.at('allowed_return_urls').texts() ?? self.at('whitelisted_return_urls').texts() ?? [],
    errorUiUrl: flows.at('error', 'ui_url').text(),
    flows: {
      login: {
        ...(await flowOf('login', login, base.flows.login, true, o.load)),
        style: login.at('style').oneOf(['unified', 'identifier_first']) ?? 'unified',
      },
      registration: {
        ...(await flowOf('registration', registration, base.flows.registration, true, o.load)),
        style: isOneStep
          ? 'unified'
          : (registration.at('style').oneOf(['profile_first', 'unified']) ?? 'profile_first'),
      },
      settings: {
        ...(await flowOf('settings', settings, base.flows.settings, true, o.load)),
        privilegedSessionMaxAgeMs:
          settings.at('privileged_session_max_age').durationMs() ??
          base.flows.settings.privilegedSessionMaxAgeMs,
        requiredAal:
          settings.at('required_aal').oneOf(['aal1', 'highest_available']) ?? 'highest_available',
      },
      recovery: {
        ...(await flowOf('recovery', recovery, base.flows.recovery, false, o.load)),
        use: recovery.at('use').oneOf(['code', 'link']) ?? (isLegacy ? 'link' : 'code'),
        isUnknownNotified: recovery.at('notify_unknown_recipients').flag() ?? false,
      },
      verification: {
        ...(await flowOf('verification', verification, base.flows.verification, false, o.load)),
        use: verification.at('use').oneOf(['code', 'link']) ?? 'code',
        isUnknownNotified: verification.at('notify_unknown_recipients').flag() ?? false,
      },
      logout: {
        defaultReturnUrl: flows.at('logout', 'after', 'default_browser_return_url').text(),
      },
    },
    methods: {
      ...methodsOf(self.at('methods'), base.methods),
      oidc: await socialOf(self.at('methods', 'oidc'), o.load),
    },
    hasher: hasherOf(file.at('hashers'), base.hasher),
    ...(schemas === undefined ? {} : { schemas: schemas.schemas, defaultSchemaId: schemas.id }),
    cookies,
    session: {
      ...base.session,
      ...(await sessionRulesOf(session, o.load)),
      lifespanMs: session.at('lifespan').durationMs() ?? base.session.lifespanMs,
      cookieName: session.at('cookie', 'name').text() ?? base.session.cookieName,
      isPersistent: session.at('cookie', 'persistent').flag() ?? true,
      cookie: cookiesOf(session.at('cookie'), cookies, o.isDev, publicUrl),
      requiredAal:
        session.at('whoami', 'required_aal').oneOf(['aal1', 'highest_available']) ??
        'highest_available',
    },
    courier: await courierOf(file.at('courier'), base.courier, o),
    hookHeaders: file.at('clients', 'web_hook', 'header_allowlist').texts() ?? base.hookHeaders,
    features: featuresOf(file.at('feature_flags')),
    isLegacy,
  };
}
