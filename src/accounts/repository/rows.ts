/** An account's rows, and the person that rows make up. Pure; what is sealed stands in credential-seal.ts. */
import type { AccountAddressesTable, AccountsTable } from '../../store/index.ts';
import type {
  Account,
  Json,
  JsonObject,
  RecoveryAddress,
  VerifiableAddress,
  Via,
} from '../account.ts';

function viaOf(text: string): Via {
  return text === 'sms' ? 'sms' : 'email';
}

function verifiableOf(row: AccountAddressesTable): VerifiableAddress {
  return {
    id: row.id,
    value: row.value,
    via: viaOf(row.via),
    verified: row.verified === 1,
    status: row.status === 'completed' || row.status === 'sent' ? row.status : 'pending',
    verifiedAtMs: row.verified_at_ms ?? undefined,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}
function recoveryOf(row: AccountAddressesTable): RecoveryAddress {
  return {
    id: row.id,
    value: row.value,
    via: viaOf(row.via),
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}

export function rowOf(account: Account): AccountsTable {
  return {
    id: account.id,
    external_id: account.externalId ?? null,
    schema_id: account.schemaId,
    state: account.state,
    state_changed_at_ms: account.stateChangedAtMs,
    traits_json: JSON.stringify(account.traits),
    metadata_public_json: JSON.stringify(account.metadataPublic),
    metadata_admin_json: JSON.stringify(account.metadataAdmin),
    organization_id: account.organizationId ?? null,
    created_at_ms: account.createdAtMs,
    updated_at_ms: account.updatedAtMs,
  };
}

export function addressRows(account: Account): AccountAddressesTable[] {
  return [
    ...account.verifiableAddresses.map((a) => ({
      id: a.id,
      account_id: account.id,
      kind: 'verifiable',
      via: a.via,
      value: a.value,
      verified: a.verified ? 1 : 0,
      status: a.status,
      verified_at_ms: a.verifiedAtMs ?? null,
      created_at_ms: a.createdAtMs,
      updated_at_ms: a.updatedAtMs,
    })),
    ...account.recoveryAddresses.map((a) => ({
      id: a.id,
      account_id: account.id,
      kind: 'recovery',
      via: a.via,
      value: a.value,
      verified: 0,
      status: 'pending',
      verified_at_ms: null,
      created_at_ms: a.createdAtMs,
      updated_at_ms: a.updatedAtMs,
    })),
  ];
}

/** Everything of a person but how they sign in. */
export function personOf(
  row: AccountsTable,
  addresses: readonly AccountAddressesTable[],
): Omit<Account, 'credentials'> {
  return {
    id: row.id,
    externalId: row.external_id ?? undefined,
    schemaId: row.schema_id,
    state: row.state === 'inactive' ? 'inactive' : 'active',
    stateChangedAtMs: row.state_changed_at_ms,
    // Written by rowOf.
    traits: JSON.parse(row.traits_json) as JsonObject,
    metadataPublic: JSON.parse(row.metadata_public_json) as Json,
    metadataAdmin: JSON.parse(row.metadata_admin_json) as Json,
    organizationId: row.organization_id ?? undefined,
    verifiableAddresses: addresses.filter((a) => a.kind === 'verifiable').map(verifiableOf),
    recoveryAddresses: addresses.filter((a) => a.kind === 'recovery').map(recoveryOf),
    revision: row.updated_at_ms,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}

/** The name by which administrators see a person among the principals. */
export function principalName(account: Account): string {
  const [address] = account.verifiableAddresses;
  const [identifier] = [...account.credentials.values()].flatMap((c) => c.identifiers);
  return address?.value ?? identifier ?? account.id;
}
