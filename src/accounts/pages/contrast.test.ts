/** WCAG's contrast: known pairs, its symmetry and bounds, and the nearest colour that passes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CONTRAST_MIN,
  contrast,
  leastContrast,
  luminance,
  nearestReadable,
  parseColour,
} from './contrast.ts';

const colours = fc
  .integer({ min: 0, max: 0xff_ff_ff })
  .map((n) => `#${n.toString(16).padStart(6, '0')}`);

describe('a colour', () => {
  it.each([
    ['#ABC', '#aabbcc'],
    ['#0A5f38', '#0a5f38'],
  ])('%s is %s', (text, colour) => expect(parseColour(text)).toBe(colour));
  it.each([
    '',
    'red',
    '#12',
    '#1234',
    '#12345',
    '#1234567',
    '#12345g',
    'rgb(0,0,0)',
    '#fff;x:y',
    '#fff\n',
  ])('%j is none', (text) => expect(parseColour(text)).toBeUndefined());
});

describe('contrast', () => {
  it.each([
    ['#000000', '#ffffff', 21],
    ['#ffffff', '#ffffff', 1],
    ['#777777', '#ffffff', 4.48],
    ['#767676', '#ffffff', 4.54],
    ['#ff0000', '#ffffff', 4],
    ['#0000ff', '#ffffff', 8.59],
    ['#00ff00', '#ffffff', 1.37],
  ])('of %s with %s is %d', (a, b, ratio) => expect(contrast(a, b)).toBeCloseTo(ratio, 2));
  it('is the same both ways, from 1 to 21', () =>
    fc.assert(
      fc.property(colours, colours, (a, b) => {
        expect(contrast(a, b)).toBe(contrast(b, a));
        expect(contrast(a, b)).toBeGreaterThanOrEqual(1);
        expect(contrast(a, b)).toBeLessThanOrEqual(21);
      }),
    ));
  it('grows as a colour moves away', () => {
    expect(luminance('#000000')).toBe(0);
    expect(luminance('#ffffff')).toBeCloseTo(1, 10);
    expect(leastContrast('#767676', ['#ffffff', '#f6f7f8'])).toBe(contrast('#767676', '#f6f7f8'));
  });
});

describe('the nearest readable colour', () => {
  const light = ['#ffffff', '#f6f7f8'];
  const dark = ['#171a1f', '#0f1114'];
  it('passes, and is the colour itself when that does', () =>
    fc.assert(
      fc.property(colours, (colour) => {
        for (const [surfaces, end] of [
          [light, '#000000'],
          [dark, '#ffffff'],
        ] as const) {
          const near = nearestReadable(colour, surfaces, end) ?? '';
          expect(leastContrast(near, surfaces)).toBeGreaterThanOrEqual(CONTRAST_MIN);
          if (leastContrast(colour, surfaces) >= CONTRAST_MIN) expect(near).toBe(colour);
          expect(nearestReadable(near, surfaces, end)).toBe(near);
        }
      }),
    ));
  it('is hardly more than enough', () =>
    fc.assert(
      fc.property(colours, (colour) => {
        fc.pre(leastContrast(colour, light) < CONTRAST_MIN);
        const near = nearestReadable(colour, light, '#000000') ?? '';
        expect(leastContrast(near, light)).toBeLessThan(CONTRAST_MIN + 0.15);
      }),
    ));
  it('keeps the order of the channels', () =>
    expect(nearestReadable('#ffcc00', light, '#000000')).toBe('#8a6e00'));
  it('is none where no colour can be', () =>
    expect(
      nearestReadable('#888888', ['#000000', '#777777', '#ffffff'], '#000000'),
    ).toBeUndefined());
});
