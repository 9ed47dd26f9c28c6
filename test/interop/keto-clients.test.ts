/**
 * Ory's own clients for TypeScript, unmodified, against Postern: every operation of `@ory/keto-client` and of the same
 * classes in `@ory/client`, and the shape of each answer held against the types that they ship.
 */

import * as ory from '@ory/client';
import * as keto from '@ory/keto-client';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../harness/postern.ts';

const Strict = { additionalProperties: false } as const;
const SubjectSet = Type.Object(
  { namespace: Type.String(), object: Type.String(), relation: Type.String() },
  Strict,
);
const Relationship = Type.Object(
  {
    namespace: Type.String(),
    object: Type.String(),
    relation: Type.String(),
    subject_id: Type.Optional(Type.String()),
    subject_set: Type.Optional(SubjectSet),
  },
  Strict,
);
const Relationships = Type.Object(
  { next_page_token: Type.String(), relation_tuples: Type.Array(Relationship) },
  Strict,
);
const Allowed = Type.Object({ allowed: Type.Boolean() }, Strict);
const Batch = Type.Object(
  {
    results: Type.Array(
      Type.Object({ allowed: Type.Boolean(), error: Type.Optional(Type.String()) }, Strict),
    ),
  },
  Strict,
);
const TreeType = Type.Union([
  Type.Literal('union'),
  Type.Literal('exclusion'),
  Type.Literal('intersection'),
  Type.Literal('leaf'),
  Type.Literal('tuple_to_subject_set'),
  Type.Literal('computed_subject_set'),
  Type.Literal('not'),
  Type.Literal('unspecified'),
]);
const Tree = Type.Cyclic(
  {
    Tree: Type.Object(
      {
        type: TreeType,
        tuple: Type.Optional(Relationship),
        children: Type.Optional(Type.Array(Type.Ref('Tree'))),
      },
      Strict,
    ),
  },
  'Tree',
);
const Namespaces = Type.Object(
  { namespaces: Type.Array(Type.Object({ name: Type.String() }, Strict)) },
  Strict,
);
const Place = Type.Object({ Line: Type.Integer(), column: Type.Integer() }, Strict);
const Syntax = Type.Object(
  {
    errors: Type.Optional(
      Type.Array(Type.Object({ message: Type.String(), start: Place, end: Place }, Strict)),
    ),
  },
  Strict,
);
const Version = Type.Object({ version: Type.String() }, Strict);
const Health = Type.Object({ status: Type.String() }, Strict);

/** What the schema takes is what the client's type takes: the compiler holds both together. */
function typed<Shipped>() {
  return <T extends TSchema>(
    schema: T & (Static<T> extends Shipped ? unknown : never),
    data: Shipped,
  ): void => {
    const problems = [...Value.Errors(schema, data)];
    expect(problems, JSON.stringify(data)).toEqual([]);
  };
}

const MODEL = `
class User implements Namespace {}
class Group implements Namespace {
  related: { members: (User | SubjectSet<Group, "members">)[] }
}
class Document implements Namespace {
  related: {
    owners: User[]
    viewers: (User | SubjectSet<Group, "members">)[]
    banned: User[]
  }
  permits = {
    view: (ctx: Context): boolean =>
      (this.related.viewers.includes(ctx.subject) || this.related.owners.includes(ctx.subject)) &&
      !this.related.banned.includes(ctx.subject),
  }
}
`;
const world = new World();
let read = '';
let write = '';
let opl = '';
let token = '';

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  token = await world.ok('admin', 'token', 'create', 'keto', '--scope', 'permissions:write');
  const ports = world.permissionPorts();
  read = `http://${ports.read}`;
  write = `http://${ports.write}`;
  opl = `http://${ports.opl}`;
  await world.applyModel(MODEL);
}, 120_000);
afterAll(() => world.close(), 60_000);

describe.each([
  ['@ory/keto-client', keto],
  ['@ory/client', ory],
] as const)('%s', (name, client) => {
  const by = name.includes('keto') ? 'k' : 'o';
  const doc = `doc-${by}`;
  const base = (basePath: string) => new client.Configuration({ basePath });
  const signed = () =>
    new client.Configuration({
      basePath: write,
      baseOptions: { headers: { Authorization: `Bearer ${token}` } },
    });
  const user = (id: string) => ({ namespace: 'User', object: `${id}-${by}`, relation: '' });
  const about = (id: string, relation = 'view') => ({
    namespace: 'Document',
    object: doc,
    relation,
    subjectSetNamespace: 'User',
    subjectSetObject: `${id}-${by}`,
    subjectSetRelation: '',
  });
  const body = (id: string, relation = 'view') => ({
    namespace: 'Document',
    object: doc,
    relation,
    subject_set: user(id),
  });

  it('writes: create and patch, and answers as it says', async () => {
    const relationships = new client.RelationshipApi(signed());
    const created = await relationships.createRelationship({
      createRelationshipBody: body('ann', 'owners'),
    });
    expect(created.status).toBe(201);
    expect(String(created.headers['location'])).toMatch(/^\/relation-tuples\?/);
    typed<keto.Relationship>()(Relationship, created.data);
    const patched = await relationships.patchRelationships({
      relationshipPatch: [
        {
          action: 'insert',
          relation_tuple: {
            namespace: 'Document',
            object: doc,
            relation: 'viewers',
            subject_set: { namespace: 'Group', object: `staff-${by}`, relation: 'members' },
          },
        },
        {
          action: 'insert',
          relation_tuple: {
            namespace: 'Group',
            object: `staff-${by}`,
            relation: 'members',
            subject_set: user('bob'),
          },
        },
        { action: 'insert', relation_tuple: body('bob', 'banned') },
        { action: 'delete', relation_tuple: body('bob', 'banned') },
      ],
    });
    expect(patched.status).toBe(204);
  });

  it('refuses a write without a token, in the shape that clients read', async () => {
    const attempt = new client.RelationshipApi(base(write)).createRelationship({
      createRelationshipBody: body('eve', 'owners'),
    });
    await expect(attempt).rejects.toMatchObject({
      response: { status: 401, data: { error: { code: 401, status: 'Unauthorized' } } },
    });
  });

  it('checks: each of the four ways, and a batch', async () => {
    const permissions = new client.PermissionApi(base(read));
    for (const [id, allowed] of [
      ['ann', true],
      ['bob', true],
      ['eve', false],
    ] as const) {
      const got = await permissions.checkPermission(about(id));
      typed<keto.CheckPermissionResult>()(Allowed, got.data);
      expect(got.data.allowed, id).toBe(allowed);
      const posted = await permissions.postCheckPermission({ postCheckPermissionBody: body(id) });
      typed<keto.CheckPermissionResult>()(Allowed, posted.data);
      expect(posted.data.allowed, id).toBe(allowed);
      const orError = permissions.checkPermissionOrError(about(id));
      const postedOrError = permissions.postCheckPermissionOrError({
        postCheckPermissionOrErrorBody: body(id),
      });
      for (const answer of [orError, postedOrError])
        if (allowed) expect((await answer).data).toEqual({ allowed: true });
        else
          await expect(answer).rejects.toMatchObject({
            response: { status: 403, data: { allowed: false } },
          });
    }
    const batch = await permissions.batchCheckPermission({
      batchCheckPermissionBody: { tuples: [body('ann'), body('eve'), body('bob', 'nothing')] },
    });
    typed<keto.BatchCheckPermissionResult>()(Batch, batch.data);
    expect(batch.data.results.map((r) => r.allowed)).toEqual([true, false, false]);
    expect(batch.data.results[2]?.error).toContain('relation "nothing" does not exist');
  });

  it('expands', async () => {
    const { data } = await new client.PermissionApi(base(read)).expandPermissions({
      namespace: 'Document',
      object: doc,
      relation: 'viewers',
    });
    typed<keto.ExpandedPermissionTree>()(Tree, data);
    expect(JSON.stringify(data)).toContain(`bob-${by}`);
  });

  it('lists relationships page by page, and the namespaces', async () => {
    const relationships = new client.RelationshipApi(base(read));
    const seen: string[] = [];
    let pageToken: string | undefined;
    do {
      const page = await relationships.getRelationships({
        namespace: 'Document',
        object: doc,
        pageSize: 1,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      typed<keto.Relationships>()(Relationships, page.data);
      seen.push(...(page.data.relation_tuples ?? []).map((t) => t.relation));
      pageToken = page.data.next_page_token || undefined;
    } while (pageToken !== undefined);
    expect(seen.toSorted()).toEqual(['owners', 'viewers']);
    const names = await relationships.listRelationshipNamespaces();
    typed<keto.RelationshipNamespaces>()(Namespaces, names.data);
    expect(names.data.namespaces?.map((n) => n.name)).toEqual(['Document', 'Group', 'User']);
  });

  it('checks the permission language', async () => {
    const relationships = new client.RelationshipApi(base(opl));
    const good = await relationships.checkOplSyntax({ body: MODEL });
    typed<keto.CheckOplSyntaxResult>()(Syntax, good.data);
    expect(good.data).toEqual({});
    const bad = await relationships.checkOplSyntax({
      body: 'class A implements Namespace { related: { b: C[] } }',
    });
    typed<keto.CheckOplSyntaxResult>()(Syntax, bad.data);
    expect(bad.data.errors?.[0]?.message).toContain('namespace "C" was not declared');
  });

  it('deletes', async () => {
    const gone = await new client.RelationshipApi(signed()).deleteRelationships({
      namespace: 'Document',
      object: doc,
    });
    expect(gone.status).toBe(204);
    const { data } = await new client.PermissionApi(base(read)).checkPermission(about('ann'));
    expect(data).toEqual({ allowed: false });
  });

  it('tells its version and health', async () => {
    for (const port of [read, write, opl]) {
      const metadata = new client.MetadataApi(base(port));
      const version = await metadata.getVersion();
      typed<keto.GetVersion200Response>()(Version, version.data);
      if (!('isAlive' in metadata)) continue;
      typed<keto.IsAlive200Response>()(Health, (await metadata.isAlive()).data);
      typed<keto.IsAlive200Response>()(Health, (await metadata.isReady()).data);
    }
  });

  it('does all of it with one base URL too', async () => {
    const configuration = signed();
    const relationships = new client.RelationshipApi(configuration);
    await relationships.createRelationship({ createRelationshipBody: body('one', 'owners') });
    const { data } = await new client.PermissionApi(configuration).checkPermission(about('one'));
    expect(data).toEqual({ allowed: true });
    expect((await relationships.checkOplSyntax({ body: MODEL })).data).toEqual({});
  });
});
