import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compileModel } from '../language/index.ts';
import { readWorld, runWorld } from './index.ts';

const FOLDER = join(import.meta.dirname, '../../../examples/permissions');
const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

it.each(readdirSync(FOLDER).filter((name) => name.endsWith('.yaml')))(
  'the example %s holds',
  async (name) => {
    const readFile = (path: string): string => readFileSync(join(FOLDER, path), 'utf8');
    const report = await runWorld(
      readWorld(readFile(name), { compile: compileModel, readFile }),
      NOW_MS,
    );
    expect(report.tests.flatMap((t) => t.assertions).filter((a) => !a.isPassed)).toEqual([]);
    expect(report.passed).toBeGreaterThan(0);
  },
);
