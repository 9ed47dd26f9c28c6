/** Both databases for the provider's tests, with a clock that they set. For tests alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Audit, createAudit } from '../audit/index.ts';
import { createFabric, type Fabric } from '../fabric/index.ts';
import { Secret } from '../kernel/index.ts';
import { openStore, type Store, type StoreOptions } from '../store/index.ts';
import {
  hasPostgres,
  type PostgresServer,
  startPostgres,
} from '../store/postgres-server.fixture.ts';

export interface Rooms {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly clock: { now(): number };
  advance(ms: number): void;
  close(): Promise<void>;
}

async function openRooms(options: StoreOptions): Promise<Rooms> {
  let nowMs = 1_700_000_000_000;
  const clock = { now: (): number => nowMs };
  const store = await openStore(options);
  const rootKey = { kind: 'value', value: new Secret('11'.repeat(32)) } as const;
  const fabric = await createFabric(store, { rootKey, clock });
  const audit = createAudit(store, {
    signer: () => fabric.keyring.signingKey('audit'),
    verifying: () => fabric.keyring.verifyingKeys('audit'),
  });
  return {
    ...{ store, fabric, audit, clock },
    advance: (ms) => {
      nowMs += ms;
    },
    close: async () => {
      await fabric.close();
      await store.close();
    },
  };
}

/** Runs a suite on SQLite, and on PostgreSQL where there is one. */
export function onEachStore(suite: (rooms: () => Rooms) => void): void {
  const run = (optionsOf: () => StoreOptions): void => {
    let rooms: Rooms;
    beforeAll(async () => {
      rooms = await openRooms(optionsOf());
    }, 60_000);
    afterAll(() => rooms.close());
    suite(() => rooms);
  };
  describe('on SQLite', () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-oidc-'));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    run(() => ({ sqlitePath: join(folder, 'oidc.db') }));
  });
  describe.skipIf(!hasPostgres)('on PostgreSQL', () => {
    let postgres: PostgresServer;
    beforeAll(async () => {
      postgres = await startPostgres();
    }, 60_000);
    afterAll(() => postgres.remove());
    run(() => ({ postgresUrl: postgres.url }));
  });
}
