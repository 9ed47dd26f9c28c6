/**
 * A flow as a page that works without JavaScript: labels, errors beside their fields, one form a method where fields must
 * not meet. Pure: nodes in, HTML out.
 */
import type { FlowKind } from '../flows/flow.ts';
import { LABEL } from '../ui/message.ts';
import type { NodeGroup, UiContainer, UiNode, UiText } from '../ui/node.ts';
import type { Brand } from './brand.ts';
import { type Html, html, safeUrl } from './html.ts';
import { isButton, isHidden, isWrong, shown } from './node-html.ts';
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

/** What a section is for, where its heading does not say it. */
const PURPOSES: Readonly<Partial<Record<NodeGroup, string>>> = {
  password: 'Set a new one here.',
  totp: 'A second step when you sign in: a code from an app on your phone.',
  lookup_secret: 'For when your second step is out of reach. Each code gets you in once.',
  webauthn: 'A second step when you sign in: a key that you plug in or hold to your device.',
  passkey: 'Sign in by fingerprint, face or PIN of your device, without a password.',
  oidc: 'Sign in with an account that you have elsewhere.',
};
/** Said of a whole flow, and yet about one field, by its name: they stand beside it. */
const ABOUT_FIELD: ReadonlyMap<number, string> = new Map([
  [4060006, 'code'],
  [4070006, 'code'],
  [4000008, 'totp_code'],
  [4000012, 'lookup_secret'],
  [4000016, 'lookup_secret'],
]);
/** Said by the title already. */
const TITLE_SAYS = new Set([1010003, 1010004]);

function titleOf(kind: FlowKind, flow: FlowPage): string {
  if (kind !== 'login') return TITLES[kind];
  if (flow.isSecondFactor) return 'One more step';
  return flow.isRefresh ? 'Confirm that it is you' : TITLES.login;
}

function message({ text, type }: UiText): Html {
  const role = type === 'error' ? 'alert' : 'status';
  return html`<p class="message ${type}" role="${role}">${text}</p>`;
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

/** The groups in the order in which they came, the default one apart. */
function groups(nodes: readonly UiNode[]): [NodeGroup, UiNode[]][] {
  const found = new Map<NodeGroup, UiNode[]>();
  for (const node of nodes)
    if (node.group !== 'default') found.set(node.group, [...(found.get(node.group) ?? []), node]);
  return [...found];
}

function purpose(group: NodeGroup): Html {
  const text = PURPOSES[group];
  return text === undefined ? html`` : html`<p class="hint">${text}</p>`;
}

function settingsForms(flow: FlowPage): Html {
  const shared = flow.ui.nodes.filter((n) => n.group === 'default');
  return html`${groups(flow.ui.nodes).map(
    ([group, nodes]) =>
      html`<section aria-labelledby="s-${group}"><h2 id="s-${group}">${SECTIONS[group] ?? group}</h2>${purpose(group)}${form(flow, [...shared, ...nodes], group)}</section>`,
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

/** What is wrong with a field, moved from the head of the page to it. */
function besideField(flow: FlowPage): FlowPage {
  const all = flow.ui.messages ?? [];
  const isOf = (n: UiNode, { id }: UiText): boolean =>
    n.attributes.node_type === 'input' && n.attributes.name === ABOUT_FIELD.get(id) && !isHidden(n);
  const moved = all.filter((m) => flow.ui.nodes.some((n) => isOf(n, m)));
  if (moved.length === 0) return flow;
  const nodes = flow.ui.nodes.map((n) => ({
    ...n,
    messages: [...n.messages, ...moved.filter((m) => isOf(n, m))],
  }));
  return {
    ...flow,
    ui: { ...flow.ui, nodes, messages: all.filter((m) => !moved.includes(m)) },
  };
}

/** A form that asks for an address has one button, which sends something: it says what, where Kratos says "Continue". */
function sending(kind: FlowKind, flow: FlowPage): FlowPage {
  const isAsking = flow.ui.nodes.some((n) => isInput(n, 'email', 'email'));
  if ((kind !== 'recovery' && kind !== 'verification') || !isAsking) return flow;
  const nodes = flow.ui.nodes.map((n) => {
    if (!isInput(n, 'method', 'submit')) return n;
    const text = flow.state === 'sent_email' ? `Send the ${n.group} again` : `Send a ${n.group}`;
    return { ...n, meta: { label: { ...LABEL.continue, text } } };
  });
  return { ...flow, ui: { ...flow.ui, nodes } };
}
function isInput({ attributes }: UiNode, name: string, type: string): boolean {
  return attributes.node_type === 'input' && attributes.name === name && attributes.type === type;
}

/** What the one button of a mailed link does: a page with nothing else explains itself. */
function aboutLink(kind: FlowKind, { ui }: FlowPage): Html | undefined {
  const isOpened = ui.nodes.some((n) => isInput(n, 'token', 'hidden'));
  if (!isOpened || (ui.messages ?? []).length > 0) return undefined;
  return kind === 'recovery'
    ? html`<p>Continue signs you in, so that you can set a new password.</p>`
    : html`<p>Continue verifies that the address is yours.</p>`;
}

/** A flow's page. */
export function renderFlow(
  kind: FlowKind,
  given: FlowPage,
  o: {
    readonly brand: Brand;
    readonly links: PageLinks;
    /** The application or host that somebody goes on to. */
    readonly destination?: string | undefined;
  },
): string {
  const flow = sending(kind, besideField(given));
  const said = html`${(flow.ui.messages ?? []).filter(({ id }) => !TITLE_SAYS.has(id)).map(message)}`;
  const forms = kind === 'settings' ? settingsForms(flow) : signInForms(kind, flow);
  const to =
    o.destination === undefined
      ? undefined
      : html`<p class="to">to go on to <strong>${o.destination}</strong></p>`;
  const body = html`${to}${said}${aboutLink(kind, flow)}${forms}${linksOf(kind, flow, o.links)}`;
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
  o: { readonly brand: Brand; readonly home: string },
): string {
  const body = html`<p class="message error" role="alert">${error.reason || error.message}</p>
<a class="button" href="${safeUrl(o.home)}">Back to the start</a>`;
  return renderPage({ title: 'That did not work', brand: o.brand, body });
}

/** Where nobody is sent elsewhere: who is signed in, and what they can do. */
export function renderWelcome(
  who:
    | {
        readonly name: string;
        readonly since: string;
        readonly until: string;
        /** An address that nobody proved yet, with where that is done. */
        readonly unverified?: { readonly address: string; readonly url: string } | undefined;
      }
    | undefined,
  o: { readonly brand: Brand; readonly links: PageLinks; readonly settings: string },
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
  const body = html`<dl class="facts"><dt>Account</dt><dd>${who.name}</dd><dt>Signed in</dt><dd>${who.since}</dd><dt>Until</dt><dd>${who.until}</dd></dl>
${
  who.unverified === undefined
    ? undefined
    : html`<p>Your address ${who.unverified.address} is not verified yet. <a href="${safeUrl(who.unverified.url)}">Verify it</a></p>`
}<ul class="rows"><li><a href="${safeUrl(o.settings)}">Your account</a></li><li><a href="/ui/sessions">Where you are signed in</a></li><li><a href="/ui/applications">Your applications</a></li></ul>${
    o.links.logout === undefined
      ? undefined
      : html`<a class="button second" href="${safeUrl(o.links.logout)}">Sign out</a>`
  }`;
  return renderPage({ title: 'You are signed in', brand: o.brand, body });
}
