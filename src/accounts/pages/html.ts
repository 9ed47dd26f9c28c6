/** HTML that escapes by default: a template's values are text unless they are HTML already. Pure. */

export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeText(value: string): string {
  return value.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c);
}

type Value = string | number | Html | readonly Html[] | undefined;

function textOf(value: Value): string {
  if (value === undefined) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map((v) => v.text).join('');
  return escapeText(String(value));
}

/** html`<p>${text}</p>`: attribute values must stand in double quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.map((part, i) => part + textOf(values[i])).join(''));
}

/** An address for `href` or `src`; anything but http(s), a path or an image of our own becomes `#`. */
export function safeUrl(url: string): string {
  if (/^(https?:\/\/|\/(?![/\\]))/i.test(url)) return url;
  return /^data:image\/png;base64,[A-Za-z0-9+/=]*$/.test(url) ? url : '#';
}
