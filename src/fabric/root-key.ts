/**
 * Where the root key comes from. It seals the keyring and is the one secret that the database never holds, so a dump
 * of the database opens nothing, and a backup of it needs the root key kept elsewhere.
 */
import { createHash, randomBytes, scrypt } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PosternError, type Secret } from '../kernel/index.ts';

export type RootKeySource =
  /** 32 bytes in hex in a file (0600), created when it is absent and `isCreated` is not false. */
  | { readonly kind: 'file'; readonly path: string; readonly isCreated?: boolean }
  /** 32 bytes in hex or base64, handed in from the environment. */
  | { readonly kind: 'value'; readonly value: Secret }
  | { readonly kind: 'passphrase'; readonly passphrase: Secret };

const ROOT_KEY_BYTES = 32;
/** 128 MiB and about half a second: once at every start of a server. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 } as const;

function parseRootKey(text: string, where: string): Buffer {
  const trimmed = text.trim();
  const key = /^[0-9a-fA-F]{64}$/.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : Buffer.from(trimmed, 'base64');
  if (key.length === ROOT_KEY_BYTES) return key;
  throw new PosternError('invalid', `The root key in ${where} is not 32 bytes in hex or base64`);
}

async function createFile(path: string): Promise<Buffer> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const key = randomBytes(ROOT_KEY_BYTES);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`${key.toString('hex')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return key;
}

/** Loads the 32 bytes. `mayCreate` is false when the keyring has keys already: a new root key would open none of them. */
export async function loadRootKey(
  source: RootKeySource,
  salt: Buffer,
  mayCreate: boolean,
): Promise<Buffer> {
  switch (source.kind) {
    case 'value':
      return parseRootKey(source.value.reveal(), 'the environment');
    case 'passphrase':
      return new Promise((resolve, reject) =>
        scrypt(
          source.passphrase.reveal().normalize('NFKC'),
          salt,
          ROOT_KEY_BYTES,
          SCRYPT,
          (e, k) => (e === null ? resolve(k) : reject(e)),
        ),
      );
    case 'file': {
      const text = await readFile(source.path, 'utf8').catch((cause: unknown) => {
        const isAbsent = cause instanceof Error && Reflect.get(cause, 'code') === 'ENOENT';
        if (isAbsent) return undefined;
        throw new PosternError('unavailable', `Cannot read the root key file ${source.path}`, {
          cause,
        });
      });
      if (text !== undefined) return parseRootKey(text, source.path);
      if (mayCreate && source.isCreated !== false) return createFile(source.path);
      throw new PosternError('not_found', `There is no root key file at ${source.path}`, {
        hint: 'This database was sealed with a root key: put that file back.',
      });
    }
  }
}

/** SHA-256 in hex: how a secret of high entropy is kept and found. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
