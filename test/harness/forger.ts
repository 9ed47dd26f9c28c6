/** Certificates that say what their holder would like to be. */
import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import {
  attestLeaf,
  createAuthorityCa,
  createIdentity,
  exportPrivateKey,
  generateLeafKey,
  issueCredential,
} from '../../src/trust/index.ts';

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A sound credential of a project, but from a forger's own authority of the same name. */
export async function ofAnotherAuthority(
  projectId: string,
  attributes: Record<string, string>,
): Promise<Pair> {
  const keys = createIdentity();
  const leaf = generateLeafKey();
  const { certificatePem } = await issueCredential({
    authority: await createAuthorityCa(projectId),
    projectId,
    identifier: keys.identity.identifier,
    attributes,
    generation: 1,
    spki: leaf.publicKeySpki,
    evidence: attestLeaf(keys, leaf.publicKeySpki),
    nowMs: Date.now(),
    validityMs: 3_600_000,
  });
  return { cert: certificatePem, key: exportPrivateKey(leaf.privateKey) };
}

/**
 * A member's public certificate, copied name by name and extension by extension onto a key of the forger's: signed by
 * that key itself, or by a member's leaf as though it were an authority.
 */
export async function copyOf(victimPem: string, signer?: Pair): Promise<Pair> {
  const victim = new x509.X509Certificate(victimPem);
  const keys = await webcrypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error('no key pair');
  const pem = (key: CryptoKey): Promise<string> =>
    webcrypto.subtle
      .exportKey('pkcs8', key)
      .then((der) => x509.PemConverter.encode(der, 'PRIVATE KEY'));
  const signingKey =
    signer === undefined
      ? keys.privateKey
      : await webcrypto.subtle.importKey(
          'pkcs8',
          x509.PemConverter.decodeFirst(signer.key),
          'Ed25519',
          false,
          ['sign'],
        );
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: victim.serialNumber,
    subject: victim.subject,
    issuer: victim.issuer,
    notBefore: victim.notBefore,
    notAfter: victim.notAfter,
    signingKey,
    publicKey: keys.publicKey,
    signingAlgorithm: { name: 'Ed25519' },
    extensions: victim.extensions,
  });
  const cert = certificate.toString('pem');
  if (new X509Certificate(cert).subjectAltName !== new X509Certificate(victimPem).subjectAltName)
    throw new Error('the forgery is not a good one');
  return { cert, key: await pem(keys.privateKey) };
}
