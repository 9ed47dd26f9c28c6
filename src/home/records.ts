/** The shapes of what a home keeps. One record a row; JSON in the database, checked when it was made. */

export interface VaultRecord {
  readonly name: string;
  /** Where the keys lie; undefined means the home's own database. */
  readonly path?: string;
}
export interface IdentityRecord {
  readonly name: string;
  readonly identifier: string;
  readonly vaultName: string;
  readonly changeHistoryHex: string;
  /** PKCS #8 PEM of the current key; absent when its vault is a file of its own. */
  readonly privateKeyPem?: string;
}
export interface ProjectRecord {
  readonly name: string;
  readonly id: string;
  readonly spaceId: string;
  readonly spaceName: string;
  /** Node ports of the server, `host:port`. */
  readonly serverAddresses: readonly string[];
  readonly serverCaPem: string;
  readonly authorityIdentifier: string;
  readonly authorityChangeHistoryHex: string;
  readonly authorityCertificatePem: string;
}
export type MemberRole = 'admin' | 'enroller' | 'member';
export interface EnrolmentRecord {
  /** `identifier@project id`. */
  readonly name: string;
  readonly identifier: string;
  readonly projectId: string;
  readonly role: MemberRole;
}
export interface CredentialRecord {
  /** `identifier@project id`. */
  readonly name: string;
  readonly identifier: string;
  readonly projectId: string;
  readonly leafPrivateKeyPem: string;
  readonly certificatePem: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly notAfterMs: number;
}
export interface NodeRecord {
  readonly name: string;
  readonly identityName: string;
  readonly projectName?: string;
  /** What the user asked for, such as `127.0.0.1:0`. */
  readonly tcpListenerAddress: string;
  /** Where it listens while it runs. */
  readonly boundAddress?: string;
  readonly httpServer?: { readonly port: number };
  readonly pid?: number;
  readonly startedAtMs?: number;
}
export interface OutletRecord {
  readonly name: string;
  readonly to: string;
  readonly tls: boolean;
}
export interface InletRecord {
  readonly name: string;
  /** `host:port`; the port that was bound, so that a restart listens there again. */
  readonly from: string;
  readonly to: string;
  readonly via?: string;
  readonly authorized?: string;
}
export interface RelayRecord {
  readonly name: string;
  readonly at: string;
  readonly authorized?: string;
}
export interface PolicyRecord {
  /** A resource name or a resource type. */
  readonly name: string;
  readonly isType: boolean;
  readonly expression: string;
}
export interface DecisionRecord {
  readonly name: string;
  readonly atMs: number;
  readonly isAllowed: boolean;
  readonly side: 'inlet' | 'outlet' | 'relay' | 'channel';
  readonly node: string;
  readonly resource: string;
  readonly peer: string;
  readonly rule: string;
  readonly why: string;
}
/** A record of a kind that has no rules of its own here, such as a stored credential of `credential store`. */
export interface NoteRecord {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}
