/**
 * Holds the direction of imports between the rooms of src/ (ARCHITECTURE.md): downward only, no domain imports
 * another, and a room is entered by its doors alone. Type imports count. Run by itself it prints each breach and ends
 * with 1 when there is one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseSync } from 'oxc-parser';

const ROOT = resolve(import.meta.dirname, '..', 'src');

/** What each room may import, besides itself and the kernel. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  trust: [],
  home: ['trust'],
  store: [],
  audit: ['store', 'fabric'],
  fabric: ['store', 'audit'],
  channel: ['trust'],
  portal: ['channel', 'trust'],
  control: ['trust'],
  authority: ['fabric', 'audit', 'store', 'trust'],
  permissions: ['fabric', 'audit', 'store', 'trust'],
  accounts: ['fabric', 'audit', 'store'],
  oidc: ['fabric', 'audit', 'store'],
  relay: ['fabric', 'audit', 'store', 'trust', 'channel', 'control'],
  node: ['portal', 'channel', 'control', 'home', 'trust'],
  server: [
    'authority',
    'permissions',
    'accounts',
    'oidc',
    'relay',
    'fabric',
    'audit',
    'store',
    'control',
    'channel',
    'trust',
  ],
  cli: ['server', 'node', 'control', 'home', 'trust', 'permissions', 'accounts'],
};
/** Doors besides index.ts: light ones, which keep the start of the command line quick. */
const DOORS = /^(index|light|client-index)\.ts$/;

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && e.name.endsWith('.ts'))
    .map((e) => join(e.parentPath, e.name));
}

/** Every module that a file's text names in an import, an export or a literal `import()`. */
function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  const { module } = parseSync(path, text);
  const dynamic = module.dynamicImports.map((d) =>
    text.slice(d.moduleRequest.start, d.moduleRequest.end).replace(/^['"`]|['"`]$/g, ''),
  );
  const exported = module.staticExports.flatMap((e) =>
    e.entries.flatMap((n) => (n.moduleRequest ? [n.moduleRequest.value] : [])),
  );
  return [...module.staticImports.map((i) => i.moduleRequest.value), ...exported, ...dynamic];
}

/** Checks all of src/; answers one sentence for each breach. */
export function importBreaches(): string[] {
  const breaches: string[] = [];
  for (const path of filesBelow(ROOT)) {
    const from = relative(ROOT, path);
    const room = from.split('/')[0] ?? '';
    for (const request of importsOf(path)) {
      if (!request.startsWith('.')) continue;
      const to = relative(ROOT, resolve(dirname(path), request));
      if (to.startsWith('..')) continue;
      const [target = '', ...rest] = to.split('/');
      if (target === room) continue;
      const allowed = target === 'kernel' || (MAY_IMPORT[room] ?? []).includes(target);
      const isTest = /\.(test|fixture)\.ts$/.test(from);
      if (!allowed && !isTest)
        breaches.push(`${from} imports ${to}: ${room} may not import ${target}`);
      if (!DOORS.test(rest.join('/')) && !isTest)
        breaches.push(`${from} imports ${to}: enter ${target} by its index.ts`);
    }
  }
  return [...new Set(breaches)];
}

if (import.meta.main) {
  const breaches = importBreaches();
  console.log(breaches.join('\n') || 'all imports go downward');
  process.exitCode = breaches.length > 0 ? 1 : 0;
}
