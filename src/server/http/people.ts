/** The management API's part about people and their machines: who may enrol where, and the ticket of who signed in. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { AccountMachines, Actor, AuthorityManager, Project } from '../../authority/index.ts';
import { PosternError } from '../../kernel/index.ts';
import type { Caller } from '../caller.ts';

/** The accounts, as far as enrolment needs them. */
export interface PeopleApi {
  readonly machines: AccountMachines;
  /** The account of an id, or of what it signs in with. Throws `not_found`. */
  find(word: string): Promise<{ readonly id: string; readonly name: string }>;
  nameOf(accountId: string): Promise<string>;
  /** What is verified of an account, as attributes; undefined when it is shut out. */
  verified(accountId: string): Promise<Record<string, string> | undefined>;
  /** How sure a sign-in was: `aal1` or `aal2`. */
  assuranceOf(sessionId: string): Promise<string>;
}

const Name = Type.String({ minLength: 1, maxLength: 320 });
const Params = { params: Type.Object({ project: Name }) };
const Body = Type.Object(
  {
    account: Name,
    role: Type.Optional(Type.Union([Type.Literal('admin'), Type.Literal('member')])),
    attributes: Type.Optional(Type.Record(Type.String(), Type.String())),
    relay: Type.Optional(Type.String({ maxLength: 128, pattern: '^(\\*|[\\w.-]{1,128})$' })),
  },
  { additionalProperties: false },
);

/** Adds the routes. */
export function addPeopleManagement(
  app: FastifyInstance,
  { authority, people }: { readonly authority: AuthorityManager; readonly people: PeopleApi },
  callerOf: (request: FastifyRequest) => Promise<Caller>,
  may: (
    request: FastifyRequest,
    action: string,
    resource: string,
    projectId?: string,
  ) => Promise<Actor>,
  ticketFor: (project: Project, code: string) => string,
): void {
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  api.get('/api/v1/projects/:project/accounts', { schema: Params }, async (request) => {
    const project = authority.project(request.params.project);
    await may(request, 'members:list', `project/${project.id}`, project.id);
    const roles = await people.machines.list(project.id);
    return {
      accounts: await Promise.all(
        roles.map(async (r) => ({
          id: r.accountId,
          name: await people.nameOf(r.accountId),
          role: r.role,
          attributes: r.attributes,
        })),
      ),
    };
  });
  api.post(
    '/api/v1/projects/:project/accounts',
    { schema: { ...Params, body: Body } },
    async (request) => {
      const project = authority.project(request.params.project);
      const by = await may(request, 'members:allow', `project/${project.id}`, project.id);
      const { account, role, attributes, relay } = request.body;
      const { id, name } = await people.find(account);
      const all = { ...attributes, ...(relay === undefined ? {} : { 'ockam-relay': relay }) };
      const asked = {
        accountId: id,
        projectId: project.id,
        role: role ?? 'member',
        attributes: all,
      };
      await people.machines.allow(asked, by);
      return { id, name, role: asked.role, attributes: all };
    },
  );
  api.delete(
    '/api/v1/projects/:project/accounts/:account',
    { schema: { params: Type.Object({ project: Name, account: Name }) } },
    async (request) => {
      const project = authority.project(request.params.project);
      const by = await may(request, 'members:allow', `project/${project.id}`, project.id);
      const { id, name } = await people.find(request.params.account);
      return { id, name, machines: await people.machines.deny(project.id, id, by) };
    },
  );

  api.post(
    '/api/v1/enrollments',
    {
      schema: {
        body: Type.Object({ project: Type.Optional(Name) }, { additionalProperties: false }),
      },
    },
    async (request) => {
      const caller = await callerOf(request);
      if (caller.kind !== 'person')
        throw new PosternError('denied', 'Only a person who signed in enrols a machine this way', {
          hint: 'postern enroll --server URL',
        });
      const verified = await people.verified(caller.accountId);
      if (verified === undefined) throw new PosternError('denied', 'This account is shut out');
      const { code, project } = await people.machines.ticket(
        caller.accountId,
        request.body.project,
        { ...verified, 'account.assurance': await people.assuranceOf(caller.sessionId) },
      );
      return { ticket: ticketFor(project, code) };
    },
  );
}
