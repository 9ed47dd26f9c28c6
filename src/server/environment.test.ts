/** Variables of Kratos's and Keto's names: which key each gives, as what, and what is refused without showing it. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KratosKeys } from '../accounts/index.ts';
import { overlay, readEnvironment, takeEnvironment, variablesByPath } from './environment.ts';
import { KetoKeys } from './permission-config.ts';

const from = (env: NodeJS.ProcessEnv, raw: unknown = {}, schema = KratosKeys): unknown =>
  overlay(raw, readEnvironment(schema, env));

describe('a variable of a name that Kratos knows', () => {
  it.each([
    ['DSN', 'memory', { dsn: 'memory' }],
    ['LOG_LEVEL', 'debug', { log: { level: 'debug' } }],
    ['SERVE_PUBLIC_BASE_URL', 'http://a/', { serve: { public: { base_url: 'http://a/' } } }],
    ['SERVE_ADMIN_PORT', '4434', { serve: { admin: { port: 4434 } } }],
    ['COOKIES_SECURE', 'false', { cookies: { secure: false } }],
    [
      'SELFSERVICE_METHODS_CODE_PASSWORDLESS_ENABLED',
      'T',
      { selfservice: { methods: { code: { passwordless_enabled: true } } } },
    ],
    [
      'COURIER_SMTP_CONNECTION_URI',
      'smtps://u:p@mail/?skip_ssl_verify=true',
      { courier: { smtp: { connection_uri: 'smtps://u:p@mail/?skip_ssl_verify=true' } } },
    ],
    ['SECRETS_DEFAULT', 'one,two', { secrets: { default: ['one', 'two'] } }],
    ['SECRETS_COOKIE', '["a,b"]', { secrets: { cookie: ['a,b'] } }],
    ['SECRETS_CIPHER_0', 'only', { secrets: { cipher: ['only'] } }],
    [
      'IDENTITY_SCHEMAS',
      '[{"id":"a","url":"file:///a"}]',
      { identity: { schemas: [{ id: 'a', url: 'file:///a' }] } },
    ],
    [
      'COURIER_TEMPLATES_RECOVERY_CODE_VALID_EMAIL_SUBJECT',
      'file:///s',
      { courier: { templates: { recovery_code: { valid: { email: { subject: 'file:///s' } } } } } },
    ],
    ['COURIER_SMTP_HEADERS', '{"X-A":"b"}', { courier: { smtp: { headers: { 'X-A': 'b' } } } }],
    [
      'selfservice_default_browser_return_url',
      'http://a/',
      { selfservice: { default_browser_return_url: 'http://a/' } },
    ],
  ])('%s=%s is its key, as what the key wants', (variable, value, made) => {
    expect(from({ [variable]: value })).toEqual(made);
  });

  it('by index makes a list, or changes an entry of one', () => {
    const env = {
      IDENTITY_SCHEMAS_1_URL: 'file:///b',
      IDENTITY_SCHEMAS_0_ID: 'a',
      IDENTITY_SCHEMAS_1_ID: 'b',
      IDENTITY_SCHEMAS_0_URL: 'file:///a',
    };
    const [a, b] = [
      { id: 'a', url: 'file:///a' },
      { id: 'b', url: 'file:///b' },
    ];
    expect(from(env)).toEqual({ identity: { schemas: [a, b] } });
    const file = { identity: { schemas: [a, { id: 'c', url: 'file:///old' }], more: 1 } };
    expect(from({ IDENTITY_SCHEMAS_1_URL: 'file:///b' }, file)).toEqual({
      identity: { schemas: [a, { id: 'c', url: 'file:///b' }], more: 1 },
    });
    expect(() => from({ IDENTITY_SCHEMAS_7_ID: 'x' }, file)).toThrow(/IDENTITY_SCHEMAS_7_ID.*gap/);
  });

  it('stands over the file; maps are merged, lists are replaced, and the file is left alone', () => {
    const file = {
      selfservice: {
        allowed_return_urls: ['a', 'b', 'c'],
        methods: { password: { enabled: true, config: { max_breaches: 3 } } },
      },
    };
    const before = structuredClone(file);
    expect(
      from(
        {
          SELFSERVICE_ALLOWED_RETURN_URLS: 'd',
          SELFSERVICE_METHODS: '{"password":{"enabled":false},"totp":{"enabled":true}}',
        },
        file,
      ),
    ).toEqual({
      selfservice: {
        allowed_return_urls: ['d'],
        methods: {
          password: { enabled: false, config: { max_breaches: 3 } },
          totp: { enabled: true },
        },
      },
    });
    expect(file).toEqual(before);
  });

  it.each([
    ['SERVE_PUBLIC_PORT', 'tcp://10.0.0.1:80', 'is no whole number'],
    ['SELFSERVICE_METHODS_TOTP_ENABLED', 'yes-please', 'is neither true nor false'],
    ['COURIER_SMTP_HEADERS', '{"secret', 'is no JSON'],
    ['SECRETS_DEFAULT', '["secret', 'is no JSON'],
    ['IDENTITY_SCHEMAS', 'secret', 'is no JSON list'],
  ])('%s=%s is refused by its name, and its value is not shown', (variable, value, why) => {
    const read = (): unknown => from({ [variable]: value });
    expect(read).toThrow(`${variable} (from the environment) ${why}`);
    expect(read).not.toThrow(value);
  });

  it('is taken out of the environment, and what it says is shown nowhere', () => {
    const env = { SECRETS_DEFAULT: 'very-secret', HOME: '/home/ann', SESSION: 'ubuntu', DSN: '' };
    const keys = takeEnvironment(KratosKeys, env);
    expect(env).toEqual({ HOME: '/home/ann', SESSION: 'ubuntu', DSN: '' });
    expect(keys.map((k) => k.variable)).toEqual(['SECRETS_DEFAULT']);
    expect(`${inspect(keys, { depth: 9 })}${JSON.stringify(keys)}`).not.toContain('very-secret');
  });

  it('is named by the place of its key', () => {
    const keys = readEnvironment(KratosKeys, {
      SERVE_PUBLIC_PORT: '1',
      IDENTITY_SCHEMAS_0_URL: 'x',
    });
    expect([...variablesByPath(keys)]).toEqual([
      ['identity.schemas[0].url', 'IDENTITY_SCHEMAS_0_URL'],
      ['serve.public.port', 'SERVE_PUBLIC_PORT'],
    ]);
  });

  it('is no variable of anybody else, and nothing reaches the prototype', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z_0-9]{1,40}$/), fc.string(), (name, value) => {
        fc.pre(!/^(dsn|serve|selfservice|log|secrets|ciphers|hashers|identity)/i.test(name));
        fc.pre(!/^(courier|cookies|session|security|clients|feature|oauth2)/i.test(name));
        expect(readEnvironment(KratosKeys, { [name]: value })).toEqual([]);
      }),
    );
    for (const name of [
      '__PROTO___POLLUTED',
      'CONSTRUCTOR',
      'SERVE_CONSTRUCTOR',
      'SERVE___PROTO__',
    ])
      expect(readEnvironment(KratosKeys, { [name]: '{"polluted":true}' })).toEqual([]);
    from({ SESSION_WHOAMI_TOKENIZER_TEMPLATES: '{"__proto__":{"polluted":true}}' });
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});

describe('a variable of a name that Keto knows', () => {
  it.each([
    ['LIMIT_MAX_READ_DEPTH', '7', { limit: { max_read_depth: 7 } }],
    ['NAMESPACES', 'file://a.ts', { namespaces: 'file://a.ts' }],
    ['NAMESPACES', '[{"name":"a","id":1}]', { namespaces: [{ name: 'a', id: 1 }] }],
    ['NAMESPACES_LOCATION', 'file://a.ts', { namespaces: { location: 'file://a.ts' } }],
    [
      'SERVE_READ_CORS_ALLOWED_ORIGINS',
      'https://a.example,https://b.example',
      {
        serve: { read: { cors: { allowed_origins: ['https://a.example', 'https://b.example'] } } },
      },
    ],
  ])('%s=%s is its key', (variable, value, made) => {
    expect(from({ [variable]: value }, {}, KetoKeys)).toEqual(made);
  });
  it('is none of our own keys', () => {
    expect(from({ ENABLED: 'false', VERSION: '1', MEMORY_BUDGET_MB: '1' }, {}, KetoKeys)).toEqual(
      {},
    );
  });
});
