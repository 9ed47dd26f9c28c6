/**
 * Contrast as WCAG 2.2 defines it (relative luminance and contrast ratio, sRGB), and the nearest colour that has enough of
 * it. Pure. A colour is `#rrggbb` in small letters.
 */

/** What normal text needs (WCAG 2.2, success criterion 1.4.3). */
export const CONTRAST_MIN = 4.5;

type Channels = readonly [number, number, number];

const HEX = /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i;

/** `#abc` or `#aabbcc` as `#aabbcc`; undefined for anything else. */
export function parseColour(text: string): string | undefined {
  if (!HEX.test(text)) return undefined;
  const digits = text.slice(1).toLowerCase();
  return `#${digits.length === 3 ? digits.replace(/./g, '$&$&') : digits}`;
}

function channelsOf(colour: string): Channels {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
function colourOf(channels: readonly number[]): string {
  return `#${channels.map((c) => Math.round(c).toString(16).padStart(2, '0')).join('')}`;
}

function linear(channel: number): number {
  const c = channel / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
}

/** From 0 (black) to 1 (white). */
export function luminance(colour: string): number {
  const [r, g, b] = channelsOf(colour);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

/** From 1 to 21, whichever of the two is in front. */
export function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

/** The least contrast that a colour has with any of some others. */
export function leastContrast(colour: string, others: readonly string[]): number {
  return Math.min(...others.map((other) => contrast(colour, other)));
}

/** A step is less than one of the 256 that a channel has. */
const STEPS = 512;

/**
 * The colour itself when its contrast with every surface is enough; else the first that is, on the way to `end` (black
 * darkens, white lightens, and the hue stays). Undefined when not even the end is.
 */
export function nearestReadable(
  colour: string,
  surfaces: readonly string[],
  end: '#000000' | '#ffffff',
): string | undefined {
  const [from, to] = [channelsOf(colour), channelsOf(end)];
  for (let step = 0; step <= STEPS; step++) {
    const share = step / STEPS;
    const mixed = colourOf(from.map((c, i) => c + ((to[i] ?? c) - c) * share));
    if (leastContrast(mixed, surfaces) >= CONTRAST_MIN) return mixed;
  }
  return undefined;
}
