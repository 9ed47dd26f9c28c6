/**
 * What accounts are made of: people (Kratos's identities), their ways to sign in, their addresses and sessions. Types, and
 * how their values are told apart; foreign JSON shapes are made in view.ts and read at the edge (http/).
 */

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** Whether a value of JSON is an object, and not a list or null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const CREDENTIAL_TYPES = [
  'password',
  'code',
  'oidc',
  'totp',
  'lookup_secret',
  'webauthn',
  'passkey',
] as const;
export type CredentialType = (typeof CREDENTIAL_TYPES)[number];

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

/** A place in a list by age: behind an item, or where one stood. */
export interface ListPlace {
  readonly createdAtMs: number;
  readonly id: string;
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
  /** What the provider's ID token said of how it identified the person. */
  readonly upstreamAcr?: string;
  readonly upstreamAmr?: readonly string[];
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
