/**
 * The corpus of test/corpus/opl: one source a file. Its first lines, that begin with `//!`, are the problems that are
 * expected of it, in their order: severity, start, end (line:column) and message.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileModel } from './compile.ts';
import type { Position } from './problem.ts';

const folder = new URL('../../../test/corpus/opl/', import.meta.url);
const show = ({ line, column }: Position): string => `${line}:${column}`;

describe('a source of the corpus', () => {
  const files = readdirSync(folder).sort();
  it('is there', () => expect(files.length).toBeGreaterThan(50));
  it.each(files)('%s has the problems that it announces', (file) => {
    const source = readFileSync(new URL(file, folder), 'utf8');
    const lines = source.split('\n').filter((line) => line.startsWith('//! '));
    const { model, problems } = compileModel(source);
    const found = problems.map(
      (p) => `//! ${p.severity} ${show(p.start)}-${show(p.end)} ${p.message}`,
    );
    expect(found).toEqual(lines);
    const isValid = !lines.some((line) => line.startsWith('//! error'));
    expect(model !== undefined).toBe(isValid);
    expect(file.startsWith('valid_')).toBe(isValid);
  });
});
