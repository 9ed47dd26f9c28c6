/**
 * This home's membership in a project: enrolling, keeping what was granted, a fresh credential when it is needed, and
 * the management API as that member. The admin socket is used by `enroll` and by the commands of the server's own machine.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { CredentialGrant, ManagementClient } from '../control/index.ts';
import type { CredentialRecord, IdentityRecord, ProjectRecord } from '../home/index.ts';
import { PosternError } from '../kernel/index.ts';
import { attestLeaf, exportPrivateKey, generateLeafKey, type Ticket } from '../trust/light.ts';
import { openHomeOnce } from './access.ts';
import { text } from './json.ts';
import { session } from './session.ts';

/** A credential this close to its end is renewed before it is used. */
const RENEW_BEFORE_MS = 60_000;

/** The server's home on this machine. */
export function serverHome(): string {
  return process.env['POSTERN_SERVER_HOME'] || join(homedir(), '.postern-server');
}

/** The server's admin socket on this machine. */
export function adminSocket(): string {
  return join(serverHome(), 'admin.sock');
}

const keyOf = (identifier: string, projectId: string): string => `${identifier}@${projectId}`;

/** Keeps what the server granted. */
export function keepGrant(
  identity: IdentityRecord,
  grant: CredentialGrant,
  leafPrivateKeyPem: string,
): { project: ProjectRecord; credential: CredentialRecord } {
  const home = openHomeOnce();
  const { project } = grant;
  const record: ProjectRecord = {
    name: project.name,
    id: project.id,
    spaceId: project.space_id,
    spaceName: project.space_name,
    serverAddresses: project.server_addresses,
    serverCaPem: project.server_ca_pem,
    authorityIdentifier: project.authority_identifier,
    authorityChangeHistoryHex: project.authority_change_history,
    authorityCertificatePem: project.authority_certificate_pem,
  };
  const name = keyOf(identity.identifier, project.id);
  const credential: CredentialRecord = {
    name,
    identifier: identity.identifier,
    projectId: project.id,
    leafPrivateKeyPem,
    certificatePem: grant.certificate_pem,
    attributes: grant.attributes,
    notAfterMs: grant.not_after_ms,
  };
  home.projects.put(record);
  home.credentials.put(credential);
  home.enrolments.put({
    name,
    identifier: identity.identifier,
    projectId: project.id,
    role: grant.role,
  });
  return { project: record, credential };
}

/** Enrols through the admin socket of a server on this machine, as its administrator. */
export async function enrollOverSocket(
  identity: IdentityRecord,
): Promise<ReturnType<typeof keepGrant>> {
  const { managementOverSocket } = await import('../control/index.ts');
  const leaf = generateLeafKey();
  const evidence = attestLeaf(openHomeOnce().identityKeys(identity), leaf.publicKeySpki);
  const client = managementOverSocket(adminSocket());
  const grant = await client.request('POST', '/api/v1/enroll-admin', {
    change_history: evidence.changeHistory.toString('base64'),
    spki: leaf.publicKeySpki.toString('base64'),
    evidence_signature: evidence.signature.toString('base64'),
  });
  // The admin socket belongs to this user: its answer has the protocol's shape.
  return keepGrant(identity, grant as CredentialGrant, exportPrivateKey(leaf.privateKey));
}

/** Redeems a ticket for an identity. */
export async function redeemTicket(
  identity: IdentityRecord,
  ticket: Ticket,
): Promise<ReturnType<typeof keepGrant> & { alreadyMember: boolean }> {
  const { enrollWithTicket } = await import('../control/index.ts');
  const { grant, leafPrivateKeyPem } = await enrollWithTicket(
    ticket,
    openHomeOnce().identityKeys(identity),
  );
  return {
    ...keepGrant(identity, grant, leafPrivateKeyPem),
    alreadyMember: grant.already_member,
  };
}

/** Asks the authority for a fresh credential of a member. */
export async function renew(
  identity: IdentityRecord,
  project: ProjectRecord,
): Promise<ReturnType<typeof keepGrant>> {
  const { openFirst, renewCredential } = await import('../control/index.ts');
  const link = await openFirst(project.serverAddresses, { serverCa: { pem: project.serverCaPem } });
  try {
    const keys = openHomeOnce().identityKeys(identity);
    const { grant, leafPrivateKeyPem } = await renewCredential(link, keys, project.id);
    return keepGrant(identity, grant, leafPrivateKeyPem);
  } finally {
    link.close();
  }
}

/** The project that is meant. Throws `unauthenticated` when this home is in none. */
export function projectNamed(name?: string): ProjectRecord {
  const { projects } = openHomeOnce();
  if (projects.default === undefined) throw notEnrolled();
  return projects.get(name);
}

/** The refusal for commands that need an enrolled home. */
export function notEnrolled(): PosternError {
  return new PosternError(
    'unauthenticated',
    `Please enroll using '${session().program} enroll' before using this command`,
    {
      hint: existsSync(adminSocket())
        ? 'Or join a project with a ticket: `postern project enroll TICKET`'
        : 'No server runs on this machine: `postern server start` first, or join elsewhere: `postern project enroll TICKET`',
    },
  );
}

/** The refusal for an operator's command where no server runs and no other one was joined. */
function noServer(): PosternError {
  // Scripts of the original look for its words and its error id.
  if (session().program === 'ockam') return notEnrolled();
  return new PosternError(
    'unavailable',
    'No server answers on this machine, and this home belongs to no other',
    { hint: 'Start one: `postern server start`, or join another: `postern enroll --server URL`' },
  );
}

/** An identity of this home that is a member of the project: the named one, else whichever is. */
export function memberIdentity(project: ProjectRecord, name?: string): IdentityRecord {
  const home = openHomeOnce();
  const isMember = (i: IdentityRecord): boolean =>
    home.enrolments.find(keyOf(i.identifier, project.id)) !== undefined;
  if (name !== undefined) return home.identities.get(name);
  const preferred = home.identities.default;
  if (preferred !== undefined && isMember(preferred)) return preferred;
  const found = home.identities.list().find(isMember);
  if (found === undefined) throw notEnrolled();
  return found;
}

/** A valid credential of an identity in a project, renewed when it is about to end. */
export async function validCredential(
  identity: IdentityRecord,
  project: ProjectRecord,
): Promise<CredentialRecord> {
  const kept = openHomeOnce().credentials.find(keyOf(identity.identifier, project.id));
  if (kept !== undefined && kept.notAfterMs - RENEW_BEFORE_MS > Date.now()) return kept;
  return (await renew(identity, project)).credential;
}

export interface MemberOptions {
  readonly project?: string | undefined;
  readonly identity?: string | undefined;
}

async function memberClient(
  identity: IdentityRecord,
  project: ProjectRecord,
): Promise<ManagementClient> {
  const credential = await validCredential(identity, project);
  const { managementOverNodePort } = await import('../control/index.ts');
  return managementOverNodePort(project.serverAddresses, {
    serverCa: { pem: project.serverCaPem },
    clientCertificate: credential,
  });
}

/** Whose server is out of reach, and what to do about it: start it, where it is this machine's. */
function unreachable(project: ProjectRecord, reason: unknown): unknown {
  if (!(reason instanceof PosternError) || reason.code !== 'unavailable') return reason;
  const isHere = project.serverAddresses.some((a) => /^(127\.|localhost:|\[::1\])/.test(a));
  if (!isHere || existsSync(adminSocket())) return reason;
  return new PosternError(
    'unavailable',
    `The server of the project ${project.name} does not run: ${reason.message}`,
    { cause: reason, hint: 'Start it: `postern server start`' },
  );
}

/** Does something with the management API as a member of a project. */
export async function asMember<T>(
  options: MemberOptions,
  work: (client: ManagementClient, project: ProjectRecord) => Promise<T>,
): Promise<T> {
  const project = projectNamed(options.project);
  const identity = memberIdentity(project, options.identity);
  const client = await memberClient(identity, project).catch((reason: unknown) => {
    throw unreachable(project, reason);
  });
  try {
    return await work(client, project);
  } finally {
    client.close();
  }
}

/** Does something with the management API as the operator: by membership when enrolled, else over the admin socket. */
export async function asOperator<T>(work: (client: ManagementClient) => Promise<T>): Promise<T> {
  if (openHomeOnce().projects.default !== undefined) return asMember({}, (client) => work(client));
  if (!existsSync(adminSocket())) throw noServer();
  const { managementOverSocket } = await import('../control/index.ts');
  const client = managementOverSocket(adminSocket());
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** The project as JSON, with the names that scripts of the original read. */
export function projectJson(project: ProjectRecord): Record<string, unknown> {
  const [address = ''] = project.serverAddresses;
  const at = address.lastIndexOf(':');
  const base = `/dnsaddr/${address.slice(0, at)}/tcp/${address.slice(at + 1)}`;
  return {
    id: project.id,
    name: project.name,
    space_name: project.spaceName,
    access_route: `${base}/service/${project.id}/service/api`,
    users: [],
    space_id: project.spaceId,
    identity: project.authorityIdentifier,
    authority_access_route: `${base}/service/${project.id}/service/authority`,
    authority_identity: project.authorityChangeHistoryHex,
    version: null,
    running: true,
    operation_id: null,
    user_roles: [],
    project_change_history: project.authorityChangeHistoryHex,
  };
}

/** What the server says of a list, whether it is the list itself or wrapped under a name. */
export function listOf(answer: unknown, name: string): readonly unknown[] {
  if (Array.isArray(answer)) return answer;
  const wrapped: unknown =
    typeof answer === 'object' && answer !== null ? Reflect.get(answer, name) : undefined;
  return Array.isArray(wrapped) ? wrapped : [];
}

/** Reads attributes `K[=V]`; without a value it is `true`. Throws `invalid`. */
export function parseAttributes(
  given: readonly string[],
  relay: string | undefined,
  isEnroller: boolean,
): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const pair of given) {
    const at = pair.indexOf('=');
    const name = at < 0 ? pair : pair.slice(0, at);
    if (name === '') throw new PosternError('invalid', `"${pair}" is not KEY or KEY=VALUE`);
    attributes[name] = at < 0 ? 'true' : pair.slice(at + 1);
  }
  if (relay !== undefined) attributes['ockam-relay'] = relay;
  if (isEnroller) attributes['ockam-role'] = 'enroller';
  return attributes;
}

/** The name of a thing in a server's answer. */
export const nameOf = (value: unknown): string => text(value, 'name');
