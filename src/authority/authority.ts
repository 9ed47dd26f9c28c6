/**
 * The authority of each project: spaces, projects, members, tickets, credentials, revocation. It decides who is a member
 * and with which attributes, and signs that for an hour at a time.
 *
 * INVARIANT: a credential is issued only to the identity that proved itself, for attributes that a ticket or an
 * administrator gave. Every change of a member's attributes, and its removal, raises its generation and leaves a
 * revocation, so that older certificates are void everywhere at once. Every change is audited in its transaction.
 * Attributes named `ockam-…`, `postern-…` or like a built-in name come from administrators alone.
 */

import { type KeyObject, sign } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { Audit } from '../audit/index.ts';
import { type Fabric, type Grant, hashSecret } from '../fabric/index.ts';
import { type Clock, newUuid, PosternError } from '../kernel/index.ts';
import { type Database, nextNumber, type Store } from '../store/index.ts';
import {
  type Authority as CertificateAuthority,
  createAuthorityCa,
  createIdentity,
  type Evidence,
  fingerprint,
  isIdentifier,
  issueCredential,
  verifyEvidence,
} from '../trust/index.ts';

export type Role = 'admin' | 'enroller' | 'member';
export interface Project {
  readonly id: string;
  readonly name: string;
  readonly spaceId: string;
  readonly spaceName: string;
  readonly isDefault: boolean;
  readonly authorityIdentifier: string;
  readonly authorityChangeHistory: Buffer;
  readonly authorityCertificatePem: string;
}
export interface Member {
  readonly projectId: string;
  readonly identifier: string;
  readonly role: Role;
  readonly attributes: Readonly<Record<string, string>>;
  readonly generation: number;
  readonly addedAtMs: number;
  readonly addedBy: string | null;
}
export interface Revocation {
  readonly number: number;
  readonly projectId: string;
  readonly identifier: string;
  readonly minGeneration: number | null;
}
export interface Credential {
  readonly certificatePem: string;
  readonly notAfterMs: number;
  readonly member: Member;
  readonly project: Project;
}
export interface NewTicket {
  readonly attributes: Readonly<Record<string, string>>;
  readonly expiresInMs: number;
  readonly usageCount: number;
  readonly relay?: string;
  readonly isEnroller: boolean;
}
/** Who asks for a change: an administrator, or an enroller with fewer rights. */
export interface Actor {
  readonly id: string;
  readonly isAdmin: boolean;
}

const CREDENTIAL_VALIDITY_MS = 3_600_000;
const TICKET_EXPIRY_MS_MAX = 365 * 86_400_000;
const TICKET_USES_MAX = 100_000;
const ATTRIBUTES_MAX = 64;
const ATTRIBUTE_NAME = /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/;
const RESERVED = /^(ockam-|postern-|account\.|identifier$|has_credential$)/;
const NAME = /^[\w.-]{1,64}$/;
const RELAY_NAME = /^(\*|[\w.-]{1,128})$/;
export const ADMIN_ATTRIBUTES = { 'ockam-relay': '*', 'ockam-role': 'admin' } as const;

function checkName(name: string, what: string): void {
  if (!NAME.test(name))
    throw new PosternError('invalid', `"${name.slice(0, 80)}" can't be the name of a ${what}`);
}

/** Checks attributes that somebody wants to give. Throws `invalid`, or `denied` for reserved names. */
export function checkAttributes(
  attributes: Readonly<Record<string, string>>,
  isAdmin: boolean,
): void {
  const entries = Object.entries(attributes);
  if (entries.length > ATTRIBUTES_MAX)
    throw new PosternError('invalid', `More than ${ATTRIBUTES_MAX} attributes`);
  for (const [name, value] of entries) {
    if (!ATTRIBUTE_NAME.test(name))
      throw new PosternError('invalid', `"${name.slice(0, 80)}" can't be an attribute's name`);
    if (value.length > 512)
      throw new PosternError('invalid', `The value of attribute ${name} is too long`);
    if (/\p{Cc}/u.test(value))
      throw new PosternError('invalid', `The value of attribute ${name} has control characters`);
    if (RESERVED.test(name) && !(isAdmin && /^(ockam|postern)-/.test(name)))
      throw new PosternError('denied', `The attribute ${name} is reserved`, {
        hint: 'Names beginning with ockam- or postern- are set by administrators alone',
      });
  }
}

export class AuthorityManager {
  readonly #store: Store;
  readonly #fabric: Fabric;
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #projects = new Map<string, Project>();
  readonly #spaceGuards: ((trx: Transaction<Database>, spaceId: string) => Promise<void>)[] = [];
  /** The newest revocation of each member. */
  readonly #revoked = new Map<string, Revocation>();
  readonly #cas = new Map<string, CertificateAuthority>();

  constructor(o: { store: Store; fabric: Fabric; audit: Audit; clock: Clock }) {
    this.#store = o.store;
    this.#fabric = o.fabric;
    this.#audit = o.audit;
    this.#clock = o.clock;
    // Enrollers may give tickets and manage plain members of their project; everything else is for administrators.
    o.fabric.addRule(async ({ principalId, action, projectId }) => {
      if (
        projectId === undefined ||
        !/^(tickets:create|members:(add|list|delete)|projects:read|relays:list)$/.test(action)
      )
        return undefined;
      const member = await this.findMember(projectId, principalId);
      if (member?.role === 'enroller')
        return { isAllowed: true, rule: 'role enroller', why: 'a member with ockam-role=enroller' };
      if (member !== undefined && action === 'projects:read')
        return { isAllowed: true, rule: 'member', why: 'a member of the project' };
      return undefined;
    });
  }

  /** Loads what every handshake asks for; call once, and after changes by other servers. */
  async refresh(): Promise<void> {
    const rows = await this.#store.db
      .selectFrom('projects')
      .innerJoin('spaces', 'spaces.id', 'projects.space_id')
      .selectAll('projects')
      .select('spaces.name as space_name')
      .orderBy('projects.created_at_ms')
      .execute();
    this.#projects.clear();
    for (const r of rows)
      this.#projects.set(r.id, {
        id: r.id,
        name: r.name,
        spaceId: r.space_id,
        spaceName: r.space_name,
        isDefault: r.is_default === 1,
        authorityIdentifier: r.authority_identifier,
        authorityChangeHistory: Buffer.from(r.authority_change_history),
        authorityCertificatePem: r.authority_certificate_pem,
      });
    for (const r of await this.revocationsAfter(0)) this.noteRevocation(r);
  }

  /** Remembers a revocation for `isRevoked`. */
  noteRevocation(r: Revocation): void {
    const key = `${r.projectId} ${r.identifier}`;
    if (r.number >= (this.#revoked.get(key)?.number ?? 0)) this.#revoked.set(key, r);
  }

  /** The newest revocation of each member of a project, in order. Answers from memory, also while the database is away. */
  revocationsOf(projectId: string): Revocation[] {
    return [...this.#revoked.values()]
      .filter((r) => r.projectId === projectId)
      .sort((a, b) => a.number - b.number);
  }

  /** Is a certificate of this generation void? Answers from memory. */
  isRevoked(projectId: string, identifier: string, generation: number): boolean {
    const least = this.#revoked.get(`${projectId} ${identifier}`)?.minGeneration;
    return least === null || (least !== undefined && generation < least);
  }

  projects(): Project[] {
    return [...this.#projects.values()];
  }
  project(idOrName: string): Project {
    const found = this.#projects.get(idOrName) ?? this.projects().find((p) => p.name === idOrName);
    if (found === undefined)
      throw new PosternError('not_found', `The project ${idOrName.slice(0, 80)} was not found`);
    return found;
  }

  async spaces(): Promise<{ id: string; name: string }[]> {
    return this.#store.db
      .selectFrom('spaces')
      .select(['id', 'name'])
      .orderBy('created_at_ms')
      .execute();
  }

  async createSpace(name: string, by: Actor): Promise<{ id: string; name: string }> {
    checkName(name, 'space');
    const id = newUuid();
    await this.#store.write(async (trx) => {
      if (await trx.selectFrom('spaces').select('id').where('name', '=', name).executeTakeFirst())
        throw new PosternError('conflict', `The space ${name} already exists`);
      await trx
        .insertInto('spaces')
        .values({ id, name, created_at_ms: this.#clock.now(), created_by: by.id })
        .execute();
      await this.#tell(trx, by, 'space.create', `space/${id}`, { name });
    });
    return { id, name };
  }

  /** Adds somebody who may refuse that a space is deleted, by throwing, because something of theirs belongs to it. */
  guardSpaces(guard: (trx: Transaction<Database>, spaceId: string) => Promise<void>): void {
    this.#spaceGuards.push(guard);
  }

  async deleteSpace(idOrName: string, by: Actor): Promise<void> {
    const space = (await this.spaces()).find((s) => s.id === idOrName || s.name === idOrName);
    if (space === undefined)
      throw new PosternError('not_found', `The space ${idOrName.slice(0, 80)} was not found`);
    if (this.projects().some((p) => p.spaceId === space.id))
      throw new PosternError('conflict', `The space ${space.name} still has projects`, {
        hint: 'Delete them first',
      });
    await this.#store.write(async (trx) => {
      for (const guard of this.#spaceGuards) await guard(trx, space.id);
      await trx.deleteFrom('spaces').where('id', '=', space.id).execute();
      await this.#tell(trx, by, 'space.delete', `space/${space.id}`, { name: space.name });
    });
  }

  async createProject(spaceIdOrName: string, name: string, by: Actor): Promise<Project> {
    checkName(name, 'project');
    const space = (await this.spaces()).find(
      (s) => s.id === spaceIdOrName || s.name === spaceIdOrName,
    );
    if (space === undefined)
      throw new PosternError('not_found', `The space ${spaceIdOrName.slice(0, 80)} was not found`);
    const id = newUuid();
    const ca = await createAuthorityCa(id);
    const keys = createIdentity(this.#clock.now());
    await this.#store.write(async (trx) => {
      if (
        await trx
          .selectFrom('projects')
          .select('id')
          .where('space_id', '=', space.id)
          .where('name', '=', name)
          .executeTakeFirst()
      )
        throw new PosternError('conflict', `The project ${name} already exists`);
      const isFirst =
        (await trx.selectFrom('projects').select('id').limit(1).executeTakeFirst()) === undefined;
      await this.#fabric.keyring.putPrivateKey(`authority/${id}/ca`, ca.privateKey, trx);
      await this.#fabric.keyring.putPrivateKey(`authority/${id}/identity`, keys.privateKey, trx);
      await trx
        .insertInto('projects')
        .values({
          id,
          space_id: space.id,
          name,
          is_default: isFirst ? 1 : 0,
          authority_identifier: keys.identity.identifier,
          authority_change_history: keys.identity.changeHistory,
          authority_certificate_pem: ca.certificatePem,
          created_at_ms: this.#clock.now(),
          created_by: by.id,
        })
        .execute();
      await this.#tell(trx, by, 'project.create', `project/${id}`, { name, space: space.name });
    });
    await this.refresh();
    return this.project(id);
  }

  async deleteProject(idOrName: string, by: Actor): Promise<void> {
    const project = this.project(idOrName);
    await this.#store.write(async (trx) => {
      for (const m of await this.members(project.id))
        await this.#revoke(trx, project.id, m.identifier, null, by, 'project deleted');
      // Its tickets and roles go with it.
      const standing = await trx
        .selectFrom('grants')
        .select('id')
        .where('project_id', '=', project.id)
        .where('revoked_at_ms', 'is', null)
        .execute();
      for (const { id } of standing) await this.#fabric.grants.revoke(trx, id);
      await trx.deleteFrom('members').where('project_id', '=', project.id).execute();
      await trx.deleteFrom('projects').where('id', '=', project.id).execute();
      await this.#tell(trx, by, 'project.delete', `project/${project.id}`, { name: project.name });
    });
    await this.refresh();
  }

  /** The default space and project, made when there are none. */
  async ensureDefaults(by: Actor): Promise<Project> {
    const found = this.projects().find((p) => p.isDefault) ?? this.projects()[0];
    if (found !== undefined) return found;
    const [space] = await this.spaces();
    return this.createProject((space ?? (await this.createSpace('default', by))).id, 'default', by);
  }

  async members(projectId: string): Promise<Member[]> {
    const rows = await this.#store.db
      .selectFrom('members')
      .selectAll()
      .where('project_id', '=', projectId)
      .orderBy('added_at_ms')
      .execute();
    return rows.map((r) => ({
      projectId: r.project_id,
      identifier: r.identifier,
      role: r.role === 'admin' || r.role === 'enroller' ? r.role : 'member',
      attributes: stringMap(r.attributes_json),
      generation: r.generation,
      addedAtMs: r.added_at_ms,
      addedBy: r.added_by,
    }));
  }
  async findMember(projectId: string, identifier: string): Promise<Member | undefined> {
    return (await this.members(projectId)).find((m) => m.identifier === identifier);
  }

  /** Adds a member, or overwrites its attributes; older certificates of it become void. */
  async putMember(
    projectId: string,
    identifier: string,
    role: Role,
    attributes: Readonly<Record<string, string>>,
    by: Actor,
  ): Promise<Member> {
    if (!isIdentifier(identifier))
      throw new PosternError('invalid', `"${identifier.slice(0, 80)}" is not an identifier`);
    if (role !== 'member' && !by.isAdmin)
      throw new PosternError('denied', 'Only an administrator makes enrollers and administrators');
    checkAttributes(attributes, by.isAdmin);
    const present = await this.findMember(projectId, identifier);
    if (present !== undefined && present.role !== 'member' && !by.isAdmin)
      throw new PosternError(
        'denied',
        'Only an administrator changes enrollers and administrators',
      );
    await this.#store.write((trx) => this.#put(trx, projectId, identifier, role, attributes, by));
    return this.#must(projectId, identifier);
  }

  async #must(projectId: string, identifier: string): Promise<Member> {
    const member = await this.findMember(projectId, identifier);
    if (member === undefined)
      throw new PosternError('not_found', `${identifier} is not a member of the project`);
    return member;
  }

  async #put(
    trx: Transaction<Database>,
    projectId: string,
    identifier: string,
    role: Role,
    attributes: Readonly<Record<string, string>>,
    by: Actor,
    grant?: Grant,
  ): Promise<void> {
    const present = await trx
      .selectFrom('members')
      .select('generation')
      .where('project_id', '=', projectId)
      .where('identifier', '=', identifier)
      .executeTakeFirst();
    const before = await trx
      .selectFrom('revocations')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('project_id', '=', projectId)
      .where('identifier', '=', identifier)
      .executeTakeFirst();
    // A member that was removed and comes back starts above every generation it ever had.
    const generation = (present?.generation ?? Number(before?.n ?? 0)) + 1;
    await this.#fabric.principals.ensure(trx, {
      kind: 'node',
      name: identifier.slice(0, 13),
      id: identifier,
    });
    const row = {
      project_id: projectId,
      identifier,
      principal_id: identifier,
      role,
      attributes_json: JSON.stringify(attributes),
      change_history: null,
      generation,
      grant_id: grant?.id ?? null,
      added_at_ms: this.#clock.now(),
      added_by: by.id,
    };
    await trx
      .insertInto('members')
      .values(row)
      .onConflict((oc) =>
        oc.columns(['project_id', 'identifier']).doUpdateSet({
          role,
          attributes_json: row.attributes_json,
          generation,
          added_by: by.id,
          // Whose word let it in: an account's machine stays that account's until another one vouches for it.
          ...(grant === undefined ? {} : { grant_id: grant.id }),
        }),
      )
      .execute();
    if (present !== undefined || Number(before?.n ?? 0) > 0)
      await this.#revoke(trx, projectId, identifier, generation, by, 'attributes changed');
    // The role is a grant, which follows the member: given anew on a promotion, taken back on a demotion.
    await this.#revokeRoles(trx, projectId, identifier);
    if (role === 'admin')
      await this.#fabric.grants.create(trx, {
        kind: 'role',
        principalId: identifier,
        projectId,
        scopes: ['admin'],
        createdBy: by.id,
      });
    await this.#tell(
      trx,
      by,
      present === undefined ? 'member.add' : 'member.change',
      `project/${projectId}/member/${identifier}`,
      { role, attributes },
    );
  }

  /**
   * Replaces a member's attributes by what others have verified, reserved names among them; older certificates of it
   * become void. Throws `not_found`.
   */
  async replaceAttributes(
    projectId: string,
    identifier: string,
    attributes: Readonly<Record<string, string>>,
    by: Actor,
  ): Promise<void> {
    const { role } = await this.#must(projectId, identifier);
    await this.#store.write((trx) => this.#put(trx, projectId, identifier, role, attributes, by));
  }

  /** Removes a member: its certificates are void and its live channels are cut within a second. Throws `not_found`. */
  async deleteMember(projectId: string, identifier: string, by: Actor): Promise<void> {
    const member = await this.#must(projectId, identifier);
    if (member.role !== 'member' && !by.isAdmin)
      throw new PosternError(
        'denied',
        'Only an administrator removes enrollers and administrators',
      );
    await this.#store.write(async (trx) => {
      await trx
        .deleteFrom('members')
        .where('project_id', '=', projectId)
        .where('identifier', '=', identifier)
        .execute();
      await this.#fabric.grants.revokeAllOf(trx, identifier, projectId);
      await this.#revoke(trx, projectId, identifier, null, by, 'member removed');
      await this.#tell(trx, by, 'member.delete', `project/${projectId}/member/${identifier}`, {});
    });
  }

  /** Takes back what the principal holds in this project; in another one its grants are not this project's to take. */
  async #revokeRoles(
    trx: Transaction<Database>,
    projectId: string,
    principalId: string,
  ): Promise<void> {
    const rows = await trx
      .selectFrom('grants')
      .select('id')
      .where('kind', '=', 'role')
      .where('principal_id', '=', principalId)
      .where('project_id', '=', projectId)
      .where('revoked_at_ms', 'is', null)
      .execute();
    for (const { id } of rows) await this.#fabric.grants.revoke(trx, id);
  }

  async #revoke(
    trx: Transaction<Database>,
    projectId: string,
    identifier: string,
    minGeneration: number | null,
    by: Actor,
    reason: string,
  ): Promise<void> {
    const number = await nextNumber(trx, 'revocations');
    const key = await this.#fabric.keyring.privateKey(`authority/${projectId}/identity`);
    const text = JSON.stringify([
      'postern-revocation-v1',
      number,
      projectId,
      identifier,
      minGeneration,
    ]);
    await trx
      .insertInto('revocations')
      .values({
        number,
        project_id: projectId,
        identifier,
        min_generation: minGeneration,
        reason,
        revoked_at_ms: this.#clock.now(),
        revoked_by: by.id,
        signature: sign(null, Buffer.from(text), key),
      })
      .execute();
    await this.#fabric.events.append(trx, {
      kind: 'member.revoked',
      projectId,
      subject: identifier,
      data: { number, min_generation: minGeneration },
    });
  }

  /** Revocations after a number, in order. */
  async revocationsAfter(number: number): Promise<Revocation[]> {
    const query = this.#store.db
      .selectFrom('revocations')
      .selectAll()
      .where('number', '>', number)
      .orderBy('number');
    return (await query.execute()).map((r) => ({
      number: r.number,
      projectId: r.project_id,
      identifier: r.identifier,
      minGeneration: r.min_generation,
    }));
  }

  /** Makes a ticket; answers its one-time code, which is shown once. */
  async createTicket(projectId: string, ticket: NewTicket, by: Actor): Promise<string> {
    checkAttributes(ticket.attributes, by.isAdmin);
    if (ticket.isEnroller && !by.isAdmin)
      throw new PosternError('denied', 'Only an administrator makes tickets for enrollers');
    if (ticket.relay === '*' && !by.isAdmin)
      throw new PosternError('denied', 'Only an administrator gives every relay name');
    if (ticket.relay !== undefined && !RELAY_NAME.test(ticket.relay))
      throw new PosternError('invalid', `"${ticket.relay.slice(0, 80)}" can't be a relay's name`);
    if (!(ticket.expiresInMs > 0 && ticket.expiresInMs <= TICKET_EXPIRY_MS_MAX))
      throw new PosternError('invalid', 'A ticket lives between a moment and a year');
    if (
      !Number.isInteger(ticket.usageCount) ||
      ticket.usageCount < 1 ||
      ticket.usageCount > TICKET_USES_MAX
    )
      throw new PosternError('invalid', 'A ticket can be used between 1 and 100,000 times');
    const attributes = {
      ...ticket.attributes,
      ...(ticket.relay === undefined ? {} : { 'ockam-relay': ticket.relay }),
      ...(ticket.isEnroller ? { 'ockam-role': 'enroller' } : {}),
    };
    return this.#store.write(async (trx) => {
      const { grant, secret } = await this.#fabric.grants.create(trx, {
        kind: 'ticket',
        projectId,
        attributes,
        data: { role: ticket.isEnroller ? 'enroller' : 'member' },
        uses: ticket.usageCount,
        expiresAtMs: this.#clock.now() + ticket.expiresInMs,
        createdBy: by.id,
      });
      await this.#tell(trx, by, 'ticket.create', `project/${projectId}/ticket/${grant.id}`, {
        attributes,
        uses: ticket.usageCount,
      });
      return secret.reveal();
    });
  }

  /** Makes a one-time code that lets one machine in as administrator. */
  async createAdminTicket(by: Actor): Promise<{ code: string; project: Project }> {
    const project = await this.ensureDefaults(by);
    const code = await this.#store.write(async (trx) => {
      const { grant, secret } = await this.#fabric.grants.create(trx, {
        kind: 'ticket',
        projectId: project.id,
        attributes: ADMIN_ATTRIBUTES,
        data: { role: 'admin' },
        uses: 1,
        expiresAtMs: this.#clock.now() + 3_600_000,
        createdBy: by.id,
      });
      await this.#tell(
        trx,
        by,
        'admin-ticket.create',
        `project/${project.id}/ticket/${grant.id}`,
        {},
      );
      return secret.reveal();
    });
    return { code, project };
  }

  /** Redeems a ticket for an identity that has proved itself. An existing member takes no use. */
  async redeem(
    code: string,
    evidence: Evidence,
    spki: Uint8Array,
  ): Promise<Credential & { alreadyMember: boolean }> {
    const { identifier } = verifyEvidence(evidence, spki);
    // Also for a ticket that is used up or over: who is a member already takes nothing by it.
    const known = await this.#store.db
      .selectFrom('grants')
      .select(['project_id', 'data_json'])
      .where('secret_hash', '=', hashSecret(code))
      .where('kind', '=', 'ticket')
      .executeTakeFirst();
    const data = known === undefined ? {} : stringMap(known.data_json);
    const isTaken = data['role'] === 'admin' || data['account'] !== undefined;
    if (known !== undefined && known.project_id !== null && !isTaken) {
      const member = await this.findMember(known.project_id, identifier);
      if (member !== undefined)
        return { ...(await this.issue(known.project_id, evidence, spki)), alreadyMember: true };
    }
    const projectId = await this.#store.write(async (trx) => {
      const grant = await this.#fabric.grants.redeem(trx, code, 'ticket');
      if (grant.projectId === undefined)
        throw new PosternError('internal', 'A ticket without a project');
      const role = grant.data['role'];
      const by = { id: grant.createdBy ?? 'unknown', isAdmin: true };
      await this.#put(
        trx,
        grant.projectId,
        identifier,
        role === 'admin' || role === 'enroller' ? role : 'member',
        grant.attributes,
        by,
        grant,
      );
      await this.#audit.append(trx, {
        actor: identifier,
        action: 'ticket.redeem',
        resource: `project/${grant.projectId}/ticket/${grant.id}`,
      });
      return grant.projectId;
    });
    return { ...(await this.issue(projectId, evidence, spki)), alreadyMember: false };
  }

  /** Lets an identity in as administrator, on the word of the admin socket. */
  async enrollAdmin(evidence: Evidence, spki: Uint8Array, by: Actor): Promise<Credential> {
    const { identifier } = verifyEvidence(evidence, spki);
    const project = await this.ensureDefaults(by);
    const member = await this.findMember(project.id, identifier);
    if (member?.role !== 'admin')
      await this.#store.write((trx) =>
        this.#put(trx, project.id, identifier, 'admin', ADMIN_ATTRIBUTES, by),
      );
    return this.issue(project.id, evidence, spki);
  }

  async #ca(project: Project): Promise<CertificateAuthority> {
    const known = this.#cas.get(project.id);
    if (known !== undefined) return known;
    const privateKey: KeyObject = await this.#fabric.keyring.privateKey(
      `authority/${project.id}/ca`,
    );
    const ca = { privateKey, certificatePem: project.authorityCertificatePem };
    this.#cas.set(project.id, ca);
    return ca;
  }

  /** Issues a credential to a member, for an hour. Throws `denied` when it is none. */
  async issue(projectId: string, evidence: Evidence, spki: Uint8Array): Promise<Credential> {
    const { identifier } = verifyEvidence(evidence, spki);
    const project = this.project(projectId);
    const member = await this.findMember(project.id, identifier);
    if (member === undefined)
      throw new PosternError('denied', `${identifier} is not a member of project ${project.name}`, {
        hint: 'Ask an administrator for a ticket: postern project ticket',
      });
    await this.#insistOnOwner(project, identifier);
    const issued = await issueCredential({
      authority: await this.#ca(project),
      projectId: project.id,
      identifier,
      attributes: member.attributes,
      generation: member.generation,
      spki,
      evidence,
      nowMs: this.#clock.now(),
      validityMs: CREDENTIAL_VALIDITY_MS,
    });
    return {
      certificatePem: issued.certificatePem,
      notAfterMs: issued.notAfterMs,
      member,
      project,
    };
  }

  /** A machine that a person let in goes when the person does, also where the news of it has not come yet. */
  async #insistOnOwner(project: Project, identifier: string): Promise<void> {
    const owner = await this.#store.db
      .selectFrom('members')
      .innerJoin('grants', 'grants.id', 'members.grant_id')
      .innerJoin('principals', 'principals.id', 'grants.principal_id')
      .select('principals.disabled_at_ms')
      .where('members.project_id', '=', project.id)
      .where('members.identifier', '=', identifier)
      .executeTakeFirst();
    if (owner === undefined || owner.disabled_at_ms === null) return;
    throw new PosternError('denied', 'The account that let this machine in is shut out', {
      hint: 'An administrator lets it in again: postern account enable',
    });
  }

  /** What a ticket pins of its project. */
  pins(project: Project): { authorityIdentifier: string; authorityFingerprint: string } {
    return {
      authorityIdentifier: project.authorityIdentifier,
      authorityFingerprint: fingerprint(project.authorityCertificatePem),
    };
  }

  async #tell(
    trx: Transaction<Database>,
    by: Actor,
    action: string,
    resource: string,
    data: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    await this.#audit.append(trx, { actor: by.id, action, resource, data });
    await this.#fabric.events.append(trx, { kind: action, subject: resource });
  }
}

function stringMap(json: string): Record<string, string> {
  const value: unknown = JSON.parse(json);
  return Object.fromEntries(Object.entries(value ?? {}).map(([k, v]) => [k, String(v)]));
}
