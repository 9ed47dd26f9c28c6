/**
 * `accounts.brand` of the server's configuration: whose the sign-in pages are. Every key also from the environment
 * (`POSTERN_ACCOUNTS_BRAND_…`). Files are read here, once. It takes names, colours and addresses, and no CSS or HTML.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { type TSchema, Type } from 'typebox';
import {
  type BrandConfig,
  CORNERS,
  dataUrlBytes,
  FONTS,
  LOGO_BYTES_MAX,
  readAccent,
  readLogo,
} from '../accounts/light.ts';
import { checkDisplayName, PosternError } from '../kernel/index.ts';

const Strict = { additionalProperties: false } as const;
/** The schema of the part. */
export const BrandFile: TSchema = Type.Object(
  {
    name: Type.Optional(
      Type.String({ description: 'Of the organisation or product; the host name without it' }),
    ),
    logo: Type.Optional(
      Type.String({
        description: `A file or data: URL of a PNG, SVG, WebP or JPEG of at most ${LOGO_BYTES_MAX} bytes`,
      }),
    ),
    logo_dark: Type.Optional(Type.String({ description: 'The same for dark pages' })),
    accent: Type.Optional(
      Type.Object(
        {
          light: Type.Optional(Type.String({ description: '#rrggbb of buttons and links' })),
          dark: Type.Optional(Type.String({ description: '#rrggbb on dark pages' })),
        },
        Strict,
      ),
    ),
    support: Type.Optional(Type.String({ description: 'An e-mail address or an https URL' })),
    privacy_url: Type.Optional(Type.String()),
    terms_url: Type.Optional(Type.String()),
    corners: Type.Optional(Type.String({ description: Object.keys(CORNERS).join(', ') })),
    font: Type.Optional(Type.String({ description: Object.keys(FONTS).join(', ') })),
  },
  Strict,
);
export interface RawBrand {
  readonly name?: string;
  readonly logo?: string;
  readonly logo_dark?: string;
  readonly accent?: { readonly light?: string; readonly dark?: string };
  readonly support?: string;
  readonly privacy_url?: string;
  readonly terms_url?: string;
  readonly corners?: string;
  readonly font?: string;
}

/** Longer names break a page at 320 px and a mail's subject. */
const NAME_MAX = 60;
const ADDRESS = /^[^\s@<>"?&#%]{1,64}@[a-z0-9.-]{1,253}$/i;
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

const nameOf = (text: string): string => checkDisplayName(text, 'a name', NAME_MAX);

function pageUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname));
  if (url === undefined || !isSafe || url.username !== '' || url.password !== '')
    throw new PosternError(
      'invalid',
      `"${text}" is no https address; write it as "https://example.com/page"`,
    );
  return url.toString();
}

function supportOf(text: string): string {
  if (ADDRESS.test(text)) return `mailto:${text}`;
  if (/^https?:/i.test(text)) return pageUrl(text);
  throw new PosternError('invalid', `"${text}" is no e-mail address and no https address`);
}

/** At most a byte more than is allowed, so that a wrong path to something huge costs nothing. */
function fileBytes(path: string): Buffer {
  const buffer = Buffer.alloc(LOGO_BYTES_MAX + 1);
  try {
    const file = openSync(path, 'r');
    try {
      let length = 0;
      for (let got = -1; got !== 0 && length < buffer.length; length += got)
        got = readSync(file, buffer, length, buffer.length - length, null);
      return buffer.subarray(0, length);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined;
    throw new PosternError('invalid', `the file ${path} can't be read (${String(code)})`, {
      cause,
    });
  }
}

function oneOf<T extends string>(list: Readonly<Record<T, unknown>>, text: string): T {
  const names = Object.keys(list) as T[]; // The keys of a record of T are T.
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw new PosternError('invalid', `"${text}" is none of ${names.join(', ')}`);
}

/**
 * The brand of a configuration; undefined when nothing is said of one. `folder` is where relative files are, `path` the
 * configuration's own file. Throws `invalid`, naming the key or the variable.
 */
export function loadBrand(
  raw: RawBrand,
  env: NodeJS.ProcessEnv,
  o: { readonly folder: string; readonly path: string | undefined },
): BrandConfig | undefined {
  let isSaid = false;
  const read = <T>(
    key: string,
    value: string | undefined,
    parse: (text: string) => T,
  ): T | undefined => {
    const variable = `POSTERN_ACCOUNTS_BRAND_${key.toUpperCase().replace('.', '_')}`;
    const said = env[variable] || value;
    if (said === undefined) return undefined;
    isSaid = true;
    try {
      return parse(said);
    } catch (cause) {
      const origin = env[variable] ? variable : `accounts.brand.${key} in ${o.path}`;
      const why = cause instanceof Error ? cause.message : 'it is not valid';
      throw new PosternError('invalid', `${origin}: ${why}`, { cause });
    }
  };
  const logo = (text: string): NonNullable<BrandConfig['logo']> =>
    readLogo(/^data:/i.test(text) ? dataUrlBytes(text) : fileBytes(resolve(o.folder, text)));
  const brand: BrandConfig = {
    name: read('name', raw.name, nameOf),
    logo: read('logo', raw.logo, logo),
    logoDark: read('logo_dark', raw.logo_dark, logo),
    accent: {
      light: read('accent.light', raw.accent?.light, (text) => readAccent(text, 'light')),
      dark: read('accent.dark', raw.accent?.dark, (text) => readAccent(text, 'dark')),
    },
    supportUrl: read('support', raw.support, supportOf),
    privacyUrl: read('privacy_url', raw.privacy_url, pageUrl),
    termsUrl: read('terms_url', raw.terms_url, pageUrl),
    corners: read('corners', raw.corners, (text) => oneOf(CORNERS, text)) ?? 'soft',
    font: read('font', raw.font, (text) => oneOf(FONTS, text)) ?? 'system',
  };
  return isSaid ? brand : undefined;
}
