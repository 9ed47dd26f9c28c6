/**
 * `account doctor`: goes the way that a browser goes through an app's address to the sign-in of this server, with a login
 * flow that it begins and submits with nobody's name, and says what keeps cookies, forms and redirects from working. Pure
 * but for the requests it is given; it signs nobody in and changes nothing.
 */
import { createHash } from 'node:crypto';

export interface Finding {
  readonly level: 'ok' | 'warning' | 'fault';
  /** What is so, in a sentence. */
  readonly what: string;
  /** What to do about it. */
  readonly todo?: string;
}

export interface Answer {
  readonly status: number;
  readonly cookies: readonly string[];
  readonly date: string | undefined;
  readonly text: string;
}
export type Fetch = (
  method: 'GET' | 'POST',
  url: string,
  o: { readonly cookie?: string; readonly form?: string; readonly accept: string },
) => Promise<Answer>;

const JSON_TYPE = 'application/json';
const SKEW_MS_MAX = 60_000;
/** Names of hosts that are the same machine and other sites to a browser. */
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
/** Where people share a domain without being one site; a short list of the usual, since the whole one changes daily. */
const SHARED_SUFFIX =
  /(^|\.)((co|com|org|net|ac|gov|edu)\.[a-z]{2}|github\.io|vercel\.app|netlify\.app|herokuapp\.com|ngrok(-free)?\.(app|dev|io)|pages\.dev)$/;

/** The registrable domain of a host name; the host itself where it has none. */
export function siteOf(host: string): string {
  if (/^[\d.]+$|^\[/.test(host)) return host;
  const labels = host.split('.');
  const isShared = SHARED_SUFFIX.test(labels.slice(-2).join('.'));
  return labels.slice(isShared ? -3 : -2).join('.');
}

interface Flow {
  readonly id: string;
  readonly action: string;
  readonly csrf: string | undefined;
}
function flowOf(text: string): Flow | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const at = (value: unknown, name: string): unknown =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, name)
      ? Reflect.get(value, name)
      : undefined;
  const id = at(parsed, 'id');
  const ui = at(parsed, 'ui');
  const action = at(ui, 'action');
  if (typeof id !== 'string' || typeof action !== 'string' || !URL.canParse(action))
    return undefined;
  const nodes = at(ui, 'nodes');
  const csrf = (Array.isArray(nodes) ? nodes : [])
    .map((node: unknown) => at(node, 'attributes'))
    .find((attributes) => at(attributes, 'name') === 'csrf_token');
  const value = at(csrf, 'value');
  return { id, action, csrf: typeof value === 'string' ? value : undefined };
}

/** What the addresses alone tell: of the app or page, and of this server as browsers are told to reach it. */
export function compareAddresses(app: URL, server: URL): Finding[] {
  const [appHost, serverHost] = [app.hostname, server.hostname];
  const found: Finding[] = [];
  if (appHost !== serverHost) {
    const both = `${appHost} and ${serverHost}`;
    if (LOOPBACK.has(appHost) && LOOPBACK.has(serverHost))
      found.push({
        level: 'fault',
        what: `${both} are one machine, and two sites to a browser: a cookie of one is not sent to the other`,
        todo: `Use one name everywhere: open ${app.protocol}//${serverHost}${app.port === '' ? '' : `:${app.port}`}/, or set accounts.public_url to http://${appHost}:${server.port}`,
      });
    else if (siteOf(appHost) !== siteOf(serverHost))
      found.push({
        level: 'fault',
        what: `${both} belong to different sites: SameSite=Lax cookies are not sent along with an app's fetch or form`,
        todo: `Serve both below one domain (such as app.${siteOf(appHost)} and id.${siteOf(appHost)}), or pass the sign-in through the app's own address and set accounts.public_url to ${app.origin}`,
      });
    else
      found.push({
        level: 'warning',
        what: `${both} are one site and two hosts: the session's cookie stays with ${serverHost} unless it names the domain`,
        todo: `To let ${appHost} see it, set cookies.domain: ${siteOf(serverHost)} in kratos.yml`,
      });
  }
  if (app.protocol === 'http:' && server.protocol === 'https:')
    found.push({
      level: 'fault',
      what: `The app is asked for over http and the server is ${server.origin}: its cookies are Secure, and a page over http neither gets nor sends them`,
      todo: `Open the app over https, or, on one's own machine alone, set accounts.public_url to an http address`,
    });
  if (app.protocol === 'https:' && server.protocol === 'http:')
    found.push({
      level: 'fault',
      what: `The app is asked for over https and the server tells browsers ${server.origin}: a page over https may not ask or post there`,
      todo: `Set accounts.public_url to the https address by which browsers reach the server`,
    });
  return found;
}

function namesOf(cookies: readonly string[]): string {
  return cookies.map((c) => c.split('=')[0]).join(', ');
}

function judgeCookie(text: string, app: URL, csrfName: string, server: URL): Finding[] {
  const name = text.split('=')[0] ?? '';
  const found: Finding[] = [];
  if (name.startsWith('csrf_token_') && name !== csrfName)
    found.push({
      level: 'fault',
      what: `The CSRF cookie ${name} is not that of ${server.origin}: another server, or the same under another accounts.public_url, answered`,
      todo: 'Let one address lead to one server, and give servers behind one balancer the same accounts.public_url',
    });
  if (/;\s*secure/i.test(text) && app.protocol === 'http:')
    found.push({
      level: 'fault',
      what: `The cookie ${name} is Secure and ${app.origin} is http: browsers drop it`,
      todo: 'Open the app over https, or set accounts.public_url to the http address (on one machine alone)',
    });
  const domain = /;\s*domain=\.?([^;]+)/i.exec(text)?.[1]?.trim().toLowerCase();
  if (domain !== undefined && app.hostname !== domain && !app.hostname.endsWith(`.${domain}`))
    found.push({
      level: 'fault',
      what: `The cookie ${name} is for ${domain}, and ${app.hostname} is not in it: browsers drop it`,
      todo: `Set cookies.domain in kratos.yml to ${siteOf(app.hostname)}, or leave it out`,
    });
  return found;
}

function judgeClock(date: string | undefined, nowMs: number): Finding[] {
  const skewMs = date === undefined ? Number.NaN : Date.parse(date) - nowMs;
  if (!(Math.abs(skewMs) > SKEW_MS_MAX)) return [];
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  return [
    {
      level: 'warning',
      what: `Its clock is ${minutes} min ${skewMs > 0 ? 'ahead of' : 'behind'} this machine's: codes, sessions and tokens end at the wrong time`,
      todo: 'Set both clocks by NTP (timedatectl set-ntp true)',
    },
  ];
}

/** The whole walk. `url` is the app's address or a page of it; `serverUrl` what the server tells browsers its own is. */
export async function examine(o: {
  readonly url: URL;
  readonly serverUrl: URL;
  readonly fetch: Fetch;
  readonly nowMs: number;
}): Promise<Finding[]> {
  const { url, serverUrl, fetch, nowMs } = o;
  const found = compareAddresses(url, serverUrl);
  const root = serverUrl.href.replace(/\/$/, '');
  const csrfName = `csrf_token_${createHash('sha256').update(root).digest('hex')}`;
  const returning = encodeURIComponent(url.href);
  const direct = `${root}/self-service/login/browser`;
  // A proxy in front of the sign-in answers at the app's own address; elsewhere the server's own is asked.
  const own = new URL('/self-service/login/browser', url).href;
  const proxied = await fetch('GET', own, { accept: JSON_TYPE }).catch(() => undefined);
  const isProxied = proxied !== undefined && flowOf(proxied.text) !== undefined;
  let silence: unknown;
  const begun = isProxied
    ? proxied
    : await fetch('GET', direct, { accept: JSON_TYPE }).catch((reason: unknown) => {
        silence = reason;
        return undefined;
      });
  const from = isProxied ? url : serverUrl;
  const flow = begun === undefined ? undefined : flowOf(begun.text);
  if (begun === undefined || flow === undefined) {
    if (begun === undefined) return [...found, judgeSilence(direct, silence)];
    return [
      ...found,
      {
        level: 'fault',
        what: `A login can't begin at ${direct}: it answers ${begun.status}, no flow`,
        todo: 'Start the server (postern server start), and set accounts.public_url to the address by which browsers reach it',
      },
    ];
  }
  found.push({ level: 'ok', what: `A login begins at ${from.origin}` });
  found.push(...judgeClock(begun.date, nowMs));
  for (const cookie of begun.cookies) found.push(...judgeCookie(cookie, from, csrfName, serverUrl));
  if (begun.cookies.length === 0)
    found.push({
      level: 'fault',
      what: `${from.origin} hands out no cookie with the login: something between drops Set-Cookie`,
      todo: 'Let the proxy pass Set-Cookie on, and cache nothing below /self-service and /sessions',
    });
  if (new URL(flow.action).host !== from.host)
    found.push({
      level: isProxied ? 'fault' : 'warning',
      what: `The form of ${from.host} posts to ${new URL(flow.action).host}: the cookie that protects it is not sent there`,
      todo: `Set accounts.public_url to ${from.origin}`,
    });
  found.push(...(await judgePost(flow, begun, from, fetch)));
  const isOwn = new URL(flow.action).host === url.host;
  const begin = `${isProxied ? own : direct}?return_to=${returning}`;
  found.push(...(await judgeReturn(begin, { url, isOwn }, fetch)));
  return found;
}

/** Why nothing came back: nobody there, a name that is not known here, or a certificate that is not. */
function judgeSilence(direct: string, reason: unknown): Finding {
  const cause: unknown = reason instanceof Error ? (reason.cause ?? reason) : undefined;
  const code = String(Reflect.get(Object(cause), 'code') ?? '');
  if (/CERT|SELF_SIGNED|ISSUER/.test(code))
    return {
      level: 'fault',
      what: `The certificate of ${new URL(direct).origin} is not trusted on this machine (${code})`,
      todo: "If it is your own authority's, ask again with NODE_EXTRA_CA_CERTS set to its file; else browsers refuse it too",
    };
  return {
    level: 'fault',
    what: `A login can't begin at ${direct}: nobody answers${code === '' ? '' : ` (${code})`}`,
    todo: /ENOTFOUND|EAI_AGAIN/.test(code)
      ? `This machine knows no address of ${new URL(direct).hostname}: see its DNS, or set accounts.public_url to another name`
      : 'Start the server (postern server start) and what is in front of it, and set accounts.public_url to the address by which browsers reach it',
  };
}

/** Posts the flow back with the cookies it came with, as the page's form would. */
async function judgePost(flow: Flow, begun: Answer, from: URL, fetch: Fetch): Promise<Finding[]> {
  const cookie = begun.cookies.map((c) => c.split(';')[0]).join('; ');
  const form = new URLSearchParams({
    csrf_token: flow.csrf ?? '',
    // Nothing that could be tried: what is asked is only whether the form arrives together with its cookie.
    method: 'password',
    identifier: '',
    password: '',
  }).toString();
  const target = new URL(`/self-service/login?flow=${flow.id}`, from).href;
  const answer = await fetch('POST', target, { cookie, form, accept: JSON_TYPE });
  if (answer.status === 403 && answer.text.includes('security_csrf_violation'))
    return [
      {
        level: 'fault',
        what: `A form that is posted to ${from.origin} with its cookies (${namesOf(begun.cookies) || 'none'}) arrives without them, or with others`,
        todo: 'Let the proxy pass the Cookie header on unchanged, and lead every request of a flow to the same installation',
      },
    ];
  if (answer.status === 404 || answer.status === 410)
    return [
      {
        level: 'fault',
        what: 'The flow that was begun is not known where its form is posted',
        todo: 'Lead every request to servers of one database',
      },
    ];
  if (answer.status !== 400)
    return [
      {
        level: 'fault',
        what: `A posted form is answered with ${answer.status} instead of the flow`,
        todo: 'Let the proxy pass POST with its body below /self-service',
      },
    ];
  return [{ level: 'ok', what: 'Its form comes back with its cookie and its CSRF token' }];
}

/** `isOwn`: the address is the sign-in's own, where an app may be served too, or not. */
async function judgeReturn(
  begin: string,
  { url, isOwn }: { readonly url: URL; readonly isOwn: boolean },
  fetch: Fetch,
): Promise<Finding[]> {
  const answer = await fetch('GET', begin, { accept: JSON_TYPE });
  if (!answer.text.includes('self_service_flow_return_to_forbidden'))
    return [{ level: 'ok', what: `${url.href} may be returned to` }];
  return [
    {
      level: isOwn ? 'warning' : 'fault',
      what: `Nobody may be sent back to ${url.href} after signing in${isOwn ? ', should an app be served there too' : ''}`,
      todo: `Add ${url.origin}/ to selfservice.allowed_return_urls in the kratos.yml that accounts.kratos of server.yaml names`,
    },
  ];
}
