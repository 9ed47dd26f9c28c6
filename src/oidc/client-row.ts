/** A client's row in the store, and the client that it is. Pure; its secret stands sealed beside. */
import type { Selectable } from 'kysely';
import type { OidcClientsTable } from '../store/index.ts';
import type { ClientSpec, ClientType, OidcClient } from './client.ts';

interface Metadata {
  readonly type: ClientType;
  readonly callback_urls: readonly string[];
  readonly logout_urls: readonly string[];
  readonly web_origins: readonly string[];
  readonly backchannel_logout_url?: string;
  readonly is_first_party: boolean;
  readonly uri?: string;
}

/** The client of a row. */
export function clientOf(row: Selectable<OidcClientsTable>): OidcClient {
  // Written by this module.
  const m = JSON.parse(row.metadata_json) as Metadata;
  return {
    id: row.client_id,
    name: row.name,
    type: m.type,
    callbackUrls: m.callback_urls,
    logoutUrls: m.logout_urls,
    webOrigins: m.web_origins,
    backchannelLogoutUrl: m.backchannel_logout_url,
    isFirstParty: m.is_first_party,
    uri: m.uri,
    hasSecret: row.secret_sealed !== null,
    ownerId: row.owner_id ?? undefined,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}

/** What the column `metadata_json` keeps of a client. */
export function metadataOf(c: Omit<ClientSpec, 'id' | 'name'>): string {
  const metadata: Metadata = {
    type: c.type,
    callback_urls: c.callbackUrls ?? [],
    logout_urls: c.logoutUrls ?? [],
    web_origins: c.webOrigins ?? [],
    ...(c.backchannelLogoutUrl === undefined
      ? {}
      : { backchannel_logout_url: c.backchannelLogoutUrl }),
    is_first_party: c.isFirstParty === true,
    ...(c.uri === undefined ? {} : { uri: c.uri }),
  };
  return JSON.stringify(metadata);
}
