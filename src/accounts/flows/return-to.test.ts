import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkReturnTo, isReturnAllowed } from './return-to.ts';

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
