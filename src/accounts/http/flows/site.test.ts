import { describe, expect, it } from 'vitest';
import { type AccountsConfig, defaultConfig } from '../../config/config.ts';
import { isForeign } from './site.ts';

const base = defaultConfig({ publicUrl: 'https://id.example.com', adminUrl: '' });
const config: AccountsConfig = {
  ...base,
  flows: { ...base.flows, login: { ...base.flows.login, uiUrl: 'https://ui.example.org/login' } },
};
const isShared = (origin: string): boolean => origin === 'https://app.example.net';

describe('a browser submits a flow', () => {
  it.each([
    ['a program that says nothing', {}],
    ['our own page', { 'sec-fetch-site': 'same-origin', origin: 'https://id.example.com' }],
    [
      'our own page under another name of the server',
      { 'sec-fetch-site': 'same-origin', origin: 'https://inside' },
    ],
    ['a page that hides its address', { 'sec-fetch-site': 'same-origin', origin: 'null' }],
    [
      'a page on another port of the host',
      { 'sec-fetch-site': 'same-site', origin: 'https://id.example.com:4455' },
    ],
    ['the address bar', { 'sec-fetch-site': 'none' }],
    ['an old browser on our own page', { origin: 'https://id.example.com' }],
    ['an old browser on another port', { origin: 'https://id.example.com:4455' }],
    ['the page of a ui_url', { 'sec-fetch-site': 'cross-site', origin: 'https://ui.example.org' }],
    [
      'a site that credentials are shared with',
      { 'sec-fetch-site': 'cross-site', origin: 'https://app.example.net' },
    ],
  ])('from %s', (_who, headers) => expect(isForeign(headers, config, isShared)).toBe(false));

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['another site that hides its address', { 'sec-fetch-site': 'cross-site', origin: 'null' }],
    ['another site without an Origin', { 'sec-fetch-site': 'cross-site' }],
    ['another site by an old browser', { origin: 'https://evil.example' }],
    [
      'a neighbour, who can plant cookies',
      { 'sec-fetch-site': 'same-site', origin: 'https://evil.example.com' },
    ],
    ['a sandbox in an old browser', { origin: 'null' }],
    ['a neighbour that hides its address', { 'sec-fetch-site': 'same-site', origin: 'null' }],
    ['a name that begins like ours', { origin: 'https://id.example.com.evil.example' }],
    ['our name over plain HTTP', { origin: 'http://id.example.com' }],
    ['a neighbour, by an old browser', { origin: 'https://other.example.com' }],
    [
      'a word that no browser says',
      { 'sec-fetch-site': 'friendly', origin: 'https://evil.example' },
    ],
  ])('never from %s', (_who, headers) => expect(isForeign(headers, config, isShared)).toBe(true));

  it('from a page that hides where it is, where browsers say nothing themselves', () => {
    const plain = { ...config, publicUrl: 'http://id.lan:4433' };
    expect(isForeign({ origin: 'null' }, plain, isShared)).toBe(false);
    expect(isForeign({ origin: 'http://evil.example' }, plain, isShared)).toBe(true);
  });

  it('from a page on another port of an address, that hides where it is', () => {
    const local = { ...config, publicUrl: 'http://127.0.0.1:4433' };
    const headers = { 'sec-fetch-site': 'same-site', origin: 'null' };
    expect(isForeign(headers, local, isShared)).toBe(false);
    expect(isForeign({ ...headers, 'sec-fetch-site': 'cross-site' }, local, isShared)).toBe(true);
  });

  it('from names below the domain that the cookies are for', () => {
    const wide = { ...config, cookies: { ...config.cookies, domain: 'example.com' } };
    expect(isForeign({ origin: 'https://other.example.com' }, wide, isShared)).toBe(false);
    expect(isForeign({ origin: 'https://evilexample.com' }, wide, isShared)).toBe(true);
  });
});
