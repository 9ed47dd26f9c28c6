/**
 * The addresses of a client: which may be registered, and which a request may name. INVARIANT: an address matches
 * character by character, but for the left-most label of a registered `*.` host and the port of a native client's
 * loopback address (RFC 8252 section 7.3); nothing is normalised but logout URLs, which are answered as they were held.
 */
import { PosternError } from '../kernel/index.ts';
import { suffixKindOf } from './public-suffix.ts';

const LENGTH_MAX = 1_024;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const WILD = new RegExp(
  `^(https?)://\\*\\.(${LABEL}(?:\\.${LABEL})+)(:\\d{1,5})?(/[^?#\\s\\\\]*)?$`,
);
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?(\/.*)?$/;
const PRIVATE_SCHEME = /^[a-z][a-z0-9+.-]*\.[a-z0-9+.-]+:/;
/** Texts that browsers and URL parsers read differently. */
const AMBIGUOUS = /[\p{Cc}\s\\]/u;

export type UrlUse = 'callback' | 'logout' | 'origin';

/** Whether an address has a wildcard for its left-most label. */
export function isWildcard(text: string): boolean {
  return WILD.test(text);
}

function refuse(use: UrlUse, text: string, why: string): never {
  throw new PosternError('invalid', `The ${use} URL ${JSON.stringify(text.slice(0, 200))} ${why}`, {
    facts: { field: use },
  });
}

function isWebOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

/** Checks one address of a client that is registered. Throws `invalid` with the reason. */
export function checkClientUrl(text: string, use: UrlUse, o: { readonly isNative: boolean }): void {
  if (text.length > LENGTH_MAX) refuse(use, text, 'is too long');
  if (AMBIGUOUS.test(text)) refuse(use, text, 'has a space, backslash or control character');
  if (use === 'origin') {
    if (isWildcard(text) && !/^[^/]*\/\/[^/]*$/.test(text)) refuse(use, text, 'has a path');
    if (!isWildcard(text) && !isWebOrigin(text))
      refuse(use, text, 'is no origin such as https://app.example.org');
    return;
  }
  if (isWildcard(text)) {
    if (!URL.canParse(text.replace('*', 'a'))) refuse(use, text, 'is no URL');
    return;
  }
  if (text.includes('*'))
    refuse(use, text, 'has a * elsewhere than in place of its left-most label');
  if (!URL.canParse(text)) refuse(use, text, 'is no URL');
  const url = new URL(text);
  if (text.includes('#')) refuse(use, text, 'has a fragment');
  if (url.protocol === 'https:' || url.protocol === 'http:') {
    const authority = /^https?:\/\/([^/?]+)/i.exec(text)?.[1];
    // Parsers disagree on where the host of an address begins that has fewer or more slashes.
    if (authority === undefined)
      refuse(use, text, 'does not name its host after http:// or https://');
    if (authority.includes('@')) refuse(use, text, 'carries a user or password');
    return;
  }
  if (!o.isNative || !PRIVATE_SCHEME.test(text))
    refuse(
      use,
      text,
      'is neither http nor https (a native app may use a scheme like org.example.app:)',
    );
}

/**
 * Checks that the wildcards of a client stand for names of one owner: never directly under a public suffix of a registry,
 * and under one of a hosting provider only where an administrator says so. Throws `invalid` or `denied`.
 */
export async function checkWildcards(
  urls: readonly string[],
  use: UrlUse,
  o: { readonly isAdministrator: boolean },
): Promise<void> {
  for (const url of urls) {
    const domain = WILD.exec(url)?.[2];
    if (domain === undefined) continue;
    const kind = await suffixKindOf(domain);
    if (kind === 'registry')
      refuse(use, url, `would let everyone in: names under ${domain} are anybody's`);
    if (kind === 'provider' && !o.isAdministrator)
      throw new PosternError(
        'denied',
        `Only an administrator lets an application use every name under ${domain}, which are strangers' too`,
        { hint: 'Name the host: https://my-app.…' },
      );
  }
}

function matchesWildcard(text: string, registered: string): boolean {
  const [, scheme, domain, port = '', path = ''] = WILD.exec(registered) ?? [];
  if (scheme === undefined || domain === undefined) return false;
  const head = `${scheme}://`;
  const tail = `.${domain}${port}${path}`;
  if (!text.startsWith(head) || !text.endsWith(tail)) return false;
  const label = text.slice(head.length, text.length - tail.length);
  return new RegExp(`^${LABEL}$`).test(label);
}

/** Whether a request may name an address, given those that are registered. */
export function isUrlAllowed(
  text: string,
  registered: readonly string[],
  o: { readonly isNative: boolean },
): boolean {
  if (text.length > LENGTH_MAX || AMBIGUOUS.test(text) || text.includes('*')) return false;
  if (registered.includes(text)) return true;
  if (registered.some((r) => matchesWildcard(text, r))) return true;
  if (!o.isNative) return false;
  const given = LOOPBACK.exec(text);
  if (given === null) return false;
  return registered.some((r) => {
    const known = LOOPBACK.exec(r);
    return known !== null && known[1] === given[1] && (known[3] ?? '') === (given[3] ?? '');
  });
}

/**
 * Where a `returnTo` leads: the address that it stands for, when that is among the logout URLs, the query of either side
 * left out; else undefined. What is answered is what was held against them, in ASCII, so that it may stand in a header.
 */
export function allowedLogoutUrl(text: string, registered: readonly string[]): string | undefined {
  // The whole of it goes into a header, so the query is held to the same rule as the rest.
  if (text.length > LENGTH_MAX || AMBIGUOUS.test(text)) return undefined;
  // Of the web alone: parsers agree on how such an address is written.
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return undefined;
  const { href } = new URL(text);
  const plain = (t: string): string =>
    t.replace(/[?#].*$/s, '').replace(/^([a-z]+:\/\/[^/]+)\/$/, '$1');
  // Other letters are written out for a header; another spelling of ASCII (%2e, 127.1, HTTP:) is not what was listed.
  const isAscii = /^[\x21-\x7e]*$/.test(plain(text));
  if (isAscii ? plain(text) !== plain(href) : !text.startsWith(new URL(text).origin))
    return undefined;
  const listed = registered.map((r) => plain(URL.canParse(r) ? new URL(r).href : r));
  if (!isUrlAllowed(plain(href), listed, { isNative: false })) return undefined;
  return `${text}/` === href ? text : href;
}

/** Whether a browser's Origin is one of a client's. */
export function isOriginAllowed(origin: string, registered: readonly string[]): boolean {
  return isUrlAllowed(origin, registered, { isNative: false });
}
