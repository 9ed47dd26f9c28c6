/**
 * Where in an HTML text a value is about to be written, so that it is escaped for just that place. Pure: a state and the
 * literal text that follows give the next state; a value never changes it. The states are a coarse reading of the HTML
 * standard's tokenizer (html.spec.whatwg.org §13.2.5), as far as mails need it.
 *
 * Places where no escaping of ours is safe (scripts, styles, event handlers, values without quotes) are refused when a
 * template is loaded; see check.ts.
 */

type Place =
  | 'text'
  /** After a `<` that ends a literal text: what follows decides whether a tag begins. */
  | 'tag-open'
  | 'comment'
  /** Of script, style: no escaping fits. */
  | 'raw'
  | 'tag-name'
  | 'tag'
  | 'attribute-name'
  | 'after-name'
  | 'before-value'
  | 'quoted'
  | 'unquoted';

/** How much of a URL is written: nothing, perhaps a scheme, past the scheme, past the `?`. */
type UrlPart = 'none' | 'start' | 'scheme' | 'path' | 'query';

export interface HtmlState {
  readonly place: Place;
  /** Of a tag: its lower-case name, with `/` for an end tag; of `raw` the element. */
  readonly tag: string;
  readonly attribute: string;
  readonly quote: string;
  readonly url: UrlPart;
  /** The end of the literal text so far that may begin a mark (`<!--`, `-->`, `</script`) with what follows. */
  readonly tail: string;
}

export const HTML_START: HtmlState = {
  place: 'text',
  tag: '',
  attribute: '',
  quote: '',
  url: 'none',
  tail: '',
};

const URL_ATTRIBUTES = new Set(
  'href src action formaction cite poster background longdesc data xlink:href'.split(' '),
);
const RAW_ELEMENTS = new Set(['script', 'style', 'xmp', 'iframe', 'noembed', 'noframes']);

function nextUrlPart(part: UrlPart, text: string): UrlPart {
  if (part === 'none' || part === 'query' || text === '') return part;
  if (/[?#]/u.test(text)) return 'query';
  if (part === 'path' || /[:/]/u.test(text)) return 'path';
  return 'scheme';
}

/** One step: the state after some of `text` from `at`, and how far it went; where that is nowhere, the state differs. */
function step(state: HtmlState, text: string, at: number): { state: HtmlState; at: number } {
  const to = (place: Place, extra: Partial<HtmlState> = {}): HtmlState => ({
    ...state,
    place,
    ...extra,
  });
  const until = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.index ?? text.length;
  };
  const character = text[at] ?? '';
  switch (state.place) {
    case 'text':
    case 'tag-open': {
      if (text.startsWith('<!--', at)) return { state: to('comment'), at: at + 2 };
      if (/^<(?:!-?)?$/u.test(text.slice(at, at + 4)))
        return { state: to('tag-open', { tail: text.slice(at) }), at: text.length };
      const isEnd = text[at + 1] === '/';
      if (character === '<' && /[a-z/!?]/iu.test(text[at + 1] ?? ''))
        return { state: to('tag-name', { tag: isEnd ? '/' : '' }), at: at + (isEnd ? 2 : 1) };
      const next = text.indexOf('<', at + 1);
      return { state: to('text'), at: next < 0 ? text.length : next };
    }
    case 'comment': {
      // `<!-->` is a whole comment, and `--!>` ends one too.
      const end = until(/--!?>/gu);
      if (end < text.length) return { state: to('text'), at: text.indexOf('>', end) + 1 };
      return { state: to('comment', { tail: text.slice(Math.max(at, text.length - 3)) }), at: end };
    }
    case 'raw': {
      const end = until(new RegExp(`</${state.tag}(?=[\\s/>])`, 'giu'));
      if (end === text.length)
        return { state: to('raw', { tail: text.slice(-state.tag.length - 2) }), at: end };
      return { state: to('tag-name', { tag: '/' }), at: end + 2 };
    }
    case 'tag-name': {
      const end = until(/[\s/>]/gu);
      if (end === at) return { state: to('tag'), at };
      const tag = state.tag + text.slice(at, end).toLowerCase();
      return { state: to('tag-name', { tag: tag.slice(0, 64) }), at: end };
    }
    case 'tag': {
      if (character === '>') {
        const isRaw = RAW_ELEMENTS.has(state.tag);
        return { state: isRaw ? to('raw') : { ...HTML_START }, at: at + 1 };
      }
      if (/[\s/]/u.test(character)) return { state, at: at + 1 };
      return { state: to('attribute-name', { attribute: '' }), at };
    }
    case 'attribute-name': {
      const end = until(/[\s=>/]/gu);
      if (end === at) return { state: to('after-name'), at };
      const attribute = state.attribute + text.slice(at, end).toLowerCase();
      return { state: to('attribute-name', { attribute: attribute.slice(0, 64) }), at: end };
    }
    case 'after-name': {
      if (/\s/u.test(character)) return { state, at: at + 1 };
      if (character === '=') return { state: to('before-value'), at: at + 1 };
      return { state: to('tag'), at };
    }
    case 'before-value': {
      if (/\s/u.test(character)) return { state, at: at + 1 };
      if (character === '>') return { state: to('tag'), at };
      const url = URL_ATTRIBUTES.has(state.attribute) ? 'start' : 'none';
      if (character === '"' || character === "'")
        return { state: to('quoted', { quote: character, url }), at: at + 1 };
      return { state: to('unquoted', { url }), at };
    }
    case 'quoted': {
      const end = text.indexOf(state.quote, at);
      if (end === at) return { state: to('tag', { url: 'none' }), at: at + 1 };
      const stop = end < 0 ? text.length : end;
      return {
        state: to('quoted', { url: nextUrlPart(state.url, text.slice(at, stop)) }),
        at: stop,
      };
    }
    case 'unquoted': {
      const end = until(/[\s>]/gu);
      if (end === at) return { state: to('tag', { url: 'none' }), at };
      return { state, at: end };
    }
  }
}

/** The state after literal text. Linear in its length. */
export function afterText(state: HtmlState, text: string): HtmlState {
  let current: HtmlState = { ...state, tail: '' };
  const whole = state.tail + text;
  for (let at = 0; at < whole.length; ) ({ state: current, at } = step(current, whole, at));
  return current;
}

/** Whether two states are one, for branches that must meet again. What is only known when a value is
 * written may differ: how much of a URL there is, and the tail. */
export function isSameState(a: HtmlState, b: HtmlState): boolean {
  const keyOf = (s: HtmlState): string => [s.place, s.tag, s.attribute, s.quote].join('\0');
  return keyOf(a) === keyOf(b);
}

/** Why no value can be written here; undefined where one can. */
export function refusalOf(state: HtmlState): string | undefined {
  const { place, attribute, tag } = state;
  if (place === 'raw') return `A value can not stand within <${tag}>`;
  if (place === 'unquoted' || place === 'before-value')
    return 'Put quotes around the value of the attribute';
  if (place !== 'text' && place !== 'comment' && place !== 'quoted')
    return 'A value can not stand within a tag, only in the quoted value of an attribute';
  if (place === 'quoted' && /^(?:on.*|style|srcdoc|srcset)$/u.test(attribute))
    return `A value can not stand within the attribute ${attribute}`;
  return undefined;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  '`': '&#96;',
  '\0': '\uFFFD',
};
const entities = (text: string): string =>
  text.replace(/[&<>"'`\0]/gu, (character) => ENTITIES[character] ?? '');

const SAFE_SCHEME = /^(?:https?|mailto|tel):/iu;
const anyScheme = (text: string): boolean => /^[^/?#]*:/u.test(text);

function urlText(part: UrlPart, value: string): string {
  const text = value.trim().toWellFormed();
  if (part === 'query') return encodeURIComponent(text);
  if (part === 'start' && anyScheme(text) && !SAFE_SCHEME.test(text)) return '#';
  // What is encoded already stays as it is.
  const encoded = encodeURI(text).replaceAll('%25', '%');
  return part === 'scheme' ? encoded.replaceAll(':', '%3A') : encoded;
}

/** A value as it is written in this state, and the state after it. */
export function escapeFor(state: HtmlState, value: string): { text: string; state: HtmlState } {
  if (value === '') return { text: '', state };
  // A dash could end a comment together with the text around it.
  if (state.place === 'comment')
    return { text: entities(value).replaceAll('-', '&#45;'), state: { ...state, tail: '' } };
  if (state.place !== 'quoted' || state.url === 'none') return { text: entities(value), state };
  const text = urlText(state.url, value);
  return { text: entities(text), state: { ...state, url: nextUrlPart(state.url, text) } };
}
