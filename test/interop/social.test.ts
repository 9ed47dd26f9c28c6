/** Social sign-in in Chromium on our own pages. By Ory's own client: accounts-clients-social.ts. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChromium } from '../harness/chromium.ts';
import { has, missingPeers } from '../harness/peers.ts';
import { type SocialWorld, startSocialWorld } from '../harness/social-world.ts';

describe('social sign-in', () => {
  let social: SocialWorld;

  beforeAll(async () => {
    social = await startSocialWorld();
  }, 90_000);
  afterAll(() => social?.close(), 60_000);

  const missing = missingPeers({ chromium: has.program('chromium') });
  it.skipIf(missing.length > 0)(
    'takes a person to the provider and back by a button',
    async () => {
      const browser: Browser = await startChromium();
      try {
        social.provider.person = { sub: 'bea', email: 'bea@example.com' };
        const page = await browser.newPage();
        const faults: string[] = [];
        page.on('console', (m) => {
          if (m.type() === 'error') faults.push(m.text());
        });
        await page.goto(`${social.base}/self-service/login/browser`);
        await page.getByRole('button', { name: 'Sign in with the company' }).click();
        await page.waitForURL(`${social.base}/ui/`);
        expect(await page.textContent('main')).toContain('Signed in');
        expect(faults).toEqual([]);
      } finally {
        await browser.close();
      }
    },
    60_000,
  );
});
