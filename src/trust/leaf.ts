/**
 * Leaf keys and the evidence that binds them to an identity. Every credential is issued for a fresh Ed25519 leaf key;
 * the identity's own key signs that leaf, so an authority can vouch for attributes but can't impersonate an identifier.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { PosternError } from '../kernel/index.ts';
import { type IdentityKeys, verifyChangeHistory } from './identity.ts';

export interface LeafKey {
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER (RFC 5280 section 4.1.2.7). */
  readonly publicKeySpki: Buffer;
}
export interface Evidence {
  readonly changeHistory: Buffer;
  readonly signature: Buffer;
}

const CONTEXT = 'postern-leaf-v1\0';
const toSign = (spki: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(CONTEXT), createHash('sha256').update(spki).digest()]);

/** Makes a fresh leaf key. */
export function generateLeafKey(): LeafKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKeySpki: publicKey.export({ format: 'der', type: 'spki' }) };
}

/** A leaf key of a server's listeners, on the curve that browsers take. */
export function generateServerLeafKey(): LeafKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, publicKeySpki: publicKey.export({ format: 'der', type: 'spki' }) };
}

/** The identity vouches for a leaf key. */
export function attestLeaf(keys: IdentityKeys, spki: Uint8Array): Evidence {
  return {
    changeHistory: keys.identity.changeHistory,
    signature: sign(null, toSign(spki), keys.privateKey),
  };
}

/** Verifies evidence for a leaf key; answers whose it is. Throws `invalid`. */
export function verifyEvidence(evidence: Evidence, spki: Uint8Array): { identifier: string } {
  const { identifier, publicKey } = verifyChangeHistory(evidence.changeHistory);
  if (!verify(null, toSign(spki), publicKey, evidence.signature))
    throw new PosternError('invalid', 'The leaf key is not signed by the identity that claims it');
  return { identifier };
}
