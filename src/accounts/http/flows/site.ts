/**
 * Which sites' pages may submit a browser's flow. A CSRF cookie alone is not enough: whoever can set cookies for this host, from
 * a neighbouring one, could plant a cookie and a form that fit together and sign somebody in as somebody else. Pure.
 * INVARIANT: what the browser itself says of the request (Fetch Metadata, Origin) decides before any cookie does; a request
 * that says nothing is a program's, which no page of another site can make.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { AccountsConfig } from '../../config/config.ts';
import { FLOW_KINDS } from '../../flows/flow.ts';

/** Whether credentials are shared with an origin, by the configuration's CORS rules. */
export type SharedWith = (origin: string) => boolean;

const originOf = (url: string): string | undefined =>
  URL.canParse(url) ? new URL(url).origin : undefined;

/** Same host on another port, or below the domain that the cookies are for: where Fetch Metadata says `same-site`. */
function isSameSite(origin: string, config: AccountsConfig): boolean {
  const [own, other] = [new URL(config.publicUrl), new URL(origin)];
  if (own.protocol !== other.protocol) return false;
  if (own.hostname === other.hostname) return true;
  const domain = config.cookies.domain?.replace(/^\./, '').toLowerCase();
  return (
    domain !== undefined && (other.hostname === domain || other.hostname.endsWith(`.${domain}`))
  );
}

/** Whether the site is one host, so that the same site is that host on another port: an address, or localhost. */
function isHostASite({ publicUrl }: AccountsConfig): boolean {
  const { hostname } = new URL(publicUrl);
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || hostname === 'localhost';
}

/** Whether browsers say with each request where it comes from (Fetch Metadata section 2): elsewhere the token alone decides. */
function isTrustworthy({ publicUrl }: AccountsConfig): boolean {
  const { protocol, hostname } = new URL(publicUrl);
  return protocol === 'https:' || /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

/** Whether a page that may not speak for this site made the request. */
export function isForeign(
  headers: IncomingHttpHeaders,
  config: AccountsConfig,
  isShared: SharedWith,
): boolean {
  const site = headers['sec-fetch-site'];
  // A page sends another Origin or none at all as it likes (Referrer-Policy), but never this.
  if (site === 'same-origin' || site === 'none') return false;
  const { origin } = headers;
  if (origin === undefined) return site !== undefined;
  // A page that hides where it is.
  if (origin === 'null')
    return site === undefined
      ? isTrustworthy(config)
      : site !== 'same-site' || !isHostASite(config);
  if (!URL.canParse(origin)) return true;
  const pages = FLOW_KINDS.map((kind) => config.flows[kind].uiUrl ?? config.publicUrl);
  if ([config.publicUrl, ...pages].some((url) => originOf(url) === origin)) return false;
  if (isShared(origin)) return false;
  // A neighbour's host is of the same site, and can plant cookies: it counts where the cookies are meant for it as well.
  const isNear = site === undefined || site === 'same-site';
  return !isNear || !isSameSite(origin, config);
}
