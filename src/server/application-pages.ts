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
  ['web', 'Web app with a server'],
  ['spa', 'Single-page app in a browser'],
  ['native', 'App on a device'],
];
const hidden = (csrf: string): Html =>
  html`<input type="hidden" name="csrf_token" value="${csrf}">`;
/** What is wrong with a form, and with which field of it, where that is known. */
export interface Mistake {
  readonly text: string;
  readonly field: string | undefined;
}
const FIELDS = ['name', 'callback', 'logout', 'origin', 'confirm', 'token-name'];
/** What is wrong with a whole form. */
const wrong = (mistake: Mistake | undefined): Html | undefined =>
  mistake === undefined || FIELDS.includes(mistake.field ?? '')
    ? undefined
    : html`<p class="message error" role="alert">${mistake.text}</p>`;

/** The attributes of a field that is described by a hint or by what is wrong with it, and the words for below it. */
function about(
  field: string,
  mistake: Mistake | undefined,
  hint?: string,
): { readonly attributes: Html; readonly below: Html | undefined } {
  const isWrong = mistake?.field === field;
  if (!isWrong && hint === undefined) return { attributes: html``, below: undefined };
  const invalid = isWrong ? html` aria-invalid="true" autofocus` : html``;
  const said = isWrong ? html`<p class="wrong">${mistake.text}</p>` : undefined;
  const words = hint === undefined ? undefined : html`<p class="hint">${hint}</p>`;
  return {
    attributes: html` aria-describedby="${field}-about"${invalid}`,
    below: html`<div id="${field}-about">${said}${words}</div>`,
  };
}

interface Lines {
  readonly field: string;
  readonly name: string;
  readonly label: string;
  readonly hint: string;
}
function lines(o: Lines, value: string, mistake: Mistake | undefined): Html {
  const { attributes, below } = about(o.field, mistake, o.hint);
  return html`<label for="${o.name}">${o.label}</label><textarea id="${o.name}" name="${o.name}" rows="2" spellcheck="false" autocapitalize="off"${attributes}>${value}</textarea>${below}`;
}
const CALLBACKS = {
  ...{ field: 'callback', name: 'callbacks', label: 'Callback addresses' },
  hint: 'Where people come back to after they signed in, such as https://app.example.org/callback; one a line.',
};
const LOGOUTS = {
  ...{ field: 'logout', name: 'logouts', label: 'Addresses after signing out' },
  hint: 'Where people may go on to after they signed out; one a line.',
};
const ORIGINS = {
  ...{ field: 'origin', name: 'origins', label: 'Web origins' },
  hint: 'Where scripts may call from, such as https://app.example.org; one a line.',
};
function fields(typed: Typed, isNew: boolean, mistake: Mistake | undefined): Html {
  const name = about('name', mistake);
  const options = TYPES.map(([value, words]) =>
    value === typed.type
      ? html`<option value="${value}" selected>${words}</option>`
      : html`<option value="${value}">${words}</option>`,
  );
  return html`<label for="name">Name</label><input id="name" name="name" value="${typed.name}" required maxlength="200" autocomplete="off"${name.attributes}>${name.below}
${isNew ? html`<label for="type">Kind</label><select id="type" name="type">${options}</select>` : undefined}
${lines(CALLBACKS, typed.callbacks, mistake)}
${lines(LOGOUTS, typed.logouts, mistake)}
${lines(ORIGINS, typed.origins, mistake)}`;
}

const kindOf = (type: string): string => TYPES.find(([t]) => t === type)?.[1] ?? 'Service';

/** The list, with the forms for a new application and a new authtoken. */
export function listPage(o: {
  readonly clients: readonly OidcClient[];
  readonly tokens: readonly Grant[];
  readonly csrf: string;
  readonly typed: Typed;
  readonly error: Mistake | undefined;
  readonly tokenError: Mistake | undefined;
}): Html {
  const apps = o.clients.map(
    (c) =>
      html`<li><a href="${APPLICATIONS_PATH}/${encodeURIComponent(c.id)}">${c.name}<span class="hint">${kindOf(c.type)} · ${c.id}</span></a></li>`,
  );
  const tokens = o.tokens.map(
    (t) =>
      html`<form class="row" method="post" action="${AUTHTOKENS_PATH}/${t.id}">${hidden(o.csrf)}<span>${t.name ?? ''} <span class="hint">until ${t.expiresAtMs === undefined ? 'revoked' : new Date(t.expiresAtMs).toISOString().slice(0, 10)}</span></span><button class="danger" name="do" value="revoke" aria-label="Revoke ${t.name ?? ''}">Revoke</button></form>`,
  );
  const token = about('token-name', o.tokenError, 'Where it is used, such as “deploy script”.');
  return html`<p>Applications that sign people in here. Each has a client ID, and a secret where it can keep one.</p>
${apps.length === 0 ? html`<p class="hint">You have none yet.</p>` : html`<ul class="rows">${apps}</ul>`}
<section><h2>New application</h2>${wrong(o.error)}<form method="post" action="${APPLICATIONS_PATH}">${hidden(o.csrf)}${fields(o.typed, true, o.error)}<button>Create application</button></form></section>
<section><h2>Authtokens</h2><p>With an authtoken a script or an agent manages your applications in place of you, and nothing else. It is no password, and ends when you revoke it.</p>${wrong(o.tokenError)}${tokens}
<form method="post" action="${AUTHTOKENS_PATH}">${hidden(o.csrf)}<label for="token-name">Name of a new authtoken</label><input id="token-name" name="name" required maxlength="128" autocomplete="off"${token.attributes}>${token.below}<button class="second">Create authtoken</button></form></section>
<p class="links"><a href="/ui/">Home</a></p>`;
}

/** One application. */
export function editPage(o: {
  readonly client: OidcClient;
  readonly csrf: string;
  readonly typed: Typed;
  readonly error: Mistake | undefined;
  readonly isSaved: boolean;
}): Html {
  const { client, csrf } = o;
  const action = `${APPLICATIONS_PATH}/${encodeURIComponent(client.id)}`;
  const confirm = about('confirm', o.error);
  return html`${o.isSaved ? html`<p class="message success" role="status">Saved.</p>` : undefined}<dl><dt>Client ID</dt><dd><code>${client.id}</code></dd><dt>Kind</dt><dd>${kindOf(client.type)}</dd></dl>
<section><h2>Addresses</h2>${wrong(o.error)}<form method="post" action="${action}">${hidden(csrf)}${fields(o.typed, false, o.error)}<button name="do" value="save">Save</button></form></section>
${
  client.hasSecret
    ? html`<section><h2>Secret</h2><p>A new secret replaces the one before at once: whoever uses the old one is refused.</p><form method="post" action="${action}">${hidden(csrf)}<button class="second" name="do" value="secret">Make a new secret</button></form></section>`
    : undefined
}
<section><h2>Delete</h2><p>Nobody can sign in to ${client.name} any more, and everybody's sign-ins to it end. This can't be undone.</p><form method="post" action="${action}">${hidden(csrf)}<label for="confirm">Its name, to confirm</label><input id="confirm" name="confirm" required autocomplete="off"${confirm.attributes}>${confirm.below}<button class="danger" name="do" value="delete">Delete application</button></form></section>
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

/** Another's application, or none. */
export function absentPage(): Html {
  return html`<p>You have no application at this address. It may have been deleted, or belong to somebody else.</p><a class="button" href="${APPLICATIONS_PATH}">Your applications</a>`;
}
