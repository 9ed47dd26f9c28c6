/** Debian's Chromium, driven as a person would. */
import { type Browser, chromium, type Page } from 'playwright-core';

const PROGRAM = '/usr/bin/chromium';

/** Starts one; certificates of our own CA are taken, since the browser of a test trusts nothing more. */
export function startChromium(): Promise<Browser> {
  // A test machine runs as root in a container, where Chromium's own sandbox can not be made.
  return chromium.launch({ executablePath: PROGRAM, args: ['--no-sandbox'] });
}

/** Fills the fields of a page by their names and presses a button by its words. */
export async function fillIn(
  page: Page,
  fields: Readonly<Record<string, string>>,
  button: string | RegExp,
): Promise<void> {
  for (const [name, value] of Object.entries(fields))
    await page.locator(`input[name="${name}"]`).first().fill(value);
  await page.getByRole('button', { name: button }).first().click();
  await page.waitForLoadState();
}
