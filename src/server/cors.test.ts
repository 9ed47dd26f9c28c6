import { describe, expect, it } from 'vitest';
import { readCors, shareAcross } from './cors.ts';

const rules = readCors(
  {
    enabled: true,
    allowed_origins: ['https://app.example', 'https://*.example.org', 'http://127.0.0.1:3000'],
    allowed_headers: ['Authorization'],
    exposed_headers: ['X-Postern-Snaptoken'],
    max_age: 60,
  },
  'cors',
);
if (rules === undefined) throw new Error('it is on');

function ask(method: string, headers: Record<string, string>) {
  const told: Record<string, string | number> = {};
  const isAnswered = shareAcross(
    rules as NonNullable<typeof rules>,
    { method, headers },
    {
      setHeader: (name, value) => {
        told[name] = value;
      },
      writeHead: (status) => {
        told['status'] = status;
      },
      end: () => undefined,
    },
  );
  return { isAnswered, told };
}

describe('sharing across origins', () => {
  it.each([
    ['https://app.example', true],
    ['https://APP.example', true],
    ['https://a.example.org', true],
    ['https://a.b.example.org', true],
    ['http://127.0.0.1:3000', true],
    ['https://example.org', false],
    ['https://.example.org', false],
    ['https://evil.com/.example.org', false],
    ['https://evil.com#.example.org', false],
    ['https://user@x.example.org', false],
    ['https://app.example.evil.com', false],
    ['http://app.example', false],
    ['https://app.example:8443', false],
    ['null', false],
  ])('%s: %s', (origin, isAllowed) => {
    expect(rules.isAllowed(origin)).toBe(isAllowed);
    const { told } = ask('GET', { origin });
    expect(told['access-control-allow-origin']).toBe(isAllowed ? origin : undefined);
    expect(told['vary']).toBe('Origin');
  });

  it('answers a preflight wholly, and only that of an allowed origin', () => {
    const preflight = { 'access-control-request-method': 'PUT' };
    const { isAnswered, told } = ask('OPTIONS', { origin: 'https://app.example', ...preflight });
    expect(isAnswered).toBe(true);
    expect(told).toMatchObject({
      status: 204,
      'access-control-allow-headers': 'Authorization',
      'access-control-max-age': '60',
    });
    expect(ask('OPTIONS', { origin: 'https://evil.example', ...preflight }).isAnswered).toBe(false);
  });

  it('says nothing to whoever names no origin, and is off unless it is on', () => {
    expect(ask('GET', {})).toEqual({ isAnswered: false, told: {} });
    expect(readCors({ allowed_origins: ['*'] }, 'cors')).toBeUndefined();
    expect(readCors(undefined, 'cors')).toBeUndefined();
  });

  it.each([
    ['*'],
    ['https://*'],
    ['https://*example.com'],
    ['https://*.com'],
    ['https://app.*'],
    ['*.example.com'],
  ])('refuses credentials with %s, below which anybody may have a name', (origin) => {
    const part = { enabled: true, allow_credentials: true, allowed_origins: [origin] };
    expect(() => readCors(part, 'x.cors')).toThrow('x.cors: allow_credentials');
    expect(readCors({ ...part, allow_credentials: false }, 'x.cors')).toBeDefined();
  });
  it.each([
    ['https://app.example'],
    ['https://*.example.com'],
    ['https://*.example.com:8443'],
    ['http://localhost:*'],
  ])('takes credentials with %s', (origin) => {
    const part = { enabled: true, allow_credentials: true, allowed_origins: [origin] };
    expect(readCors(part, 'x.cors')?.allowCredentials).toBe(true);
  });
  it('refuses every origin, which is the default, with credentials', () => {
    expect(() => readCors({ enabled: true, allow_credentials: true }, 'x.cors')).toThrow('x.cors');
  });
  it('refuses names that no header can carry', () => {
    for (const key of ['allowed_methods', 'allowed_headers', 'exposed_headers'])
      expect(() => readCors({ enabled: true, [key]: ['a\nb'] }, 'x.cors')).toThrow(key);
  });
  it('refuses two stars in an origin, which would match nothing', () => {
    const part = { enabled: true, allowed_origins: ['https://*.*.example.com'] };
    expect(() => readCors(part, 'x.cors')).toThrow('more than one *');
  });

  it('allows the headers that are asked for where a star stands for them', () => {
    const open = readCors({ enabled: true, allowed_headers: ['*'] }, 'cors');
    if (open === undefined) throw new Error('it is on');
    const allowed = (wanted: string): unknown => {
      const told = new Map<string, string>();
      const headers = {
        origin: 'https://a.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': wanted,
      };
      const answer = {
        setHeader: (name: string, value: string) => told.set(name, value),
        writeHead: () => undefined,
        end: () => undefined,
      };
      shareAcross(open, { method: 'OPTIONS', headers }, answer);
      return told.get('access-control-allow-headers');
    };
    expect(allowed('authorization,x-grpc-web')).toBe('authorization,x-grpc-web');
    expect(allowed('a\nb')).toBe('');
  });
});
