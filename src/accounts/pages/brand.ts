/**
 * Whose the pages are: a name, a logo, an accent and a few links of the operator's. Pure. INVARIANT: nothing of it is CSS
 * or HTML: colours are six digits, corners and fonts come from lists, texts and addresses are escaped; and the host that
 * serves a page is on it whatever the brand says.
 */
import { createHash } from 'node:crypto';
import { PosternError } from '../../kernel/index.ts';
import { CONTRAST_MIN, contrast, leastContrast, nearestReadable, parseColour } from './contrast.ts';
import type { Logo } from './logo.ts';
import { ACCENT, ON_ACCENT, STYLE, SURFACES, type Theme } from './style.ts';

export const CORNERS = {
  square: { corner: '0', round: '0' },
  soft: { corner: '6px', round: '8px' },
  round: { corner: '12px', round: '16px' },
} as const;
/** Fonts that machines have: nothing is loaded from anywhere. */
export const FONTS = {
  system: 'system-ui,-apple-system,"Segoe UI",Roboto,sans-serif',
  humanist: 'Seravek,"Gill Sans Nova",Ubuntu,Calibri,"DejaVu Sans",sans-serif',
  geometric: 'Avenir,Montserrat,Corbel,"URW Gothic",source-sans-pro,sans-serif',
  serif: '"Iowan Old Style",Charter,"Palatino Linotype",Georgia,serif',
} as const;

/** What an operator says; every part may be left out. */
export interface BrandConfig {
  readonly name: string | undefined;
  readonly logo: Logo | undefined;
  /** In the dark; without it, `logo` stands on white there. */
  readonly logoDark: Logo | undefined;
  readonly accent: Readonly<Record<Theme, string | undefined>>;
  /** A `mailto:` or https address. */
  readonly supportUrl: string | undefined;
  readonly privacyUrl: string | undefined;
  readonly termsUrl: string | undefined;
  readonly corners: keyof typeof CORNERS;
  readonly font: keyof typeof FONTS;
}

/** What pages and messages take of it. */
export interface Brand {
  /** Who they are of: the organisation, else the host. */
  readonly name: string;
  /** By which host they are served. */
  readonly host: string;
  readonly logo: Logo | undefined;
  readonly logoDark: Logo | undefined;
  readonly links: readonly { readonly text: string; readonly url: string }[];
  readonly style: string;
  /** Of `style`, as a content security policy names it. */
  readonly styleHash: string;
}

const ENDS = { light: '#000000', dark: '#ffffff' } as const;

/** An accent that links and buttons can be read in. Throws `invalid` with its contrast and the nearest colour that will do. */
export function readAccent(text: string, theme: Theme): string {
  const colour = parseColour(text);
  if (colour === undefined)
    throw new PosternError('invalid', `"${text}" is no colour; write it as "#2455c3"`);
  const surfaces = SURFACES[theme];
  const ratio = leastContrast(colour, surfaces);
  if (ratio >= CONTRAST_MIN) return colour;
  const [worst] = [...surfaces].sort((a, b) => contrast(colour, a) - contrast(colour, b));
  const near = nearestReadable(colour, surfaces, ENDS[theme]);
  throw new PosternError(
    'invalid',
    // Rounded down, so that what is refused never reads as enough.
    `${colour} on ${theme} pages has a contrast of ${(Math.floor(ratio * 100) / 100).toFixed(2)} with ${worst}, and text needs ${CONTRAST_MIN}; the nearest that has it is "${near}"`,
  );
}

/** The accent of a theme: what was said, what fits the other theme's, or ours. */
function accentOf(accent: BrandConfig['accent'], theme: Theme): string {
  const other = accent[theme === 'light' ? 'dark' : 'light'];
  const derived =
    other === undefined ? undefined : nearestReadable(other, SURFACES[theme], ENDS[theme]);
  return accent[theme] ?? derived ?? ACCENT[theme];
}

function colours(accent: string): string {
  const [better = '#ffffff'] = [...ON_ACCENT].sort(
    (a, b) => contrast(accent, b) - contrast(accent, a),
  );
  return `--accent:${accent};--on-accent:${better}`;
}

function styleOf(config: BrandConfig | undefined): string {
  const accent = config?.accent ?? { light: undefined, dark: undefined };
  const { corner, round } = CORNERS[config?.corners ?? 'soft'];
  return `${STYLE}
:root{${colours(accentOf(accent, 'light'))};--corner:${corner};--round:${round};--font:${FONTS[config?.font ?? 'system']}}
@media (prefers-color-scheme:dark){:root{${colours(accentOf(accent, 'dark'))}}}`;
}

/** The brand of what a host serves. */
export function createBrand(host: string, config?: BrandConfig): Brand {
  const style = styleOf(config);
  const link = (text: string, url: string | undefined): Brand['links'] =>
    url === undefined ? [] : [{ text, url }];
  return {
    name: config?.name ?? host,
    host,
    logo: config?.logo,
    logoDark: config?.logoDark,
    links: [
      ...link('Help', config?.supportUrl),
      ...link('Privacy', config?.privacyUrl),
      ...link('Terms', config?.termsUrl),
    ],
    style,
    styleHash: createHash('sha256').update(style).digest('base64'),
  };
}
