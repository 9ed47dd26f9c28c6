/**
 * The one JavaScript file: turns on Node's compile cache before any TypeScript is loaded, so that a warm start neither
 * strips types nor compiles, then hands over to main. The cache goes where this user may write.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

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
enableCompileCache(cacheDir);
await import(existsSync(join(import.meta.dirname, 'main.ts')) ? './main.ts' : './main.js');
