/** The pages on which somebody manages their own applications and authtokens. Pure: from what there is to HTML. */
import { type Html, html } from '../accounts/index.ts';
import type { Grant } from '../fabric/index.ts';
import type { OidcClient } from '../oidc/index.ts';

export const APPLICATIONS_PATH = '/ui/applications';
export const AUTHTOKENS_PATH = '/ui/authtokens';

/** What was typed into the form of an application. */
export interface Typed {
  readonly name: string;
  readonly type: string;
  readonly callbacks: string;
  readonly logouts: string;
  readonly origins: string;
}
export const NOTHING_TYPED: Typed = {
  name: '',
  type: 'web',
  callbacks: '',
  logouts: '',
  origins: '',
};

export function typedOf(client: OidcClient): Typed {
  return {
    ...{ name: client.name, type: client.type },
    callbacks: client.callbackUrls.join('\n'),
    logouts: client.logoutUrls.join('\n'),
    origins: client.webOrigins.join('\n'),
  };
}

const TYPES: readonly (readonly [string, string])[] = [
  ['web', 'Web application with a server'],
  ['spa', 'Single-page app in a browser'],
  ['native', 'App on a device'],
];
const hidden = (csrf: string): Html =>
  html`<input type="hidden" name="csrf_token" value="${csrf}">`;
const wrong = (text: string | undefined): Html | undefined =>
  text === undefined ? undefined : html`<p class="message error" role="alert">${text}</p>`;

function lines(name: string, label: string, hint: string, value: string): Html {
  return html`<label for="${name}">${label}</label><textarea id="${name}" name="${name}" rows="2" spellcheck="false" autocapitalize="off" aria-describedby="${name}-hint">${value}</textarea><p class="hint" id="${name}-hint">${hint}</p>`;
}
function fields(typed: Typed, isNew: boolean): Html {
  const options = TYPES.map(([value, words]) =>
    value === typed.type
      ? html`<option value="${value}" selected>${words}</option>`
      : html`<option value="${value}">${words}</option>`,
  );
  return html`<label for="name">Name</label><input id="name" name="name" value="${typed.name}" required maxlength="200" autocomplete="off">
${isNew ? html`<label for="type">Kind</label><select id="type" name="type">${options}</select>` : undefined}
${lines('callbacks', 'Callback addresses', 'Where people come back to after they signed in, one a line.', typed.callbacks)}
${lines('logouts', 'Addresses after signing out', 'One a line.', typed.logouts)}
${lines('origins', 'Web origins', 'Where scripts may call from, such as https://app.example.org; one a line.', typed.origins)}`;
}

/** The list, with the forms for a new application and a new authtoken. */
export function listPage(o: {
  readonly clients: readonly OidcClient[];
  readonly tokens: readonly Grant[];
  readonly csrf: string;
  readonly typed: Typed;
  readonly error: string | undefined;
  readonly tokenError: string | undefined;
}): Html {
  const apps = o.clients.map(
    (c) =>
      html`<li><a href="${APPLICATIONS_PATH}/${encodeURIComponent(c.id)}">${c.name}</a> <span class="hint">${c.type}, ${c.id}</span></li>`,
  );
  const tokens = o.tokens.map(
    (t) =>
      html`<form class="row" method="post" action="${AUTHTOKENS_PATH}/${t.id}">${hidden(o.csrf)}<span>${t.name ?? ''} <span class="hint">until ${t.expiresAtMs === undefined ? 'revoked' : new Date(t.expiresAtMs).toISOString().slice(0, 10)}</span></span><button class="second" name="do" value="revoke" aria-label="Revoke ${t.name ?? ''}">Revoke</button></form>`,
  );
  return html`<p>Applications that sign people in here. Each has an id, and where it can keep one, a secret.</p>
${apps.length === 0 ? html`<p class="hint">You have none yet.</p>` : html`<ul>${apps}</ul>`}
<section><h2>New application</h2>${wrong(o.error)}<form method="post" action="${APPLICATIONS_PATH}">${hidden(o.csrf)}${fields(o.typed, true)}<button>Create application</button></form></section>
<section><h2>Authtokens</h2><p>With an authtoken a script or an agent manages your applications in place of you, and nothing else. It is no password, and ends when you revoke it.</p>${wrong(o.tokenError)}${tokens}
<form method="post" action="${AUTHTOKENS_PATH}">${hidden(o.csrf)}<label for="token-name">Name of a new one</label><input id="token-name" name="name" required maxlength="128" autocomplete="off"><button class="second">Create authtoken</button></form></section>
<p class="links"><a href="/ui/">Back</a></p>`;
}

/** One application. */
export function editPage(o: {
  readonly client: OidcClient;
  readonly csrf: string;
  readonly typed: Typed;
  readonly error: string | undefined;
  readonly isSaved: boolean;
}): Html {
  const { client, csrf } = o;
  const action = `${APPLICATIONS_PATH}/${encodeURIComponent(client.id)}`;
  return html`${o.isSaved ? html`<p class="message success" role="status">Saved.</p>` : undefined}<dl><dt>Client ID</dt><dd><code>${client.id}</code></dd><dt>Kind</dt><dd>${client.type}</dd></dl>
<section><h2>Addresses</h2>${wrong(o.error)}<form method="post" action="${action}">${hidden(csrf)}${fields(o.typed, false)}<button name="do" value="save">Save</button></form></section>
${
  client.hasSecret
    ? html`<section><h2>Secret</h2><p>A new secret replaces the one before at once.</p><form method="post" action="${action}">${hidden(csrf)}<button class="second" name="do" value="secret">Make a new secret</button></form></section>`
    : undefined
}
<section><h2>Delete</h2><form method="post" action="${action}">${hidden(csrf)}<label for="confirm">Type the name to delete it, with everybody's sign-ins to it</label><input id="confirm" name="confirm" required autocomplete="off"><button class="second" name="do" value="delete">Delete application</button></form></section>
<p class="links"><a href="${APPLICATIONS_PATH}">All applications</a></p>`;
}

/** A secret, once. */
export function secretPage(o: {
  readonly what: string;
  readonly id: string | undefined;
  readonly secret: string | undefined;
}): Html {
  return html`<p class="message success" role="status">${o.what}</p><dl>${o.id === undefined ? undefined : html`<dt>Client ID</dt><dd><code>${o.id}</code></dd>`}${o.secret === undefined ? undefined : html`<dt>Secret</dt><dd><code>${o.secret}</code></dd>`}</dl>
${o.secret === undefined ? undefined : html`<p class="message">Copy it now: it is kept as a hash, and never shown again.</p>`}
<a class="button" href="${APPLICATIONS_PATH}">Done</a>`;
}
