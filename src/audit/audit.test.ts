import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openStore, type Store } from '../store/index.ts';
import { type Audit, createAudit, hashEntry, verifyChain } from './index.ts';

let folder: string;
let store: Store;
let audit: Audit;
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const keys: ReadonlyMap<number, KeyObject> = new Map([[1, publicKey]]);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-audit-'));
  store = await openStore({ sqlitePath: join(folder, 's.sqlite3') });
  audit = createAudit(store, {
    signer: async () => ({ version: 1, privateKey }),
    verifying: async () => keys,
  });
  await deeds(5);
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function deeds(count: number): Promise<void> {
  const deed = { actor: 'ann', action: 'ticket.create', resource: 'project/1', data: { n: 1 } };
  for (let i = 0; i < count; i++) await store.write((trx) => audit.append(trx, deed));
}

/** What somebody does who can write to the database. */
function tamper(sql: string, ...values: (string | number)[]): void {
  const db = new DatabaseSync(join(folder, 's.sqlite3'));
  db.prepare(sql).run(...values);
  db.close();
}

/** Edits an entry and makes all later hashes fit. */
async function rewriteFrom(number: number): Promise<void> {
  let previousHash: string | undefined;
  for (const entry of await audit.list(number - 1)) {
    const actor = entry.number === number ? 'bob' : entry.actor;
    const changed = { ...entry, actor, previousHash: previousHash ?? entry.previousHash };
    previousHash = hashEntry(changed);
    const set = 'update audit set actor = ?, previous_hash = ?, hash = ? where number = ?';
    tamper(set, actor, changed.previousHash, previousHash, entry.number);
  }
}

it('lists what was done, and an intact chain verifies, across more than a page', async () => {
  await deeds(600);
  await audit.signHead();
  expect(await audit.verify()).toEqual({ isIntact: true, entries: 605, headsChecked: 1 });
  expect(await audit.list(603)).toMatchObject([{ number: 604 }, { number: 605 }]);
});

it('has no entry of a deed that was undone', async () => {
  const failing = store.write(async (trx) => {
    await audit.append(trx, { actor: 'ann', action: 'x', resource: 'y' });
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  await deeds(1);
  expect(await audit.verify()).toMatchObject({ isIntact: true, entries: 6 });
});

it.each([
  ['actor', 'bob'],
  ['action', 'x'],
  ['resource', 'x'],
  ['outcome', 'denied'],
  ['data_json', '{}'],
  ['at_ms', 1],
  ['hash', '0'.repeat(64)],
])('notices an edit of %s', async (column, value) => {
  tamper(`update audit set ${column} = ? where number = 3`, value);
  expect(await audit.verify()).toMatchObject({ isIntact: false, number: 3 });
});

it('notices a deletion', async () => {
  tamper('delete from audit where number = 3');
  expect(await audit.verify()).toEqual({
    isIntact: false,
    problem: 'entry 3 is missing',
    number: 3,
  });
});

it('notices a rewritten past by a kept head', async () => {
  await audit.signHead();
  await rewriteFrom(3);
  expect(await audit.verify()).toMatchObject({ isIntact: false, number: 5 });
});

it('notices truncation and rewriting by an exported head, when even the kept ones are gone', async () => {
  const exported = await audit.signHead();
  tamper('delete from audit_heads');
  await rewriteFrom(3);
  expect(await audit.verify()).toMatchObject({ isIntact: true });
  expect(await audit.verify(exported)).toMatchObject({ isIntact: false, number: 5 });
  tamper('delete from audit where number > 3');
  expect(await audit.verify(exported)).toEqual({
    isIntact: false,
    problem: 'the log ends at 3, a signed head names entry 5',
    number: 4,
  });
});

it('does not believe a head that another key signed, or that was edited', async () => {
  const head = await audit.signHead();
  if (head === undefined) throw new Error('no head');
  const edited = { ...head, number: 4 };
  expect(await audit.verify(edited)).toMatchObject({ isIntact: false, number: 4 });
  const others = new Map([[1, generateKeyPairSync('ed25519').publicKey]]);
  const verdict = await verifyChain(await audit.list(), [head], others);
  expect(verdict).toMatchObject({ isIntact: false, problem: 'the head at 5 is not signed by us' });
});
