/**
 * The JSON that Kratos's clients know, made from what accounts are. Pure. INVARIANT: a field leaves by being named here;
 * credentials' configurations and `metadata_admin` only on the administrators' surface.
 */
import type {
  Account,
  AuthenticationMethod,
  CredentialType,
  JsonObject,
  RecoveryAddress,
  Session,
  VerifiableAddress,
} from './account.ts';
import type { Flow } from './flows/flow.ts';
import { testContextOf } from './flows/rehearsal.ts';

export type View = Readonly<Record<string, unknown>>;

const iso = (ms: number): string => new Date(ms).toISOString();

function addressView(a: RecoveryAddress): View {
  return {
    id: a.id,
    value: a.value,
    via: a.via,
    created_at: iso(a.createdAtMs),
    updated_at: iso(a.updatedAtMs),
  };
}
function verifiableView(a: VerifiableAddress): View {
  return {
    ...addressView(a),
    verified: a.verified,
    status: a.status,
    ...(a.verifiedAtMs === undefined ? {} : { verified_at: iso(a.verifiedAtMs) }),
  };
}

export interface AccountViewOptions {
  readonly publicUrl: string;
  /** The administrators' view. */
  readonly isAdmin?: boolean;
  /** The types whose configuration is shown too. */
  readonly withConfig?: readonly CredentialType[];
}

export function schemaUrl(publicUrl: string, schemaId: string): string {
  return `${publicUrl}/schemas/${Buffer.from(schemaId).toString('base64url')}`;
}

/** An identity as its own person sees it. */
export function personView(person: Omit<Account, 'credentials'>, publicUrl: string): View {
  return {
    id: person.id,
    ...(person.externalId === undefined ? {} : { external_id: person.externalId }),
    schema_id: person.schemaId,
    schema_url: schemaUrl(publicUrl, person.schemaId),
    state: person.state,
    state_changed_at: iso(person.stateChangedAtMs),
    traits: person.traits,
    verifiable_addresses: person.verifiableAddresses.map(verifiableView),
    recovery_addresses: person.recoveryAddresses.map(addressView),
    metadata_public: person.metadataPublic,
    created_at: iso(person.createdAtMs),
    updated_at: iso(person.updatedAtMs),
    organization_id: person.organizationId ?? null,
  };
}

/** An identity as its own person sees it, or, where it is asked for, as administrators do. */
export function accountView(account: Account, o: AccountViewOptions): View {
  const view = personView(account, o.publicUrl);
  if (o.isAdmin !== true) return view;
  const credentials = [...account.credentials.values()].map((c) => [
    c.type,
    {
      type: c.type,
      identifiers: c.identifiers,
      version: c.version,
      created_at: iso(c.createdAtMs),
      updated_at: iso(c.updatedAtMs),
      ...(o.withConfig?.includes(c.type) === true ? { config: c.config } : {}),
    },
  ]);
  const { metadataAdmin } = account;
  return { ...view, credentials: Object.fromEntries(credentials), metadata_admin: metadataAdmin };
}

function methodView(m: AuthenticationMethod): View {
  return {
    method: m.method,
    aal: m.aal,
    completed_at: iso(m.completedAtMs),
    ...(m.provider === undefined ? {} : { provider: m.provider }),
    ...(m.upstreamAcr === undefined ? {} : { upstream_acr: m.upstreamAcr }),
    ...(m.upstreamAmr === undefined ? {} : { upstream_amr: m.upstreamAmr }),
  };
}

/** A session, with its person where that may be shown. */
export function sessionView(session: Session, identity: View | undefined): View {
  return {
    id: session.id,
    active: session.isActive,
    expires_at: iso(session.expiresAtMs),
    authenticated_at: iso(session.authenticatedAtMs),
    authenticator_assurance_level: session.aal,
    authentication_methods: session.methods.map(methodView),
    issued_at: iso(session.issuedAtMs),
    ...(identity === undefined ? {} : { identity }),
    devices: session.devices.map((d) => ({
      id: d.id,
      ip_address: d.ipAddress,
      user_agent: d.userAgent,
      location: d.location,
    })),
  };
}

function loginView(flow: Flow): View {
  const rehearsed = testContextOf(flow);
  return {
    refresh: flow.isRefresh,
    requested_aal: flow.requestedAal,
    created_at: iso(flow.issuedAtMs),
    updated_at: iso(flow.issuedAtMs),
    ...(flow.isSchemaChosen ? { identity_schema: flow.schemaId } : {}),
    ...(flow.loginChallenge === undefined ? {} : { oauth2_login_challenge: flow.loginChallenge }),
    ...(flow.exchangeCode === undefined ? {} : { session_token_exchange_code: flow.exchangeCode }),
    ...(rehearsed === undefined ? {} : { test_context: rehearsed }),
  };
}

/** A flow as its owner sees it. */
export function flowView(flow: Flow, identity?: View): View {
  const { continueWith, transientPayload } = flow;
  return {
    id: flow.id,
    type: flow.type,
    expires_at: iso(flow.expiresAtMs),
    issued_at: iso(flow.issuedAtMs),
    request_url: flow.requestUrl,
    ...(flow.returnTo === undefined ? {} : { return_to: flow.returnTo }),
    ...(flow.active === undefined ? {} : { active: flow.active }),
    ui: flow.ui,
    state: flow.state,
    ...(flow.organizationId === undefined ? {} : { organization_id: flow.organizationId }),
    ...(transientPayload === undefined ? {} : { transient_payload: transientPayload }),
    ...(flow.kind === 'login' ? loginView(flow) : {}),
    ...(flow.kind === 'registration'
      ? {
          ...(flow.loginChallenge === undefined
            ? {}
            : { oauth2_login_challenge: flow.loginChallenge }),
          ...(flow.exchangeCode === undefined
            ? {}
            : { session_token_exchange_code: flow.exchangeCode }),
          ...(flow.isSchemaChosen ? { identity_schema: flow.schemaId } : {}),
        }
      : {}),
    ...(flow.kind === 'settings' && identity !== undefined ? { identity } : {}),
    ...(continueWith.length === 0 ? {} : { continue_with: continueWith }),
  };
}

/** A short view of traits for templates, without anything secret. */
export function templateIdentity(account: Account): JsonObject {
  return { id: account.id, schema_id: account.schemaId, traits: account.traits };
}
