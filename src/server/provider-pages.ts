/** The OpenID Provider's pages in the frame of the accounts' own, so that people see one house. */
import {
  type Brand,
  type Html,
  html,
  pageHeaders,
  renderPage,
  safeUrl,
} from '../accounts/index.ts';
import type { Page, Pages, ShownClient } from '../oidc/index.ts';

/** The origin that a form's redirect leads to: browsers hold `form-action` against it. */
function originOf(target: string | undefined): string[] {
  if (target === undefined || !URL.canParse(target)) return [];
  const url = new URL(target);
  return /^https?:$/.test(url.protocol) ? [url.origin] : [url.protocol];
}

function page(
  brand: Brand,
  o: { readonly title: string; readonly body: Html; readonly target?: string | undefined },
): Page {
  return {
    html: renderPage({ title: o.title, brand, body: o.body }),
    headers: pageHeaders(brand, originOf(o.target)),
  };
}

/** The address that an answer goes to is the one thing that an application can't make up. */
function sentTo(target: string | undefined): Html | undefined {
  if (target === undefined || !URL.canParse(target)) return undefined;
  const { host, protocol } = new URL(target);
  const where = /^https?:$/.test(protocol) ? host : `the app behind ${protocol}`;
  return html`<p class="hint">Either way you go on to ${where}.</p>`;
}

function nameOf(client: ShownClient): Html {
  const { uri, name } = client;
  return uri === undefined
    ? html`<strong>${name}</strong>`
    : html`<strong>${name}</strong> (<a href="${safeUrl(uri)}" rel="noreferrer">${uri}</a>)`;
}

/** The pages of a site. */
export function providerPages(brand: Brand): Pages {
  return {
    consent: ({ client, accountName, scopes, action, target }) =>
      page(brand, {
        title: `Let ${client.name} in?`,
        target,
        body: html`<p>${nameOf(client)} asks to use your account <strong>${accountName}</strong>. It would be able to:</p>
<ul>${scopes.map(({ words }) => html`<li>${words}</li>`)}</ul>${sentTo(target)}
<form method="post" action="${action}"><button name="decision" value="allow">Allow</button><button class="second" name="decision" value="deny">Refuse</button></form>`,
      }),
    deviceCode: ({ action, xsrf, error, userCode }) =>
      page(brand, {
        title: 'Connect a device',
        body: html`${error === undefined ? undefined : html`<p class="message error" role="alert">${error}</p>`}
<form method="post" action="${safeUrl(action)}"><input type="hidden" name="xsrf" value="${xsrf}"><label for="user_code">Code on your device</label><input id="user_code" name="user_code" value="${userCode}" class="code" required autofocus autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="20"><button>Continue</button></form>`,
      }),
    deviceConfirm: ({ action, xsrf, client, userCode, rawUserCode }) =>
      page(brand, {
        title: `Connect ${client.name}?`,
        body: html`<p>Your device shows this code:</p><p class="code"><strong>${userCode}</strong></p>
<p>Go on only if it does, and if you started this yourself.</p>
<form method="post" action="${safeUrl(action)}"><input type="hidden" name="xsrf" value="${xsrf}"><input type="hidden" name="user_code" value="${rawUserCode}"><button name="confirm" value="yes">Connect</button><button class="second" name="abort" value="yes">Refuse</button></form>`,
      }),
    deviceDone: ({ client }) =>
      page(brand, {
        title: 'Your device is connected',
        body: html`<p class="message success" role="status">${client.name} can go on. You may close this page.</p>`,
      }),
    error: ({ title, detail, code }) =>
      page(brand, {
        title,
        body: html`<p class="message error" role="alert">${detail}</p><p class="hint">If it happens again, tell whoever runs the application: <code>${code}</code></p>
<p class="links"><a href="/ui/">Home</a></p>`,
      }),
    confirmLogout: ({ action, xsrf, client, target }) =>
      page(brand, {
        title: 'Sign out?',
        target,
        body: html`<p>${client === undefined ? 'You' : html`${nameOf(client)} asks whether you`} want to sign out here and everywhere you signed in with this account's session.</p>
<form method="post" action="${safeUrl(action)}"><input type="hidden" name="xsrf" value="${xsrf}"><button name="logout" value="yes">Sign out</button><button class="second">Stay signed in</button></form>`,
      }),
    loggedOut: () =>
      page(brand, {
        title: 'You are signed out',
        body: html`<p>You may close this page.</p><a class="button second" href="/ui/">Sign in again</a>`,
      }),
  };
}
