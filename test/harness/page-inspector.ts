/**
 * Looks at a page as people with different eyes, hands and machines do: light and dark, narrow and wide, by keyboard, by
 * what a screen reader is told (axe), and without script. Each finding is a line of words.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const WIDTHS = [320, 1280] as const;
const SCHEMES = ['light', 'dark'] as const;
const WEIGHT_MAX = 50 * 1_000;
const TABS_MAX = 80;

// What runs inside of the page is text: this program knows no document.
const RUN = `axe.run({ runOnly: { type: 'tag', values: ${JSON.stringify(RULES)} } })`;
const OVER = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
const LOADED = `[...document.querySelectorAll('img[src],script[src],link[rel=stylesheet]')]
  .map((e) => e.getAttribute('src') ?? e.getAttribute('href') ?? '')`;
/** Numbers what can have the focus, and lets the next Tab begin at the top. */
const NUMBERED = `(() => {
  const focusable = 'a[href],button:enabled,input:not([type=hidden]):enabled,select,textarea';
  const shown = [...document.querySelectorAll(focusable)].filter((e) => e.getClientRects().length > 0);
  for (const [i, e] of shown.entries()) e.setAttribute('data-order', String(i));
  document.activeElement?.blur();
  getSelection()?.collapse(document.body, 0);
  return shown.length;
})()`;
interface Focused {
  readonly order: number;
  readonly isVisible: boolean;
  readonly what: string;
}
const FOCUSED = `(() => {
  const e = document.activeElement;
  if (e === null || e === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(e);
  return {
    order: Number(e.getAttribute('data-order') ?? Number.NaN),
    isVisible: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2,
    what: e.outerHTML.slice(0, 80),
  };
})()`;

export class PageInspector {
  readonly findings: string[] = [];
  readonly seen: string[] = [];
  readonly #shots: string | undefined;
  readonly #axe: BrowserContext;
  private constructor(axe: BrowserContext, shots: string | undefined) {
    this.#axe = axe;
    this.#shots = shots;
  }
  /** `shots` is a folder for pictures of every page. */
  static async open(browser: Browser, shots?: string): Promise<PageInspector> {
    return new PageInspector(await browser.newContext({ reducedMotion: 'reduce' }), shots);
  }
  close(): Promise<void> {
    return this.#axe.close();
  }

  /** Looks at what a page without script shows now. It stays as it is, but for where the keyboard is. */
  async look(name: string, page: Page): Promise<void> {
    this.seen.push(name);
    const say = (text: string): void => {
      this.findings.push(`${name}: ${text}`);
      if (this.#shots !== undefined)
        appendFileSync(join(this.#shots, 'findings.txt'), `${name}: ${text}\n`);
    };
    const html = await page.content();
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      const over = await page.evaluate<number>(OVER);
      if (over > 0) say(`at ${width} px it scrolls sideways by ${over}`);
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        if (this.#shots !== undefined)
          await page.screenshot({
            path: join(this.#shots, `${name}-${colorScheme}-${width}.png`),
            fullPage: true,
          });
      }
    }
    const bytes = await this.#weight(page, html);
    if (bytes > WEIGHT_MAX) say(`it weighs ${bytes} bytes`);
    await this.#byKeyboard(page, say);
    await this.#byAxe(page.url(), html, say);
  }

  /** The page with every image, script and style that it loads. */
  async #weight(page: Page, html: string): Promise<number> {
    const urls = await page.evaluate<string[]>(LOADED);
    const loaded = urls.filter((url) => !url.startsWith('data:'));
    const sizes = await Promise.all(
      loaded.map(async (url) => {
        const answer = await page.context().request.get(new URL(url, page.url()).toString());
        return (await answer.body()).length;
      }),
    );
    return sizes.reduce((sum, size) => sum + size, Buffer.byteLength(html));
  }

  /** Every control is reached in the order of the page, and shows that it is. */
  async #byKeyboard(page: Page, say: (text: string) => void): Promise<void> {
    const expected = await page.evaluate<number>(NUMBERED);
    const order: number[] = [];
    // Once round, with a step that leaves the page: it begins where the page put the focus.
    for (let i = 0; i <= Math.min(expected, TABS_MAX); i++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate<Focused | null>(FOCUSED);
      if (at === null) continue;
      order.push(at.order);
      if (!at.isVisible) say(`focus can't be seen on ${at.what}`);
    }
    const isInOrder = order.every((n, i) => i === 0 || n === ((order[i - 1] ?? 0) + 1) % expected);
    if (new Set(order).size !== expected || !isInOrder)
      say(`Tab goes ${order.join(' ')} of ${expected}`);
  }

  /** With script, since axe is one, under the page's own address. */
  async #byAxe(url: string, html: string, say: (text: string) => void): Promise<void> {
    const page = await this.#axe.newPage();
    try {
      await page.route('**/*', (route) =>
        route.request().isNavigationRequest()
          ? route.fulfill({ body: html, contentType: 'text/html; charset=utf-8' })
          : route.continue(),
      );
      await page.goto(url);
      await page.evaluate(AXE);
      for (const width of WIDTHS)
        for (const colorScheme of SCHEMES) {
          await page.setViewportSize({ width, height: 800 });
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          const results = await page.evaluate<AxeResults>(RUN);
          for (const { id, help, nodes } of results.violations)
            for (const { html: where, failureSummary } of nodes)
              say(`${colorScheme} ${width}: ${id} (${help}): ${where} ${failureSummary ?? ''}`);
        }
    } finally {
      await page.close();
    }
  }
}
