/**
 * A flow as a page that works without JavaScript: labels, errors beside their fields, one form a method where fields must
 * not meet. Pure: nodes in, HTML out.
 */
import type { FlowKind } from '../flows/flow.ts';
import type { InputAttributes, NodeGroup, UiContainer, UiNode, UiText } from '../ui/node.ts';
import { Html, html, safeUrl } from './html.ts';
import { renderPage } from './page.ts';

export interface FlowPage {
  readonly id: string;
  readonly ui: UiContainer;
  readonly state: string;
  readonly isRefresh: boolean;
  readonly isSecondFactor: boolean;
  readonly returnTo: string | undefined;
}

export interface PageLinks {
  readonly login: string;
  readonly registration: string | undefined;
  readonly recovery: string | undefined;
  readonly home: string;
  readonly logout: string | undefined;
}

const TITLES: Readonly<Record<FlowKind, string>> = {
  login: 'Sign in',
  registration: 'Create an account',
  settings: 'Your account',
  recovery: 'Recover access',
  verification: 'Verify your address',
};
const SECTIONS: Readonly<Partial<Record<NodeGroup, string>>> = {
  profile: 'Profile',
  password: 'Password',
  totp: 'Authenticator app',
  lookup_secret: 'Backup recovery codes',
  webauthn: 'Security keys',
  passkey: 'Passkeys',
  oidc: 'Linked accounts',
  code: 'Code',
};

function titleOf(kind: FlowKind, flow: FlowPage): string {
  if (kind !== 'login') return TITLES[kind];
  if (flow.isSecondFactor) return 'One more step';
  return flow.isRefresh ? 'Confirm that it is you' : TITLES.login;
}

function message({ text, type }: UiText): Html {
  const role = type === 'error' ? 'alert' : 'status';
  return html`<p class="message ${type}" role="${role}">${text}</p>`;
}

function isButton({ type }: InputAttributes): boolean {
  return type === 'submit' || type === 'button';
}

function hiddenInput({ name, value, onloadTrigger }: InputAttributes): Html {
  return html`<input type="hidden" name="${name}" value="${valueText(value)}"${attribute('data-webauthn-load', onloadTrigger)}>`;
}
function valueText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}

function attribute(name: string, value: string | number | undefined): Html {
  return value === undefined ? html`` : html` ${rawName(name)}="${value}"`;
}
function rawName(name: string): Html {
  return new Html(name);
}
function flag(name: string, isOn: boolean): Html {
  return isOn ? rawName(` ${name}`) : html``;
}

const isWrong = (node: UiNode): boolean =>
  node.messages.some((m) => m.type === 'error') &&
  node.attributes.node_type === 'input' &&
  node.attributes.type !== 'hidden';

function inputField(node: UiNode, a: InputAttributes, prefix: string, hasFocus: boolean): Html {
  const id = `${prefix}-${a.name.replace(/[^a-zA-Z0-9]+/g, '-')}`;
  const label = node.meta.label?.text ?? a.name;
  const wrong = node.messages.filter((m) => m.type === 'error');
  const described = node.messages.length === 0 ? undefined : `${id}-about`;
  const about = html`<div id="${id}-about">${node.messages.map((m) => html`<p class="${m.type === 'error' ? 'wrong' : 'note'}">${m.text}</p>`)}</div>`;
  const common = html`${attribute('aria-describedby', described)}${attribute('aria-invalid', wrong.length > 0 ? 'true' : undefined)}${flag('required', a.required === true)}${flag('disabled', a.disabled)}${flag('autofocus', hasFocus)}`;
  if (a.type === 'checkbox')
    return html`<label for="${id}"><input type="checkbox" id="${id}" name="${a.name}" value="true"${flag('checked', a.value === true)}${common}>${label}</label>${described === undefined ? undefined : about}`;
  const value = a.type === 'password' ? undefined : valueText(a.value) || undefined;
  const isCode = a.autocomplete === 'one-time-code';
  return html`<label for="${id}">${label}</label><input type="${a.type}" id="${id}" name="${a.name}"${attribute('value', value)}${attribute('autocomplete', a.autocomplete)}${attribute('pattern', a.pattern)}${attribute('maxlength', a.maxlength)}${attribute('inputmode', isCode ? 'numeric' : undefined)}${common}>${described === undefined ? undefined : about}`;
}

function button(node: UiNode, a: InputAttributes, isFirst: boolean): Html {
  const label = node.meta.label?.text ?? valueText(a.value);
  // The script shows it where the browser can do what is behind it.
  if (a.type === 'button')
    return html`<button type="button" name="${a.name}" value="${valueText(a.value)}" data-webauthn="${a.onclickTrigger ?? ''}" class="second" hidden>${label}</button><noscript><p class="note">${label}: this needs JavaScript.</p></noscript><p class="wrong" role="status" data-webauthn-status></p>`;
  // A resend or a way back must not ask for the fields of the form first.
  const skips = a.name === 'email' || a.name === 'screen' || a.name === 'resend';
  return html`<button type="submit" name="${a.name}" value="${valueText(a.value)}"${flag('class="second"', !isFirst || node.group === 'oidc')}${flag('disabled', a.disabled)}${flag('formnovalidate', skips)}>${label}</button>`;
}

function shown(node: UiNode, prefix: string, isFirst: boolean, hasFocus: boolean): Html {
  const { attributes: a } = node;
  const label = node.meta.label?.text;
  switch (a.node_type) {
    case 'input':
      if (a.type === 'hidden') return hiddenInput(a);
      return isButton(a) ? button(node, a, isFirst) : inputField(node, a, prefix, hasFocus);
    case 'img':
      return html`<p><img src="${safeUrl(a.src)}" width="${a.width}" height="${a.height}" alt="${label ?? ''}"></p>`;
    case 'text':
      return html`<p><span class="label">${label ?? ''}</span><span class="code">${a.text.text}</span></p>`;
    case 'a':
      return html`<a class="button" href="${safeUrl(a.href)}">${a.title.text}</a>`;
    case 'script':
      return html`<script src="${safeUrl(a.src)}" integrity="${a.integrity}" crossorigin="anonymous" async></script>`;
  }
}

function form(flow: FlowPage, nodes: readonly UiNode[], prefix: string): Html {
  let hasFirst = false;
  // Who must mend something starts there, with a keyboard or a screen reader too.
  const focused = flow.ui.nodes.find(isWrong);
  const body = nodes.map((node) => {
    const isSubmit = node.attributes.node_type === 'input' && isButton(node.attributes);
    const isFirst = isSubmit && !hasFirst;
    if (isSubmit) hasFirst = true;
    return shown(node, prefix, isFirst, node === focused);
  });
  if (nodes.every((n) => n.attributes.node_type !== 'input')) return html`${body}`;
  return html`<form method="post" action="${safeUrl(flow.ui.action)}">${body}</form>`;
}

const isHidden = (n: UiNode): boolean =>
  n.attributes.node_type === 'input' && n.attributes.type === 'hidden';

/** The groups in the order in which they came, the default one apart. */
function groups(nodes: readonly UiNode[]): [NodeGroup, UiNode[]][] {
  const found = new Map<NodeGroup, UiNode[]>();
  for (const node of nodes)
    if (node.group !== 'default') found.set(node.group, [...(found.get(node.group) ?? []), node]);
  return [...found];
}

function settingsForms(flow: FlowPage): Html {
  const shared = flow.ui.nodes.filter((n) => n.group === 'default');
  return html`${groups(flow.ui.nodes).map(
    ([group, nodes]) =>
      html`<section aria-labelledby="s-${group}"><h2 id="s-${group}">${SECTIONS[group] ?? group}</h2>${form(flow, [...shared, ...nodes], group)}</section>`,
  )}`;
}

/** Methods that need no password and no field but those of all: a form of their own, under a line that says "or". */
function signInForms(kind: FlowKind, flow: FlowPage): Html {
  const { nodes } = flow.ui;
  const shared = nodes.filter((n) => n.group === 'default');
  const own = groups(nodes);
  const lonely: readonly NodeGroup[] = ['oidc', 'totp', 'lookup_secret'];
  const apart = own.filter(
    // A passkey knows whose it is; a new one has to be told who registers.
    ([group]) => lonely.includes(group) || (group === 'passkey' && kind === 'login'),
  );
  const together = own.filter((entry) => !apart.includes(entry)).flatMap(([, list]) => list);
  const hidden = shared.filter(isHidden);
  const forms = [
    ...(together.length > 0 ? [form(flow, [...shared, ...together], 'main')] : []),
    ...apart.map(([group, list]) => form(flow, [...hidden, ...list], group)),
  ];
  // Passkeys and providers are one list of buttons.
  const isListed = (i: number): boolean => {
    const before = apart.length - forms.length + i - 1;
    return apart[before]?.[0] === 'passkey' && apart[before + 1]?.[0] === 'oidc';
  };
  return html`${forms.map((f, i) => (i === 0 || isListed(i) ? f : html`<p class="or">or</p>${f}`))}`;
}

function linksOf(kind: FlowKind, flow: FlowPage, links: PageLinks): Html {
  const list: Html[] = [];
  const add = (url: string | undefined, text: string): void => {
    if (url !== undefined) list.push(html`<a href="${safeUrl(url)}">${text}</a>`);
  };
  if (kind === 'login' && flow.isSecondFactor) add(links.logout, 'Sign out');
  else if (kind === 'login') {
    add(links.registration, 'Create an account');
    add(links.recovery, 'Forgot your password?');
  } else if (kind === 'settings') {
    add(links.home, 'Home');
    add(links.logout, 'Sign out');
  } else add(links.login, kind === 'registration' ? 'Sign in instead' : 'Back to sign in');
  return list.length === 0
    ? html``
    : html`<nav class="links" aria-label="Other ways">${list}</nav>`;
}

/** A flow's page. */
export function renderFlow(
  kind: FlowKind,
  flow: FlowPage,
  o: { readonly brand: string; readonly links: PageLinks },
): string {
  const said = html`${(flow.ui.messages ?? []).map(message)}`;
  const forms = kind === 'settings' ? settingsForms(flow) : signInForms(kind, flow);
  const body = html`${said}${forms}${linksOf(kind, flow, o.links)}`;
  return renderPage({
    title: titleOf(kind, flow),
    hasError:
      (flow.ui.messages ?? []).some((m) => m.type === 'error') || flow.ui.nodes.some(isWrong),
    brand: o.brand,
    body,
    isWide: kind === 'settings',
  });
}

/** The page of an error, with what to do next. */
export function renderError(
  error: { readonly code: number; readonly reason: string; readonly message: string },
  o: { readonly brand: string; readonly home: string },
): string {
  const body = html`<p class="message error" role="alert">${error.reason || error.message}</p>
<a class="button" href="${safeUrl(o.home)}">Back to the start</a>`;
  return renderPage({ title: 'That did not work', brand: o.brand, body });
}

/** Where nobody is sent elsewhere: who is signed in, and what they can do. */
export function renderWelcome(
  who: { readonly name: string; readonly since: string; readonly until: string } | undefined,
  o: { readonly brand: string; readonly links: PageLinks; readonly settings: string },
): string {
  if (who === undefined)
    return renderPage({
      title: 'You are signed out',
      brand: o.brand,
      body: html`<a class="button" href="${safeUrl(o.links.login)}">Sign in</a>${
        o.links.registration === undefined
          ? undefined
          : html`<a class="button second" href="${safeUrl(o.links.registration)}">Create an account</a>`
      }`,
    });
  const body = html`<dl><dt>Account</dt><dd>${who.name}</dd><dt>Signed in</dt><dd>${who.since}</dd><dt>Until</dt><dd>${who.until}</dd></dl>
<a class="button" href="${safeUrl(o.settings)}">Your account</a><a class="button second" href="/ui/sessions">Where you are signed in</a><a class="button second" href="/ui/applications">Your applications</a>${
    o.links.logout === undefined
      ? undefined
      : html`<a class="button second" href="${safeUrl(o.links.logout)}">Sign out</a>`
  }`;
  return renderPage({ title: 'You are signed in', brand: o.brand, body });
}
