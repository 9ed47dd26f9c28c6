/** UI nodes as HTML: fields with their labels, hints and errors, buttons by rank, pictures and codes. Pure. */
import type { InputAttributes, UiNode, UiText } from '../ui/node.ts';
import { Html, html, safeUrl } from './html.ts';

/** What is to be typed, where the label alone leaves somebody guessing. */
const HINTS: Readonly<Record<string, string>> = {
  totp_code: 'The six digits that your authenticator app shows now.',
  lookup_secret: 'One of the codes that you kept. Each works once.',
};
/** Takes something away: it is no main action. */
const TAKES_AWAY = /_(unlink|disable|remove)$|^unlink$/;

export const isHidden = (n: UiNode): boolean =>
  n.attributes.node_type === 'input' && n.attributes.type === 'hidden';

/** Whether it is pressed and not filled in. */
export function isButton({ type }: InputAttributes): boolean {
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

/** A field with something to be mended. */
export const isWrong = (node: UiNode): boolean =>
  node.messages.some((m) => m.type === 'error') &&
  node.attributes.node_type === 'input' &&
  node.attributes.type !== 'hidden';

function labelOf({ meta }: UiNode, { name, value }: InputAttributes): string {
  return meta.label?.text ?? (valueText(value) || name);
}

function inputField(node: UiNode, a: InputAttributes, prefix: string, hasFocus: boolean): Html {
  const id = `${prefix}-${a.name.replace(/[^a-zA-Z0-9]+/g, '-')}`;
  const label = labelOf(node, a);
  const wrong = node.messages.filter((m) => m.type === 'error');
  const hint = HINTS[a.name];
  const described = node.messages.length === 0 && hint === undefined ? undefined : `${id}-about`;
  const about = html`<div id="${id}-about">${node.messages.map((m) => html`<p class="${m.type === 'error' ? 'wrong' : 'note'}">${m.text}</p>`)}${hint === undefined ? undefined : html`<p class="hint">${hint}</p>`}</div>`;
  const common = html`${attribute('aria-describedby', described)}${attribute('aria-invalid', wrong.length > 0 ? 'true' : undefined)}${flag('required', a.required === true)}${flag('disabled', a.disabled)}${flag('autofocus', hasFocus)}`;
  if (a.type === 'checkbox')
    return html`<label for="${id}"><input type="checkbox" id="${id}" name="${a.name}" value="true"${flag('checked', a.value === true)}${common}>${label}</label>${described === undefined ? undefined : about}`;
  const value = a.type === 'password' ? undefined : valueText(a.value) || undefined;
  const isCode = a.autocomplete === 'one-time-code';
  return html`<label for="${id}">${label}</label><input type="${a.type}" id="${id}" name="${a.name}"${attribute('value', value)}${attribute('autocomplete', a.autocomplete)}${attribute('pattern', a.pattern)}${attribute('maxlength', a.maxlength)}${attribute('inputmode', isCode ? 'numeric' : undefined)}${common}>${described === undefined ? undefined : about}`;
}

function rank(node: UiNode, { name }: InputAttributes, isFirst: boolean): Html {
  if (TAKES_AWAY.test(name)) return rawName(' class="danger"');
  return flag(
    'class="second"',
    !isFirst || node.group === 'oidc' || node.group === 'lookup_secret',
  );
}

function button(node: UiNode, a: InputAttributes, isFirst: boolean): Html {
  const label = labelOf(node, a);
  // The script shows it where the browser can do what is behind it.
  if (a.type === 'button')
    return html`<button type="button" name="${a.name}" value="${valueText(a.value)}" data-webauthn="${a.onclickTrigger ?? ''}" class="second" hidden>${label}</button><noscript><p class="hint">${label}: this needs JavaScript, which is off.</p></noscript><p class="wrong" role="status" data-webauthn-status></p>`;
  // A resend or a way back must not ask for the fields of the form first.
  const skips = a.name === 'email' || a.name === 'screen' || a.name === 'resend';
  return html`<button type="submit" name="${a.name}" value="${valueText(a.value)}"${rank(node, a, isFirst)}${flag('disabled', a.disabled)}${flag('formnovalidate', skips)}>${label}</button>`;
}

/** Codes to be kept stand in columns, so that they can be copied by hand. */
function shownText({ text, context }: UiText, label: string): Html {
  const secrets: unknown = context?.['secrets'];
  const list = Array.isArray(secrets) ? secrets : [];
  const codes = list.map((one: unknown) => String(Reflect.get(Object(one), 'text')));
  if (codes.length === 0)
    return html`<p><span class="label">${label}</span><span class="code">${text}</span></p>`;
  return html`<p class="label">${label}. Keep them where your password is not.</p><ul class="codes code">${codes.map((code) => html`<li>${code}</li>`)}</ul>`;
}

/** A node; `prefix` keeps the ids of several forms apart. */
export function shown(node: UiNode, prefix: string, isFirst: boolean, hasFocus: boolean): Html {
  const { attributes: a } = node;
  const label = node.meta.label?.text;
  switch (a.node_type) {
    case 'input':
      if (a.type === 'hidden') return hiddenInput(a);
      return isButton(a) ? button(node, a, isFirst) : inputField(node, a, prefix, hasFocus);
    case 'img':
      return html`<p><img class="qr" src="${safeUrl(a.src)}" width="${a.width}" height="${a.height}" alt="${label ?? ''}"></p>`;
    case 'text':
      return shownText(a.text, label ?? '');
    case 'a':
      return html`<a class="button" href="${safeUrl(a.href)}">${a.title.text}</a>`;
    case 'script':
      return html`<script src="${safeUrl(a.src)}" integrity="${a.integrity}" crossorigin="anonymous" async></script>`;
  }
}
