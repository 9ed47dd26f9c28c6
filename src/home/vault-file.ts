/**
 * A vault that is a file of its own: a SQLite file with the private keys of identities and nothing else, mode 0600. It
 * may lie on a disk that is not always there; a key that can't be read is then "not found", and never made anew.
 */
import { chmodSync, copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PosternError } from '../kernel/index.ts';

const SCHEMA = 'create table if not exists keys (identifier text primary key, pem text not null)';

function withFile<T>(path: string, work: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path, { timeout: 10_000 });
  try {
    db.exec('pragma journal_mode=delete; pragma synchronous=full;');
    return work(db);
  } finally {
    db.close();
  }
}

/** Makes a vault's file. Throws `conflict` when there is a file already. */
export function createVaultFile(path: string): void {
  if (existsSync(path)) throw new PosternError('conflict', `The file ${path} exists already`);
  const umask = process.umask(0o177);
  try {
    withFile(path, (db) => db.exec(SCHEMA));
  } finally {
    process.umask(umask);
  }
  chmodSync(path, 0o600);
}

/** Keeps a private key. Throws `not_found` when the file is gone. */
export function storeVaultKey(path: string, identifier: string, pem: string): void {
  checkThere(path);
  withFile(path, (db) =>
    db.prepare('insert or replace into keys(identifier,pem) values(?,?)').run(identifier, pem),
  );
}

/** A private key. Throws `not_found`. */
export function loadVaultKey(path: string, identifier: string): string {
  checkThere(path);
  const row = withFile(path, (db) =>
    db.prepare('select pem from keys where identifier=?').get(identifier),
  );
  if (row === undefined)
    throw new PosternError('not_found', `The private key of ${identifier} is not in ${path}`);
  return String(row['pem']);
}

/** Moves a vault's file, also to another disk. Throws `not_found` or `conflict`. */
export function moveVaultFile(from: string, to: string): void {
  checkThere(from);
  if (existsSync(to)) throw new PosternError('conflict', `The file ${to} exists already`);
  try {
    renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
    copyFileSync(from, to);
    rmSync(from);
  }
}

/** Deletes a vault's file with the keys in it. */
export function deleteVaultFile(path: string): void {
  rmSync(path, { force: true });
}

function checkThere(path: string): void {
  if (!existsSync(path))
    throw new PosternError('not_found', `The vault's file ${path} was not found`, {
      hint: 'Mount its disk, or say where it is: `postern vault move NAME --path PATH`',
    });
}
