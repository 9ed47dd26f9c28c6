/**
 * Where a browser may be sent after a flow. Pure. INVARIANT: an address leaves here only when its scheme and host are
 * listed and its path begins as the listed one's; anything that browsers read differently than URL parsers is refused.
 */
import { PosternError } from '../../kernel/index.ts';
import type { AccountsConfig } from '../config/config.ts';

const LENGTH_MAX = 2_048;
const DEFAULT_PORTS: ReadonlyMap<string, string> = new Map([
  ['http', ':80'],
  ['https', ':443'],
]);
/** Schemes that browsers run or read from this machine: never followed, even where listed. A native app has its own. */
const RUNS = /^(javascript|vbscript|data|blob|file|filesystem|about|view-source)$/i;

function isHostAllowed(host: string, listed: string): boolean {
  const pattern = listed.toLowerCase();
  if (!pattern.startsWith('*')) return host === pattern;
  const suffix = pattern.slice(1);
  // `*.example.org` stands for what is below example.org, and a bare star for nothing.
  return suffix.startsWith('.') && suffix.length > 2 && host.endsWith(suffix) && host !== suffix;
}

function isPathAllowed(path: string, listed: string): boolean {
  const base = listed.endsWith('/') ? listed : `${listed}/`;
  return listed === '' || listed === '/' || path === listed || path.startsWith(base);
}

/** The parts of a listed address; the star of a host is no URL for parsers, so it is taken apart by hand. */
function readListed(text: string): { scheme: string; host: string; path: string } | undefined {
  const [, scheme, host, path] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]+)(\/[^?#]*)?/i.exec(text) ?? [];
  if (scheme === undefined || host === undefined || RUNS.test(scheme)) return undefined;
  return { scheme: scheme.toLowerCase(), host: host.toLowerCase(), path: path ?? '' };
}

/** Whether a text is an address that is listed. */
export function isReturnAllowed(text: string, listed: readonly string[]): boolean {
  // Browsers drop tabs and line ends, and read a backslash as a slash.
  if (text.length > LENGTH_MAX || /[\p{Cc}\\\s]/u.test(text)) return false;
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(text) || !URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return false;
  // Encoded dots and slashes could climb out of a listed path behind a proxy that decodes them.
  if (/%2e|%2f|%5c/i.test(url.pathname)) return false;
  const scheme = url.protocol.slice(0, -1);
  return listed.some((entry) => {
    const l = readListed(entry);
    if (l === undefined || l.scheme !== scheme) return false;
    const defaultPort = DEFAULT_PORTS.get(scheme);
    const isDefault = defaultPort !== undefined && l.host.endsWith(defaultPort);
    const host = isDefault ? l.host.slice(0, -defaultPort.length) : l.host;
    return isHostAllowed(url.host.toLowerCase(), host) && isPathAllowed(url.pathname, l.path);
  });
}

/** The `return_to` of a request. Throws `invalid` with the fact `id` = self_service_flow_return_to_forbidden. */
export function checkReturnTo(
  text: string | undefined,
  o: {
    readonly publicUrl: string;
    readonly allowed: readonly string[];
    readonly pages: string;
    /** Where a path alone is taken from, as at Kratos. */
    readonly base?: string;
  },
): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (o.base !== undefined && /^\/(?![/\\])/.test(text) && URL.canParse(text, o.base))
    return checkReturnTo(new URL(text, o.base).toString(), o);
  // The last is where the OpenID Provider waits for who signs in.
  const own = [`${o.publicUrl}/self-service`, o.pages, `${o.publicUrl}/interaction`];
  if (isReturnAllowed(text, [...o.allowed, ...own])) return text;
  throw new PosternError('invalid', 'Requested return_to URL is not allowed', {
    facts: { id: 'self_service_flow_return_to_forbidden' },
  });
}

/** The `return_to` of a request under a configuration. Throws as `checkReturnTo`. */
export function returnToOf(
  config: Pick<AccountsConfig, 'publicUrl' | 'allowedReturnUrls' | 'defaultReturnUrl'>,
  text: string | undefined,
): string | undefined {
  return checkReturnTo(text, {
    publicUrl: config.publicUrl,
    allowed: config.allowedReturnUrls,
    pages: `${config.publicUrl}/ui`,
    base: config.defaultReturnUrl,
  });
}
