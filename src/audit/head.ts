/** Signed heads: "at this time the chain ended here". Exported and kept elsewhere, a head exposes a later rewrite or truncation. */
import { type KeyObject, sign, verify } from 'node:crypto';

/** What signs heads: the audit key of the keyring. */
export interface AuditSigner {
  readonly version: number;
  readonly privateKey: KeyObject;
}

export interface AuditHead {
  readonly number: number;
  readonly hash: string;
  readonly signedAtMs: number;
  readonly keyVersion: number;
  /** Ed25519, base64. */
  readonly signature: string;
}

const content = (head: Omit<AuditHead, 'signature'>): Buffer =>
  Buffer.from(
    JSON.stringify([
      'postern-audit-head-v1',
      head.number,
      head.hash,
      head.signedAtMs,
      head.keyVersion,
    ]),
  );

/** Signs the end of the chain. */
export function signHead(
  end: { number: number; hash: string },
  signer: AuditSigner,
  nowMs: number,
): AuditHead {
  const head = { ...end, signedAtMs: nowMs, keyVersion: signer.version };
  return { ...head, signature: sign(null, content(head), signer.privateKey).toString('base64') };
}

/** Whether a head carries the signature of one of the audit keys. */
export function isHeadGenuine(head: AuditHead, keys: ReadonlyMap<number, KeyObject>): boolean {
  const key = keys.get(head.keyVersion);
  if (key === undefined) return false;
  return verify(null, content(head), key, Buffer.from(head.signature, 'base64'));
}
