import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { input, submit, type UiContainer } from '../ui/node.ts';
import { createBrand } from './brand.ts';
import { renderFlow } from './flow-page.ts';
import { html, safeUrl } from './html.ts';

describe('a page', () => {
  it('shows text as text, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { text: page } = html`<p title="${text}">${text}</p>`;
        expect(page.match(/[<>]/g)).toHaveLength(4);
        expect(page.match(/"/g)).toHaveLength(2);
      }),
    );
  });
  it.each([
    'javascript:alert(1)',
    'JAVASCRIPT:x',
    '//evil.example',
    '/\\evil',
    'data:text/html,x',
    '',
  ])('leads nowhere for %j', (url) => expect(safeUrl(url)).toBe('#'));
  it('labels every field, and puts errors beside it', () => {
    const wrong = { id: 4000005, text: 'too <short>', type: 'error' } as const;
    const field = input(
      'password',
      { name: 'password', type: 'password', required: true },
      { id: 1070001, text: 'Password', type: 'info' },
    );
    const ui: UiContainer = {
      action: 'https://id.example/self-service/login?flow=1&x=2',
      method: 'POST',
      nodes: [
        { ...field, messages: [wrong] },
        submit('password', 'method', 'password', { id: 1010022, text: 'Sign in', type: 'info' }),
      ],
    };
    const links = {
      login: '/l',
      registration: '/r',
      recovery: undefined,
      home: '/',
      logout: undefined,
    };
    const page = renderFlow(
      'login',
      {
        id: '1',
        ui,
        state: 'choose_method',
        isRefresh: false,
        isSecondFactor: false,
        returnTo: undefined,
      },
      { brand: createBrand('id.example'), links },
    );
    expect(page).toContain('<label for="main-password">Password</label>');
    expect(page).toContain('aria-invalid="true"');
    expect(page).toContain('aria-describedby="main-password-about"');
    expect(page).toContain('too &lt;short&gt;');
    expect(page).toContain('flow=1&amp;x=2');
    expect(page).not.toContain('<script');
  });
});
