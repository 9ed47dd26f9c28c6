/**
 * People for the accounts benchmark, put into a server's database before it starts, by the modules that the server itself
 * stores them with: an account with a password each, and a session that stands. Everybody has the same password, hashed
 * once: what is measured is checking it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  AccountsManager,
  Administration,
  Courier,
  createBrand,
  createPasswordHasher,
  createPasswordPolicy,
  defaultConfig,
} from '../../src/accounts/index.ts';
import { newDevice } from '../../src/accounts/sessions.ts';
import { createAudit } from '../../src/audit/index.ts';
import { createFabric } from '../../src/fabric/index.ts';
import { silentLogger, systemClock } from '../../src/kernel/index.ts';
import { openStore } from '../../src/store/index.ts';

export const PASSWORD = 'a horse, correct, and its staple';
export const emailOf = (i: number): string => `person${i}@example.com`;
const AT_ONCE = 500;

export interface HashCost {
  readonly name: string;
  readonly algorithm: 'argon2' | 'bcrypt';
}
export const ARGON2 = {
  memoryKiB: 19_456,
  iterations: 2,
  parallelism: 1,
  saltLength: 16,
  keyLength: 32,
} as const;
export const BCRYPT_COST = 12;

/** A hasher as the server's, with the costs that this benchmark states. */
export function hasherOf({ algorithm }: HashCost): ReturnType<typeof createPasswordHasher> {
  return createPasswordHasher({ algorithm, bcryptCost: BCRYPT_COST, argon2: ARGON2 });
}

/** Makes `count` people in a home that no server uses; answers the token of each one's session. */
export async function settle(home: string, count: number, cost: HashCost): Promise<string[]> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const store = await openStore({ sqlitePath: join(home, 'server.sqlite3') });
  const fabric = await createFabric(store, {
    rootKey: { kind: 'file', path: join(home, 'root.key') },
  });
  const audit = createAudit(store, {
    signer: () => fabric.keyring.signingKey('audit'),
    verifying: () => fabric.keyring.verifyingKeys('audit'),
  });
  await fabric.keyring.signingKey('audit');
  const config = defaultConfig({ publicUrl: 'http://127.0.0.1', adminUrl: 'http://127.0.0.1' });
  const parts = { store, fabric, logger: silentLogger, clock: systemClock, config };
  const hasher = hasherOf(cost);
  const manager = await AccountsManager.open({
    brand: createBrand('127.0.0.1'),
    ...parts,
    audit,
    hasher,
    passwordPolicy: createPasswordPolicy({
      minLength: 8,
      isSimilarityChecked: false,
      breaches: undefined,
    }),
    messages: new Courier({ ...parts, config: config.courier, site: '127.0.0.1' }),
  });
  const administration = new Administration(manager.services);
  const hash = await hasher.hash(PASSWORD);
  const { sessions } = manager.services;
  const one = async (i: number): Promise<string> => {
    const account = await administration.create(
      {
        schemaId: config.defaultSchemaId,
        traits: { email: emailOf(i) },
        password: { hash },
      },
      'bench',
    );
    const method = { method: 'password', aal: 'aal1', completedAtMs: systemClock.now() } as const;
    const device = newDevice('127.0.0.1', 'bench');
    const { token } = await store.write((trx) =>
      sessions.issue(trx, { accountId: account.id, methods: [method], device }),
    );
    return token.reveal();
  };
  const tokens: string[] = [];
  for (let i = 0; i < count; i += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, k) => one(i + k));
    tokens.push(...(await Promise.all(some)));
  }
  manager.close();
  await fabric.close();
  await store.close();
  return tokens;
}
