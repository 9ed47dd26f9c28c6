/** The app's three pages. */

const STYLE = `:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--text:#15181c;--dim:#5a6370;--line:#d8dce2;--go:#2455c3;--on:#fff}
@media(prefers-color-scheme:dark){:root{--bg:#101215;--card:#181b20;--text:#e8eaee;--dim:#a2aab5;--line:#323740;--go:#8fb0ff;--on:#0d1526}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{box-sizing:border-box;width:min(420px,100% - 32px);background:var(--card);border:1px solid var(--line);border-radius:10px;padding:32px 28px}
h1{font-size:24px;margin:0 0 8px}p{margin:0 0 20px;color:var(--dim)}
a{display:block;text-align:center;padding:10px 16px;border-radius:6px;font-weight:600;text-decoration:none;margin-top:12px;border:1px solid var(--line);color:var(--text)}
a.go{background:var(--go);color:var(--on);border-color:var(--go)}a:focus-visible{outline:3px solid var(--go);outline-offset:2px}`;

function toText(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
function page(title: string, said: string, links: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${toText(title)}</title><style>${STYLE}</style><main><h1>${toText(title)}</h1><p>${toText(said)}</p>${links}</main></html>\n`;
}
const link = (url: string, words: string, isMain = false): string =>
  `<a href="${toText(url)}"${isMain ? ' class="go"' : ''}>${words}</a>`;

export function signInPage(links: { login: string; registration: string }): string {
  return page(
    'Please sign in',
    'This page is for people who are known here.',
    link(links.login, 'Sign in', true) + link(links.registration, 'Create an account'),
  );
}
export function homePage(email: string, times: number, logout: string): string {
  const count = times === 1 ? 'once' : `${times} times`;
  return page(`Welcome, ${email}`, `You were here ${count}.`, link(logout, 'Sign out'));
}
export function deniedPage(why: string, logout: string): string {
  return page('Not for you', why, link(logout, 'Sign out'));
}
