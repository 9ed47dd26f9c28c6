/**
 * The keys of a `kratos.yml`, today's and those of 0.8, with the types of their values: what environment variables and the
 * keys of a file are held against. Pure. What the keys mean, and which are refused, is read.ts's. Keys that Postern takes
 * and does not use are here too, so that their secrets are taken out of the environment.
 */
import { type TObject, type TProperties, type TSchema, Type } from 'typebox';

const text: TSchema = Type.String();
const flag: TSchema = Type.Boolean();
const count: TSchema = Type.Integer();
const texts: TSchema = Type.Array(Type.String());
const any: TSchema = Type.Unknown();
const map = (keys: TProperties): TObject => Type.Object(keys);
const list = (keys: TProperties): TSchema => Type.Array(map(keys));
/** The same kind of value under several names. */
const each = (names: string, kind: TSchema): TProperties =>
  Object.fromEntries(names.split(' ').map((name) => [name, kind]));

const AUTH = map({ type: text, config: map(each('name value in user password', text)) });
const REQUEST = map({ ...each('url method body', text), headers: any, auth: AUTH });
const HOOKS = list({
  hook: text,
  config: map({
    ...each('id url method body recipients', text),
    ...{ headers: any, auth: AUTH, can_interrupt: flag, emit_analytics_event: flag },
    response: map(each('ignore parse', flag)),
  }),
});
const STEP = { default_browser_return_url: text, hooks: HOOKS };
const AFTER = map({
  ...STEP,
  ...each('password webauthn passkey oidc code link totp lookup_secret profile saml', map(STEP)),
});
const FLOW = {
  ...each('ui_url lifespan style use', text),
  ...each('enabled notify_unknown_recipients', flag),
  ...{ before: map({ hooks: HOOKS }), after: AFTER },
};
const FLOWS = map({
  ...each('login recovery verification', map(FLOW)),
  registration: map({ ...FLOW, ...each('enable_legacy_one_step login_hints', flag) }),
  settings: map({ ...FLOW, ...each('privileged_session_max_age required_aal', text) }),
  logout: map({ after: map({ default_browser_return_url: text }), clear_browser_data: flag }),
  error: map({ ui_url: text }),
});

const PROVIDERS = list({
  ...each('id provider label client_id client_secret issuer_url mapper_url pkce', text),
  ...each('auth_url token_url claims_source subject_source update_identity_on_login', text),
  ...each('microsoft_tenant apple_team_id apple_private_key_id apple_private_key', text),
  ...each('account_linking_mode organization_id fedcm_config_url', text),
  ...{ net_id_token_origin_header: text, requested_claims: any },
  ...each('scope additional_id_token_audiences aal2_acr_values aal2_amr_values', texts),
});
const RELYING_PARTY = map({ ...each('id display_name origin icon', text), origins: texts });
const METHODS = map({
  password: map({
    enabled: flag,
    config: map({
      ...each('haveibeenpwned_enabled ignore_network_errors', flag),
      ...{ identifier_similarity_check_enabled: flag, haveibeenpwned_host: text },
      ...each('min_password_length max_breaches', count),
      migrate_hook: map({ enabled: flag, config: REQUEST }),
    }),
  }),
  code: map({
    ...each('enabled passwordless_enabled mfa_enabled', flag),
    config: map({
      ...{ lifespan: text, max_submissions: count },
      missing_credential_fallback_enabled: flag,
    }),
  }),
  link: map({ enabled: flag, config: map(each('lifespan base_url', text)) }),
  totp: map({ enabled: flag, config: map({ issuer: text }) }),
  webauthn: map({ enabled: flag, config: map({ passwordless: flag, rp: RELYING_PARTY }) }),
  passkey: map({
    enabled: flag,
    config: map({
      rp: RELYING_PARTY,
      authenticator_selection: map(each('attachment resident_key user_verification', text)),
      ...{
        attestation: map({ preference: text }),
        timeouts: map(each('login registration', text)),
      },
    }),
  }),
  oidc: map({ enabled: flag, config: map({ base_redirect_uri: text, providers: PROVIDERS }) }),
  ...each('lookup_secret profile saml deviceauthn', map({ enabled: flag })),
});

const LISTENER = map({
  ...each('base_url host', text),
  port: count,
  cors: map({
    ...each('enabled allow_credentials options_passthrough debug', flag),
    ...each('allowed_origins allowed_methods allowed_headers exposed_headers', texts),
    max_age: count,
  }),
  tls: map({ enabled: flag, ...each('cert key', map(each('path base64', text))) }),
});
const COOKIE = { ...each('domain path same_site name', text), ...each('secure persistent', flag) };

const LETTER = map({
  email: map({ subject: text, body: map(each('html plaintext', text)) }),
  sms: map({ body: map({ plaintext: text }) }),
});
const COURIER = map({
  smtp: map({
    ...each('connection_uri from_address from_name local_name', text),
    ...{ ...each('client_cert_path client_key_path', text), headers: any },
  }),
  http: map({ request_config: REQUEST }),
  channels: list({ id: text, type: text, request_config: REQUEST }),
  ...each('delivery_strategy template_override_path message_ttl', text),
  message_retries: count,
  worker: map({ pull_count: count, pull_wait: text }),
  templates: map({
    ...each(
      'recovery recovery_code verification verification_code login_code registration_code',
      map({ valid: LETTER, invalid: LETTER }),
    ),
    verifiable_address_changed: LETTER,
  }),
});

/** The schema of a kratos.yml, as far as variables give its keys. */
export const KratosKeys: TSchema = map({
  dsn: text,
  serve: map(each('public admin', LISTENER)),
  selfservice: map({
    default_browser_return_url: text,
    ...each('allowed_return_urls whitelisted_return_urls', texts),
    ...{ methods: METHODS, flows: FLOWS },
  }),
  log: map({ ...each('level format redaction_text', text), leak_sensitive_values: flag }),
  secrets: map(each('default cookie cipher pagination', texts)),
  ciphers: map({ algorithm: text }),
  hashers: map({
    algorithm: text,
    bcrypt: map({ cost: count }),
    argon2: map({
      ...each('memory dedicated_memory expected_duration expected_deviation', text),
      ...each('iterations parallelism salt_length key_length', count),
    }),
  }),
  identity: map({
    ...each('default_schema_id default_schema_url', text),
    schemas: list({ id: text, url: text, selfservice_selectable: flag }),
  }),
  courier: COURIER,
  cookies: map(COOKIE),
  session: map({
    ...each('lifespan earliest_possible_extend', text),
    cookie: map(COOKIE),
    whoami: map({ required_aal: text, tokenizer: map({ templates: any }) }),
  }),
  security: map({ account_enumeration: map({ mitigate: flag }) }),
  clients: map({ web_hook: map({ header_allowlist: texts }), http: any, smtp: any }),
  feature_flags: map({
    ...each('use_continue_with_transitions faster_session_extend cacheable_sessions', flag),
    cacheable_sessions_max_age: text,
    ...each('legacy_continue_with_verification_ui legacy_require_verified_login_error', flag),
    ...each('legacy_oidc_registration_node_group legacy_allow_insecure_origins', flag),
    ...each('choose_recovery_address refresh_login_choose_address', flag),
    password_profile_registration_node_group: text,
  }),
  oauth2_provider: map({ url: text, headers: any, override_return_to: flag }),
});

/** Keys that are taken and have no effect, though a reader of the file may count on them. */
const WITHOUT_EFFECT = ['clients.http', 'clients.smtp'];
/** Keys of the file alone, which say nothing of what is to be done: no variable gives them. */
const OF_FILES = ['version'];

/** The keys of a file that have no effect, by their paths: those that are not known, such as misspelt ones, among them. */
export function idleKeys(raw: unknown, known: TSchema = KratosKeys, at: string = ''): string[] {
  if (WITHOUT_EFFECT.includes(at)) return [at];
  if (Array.isArray(raw)) {
    const { items } = known as { items?: TSchema };
    return items === undefined
      ? []
      : raw.flatMap((item, i) => idleKeys(item, items, `${at}[${i}]`));
  }
  const { properties } = known as { properties?: Readonly<Record<string, TSchema>> };
  if (properties === undefined || typeof raw !== 'object' || raw === null) return [];
  return Object.entries(raw).flatMap(([name, value]) => {
    const path = at === '' ? name : `${at}.${name}`;
    if (OF_FILES.includes(path)) return [];
    const kind = Object.hasOwn(properties, name) ? properties[name] : undefined;
    return kind === undefined ? [path] : idleKeys(value, kind, path);
  });
}
