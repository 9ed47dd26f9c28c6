/** Requests that are no protobuf: whoever sends them is at fault, and is told so, by every protocol. */
import { connect as connectHttp2 } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestPort, type TestPort } from './port.fixture.ts';

let port: TestPort;
beforeAll(async () => {
  port = await openTestPort();
});
afterAll(() => port.close());

const CHECK = '/ory.keto.relation_tuples.v1alpha2.CheckService/Check';
const INVALID = String(Code.InvalidArgument);

function framed(message: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The status of gRPC, as HTTP/2's trailers say it. */
function grpcStatus(
  path: string,
  body: Buffer,
  headers: Record<string, string> = {},
): Promise<string> {
  const session = connectHttp2(`http://127.0.0.1:${port.port}`);
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    let status = 'none';
    const listen = (told: Record<string, unknown>): void => {
      if (typeof told['grpc-status'] === 'string') status = told['grpc-status'];
    };
    stream.on('response', listen);
    stream.on('trailers', listen);
    stream.on('error', reject);
    stream.on('close', () => {
      session.close();
      resolve(status);
    });
    stream.resume();
    stream.end(body);
  });
}

function post(type: string, body: Buffer, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${port.port}${CHECK}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body: new Uint8Array(body),
  });
}

const BROKEN: Readonly<Record<string, Buffer>> = {
  'a field that ends too early': Buffer.from([0x42, 0x7f]),
  'a type of field that there is not': Buffer.from([0x07]),
  'a number that does not end': Buffer.alloc(11, 0xff),
  'a name that is not UTF-8': Buffer.from([0x0a, 0x02, 0xff, 0xff]),
};

test.each(Object.entries(BROKEN))('%s is INVALID_ARGUMENT by every protocol', async (_, bytes) => {
  expect(await grpcStatus(CHECK, framed(bytes))).toBe(INVALID);
  const web = await post('application/grpc-web+proto', framed(bytes));
  expect(await web.text()).toMatch(new RegExp(`grpc-status: ${INVALID}\\b`));
  const connect = await post('application/proto', bytes);
  expect(connect.status).toBe(400);
  expect(await connect.json()).toMatchObject({ code: 'invalid_argument' });
});

test('a compressed message that ends too early is INVALID_ARGUMENT', async () => {
  const whole = gzipSync(Buffer.from([0x0a, 0x01, 0x61]));
  const cut = whole.subarray(0, whole.length - 9);
  const encoding = { 'grpc-encoding': 'gzip' };
  expect(await grpcStatus(CHECK, framed(cut, 1), encoding)).toBe(INVALID);
  expect((await post('application/proto', cut, { 'content-encoding': 'gzip' })).status).toBe(400);
});

test('so it is for what every port has, also where many messages may come', async () => {
  const broken = framed(Buffer.from([0x0a, 0x7f]));
  expect(await grpcStatus('/grpc.health.v1.Health/Check', broken)).toBe(INVALID);
  const reflection = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
  expect(await grpcStatus(reflection, broken)).toBe(INVALID);
});

test('and none of it is reported as a fault of the server', () => {
  expect(port.faults).toEqual([]);
});
