/**
 * The keyring: named keys in versions, each sealed under the root key. The highest version of a name is current;
 * older ones stay, to open and verify what they sealed and signed.
 *
 * A wrong root key is noticed at opening, by a check value, and never by a key that fails later.
 */
import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import type { Transaction } from 'kysely';
import { type Clock, PosternError, systemClock } from '../kernel/index.ts';
import type { Database, Store } from '../store/index.ts';
import { loadRootKey, type RootKeySource } from './root-key.ts';
import { seal, unseal } from './seal.ts';

const SALT = 'keyring.salt';
const CHECK = 'keyring.check';
const CHECK_TEXT = 'postern keyring';

/** A signing key of the keyring. */
export interface SigningKey {
  readonly version: number;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A private key with the time of its making. */
export interface DatedKey {
  readonly version: number;
  readonly privateKey: KeyObject;
  readonly createdAtMs: number;
}

interface KeyVersion {
  readonly version: number;
  readonly material: Buffer;
  /** The same bytes, as sealing takes them. */
  readonly key: KeyObject;
}

export interface Keyring {
  /** 32 random bytes under a name; created when absent. */
  secret(name: string): Promise<Buffer>;
  /** An Ed25519 key under a name; created when absent. */
  signingKey(name: string): Promise<SigningKey>;
  /** The public keys of all versions of a signing key, by version. */
  verifyingKeys(name: string): Promise<ReadonlyMap<number, KeyObject>>;
  /** Keeps a private key that was made elsewhere (a project's CA key) as the newest version of a name. */
  putPrivateKey(name: string, key: KeyObject, trx?: Transaction<Database>): Promise<void>;
  /** A private key under a name; throws `not_found`. */
  privateKey(name: string): Promise<KeyObject>;
  /** All versions of a private key, newest first, read anew from the store; empty when there is none. */
  privateKeys(name: string): Promise<readonly DatedKey[]>;
  /** Seals bytes with the named secret, for the name as context. */
  seal(name: string, plain: Uint8Array): Promise<Buffer>;
  /** Opens what `seal` made, with whichever version sealed it; throws `invalid`. */
  open(name: string, sealed: Uint8Array): Promise<Buffer>;
  /** Adds a new version of a secret or signing key, which becomes current. */
  rotate(name: string): Promise<number>;
  /** The names, kinds and versions, without material. */
  list(): Promise<{ name: string; kind: string; version: number; createdAtMs: number }[]>;
  /** Seals every key under another root key. */
  reseal(source: RootKeySource): Promise<void>;
}

const contextOf = (name: string, version: number): string => `keyring\0${name}\0${version}`;
const MAKERS = {
  aes256: (): Buffer => randomBytes(32),
  ed25519: (): Buffer =>
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' }),
} as const;
type MadeKind = keyof typeof MAKERS;

const toPrivateKey = (der: Buffer): KeyObject =>
  createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });

class StoreKeyring implements Keyring {
  readonly #store: Store;
  readonly #clock: Clock;
  #root: Buffer;
  readonly #cache = new Map<string, readonly KeyVersion[]>();

  constructor(store: Store, root: Buffer, clock: Clock) {
    this.#store = store;
    this.#root = root;
    this.#clock = clock;
  }

  async secret(name: string): Promise<Buffer> {
    return (await this.#current(name, 'aes256')).material;
  }

  async signingKey(name: string): Promise<SigningKey> {
    const { version, material } = await this.#current(name, 'ed25519');
    const privateKey = toPrivateKey(material);
    return { version, privateKey, publicKey: createPublicKey(privateKey) };
  }

  async verifyingKeys(name: string): Promise<ReadonlyMap<number, KeyObject>> {
    // Another server may have rotated it since.
    this.#cache.delete(name);
    const versions = await this.#versions(name);
    return new Map(
      versions.map((v) => [v.version, createPublicKey(toPrivateKey(v.material))] as const),
    );
  }

  async putPrivateKey(name: string, key: KeyObject, trx?: Transaction<Database>): Promise<void> {
    const material = key.export({ type: 'pkcs8', format: 'der' });
    const add = async (t: Transaction<Database>): Promise<void> =>
      void (await this.#add(t, name, 'pkcs8', material));
    await (trx === undefined ? this.#store.write(add) : add(trx));
    this.#cache.delete(name);
  }

  async privateKey(name: string): Promise<KeyObject> {
    const newest = (await this.#versions(name)).at(-1);
    if (newest !== undefined) return toPrivateKey(newest.material);
    throw new PosternError('not_found', `The keyring has no key "${name}"`);
  }

  async privateKeys(name: string): Promise<readonly DatedKey[]> {
    const rows = await this.#store.db
      .selectFrom('keyring')
      .selectAll()
      .where('name', '=', name)
      .orderBy('version', 'desc')
      .execute();
    return rows.map((row) => ({
      version: row.version,
      privateKey: toPrivateKey(this.#unseal(row)),
      createdAtMs: row.created_at_ms,
    }));
  }

  async seal(name: string, plain: Uint8Array): Promise<Buffer> {
    return seal((await this.#current(name, 'aes256')).key, name, plain);
  }

  async open(name: string, sealed: Uint8Array): Promise<Buffer> {
    for (let isFresh = !this.#cache.has(name); ; isFresh = true) {
      for (const { key } of (await this.#versions(name)).toReversed()) {
        const plain = unseal(key, name, sealed);
        if (plain !== undefined) return plain;
      }
      // Another server may have rotated it since: look again in the store, once.
      if (isFresh) break;
      this.#cache.delete(name);
    }
    throw new PosternError('invalid', `No key "${name}" opens this`);
  }

  async rotate(name: string): Promise<number> {
    const version = await this.#store.write(async (trx) => {
      const row = await trx
        .selectFrom('keyring')
        .select('kind')
        .where('name', '=', name)
        .executeTakeFirst();
      if (row?.kind !== 'aes256' && row?.kind !== 'ed25519') {
        throw new PosternError('not_found', `The keyring has no key "${name}" to rotate`);
      }
      return this.#add(trx, name, row.kind, MAKERS[row.kind]());
    });
    this.#cache.delete(name);
    return version;
  }

  async list(): Promise<{ name: string; kind: string; version: number; createdAtMs: number }[]> {
    const rows = await this.#store.db
      .selectFrom('keyring')
      .select(['name', 'kind', 'version', 'created_at_ms'])
      .orderBy('name')
      .orderBy('version')
      .execute();
    return rows.map(({ created_at_ms, ...row }) => ({ ...row, createdAtMs: created_at_ms }));
  }

  async reseal(source: RootKeySource): Promise<void> {
    const salt = randomBytes(16);
    const root = await loadRootKey(source, salt, true);
    await this.#store.write(async (trx) => {
      for (const row of await trx.selectFrom('keyring').selectAll().execute()) {
        const sealed = seal(root, contextOf(row.name, row.version), this.#unseal(row));
        await trx
          .updateTable('keyring')
          .set({ sealed })
          .where('name', '=', row.name)
          .where('version', '=', row.version)
          .execute();
      }
      await saveCheck(trx, root, salt);
    });
    this.#root = root;
  }

  async #current(name: string, kind: MadeKind): Promise<KeyVersion> {
    const known = (await this.#versions(name)).at(-1);
    if (known !== undefined) return known;
    // Another server may have been first: look again under the write lock.
    await this.#store.write(async (trx) => {
      const row = await trx
        .selectFrom('keyring')
        .select('version')
        .where('name', '=', name)
        .executeTakeFirst();
      if (row === undefined) await this.#add(trx, name, kind, MAKERS[kind]());
    });
    this.#cache.delete(name);
    const made = (await this.#versions(name)).at(-1);
    if (made === undefined) throw new PosternError('internal', 'A new key is not in the keyring');
    return made;
  }

  async #versions(name: string): Promise<readonly KeyVersion[]> {
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached;
    const rows = await this.#store.db
      .selectFrom('keyring')
      .selectAll()
      .where('name', '=', name)
      .orderBy('version')
      .execute();
    const versions = rows.map((row) => {
      const material = this.#unseal(row);
      return { version: row.version, material, key: createSecretKey(material) };
    });
    if (versions.length > 0) this.#cache.set(name, versions);
    return versions;
  }

  #unseal(row: { name: string; version: number; sealed: Uint8Array }): Buffer {
    const material = unseal(this.#root, contextOf(row.name, row.version), row.sealed);
    if (material !== undefined) return material;
    throw new PosternError('internal', `The key "${row.name}" in the keyring was altered`);
  }

  async #add(
    trx: Transaction<Database>,
    name: string,
    kind: string,
    material: Buffer,
  ): Promise<number> {
    const newest = await trx
      .selectFrom('keyring')
      .select('version')
      .where('name', '=', name)
      .orderBy('version', 'desc')
      .executeTakeFirst();
    const version = (newest?.version ?? 0) + 1;
    const sealed = seal(this.#root, contextOf(name, version), material);
    const created_at_ms = this.#clock.now();
    await trx
      .insertInto('keyring')
      .values({ name, version, kind, sealed, created_at_ms })
      .execute();
    return version;
  }
}

async function saveCheck(trx: Transaction<Database>, root: Buffer, salt: Buffer): Promise<void> {
  await trx.deleteFrom('settings').where('name', 'in', [SALT, CHECK]).execute();
  const check = seal(root, CHECK, Buffer.from(CHECK_TEXT)).toString('base64');
  await trx
    .insertInto('settings')
    .values([
      { name: SALT, value: salt.toString('base64') },
      { name: CHECK, value: check },
    ])
    .execute();
}

/** Opens the keyring of a store. Throws `denied` when the root key is not the one that sealed it. */
export async function createKeyring(
  store: Store,
  source: RootKeySource,
  clock: Clock = systemClock,
): Promise<Keyring> {
  const setting = async (name: string): Promise<Buffer | undefined> => {
    const row = await store.db
      .selectFrom('settings')
      .select('value')
      .where('name', '=', name)
      .executeTakeFirst();
    return row === undefined ? undefined : Buffer.from(row.value, 'base64');
  };
  const freshSalt = randomBytes(16);
  const knownSalt = await setting(SALT);
  const root = await loadRootKey(source, knownSalt ?? freshSalt, knownSalt === undefined);
  if (knownSalt === undefined) {
    await store.write(async (trx) => {
      const raced = await trx
        .selectFrom('settings')
        .select('name')
        .where('name', '=', SALT)
        .executeTakeFirst();
      if (raced === undefined) await saveCheck(trx, root, freshSalt);
    });
  }
  const check = await setting(CHECK);
  if (check === undefined || unseal(root, CHECK, check)?.toString() !== CHECK_TEXT) {
    throw new PosternError('denied', 'The root key is not the one that sealed this keyring', {
      hint: 'Start the server with the root key (file, environment or passphrase) it was set up with.',
    });
  }
  return new StoreKeyring(store, root, clock);
}
