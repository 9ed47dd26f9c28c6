/** Ory's published client and @grpc/grpc-js against the port: what others have in production, unchanged. */
import { createRequire } from 'node:module';
import { type Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import syntax from '@ory/keto-grpc-client/ory/keto/opl/v1alpha1/syntax_service_pb.js';
import checkService from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/check_service_grpc_pb.js';
import check from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/check_service_pb.js';
import expandService from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/expand_service_grpc_pb.js';
import expand from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/expand_service_pb.js';
import namespacesServices from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/namespaces_service_grpc_pb.js';
import namespaces from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/namespaces_service_pb.js';
import readService from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/read_service_grpc_pb.js';
import read from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/read_service_pb.js';
import relationTuples from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/relation_tuples_pb.js';
import versionServices from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/version_grpc_pb.js';
import version from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/version_pb.js';
import writeService from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/write_service_grpc_pb.js';
import write from '@ory/keto-grpc-client/ory/keto/relation_tuples/v1alpha2/write_service_pb.js';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openTestPort, type TestPort } from './port.fixture.ts';

interface SyntaxClient extends Client {
  check(request: syntax.CheckRequest, done: Callback<syntax.CheckResponse>): unknown;
}
// The package has no types for this one.
const syntaxServices: {
  SyntaxServiceClient: new (
    address: string,
    c: ReturnType<typeof credentials.createInsecure>,
  ) => SyntaxClient;
} = createRequire(import.meta.url)(
  '@ory/keto-grpc-client/ory/keto/opl/v1alpha1/syntax_service_grpc_pb.js',
);

let port: TestPort;
const clients: Client[] = [];
beforeAll(async () => {
  port = await openTestPort();
});
afterAll(async () => {
  for (const client of clients) client.close();
  await port.close();
});

function dial<T extends Client>(
  Service: new (address: string, c: ReturnType<typeof credentials.createInsecure>) => T,
): T {
  const client = new Service(`127.0.0.1:${port.port}`, credentials.createInsecure());
  clients.push(client);
  return client;
}

type Callback<T> = (error: ServiceError | null, answer: T) => void;
const call = <T>(send: (done: Callback<T>) => unknown): Promise<T> =>
  new Promise((resolve, reject) => {
    send((error, answer) => (error === null ? resolve(answer) : reject(error)));
  });

function allowed(): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', 'Bearer good');
  return metadata;
}

function tuple(
  namespace: string,
  object: string,
  relation: string,
  subject: relationTuples.Subject,
) {
  return new relationTuples.RelationTuple()
    .setNamespace(namespace)
    .setObject(object)
    .setRelation(relation)
    .setSubject(subject);
}
const id = (name: string) => new relationTuples.Subject().setId(name);
const set = (namespace: string, object: string, relation: string) =>
  new relationTuples.Subject().setSet(
    new relationTuples.SubjectSet().setNamespace(namespace).setObject(object).setRelation(relation),
  );
const delta = (t: relationTuples.RelationTuple, action: 0 | 1 | 2) =>
  new write.RelationTupleDelta().setAction(action).setRelationTuple(t);

beforeEach(async () => {
  const client = dial(writeService.WriteServiceClient);
  const request = new write.TransactRelationTuplesRequest().setRelationTupleDeltasList([
    delta(tuple('Doc', 'd', 'viewers', set('Group', 'g', 'members')), 1),
    delta(tuple('Group', 'g', 'members', id('alice')), 1),
  ]);
  const answer = await call<write.TransactRelationTuplesResponse>((done) =>
    client.transactRelationTuples(request, allowed(), done),
  );
  expect(answer.getSnaptokensList()).toHaveLength(2);
});

test('check says who may, with and without the deprecated fields', async () => {
  const client = dial(checkService.CheckServiceClient);
  const ask = (request: check.CheckRequest): Promise<check.CheckResponse> =>
    call((done) => client.check(request, done));
  const alice = await ask(
    new check.CheckRequest().setTuple(tuple('Doc', 'd', 'view', id('alice'))),
  );
  expect(alice.toObject()).toEqual({ allowed: true, snaptoken: expect.stringMatching(/^r\d+$/) });
  const old = new check.CheckRequest().setNamespace('Doc').setObject('d').setRelation('view');
  expect((await ask(old.setSubject(id('bob')))).getAllowed()).toBe(false);
});

test('an error has the code, the text and the details that the client decodes', async () => {
  const client = dial(checkService.CheckServiceClient);
  const request = new check.CheckRequest().setTuple(tuple('nowhere', '', '', id('a')));
  const error = await call((done) => client.check(request, done)).catch((e: ServiceError) => e);
  expect(error).toMatchObject({
    code: status.NOT_FOUND,
    details: 'The requested resource could not be found',
  });
  const details = (error as ServiceError).metadata.get('grpc-status-details-bin')[0];
  expect(String(details)).toContain('Unknown namespace with name "nowhere".');
});

test('expand answers a tree', async () => {
  const client = dial(expandService.ExpandServiceClient);
  const request = new expand.ExpandRequest().setSubject(set('Doc', 'd', 'viewers'));
  const answer = await call<expand.ExpandResponse>((done) => client.expand(request, done));
  const tree = answer.getTree();
  expect(tree?.getNodeType()).toBe(expand.NodeType.NODE_TYPE_UNION);
  const leaf = tree?.getChildrenList()[0]?.getChildrenList()[0];
  expect(leaf?.getNodeType()).toBe(expand.NodeType.NODE_TYPE_LEAF);
  expect(leaf?.getTuple()?.getSubject()?.getId()).toBe('alice');
  expect(leaf?.getSubject()?.getId()).toBe('alice');
});

test('tuples are listed and deleted by filter', async () => {
  const reader = dial(readService.ReadServiceClient);
  const list = async (): Promise<string[]> => {
    const query = new relationTuples.RelationQuery().setNamespace('Group');
    const request = new read.ListRelationTuplesRequest().setRelationQuery(query);
    const answer = await call<read.ListRelationTuplesResponse>((done) =>
      reader.listRelationTuples(request, done),
    );
    expect(answer.getNextPageToken()).toBe('');
    return answer.getRelationTuplesList().map((t) => t.getSubject()?.getId() ?? '');
  };
  expect(await list()).toEqual(['alice']);
  const writer = dial(writeService.WriteServiceClient);
  const request = new write.DeleteRelationTuplesRequest().setRelationQuery(
    new relationTuples.RelationQuery().setSubject(id('alice')),
  );
  const refused = await call((done) => writer.deleteRelationTuples(request, done)).catch(
    (e: ServiceError) => e.code,
  );
  expect(refused).toBe(status.UNAUTHENTICATED);
  await call((done) => writer.deleteRelationTuples(request, allowed(), done));
  expect(await list()).toEqual([]);
});

test('namespaces, version and syntax are answered', async () => {
  const names = await call<namespaces.ListNamespacesResponse>((done) =>
    dial(namespacesServices.NamespacesServiceClient).listNamespaces(
      new namespaces.ListNamespacesRequest(),
      done,
    ),
  );
  expect(names.getNamespacesList().map((n) => n.getName())).toEqual(['Doc', 'Group', 'app']);
  const answer = await call<version.GetVersionResponse>((done) =>
    dial(versionServices.VersionServiceClient).getVersion(new version.GetVersionRequest(), done),
  );
  expect(answer.getVersion()).toBe('v1.2.3');
  const found = await call<syntax.CheckResponse>((done) =>
    dial(syntaxServices.SyntaxServiceClient).check(
      new syntax.CheckRequest().setContent(Buffer.from('class')),
      done,
    ),
  );
  expect(found.toObject().parseErrorsList).toEqual([
    { message: 'expected "{"', start: { line: 1, column: 1 }, end: { line: 1, column: 5 } },
  ]);
});

test('a service that is not here is UNIMPLEMENTED', async () => {
  const client = dial(checkService.CheckServiceClient);
  const refused = await call<Buffer>((done) =>
    client.makeUnaryRequest(
      '/nobody.Here/Call',
      (b: Buffer) => b,
      (b: Buffer) => b,
      Buffer.from('x'),
      (error, answer) => done(error, answer ?? Buffer.alloc(0)),
    ),
  ).catch((e: ServiceError) => e.code);
  expect(refused).toBe(status.UNIMPLEMENTED);
});
