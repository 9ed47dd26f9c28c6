/** The program's version, from its package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Such as `0.1.0`. */
export function programVersion(): string {
  const path = join(import.meta.dirname, '..', '..', 'package.json');
  const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed
    ? String(parsed.version)
    : '0';
}
