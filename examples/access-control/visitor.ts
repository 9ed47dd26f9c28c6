/**
 * A person in front of a browser, in plain requests: opens a page, fills in its form, follows where it leads, keeps
 * cookies. Each step says what was seen; one that sees something else ends the run.
 */
const APP = process.env['APP_URL'] ?? 'http://127.0.0.1:8080/';
const PASSWORD = 'a good long phrase';

interface Seen {
  readonly status: number;
  readonly html: string;
}

class Visitor {
  readonly email: string;
  readonly #cookies = new Map<string, string>();
  constructor(email: string) {
    this.email = email;
  }

  async #ask(method: 'GET' | 'POST', url: string, form?: URLSearchParams): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, {
      method,
      redirect: 'manual',
      headers: { accept: 'text/html', ...(cookie === '' ? {} : { cookie }) },
      ...(form === undefined ? {} : { body: form }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0\b/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const next = answer.headers.get('location');
    return next === null ? answer : this.#ask('GET', new URL(next, url).toString());
  }
  async #see(answer: Promise<Response>): Promise<Seen> {
    const { status } = await answer;
    return { status, html: plain(await (await answer).text()) };
  }

  open(url: string = APP): Promise<Seen> {
    return this.#see(this.#ask('GET', url));
  }
  /** Follows the link with these words. */
  async follow(page: Seen, words: string): Promise<Seen> {
    const [, url] = new RegExp(`<a [^>]*href="([^"]*)"[^>]*>${words}</a>`).exec(page.html) ?? [];
    if (url === undefined) throw new Error(`There is no link "${words}" on: ${page.html}`);
    return this.open(url);
  }
  /** Fills in the first form of a page and presses a button of it. */
  submit(page: Seen, typed: Record<string, string>, method: string): Promise<Seen> {
    const [form = '', action = ''] =
      /<form method="post" action="([^"]*)">[\s\S]*?<\/form>/.exec(page.html) ?? [];
    const hidden = form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g);
    const fields = Object.fromEntries([...hidden].map(([, name, value]) => [name, value]));
    const body = new URLSearchParams({ ...fields, ...typed, method });
    return this.#see(this.#ask('POST', action, body));
  }
  async register(): Promise<Seen> {
    const form = await this.follow(await this.open(), 'Create an account');
    const typed = { 'traits.email': this.email, password: PASSWORD };
    // One step or two, as the configuration has it.
    const next = await this.submit(
      form,
      typed,
      form.html.includes('type="password"') ? 'password' : 'profile',
    );
    return next.html.includes('name="password"') ? this.submit(next, typed, 'password') : next;
  }
  async login(): Promise<Seen> {
    const form = await this.follow(await this.open(), 'Sign in');
    return this.submit(form, { identifier: this.email, password: PASSWORD }, 'password');
  }
}

function plain(html: string): string {
  return html
    .replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
    .replaceAll('&amp;', '&');
}

function expect(what: string, seen: Seen, status: number, words: string): void {
  if (seen.status !== status || !seen.html.includes(words))
    throw new Error(`${what}: expected ${status} "${words}", saw ${seen.status}: ${seen.html}`);
  console.log(`  ✔ ${what}`);
}

const [email = 'minkin.andrew@gmail.com', ...steps] = process.argv.slice(2);
const visitor = new Visitor(email);
for (const step of steps) {
  if (step === 'opens') expect('is asked to sign in', await visitor.open(), 401, 'Please sign in');
  else if (step === 'registers-denied')
    expect(
      'registers, is known and denied',
      await visitor.register(),
      403,
      `${email} may not read`,
    );
  else if (step === 'logs-in')
    expect('signs in and is welcomed', await visitor.login(), 200, `Welcome, ${email}`);
  else if (step === 'is-welcomed')
    expect('is welcomed again', await visitor.open(), 200, 'You were here 2 times');
  else if (step === 'logs-out') {
    const left = await visitor.follow(await visitor.open(), 'Sign out');
    expect('signs out and is asked to sign in again', left, 401, 'Please sign in');
  } else throw new Error(`There is no step "${step}"`);
}
