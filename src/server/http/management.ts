/**
 * The management API, `/api/v1`: the same routes on the admin socket, the public listener and the node port. A door only
 * says who calls; what the caller may is asked of the fabric here, once for every door.
 */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type TString, Type } from 'typebox';
import type { Audit } from '../../audit/index.ts';
import type {
  Actor,
  AuthorityManager,
  Credential,
  Member,
  Project,
  Role,
} from '../../authority/index.ts';
import type { CredentialGrant } from '../../control/index.ts';
import { type Decision, type Fabric, scopeCovers } from '../../fabric/index.ts';
import { PosternError, toPosternError } from '../../kernel/index.ts';
import type { Permissions } from '../../permissions/index.ts';
import type { RelayService } from '../../relay/index.ts';
import { encodeTicket } from '../../trust/light.ts';
import { actorOf, type Caller, callerId } from '../caller.ts';
import { addClientManagement, type ClientApi } from './clients.ts';
import { addPeopleManagement, type PeopleApi } from './people.ts';
import { addPermissionManagement } from './permissions.ts';

export interface ServerParts {
  readonly fabric: Fabric;
  readonly audit: Audit;
  readonly authority: AuthorityManager;
  readonly relay: RelayService;
  readonly serverCaPem: string;
  readonly serverCaFingerprint: string;
  /** Where machines reach the node port. */
  advertised(): readonly string[];
  readonly version: string;
  readonly startedAtMs: number;
  /** Undefined when permissions are turned off. */
  readonly permissions: Permissions | undefined;
  /** Undefined when accounts are turned off. */
  readonly oidc: ClientApi | undefined;
  /** Undefined when accounts are turned off. */
  readonly people: PeopleApi | undefined;
}

/** What a token's scopes may be about. */
const SCOPE_AREAS = [
  'spaces',
  'projects',
  'tickets',
  'members',
  'relays',
  'tokens',
  'audit',
  'decisions',
  'accounts',
  'clients',
  'permissions',
] as const;
const SCOPE = new RegExp(`^(\\*|admin|(${SCOPE_AREAS.join('|')}):(\\*|[a-z]+))$`);

const Name = Type.String({ minLength: 1, maxLength: 128 });
const Attributes = Type.Record(Type.String(), Type.String());
const Base64: TString = Type.String({ maxLength: 65_536, pattern: '^[A-Za-z0-9+/=]*$' });
export const EvidenceBody: { change_history: TString; spki: TString; evidence_signature: TString } =
  {
    change_history: Base64,
    spki: Base64,
    evidence_signature: Base64,
  };

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

const memberJson = (m: Member): object => ({
  identifier: m.identifier,
  role: m.role,
  attributes: m.attributes,
  attested_by: m.addedBy,
  added_at: new Date(m.addedAtMs).toISOString(),
});
const decisionJson = (d: Decision): object => ({
  id: d.id,
  at: new Date(d.atMs).toISOString(),
  principal: d.principalId,
  action: d.action,
  resource: d.resource,
  allowed: d.isAllowed,
  rule: d.rule,
  why: d.why,
  hint: d.hint ?? null,
  facts: d.facts,
});

/** Adds the routes. `callerOf` is the door's; it throws `unauthenticated`. */
export function addManagementRoutes(
  app: FastifyInstance,
  parts: ServerParts,
  callerOf: (request: FastifyRequest) => Promise<Caller>,
): void {
  const { authority, fabric, audit } = parts;
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  /** Asks the fabric; answers the actor that the authority's rules see. */
  async function may(
    request: FastifyRequest,
    action: string,
    resource: string,
    projectId?: string,
  ): Promise<Actor> {
    const caller = await callerOf(request);
    if (caller.kind === 'local') return actorOf(caller, 'local');
    const decision = await fabric
      .require({
        principalId: callerId(caller),
        action,
        resource,
        ...(projectId === undefined ? {} : { projectId }),
        ...(caller.kind === 'token' ? { grant: caller.grant } : {}),
      })
      .catch(async (reason: unknown) => {
        const { message, decisionId } = toPosternError(reason);
        await fabric.store.write((trx) =>
          audit.append(trx, {
            actor: callerId(caller),
            action,
            resource,
            outcome: 'denied',
            data: { why: message, ...(decisionId === undefined ? {} : { decision: decisionId }) },
          }),
        );
        throw reason;
      });
    return actorOf(caller, decision.rule);
  }
  async function local(request: FastifyRequest): Promise<Actor> {
    const caller = await callerOf(request);
    if (caller.kind === 'local') return actorOf(caller, 'local');
    throw new PosternError('denied', "This is answered on the server's own admin socket alone");
  }
  /** Administration of the whole server is for administrators of its default project. */
  async function scope(request: FastifyRequest): Promise<string | undefined> {
    const caller = await callerOf(request);
    return caller.kind === 'machine' && authority.project(caller.projectId).isDefault
      ? caller.projectId
      : undefined;
  }

  api.post(
    '/api/v1/enroll-admin',
    { schema: { body: Type.Object(EvidenceBody) } },
    async (request) => {
      const by = await local(request);
      const evidence = {
        changeHistory: Buffer.from(request.body.change_history, 'base64'),
        signature: Buffer.from(request.body.evidence_signature, 'base64'),
      };
      const credential = await authority.enrollAdmin(
        evidence,
        Buffer.from(request.body.spki, 'base64'),
        by,
      );
      return grantJson(credential, false, parts);
    },
  );

  api.post('/api/v1/admin-tickets', async (request) => {
    const by = await local(request);
    const { code, project } = await authority.createAdminTicket(by);
    return { ticket: ticketFor(project, code) };
  });

  function ticketFor(project: Project, code: string): string {
    return encodeTicket({
      oneTimeCode: code,
      server: { addresses: parts.advertised(), caFingerprint: parts.serverCaFingerprint },
      project: { id: project.id, name: project.name, ...authority.pins(project) },
    });
  }

  api.get('/api/v1/spaces', async (request) => {
    await may(request, 'spaces:list', 'spaces', await scope(request));
    return (await authority.spaces()).map((s) => ({ id: s.id, name: s.name, users: [] }));
  });
  api.post('/api/v1/spaces', { schema: { body: Type.Object({ name: Name }) } }, async (request) =>
    authority.createSpace(
      request.body.name,
      await may(request, 'spaces:create', 'spaces', await scope(request)),
    ),
  );
  api.delete(
    '/api/v1/spaces/:name',
    { schema: { params: Type.Object({ name: Name }) } },
    async (request) => {
      await authority.deleteSpace(
        request.params.name,
        await may(request, 'spaces:delete', `space/${request.params.name}`, await scope(request)),
      );
      return {};
    },
  );

  api.get('/api/v1/projects', async (request) => {
    const caller = await callerOf(request);
    await may(
      request,
      'projects:read',
      'projects',
      caller.kind === 'machine' ? caller.projectId : undefined,
    );
    // A machine sees the projects that it is a member of.
    const seen = await Promise.all(
      authority
        .projects()
        .map(async (p) =>
          caller.kind !== 'machine' ||
          (await authority.findMember(p.id, caller.peer.identifier)) !== undefined
            ? [projectJson(p, parts)]
            : [],
        ),
    );
    return seen.flat();
  });
  api.post(
    '/api/v1/projects',
    { schema: { body: Type.Object({ space: Name, name: Name }) } },
    async (request) => {
      const by = await may(request, 'projects:create', 'projects', await scope(request));
      const project = await authority.createProject(request.body.space, request.body.name, by);
      const caller = await callerOf(request);
      // Who makes a project administers it.
      if (caller.kind === 'machine')
        await authority.putMember(
          project.id,
          caller.peer.identifier,
          'admin',
          { 'ockam-relay': '*', 'ockam-role': 'admin' },
          by,
        );
      return projectJson(project, parts);
    },
  );
  const ProjectParams = { params: Type.Object({ project: Name }) };
  api.get('/api/v1/projects/:project', { schema: ProjectParams }, async (request) => {
    const project = authority.project(request.params.project);
    await may(request, 'projects:read', `project/${project.id}`, project.id);
    return projectJson(project, parts);
  });
  api.delete('/api/v1/projects/:project', { schema: ProjectParams }, async (request) => {
    const project = authority.project(request.params.project);
    await authority.deleteProject(
      project.id,
      await may(request, 'projects:delete', `project/${project.id}`, project.id),
    );
    return {};
  });

  const TicketBody = Type.Object({
    attributes: Type.Optional(Attributes),
    expires_in_ms: Type.Optional(Type.Integer({ minimum: 1 })),
    usage_count: Type.Optional(Type.Integer({ minimum: 1 })),
    relay: Type.Optional(Name),
    enroller: Type.Optional(Type.Boolean()),
  });
  api.post(
    '/api/v1/projects/:project/tickets',
    { schema: { ...ProjectParams, body: TicketBody } },
    async (request) => {
      const project = authority.project(request.params.project);
      const by = await may(request, 'tickets:create', `project/${project.id}`, project.id);
      const b = request.body;
      const code = await authority.createTicket(
        project.id,
        {
          attributes: b.attributes ?? {},
          expiresInMs: b.expires_in_ms ?? 3_600_000,
          usageCount: b.usage_count ?? 1,
          ...(b.relay === undefined ? {} : { relay: b.relay }),
          isEnroller: b.enroller ?? false,
        },
        by,
      );
      return { ticket: ticketFor(project, code) };
    },
  );

  api.get('/api/v1/projects/:project/members', { schema: ProjectParams }, async (request) => {
    const project = authority.project(request.params.project);
    await may(request, 'members:list', `project/${project.id}`, project.id);
    return (await authority.members(project.id)).map(memberJson);
  });
  const MemberBody = Type.Object({
    identifier: Name,
    attributes: Type.Optional(Attributes),
    relay: Type.Optional(Name),
    enroller: Type.Optional(Type.Boolean()),
  });
  api.post(
    '/api/v1/projects/:project/members',
    { schema: { ...ProjectParams, body: MemberBody } },
    async (request) => {
      const project = authority.project(request.params.project);
      const by = await may(request, 'members:add', `project/${project.id}`, project.id);
      const { identifier, attributes, relay, enroller } = request.body;
      const role: Role = enroller === true ? 'enroller' : 'member';
      const given = {
        ...attributes,
        ...(relay === undefined ? {} : { 'ockam-relay': relay }),
        ...(enroller === true ? { 'ockam-role': 'enroller' } : {}),
      };
      return memberJson(await authority.putMember(project.id, identifier, role, given, by));
    },
  );
  const MemberParams = { params: Type.Object({ project: Name, identifier: Name }) };
  api.get(
    '/api/v1/projects/:project/members/:identifier',
    { schema: MemberParams },
    async (request) => {
      const project = authority.project(request.params.project);
      await may(request, 'members:list', `project/${project.id}`, project.id);
      const member = await authority.findMember(project.id, request.params.identifier);
      if (member === undefined) throw new PosternError('not_found', 'No such member');
      return memberJson(member);
    },
  );
  api.delete(
    '/api/v1/projects/:project/members/:identifier',
    { schema: MemberParams },
    async (request) => {
      const project = authority.project(request.params.project);
      const by = await may(request, 'members:delete', `project/${project.id}`, project.id);
      await authority.deleteMember(project.id, request.params.identifier, by);
      return {};
    },
  );

  api.get('/api/v1/projects/:project/relays', { schema: ProjectParams }, async (request) => {
    const project = authority.project(request.params.project);
    await may(request, 'relays:list', `project/${project.id}`, project.id);
    return parts.relay.holders
      .filter((h) => h.projectId === project.id)
      .map((h) => ({
        name: h.name,
        identifier: h.session.identifier,
        node: h.session.node,
        services: h.services,
        since: new Date(h.sinceMs).toISOString(),
      }));
  });

  api.get('/api/v1/tokens', async (request) => {
    await may(request, 'tokens:list', 'tokens', await scope(request));
    return (await fabric.grants.list({ kind: 'token' })).map((g) => ({
      id: g.id,
      name: g.name ?? '',
      scopes: g.scopes,
      created_at: new Date(g.createdAtMs).toISOString(),
      expires_at: g.expiresAtMs === undefined ? null : new Date(g.expiresAtMs).toISOString(),
      revoked: g.revokedAtMs !== undefined,
    }));
  });
  const TokenBody = Type.Object({
    name: Name,
    scopes: Type.Array(Type.String({ maxLength: 128 }), { minItems: 1, maxItems: 64 }),
    expires_in_ms: Type.Optional(Type.Integer({ minimum: 1 })),
  });
  api.post('/api/v1/tokens', { schema: { body: TokenBody } }, async (request) => {
    const by = await may(request, 'tokens:create', 'tokens', await scope(request));
    const { name, scopes, expires_in_ms } = request.body;
    const unknown = scopes.find((s) => !SCOPE.test(s));
    if (unknown !== undefined)
      throw new PosternError('invalid', `There is no scope "${unknown.slice(0, 100)}"`, {
        hint: `A scope is *, or AREA:* or AREA:ACTION, where AREA is one of ${SCOPE_AREAS.join(', ')}`,
      });
    const caller = await callerOf(request);
    const own = caller.kind === 'token' ? caller.grant.scopes : ['*'];
    const beyond = scopes.find((wanted) => !own.some((has) => scopeCovers(has, wanted)));
    if (beyond !== undefined)
      throw new PosternError('denied', `A token can't give the scope ${beyond}, which it lacks`);
    return fabric.store.write(async (trx) => {
      const principal = await fabric.principals.ensure(trx, {
        kind: 'service',
        name,
        id: `token:${name}`,
      });
      const { grant, secret } = await fabric.grants.create(trx, {
        kind: 'token',
        name,
        principalId: principal.id,
        scopes,
        createdBy: by.id,
        ...(expires_in_ms === undefined ? {} : { expiresAtMs: Date.now() + expires_in_ms }),
      });
      await audit.append(trx, {
        actor: by.id,
        action: 'token.create',
        resource: `token/${grant.id}`,
        data: { name, scopes },
      });
      return { id: grant.id, name, token: secret.reveal() };
    });
  });
  api.delete(
    '/api/v1/tokens/:id',
    { schema: { params: Type.Object({ id: Name }) } },
    async (request) => {
      const by = await may(
        request,
        'tokens:revoke',
        `token/${request.params.id}`,
        await scope(request),
      );
      const tokens = await fabric.grants.list({ kind: 'token' });
      const token = tokens.find(
        (g) =>
          g.id === request.params.id ||
          (g.name === request.params.id && g.revokedAtMs === undefined),
      );
      if (token === undefined) throw new PosternError('not_found', 'No such token');
      await fabric.store.write(async (trx) => {
        await fabric.grants.revoke(trx, token.id);
        await audit.append(trx, {
          actor: by.id,
          action: 'token.revoke',
          resource: `token/${token.id}`,
        });
      });
      return {};
    },
  );

  api.get(
    '/api/v1/audit',
    {
      schema: {
        querystring: Type.Object({ after: Type.Optional(Type.String({ pattern: '^\\d{1,15}$' })) }),
      },
    },
    async (request) => {
      await may(request, 'audit:read', 'audit', await scope(request));
      const { after } = request.query;
      const entries = await audit.list(after === undefined ? undefined : Number(after));
      return entries.map((e) => ({
        number: e.number,
        at: new Date(e.atMs).toISOString(),
        actor: e.actor,
        action: e.action,
        resource: e.resource,
        outcome: e.outcome,
        data: JSON.parse(e.dataJson),
        hash: e.hash,
      }));
    },
  );
  api.get('/api/v1/audit/verify', async (request) => {
    await may(request, 'audit:read', 'audit', await scope(request));
    const head = await audit.signHead();
    const verdict = await audit.verify();
    return verdict.isIntact
      ? {
          intact: true,
          entries: verdict.entries,
          heads_checked: verdict.headsChecked,
          head: head ?? null,
        }
      : { intact: false, problem: verdict.problem, number: verdict.number };
  });
  api.get(
    '/api/v1/decisions/:id',
    { schema: { params: Type.Object({ id: Name }) } },
    async (request) => {
      await may(request, 'decisions:read', 'decisions', await scope(request));
      return decisionJson(
        await fabric.explain(request.params.id === 'last' ? 'last-denied' : request.params.id),
      );
    },
  );
  if (parts.permissions !== undefined)
    addPermissionManagement(app, parts.permissions, async (request, action, resource) =>
      may(request, action, resource, await scope(request)),
    );

  if (parts.oidc !== undefined)
    addClientManagement(
      app,
      { fabric, audit, api: parts.oidc },
      callerOf,
      async (request, action, resource) => may(request, action, resource, await scope(request)),
    );

  if (parts.people !== undefined)
    addPeopleManagement(app, { ...parts, people: parts.people }, callerOf, may, ticketFor);

  api.get('/api/v1/status', async (request) => {
    await callerOf(request);
    return {
      version: parts.version,
      started_at: new Date(parts.startedAtMs).toISOString(),
      node_addresses: parts.advertised(),
      relays: parts.relay.holders.length,
      spliced_channels: parts.relay.splices,
      projects: authority.projects().length,
    };
  });
}
