/** Ory's own gRPC client (`@ory/keto-grpc-client`, on @grpc/grpc-js), unmodified: every service that it has. */
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../harness/postern.ts';

/** The package and its own gRPC are CommonJS, with types made for callbacks: what is used of them is named here. */
type Message = Record<string, (...values: unknown[]) => unknown>;
type Constructor = new (...values: unknown[]) => Message;
const require = createRequire(import.meta.url);
const keto: Record<string, Record<string, Constructor>> = require('@ory/keto-grpc-client');
const grpc: {
  credentials: { createInsecure(): unknown };
  Metadata: new () => { set(key: string, value: string): void };
} = createRequire(require.resolve('@ory/keto-grpc-client'))('@grpc/grpc-js');

const OPL = `class User implements Namespace {}
class Doc implements Namespace { related: { owners: User[] }
  permits = { view: (ctx) => this.related.owners.includes(ctx.subject) } }`;
const world = new World();
let token = '';
let ports: ReturnType<World['permissionPorts']>;

beforeAll(async () => {
  await world.startServer();
  await world.ok('admin', 'enroll');
  token = await world.ok('admin', 'token', 'create', 'grpc', '--scope', 'permissions:write');
  ports = world.permissionPorts();
  await world.applyModel(OPL);
}, 120_000);
afterAll(() => world.close(), 60_000);

/** Makes a message; `set` is by its setters. */
function make(group: string, name: string, set: Readonly<Record<string, unknown>> = {}): Message {
  const Type = keto[group]?.[name];
  if (Type === undefined) throw new Error(`The client has no ${group}.${name}`);
  const message = new Type();
  for (const [key, value] of Object.entries(set)) {
    const setter = message[`set${key}`];
    if (setter === undefined) throw new Error(`${name} has no set${key}`);
    setter.call(message, value);
  }
  return message;
}
const user = (id: string): Message =>
  make('relationTuples', 'Subject', {
    Set: make('relationTuples', 'SubjectSet', { Namespace: 'User', Object: id, Relation: '' }),
  });
const tuple = (relation: string, id: string): Message =>
  make('relationTuples', 'RelationTuple', {
    ...{ Namespace: 'Doc', Object: 'plan', Relation: relation, Subject: user(id) },
  });

/** Calls a method of a service and answers its reply as a plain object. */
function call(
  [group, service]: readonly [string, string],
  address: string,
  method: string,
  request: Message,
  withToken = false,
): Promise<Record<string, unknown>> {
  const Type = keto[group]?.[service];
  if (Type === undefined) throw new Error(`The client has no ${group}.${service}`);
  const client = new Type(address, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  if (withToken) metadata.set('authorization', `Bearer ${token}`);
  return new Promise((resolve, reject) => {
    client[method]?.(request, metadata, (error: Error | null, reply: Message | undefined) => {
      client['close']?.();
      if (error !== null || reply === undefined) reject(error);
      // What toObject answers is a plain object.
      else resolve(reply['toObject']?.() as Record<string, unknown>);
    });
  });
}
const CHECK = ['checkService', 'CheckServiceClient'] as const;
const EXPAND = ['expandService', 'ExpandServiceClient'] as const;
const READ = ['readService', 'ReadServiceClient'] as const;
const WRITE = ['writeService', 'WriteServiceClient'] as const;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;
const NOT_FOUND = 5;

function delta(action: number, written: Message): Message {
  return make('write', 'TransactRelationTuplesRequest', {
    RelationTupleDeltasList: [
      make('write', 'RelationTupleDelta', { Action: action, RelationTuple: written }),
    ],
  });
}
const view = (id: string, more: Readonly<Record<string, unknown>> = {}): Message =>
  make('check', 'CheckRequest', { Tuple: tuple('view', id), ...more });

describe('@ory/keto-grpc-client', () => {
  it('writes with a token alone', async () => {
    const request = delta(1, tuple('owners', 'ann'));
    await expect(call(WRITE, ports.write, 'transactRelationTuples', request)).rejects.toMatchObject(
      { code: expect.toBeOneOf([UNAUTHENTICATED, PERMISSION_DENIED]) },
    );
    const reply = await call(WRITE, ports.write, 'transactRelationTuples', request, true);
    expect(reply['snaptokensList']).toEqual([expect.stringMatching(/^[\w-]{20,}$/)]);
  });

  it('checks, with the token of the write', async () => {
    expect(await call(CHECK, ports.read, 'check', view('ann'))).toMatchObject({ allowed: true });
    expect(await call(CHECK, ports.read, 'check', view('bob'))).toMatchObject({ allowed: false });
    const { snaptokensList } = await call(
      ...([
        WRITE,
        ports.write,
        'transactRelationTuples',
        delta(1, tuple('owners', 'bob')),
      ] as const),
      true,
    );
    const [snaptoken] = snaptokensList as string[];
    const fresh = view('bob', { Snaptoken: snaptoken });
    expect(await call(CHECK, ports.read, 'check', fresh)).toMatchObject({ allowed: true });
    const old = make('check', 'CheckRequest', {
      ...{ Namespace: 'Doc', Object: 'plan', Relation: 'view', Subject: user('ann') },
      Snaptoken: 'not yet implemented',
    });
    expect(await call(CHECK, ports.read, 'check', old)).toMatchObject({ allowed: true });
    const nowhere = make('check', 'CheckRequest', {
      ...{ Namespace: 'Nowhere', Object: 'x', Relation: 'y', Subject: user('ann') },
    });
    await expect(call(CHECK, ports.read, 'check', nowhere)).rejects.toMatchObject({
      code: NOT_FOUND,
    });
  });

  it('expands and lists', async () => {
    const subject = make('relationTuples', 'Subject', {
      Set: make('relationTuples', 'SubjectSet', {
        ...{ Namespace: 'Doc', Object: 'plan', Relation: 'owners' },
      }),
    });
    const expanded = await call(
      ...([EXPAND, ports.read, 'expand'] as const),
      make('expand', 'ExpandRequest', { Subject: subject, MaxDepth: 3 }),
    );
    expect(JSON.stringify(expanded)).toContain('"object":"bob"');
    const query = make('relationTuples', 'RelationQuery', { Namespace: 'Doc' });
    const page = await call(
      ...([READ, ports.read, 'listRelationTuples'] as const),
      make('read', 'ListRelationTuplesRequest', { RelationQuery: query, PageSize: 1 }),
    );
    expect(page['relationTuplesList']).toHaveLength(1);
    expect(page['nextPageToken']).not.toBe('');
  });

  it('deletes', async () => {
    const query = make('relationTuples', 'RelationQuery', { Namespace: 'Doc' });
    const request = make('write', 'DeleteRelationTuplesRequest', { RelationQuery: query });
    await call(WRITE, ports.write, 'deleteRelationTuples', request, true);
    expect(await call(CHECK, ports.read, 'check', view('ann'))).toMatchObject({ allowed: false });
  });
});
