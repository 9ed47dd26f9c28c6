/**
 * Where a browser may be sent after a flow. Pure. INVARIANT: an address leaves here only when its scheme and host are
 * listed and its path begins as the listed one's; anything that browsers read differently than URL parsers is refused.
 */
import { PosternError } from '../../kernel/index.ts';
import type { AccountsConfig } from '../config/config.ts';

const LENGTH_MAX = 2_048;
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

/** The parts of a listed address, as a URL parser reads them; a star for the left-most label is kept. */
function readListed(text: string): { scheme: string; host: string; path: string } | undefined {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\/[^/?#]/i.exec(text) ?? [];
  if (scheme === undefined || RUNS.test(scheme)) return undefined;
  const isStarred = /^[^/]*\/\/\*\./.test(text);
  const plain = isStarred ? text.replace('//*.', '//star.') : text;
  if (!URL.canParse(plain)) return undefined;
  const { host, pathname } = new URL(plain);
  return {
    scheme: scheme.toLowerCase(),
    host: isStarred ? host.replace(/^star/i, '*') : host,
    path: pathname,
  };
}

/**
 * A text as the address that it stands for, when that is listed: what was held against the list is what is answered. It is
 * in ASCII, and so may stand in a header.
 */
export function allowedReturn(text: string, listed: readonly string[]): string | undefined {
  // Browsers drop tabs and line ends, and read a backslash as a slash.
  if (text.length > LENGTH_MAX || /[\p{Cc}\\\s]/u.test(text)) return undefined;
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return undefined;
  // Encoded dots and slashes could climb out of a listed path behind a proxy that decodes them.
  if (/%2e|%2f|%5c/i.test(url.pathname)) return undefined;
  const scheme = url.protocol.slice(0, -1);
  const isListed = listed.some((entry) => {
    const l = readListed(entry);
    if (l === undefined || l.scheme !== scheme) return false;
    return isHostAllowed(url.host.toLowerCase(), l.host) && isPathAllowed(url.pathname, l.path);
  });
  if (!isListed) return undefined;
  // Parsers put a slash after a bare host; who asked without is answered without.
  return `${text}/` === url.href ? text : url.href;
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
  const allowed = allowedReturn(text, [...o.allowed, ...own]);
  if (allowed !== undefined) return allowed;
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
