/** Addresses of clients: what may be registered, what a request may name, and what an enemy writes instead. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allowedLogoutUrl,
  checkClientUrl,
  checkWildcards,
  isOriginAllowed,
  isUrlAllowed,
  isWildcard,
} from './client-urls.ts';

const WEB = 'https://app.example.org/callback';
const WILD = 'http://*.ngrok-free.app/callback';
const LOOPBACK = 'http://127.0.0.1/callback';
const web = { isNative: false };
const native = { isNative: true };

/** Each leads elsewhere in some parser, or differs by one character from what is registered. */
const HOSTILE: readonly string[] = [
  '',
  'callback',
  '/callback',
  '//app.example.org/callback',
  '//evil.example/callback',
  'https:app.example.org/callback',
  'https:/app.example.org/callback',
  'https:///app.example.org/callback',
  'https:\\\\app.example.org\\callback',
  'https://app.example.org\\@evil.example/callback',
  'https://app.example.org/callback\\',
  ' https://app.example.org/callback',
  'https://app.example.org/callback ',
  'https://app.example.org/callback\t',
  'https://app.example.org/call\nback',
  'https://app.example.org/callback\r\nset-cookie: a=b',
  'https://app.example.org/callback\u0000',
  'https://app.example.org/callback\u0085',
  'https://app.example.org/callback\u2028',
  'http://app.example.org/callback',
  'HTTPS://app.example.org/callback',
  'https://APP.example.org/callback',
  'https://app.example.org:443/callback',
  'https://app.example.org:8443/callback',
  'https://app.example.org./callback',
  'https://app.example.org/callback/',
  'https://app.example.org/Callback',
  'https://app.example.org/callback/../callback',
  'https://app.example.org/./callback',
  'https://app.example.org//callback',
  'https://app.example.org/%63allback',
  'https://app.example.org/callback%00',
  'https://app.example.org/callback?',
  'https://app.example.org/callback?next=https://evil.example',
  'https://app.example.org/callback#',
  'https://app.example.org/callback#https://evil.example',
  'https://app.example.org@evil.example/callback',
  'https://evil.example@app.example.org/callback',
  'https://@app.example.org/callback',
  'https://app.example.org.evil.example/callback',
  'https://evil-app.example.org/callback',
  'https://evil.example/https://app.example.org/callback',
  'https://evil.example?https://app.example.org/callback',
  'https://evil.example#https://app.example.org/callback',
  'https://app.example.org\u3002evil.example/callback',
  'https://app\uff0eexample.org/callback',
  'https://\u0430pp.example.org/callback',
  'https://app.ex\u00adample.org/callback',
  'https://*.example.org/callback',
  'https://*/callback',
  'javascript:alert(1)//https://app.example.org/callback',
  'data:text/html,https://app.example.org/callback',
  'vbscript:x',
  'file:///app.example.org/callback',
  'blob:https://app.example.org/callback',
  'view-source:https://app.example.org/callback',
  'intent://app.example.org/callback#Intent;scheme=https;end',
  '__proto__',
  'constructor',
];
const LONG = `https://app.example.org/?${'a'.repeat(5_000)}`;
const HOSTILE_WILD: readonly string[] = [
  WILD,
  'http://ngrok-free.app/callback',
  'http://.ngrok-free.app/callback',
  'http://a.b.ngrok-free.app/callback',
  'http://evil.example/.ngrok-free.app/callback',
  'http://evil.example?.ngrok-free.app/callback',
  'http://evil.example#.ngrok-free.app/callback',
  'http://evil.example:80.ngrok-free.app/callback',
  'http://user@a.ngrok-free.app/callback',
  'http://a%2eb.ngrok-free.app/callback',
  'http://a%2f.ngrok-free.app/callback',
  'http://-a.ngrok-free.app/callback',
  'http://a-.ngrok-free.app/callback',
  'http://A.ngrok-free.app/callback',
  'http://\u0430.ngrok-free.app/callback',
  `http://${'a'.repeat(64)}.ngrok-free.app/callback`,
  'https://a.ngrok-free.app/callback',
  'http://a.ngrok-free.app:80/callback',
  'http://a.ngrok-free.app/callback/x',
  'http://a.ngrok-free.app/callback?x',
  'http://a.ngrok-free.app.evil.example/callback',
  'http://a\\.ngrok-free.app/callback',
  'http://a\n.ngrok-free.app/callback',
];
const HOSTILE_LOOPBACK: readonly string[] = [
  'http://127.0.0.1:8080/other',
  'http://127.0.0.1:8080/callback#x',
  'http://127.0.0.1:8080/callback?x',
  'http://127.0.0.1:8080@evil.example/callback',
  'http://127.0.0.1@evil.example/callback',
  'http://127.0.0.1.evil.example/callback',
  'http://127.0.0.2:8080/callback',
  'http://127.1:8080/callback',
  'http://2130706433:8080/callback',
  'http://0x7f.0.0.1:8080/callback',
  'http://0.0.0.0:8080/callback',
  'http://localhost:8080/callback',
  'http://[::1]:8080/callback',
  'http://[::ffff:127.0.0.1]:8080/callback',
  'https://127.0.0.1:8080/callback',
  'http://127.0.0.1:/callback',
  'http://127.0.0.1:808080/callback',
  'http://127.0.0.1:-1/callback',
];

describe('an address that a request names', () => {
  it.each(HOSTILE)('is refused beside a web callback: %j', (text) => {
    expect(isUrlAllowed(text, [WEB], web)).toBe(false);
    expect(isUrlAllowed(text, [WEB], native)).toBe(false);
  });
  it.each([...HOSTILE, ...HOSTILE_WILD])('is refused beside a wildcard: %j', (text) => {
    expect(isUrlAllowed(text, [WILD], web)).toBe(false);
  });
  it.each([...HOSTILE, ...HOSTILE_LOOPBACK])('is refused beside a loopback: %j', (text) => {
    expect(isUrlAllowed(text, [LOOPBACK], native)).toBe(false);
  });
  it('is taken when it is what is registered', () => {
    expect(isUrlAllowed(WEB, ['https://other.example/', WEB], web)).toBe(true);
    expect(isUrlAllowed('org.example.app:/callback', ['org.example.app:/callback'], native)).toBe(
      true,
    );
    expect(isUrlAllowed('http://a1-b.ngrok-free.app/callback', [WILD], web)).toBe(true);
    expect(isUrlAllowed(`http://${'a'.repeat(63)}.ngrok-free.app/callback`, [WILD], web)).toBe(
      true,
    );
  });
  it('has any port of its loopback address for a native client alone', () => {
    for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
      const registered = [`http://${host}/callback`];
      expect(isUrlAllowed(`http://${host}:49152/callback`, registered, native)).toBe(true);
      expect(isUrlAllowed(`http://${host}:49152/callback`, registered, web)).toBe(false);
    }
  });
  it('is refused when it is too long, also where it is registered', () => {
    expect(isUrlAllowed(LONG, [LONG], web)).toBe(false);
    expect(allowedLogoutUrl(LONG, ['https://app.example.org/'])).toBeUndefined();
    expect(() => checkClientUrl(LONG, 'callback', web)).toThrow(/too long/);
  });
  it('is never taken when it is not registered, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string()), (text) => {
        expect(isUrlAllowed(text, [WEB, WILD], web)).toBe(text === WEB);
      }),
    );
  });
  it('leads to a host below the registered one, to every parser, when a wildcard takes it', () => {
    const piece = fc.constantFrom(
      'a',
      'b-c',
      '.',
      '/',
      '@',
      ':',
      '?',
      '#',
      '\\',
      '%2e',
      'evil.example',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        const text = `http://${pieces.join('')}.ngrok-free.app/callback`;
        if (!isUrlAllowed(text, [WILD], web)) return;
        expect(new URL(text).hostname).toMatch(/^[a-z0-9-]+\.ngrok-free\.app$/);
        expect(new URL(text).href).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('an address that is registered', () => {
  const refused: readonly string[] = [
    'https://app.example.org/callback#x',
    'https://user:word@app.example.org/',
    'https://user@app.example.org/',
    'https://@app.example.org/',
    'https:app.example.org/',
    'https:/app.example.org/',
    'https:///app.example.org/',
    'https://app.example.org/*',
    'https://a*.example.org/',
    'https://a.*.example.org/',
    'https://*.*.example.org/',
    'https://*.org/',
    'https://*/',
    'https://*.example.org:443:443/',
    'https://*.example.org/#x',
    'https://*.example.org/?x',
    'https://*.example.org:99999/',
    'https://*.user@example.org/',
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'ftp://app.example.org/',
    'app.example.org',
    '/callback',
    '',
    'https://app.example.org/a b',
    'https://app.example.org\\b',
  ];
  it.each(refused)('is refused for callbacks and logout: %j', (text) => {
    for (const o of [web, native])
      for (const use of ['callback', 'logout'] as const)
        expect(() => checkClientUrl(text, use, o)).toThrow(/callback|logout/);
  });
  it('has a private scheme with a dot, for a native client alone', () => {
    expect(() => checkClientUrl('org.example.app:/cb', 'callback', native)).not.toThrow();
    expect(() => checkClientUrl('org.example.app:/cb', 'callback', web)).toThrow();
    expect(() => checkClientUrl('app:/cb', 'callback', native)).toThrow();
  });
  it('is an origin and nothing more where an origin is meant', () => {
    for (const text of [
      'https://app.example.org',
      'http://localhost:3000',
      'https://*.example.org',
    ])
      expect(() => checkClientUrl(text, 'origin', web)).not.toThrow();
    for (const text of [
      'https://app.example.org/',
      'https://app.example.org:443',
      'https://*.example.org/',
      'null',
      '*',
      'file://',
      'ftp://app.example.org',
      'ws://app.example.org',
      'https://app.example.org/path',
    ])
      expect(() => checkClientUrl(text, 'origin', web), text).toThrow(/origin/);
  });
});

describe('a wildcard', () => {
  const admin = { isAdministrator: true };
  const person = { isAdministrator: false };
  const REGISTRIES = [
    ...['co.uk', 'com.au', 'gov.uk', 'k12.ca.us', 'foo.ck', 'kawasaki.jp', 'foo.kawasaki.jp'],
    ...['xn--55qx5d.cn', 'xn--mxtq1m.xn--j6w193g'],
  ];
  const PROVIDERS = ['ngrok-free.app', 'github.io', 'vercel.app', 'compute.amazonaws.com'];
  const OWNED = [
    ...['example.org', 'example.co.uk', 'www.ck', 'city.kawasaki.jp', 'shop.github.io'],
    ...['internal.corp', 'a.b.example.com'],
  ];
  const forms = (domain: string): [string, 'callback' | 'logout' | 'origin'][] => [
    [`https://*.${domain}/callback`, 'callback'],
    [`http://*.${domain}:8080/`, 'logout'],
    [`https://*.${domain}`, 'origin'],
  ];
  it.each(REGISTRIES)(
    'is refused to everybody under %s, a suffix of a registry',
    async (domain) => {
      for (const [url, use] of forms(domain))
        for (const by of [admin, person])
          await expect(checkWildcards([WEB, url], use, by)).rejects.toMatchObject({
            code: 'invalid',
            message: expect.stringContaining(domain),
          });
    },
  );
  it.each(PROVIDERS)(
    "under %s, where strangers have names, is an administrator's",
    async (domain) => {
      for (const [url, use] of forms(domain)) {
        await expect(checkWildcards([url], use, admin)).resolves.toBeUndefined();
        await expect(checkWildcards([url], use, person)).rejects.toMatchObject({ code: 'denied' });
      }
    },
  );
  it.each(OWNED)('is taken under %s, whose names have one owner', async (domain) => {
    for (const [url, use] of forms(domain))
      await expect(checkWildcards([url], use, person)).resolves.toBeUndefined();
  });
  it('is refused under a bare top-level domain by its form', () => {
    for (const url of ['https://*.com/', 'https://*.app/callback', 'https://*.localhost/'])
      expect(() => checkClientUrl(url, 'callback', web)).toThrow(/callback/);
  });
  it('that a person may register matches no address of somebody else under a suffix', async () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
    const suffix = fc.constantFrom(...REGISTRIES, ...PROVIDERS, 'com', 'org', 'de');
    await fc.assert(
      fc.asyncProperty(
        suffix,
        fc.array(label, { maxLength: 2 }),
        label,
        async (end, owned, stranger) => {
          const domain = [...owned, end].join('.');
          const url = `https://*.${domain}/callback`;
          const isTaken = await checkWildcards([url], 'callback', person).then(
            () => isWildcard(url),
            () => false,
          );
          // Whoever holds a name directly under a suffix is a stranger to the others there.
          if (owned.length === 0)
            expect(isTaken && isUrlAllowed(`https://${stranger}.${end}/callback`, [url], web)).toBe(
              false,
            );
        },
      ),
    );
  });
  it('is no reason to look anything up where there is none', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        if (isWildcard(text)) return;
        await expect(checkWildcards([text], 'callback', person)).resolves.toBeUndefined();
      }),
    );
  });
});

describe('a logout address', () => {
  it.each(['https://app。example.org/?a', 'https://one.example.net/in/../out'])(
    'is none in another spelling: %s',
    (text) => {
      const listed = ['https://app.example.org', 'https://one.example.net/out'];
      expect(allowedLogoutUrl(text, listed)).toBeUndefined();
    },
  );
  const registered = ['https://app.example.org/', 'https://*.example.net/out'];
  it('is held without its query and fragment', () => {
    for (const text of [
      'https://app.example.org',
      'https://app.example.org/?a=b',
      'https://app.example.org/#x',
      'https://one.example.net/out?a#b',
    ])
      expect(allowedLogoutUrl(text, registered), text).toBe(text);
  });
  it.each([
    ['https://app.example.org#x', 'https://app.example.org/#x'],
    ['https://app.example.org/?\u2713', 'https://app.example.org/?%E2%9C%93'],
  ])('is answered as parsers read it: %s', (text, answered) => {
    expect(allowedLogoutUrl(text, registered)).toBe(answered);
  });
  it('is answered as something that a header can carry', () => {
    const odd = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(fc.constantFrom('', '/', '?', '#', '/?a='), odd, (c, s) => {
        const answered = allowedLogoutUrl(`https://app.example.org${c}${s}`, registered);
        if (answered === undefined) return;
        expect(answered).toMatch(/^[\x21-\x7e]+$/);
        expect(new URL(answered).origin).toBe('https://app.example.org');
      }),
      { numRuns: 2_000 },
    );
  });
  it.each([
    ...HOSTILE.filter((text) => !text.startsWith('https://app.example.org/?')),
    'https://app.example.org/?a\r\nset-cookie: a=b',
    'https://app.example.org/?a b',
    'https://app.example.org/?\\@evil.example',
    'https://app.example.org/#\u0000',
  ])('is refused: %j', (text) => {
    expect(allowedLogoutUrl(text, registered)).toBeUndefined();
  });
});

describe('an origin', () => {
  it('is one of those that are registered, or below a wildcard', () => {
    const registered = ['https://app.example.org', 'https://*.example.net'];
    expect(isOriginAllowed('https://app.example.org', registered)).toBe(true);
    expect(isOriginAllowed('https://a.example.net', registered)).toBe(true);
    for (const text of [
      'null',
      '*',
      'https://example.net',
      'https://a.b.example.net',
      'https://app.example.org.evil.example',
      'http://app.example.org',
      'https://app.example.org:8443',
    ])
      expect(isOriginAllowed(text, registered), text).toBe(false);
  });
});
