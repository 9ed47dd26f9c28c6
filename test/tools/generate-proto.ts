/**
 * Generates src/permissions/grpc/gen from proto/: `npm install --prefix test/tools && npm run generate:proto`. What it
 * writes is committed. It must never be needed to build or run Postern.
 *
 * The generator writes TypeScript enums, which Node can't strip; they become constant objects of the same names.
 */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root: string = join(import.meta.dirname, '../..');
const out: string = join(root, 'src/permissions/grpc/gen');

/** `export enum X { A = 0, … }` as `export const X = { A: 0, … } as const` and the type of its values. */
export function eraseEnums(source: string): string {
  return source.replace(
    /^export enum (\w+) \{\n([\s\S]*?)^\}$/gm,
    (_, name: string, body: string) =>
      `export const ${name} = {\n${body.replace(/^( +\w+) = (-?\d+),$/gm, '$1: $2,')}} as const;\n` +
      `export type ${name} = (typeof ${name})[keyof typeof ${name}];`,
  );
}

if (import.meta.main) {
  execFileSync(join(import.meta.dirname, 'node_modules/.bin/buf'), ['generate'], {
    cwd: join(root, 'proto'),
    stdio: 'inherit',
  });
  for (const path of globSync('**/*.ts', { cwd: out })) {
    const file = join(out, path);
    writeFileSync(file, eraseEnums(readFileSync(file, 'utf8')));
  }
}
