/** What the benchmark's processes say to each other: orders over IPC, and one byte on each app connection. */

/** The first byte of an app connection tells the target what to do with it. */
export const ECHO = 0x45;
export const SOURCE = 0x53;

/** A member of the benchmark's project, as it crosses to a child process. */
export interface MemberText {
  readonly changeHistory: string;
  readonly identifier: string;
  readonly identityKeyPem: string;
  readonly leafPrivateKeyPem: string;
  readonly certificatePem: string;
  readonly authorityCertificatePem: string;
  readonly projectId: string;
}

/** One listener of a hop or of an inlet, and where it leads. */
export interface Service {
  readonly name: string;
  /** The port that the next hop or the outlet dials. */
  readonly targetPort: number;
}

export type Order =
  | { readonly role: 'target' }
  | { readonly role: 'hop'; readonly services: readonly Service[] }
  | { readonly role: 'relay' }
  | {
      readonly role: 'outlet';
      readonly member: MemberText;
      readonly services: readonly Service[];
      /** Dials the relay's port for each rendezvous; listens itself when absent. */
      readonly relayPort?: number;
    }
  | {
      readonly role: 'inlet';
      readonly member: MemberText;
      readonly services: readonly string[];
      readonly via: 'relay' | 'direct';
      readonly port: number;
    }
  | { readonly role: 'load' };

/** Where a child listens, one port for each of its services. */
export interface Ready {
  readonly ready: readonly number[];
}

export type Load =
  | { readonly kind: 'bulk'; readonly port: number; readonly seconds: number }
  | {
      readonly kind: 'roundTrips';
      readonly port: number;
      readonly seconds: number;
      readonly connections: number;
    }
  | { readonly kind: 'connects'; readonly port: number; readonly seconds: number }
  | { readonly kind: 'idle'; readonly port: number; readonly connections: number }
  | { readonly kind: 'release' };

/** What the load process measured; rates are per second, latencies in microseconds. */
export interface LoadResult {
  readonly rate: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
}
