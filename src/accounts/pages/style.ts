/**
 * How our pages look: one quiet column, light and dark, an 8 px grid, hairlines in the place of shadows. Pure. What a brand
 * may change are the custom properties at the end alone (brand.ts).
 */

/** What text stands on: the card and what is around it. Accents are held against both. */
export const SURFACES = {
  light: ['#ffffff', '#f6f7f8'],
  dark: ['#171a1f', '#0f1114'],
} as const;
export type Theme = keyof typeof SURFACES;

/** What stands on a button: whichever of the two can be read better. */
export const ON_ACCENT = ['#ffffff', '#0d1117'] as const;
export const ACCENT: Readonly<Record<Theme, string>> = { light: '#2455c3', dark: '#8fb0ff' };

export const STYLE: string = `
:root{color-scheme:light dark;--bg:#f6f7f8;--card:#fff;--text:#16191d;--dim:#5b6470;--line:#d9dde2;--edge:#858d98;--bad:#b3261e;--bad-bg:#fdeceb;--good:#1b6e3c;--good-bg:#e9f6ee;--note-bg:#eff1f4;--field:#fff;--press:rgb(0 0 0/.12);--plate:transparent}
@media (prefers-color-scheme:dark){:root{--bg:#0f1114;--card:#171a1f;--text:#e9ebee;--dim:#a3abb6;--line:#31363e;--edge:#6f7884;--bad:#ffb4ab;--bad-bg:#3a1614;--good:#8fdcab;--good-bg:#12301f;--note-bg:#22272e;--field:#101317;--press:rgb(255 255 255/.2);--plate:#fff}}
*{box-sizing:border-box}
[hidden]{display:none!important}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 var(--font);min-height:100vh;display:flex;flex-direction:column;align-items:center;padding:32px 16px}
main{width:100%;max-width:400px;background:var(--card);border:1px solid var(--line);border-radius:var(--round);padding:32px 24px;margin:auto}
main.wide{max-width:560px;margin:0 auto}
.wide section button{width:auto;max-width:100%;min-width:112px}
.brand{font-weight:600;color:var(--dim);font-size:14px;margin:0 0 8px;overflow-wrap:anywhere}
.brand img{display:block;height:40px;width:auto;max-width:100%;object-fit:contain;object-position:left;margin:0 0 16px}
.brand .plate{background:var(--plate);border-radius:var(--corner)}
@media (prefers-color-scheme:dark){.brand .plate{height:56px;padding:8px}}
h1{overflow-wrap:anywhere;font-size:22px;line-height:1.3;margin:0 0 16px}
.to{color:var(--dim);font-size:14px;margin:-12px 0 16px}
.to strong{color:var(--text);font-weight:600}
h2{font-size:16px;line-height:1.5;margin:0 0 8px;overflow-wrap:anywhere}
p{margin:0 0 16px;overflow-wrap:anywhere}
ul{margin:0 0 16px;padding-left:24px;overflow-wrap:anywhere}
section{border-top:1px solid var(--line);padding-top:24px;margin-top:24px}
h1+section{border-top:0;padding-top:0;margin-top:0}
form+form{margin-top:16px}
form+form.row,form.row+form.row{margin-top:0}
.rows{list-style:none;margin:0 0 16px;padding:0;border-bottom:1px solid var(--line)}
.rows li{border-top:1px solid var(--line)}
.rows li>a{display:block;padding:8px 0;min-height:44px;font-weight:500}
.rows .hint{display:inline-block;width:100%;font-weight:400;overflow-wrap:anywhere}
.rows+section{border-top:0;padding-top:0}
.codes{list-style:none;margin:0 0 16px;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(96px,1fr));gap:4px 16px}
label,.label{display:block;font-size:14px;font-weight:500;margin:16px 0 4px}
input,textarea,select{width:100%;font:inherit;color:inherit;background:var(--field);border:1px solid var(--edge);border-radius:var(--corner);padding:8px 12px;min-height:42px}
input[type=checkbox]{width:20px;min-height:20px;height:20px;margin:0 8px 0 0;vertical-align:middle;accent-color:var(--accent)}
textarea{resize:vertical}
.hint{font-size:14px;color:var(--dim)}
p.hint{margin:4px 0 0}
input[aria-invalid=true],textarea[aria-invalid=true]{border-color:var(--bad)}
button,.button{display:block;width:100%;font:inherit;font-weight:600;text-align:center;text-decoration:none;overflow-wrap:anywhere;color:var(--on-accent);background:var(--accent);border:1px solid var(--accent);border-radius:var(--corner);padding:8px 16px;min-height:42px;margin-top:16px;cursor:pointer}
button.second,.button.second{background:transparent;color:var(--text);border-color:var(--edge)}
form.row{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;gap:4px 12px;margin:0;padding:8px 0;border-top:1px solid var(--line)}
form.row>span{overflow-wrap:anywhere;min-width:0}
form.row button{width:auto;margin:0;flex:none}
button+button,.button+.button,.button+button{margin-top:8px}
button.danger{background:transparent;color:var(--bad);border-color:var(--edge)}
noscript .hint{margin:16px 0 0}
button:disabled{opacity:.6;cursor:not-allowed}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.message{border-radius:var(--corner);padding:8px 12px;font-size:14px;background:var(--note-bg);margin:0 0 16px}
.message.error,.wrong{color:var(--bad)}
.message.error{background:var(--bad-bg)}
.message.success{color:var(--good);background:var(--good-bg)}
.wrong,.note{font-size:14px;margin:4px 0 0}
.or{display:flex;align-items:center;gap:12px;color:var(--dim);font-size:14px;margin:24px 0 8px}
.or::before,.or::after{content:"";flex:1;border-top:1px solid var(--line)}
.links{font-size:14px;margin:24px 0 0;display:flex;flex-wrap:wrap;gap:8px 16px}
.links a{padding:4px 0}
code,.code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere}
section>p.hint{margin:0 0 16px}
.facts{margin:0 0 16px}
dl{margin:0;font-size:14px}dt{color:var(--dim)}dd{margin:0 0 8px;overflow-wrap:anywhere}
.qr{display:block;max-width:100%;height:auto;background:#fff;border-radius:var(--corner);padding:8px}
footer{font-size:13px;color:var(--dim);margin-top:24px;text-align:center;overflow-wrap:anywhere;max-width:100%}
footer p{margin:0}
footer a{display:inline-block;padding:4px 8px}
@media (prefers-reduced-motion:no-preference){button,.button{transition:box-shadow .15s}}
button:hover:enabled,.button:hover{box-shadow:inset 0 0 0 99px var(--press)}
button.second:hover:enabled,.button.second:hover,button.danger:hover:enabled{box-shadow:none;background:var(--note-bg)}
`.trim();
