/** Spaces, projects, their tickets, members and relays, on the management API. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Role } from '../../authority/index.ts';
import { PosternError } from '../../kernel/index.ts';
import type { Door } from './door.ts';
import type { ServerParts } from './parts.ts';
import { EvidenceBody, grantJson, memberJson, Name, projectJson, ticketFor } from './wire.ts';

const Attributes = Type.Record(Type.String(), Type.String());
const ProjectParams = { params: Type.Object({ project: Name }) };
const MemberParams = { params: Type.Object({ project: Name, identifier: Name }) };
const TicketBody = Type.Object({
  attributes: Type.Optional(Attributes),
  expires_in_ms: Type.Optional(Type.Integer({ minimum: 1 })),
  usage_count: Type.Optional(Type.Integer({ minimum: 1 })),
  relay: Type.Optional(Name),
  enroller: Type.Optional(Type.Boolean()),
});
const MemberBody = Type.Object({
  identifier: Name,
  attributes: Type.Optional(Attributes),
  relay: Type.Optional(Name),
  enroller: Type.Optional(Type.Boolean()),
});

/** Adds the routes of the first administrator, of spaces and of projects. */
export function addProjectManagement(app: FastifyInstance, parts: ServerParts, door: Door): void {
  const { authority } = parts;
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  api.post(
    '/api/v1/enroll-admin',
    { schema: { body: Type.Object(EvidenceBody) } },
    async (request) => {
      const by = await door.local(request);
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
    const by = await door.local(request);
    const { code, project } = await authority.createAdminTicket(by);
    return { ticket: ticketFor(parts, authority, project, code) };
  });

  api.get('/api/v1/spaces', async (request) => {
    await door.mayServer(request, 'spaces:list', 'spaces');
    return (await authority.spaces()).map((s) => ({ id: s.id, name: s.name, users: [] }));
  });
  api.post('/api/v1/spaces', { schema: { body: Type.Object({ name: Name }) } }, async (request) =>
    authority.createSpace(
      request.body.name,
      await door.mayServer(request, 'spaces:create', 'spaces'),
    ),
  );
  api.delete(
    '/api/v1/spaces/:name',
    { schema: { params: Type.Object({ name: Name }) } },
    async (request) => {
      await authority.deleteSpace(
        request.params.name,
        await door.mayServer(request, 'spaces:delete', `space/${request.params.name}`),
      );
      return {};
    },
  );

  api.get('/api/v1/projects', async (request) => {
    const caller = await door.callerOf(request);
    await door.may(
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
      const by = await door.mayServer(request, 'projects:create', 'projects');
      const project = await authority.createProject(request.body.space, request.body.name, by);
      const caller = await door.callerOf(request);
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
  api.get('/api/v1/projects/:project', { schema: ProjectParams }, async (request) => {
    const project = authority.project(request.params.project);
    await door.may(request, 'projects:read', `project/${project.id}`, project.id);
    return projectJson(project, parts);
  });
  api.delete('/api/v1/projects/:project', { schema: ProjectParams }, async (request) => {
    const project = authority.project(request.params.project);
    await authority.deleteProject(
      project.id,
      await door.may(request, 'projects:delete', `project/${project.id}`, project.id),
    );
    return {};
  });
}

/** Adds the routes of what is in a project: tickets, members, relays. */
export function addMemberManagement(app: FastifyInstance, parts: ServerParts, door: Door): void {
  const { authority } = parts;
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  api.post(
    '/api/v1/projects/:project/tickets',
    { schema: { ...ProjectParams, body: TicketBody } },
    async (request) => {
      const project = authority.project(request.params.project);
      const by = await door.may(request, 'tickets:create', `project/${project.id}`, project.id);
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
      return { ticket: ticketFor(parts, authority, project, code) };
    },
  );

  api.get('/api/v1/projects/:project/members', { schema: ProjectParams }, async (request) => {
    const project = authority.project(request.params.project);
    await door.may(request, 'members:list', `project/${project.id}`, project.id);
    return (await authority.members(project.id)).map(memberJson);
  });
  api.post(
    '/api/v1/projects/:project/members',
    { schema: { ...ProjectParams, body: MemberBody } },
    async (request) => {
      const project = authority.project(request.params.project);
      const by = await door.may(request, 'members:add', `project/${project.id}`, project.id);
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
  api.get(
    '/api/v1/projects/:project/members/:identifier',
    { schema: MemberParams },
    async (request) => {
      const project = authority.project(request.params.project);
      await door.may(request, 'members:list', `project/${project.id}`, project.id);
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
      const by = await door.may(request, 'members:delete', `project/${project.id}`, project.id);
      await authority.deleteMember(project.id, request.params.identifier, by);
      return {};
    },
  );

  api.get('/api/v1/projects/:project/relays', { schema: ProjectParams }, async (request) => {
    const project = authority.project(request.params.project);
    await door.may(request, 'relays:list', `project/${project.id}`, project.id);
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
}
