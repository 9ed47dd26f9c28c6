/**
 * The daemons' log: JSON lines on standard output. Where that is a file it stays bounded: at a size it is kept under
 * another name and begins anew. A disk that is full loses log lines, never the process.
 */
import { copyFileSync, fstatSync, ftruncateSync, renameSync, statSync } from 'node:fs';
import type { Logger } from './logger.ts';

const LOG_BYTES_MAX = 32 * 1024 * 1024;
const LOG_FILES_MAX = 4;
const CHECK_INTERVAL_MS = 10_000;
const STDOUT = 1;

/** A logger on standard output; `path` is the file that standard output goes to when the daemon is in the background. */
export async function createLogger(o: {
  readonly level: string;
  readonly base?: Readonly<Record<string, string>>;
  readonly path: string;
}): Promise<Logger> {
  // Loaded here alone: the commands start without it.
  const { pino } = await import('pino');
  const destination = pino.destination({ fd: STDOUT, sync: true });
  destination.on('error', () => undefined);
  setInterval(() => shorten(o.path), CHECK_INTERVAL_MS).unref();
  const logger: Logger = pino({ level: o.level, base: { ...o.base } }, destination);
  return logger;
}

/** Keeps what standard output's file holds as `path.1` and empties it, when it has grown too long. */
function shorten(path: string): void {
  try {
    const { ino, size } = fstatSync(STDOUT);
    if (size < LOG_BYTES_MAX || statSync(path).ino !== ino) return;
    for (let n = LOG_FILES_MAX - 1; n >= 1; n--) {
      try {
        renameSync(`${path}.${n}`, `${path}.${n + 1}`);
      } catch {
        // There are not that many yet.
      }
    }
    copyFileSync(path, `${path}.1`);
    ftruncateSync(STDOUT);
  } catch {
    // No such file, or no room for the copy: the next round tries again.
  }
}
