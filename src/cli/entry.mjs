/**
 * The one JavaScript file: turns on Node's compile cache before any TypeScript is loaded, so that a warm start neither
 * strips types nor compiles, then hands over to main. The cache goes where this user may write.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

// Older Nodes get this far: nothing above needs more than they have.
const NODE_MAJOR_MIN = 24;
if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `${process.env['POSTERN_PROGRAM'] ?? 'postern'}: needs Node ${NODE_MAJOR_MIN} or later, and the \`node\` on the PATH is ${process.version}. Install it: https://nodejs.org\n`,
  );
  process.exit(70);
}

const root = join(import.meta.dirname, '..', '..');
const isWritable = (path) => {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};
const cacheHome = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const cacheDir =
  process.env['NODE_COMPILE_CACHE'] ??
  (isWritable(join(root, 'node_modules'))
    ? join(root, 'node_modules', '.cache', 'compile')
    : isWritable(homedir())
      ? join(cacheHome, 'postern', 'compile')
      : join(tmpdir(), `postern-cache-${process.getuid?.() ?? 0}`));
nodeModule.enableCompileCache(cacheDir);
await import(existsSync(join(import.meta.dirname, 'main.ts')) ? './main.ts' : './main.js');
