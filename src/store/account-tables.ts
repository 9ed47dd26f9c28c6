/**
 * The tables of accounts and of the OpenID Provider. What could open an account (credential configurations, codes,
 * messages, flows) is sealed under the keyring, so that a copy of the database opens nothing. Sessions are grants: see
 * `grants`, kind `session`, whose id is the session's.
 */
import type { TableShape } from './table-shape.ts';

/** A person; the principal of the same id is of the kind `account`. */
export interface AccountsTable {
  id: string;
  external_id: string | null;
  schema_id: string;
  /** `active` or `inactive`. */
  state: string;
  state_changed_at_ms: number;
  traits_json: string;
  metadata_public_json: string;
  metadata_admin_json: string;
  /** The space that the person belongs to, where there are several organisations. */
  organization_id: string | null;
  created_at_ms: number;
  updated_at_ms: number;
}

/** One way to sign in; an account has at most one row of a type. */
export interface AccountCredentialsTable {
  account_id: string;
  /** `password`, `code`, `oidc`, `totp`, `lookup_secret`, `webauthn`, `passkey`. */
  type: string;
  version: number;
  /** Whether it is a second factor; in plain, as it is asked for every request of somebody signed in. */
  is_second_factor: number;
  /** JSON, sealed. */
  config_sealed: Uint8Array;
  created_at_ms: number;
  updated_at_ms: number;
}

/** What a person can be found by, unique among the credentials of a type. */
export interface AccountIdentifiersTable {
  type: string;
  /** Normalised. */
  identifier: string;
  account_id: string;
}

/** An app or a script with a way in of its own; the principal of the same id is of the kind `service`. */
export interface ServiceAccountsTable {
  id: string;
  space_id: string;
  name: string;
  /** The name as it is compared; unique in a space. */
  name_key: string;
  /** A hash, sealed; null for one that has tokens alone. */
  password_sealed: Uint8Array | null;
  password_set_at_ms: number | null;
  /** The most that its tokens may carry. */
  scopes_json: string;
  /** Networks that its password came from. */
  networks_json: string;
  created_at_ms: number;
  created_by: string | null;
  expires_at_ms: number | null;
}

export interface AccountAddressesTable {
  id: string;
  account_id: string;
  /** `verifiable` or `recovery`. */
  kind: string;
  /** `email` or `sms`. */
  via: string;
  value: string;
  verified: number;
  /** `pending`, `sent` or `completed`. */
  status: string;
  verified_at_ms: number | null;
  created_at_ms: number;
  updated_at_ms: number;
}

/** Flows under way: login, registration, settings, recovery, verification. */
export interface AccountFlowsTable {
  id: string;
  kind: string;
  account_id: string | null;
  /** Counts writes, so that two submits at once can not both win. */
  version: number;
  /** JSON, sealed. */
  data_sealed: Uint8Array;
  expires_at_ms: number;
}

/** Errors shown outside a flow, and state kept across a detour to another site. */
export interface AccountNotesTable {
  id: string;
  /** `error` or `continuity` or `exchange`. */
  kind: string;
  /** JSON, sealed. */
  data_sealed: Uint8Array;
  created_at_ms: number;
  expires_at_ms: number;
}

/** Token buckets of attempts, by account, address or network. */
export interface AccountBudgetsTable {
  key: string;
  /** Attempts left, in thousandths. */
  left_milli: number;
  at_ms: number;
}

/** The courier's queue. */
export interface AccountMessagesTable {
  id: string;
  /** Ascending, for paging. */
  number: number;
  /** `queued`, `processing`, `sent`, `abandoned`. */
  status: string;
  /** `email` or `phone`. */
  type: string;
  channel: string;
  recipient: string;
  template_type: string;
  /** JSON {subject, body, html?}, sealed. */
  content_sealed: Uint8Array;
  send_count: number;
  /** JSON. */
  dispatches_json: string;
  /** Not before. */
  next_at_ms: number;
  /** Which server took it for sending, and until when nobody else does. */
  taken_by: string | null;
  taken_until_ms: number | null;
  created_at_ms: number;
  updated_at_ms: number;
}

/** What the OpenID Provider keeps: codes, tokens, grants, sessions, interactions, by oidc-provider's model names. */
export interface OidcRecordsTable {
  model: string;
  /** SHA-256 of the record's id, since ids are secrets. */
  id_hash: string;
  /** JSON, sealed. */
  payload_sealed: Uint8Array;
  /** The provider's grant, by which a family is revoked together. */
  grant_id: string | null;
  uid: string | null;
  user_code_hash: string | null;
  /** The session of the accounts by which it came to be. */
  session_id: string | null;
  account_id: string | null;
  /** The application it was given to: what is left of one that is deleted goes with it. */
  client_id: string | null;
  consumed_at_ms: number | null;
  expires_at_ms: number | null;
}

export interface OidcClientsTable {
  client_id: string;
  name: string;
  /** The principal that made it. */
  owner_id: string | null;
  /** JSON {secret}, sealed. */
  secret_sealed: Uint8Array | null;
  /** JSON: metadata without secrets. */
  metadata_json: string;
  created_at_ms: number;
  updated_at_ms: number;
}

/** The rows by table. */
export interface AccountTables {
  accounts: AccountsTable;
  account_credentials: AccountCredentialsTable;
  account_identifiers: AccountIdentifiersTable;
  account_addresses: AccountAddressesTable;
  service_accounts: ServiceAccountsTable;
  account_flows: AccountFlowsTable;
  account_notes: AccountNotesTable;
  account_budgets: AccountBudgetsTable;
  account_messages: AccountMessagesTable;
  oidc_records: OidcRecordsTable;
  oidc_clients: OidcClientsTable;
}

/** Their shapes for the migrations. */
export const ACCOUNT_TABLES: Readonly<Record<keyof AccountTables, TableShape>> = {
  accounts: {
    columns: {
      id: 'text',
      external_id: 'text?',
      schema_id: 'text',
      state: 'text',
      state_changed_at_ms: 'number',
      traits_json: 'text',
      metadata_public_json: 'text',
      metadata_admin_json: 'text',
      organization_id: 'text?',
      created_at_ms: 'number',
      updated_at_ms: 'number',
    },
    key: ['id'],
    unique: [['external_id']],
    index: [['created_at_ms', 'id'], ['organization_id']],
  },
  account_credentials: {
    columns: {
      account_id: 'text',
      type: 'text',
      version: 'number',
      is_second_factor: 'number',
      config_sealed: 'bytes',
      created_at_ms: 'number',
      updated_at_ms: 'number',
    },
    key: ['account_id', 'type'],
  },
  account_identifiers: {
    columns: { type: 'text', identifier: 'text', account_id: 'text' },
    key: ['type', 'identifier'],
    index: [['account_id'], ['identifier']],
  },
  account_addresses: {
    columns: {
      id: 'text',
      account_id: 'text',
      kind: 'text',
      via: 'text',
      value: 'text',
      verified: 'number',
      status: 'text',
      verified_at_ms: 'number?',
      created_at_ms: 'number',
      updated_at_ms: 'number',
    },
    key: ['id'],
    unique: [['kind', 'via', 'value']],
    index: [['account_id']],
  },
  service_accounts: {
    columns: {
      id: 'text',
      space_id: 'text',
      name: 'text',
      name_key: 'text',
      password_sealed: 'bytes?',
      password_set_at_ms: 'number?',
      scopes_json: 'text',
      networks_json: 'text',
      created_at_ms: 'number',
      created_by: 'text?',
      expires_at_ms: 'number?',
    },
    key: ['id'],
    unique: [['space_id', 'name_key']],
    index: [['name_key']],
  },
  account_flows: {
    columns: {
      id: 'text',
      kind: 'text',
      account_id: 'text?',
      version: 'number',
      data_sealed: 'bytes',
      expires_at_ms: 'number',
    },
    key: ['id'],
    index: [['expires_at_ms']],
  },
  account_notes: {
    columns: {
      id: 'text',
      kind: 'text',
      data_sealed: 'bytes',
      created_at_ms: 'number',
      expires_at_ms: 'number',
    },
    key: ['id'],
    index: [['expires_at_ms']],
  },
  account_budgets: {
    columns: { key: 'text', left_milli: 'number', at_ms: 'number' },
    key: ['key'],
    index: [['at_ms']],
  },
  account_messages: {
    columns: {
      id: 'text',
      number: 'number',
      status: 'text',
      type: 'text',
      channel: 'text',
      recipient: 'text',
      template_type: 'text',
      content_sealed: 'bytes',
      send_count: 'number',
      dispatches_json: 'text',
      next_at_ms: 'number',
      taken_by: 'text?',
      taken_until_ms: 'number?',
      created_at_ms: 'number',
      updated_at_ms: 'number',
    },
    key: ['id'],
    unique: [['number']],
    index: [['status', 'next_at_ms'], ['recipient']],
  },
  oidc_records: {
    columns: {
      model: 'text',
      id_hash: 'text',
      payload_sealed: 'bytes',
      grant_id: 'text?',
      uid: 'text?',
      user_code_hash: 'text?',
      session_id: 'text?',
      account_id: 'text?',
      client_id: 'text?',
      consumed_at_ms: 'number?',
      expires_at_ms: 'number?',
    },
    key: ['model', 'id_hash'],
    index: [['expires_at_ms']],
    sparseIndex: ['grant_id', 'uid', 'user_code_hash', 'session_id', 'account_id', 'client_id'],
  },
  oidc_clients: {
    columns: {
      client_id: 'text',
      name: 'text',
      owner_id: 'text?',
      secret_sealed: 'bytes?',
      metadata_json: 'text',
      created_at_ms: 'number',
      updated_at_ms: 'number',
    },
    key: ['client_id'],
    sparseIndex: ['owner_id'],
  },
};
