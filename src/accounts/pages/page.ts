/**
 * The frame of our pages: whose they are, what they are about, and by whom they are served; no script, nothing from
 * elsewhere. Pure. The style is in the page, allowed by its hash, so that a page is one request and nothing injected can
 * style it.
 */
import type { Brand } from './brand.ts';
import { Html, html } from './html.ts';

export interface PageOptions {
  readonly title: string;
  readonly brand: Brand;
  readonly body: Html;
  readonly isWide?: boolean;
  /** Says in the window's title, which is read out first, that something is to be mended. */
  readonly hasError?: boolean;
}

function raw(text: string): Html {
  return new Html(text);
}

/** The logo says the name to who can't see it; without one, the name stands there. */
function head({ name, logo, logoDark }: Brand): Html {
  const light = logo ?? logoDark;
  if (light === undefined) return html`<p class="brand">${name}</p>`;
  const dark =
    logoDark === undefined || logoDark === light
      ? undefined
      : html`<source srcset="${logoDark.path}" media="(prefers-color-scheme:dark)">`;
  const plate = raw(dark === undefined && logoDark === undefined ? ' class="plate"' : '');
  return html`<p class="brand"><picture>${dark}<img src="${light.path}" height="40" alt="${name}"${plate}></picture></p>`;
}

/** The host comes from the configuration's public address: a brand can't hide where somebody is. */
function foot({ name, host, links }: Brand): Html {
  const whose = name === host ? 'Served' : `${name}, served`;
  const list = links.map(({ text, url }) => html`<a href="${url}">${text}</a>`);
  return html`<footer><p>${whose} by Postern at ${host}</p>${list.length === 0 ? undefined : html`<p>${list}</p>`}</footer>`;
}

/** A whole page. */
export function renderPage(o: PageOptions): string {
  const { title, brand } = o;
  const { text } = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><link rel="icon" href="data:,"><title>${o.hasError === true ? 'Error: ' : ''}${title} · ${brand.name}</title><style>${raw(brand.style)}</style></head>
<body><main${raw(o.isWide === true ? ' class="wide"' : '')}>${head(brand)}<h1>${title}</h1>${o.body}</main>${foot(brand)}</body></html>`;
  return text;
}

/** The headers of a page. `formTargets` are where its forms and the redirects behind them may lead, `scriptUrl` the one script. */
export function pageHeaders(
  { styleHash }: Brand,
  formTargets: readonly string[],
  scriptUrl?: string,
): Readonly<Record<string, string>> {
  const scripts = scriptUrl === undefined ? '' : ` script-src ${scriptUrl};`;
  const targets = ["'self'", ...new Set(formTargets)].join(' ');
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none';${scripts} style-src 'sha256-${styleHash}'; img-src 'self' data:; form-action ${targets}; frame-ancestors 'none'; base-uri 'none'`,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cache-control': 'private, no-cache, no-store, must-revalidate',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  };
}
