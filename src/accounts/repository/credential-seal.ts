/**
 * Credentials' configurations under their key. INVARIANT: they are sealed before a transaction begins, which may await nothing
 * else, and opened for reading alone.
 */
import type { Fabric } from '../../fabric/index.ts';
import type { Account, CredentialType, JsonObject } from '../account.ts';

const SEAL = 'accounts/credentials';

/** An account with what is sealed of it, to be written inside a transaction. */
export interface PreparedAccount {
  readonly account: Account;
  readonly sealed: ReadonlyMap<CredentialType, Buffer>;
}

/** Makes the key, so that later sealing waits for no transaction. */
export async function openSeal({ keyring }: Fabric): Promise<void> {
  await keyring.secret(SEAL);
}

/** Seals the configurations of an account. */
export async function sealAccount({ keyring }: Fabric, account: Account): Promise<PreparedAccount> {
  const sealed = new Map<CredentialType, Buffer>();
  for (const { type, config } of account.credentials.values())
    sealed.set(type, await keyring.seal(SEAL, Buffer.from(JSON.stringify(config))));
  return { account, sealed };
}

/** The configuration of a credential. Throws when it was sealed by another key. */
export async function openConfig({ keyring }: Fabric, sealed: Uint8Array): Promise<JsonObject> {
  const plain = await keyring.open(SEAL, sealed);
  // Sealed by sealAccount.
  return JSON.parse(plain.toString()) as JsonObject;
}
