/**
 * Brings a peer of this folder's own package.json onto the machine, and imports it. Nothing here is needed to build or to
 * run Postern; no install script of a peer is ever run.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DEBIAN_PATH, missingPeers } from '../harness/peers.ts';

const FOLDER = import.meta.dirname;
const LOCK = join(FOLDER, 'package-lock.json');
const INSTALLED = join(FOLDER, 'node_modules/.lock-installed');
const INSTALL_MS = 300_000;

function isInstalled(): boolean {
  try {
    return readFileSync(LOCK).equals(readFileSync(INSTALLED));
  } catch {
    return false;
  }
}

/** Brings node_modules in line with the lock; prints why it could not. */
function install(): boolean {
  if (isInstalled()) return true;
  console.log('installing the peers of test/peers, once');
  const arguments_ = ['ci', '--prefix', FOLDER, '--no-audit', '--no-fund', '--ignore-scripts'];
  const { status, stderr, error } = spawnSync('npm', [...arguments_, '--loglevel=error'], {
    encoding: 'utf8',
    timeout: INSTALL_MS,
    // Under vitest the PATH begins with node_modules/.bin; the npm of the system goes with the Node of the system.
    env: { ...process.env, PATH: DEBIAN_PATH },
  });
  if (status === 0) cpSync(LOCK, INSTALLED);
  else console.log(`npm ci in test/peers: ${error?.message ?? stderr}`);
  return status === 0;
}

/**
 * The module of a peer, as whatever it is; undefined, with its name printed, where it can't be had. Throws in that case
 * under POSTERN_REQUIRE_PEERS=1.
 */
export function loadPeer(name: string): unknown {
  let loaded: unknown;
  if (install())
    try {
      loaded = createRequire(join(FOLDER, 'package.json'))(name);
    } catch (reason) {
      // Such as a platform for which the peer has no native library.
      console.log(`${name}: ${reason instanceof Error ? reason.message : String(reason)}`);
    }
  return missingPeers({ [name]: loaded !== undefined }).length === 0 ? loaded : undefined;
}
