import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readKratos } from './read.ts';

const SCHEMA = JSON.stringify({
  type: 'object',
  properties: { traits: { type: 'object', properties: { email: { type: 'string' } } } },
});
const files: Record<string, string> = { 'file:///etc/config/kratos/identity.schema.json': SCHEMA };
const read = (text: string) =>
  readKratos(parse(text), {
    publicUrl: 'http://127.0.0.1:4433',
    adminUrl: 'http://127.0.0.1:4434',
    isDev: false,
    load: async (url) => files[url] ?? Promise.reject(new Error('no such file')),
    list: async () => [],
  });

const QUICKSTART = `
version: v26.2.0
dsn: memory
serve:
  public: { base_url: "http://127.0.0.1:4433/", cors: { enabled: true } }
  admin: { base_url: "http://kratos:4434/" }
selfservice:
  default_browser_return_url: http://127.0.0.1:4455/
  allowed_return_urls: [ "http://127.0.0.1:4455", "http://localhost:19006/Callback" ]
  methods:
    password: { enabled: true }
    totp: { enabled: true, config: { issuer: Kratos } }
    lookup_secret: { enabled: true }
    link: { enabled: true }
    code: { enabled: true }
  flows:
    error: { ui_url: "http://127.0.0.1:4455/error" }
    settings:
      ui_url: http://127.0.0.1:4455/settings
      privileged_session_max_age: 15m
      required_aal: highest_available
    recovery: { enabled: true, ui_url: "http://127.0.0.1:4455/recovery", use: code }
    verification:
      enabled: true
      ui_url: http://127.0.0.1:4455/verification
      use: code
      after: { default_browser_return_url: "http://127.0.0.1:4455/" }
    logout: { after: { default_browser_return_url: "http://127.0.0.1:4455/login" } }
    login: { ui_url: "http://127.0.0.1:4455/login", lifespan: 10m }
    registration:
      lifespan: 10m
      ui_url: http://127.0.0.1:4455/registration
      after: { password: { hooks: [ { hook: session }, { hook: show_verification_ui } ] } }
log: { level: debug, format: text, leak_sensitive_values: true }
secrets: { cookie: [ PLEASE-CHANGE-ME-I-AM-VERY-INSECURE ], cipher: [ 32-LONG-SECRET-NOT-SECURE-AT-ALL ] }
ciphers: { algorithm: xchacha20-poly1305 }
hashers: { algorithm: bcrypt, bcrypt: { cost: 8 } }
identity:
  default_schema_id: default
  schemas: [ { id: default, url: "file:///etc/config/kratos/identity.schema.json" } ]
courier:
  smtp: { connection_uri: "smtps://test:test@mailslurper:1025/?skip_ssl_verify=true" }
feature_flags: { use_continue_with_transitions: true }
`;
const OLD = `
version: v0.8.0-alpha.3
dsn: sqlite:///var/lib/sqlite/db.sqlite?_fk=true
serve: { public: { base_url: "http://127.0.0.1:4433/" } }
selfservice:
  default_browser_return_url: http://127.0.0.1:4455/
  whitelisted_return_urls: [ "http://127.0.0.1:4455" ]
  methods: { password: { enabled: true } }
  flows:
    registration: { lifespan: 10m, ui_url: "http://127.0.0.1:4455/registration", after: { password: { hooks: [ { hook: session } ] } } }
    verification: { enabled: true, ui_url: "http://127.0.0.1:4455/verification" }
identity: { default_schema_url: "file:///etc/config/kratos/identity.schema.json" }
courier: { smtp: { connection_uri: "smtp://mail:1025/?disable_starttls=true" } }
`;

describe('a kratos.yml', () => {
  it('of today is read as it stands', async () => {
    const c = await read(QUICKSTART);
    expect(c).toMatchObject({
      publicUrl: 'http://127.0.0.1:4433',
      adminUrl: 'http://kratos:4434',
      defaultReturnUrl: 'http://127.0.0.1:4455/',
      hasher: { algorithm: 'bcrypt', bcryptCost: 8 },
      methods: { totp: { isEnabled: true, issuer: 'Kratos' }, lookupSecret: { isEnabled: true } },
      features: { useContinueWithTransitions: true },
      courier: { smtp: { fromAddress: 'no-reply@ory.kratos.sh' } },
    });
    expect(c.flows.settings.privilegedSessionMaxAgeMs).toBe(900_000);
    expect(c.flows.login.uiUrl).toBe('http://127.0.0.1:4455/login');
    expect(c.flows.registration.after.byMethod['password']?.hooks.map((h) => h.hook)).toEqual([
      'session',
      'show_verification_ui',
    ]);
    expect(c.flows.registration.style).toBe('profile_first');
  });

  it('of 0.8 is read as it stands: one screen, its old names', async () => {
    const c = await read(OLD);
    expect(c.allowedReturnUrls).toEqual(['http://127.0.0.1:4455']);
    expect(c.flows.registration.style).toBe('unified');
    expect(c.schemas.map((s) => s.id)).toEqual(['default']);
    expect([c.flows.recovery.isEnabled, c.flows.verification.isEnabled]).toEqual([false, true]);
  });

  it.each([
    ['selfservic: {}', 'selfservic is not known'],
    ['selfservice: { default_browser_return_url: 5 }', 'default_browser_return_url is no text'],
    ['selfservice: {}', 'default_browser_return_url is missing'],
    [
      'selfservice: { default_browser_return_url: "http://x", flows: { login: { lifespan: soon } } }',
      'is no duration',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", methods: { saml: { enabled: true } } }',
      'saml is not supported yet',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", flows: { registration: { after: { hooks: [ { hook: b2b_sso } ] } } } }',
      '"b2b_sso" is not supported',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", flows: { login: { after: { hooks: [ { hook: fax } ] } } } }',
      'the hook "fax" does nothing here',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", flows: { registration: { after: { hooks: [ { hook: web_hook } ] } } } }',
      'is no http or https address',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x" }\nidentity: { schemas: [ { id: a, url: "file:///no" } ] }',
      `the identity schema "a" can't be read`,
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", methods: { webauthn: { config: { rp: { id: "https://x" } } } } }',
      'webauthn.config.rp.id is no host name',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", methods: { passkey: { config: { timeouts: { login: 1m } } } } }',
      'passkey.config.timeouts is not supported',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x" }\ncourier: { message_ttl: 1h }',
      'courier.message_ttl is not supported',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x" }\ncourier: { channels: [ { id: fax } ] }',
      'courier.channels[0].id is "fax"',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x" }\ncourier: { templates: { stub: { valid: {} } } }',
      'courier.templates.stub.valid is no kind of message',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", flows: { settings: { after: { profile: { hooks: [ { hook: notify_previous_addresses, config: { recipients: everybody } } ] } } } } }',
      'config.recipients is "everybody"',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", flows: { settings: { after: { profile: { hooks: [ { hook: verify_new_address } ] } } } } }',
      'enable selfservice.flows.verification',
    ],
    [
      'selfservice: { default_browser_return_url: "http://x", flows: { registration: { after: { hooks: [ { hook: notify_previous_addresses } ] } } } }',
      'the hook "notify_previous_addresses" does nothing here',
    ],
  ])('that says %j is refused by name', async (text, why) => {
    await expect(read(text)).rejects.toThrow(why);
  });

  it.each([
    ['{ id: app.example }', ['https://app.example', 'https://id.app.example:8443']],
    ['{ id: other.example }', ['https://other.example']],
    ['{ id: app.example, origins: [ "https://a.example/" ] }', ['https://a.example']],
    ['{ id: app.example, origin: "https://b.example" }', ['https://b.example']],
    ['{ display_name: Here }', ['https://id.app.example:8443']],
  ])('with the relying party %s lets the origins %j ask', async (rp, origins) => {
    const config = await read(
      `serve: { public: { base_url: "https://id.app.example:8443" } }
selfservice: { default_browser_return_url: "http://x", methods: { passkey: { enabled: true, config: { rp: ${rp} } } } }`,
    );
    expect(config.methods.passkey.rp.origins).toEqual(origins);
  });
});
