/**
 * The tables of the server, as Kysely sees them. One definition for both dialects, so every column has a type that
 * SQLite and PostgreSQL hand out alike: text, whole numbers, bytes. By convention
 * - a column ending in `_ms` is milliseconds since the Unix epoch,
 * - a column ending in `_json` is JSON text,
 * - a flag is 0 or 1,
 * - bytes are `Uint8Array` (PostgreSQL hands out a Buffer, which is one).
 * Tickets, tokens, sessions and roles are no tables of their own: each is a row in `grants`.
 */
import type { AccountTables } from './account-tables.ts';

export interface PrincipalsTable {
  id: string;
  /** `account` a person, `node` a machine, `service` an app or a script. */
  kind: string;
  name: string;
  created_at_ms: number;
  /** Set when the principal is shut out; every grant of it is then void. */
  disabled_at_ms: number | null;
}

export interface GrantsTable {
  id: string;
  /** `ticket`, `token`, `session`, `role`, `credential` … */
  kind: string;
  /** The principal that it lets in; null until a ticket is redeemed. */
  principal_id: string | null;
  project_id: string | null;
  name: string | null;
  scopes_json: string;
  attributes_json: string;
  /** Facts of the kind, such as a ticket's relay. */
  data_json: string;
  /** SHA-256 of the secret in hex; null for grants without one, such as roles. */
  secret_hash: string | null;
  /** How many redemptions are left; null means no limit. */
  uses_left: number | null;
  created_at_ms: number;
  created_by: string | null;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
}

export interface SpacesTable {
  id: string;
  name: string;
  created_at_ms: number;
  created_by: string | null;
}

export interface ProjectsTable {
  id: string;
  space_id: string;
  name: string;
  is_default: number;
  authority_identifier: string;
  authority_change_history: Uint8Array;
  authority_certificate_pem: string;
  created_at_ms: number;
  created_by: string | null;
}

export interface MembersTable {
  project_id: string;
  /** The identity: `I` and 64 hex digits. */
  identifier: string;
  principal_id: string;
  role: string;
  attributes_json: string;
  change_history: Uint8Array | null;
  /** Rises with every change of attributes; older certificates are then void. */
  generation: number;
  grant_id: string | null;
  added_at_ms: number;
  added_by: string | null;
}

export interface RelaysTable {
  project_id: string;
  name: string;
  /** Who holds the name. */
  identifier: string;
  session_id: string;
  /** Which server process the holder is connected to. */
  server_id: string;
  services_json: string;
  direct_addresses_json: string;
  registered_at_ms: number;
  seen_at_ms: number;
}

export interface RevocationsTable {
  number: number;
  project_id: string;
  identifier: string;
  /** Certificates of a lower generation are void; null voids all of them. */
  min_generation: number | null;
  reason: string;
  revoked_at_ms: number;
  revoked_by: string | null;
  /** The authority's signature over the revocation. */
  signature: Uint8Array | null;
}

export interface InventoriesTable {
  project_id: string;
  identifier: string;
  node_name: string;
  inventory_json: string;
  reported_at_ms: number;
}

export interface EventsTable {
  /** In the order of commits, without gaps. */
  number: number;
  kind: string;
  project_id: string | null;
  subject: string | null;
  data_json: string;
  at_ms: number;
}

export interface AuditTable {
  number: number;
  at_ms: number;
  actor: string;
  action: string;
  resource: string;
  /** `done`, `denied` or `failed`. */
  outcome: string;
  data_json: string;
  previous_hash: string;
  hash: string;
}

export interface AuditHeadsTable {
  number: number;
  hash: string;
  signed_at_ms: number;
  key_version: number;
  signature: string;
}

export interface DecisionsTable {
  id: string;
  /** Rises with every decision; keeps the newest and bounds the table. */
  number: number;
  at_ms: number;
  principal_id: string;
  action: string;
  resource: string;
  allowed: number;
  rule: string;
  why: string;
  hint: string | null;
  facts_json: string;
}

export interface KeyringTable {
  name: string;
  version: number;
  /** `aes256`, `ed25519` or `pkcs8`. */
  kind: string;
  sealed: Uint8Array;
  created_at_ms: number;
}

export interface SettingsTable {
  name: string;
  value: string;
}

export interface CountersTable {
  name: string;
  value: number;
}

/** One life of a relation tuple. */
export interface PermissionTuplesTable {
  /** SHA-256 of the tuple's parts, in hex; its expiry is no part. */
  tuple_hash: string;
  created_revision: number;
  /** Its place among the tuples of that revision. */
  ordinal: number;
  namespace: string;
  object: string;
  relation: string;
  /** Either this or the three below. */
  subject_id: string | null;
  subject_namespace: string | null;
  subject_object: string | null;
  subject_relation: string | null;
  expires_at_ms: number | null;
  /** The first revision without it; null while it lives. */
  deleted_revision: number | null;
}

/** The revisions that changed a tuple or the model. */
export interface PermissionRevisionsTable {
  revision: number;
  at_ms: number;
  written_by: string;
}

export interface PermissionModelsTable {
  id: string;
  /** The revision from which it is the current one. */
  revision: number;
  /** `opl` or `names`. */
  kind: string;
  source: string;
  created_at_ms: number;
  created_by: string;
}

/** Writes that came with an idempotency key. */
export interface PermissionRequestsTable {
  key_hash: string;
  request_hash: string;
  revision: number;
  at_ms: number;
}

/** Every table of the server. */
export interface Database extends AccountTables {
  principals: PrincipalsTable;
  grants: GrantsTable;
  spaces: SpacesTable;
  projects: ProjectsTable;
  members: MembersTable;
  relays: RelaysTable;
  revocations: RevocationsTable;
  inventories: InventoriesTable;
  events: EventsTable;
  audit: AuditTable;
  audit_heads: AuditHeadsTable;
  decisions: DecisionsTable;
  keyring: KeyringTable;
  settings: SettingsTable;
  counters: CountersTable;
  permission_tuples: PermissionTuplesTable;
  permission_revisions: PermissionRevisionsTable;
  permission_models: PermissionModelsTable;
  permission_requests: PermissionRequestsTable;
}
