/**
 * What accounts are made of: people (Kratos's identities), their ways to sign in, their addresses and sessions. Types
 * alone; foreign JSON shapes are made at the edge (http/shape.ts).
 */

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

export type CredentialType =
  | 'password'
  | 'code'
  | 'oidc'
  | 'totp'
  | 'lookup_secret'
  | 'webauthn'
  | 'passkey';

export interface Credential {
  readonly type: CredentialType;
  /** Normalised: trimmed, NFKC, lower case. */
  readonly identifiers: readonly string[];
  readonly version: number;
  /** Secret; sealed in the store. Its fields are the method's own and Kratos's (`hashed_password`, `totp_url` …). */
  readonly config: JsonObject;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type Via = 'email' | 'sms';

export interface VerifiableAddress {
  readonly id: string;
  readonly value: string;
  readonly via: Via;
  readonly verified: boolean;
  readonly status: 'pending' | 'sent' | 'completed';
  readonly verifiedAtMs: number | undefined;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}
export interface RecoveryAddress {
  readonly id: string;
  readonly value: string;
  readonly via: Via;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** A person. */
export interface Account {
  /** A UUID; also the principal's id. */
  readonly id: string;
  readonly externalId: string | undefined;
  readonly schemaId: string;
  readonly state: 'active' | 'inactive';
  readonly stateChangedAtMs: number;
  readonly traits: JsonObject;
  readonly metadataPublic: Json;
  readonly metadataAdmin: Json;
  readonly organizationId: string | undefined;
  readonly verifiableAddresses: readonly VerifiableAddress[];
  readonly recoveryAddresses: readonly RecoveryAddress[];
  readonly credentials: ReadonlyMap<CredentialType, Credential>;
  /** What it was read as; only that is replaced. Absent for what is not stored yet. */
  readonly revision?: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type Aal = 'aal0' | 'aal1' | 'aal2';

/** A person without the secrets: what most questions need, and read without opening what is sealed. */
export interface Person extends Omit<Account, 'credentials'> {
  readonly credentials: { has(type: CredentialType): boolean };
  /** The types of those that are a second factor; of security keys, when one of them is not a first. */
  readonly secondFactors: ReadonlySet<CredentialType>;
}

/** How somebody proved who they are, as `authentication_methods` of a session tells it. */
export interface AuthenticationMethod {
  readonly method: CredentialType | 'code_recovery' | 'link_recovery' | 'oidc';
  readonly aal: Aal;
  readonly completedAtMs: number;
  /** Of social sign-in. */
  readonly provider?: string;
}

export interface Device {
  readonly id: string;
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly location: string;
}

export interface Session {
  /** A UUID; also the id of the grant. */
  readonly id: string;
  readonly accountId: string;
  readonly isActive: boolean;
  readonly issuedAtMs: number;
  readonly authenticatedAtMs: number;
  readonly expiresAtMs: number;
  readonly aal: Aal;
  readonly methods: readonly AuthenticationMethod[];
  readonly devices: readonly Device[];
}
