import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Flags } from './command.ts';
import {
  failureOf,
  ModelRefused,
  PermissionClient,
  parseEvents,
  permissionServer,
  queryText,
} from './permission-client.ts';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
async function* of(...chunks: string[]): AsyncGenerator<string> {
  yield* chunks;
}

describe('the errors of a server', () => {
  it('keeps our own, and of Keto takes the reason before the message', () => {
    const own = { error: { code: 'exhausted', message: 'm', facts: { reason: 'r' } } };
    expect(failureOf(422, own)).toMatchObject({ code: 'exhausted', facts: { reason: 'r' } });
    const keto = {
      error: { code: 400, message: 'malformed', reason: 'relation "x" does not exist' },
    };
    expect(failureOf(400, keto)).toMatchObject({
      code: 'invalid',
      message: 'relation "x" does not exist',
    });
    expect(failureOf(404, { error: { code: 404, message: 'gone' } })).toMatchObject({
      code: 'not_found',
      message: 'gone',
    });
    expect(failureOf(502, undefined)).toMatchObject({ code: 'unavailable' });
  });
  it('carries the problems of a refused model', () => {
    const problems = [{ message: 'x' }];
    const refused = failureOf(400, { error: { code: 'invalid', message: 'm', problems } });
    expect(refused).toBeInstanceOf(ModelRefused);
    expect(refused).toMatchObject({ problems });
  });
});

describe('server-sent events', () => {
  it('are put together from pieces, whatever ends their lines', async () => {
    const events = parseEvents(
      of(': hello\n\nda', 'ta: {"a":\r\ndata: 1}\r\n\r\nevent: x\ndata: 2\n\nid: 3\n\n'),
    );
    expect(await collect(events)).toEqual([
      { event: 'message', data: { a: 1 } },
      { event: 'x', data: 2 },
    ]);
  });
  it('with data that is not JSON are a failure', async () => {
    await expect(collect(parseEvents(of('data: {\n\n')))).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});

describe('where the server is', () => {
  const flags = (values: Record<string, string>): Flags => new Flags(values);
  it('refuses what is no URL, and a token without a server', () => {
    expect(() => permissionServer(flags({ server: 'db:4466' }))).toThrow('is not a URL');
    expect(() => permissionServer(flags({ server: 'file:///x' }))).toThrow('is not a URL');
    expect(() => permissionServer(flags({ tokenFile: '/x' }))).toThrow('needs --server');
  });
  it('refuses a token file that is absent or holds none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-'));
    const tokenFile = join(folder, 'token');
    const ask = (): unknown => permissionServer(flags({ server: 'http://h', tokenFile }));
    expect(ask).toThrow('can not be read');
    writeFileSync(tokenFile, 'two words\n');
    expect(ask).toThrow('does not hold a token');
    rmSync(folder, { recursive: true });
  });
  it('keeps empty names in a query and leaves absent ones out', () => {
    expect(
      queryText([
        ['object', ''],
        ['relation', undefined],
        ['a&b', '#:@ ü'],
      ]),
    ).toBe('?object=&a%26b=%23%3A%40+%C3%BC');
    expect(queryText([])).toBe('');
  });
});

describe('an exchange', () => {
  let folder = '';
  let server: Server;
  const asked: string[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'postern-'));
    asked.length = 0;
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        asked.push(
          `${request.method} ${request.url} ${request.headers.authorization ?? '-'} ${body}`,
        );
        if (request.url?.includes('check') === true)
          response.writeHead(403).end('{"allowed":false}');
        else if (request.url?.includes('page') === true) response.end('<html>');
        else if (request.method === 'PATCH') response.writeHead(204).end();
        else if (request.url?.includes('watch') === true) {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.end('data: {"cursor":"c"}\n\n');
        } else response.writeHead(404).end('{"error":{"code":404,"message":"no"}}');
      });
    });
    await new Promise<void>((ready) => {
      server.listen(join(folder, 's'), ready);
    });
  });
  afterEach(async () => {
    await new Promise((ended) => server.close(ended));
    rmSync(folder, { recursive: true });
  });

  it('goes over the socket, below the prefix, and takes the statuses that it is told are answers', async () => {
    const client = new PermissionClient({ socketPath: join(folder, 's'), prefix: '/permissions' });
    const question = { query: [['namespace', 'a']] as const, alsoAnswers: [403] };
    expect(await client.ask('GET', '/check', question)).toEqual({ allowed: false });
    expect(await client.ask('PATCH', '/t', { body: [1] })).toBeUndefined();
    await expect(client.manage('GET', '/none')).rejects.toMatchObject({ code: 'not_found' });
    await expect(client.ask('GET', '/check')).rejects.toMatchObject({ code: 'denied' });
    await expect(client.ask('GET', '/page')).rejects.toThrow('is this a Postern server?');
    expect(await collect(client.events('/watch', []))).toEqual([
      { event: 'message', data: { cursor: 'c' } },
    ]);
    expect(asked.slice(0, 3)).toEqual([
      'GET /permissions/check?namespace=a - ',
      'PATCH /permissions/t - [1]',
      'GET /api/v1/none - ',
    ]);
  });

  it('says that nobody answers', async () => {
    const client = new PermissionClient({ socketPath: join(folder, 'other'), prefix: '' });
    await expect(client.ask('GET', '/x')).rejects.toThrow('No server answers on this machine');
    const remote = new PermissionClient({ url: new URL('http://127.0.0.1:1/'), prefix: '' });
    await expect(remote.ask('GET', '/x')).rejects.toThrow(
      'No server answers at http://127.0.0.1:1',
    );
  });
});
