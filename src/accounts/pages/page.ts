/**
 * The frame of our sign-in pages: one quiet column, light and dark, no script, nothing from elsewhere. Pure. The style is
 * in the page, allowed by its hash, so that a page is one request and nothing injected can style it.
 */
import { createHash } from 'node:crypto';
import { Html, html } from './html.ts';

export const STYLE: string = `
:root{color-scheme:light dark;--bg:#f6f7f8;--card:#fff;--text:#16191d;--dim:#5b6470;--line:#d9dde2;--accent:#2455c3;--on-accent:#fff;--bad:#b3261e;--bad-bg:#fdeceb;--good:#1b6e3c;--good-bg:#e9f6ee;--note-bg:#eef2fb;--field:#fff}
@media (prefers-color-scheme:dark){:root{--bg:#0f1114;--card:#171a1f;--text:#e9ebee;--dim:#a3abb6;--line:#31363e;--accent:#8fb0ff;--on-accent:#0d1526;--bad:#ffb4ab;--bad-bg:#3a1614;--good:#8fdcab;--good-bg:#12301f;--note-bg:#1b2436;--field:#101317}}
*{box-sizing:border-box}
[hidden]{display:none!important}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;min-height:100vh;display:flex;flex-direction:column;align-items:center;padding:32px 16px}
main{width:100%;max-width:400px;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:32px 24px;margin:auto}
main.wide{max-width:560px;margin:0 auto}
.brand{font-weight:600;color:var(--dim);font-size:14px;margin:0 0 8px}
h1{overflow-wrap:anywhere;font-size:22px;line-height:1.3;margin:0 0 16px}
h2{font-size:16px;margin:0 0 12px}
p{margin:0 0 16px;overflow-wrap:anywhere}
ul{margin:0 0 16px;padding-left:24px;overflow-wrap:anywhere}
dl+h2{margin-top:24px}
section{border-top:1px solid var(--line);padding-top:24px;margin-top:24px}
form+form{margin-top:16px}
label,.label{display:block;font-size:14px;font-weight:500;margin:16px 0 4px}
input,textarea,select{width:100%;font:inherit;color:inherit;background:var(--field);border:1px solid var(--dim);border-radius:6px;padding:8px 12px;min-height:42px}
input[type=checkbox]{width:20px;min-height:20px;height:20px;margin-right:8px;vertical-align:middle}
textarea{resize:vertical}
.hint{font-size:13px;color:var(--dim)}
p.hint{margin:4px 0 0}
form.row{display:flex;align-items:center;justify-content:space-between;gap:12px;margin:8px 0 0}
form.row span{overflow-wrap:anywhere;min-width:0}
form.row button{width:auto;margin:0;flex:none}
input[aria-invalid=true]{border-color:var(--bad)}
button,.button{display:block;width:100%;font:inherit;font-weight:600;text-align:center;text-decoration:none;color:var(--on-accent);background:var(--accent);border:1px solid var(--accent);border-radius:6px;padding:8px 16px;min-height:42px;margin-top:16px;cursor:pointer}
button.second,.button.second{background:transparent;color:var(--text);border-color:var(--dim)}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.message{border-radius:6px;padding:8px 12px;font-size:14px;background:var(--note-bg);margin:0 0 16px}
.message.error,.wrong{color:var(--bad)}
.message.error{background:var(--bad-bg)}
.message.success{color:var(--good);background:var(--good-bg)}
.wrong{font-size:14px;margin:4px 0 0}
.or{display:flex;align-items:center;gap:12px;color:var(--dim);font-size:14px;margin:24px 0 8px}
.or::before,.or::after{content:"";flex:1;border-top:1px solid var(--line)}
.links{font-size:14px;margin:24px 0 0;display:flex;flex-wrap:wrap;gap:8px 16px}
.links a{padding:4px 0}
code,.code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere}
dl{margin:0;font-size:14px}dt{color:var(--dim)}dd{margin:0 0 8px;overflow-wrap:anywhere}
img{max-width:100%;height:auto;background:#fff;border-radius:6px;padding:8px}
footer{font-size:13px;color:var(--dim);margin-top:16px;text-align:center}
@media (prefers-reduced-motion:no-preference){button,.button{transition:filter .15s}}
button:hover,.button:hover{filter:brightness(1.08)}
`.trim();

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

export interface PageOptions {
  readonly title: string;
  /** Who the page is served by: the site's name. */
  readonly brand: string;
  readonly body: Html;
  readonly isWide?: boolean;
  /** Says in the window's title, which is read out first, that something is to be mended. */
  readonly hasError?: boolean;
}

/** A whole page. */
export function renderPage(o: PageOptions): string {
  const { text } = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><link rel="icon" href="data:,"><title>${o.hasError === true ? 'Error: ' : ''}${o.title} · ${o.brand}</title><style>${raw(STYLE)}</style></head>
<body><main${raw(o.isWide === true ? ' class="wide"' : '')}><p class="brand">${o.brand}</p><h1>${o.title}</h1>${o.body}</main><footer>Sign-in is served by Postern at ${o.brand}</footer></body></html>`;
  return text;
}

function raw(text: string): Html {
  return new Html(text);
}

/** The headers of a page. `formTargets` are where its forms and the redirects behind them may lead, `scriptUrl` the one script. */
export function pageHeaders(
  formTargets: readonly string[],
  scriptUrl?: string,
): Readonly<Record<string, string>> {
  const scripts = scriptUrl === undefined ? '' : ` script-src ${scriptUrl};`;
  const targets = ["'self'", ...new Set(formTargets)].join(' ');
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none';${scripts} style-src 'sha256-${STYLE_HASH}'; img-src 'self' data:; form-action ${targets}; frame-ancestors 'none'; base-uri 'none'`,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cache-control': 'private, no-cache, no-store, must-revalidate',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  };
}
