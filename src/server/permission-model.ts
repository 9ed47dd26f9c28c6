/**
 * Applies the model that the configuration names: a list of namespaces, or a source at a location. A file is watched, a
 * URL is read again every 30 minutes; a version that is broken, or that stored tuples forbid, is logged and the one
 * before stays.
 */
import { readdirSync, readFileSync, statSync, unwatchFile, watchFile } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { type Logger, PosternError, toPosternError } from '../kernel/index.ts';
import type { ModelVersion, Permissions } from '../permissions/index.ts';
import type { ModelSource } from './permission-config.ts';

const WATCH_MS = 500;
const URL_MS = 30 * 60_000;
const FETCH_MS = 10_000;
const SOURCE_BYTES_MAX = 1024 * 1024;
const WRITER = { id: 'configuration' };

interface Source {
  readonly text: string;
  readonly kind: ModelVersion['kind'];
}

/** A legacy namespace file: `{id, name}`, or a list of them, as YAML or JSON. */
function legacyNames(text: string, origin: string): string[] {
  const parsed: unknown = parse(text);
  const list: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  return list.map((entry) => {
    const name: unknown =
      typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'name') : undefined;
    if (typeof name !== 'string')
      throw new PosternError('invalid', `${origin}: a namespace has no name`);
    return name;
  });
}

const isLegacyFile = (path: string): boolean => /\.(ya?ml|json)$/i.test(path);

/** A file that Keto would read and we don't must not be passed over: its namespaces would be missing. */
function refuseToml(path: string): void {
  if (!/\.toml$/i.test(path)) return;
  throw new PosternError('unsupported', `${path}: TOML is not supported: write the same as YAML`, {
    hint: `${basename(path).replace(/toml$/i, 'yaml')} with   name: NAME   for   name = "NAME"`,
  });
}

function readFolder(path: string): Source {
  const files = readdirSync(path).sort();
  for (const file of files) refuseToml(join(path, file));
  const names = files
    .filter(isLegacyFile)
    .flatMap((file) => legacyNames(readFileSync(join(path, file), 'utf8'), join(path, file)));
  return { kind: 'names', text: names.join('\n') };
}

function readLocal(path: string): Source {
  if (statSync(path).isDirectory()) return readFolder(path);
  refuseToml(path);
  const text = readFileSync(path, 'utf8');
  if (isLegacyFile(path)) return { kind: 'names', text: legacyNames(text, path).join('\n') };
  return { kind: 'opl', text };
}

/**
 * Reads the model at a location: `file://`, `base64://` or `http(s)://`. Throws `invalid`, `unsupported` for TOML, and
 * `unavailable`.
 */
export async function readModelSource(location: string): Promise<Source> {
  if (location.startsWith('file://')) return readLocal(fileURLToPath(location));
  if (location.startsWith('base64://'))
    return {
      kind: 'opl',
      text: Buffer.from(location.slice('base64://'.length), 'base64').toString(),
    };
  const answer = await fetch(location, { signal: AbortSignal.timeout(FETCH_MS) });
  if (!answer.ok)
    throw new PosternError('unavailable', `${location} answered with status ${answer.status}`);
  const text = await answer.text();
  if (text.length > SOURCE_BYTES_MAX)
    throw new PosternError('invalid', `${location} is longer than ${SOURCE_BYTES_MAX} bytes`);
  return { kind: 'opl', text };
}

/** Applies the source now and whenever it changes; throws what is wrong with the first version. Answers its undoing. */
export async function followModel(
  source: ModelSource,
  permissions: Permissions,
  logger: Logger,
): Promise<() => void> {
  if (source.kind === 'names') {
    await permissions.applyModel(source.names.join('\n'), 'names', WRITER);
    return () => undefined;
  }
  const { location } = source;
  const apply = async (): Promise<void> => {
    const { text, kind } = await readModelSource(location);
    const { id } = await permissions.applyModel(text, kind, WRITER);
    logger.info({ location, model: id }, 'the permission model is current');
  };
  await apply();
  const again = (): void => {
    apply().catch((reason: unknown) =>
      logger.error(
        { err: toPosternError(reason), location },
        'the new permission model was not taken; the one before stays',
      ),
    );
  };
  if (location.startsWith('file://')) {
    const path = fileURLToPath(location);
    watchFile(path, { interval: WATCH_MS, persistent: false }, again);
    return () => unwatchFile(path, again);
  }
  if (location.startsWith('base64://')) return () => undefined;
  const timer = setInterval(again, URL_MS);
  return () => clearInterval(timer);
}
