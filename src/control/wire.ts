/**
 * What node and server agree on at the node port (4480): paths, proofs and the preamble of a rendezvous.
 * The first byte tells the two protocols of the port apart: 0x16 is TLS (the control session, HTTP/2), `P` is a rendezvous.
 */
import { createHash, type KeyObject, sign, verify } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

export const CONTROL = '/control/v1';
export const TLS_FIRST_BYTE = 0x16;
/** "PSTN" and the version; a token of 32 bytes follows. */
export const PREAMBLE_HEAD: Buffer = Buffer.from([0x50, 0x53, 0x54, 0x4e, 0x01]);
export const TOKEN_BYTES = 32;
export const PREAMBLE_BYTES: number = PREAMBLE_HEAD.length + TOKEN_BYTES;
/** What the relay answers when both sides are there; everything after it is the other side's. */
export const SPLICED_BYTE = 0x01;
export const PING_INTERVAL_MS = 5_000;
const EXPORTER_LABEL = 'EXPORTER-postern-control';

/** The proof that who asks on this very connection holds the identity's key. */
function proofText(socket: TLSSocket, purpose: string, spki: Uint8Array): Buffer {
  const exporter = socket.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.alloc(0));
  return Buffer.concat([
    Buffer.from(`postern-${purpose}-v1\0`),
    exporter,
    createHash('sha256').update(spki).digest(),
  ]);
}
export function prove(
  socket: TLSSocket,
  purpose: string,
  spki: Uint8Array,
  key: KeyObject,
): Buffer {
  return sign(null, proofText(socket, purpose, spki), key);
}
export function checkProof(
  socket: TLSSocket,
  purpose: string,
  spki: Uint8Array,
  key: KeyObject,
  proof: Uint8Array,
): boolean {
  return verify(null, proofText(socket, purpose, spki), key, proof);
}

/** What the server grants at enrolment and renewal. */
export interface CredentialGrant {
  readonly certificate_pem: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly role: 'admin' | 'enroller' | 'member';
  readonly not_after_ms: number;
  readonly already_member: boolean;
  readonly project: ProjectFacts;
}
export interface ProjectFacts {
  readonly id: string;
  readonly name: string;
  readonly space_id: string;
  readonly space_name: string;
  readonly authority_identifier: string;
  readonly authority_change_history: string;
  readonly authority_certificate_pem: string;
  readonly server_addresses: readonly string[];
  readonly server_ca_pem: string;
}
export interface RevocationFacts {
  readonly number: number;
  readonly identifier: string;
  /** Certificates of a lower generation are void; null: every one. */
  readonly min_generation: number | null;
}
export type ControlPush =
  | { readonly type: 'ping' }
  | { readonly type: 'revocations'; readonly list: readonly RevocationFacts[] }
  | {
      readonly type: 'rendezvous';
      readonly token: string;
      readonly relay: string;
      readonly peer_identifier: string;
    }
  | { readonly type: 'relay_displaced'; readonly relay: string; readonly by: string }
  | { readonly type: 'renew' }
  /** Relations changed: to nodes that asked about some. */
  | { readonly type: 'relations' };
export interface RendezvousGrant {
  readonly token: string;
  readonly peer_identifier: string;
  readonly services: readonly string[];
  readonly direct_addresses: readonly string[];
}
