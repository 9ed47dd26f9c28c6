import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CheckService } from './gen/ory/keto/acl/v1alpha1/check_service_pb.ts';
import { ExpandService, NodeType } from './gen/ory/keto/acl/v1alpha1/expand_service_pb.ts';
import { ReadService } from './gen/ory/keto/acl/v1alpha1/read_service_pb.ts';
import { VersionService } from './gen/ory/keto/acl/v1alpha1/version_pb.ts';
import {
  RelationTupleDelta_Action as Action,
  WriteService,
} from './gen/ory/keto/acl/v1alpha1/write_service_pb.ts';
import { openTestPort, type TestPort } from './port.fixture.ts';

let port: TestPort;
let transport: Transport;
beforeAll(async () => {
  port = await openTestPort();
  transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port.port}` });
});
afterAll(() => port.close());

test('the services of Keto 0.7 write, check, expand, list and tell the version', async () => {
  const subject = { ref: { case: 'id' as const, value: 'minkin.andrewgmail.com' } };
  const tuple = { namespace: 'app', object: 'homepage', relation: 'read', subject };
  const request = { relationTupleDeltas: [{ action: Action.INSERT, relationTuple: tuple }] };
  const write = createClient(WriteService, transport);
  const refused = write.transactRelationTuples(request).catch((e: unknown) => ConnectError.from(e));
  expect(await refused).toMatchObject({ code: Code.Unauthenticated });
  const headers = { authorization: 'Bearer good' };
  const { snaptokens } = await write.transactRelationTuples(request, { headers });
  expect(snaptokens).toHaveLength(1);

  const check = createClient(CheckService, transport);
  expect(await check.check(tuple)).toMatchObject({ allowed: true, snaptoken: snaptokens[0] });
  expect(await check.check({ ...tuple, snaptoken: 'r9', latest: true })).toMatchObject({
    allowed: true,
  });
  expect(port.permissions.asked.at(-1)?.consistency).toEqual({ mode: 'fully_consistent' });
  expect(await check.check({ ...tuple, relation: 'write' })).toMatchObject({ allowed: false });

  const { subject: _, ...on } = tuple;
  const set = { ref: { case: 'set' as const, value: on } };
  const { tree } = await createClient(ExpandService, transport).expand({
    subject: set,
    maxDepth: 2,
  });
  expect(tree).toMatchObject({
    nodeType: NodeType.UNION,
    subject: set,
    children: [{ nodeType: NodeType.LEAF, subject, children: [] }],
  });

  const read = createClient(ReadService, transport);
  const page = await read.listRelationTuples({ query: { namespace: 'app' } });
  expect(page).toMatchObject({ relationTuples: [tuple], nextPageToken: '' });
  const none = await read.listRelationTuples({ query: { object: 'other' } });
  expect(none.relationTuples).toEqual([]);
  const { version } = await createClient(VersionService, transport).getVersion({});
  expect(version).toBe('v1.2.3');
});
