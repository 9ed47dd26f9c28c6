import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from './gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from './gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from './gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { openTestPort, type TestPort } from './port.fixture.ts';

let port: TestPort;
let transport: Transport;
beforeAll(async () => {
  port = await openTestPort();
  transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port.port}` });
});
afterAll(() => port.close());

const NEW = 'ory.keto.relation_tuples.v1alpha2';
const OLD = 'ory.keto.acl.v1alpha1';

test('health follows whether the store can answer, for the server and each service', async () => {
  const health = createClient(Health, transport);
  for (const service of ['', `${NEW}.CheckService`, `${OLD}.WriteService`, 'grpc.health.v1.Health'])
    expect(await health.check({ service })).toMatchObject({ status: Status.SERVING });
  port.permissions.trouble = new Error('down');
  expect(await health.check({})).toMatchObject({ status: Status.NOT_SERVING });
  const unknown = health.check({ service: 'x' }).catch((e: unknown) => ConnectError.from(e).code);
  expect(await unknown).toBe(Code.NotFound);
});

test('a watch tells the status at once, then every change, and ends with its caller', async () => {
  const health = createClient(Health, transport);
  const stop = new AbortController();
  const seen: number[] = [];
  const watch = async (service: string): Promise<void> => {
    for await (const { status } of health.watch({ service }, { signal: stop.signal })) {
      seen.push(status);
      if (status === Status.SERVING && seen.length === 1) port.permissions.trouble = new Error('x');
      if (seen.length === 3 || status === Status.SERVICE_UNKNOWN) stop.abort();
    }
  };
  await expect(watch('')).rejects.toMatchObject({ code: Code.Canceled });
  expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING]);
});

test('a watch of an unknown service says so', async () => {
  for await (const { status } of createClient(Health, transport).watch({ service: 'x' })) {
    expect(status).toBe(Status.SERVICE_UNKNOWN);
    break;
  }
});

type Question =
  | { case: 'listServices' | 'fileByFilename' | 'fileContainingSymbol'; value: string }
  | { case: 'allExtensionNumbersOfType'; value: string }
  | { case: 'fileContainingExtension'; value: { containingType: string; extensionNumber: number } };

async function* questions(all: readonly Question[]) {
  for (const messageRequest of all) yield { host: 'h', messageRequest };
}

test.each([['v1'], ['v1alpha']])('reflection %s lists what is served', async (version) => {
  const asked = questions([{ case: 'listServices', value: '' }]);
  const client =
    version === 'v1'
      ? createClient(ServerReflection, transport)
      : createClient(ServerReflectionAlpha, transport);
  const names: string[] = [];
  for await (const { messageResponse, validHost, originalRequest } of client.serverReflectionInfo(
    asked,
  )) {
    expect([validHost, originalRequest?.messageRequest.case]).toEqual(['h', 'listServices']);
    if (messageResponse.case === 'listServicesResponse')
      names.push(...messageResponse.value.service.map((s) => s.name));
  }
  expect(names).toEqual([
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
    ...['Check', 'Expand', 'Read', 'Version', 'Write'].map((s) => `${OLD}.${s}Service`),
    'ory.keto.opl.v1alpha1.SyntaxService',
    ...['Check', 'Expand', 'Namespaces', 'Read', 'Version', 'Write'].map(
      (s) => `${NEW}.${s}Service`,
    ),
  ]);
});

test('the files of a service are enough to call it', async () => {
  const symbols = [
    'ReadService',
    'ReadService.ListRelationTuples',
    'RelationQuery',
    'RelationTuple.subject',
  ];
  const asked: Question[] = [
    ...symbols.map((s) => ({ case: 'fileContainingSymbol' as const, value: `${NEW}.${s}` })),
    { case: 'fileByFilename', value: 'ory/keto/relation_tuples/v1alpha2/read_service.proto' },
    { case: 'fileByFilename', value: 'google/protobuf/field_mask.proto' },
  ];
  const first: string[] = [];
  for await (const { messageResponse } of createClient(
    ServerReflection,
    transport,
  ).serverReflectionInfo(questions(asked))) {
    if (messageResponse.case !== 'fileDescriptorResponse') throw new Error(messageResponse.case);
    const file = messageResponse.value.fileDescriptorProto.map((b) =>
      fromBinary(FileDescriptorProtoSchema, b),
    );
    first.push(file[0]?.name ?? '');
    // The registry wants a file after those that it needs.
    const set = { $typeName: FileDescriptorSetSchema.typeName, file: file.toReversed() };
    if (first.length === 1) {
      const service = createFileRegistry(set).getService(`${NEW}.ReadService`);
      expect(service?.methods.map((m) => m.name)).toEqual(['ListRelationTuples']);
    }
  }
  const folder = 'ory/keto/relation_tuples/v1alpha2';
  expect(first).toEqual([
    `${folder}/read_service.proto`,
    `${folder}/read_service.proto`,
    `${folder}/relation_tuples.proto`,
    `${folder}/relation_tuples.proto`,
    `${folder}/read_service.proto`,
    'google/protobuf/field_mask.proto',
  ]);
});

test('what is not there is answered with an error, and the stream goes on', async () => {
  const asked: Question[] = [
    { case: 'fileContainingSymbol', value: '__proto__' },
    { case: 'fileByFilename', value: '../../etc/passwd' },
    { case: 'fileContainingExtension', value: { containingType: 'x', extensionNumber: 1 } },
    { case: 'allExtensionNumbersOfType', value: `${NEW}.Nothing` },
    { case: 'allExtensionNumbersOfType', value: `${NEW}.RelationTuple` },
  ];
  const answers: (number | string | undefined)[] = [];
  for await (const { messageResponse } of createClient(
    ServerReflection,
    transport,
  ).serverReflectionInfo(questions(asked)))
    answers.push(
      messageResponse.case === 'errorResponse'
        ? messageResponse.value.errorCode
        : messageResponse.case,
    );
  expect(answers).toEqual([5, 5, 5, 5, 'allExtensionNumbersResponse']);
});
