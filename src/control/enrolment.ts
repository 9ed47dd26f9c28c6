/** Enrolment and renewal as the asking side does them: a fresh leaf key, the identity's evidence, and a proof bound to the connection. */
import { createHash, X509Certificate } from 'node:crypto';
import { PosternError } from '../kernel/index.ts';
import {
  attestLeaf,
  exportPrivateKey,
  generateLeafKey,
  type IdentityKeys,
  type Ticket,
  verifyChangeHistory,
} from '../trust/light.ts';
import { type Link, openFirst } from './link.ts';
import { CONTROL, type CredentialGrant, prove } from './wire.ts';

export interface GrantedCredential {
  readonly grant: CredentialGrant;
  readonly leafPrivateKeyPem: string;
}

const fingerprint = (pem: string): string =>
  createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');

async function ask(
  link: Link,
  path: string,
  purpose: string,
  keys: IdentityKeys,
  extra: object,
): Promise<GrantedCredential> {
  const leaf = generateLeafKey();
  const evidence = attestLeaf(keys, leaf.publicKeySpki);
  const grant = await link.request('POST', path, {
    ...extra,
    change_history: evidence.changeHistory.toString('base64'),
    spki: leaf.publicKeySpki.toString('base64'),
    evidence_signature: evidence.signature.toString('base64'),
    proof: prove(link.tls, purpose, leaf.publicKeySpki, keys.privateKey).toString('base64'),
  });
  // The server was verified by its pinned CA before the request was sent; its answers have the protocol's shape.
  return { grant: grant as CredentialGrant, leafPrivateKeyPem: exportPrivateKey(leaf.privateKey) };
}

/** Redeems a ticket. Throws `denied` when the server or the project is not the ticket's, or the ticket is no good. */
export async function enrollWithTicket(
  ticket: Ticket,
  keys: IdentityKeys,
): Promise<GrantedCredential> {
  const link = await openFirst(ticket.server.addresses, {
    serverCa: { fingerprint: ticket.server.caFingerprint },
  });
  try {
    const granted = await ask(link, `${CONTROL}/enroll`, 'enroll', keys, {
      one_time_code: ticket.oneTimeCode,
    });
    const { project } = granted.grant;
    const authority = verifyChangeHistory(Buffer.from(project.authority_change_history, 'hex'));
    if (
      project.id !== ticket.project.id ||
      project.authority_identifier !== ticket.project.authorityIdentifier ||
      authority.identifier !== ticket.project.authorityIdentifier ||
      fingerprint(project.authority_certificate_pem) !== ticket.project.authorityFingerprint
    )
      throw new PosternError('denied', "The server answered for another project than the ticket's");
    return granted;
  } finally {
    link.close();
  }
}

/** Asks for a fresh credential as a member. The identity's key is proof enough: no valid certificate is needed. */
export function renewCredential(
  link: Link,
  keys: IdentityKeys,
  projectId: string,
): Promise<GrantedCredential> {
  return ask(link, `${CONTROL}/credential`, 'renew', keys, { project_id: projectId });
}
