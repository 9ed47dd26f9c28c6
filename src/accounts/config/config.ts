/**
 * The settings of accounts, whatever file they came from: `kratos.yml` and our own defaults are read into this shape
 * (read.ts). Types and defaults alone. Secrets in it (client secrets, SMTP passwords) must never be logged.
 */
import { isIP } from 'node:net';
import type { Via } from '../account.ts';
import type { OwnTemplates } from '../courier/own-templates.ts';
import type { Recipients } from '../hooks/notices.ts';
import { HEADERS_TOLD, type WebHook } from '../hooks/settings.ts';
import type { Program } from '../jsonnet/index.ts';
import type { OutgoingRequest } from '../outgoing/request.ts';

export type HookName =
  | 'session'
  | 'show_verification_ui'
  | 'require_verified_address'
  | 'revoke_active_sessions'
  | 'verification'
  | 'notify_previous_addresses'
  | 'verify_new_address'
  | 'web_hook';

export interface HookConfig {
  readonly hook: HookName;
  /** Of `web_hook`. */
  readonly web?: WebHook;
  /** Of `notify_previous_addresses`. */
  readonly recipients?: Recipients;
}

/** What happens after a flow has succeeded, in general or by one method. */
export interface AfterConfig {
  readonly defaultReturnUrl?: string;
  readonly hooks: readonly HookConfig[];
}

export interface FlowConfig {
  readonly isEnabled: boolean;
  /** Undefined: our own page. */
  readonly uiUrl: string | undefined;
  readonly lifespanMs: number;
  readonly after: AfterConfig & { readonly byMethod: Readonly<Record<string, AfterConfig>> };
  readonly before: readonly HookConfig[];
}

export type RequiredAal = 'aal1' | 'highest_available';

export interface OidcProviderConfig {
  readonly id: string;
  /** `generic`, `google`, `github` … */
  readonly provider: string;
  readonly label: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Where discovery begins, or where a provider of the catalogue is moved to; undefined for others without discovery. */
  readonly issuerUrl: string | undefined;
  readonly scope: readonly string[];
  /** Jsonnet: claims to traits. */
  readonly mapper: string;
  readonly pkce: 'auto' | 'never' | 'force';
  readonly claimsSource: 'id_token' | 'userinfo' | undefined;
  /** Of `microsoft`. */
  readonly subjectSource: 'userinfo' | 'me' | 'oid';
  readonly requestedClaims: unknown;
  readonly updateOnLogin: 'never' | 'automatic';
  /** Values of a signed `acr` and `amr` by which the provider's sign-in counts as both factors. */
  readonly aal2Acr: readonly string[];
  readonly aal2Amr: readonly string[];
  /** The clients of native apps whose ID tokens count. */
  readonly additionalAudiences: readonly string[];
  readonly apple:
    | { readonly teamId: string; readonly keyId: string; readonly privateKey: string }
    | undefined;
}

export interface RelyingPartyConfig {
  readonly id: string;
  readonly displayName: string;
  readonly origins: readonly string[];
}

export interface MethodsConfig {
  readonly password: {
    readonly isEnabled: boolean;
    readonly minLength: number;
    readonly isSimilarityChecked: boolean;
    readonly haveibeenpwnedHost: string;
    readonly isBreachListAsked: boolean;
    readonly maxBreaches: number;
    readonly ignoreNetworkErrors: boolean;
    readonly migrateHookUrl: string | undefined;
  };
  readonly code: {
    readonly isEnabled: boolean;
    readonly isPasswordless: boolean;
    readonly isMfa: boolean;
    readonly lifespanMs: number;
    readonly maxSubmissions: number;
  };
  readonly link: {
    readonly isEnabled: boolean;
    readonly lifespanMs: number;
    readonly baseUrl: string | undefined;
  };
  readonly totp: { readonly isEnabled: boolean; readonly issuer: string };
  readonly lookupSecret: { readonly isEnabled: boolean };
  readonly webauthn: {
    readonly isEnabled: boolean;
    readonly isPasswordless: boolean;
    readonly rp: RelyingPartyConfig;
  };
  readonly passkey: { readonly isEnabled: boolean; readonly rp: RelyingPartyConfig };
  readonly oidc: {
    readonly isEnabled: boolean;
    readonly providers: readonly OidcProviderConfig[];
    readonly redirectBaseUrl: string | undefined;
  };
  readonly profile: { readonly isEnabled: boolean };
}

export interface SchemaConfig {
  readonly id: string;
  /** The schema itself. */
  readonly document: unknown;
  /** Whether people may choose it when they register. */
  readonly isSelfserviceSelectable: boolean;
}

export interface CookieConfig {
  readonly domain: string | undefined;
  readonly path: string;
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  readonly isSecure: boolean;
}

export interface TokenizerConfig {
  readonly ttlMs: number;
  /** Secret. */
  readonly key: CryptoKey;
  readonly keyId: string | undefined;
  readonly algorithm: string;
  /** Jsonnet: session to claims. */
  readonly claimsMapper: Program | undefined;
  readonly subjectSource: 'id' | 'external_id';
}

export interface SmtpConfig {
  /** `smtp://user:password@host:port/?disable_starttls=true` or `smtps://…`. Secret. */
  readonly connectionUri: string;
  readonly fromAddress: string;
  readonly fromName: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly localName: string | undefined;
  /** PEM. */
  readonly clientCertificate: { readonly cert: string; readonly key: string } | undefined;
}

export interface CourierConfig {
  readonly smtp: SmtpConfig | undefined;
  /** What leaves over HTTP; mail does not leave by SMTP then. */
  readonly channels: ReadonlyMap<Via, OutgoingRequest>;
  /** Refusals of a message before it is given up. */
  readonly messageRetries: number;
  /** Messages that are taken at once, and the time between two looks at the queue. */
  readonly pullCount: number;
  readonly pullWaitMs: number;
  readonly templates: OwnTemplates;
}

export interface AccountsConfig {
  /** Without a slash at the end. */
  readonly publicUrl: string;
  /** Where administrators find the admin API; empty: at the address where they asked. */
  readonly adminUrl: string;
  readonly defaultReturnUrl: string;
  readonly allowedReturnUrls: readonly string[];
  readonly errorUiUrl: string | undefined;
  readonly flows: {
    readonly login: FlowConfig & { readonly style: 'unified' | 'identifier_first' };
    readonly registration: FlowConfig & {
      readonly style: 'profile_first' | 'unified';
    };
    readonly settings: FlowConfig & {
      readonly privilegedSessionMaxAgeMs: number;
      readonly requiredAal: RequiredAal;
    };
    readonly recovery: FlowConfig & {
      readonly use: 'code' | 'link';
      readonly isUnknownNotified: boolean;
    };
    readonly verification: FlowConfig & {
      readonly use: 'code' | 'link';
      readonly isUnknownNotified: boolean;
    };
    readonly logout: { readonly defaultReturnUrl: string | undefined };
  };
  readonly methods: MethodsConfig;
  readonly hasher: {
    readonly algorithm: 'bcrypt' | 'argon2';
    readonly bcryptCost: number;
    readonly argon2: {
      readonly memoryKiB: number;
      readonly iterations: number;
      readonly parallelism: number;
      readonly saltLength: number;
      readonly keyLength: number;
    };
  };
  readonly schemas: readonly SchemaConfig[];
  readonly defaultSchemaId: string;
  readonly cookies: CookieConfig;
  readonly session: {
    readonly lifespanMs: number;
    readonly cookieName: string;
    readonly isPersistent: boolean;
    readonly cookie: CookieConfig;
    readonly requiredAal: RequiredAal;
    /** How long before its end a session may be extended; undefined: at any time. */
    readonly earliestExtendMs: number | undefined;
    readonly tokenizers: ReadonlyMap<string, TokenizerConfig>;
  };
  readonly courier: CourierConfig;
  /** Names of request headers that web hooks are told of. */
  readonly hookHeaders: readonly string[];
  readonly features: {
    readonly useContinueWithTransitions: boolean;
    readonly cacheableSessions: boolean;
    readonly cacheableSessionsMaxAgeMs: number | undefined;
    readonly fasterSessionExtend: boolean;
  };
  /** Identity fields and cookie names of 0.8 files. */
  readonly isLegacy: boolean;
}

/** The schema that a server without configuration starts with: an e-mail address and a name. */
export const DEFAULT_SCHEMA: unknown = {
  $id: 'https://postern.dev/schemas/person.json',
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Person',
  type: 'object',
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          type: 'string',
          format: 'email',
          title: 'Email',
          minLength: 3,
          maxLength: 320,
          'ory.sh/kratos': {
            credentials: {
              password: { identifier: true },
              code: { identifier: true, via: 'email' },
              webauthn: { identifier: true },
              totp: { account_name: true },
              passkey: { display_name: true },
            },
            verification: { via: 'email' },
            recovery: { via: 'email' },
          },
        },
        name: {
          type: 'object',
          properties: {
            first: { type: 'string', title: 'First name', maxLength: 256 },
            last: { type: 'string', title: 'Last name', maxLength: 256 },
          },
          additionalProperties: false,
        },
      },
      required: ['email'],
      additionalProperties: false,
    },
  },
  additionalProperties: false,
};

const HOUR_MS = 3_600_000;

/** What a server without a configuration file does, at the given base URLs (no slash at the end). */
export function defaultConfig(o: {
  readonly publicUrl: string;
  readonly adminUrl: string;
  /** What authenticators call the site; its host name without one. */
  readonly siteName?: string | undefined;
}): AccountsConfig {
  const url = new URL(o.publicUrl);
  const cookies: CookieConfig = {
    domain: undefined,
    path: '/',
    sameSite: 'Lax',
    isSecure: url.protocol === 'https:',
  };
  const rp: RelyingPartyConfig = {
    id: url.hostname,
    displayName: o.siteName ?? 'Postern',
    origins: [url.origin],
  };
  const flow = (isEnabled: boolean, hooks: readonly HookConfig[] = []): FlowConfig => ({
    isEnabled,
    uiUrl: undefined,
    lifespanMs: HOUR_MS,
    after: { hooks, byMethod: {} },
    before: [],
  });
  return {
    publicUrl: o.publicUrl,
    adminUrl: o.adminUrl,
    defaultReturnUrl: `${o.publicUrl}/ui/`,
    allowedReturnUrls: [],
    errorUiUrl: undefined,
    flows: {
      login: { ...flow(true), style: 'unified' },
      registration: {
        ...flow(true, [{ hook: 'session' }]),
        style: 'profile_first',
      },
      settings: {
        ...flow(true),
        privilegedSessionMaxAgeMs: HOUR_MS,
        requiredAal: 'highest_available',
      },
      recovery: { ...flow(true), use: 'code', isUnknownNotified: false },
      verification: { ...flow(true), use: 'code', isUnknownNotified: false },
      logout: { defaultReturnUrl: undefined },
    },
    methods: {
      password: {
        isEnabled: true,
        minLength: 8,
        isSimilarityChecked: true,
        haveibeenpwnedHost: 'api.pwnedpasswords.com',
        isBreachListAsked: true,
        maxBreaches: 0,
        ignoreNetworkErrors: true,
        migrateHookUrl: undefined,
      },
      code: {
        isEnabled: true,
        isPasswordless: false,
        isMfa: false,
        lifespanMs: HOUR_MS,
        maxSubmissions: 5,
      },
      link: { isEnabled: false, lifespanMs: HOUR_MS, baseUrl: undefined },
      totp: { isEnabled: true, issuer: o.siteName ?? url.hostname },
      lookupSecret: { isEnabled: true },
      webauthn: { isEnabled: false, isPasswordless: false, rp },
      // Browsers make keys for names, not for numbers.
      passkey: { isEnabled: isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0, rp },
      oidc: { isEnabled: false, providers: [], redirectBaseUrl: undefined },
      profile: { isEnabled: true },
    },
    hasher: {
      algorithm: 'argon2',
      bcryptCost: 12,
      argon2: { memoryKiB: 19_456, iterations: 2, parallelism: 1, saltLength: 16, keyLength: 32 },
    },
    schemas: [{ id: 'default', document: DEFAULT_SCHEMA, isSelfserviceSelectable: false }],
    defaultSchemaId: 'default',
    cookies,
    session: {
      lifespanMs: 24 * HOUR_MS,
      cookieName: 'ory_kratos_session',
      isPersistent: true,
      cookie: cookies,
      requiredAal: 'highest_available',
      earliestExtendMs: undefined,
      tokenizers: new Map(),
    },
    courier: {
      smtp: undefined,
      channels: new Map(),
      messageRetries: 5,
      pullCount: 10,
      pullWaitMs: 1_000,
      templates: new Map(),
    },
    hookHeaders: HEADERS_TOLD,
    features: {
      useContinueWithTransitions: false,
      cacheableSessions: false,
      cacheableSessionsMaxAgeMs: undefined,
      fasterSessionExtend: false,
    },
    isLegacy: false,
  };
}

/** The name of a channel's addresses. */
export const VIAS: readonly Via[] = ['email', 'sms'];
