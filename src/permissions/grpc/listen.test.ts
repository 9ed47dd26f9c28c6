import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectHttp2, constants } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Health } from './gen/grpc/health/v1/health_pb.ts';
import { CheckService } from './gen/ory/keto/relation_tuples/v1alpha2/check_service_pb.ts';
import type { PortCertificate } from './index.ts';
import { openTestPort, type TestPort } from './port.fixture.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
let port: TestPort;
beforeAll(async () => {
  port = await openTestPort();
});
afterAll(() => port.close());

/** Sends bytes in pieces; answers what came back until the connection ended, or for a moment. */
async function say(pieces: readonly (string | Uint8Array)[], waitMs = 300): Promise<string> {
  const socket: Socket = connect(port.port, '127.0.0.1');
  let heard = '';
  socket.on('data', (d: Buffer) => {
    heard += d.toString('latin1');
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  for (const piece of pieces) {
    socket.write(piece);
    await sleep(5);
  }
  await Promise.race([closed, sleep(waitMs)]);
  socket.destroy();
  return heard;
}

async function isServing(): Promise<boolean> {
  const transport = createConnectTransport({
    baseUrl: `http://127.0.0.1:${port.port}`,
    httpVersion: '1.1',
  });
  return (await createClient(Health, transport).check({})).status === 1;
}

test('REST over HTTP/1.1 reaches the routes, whatever way the bytes are cut', async () => {
  const text = 'GET /health/alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  expect(await say([text])).toContain('{"status":"ok"}');
  expect(await say([...text].slice(0, 20).concat(text.slice(20)))).toContain('{"status":"ok"}');
  // The beginning of the preface of HTTP/2, which it then is not.
  expect(await say(['PR', 'I ', '/x HTTP/1.1\r\nHost: x\r\n\r\n'])).toMatch(/^HTTP\/1\.1 4\d\d /);
});

test('Connect with JSON over HTTP/1.1 is a POST', async () => {
  const url = `http://127.0.0.1:${port.port}/ory.keto.relation_tuples.v1alpha2.CheckService/Check`;
  const post = (body: string): Promise<Response> =>
    fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const answer = await post('{"namespace":"app","object":"o","relation":"r","subject":{"id":"a"}}');
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ snaptoken: expect.any(String) });
  const unknown = await post('{"namespace":"x","subject":{"id":"a"}}');
  expect(unknown.status).toBe(404);
  expect(await unknown.json()).toMatchObject({ code: 'not_found' });
  expect((await post('{')).status).toBe(400);
  expect((await fetch(url)).status).toBe(405);
  expect((await fetch(`http://127.0.0.1:${port.port}/x.Y/Z`, { method: 'POST' })).status).toBe(404);
});

interface Answer {
  readonly status: number;
  readonly body: string;
}
function ask(
  base: string,
  headers: Record<string, string>,
  body: string | Buffer = '',
): Promise<Answer> {
  const session = connectHttp2(base, { rejectUnauthorized: false });
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request(headers);
    let status = 0;
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (h) => {
      status = Number(h[constants.HTTP2_HEADER_STATUS]);
    });
    stream.on('data', (d: string) => {
      text += d;
    });
    stream.on('error', reject);
    stream.on('close', () => {
      session.close();
      resolve({ status, body: text });
    });
    // The stream of a GET has ended already.
    if (body !== '') stream.end(body);
    else if (!stream.writableEnded) stream.end();
  });
}

test('REST over HTTP/2 reaches the routes, bodies too', async () => {
  const base = `http://127.0.0.1:${port.port}`;
  expect(await ask(base, { ':path': '/health/alive' })).toEqual({
    status: 200,
    body: '{"status":"ok"}',
  });
  const json = { 'content-type': 'application/json', ':method': 'POST' };
  expect(await ask(base, { ':path': '/echo', ...json }, '{"a":1}')).toEqual({
    status: 200,
    body: '{"a":1}',
  });
  expect((await ask(base, { ':path': '/nowhere' })).status).toBe(404);
  expect((await ask(base, { ':path': '/echo', ...json }, '{')).status).toBe(400);
});

test('a message above 4 MiB is refused', async () => {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port.port}` });
  const object = 'x'.repeat(4 * 1024 * 1024);
  const error = createClient(CheckService, transport)
    .check({ namespace: 'app', object, subject: { ref: { case: 'id', value: 'a' } } })
    .catch((e: unknown) => ConnectError.from(e).code);
  expect(await error).toBe(Code.ResourceExhausted);
});

test('requests with an authority that is none, or without one, are refused and end nothing', async () => {
  const path = '/grpc.health.v1.Health/Check';
  const rest = 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';
  expect(await say([`POST ${path} HTTP/1.1\r\nHost: [::\r\n${rest}`])).toMatch(/^HTTP\/1\.1 400 /);
  expect(await say([`POST ${path} HTTP/1.0\r\n${rest}`])).toMatch(/^HTTP\/1\.1 400 /);
  const base = `http://127.0.0.1:${port.port}`;
  expect(
    (await ask(base, { ':path': path, ':authority': 'a:99999', ':method': 'POST' })).status,
  ).toBe(400);
  expect((await ask(base, { ':path': '*', ':method': 'OPTIONS' })).status).toBeGreaterThanOrEqual(
    400,
  );
  expect(await isServing()).toBe(true);
});

test('texts of broken requests break no reply', async () => {
  const base = `http://127.0.0.1:${port.port}`;
  const path = '/ory.keto.relation_tuples.v1alpha2.WriteService/TransactRelationTuples';
  for (const name of [
    '"\\ud800"',
    `"${'x'.repeat(200_000)}"`,
    `"${'\u{10ffff}'.repeat(50_000)}"`,
  ]) {
    const json = Buffer.from(`{"relationTupleDeltas":${name}}`);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(json.length, 1);
    for (const type of ['application/grpc+json', 'application/grpc-web+json', 'application/json']) {
      const headers = {
        ':path': path,
        ':method': 'POST',
        'content-type': type,
        authorization: 'Bearer good',
      };
      const body = type === 'application/json' ? json : Buffer.concat([head, json]);
      expect([200, 400]).toContain((await ask(base, headers, body)).status);
    }
  }
  expect(await isServing()).toBe(true);
  expect(port.faults).toEqual([]);
});

test('who may not write is refused before the body is there', async () => {
  const path = '/ory.keto.relation_tuples.v1alpha2.WriteService/DeleteRelationTuples';
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  expect(await say([`${head}Content-Length: 1000000\r\n\r\n{`])).toMatch(/^HTTP\/1\.1 401 /);
});

test('a connection that does not say what it speaks is cut off', async () => {
  const cutOff = async (pieces: string[]): Promise<number> => {
    const start = performance.now();
    expect(await say(pieces, 20_000)).toBe('');
    return performance.now() - start;
  };
  for (const ms of await Promise.all([cutOff([]), cutOff([PREFACE.slice(0, 10)])]))
    expect(ms).toBeLessThan(15_000);
});

test('a flood of streams that are reset ends that connection alone', async () => {
  const session = connectHttp2(`http://127.0.0.1:${port.port}`);
  session.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => session.once('close', () => resolve()));
  const flood = async (): Promise<void> => {
    for (let i = 0; i < 20_000 && !session.destroyed && !session.closed; i++) {
      const stream = session.request({
        ':path': '/grpc.health.v1.Health/Check',
        ':method': 'POST',
      });
      stream.on('error', () => undefined);
      stream.close(constants.NGHTTP2_CANCEL);
      if (i % 100 === 0) await sleep(1);
    }
  };
  await flood();
  await Promise.race([ended, sleep(5_000)]);
  expect(session.destroyed || session.closed).toBe(true);
  expect(await isServing()).toBe(true);
});

const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

test('no bytes end the process', async () => {
  const bytes = fc.uint8Array({ maxLength: 400 });
  const frame = fc
    .tuple(fc.nat(12), fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 60 }))
    .map(([type, flags, stream, payload]) =>
      Buffer.concat([Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream]), payload]),
    );
  const http2 = fc
    .array(frame, { maxLength: 8 })
    .map((frames) => [PREFACE, EMPTY_SETTINGS, ...frames]);
  const grpc = fc
    .tuple(fc.constantFrom('grpc', 'grpc-web', 'proto', 'json', 'connect+proto'), bytes)
    .map(([type, b]) => [
      `POST /grpc.reflection.v1.ServerReflection/ServerReflectionInfo HTTP/1.1\r\nHost: x\r\nContent-Type: application/${type}\r\nContent-Length: ${b.length}\r\n\r\n`,
      b,
    ]);
  const anything = fc.oneof(
    bytes.map((b) => [b]),
    bytes.map((b) => [PREFACE, b]),
    fc.nat(PREFACE.length).map((n) => [PREFACE.slice(0, n), 'x']),
    http2,
    grpc,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(anything, { minLength: 8, maxLength: 8 }), async (all) => {
      await Promise.all(all.map((pieces) => say(pieces, 40)));
      return isServing();
    }),
    { numRuns: 40 },
  );
  expect(port.faults).toEqual([]);
});

test('no body of a call is answered with a fault of the server', async () => {
  const post = async (body: Uint8Array, type: string): Promise<number> => {
    const url = `http://127.0.0.1:${port.port}/ory.keto.relation_tuples.v1alpha2.WriteService/TransactRelationTuples`;
    const headers = { 'content-type': `application/${type}`, authorization: 'Bearer good' };
    const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
    await answer.arrayBuffer();
    return answer.status;
  };
  const types = fc.constantFrom('proto', 'json', 'grpc-web+proto', 'grpc-web', 'x');
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), types, async (body, type) => {
      expect([200, 400, 404, 415, 500]).toContain(await post(body, type));
    }),
    { numRuns: 150 },
  );
  expect(port.faults).toEqual([]);
});

test('what is under way finishes when the port closes, and then nothing answers', async () => {
  const own = await openTestPort();
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${own.port}` });
  const health = createClient(Health, transport);
  const watch = (async () => {
    for await (const { status } of health.watch({})) expect(status).toBe(1);
  })().catch((e: unknown) => ConnectError.from(e).code);
  await sleep(100);
  const start = performance.now();
  await own.close();
  expect(performance.now() - start).toBeLessThan(2_500);
  await watch;
  await expect(health.check({})).rejects.toMatchObject({ code: Code.Unavailable });
});

test('with a certificate, TLS carries both by ALPN, and loopback may still speak plainly', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-'));
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  execFileSync('openssl', [...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const pair = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(folder, { recursive: true });
  const followed: unknown[] = [];
  const certificate: PortCertificate = { pair, follow: (server) => void followed.push(server) };
  await using own = await openTestPort(certificate);
  expect(followed).toHaveLength(1);
  const base = `https://127.0.0.1:${own.port}`;
  const nodeOptions = { ca: pair.cert };
  for (const transport of [
    createGrpcTransport({ baseUrl: base, nodeOptions }),
    createConnectTransport({ baseUrl: base, httpVersion: '1.1', nodeOptions }),
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${own.port}` }),
  ])
    expect(await createClient(Health, transport).check({})).toMatchObject({ status: 1 });
  expect(await ask(base, { ':path': '/health/alive' })).toEqual({
    status: 200,
    body: '{"status":"ok"}',
  });
  const status = new Promise((resolve, reject) => {
    httpsRequest(`${base}/health/alive`, { ca: pair.cert, agent: false }, (r) =>
      resolve(r.statusCode),
    )
      .on('error', reject)
      .end();
  });
  expect(await status).toBe(200);
});
