import { describe, expect, it } from 'vitest';
import { chooseRendering, relativeTime, shorten, table } from './output.ts';

const all = { plain: 'p', machine: 'm', json: {} };

describe('the output contract', () => {
  it('prefers plain on a terminal and machine in a pipe', () => {
    expect(chooseRendering(all, 'auto', true)).toBe('plain');
    expect(chooseRendering(all, 'auto', false)).toBe('machine');
    expect(chooseRendering({ plain: 'p', json: [] }, 'auto', false)).toBe('json');
    expect(chooseRendering({ plain: 'p' }, 'auto', false)).toBe('plain');
  });
  it('gives JSON or nothing when JSON is asked for', () => {
    expect(chooseRendering(all, 'json', true)).toBe('json');
    expect(() => chooseRendering({ machine: 'm' }, 'json', false)).toThrow('no JSON output');
  });
  it('aligns tables and says what is empty', () => {
    expect(table(['A', 'B'], [['long', 'x']], 'none')).toBe('A     B\nlong  x');
    expect(table(['A'], [], 'none')).toBe('none');
  });
  it('shortens identifiers and tells relative times', () => {
    expect(shorten(`I${'a'.repeat(64)}`)).toBe('Iaaaaaaaa…aaaaaa');
    expect(relativeTime(0, 180_000)).toBe('3 min ago');
    expect(relativeTime(7_200_000, 0)).toBe('in 2 h');
  });
});
