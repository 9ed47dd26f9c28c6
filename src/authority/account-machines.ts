/**
 * Machines that people let in: an administrator allows an account in a project, its person signs in on a machine, and the
 * machine becomes a member with what is verified of the person in its credential (`account.email`, `account.group.…`).
 *
 * INVARIANT: nobody enrols a machine whom no administrator allowed in that project; what is under `account.` comes from the
 * accounts alone; when a person is shut out or no longer allowed, their machines are removed, which cuts their channels.
 */
import type { Audit } from '../audit/index.ts';
import type { Fabric, Grant } from '../fabric/index.ts';
import { type Clock, PosternError } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';
import {
  type Actor,
  ADMIN_ATTRIBUTES,
  type AuthorityManager,
  checkAttributes,
  type Project,
} from './authority.ts';

const TICKET_LIFE_MS = 5 * 60_000;
const OWN_PREFIX = 'account.';
/** Of the sign-in by which a machine was enrolled; it does not change with the account. */
const ASSURANCE = 'account.assurance';
const ENROLL = 'enroll';

export interface AccountRole {
  readonly accountId: string;
  readonly projectId: string;
  readonly role: 'admin' | 'member';
  /** What its machines' credentials say beside what is verified of the account. */
  readonly attributes: Readonly<Record<string, string>>;
}

interface Machine {
  readonly project_id: string;
  readonly identifier: string;
  readonly attributes_json: string;
}

export class AccountMachines {
  readonly #store: Store;
  readonly #fabric: Fabric;
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #authority: AuthorityManager;

  constructor(o: {
    readonly store: Store;
    readonly fabric: Fabric;
    readonly audit: Audit;
    readonly clock: Clock;
    readonly authority: AuthorityManager;
  }) {
    this.#store = o.store;
    this.#fabric = o.fabric;
    this.#audit = o.audit;
    this.#clock = o.clock;
    this.#authority = o.authority;
  }

  /** Lets an account enrol machines in a project, in place of what it was allowed before. Throws `denied`, `invalid`. */
  async allow(role: AccountRole, by: Actor): Promise<void> {
    if (!by.isAdmin)
      throw new PosternError('denied', 'Only an administrator lets people in', {
        hint: 'Enrollers give tickets: postern project ticket',
      });
    checkAttributes(role.attributes, by.isAdmin);
    const before = await this.#roles(role.projectId, role.accountId);
    await this.#store.write(async (trx) => {
      for (const { id } of before) await this.#fabric.grants.revoke(trx, id);
      await this.#fabric.grants.create(trx, {
        kind: 'role',
        principalId: role.accountId,
        projectId: role.projectId,
        scopes: role.role === 'admin' ? ['admin', ENROLL] : [ENROLL],
        attributes: role.attributes,
        createdBy: by.id,
      });
      await this.#audit.append(trx, {
        actor: by.id,
        action: 'account.allow',
        resource: `project/${role.projectId}/account/${role.accountId}`,
        data: { role: role.role, attributes: role.attributes },
      });
    });
  }

  /** Takes that back, and removes the account's machines from the project. Throws `not_found`, `denied`. */
  async deny(projectId: string, accountId: string, by: Actor): Promise<number> {
    if (!by.isAdmin) throw new PosternError('denied', 'Only an administrator shuts people out');
    const before = await this.#roles(projectId, accountId);
    const machines = (await this.#machines(accountId)).filter((m) => m.project_id === projectId);
    if (before.length === 0 && machines.length === 0)
      throw new PosternError('not_found', 'The account is not allowed in this project');
    await this.#store.write(async (trx) => {
      for (const { id } of before) await this.#fabric.grants.revoke(trx, id);
      await this.#audit.append(trx, {
        actor: by.id,
        action: 'account.deny',
        resource: `project/${projectId}/account/${accountId}`,
      });
    });
    await this.#remove(machines);
    return machines.length;
  }

  /** Who is allowed in a project. */
  async list(projectId: string): Promise<AccountRole[]> {
    const grants = await this.#fabric.grants.list({ kind: 'role', projectId });
    return grants
      .filter((g) => this.#isStanding(g) && g.scopes.includes(ENROLL))
      .map((g) => ({
        accountId: g.principalId ?? '',
        projectId,
        role: g.scopes.includes('admin') ? 'admin' : 'member',
        attributes: g.attributes,
      }));
  }

  #isStanding(grant: Grant): boolean {
    const isOver = grant.expiresAtMs !== undefined && grant.expiresAtMs <= this.#clock.now();
    return grant.revokedAtMs === undefined && !isOver;
  }

  async #roles(projectId: string, accountId: string): Promise<Grant[]> {
    const all = await this.#fabric.grants.list({ kind: 'role', principalId: accountId, projectId });
    return all.filter((g) => this.#isStanding(g) && g.scopes.includes(ENROLL));
  }

  /**
   * A one-time code by which a person's machine joins: the default project, or the one that is named. `verified` is what
   * the accounts vouch for. Throws `denied` when nobody allowed the account there.
   */
  async ticket(
    accountId: string,
    projectName: string | undefined,
    verified: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: string; readonly project: Project }> {
    const project =
      projectName === undefined
        ? this.#authority.projects().find((p) => p.isDefault)
        : this.#authority.project(projectName);
    if (project === undefined)
      throw new PosternError('not_found', 'This server has no project yet', {
        hint: 'On the server: postern enroll',
      });
    const [role] = await this.#roles(project.id, accountId);
    if (role === undefined)
      throw new PosternError('denied', `This account may not join the project ${project.name}`, {
        hint: 'An administrator lets it: postern account allow ADDRESS',
      });
    const isAdmin = role.scopes.includes('admin');
    const code = await this.#store.write(async (trx) => {
      const { secret } = await this.#fabric.grants.create(trx, {
        kind: 'ticket',
        principalId: accountId,
        projectId: project.id,
        attributes: { ...role.attributes, ...verified, ...(isAdmin ? ADMIN_ATTRIBUTES : {}) },
        data: { role: isAdmin ? 'admin' : 'member', account: accountId },
        uses: 1,
        expiresAtMs: this.#clock.now() + TICKET_LIFE_MS,
        createdBy: accountId,
      });
      return secret.reveal();
    });
    return { code, project };
  }

  /**
   * Brings an account's machines up to what is verified of it now; removes them when it is shut out (`verified` undefined).
   * Cheap when nothing changed.
   */
  async refresh(
    accountId: string,
    verified: Readonly<Record<string, string>> | undefined,
  ): Promise<void> {
    const machines = await this.#machines(accountId);
    if (verified === undefined) return this.#remove(machines);
    for (const m of machines) {
      const before = JSON.parse(m.attributes_json) as Record<string, string>;
      const kept = Object.entries(before).filter(
        ([name]) => !name.startsWith(OWN_PREFIX) || name === ASSURANCE,
      );
      const after = { ...Object.fromEntries(kept), ...verified };
      if (isSame(before, after)) continue;
      await this.#authority.replaceAttributes(m.project_id, m.identifier, after, {
        id: accountId,
        isAdmin: true,
      });
    }
  }

  /** The accounts that have machines: to be looked at when a server starts, since events of before are gone. */
  async owners(): Promise<string[]> {
    const rows = await this.#store.db
      .selectFrom('members')
      .innerJoin('grants', 'grants.id', 'members.grant_id')
      .select('grants.principal_id')
      .distinct()
      .where('grants.principal_id', 'is not', null)
      .execute();
    return rows.flatMap(({ principal_id }) => (principal_id === null ? [] : [principal_id]));
  }

  async #machines(accountId: string): Promise<Machine[]> {
    return this.#store.db
      .selectFrom('members')
      .innerJoin('grants', 'grants.id', 'members.grant_id')
      .select(['members.project_id', 'members.identifier', 'members.attributes_json'])
      .where('grants.principal_id', '=', accountId)
      .where('grants.kind', '=', 'ticket')
      .execute();
  }

  async #remove(machines: readonly Machine[]): Promise<void> {
    for (const { project_id, identifier } of machines)
      await this.#authority
        .deleteMember(project_id, identifier, { id: 'accounts', isAdmin: true })
        .catch((reason: unknown) => {
          // Another server on the same database was first.
          if (!(reason instanceof PosternError && reason.code === 'not_found')) throw reason;
        });
  }
}

function isSame(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
