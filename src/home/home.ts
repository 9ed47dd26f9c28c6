/**
 * The state of a home: identities and their keys, projects, credentials, nodes and what runs on them. Everything is in
 * two SQLite files, so that copying them clones the home. Several processes share a home (each command, each node);
 * `journal_mode=DELETE` keeps a copy of the file whole, a busy timeout makes them wait for each other.
 * The folder is 0700 and the files are 0600: the keys are in there. It never talks to a network.
 */

import { createHash, createPublicKey } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { newName, PosternError } from '../kernel/index.ts';
import {
  createIdentity,
  exportPrivateKey,
  type IdentityKeys,
  importPrivateKey,
  verifyChangeHistory,
} from '../trust/light.ts';
import type {
  CredentialRecord,
  DecisionRecord,
  EnrolmentRecord,
  IdentityRecord,
  InletRecord,
  NodeRecord,
  NoteRecord,
  OutletRecord,
  PolicyRecord,
  ProjectRecord,
  RelayRecord,
  VaultRecord,
} from './records.ts';
import { loadVaultKey, storeVaultKey } from './vault-file.ts';

const SCHEMA_VERSION = 1;
const SCHEMA = `
  create table if not exists records (
    kind text not null, owner text not null, name text not null, body text not null,
    is_default integer not null default 0, position integer primary key autoincrement,
    unique (kind, owner, name)
  );
  create table if not exists settings (name text primary key, value text not null);
`;
const DECISIONS_MAX = 500;
/** sun_path holds 108 bytes; longer homes get a socket elsewhere. */
const SOCKET_PATH_BYTES_MAX = 100;
const NODE_NAME = /^\w[\w-]*$/;

/** One kind of record below one owner (the home itself, or a node). */
export class Collection<T extends { readonly name: string }> {
  readonly #db: DatabaseSync;
  readonly #kind: string;
  readonly #owner: string;
  readonly #noun: string;
  constructor(db: DatabaseSync, kind: string, owner: string, noun: string = kind) {
    this.#db = db;
    this.#kind = kind;
    this.#owner = owner;
    this.#noun = noun;
  }
  #read(row: Record<string, unknown> | undefined): T | undefined {
    // The body was written by put() from a T, in this program's own database.
    return row === undefined ? undefined : (JSON.parse(String(row['body'])) as T);
  }
  /** The record of that name, or undefined. */
  find(name: string): T | undefined {
    const row = this.#db
      .prepare('select body from records where kind=? and owner=? and name=?')
      .get(this.#kind, this.#owner, name);
    return this.#read(row);
  }
  /** The record of that name, or the default. Throws `not_found`. */
  get(name?: string): T {
    const found = name === undefined ? this.default : this.find(name);
    if (found !== undefined) return found;
    throw new PosternError(
      'not_found',
      name === undefined
        ? `There is no default ${this.#noun}`
        : `The ${this.#noun} named '${name}' was not found`,
    );
  }
  list(): T[] {
    const rows = this.#db
      .prepare('select body from records where kind=? and owner=? order by position')
      .all(this.#kind, this.#owner);
    return rows.flatMap((r) => this.#read(r) ?? []);
  }
  get default(): T | undefined {
    const row = this.#db
      .prepare('select body from records where kind=? and owner=? and is_default=1')
      .get(this.#kind, this.#owner);
    return this.#read(row);
  }
  isDefault(name: string): boolean {
    return this.default?.name === name;
  }
  /** Creates; the first of its kind becomes the default. Throws `conflict` when the name is taken. */
  create(record: T): void {
    if (this.#insert(record, 'nothing') === 0)
      throw new PosternError('conflict', `The ${this.#noun} named '${record.name}' already exists`);
  }
  /** Creates or replaces. */
  put(record: T): void {
    this.#insert(record, 'update set body=excluded.body');
  }
  /** One statement, so that of several processes one alone makes the default. */
  #insert(record: T, otherwise: string): number {
    const done = this.#db
      .prepare(
        `insert into records(kind,owner,name,body,is_default) select ?1,?2,?3,?4,
         not exists(select 1 from records where kind=?1 and owner=?2 and is_default=1)
         where true on conflict(kind,owner,name) do ${otherwise}`,
      )
      .run(this.#kind, this.#owner, record.name, JSON.stringify(record));
    return Number(done.changes);
  }
  /** Deletes; the oldest that is left becomes the default. Throws `not_found`. */
  delete(name: string): void {
    this.get(name);
    this.#db
      .prepare('delete from records where kind=? and owner=? and name=?')
      .run(this.#kind, this.#owner, name);
    this.#db
      .prepare(
        `update records set is_default=1
         where position=(select min(position) from records where kind=?1 and owner=?2)
         and not exists(select 1 from records where kind=?1 and owner=?2 and is_default=1)`,
      )
      .run(this.#kind, this.#owner);
  }
  #mark(name: string): void {
    this.#db
      .prepare('update records set is_default=(name=?) where kind=? and owner=?')
      .run(name, this.#kind, this.#owner);
  }
  /** Throws `not_found`, or `conflict` when it is the default already. */
  setDefault(name: string): void {
    this.get(name);
    if (this.isDefault(name))
      throw new PosternError(
        'conflict',
        `The ${this.#noun} named '${name}' is already the default`,
      );
    this.#mark(name);
  }
  clear(): void {
    this.#db.prepare('delete from records where kind=? and owner=?').run(this.#kind, this.#owner);
  }
}

/** The home's folder: `POSTERN_HOME`, else `OCKAM_HOME`, else `~/.postern`. */
export function homePath(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['POSTERN_HOME'] || env['OCKAM_HOME'] || join(homedir(), '.postern'));
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 10_000 });
  // One statement, so that both are read at one moment, also while another process makes the tables.
  const found = db
    .prepare(
      'select user_version as version, (select count(*) from sqlite_master) as tables from pragma_user_version',
    )
    .get();
  const version = Number(found?.['version'] ?? 0);
  const refuse = (error: PosternError): never => {
    db.close();
    throw error;
  };
  if (version > SCHEMA_VERSION)
    refuse(
      new PosternError('unsupported', `${path} was written by a newer version of Postern`, {
        hint: 'Update this one',
      }),
    );
  if (version === 0 && Number(found?.['tables'] ?? 0) > 0)
    refuse(
      new PosternError('conflict', `${path} is another program's, such as Ockam's own state`, {
        hint: 'Set POSTERN_HOME to a folder of its own',
      }),
    );
  chmodSync(path, 0o600);
  db.exec('pragma journal_mode=delete; pragma synchronous=full;');
  if (version < SCHEMA_VERSION)
    db.exec(`begin immediate; ${SCHEMA} pragma user_version=${SCHEMA_VERSION}; commit;`);
  return db;
}

/** Makes a default that another process may be making too. */
function unlessMadeMeanwhile(make: () => unknown): void {
  try {
    make();
  } catch (reason) {
    if (!(reason instanceof PosternError && reason.code === 'conflict')) throw reason;
  }
}

export class Home {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #application: DatabaseSync;
  readonly vaults: Collection<VaultRecord>;
  readonly identities: Collection<IdentityRecord>;
  readonly projects: Collection<ProjectRecord>;
  readonly enrolments: Collection<EnrolmentRecord>;
  readonly credentials: Collection<CredentialRecord>;
  readonly nodes: Collection<NodeRecord>;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chmodSync(path, 0o700);
    this.#db = openDatabase(join(path, 'database.sqlite3'));
    this.#application = openDatabase(join(path, 'application_database.sqlite3'));
    this.vaults = new Collection(this.#db, 'vault', '');
    this.identities = new Collection(this.#db, 'identity', '');
    this.projects = new Collection(this.#db, 'project', '');
    this.enrolments = new Collection(this.#db, 'enrolment', '');
    this.credentials = new Collection(this.#db, 'credential', '');
    this.nodes = new Collection(this.#db, 'node', '');
  }

  close(): void {
    this.#db.close();
    this.#application.close();
  }

  /** What runs on a node: outlets, inlets, relays and policies. */
  outlets(node: string): Collection<OutletRecord> {
    return new Collection(this.#db, 'outlet', node);
  }
  inlets(node: string): Collection<InletRecord> {
    return new Collection(this.#db, 'inlet', node);
  }
  relays(node: string): Collection<RelayRecord> {
    return new Collection(this.#db, 'relay', node);
  }
  policies(node: string): Collection<PolicyRecord> {
    return new Collection(this.#db, 'policy', node);
  }
  /** Records of a kind that has no rules here. */
  notes(kind: string, owner: string): Collection<NoteRecord> {
    return new Collection(this.#db, `note:${kind}`, owner, kind);
  }

  /** The vault of that name; the default one is made silently. Throws `not_found` for another unknown name. */
  vault(name?: string): VaultRecord {
    if (name === undefined && this.vaults.default === undefined)
      unlessMadeMeanwhile(() => this.vaults.create({ name: 'default' }));
    return this.vaults.get(name);
  }

  /** Makes an identity, or imports an exported change history whose key this home already has. */
  createIdentity(name: string = newName(), vaultName?: string): IdentityRecord {
    const vault = this.vault(vaultName);
    const keys = createIdentity();
    const { identifier, changeHistory } = keys.identity;
    const pem = exportPrivateKey(keys.privateKey);
    if (vault.path !== undefined) storeVaultKey(vault.path, identifier, pem);
    const record: IdentityRecord = {
      name,
      identifier,
      vaultName: vault.name,
      changeHistoryHex: changeHistory.toString('hex'),
      ...(vault.path === undefined ? { privateKeyPem: pem } : {}),
    };
    this.identities.create(record);
    return record;
  }

  /** Imports an exported change history; its private key must be in this home's vaults. Throws `invalid` or `not_found`. */
  importIdentity(name: string, changeHistoryHex: string): IdentityRecord {
    const { identifier, publicKey } = verifyChangeHistory(Buffer.from(changeHistoryHex, 'hex'));
    const known = this.identities
      .list()
      .find(
        (i) =>
          i.identifier === identifier &&
          createPublicKey(this.identityKeys(i).privateKey).equals(publicKey),
      );
    if (known === undefined)
      throw new PosternError(
        'not_found',
        `The private key of ${identifier} is in none of this home's vaults`,
      );
    const record = { ...known, name, changeHistoryHex };
    this.identities.create(record);
    return record;
  }

  /** The identity of that name; the default one is made silently. */
  identity(name?: string): IdentityRecord {
    if (name === undefined && this.identities.default === undefined)
      unlessMadeMeanwhile(() => this.createIdentity('default'));
    return this.identities.get(name);
  }

  #vaultKey({ vaultName, identifier }: IdentityRecord): string {
    const { path } = this.vaults.get(vaultName);
    if (path === undefined)
      throw new PosternError(
        'not_found',
        `The private key of ${identifier} is not in the vault ${vaultName}`,
      );
    return loadVaultKey(path, identifier);
  }

  /** An identity with its private key. Throws `not_found` when its vault's file is out of reach. */
  identityKeys(record: IdentityRecord): IdentityKeys {
    return {
      identity: {
        identifier: record.identifier,
        changeHistory: Buffer.from(record.changeHistoryHex, 'hex'),
      },
      privateKey: importPrivateKey(record.privateKeyPem ?? this.#vaultKey(record)),
    };
  }

  /** Throws `invalid` when a node can't have that name. */
  checkNodeName(name: string): void {
    if (!NODE_NAME.test(name) || name.length > 64)
      throw new PosternError(
        'invalid',
        `"${name}" can't be a node's name: use letters, digits, _ and -`,
      );
  }

  nodeDirectory(name: string): string {
    return join(this.path, 'nodes', name);
  }

  /**
   * The Unix socket of a node's API; in a folder of this user's own when the home's path is too long for a socket.
   * Not in the node's directory: a foreground node leaves none. Throws `denied` when that folder is somebody else's.
   */
  nodeSocketPath(name: string): string {
    const path = join(this.path, 'run', `${name}.sock`);
    const isShort = Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX;
    const folder = isShort ? join(this.path, 'run') : join(tmpdir(), `postern-${userInfo().uid}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(folder);
    if (uid !== userInfo().uid || (mode & 0o077) !== 0)
      throw new PosternError('denied', `The folder ${folder} is not this user's alone`, {
        hint: 'Remove it, or choose a shorter POSTERN_HOME',
      });
    if (isShort) return path;
    return join(folder, `${createHash('sha256').update(path).digest('hex').slice(0, 32)}.sock`);
  }

  /** Forgets a node and everything on it. */
  deleteNode(name: string): void {
    this.nodes.delete(name);
    this.clearNode(name);
    rmSync(this.nodeDirectory(name), { recursive: true, force: true });
    rmSync(this.nodeSocketPath(name), { force: true });
  }

  /** Forgets what ran on a node, and keeps the node. */
  clearNode(name: string): void {
    this.#db.prepare("delete from records where owner=? and kind<>'node'").run(name);
  }

  /** Keeps a decision, the newest 500 of the home. */
  recordDecision(decision: DecisionRecord): void {
    this.#db
      .prepare(
        "insert into records(kind,owner,name,body) values('decision','',?,?) on conflict do nothing",
      )
      .run(decision.name, JSON.stringify(decision));
    this.#db
      .prepare(
        "delete from records where kind='decision' and position <= (select max(position) from records where kind='decision') - ?",
      )
      .run(DECISIONS_MAX * 4);
  }
  /** A decision by id, or the newest with `last`. */
  findDecision(id: string): DecisionRecord | undefined {
    const all = new Collection<DecisionRecord>(this.#db, 'decision', '');
    return id === 'last' ? all.list().at(-1) : all.find(id);
  }

  setting(name: string): string | undefined {
    const row = this.#db.prepare('select value from settings where name=?').get(name);
    return row === undefined ? undefined : String(row['value']);
  }
  setSetting(name: string, value: string): void {
    this.#db
      .prepare(
        'insert into settings(name,value) values(?,?) on conflict(name) do update set value=excluded.value',
      )
      .run(name, value);
  }

  /** Deletes everything but `bin/`, `env` and the application database. Nodes must be stopped first. */
  reset(): void {
    this.close();
    const kept = new Set(['bin', 'env', 'application_database.sqlite3']);
    for (const entry of readdirSync(this.path))
      if (!kept.has(entry)) rmSync(join(this.path, entry), { recursive: true, force: true });
  }
}

/** Opens a home, making it when it is not there. */
export function openHome(path: string = homePath()): Home {
  return new Home(path);
}

/** Has the home been used at all? Asks without making it. */
export function homeExists(path: string = homePath()): boolean {
  return existsSync(join(path, 'database.sqlite3'));
}
