/**
 * The schema, as numbered steps that only ever grow: a step that has shipped is never edited. The same steps run on
 * both dialects; `bytes` is the one type whose name differs.
 */
import { type CreateTableBuilder, type Kysely, type RawBuilder, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { PosternError } from '../kernel/index.ts';
import { ACCOUNT_TABLES } from './account-tables.ts';
import type { Database } from './database.ts';
import type { StoreDialect } from './store.ts';
import type { TableShape } from './table-shape.ts';

const FIRST_TABLES: Readonly<Record<string, TableShape>> = {
  principals: {
    columns: {
      id: 'text',
      kind: 'text',
      name: 'text',
      created_at_ms: 'number',
      disabled_at_ms: 'number?',
    },
    key: ['id'],
    index: [['kind', 'name']],
  },
  grants: {
    columns: {
      id: 'text',
      kind: 'text',
      principal_id: 'text?',
      project_id: 'text?',
      name: 'text?',
      scopes_json: 'text',
      attributes_json: 'text',
      data_json: 'text',
      secret_hash: 'text?',
      uses_left: 'number?',
      created_at_ms: 'number',
      created_by: 'text?',
      expires_at_ms: 'number?',
      revoked_at_ms: 'number?',
    },
    key: ['id'],
    unique: [['secret_hash']],
    index: [['principal_id'], ['kind', 'project_id']],
  },
  spaces: {
    columns: { id: 'text', name: 'text', created_at_ms: 'number', created_by: 'text?' },
    key: ['id'],
    unique: [['name']],
  },
  projects: {
    columns: {
      id: 'text',
      space_id: 'text',
      name: 'text',
      is_default: 'number',
      authority_identifier: 'text',
      authority_change_history: 'bytes',
      authority_certificate_pem: 'text',
      created_at_ms: 'number',
      created_by: 'text?',
    },
    key: ['id'],
    unique: [['space_id', 'name']],
  },
  members: {
    columns: {
      project_id: 'text',
      identifier: 'text',
      principal_id: 'text',
      role: 'text',
      attributes_json: 'text',
      change_history: 'bytes?',
      generation: 'number',
      grant_id: 'text?',
      added_at_ms: 'number',
      added_by: 'text?',
    },
    key: ['project_id', 'identifier'],
    index: [['identifier']],
  },
  relays: {
    columns: {
      project_id: 'text',
      name: 'text',
      identifier: 'text',
      session_id: 'text',
      server_id: 'text',
      services_json: 'text',
      direct_addresses_json: 'text',
      registered_at_ms: 'number',
      seen_at_ms: 'number',
    },
    key: ['project_id', 'name'],
  },
  revocations: {
    columns: {
      number: 'number',
      project_id: 'text',
      identifier: 'text',
      min_generation: 'number?',
      reason: 'text',
      revoked_at_ms: 'number',
      revoked_by: 'text?',
      signature: 'bytes?',
    },
    key: ['number'],
    index: [['project_id', 'identifier']],
  },
  inventories: {
    columns: {
      project_id: 'text',
      identifier: 'text',
      node_name: 'text',
      inventory_json: 'text',
      reported_at_ms: 'number',
    },
    key: ['project_id', 'identifier', 'node_name'],
  },
  events: {
    columns: {
      number: 'number',
      kind: 'text',
      project_id: 'text?',
      subject: 'text?',
      data_json: 'text',
      at_ms: 'number',
    },
    key: ['number'],
  },
  audit: {
    columns: {
      number: 'number',
      at_ms: 'number',
      actor: 'text',
      action: 'text',
      resource: 'text',
      outcome: 'text',
      data_json: 'text',
      previous_hash: 'text',
      hash: 'text',
    },
    key: ['number'],
  },
  audit_heads: {
    columns: {
      number: 'number',
      hash: 'text',
      signed_at_ms: 'number',
      key_version: 'number',
      signature: 'text',
    },
    key: ['number'],
  },
  decisions: {
    columns: {
      id: 'text',
      number: 'number',
      at_ms: 'number',
      principal_id: 'text',
      action: 'text',
      resource: 'text',
      allowed: 'number',
      rule: 'text',
      why: 'text',
      hint: 'text?',
      facts_json: 'text',
    },
    key: ['id'],
    unique: [['number']],
  },
  keyring: {
    columns: {
      name: 'text',
      version: 'number',
      kind: 'text',
      sealed: 'bytes',
      created_at_ms: 'number',
    },
    key: ['name', 'version'],
  },
  settings: { columns: { name: 'text', value: 'text' }, key: ['name'] },
  counters: { columns: { name: 'text', value: 'number' }, key: ['name'] },
};

/**
 * Relation tuples, multi-version: a row is one life of a tuple, from the revision that wrote it to the one that deleted
 * it. A tuple is known by the hash of its parts, since names may be longer than an index entry of PostgreSQL.
 */
const PERMISSION_TABLES: Readonly<Record<string, TableShape>> = {
  permission_tuples: {
    columns: {
      tuple_hash: 'text',
      created_revision: 'number',
      ordinal: 'number',
      namespace: 'text',
      object: 'text',
      relation: 'text',
      subject_id: 'text?',
      subject_namespace: 'text?',
      subject_object: 'text?',
      subject_relation: 'text?',
      expires_at_ms: 'number?',
      deleted_revision: 'number?',
    },
    key: ['tuple_hash', 'created_revision'],
    index: [['created_revision', 'ordinal']],
    // Nearly all rows live and never expire: an index of those would be chosen for them, and lead to all rows.
    sparseIndex: ['deleted_revision', 'expires_at_ms'],
  },
  permission_revisions: {
    columns: { revision: 'number', at_ms: 'number', written_by: 'text' },
    key: ['revision'],
    index: [['at_ms']],
  },
  permission_models: {
    columns: {
      id: 'text',
      revision: 'number',
      kind: 'text',
      source: 'text',
      created_at_ms: 'number',
      created_by: 'text',
    },
    key: ['id'],
    unique: [['revision']],
  },
  permission_requests: {
    columns: {
      key_hash: 'text',
      request_hash: 'text',
      revision: 'number',
      at_ms: 'number',
    },
    key: ['key_hash'],
    index: [['at_ms']],
  },
};

function columnType(kind: string, dialect: StoreDialect): RawBuilder<unknown> {
  if (kind === 'number') return dialect === 'sqlite' ? sql`integer` : sql`bigint`;
  if (kind === 'bytes') return dialect === 'sqlite' ? sql`blob` : sql`bytea`;
  return sql`text`;
}

async function createTables(
  db: Kysely<unknown>,
  tables: Readonly<Record<string, TableShape>>,
  dialect: StoreDialect,
): Promise<void> {
  for (const [name, shape] of Object.entries(tables)) {
    let table: CreateTableBuilder<string, string> = db.schema.createTable(name);
    for (const [column, kind] of Object.entries(shape.columns)) {
      const optional = kind.endsWith('?');
      const type = columnType(optional ? kind.slice(0, -1) : kind, dialect);
      table = table.addColumn(column, sql`${type}`, (c) => (optional ? c : c.notNull()));
    }
    table = table.addPrimaryKeyConstraint(`${name}_key`, [...shape.key]);
    for (const unique of shape.unique ?? []) {
      table = table.addUniqueConstraint(`${name}_unique_${unique.join('_')}`, [...unique]);
    }
    await table.execute();
    for (const column of shape.sparseIndex ?? [])
      await sql`create index ${sql.ref(`${name}_by_${column}`)} on ${sql.table(name)} (${sql.ref(column)}) where ${sql.ref(column)} is not null`.execute(
        db,
      );
    for (const index of shape.index ?? []) {
      await db.schema
        .createIndex(`${name}_by_${index.join('_')}`)
        .on(name)
        .columns([...index])
        .execute();
    }
  }
}

const migrations = (dialect: StoreDialect): Record<string, Migration> => ({
  '0001_first': { up: (db: Kysely<unknown>) => createTables(db, FIRST_TABLES, dialect) },
  '0002_permissions': {
    up: (db: Kysely<unknown>) => createTables(db, PERMISSION_TABLES, dialect),
  },
  '0003_accounts': {
    up: (db: Kysely<unknown>) => createTables(db, ACCOUNT_TABLES, dialect),
  },
});

/** Brings the schema up to date. Throws `unsupported` when the database was written by a later Postern. */
export async function migrate(db: Kysely<Database>, dialect: StoreDialect): Promise<void> {
  const steps = migrations(dialect);
  const migrator = new Migrator({ db, provider: { getMigrations: async () => steps } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && error.message.includes('is missing')) {
    throw new PosternError(
      'unsupported',
      'This database was written by a later version of Postern',
      {
        hint: 'Upgrade this server, or restore a backup made before the upgrade.',
        cause: error,
      },
    );
  }
  throw error;
}
