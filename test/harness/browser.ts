/** A browser as far as sign-in needs one: cookies, forms, redirects that are looked at one by one. */

export interface Page {
  readonly status: number;
  readonly url: string;
  readonly location: string | undefined;
  readonly headers: Headers;
  readonly text: string;
}

export class Browser {
  readonly cookies: Map<string, string> = new Map();
  readonly #base: string;
  constructor(base: string) {
    this.#base = base;
  }

  async ask(
    method: string,
    path: string,
    o: { form?: Record<string, string>; json?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Page> {
    const url = new URL(path, this.#base).toString();
    const cookie = [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; ');
    const body =
      o.form === undefined
        ? o.json === undefined
          ? undefined
          : JSON.stringify(o.json)
        : new URLSearchParams(o.form).toString();
    const answer = await fetch(url, {
      method,
      redirect: 'manual',
      headers: {
        accept: 'text/html',
        ...(cookie === '' ? {} : { cookie }),
        ...(o.form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...(o.json === undefined
          ? {}
          : { 'content-type': 'application/json', accept: 'application/json' }),
        ...o.headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0\b/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return {
      status: answer.status,
      url,
      location: answer.headers.get('location') ?? undefined,
      headers: answer.headers,
      text: await answer.text(),
    };
  }

  /** Opens an address and follows its redirects. */
  async open(path: string, o: { headers?: Record<string, string> } = {}): Promise<Page> {
    let page = await this.ask('GET', path, o);
    for (let hops = 0; page.location !== undefined && hops < 10; hops++)
      page = await this.ask('GET', page.location);
    return page;
  }

  /** Submits the first form of a page that has the button, with what was typed, and follows the redirects. */
  async submit(page: Page, typed: Record<string, string>, button: [string, string]): Promise<Page> {
    const answer = await this.ask('POST', formAction(page), {
      form: { ...hiddenFields(page), ...typed, [button[0]]: button[1] },
    });
    return answer.location === undefined ? answer : this.open(answer.location);
  }
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}

/** Where the first form of a page goes. */
export function formAction({ text }: Page): string {
  const [, action] = /<form method="post" action="([^"]*)"/.exec(text) ?? [];
  if (action === undefined) throw new Error(`There is no form in: ${text.slice(0, 2_000)}`);
  return unescapeHtml(action);
}
/** The hidden fields of the first form of a page. */
export function hiddenFields({ text }: Page): Record<string, string> {
  const [form = ''] = /<form[\s\S]*?<\/form>/.exec(text) ?? [];
  const found = form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"[^>]*>/g);
  return Object.fromEntries([...found].map(([, k = '', v = '']) => [k, unescapeHtml(v)]));
}
