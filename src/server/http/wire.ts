/** The JSON of what machines and administrators are told about projects, members and credentials. Pure. */

import { type TString, Type } from 'typebox';
import type { AuthorityManager, Credential, Member, Project } from '../../authority/index.ts';
import type { CredentialGrant } from '../../control/index.ts';
import { encodeTicket } from '../../trust/light.ts';
import type { ServerParts } from './parts.ts';

/** A name in a path or a body. */
export const Name: TString = Type.String({ minLength: 1, maxLength: 128 });
const Base64: TString = Type.String({ maxLength: 65_536, pattern: '^[A-Za-z0-9+/=]*$' });
/** How an identity shows that it is itself. */
export const EvidenceBody: { change_history: TString; spki: TString; evidence_signature: TString } =
  {
    change_history: Base64,
    spki: Base64,
    evidence_signature: Base64,
  };

/** A project, with the fields of Ockam's. */
export function projectJson(p: Project, parts: ServerParts): Record<string, unknown> {
  const [first = ''] = parts.advertised();
  const [host = '', port = ''] = first.split(/:(?=\d+$)/);
  const route = `/dnsaddr/${host}/tcp/${port}/service/${p.id}/service/api`;
  return {
    id: p.id,
    name: p.name,
    space_name: p.spaceName,
    access_route: route,
    users: [],
    space_id: p.spaceId,
    identity: p.authorityIdentifier,
    authority_access_route: route,
    authority_identity: p.authorityChangeHistory.toString('hex'),
    version: parts.version,
    running: true,
    operation_id: null,
    user_roles: [],
    project_change_history: p.authorityChangeHistory.toString('hex'),
  };
}

/** The wire form of a credential that was just issued. */
export function grantJson(
  c: Credential,
  alreadyMember: boolean,
  parts: ServerParts,
): CredentialGrant {
  return {
    certificate_pem: c.certificatePem,
    attributes: c.member.attributes,
    role: c.member.role,
    not_after_ms: c.notAfterMs,
    already_member: alreadyMember,
    project: {
      id: c.project.id,
      name: c.project.name,
      space_id: c.project.spaceId,
      space_name: c.project.spaceName,
      authority_identifier: c.project.authorityIdentifier,
      authority_change_history: c.project.authorityChangeHistory.toString('hex'),
      authority_certificate_pem: c.project.authorityCertificatePem,
      server_addresses: parts.advertised(),
      server_ca_pem: parts.serverCaPem,
    },
  };
}

/** A member. */
export const memberJson = (m: Member): object => ({
  identifier: m.identifier,
  role: m.role,
  attributes: m.attributes,
  attested_by: m.addedBy,
  added_at: new Date(m.addedAtMs).toISOString(),
});
/** A ticket's line of hex: the code, and the pins that its redeemer trusts. */
export function ticketFor(
  parts: ServerParts,
  authority: AuthorityManager,
  project: Project,
  code: string,
): string {
  return encodeTicket({
    oneTimeCode: code,
    server: { addresses: parts.advertised(), caFingerprint: parts.serverCaFingerprint },
    project: { id: project.id, name: project.name, ...authority.pins(project) },
  });
}
