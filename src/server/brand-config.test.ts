/** `accounts.brand`: what is taken from the file and the environment, and every refusal, which names the key. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrand, html, pageHeaders, renderPage } from '../accounts/index.ts';
import { PosternError } from '../kernel/index.ts';
import { loadServerConfig, type ServerConfig } from './config.ts';

const SVG = '<?xml version="1.0"?>\n<!-- a logo -->\n<svg xmlns="http://www.w3.org/2000/svg"/>';
const PNG = Buffer.from('89504e470d0a1a0a0000', 'hex');
let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'postern-brand-'));
  const logos = { 'logo.svg': SVG, 'logo.png': PNG, 'logo.gif': 'GIF89a', 'empty.png': '' };
  for (const [name, bytes] of Object.entries({ ...logos, 'huge.png': Buffer.alloc(32 * 1024 + 1) }))
    writeFileSync(join(home, name), bytes);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function load(brand: unknown, env: NodeJS.ProcessEnv = {}): ServerConfig['brand'] {
  writeFileSync(join(home, 'server.yaml'), JSON.stringify({ accounts: { brand } }));
  return loadServerConfig({ env: { POSTERN_SERVER_HOME: home, ...env } }).brand;
}

describe('a brand', () => {
  it('is none where nothing is said of one', () => expect(load({})).toBeUndefined());
  it('is read from the file, with a logo beside it', () => {
    const brand = load({
      ...{ name: ' Northwind ', logo: './logo.svg', logo_dark: 'logo.png' },
      accent: { light: '#0A6B3D' },
      ...{ support: 'help@northwind.example', privacy_url: 'https://northwind.example/p' },
      ...{ corners: 'square', font: 'serif' },
    });
    expect(brand).toMatchObject({
      name: 'Northwind',
      logo: { type: 'image/svg+xml', path: expect.stringMatching(/^\/ui\/brand\/\w{16}\.svg$/) },
      logoDark: { type: 'image/png', bytes: PNG },
      accent: { light: '#0a6b3d', dark: undefined },
      supportUrl: 'mailto:help@northwind.example',
      ...{ privacyUrl: 'https://northwind.example/p', termsUrl: undefined },
      ...{ corners: 'square', font: 'serif' },
    });
  });
  it('takes the environment over the file', () => {
    const env = {
      POSTERN_ACCOUNTS_BRAND_NAME: 'Env',
      POSTERN_ACCOUNTS_BRAND_ACCENT_DARK: '#8fb0ff',
      POSTERN_ACCOUNTS_BRAND_LOGO: `data:image/png;base64,${PNG.toString('base64')}`,
    };
    expect(load({ name: 'File', logo: 'none.svg' }, env)).toMatchObject({
      ...{ name: 'Env', accent: { dark: '#8fb0ff' }, logo: { bytes: PNG } },
    });
  });
  it('takes a data: URL that is escaped in place of base64', () => {
    const logo = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(SVG)}`;
    expect(load({ logo })?.logo?.bytes.toString()).toBe(SVG);
  });

  it.each<[string, unknown, string, RegExp]>([
    ['a name that is empty', { name: ' ' }, 'name', /1 to 60/],
    ['a name that is long', { name: 'x'.repeat(61) }, 'name', /1 to 60/],
    ['a name of two lines', { name: 'a\nBcc: b' }, 'name', /not seen/],
    ['a name that turns around', { name: 'a\u202eb' }, 'name', /not seen/],
    ['a logo that is not there', { logo: 'none.svg' }, 'logo', /can't be read \(ENOENT\)/],
    ['a logo that is a folder', { logo: '.' }, 'logo', /can't be read/],
    ['a logo that is too large', { logo: 'huge.png' }, 'logo', /more than 32768/],
    ['a logo of another kind', { logo: 'logo.gif' }, 'logo', /no PNG, SVG, WebP or JPEG/],
    ['a logo that is empty', { logo: 'empty.png' }, 'logo', /no PNG/],
    ['a data: URL of a page', { logo: 'data:text/html,<svg>' }, 'logo', /no data: URL of an image/],
    ['a data: URL that is cut', { logo: 'data:image/png;base64' }, 'logo', /no data: URL/],
    ['a page under an image’s name', { logo: 'data:image/svg+xml,<html><svg>' }, 'logo', /no PNG/],
    ['a colour by name', { accent: { light: 'red' } }, 'accent.light', /"red" is no colour/],
    ['CSS in a colour', { accent: { light: '#fff;}*{}' } }, 'accent.light', /is no colour/],
    [
      'pale on white',
      { accent: { light: '#ffcc00' } },
      'accent.light',
      /of 1\.4\d with #f6f7f8.*"#8a6e00"/,
    ],
    [
      'dark on dark',
      { accent: { dark: '#2455c3' } },
      'accent.dark',
      /of 2\.\d\d with #171a1f.*"#\w{6}"/,
    ],
    ['support that is no address', { support: 'call us' }, 'support', /no e-mail address/],
    ['support with headers', { support: 'a@b.example?bcc=c@d.example' }, 'support', /no e-mail/],
    ['a script for a link', { terms_url: 'javascript:alert(1)' }, 'terms_url', /no https address/],
    ['a link in the clear', { privacy_url: 'http://a.example/' }, 'privacy_url', /no https/],
    ['a link with a password', { terms_url: 'https://u:p@a.example/' }, 'terms_url', /no https/],
    ['corners that are not known', { corners: '3px' }, 'corners', /none of square, soft, round/],
    ['a font that is not known', { font: 'Comic Sans' }, 'font', /none of system, humanist/],
  ])('is refused for %s', (_, brand, key, why) => {
    const path = join(home, 'server.yaml');
    const refused = (): unknown => load(brand);
    expect(refused).toThrow(PosternError);
    expect(refused).toThrow(`accounts.brand.${key} in ${path}: `);
    expect(refused).toThrow(why);
  });
  it.each(['css', 'html', 'style', 'header'])('has no key %s', (key) =>
    expect(() => load({ [key]: 'x' })).toThrow('/accounts/brand'),
  );
  it('is refused by the variable that it comes from', () =>
    expect(() => load({}, { POSTERN_ACCOUNTS_BRAND_CORNERS: 'x' })).toThrow(
      /^POSTERN_ACCOUNTS_BRAND_CORNERS: "x" is none/,
    ));
});

describe('a page with a brand', () => {
  it('holds whatever a name may be as text, says where it is, and allows its one style', () =>
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60 }), (name) => {
        const plain = createBrand('id.example');
        const brand = { ...plain, name };
        const page = renderPage({ title: 'x', brand, body: html`` });
        const bare = renderPage({ title: 'x', brand: plain, body: html`` });
        expect(page.match(/</g)?.length).toBe(bare.match(/</g)?.length);
        expect(page).toContain('served by Postern at id.example</p>');
        const [, style = ''] = /<style>([\s\S]*)<\/style>/.exec(page) ?? [];
        expect(style).toBe(brand.style);
        expect(pageHeaders(brand, [])['content-security-policy']).toContain(brand.styleHash);
      }),
    ));
  it('derives the accent of the theme that has none', () => {
    const { style } = createBrand('id.example', load({ accent: { light: '#0a6b3d' } }));
    expect(style).toContain(':root{--accent:#0a6b3d;--on-accent:#ffffff');
    expect(style).toMatch(/dark\)\{:root\{--accent:#[3-9a-f]\w{5};--on-accent:#0d1117\}\}$/);
  });
});
