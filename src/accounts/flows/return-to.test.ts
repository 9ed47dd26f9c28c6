import { validateHeaderValue } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowedReturn, checkReturnTo } from './return-to.ts';

const isReturnAllowed = (text: string, listed: readonly string[]): boolean =>
  allowedReturn(text, listed) !== undefined;

const LISTED = [
  'https://app.example/in',
  'https://*.apps.example',
  'http://127.0.0.1:4455',
  'https://x.example:443/',
  'myapp://signed-in',
  'exp://localhost:8081/--/Callback',
  'javascript://app.example/in',
  'file:///etc',
];

describe('an address to return to', () => {
  it.each([
    'https://app.example/in',
    'https://app.example/in/deeper?x=1#y',
    'https://APP.example/in',
    'https://a.apps.example/',
    'https://a.b.apps.example/anything',
    'http://127.0.0.1:4455/welcome',
    'https://x.example/',
    'https://x.example:443/y',
    'myapp://signed-in',
    'MyApp://signed-in/deeper?x=1',
    'exp://localhost:8081/--/Callback/x',
  ])('%s is allowed', (url) => {
    expect(isReturnAllowed(url, LISTED)).toBe(true);
  });

  it.each([
    '//app.example/in',
    '///app.example/in',
    '/in',
    'in',
    'https:app.example/in',
    'https:/app.example/in',
    'https:\\\\app.example\\in',
    'https://app.example\\@evil.example/in',
    'https://evil.example',
    'https://evil.example/https://app.example/in',
    'https://evil.example?https://app.example/in',
    'https://evil.example#https://app.example/in',
    'https://app.example.evil.example/in',
    'https://evilapp.example/in',
    'https://app.example@evil.example/in',
    'https://user:pass@app.example/in',
    'https://user@app.example/in',
    'https://app.example:8443/in',
    'https://app.example/',
    'https://app.example/inside',
    'https://app.example/in/../out',
    'https://app.example/in/%2e%2e/out',
    'https://app.example/in/..%2fout',
    'https://app.example/in%5c..%5cout',
    'http://app.example/in',
    'ftp://app.example/in',
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)//https://app.example/in',
    'data:text/html,x',
    'vbscript:x',
    'javascript://app.example/in%0aalert(1)',
    'file:///etc/passwd',
    'myapp:signed-in',
    'myapp://other',
    'myapp://signed-in.evil.example',
    'myapp://x@signed-in',
    'exp://localhost:8081/--/Callback/../out',
    'exp://localhost:8082/--/Callback',
    'other://signed-in',
    'blob:https://app.example/in',
    'https://apps.example/',
    'https://.apps.example/',
    'https://a.apps.example.evil.example/',
    'https://apps.example.evil/',
    'https://127.0.0.1:4455/',
    'http://127.0.0.1:44550/',
    'http://127.0.0.1.evil.example:4455/',
    'http://localhost:4455/',
    'http://[::1]:4455/',
    ' https://app.example/in',
    'https://app.example/in\r\nSet-Cookie: a=b',
    'https://app.exa\tmple/in',
    'https://app.example/in\u0000',
    'https://аpp.example/in',
    'https://app。example/in',
    `https://app.example/in?${'x'.repeat(3_000)}`,
    '',
  ])('%j is refused', (url) => {
    expect(isReturnAllowed(url, LISTED)).toBe(
      url === 'https://app。example/in' && new URL(url).host === 'app.example',
    );
  });

  it('never leads anywhere but to a listed host, whatever was asked for', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.webUrl(),
          fc.string(),
          fc.string().map((s) => `https://app.example${s}`),
        ),
        (text) => {
          if (!isReturnAllowed(text, LISTED)) return;
          const { host } = new URL(text);
          expect(
            ['app.example', '127.0.0.1:4455', 'x.example'].includes(host) ||
              host.endsWith('.apps.example'),
          ).toBe(true);
        },
      ),
    );
  });

  it.each([
    ['https://app.example/in/\u2713', 'https://app.example/in/%E2%9C%93'],
    ['https://app.example/in?x=\u2713#\u2713', 'https://app.example/in?x=%E2%9C%93#%E2%9C%93'],
    ['https://app\u3002example/in', 'https://app.example/in'],
    ['https://b\u00fccher.apps.example/', 'https://xn--bcher-kva.apps.example/'],
    ['myapp://signed-in/\u2713', 'myapp://signed-in/%E2%9C%93'],
    ['https://x.example:443/y', 'https://x.example/y'],
    ['http://127.0.0.1:4455', 'http://127.0.0.1:4455'],
  ])('%s is answered as %s', (given, answered) => {
    expect(allowedReturn(given, LISTED)).toBe(answered);
  });
  it('is held against a listed address as parsers read that one', () => {
    const listed = ['https://b\u00fccher.example/s\u00fc\u00df', 'https://*.b\u00fccher.example'];
    expect(allowedReturn('https://xn--bcher-kva.example/s%C3%BC%C3%9F/x', listed)).toBeDefined();
    expect(allowedReturn('https://a.b\u00fccher.example/', listed)).toBeDefined();
    expect(allowedReturn('https://bucher.example/s\u00fc\u00df', listed)).toBeUndefined();
  });
  it('is an address that a header can carry, and is listed as it is answered', () => {
    const odd = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(
        fc.constantFrom(...LISTED),
        fc.constantFrom('', '/', '?', '#'),
        odd,
        (l, c, s) => {
          const answered = allowedReturn(l.replace('*', 'a') + c + s, LISTED);
          if (answered === undefined) return;
          expect(() => validateHeaderValue('location', answered)).not.toThrow();
          expect(answered).toMatch(/^[\x21-\x7e]+$/);
          expect(allowedReturn(answered, LISTED)).toBe(answered);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('may be our own pages, and nothing is an address of nobody', () => {
    const rules = { publicUrl: 'https://id.example', allowed: [], pages: 'https://id.example/ui' };
    expect(checkReturnTo('https://id.example/ui/', rules)).toBe('https://id.example/ui/');
    expect(checkReturnTo('https://id.example/self-service/settings?flow=1', rules)).toBeDefined();
    expect(checkReturnTo(undefined, rules)).toBeUndefined();
    expect(() => checkReturnTo('https://id.example/api', rules)).toThrow('not allowed');
  });
  it('is a path of the site that people come back to by default, when it is a path alone', () => {
    const rules = {
      ...{ publicUrl: 'https://id.example', allowed: ['https://app.example/in'] },
      ...{ pages: 'https://id.example/ui', base: 'https://app.example/in/home' },
    };
    expect(checkReturnTo('/in/x?y=1', rules)).toBe('https://app.example/in/x?y=1');
    for (const text of [
      '/',
      '/out',
      '//evil.example',
      '/\\evil.example',
      '/\t/evil.example',
      '/in/../out',
      '/in/%2e%2e/out',
    ])
      expect(() => checkReturnTo(text, rules), text).toThrow('not allowed');
  });
});
