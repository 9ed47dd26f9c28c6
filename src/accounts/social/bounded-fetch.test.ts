import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { ANSWER_BYTES_MAX, boundedFetch, dialectFetch, standardised } from './bounded-fetch.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  // It listens on a port.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
const plain = boundedFetch({ isPlainAllowed: true });
const GET = { method: 'GET' };

describe('a provider', () => {
  it('is asked by https, unless it is one of this machine', async () => {
    let count = 0;
    const url = await serve((_request, response) => {
      count++;
      response.end('{}');
    });
    const secure = boundedFetch({ isPlainAllowed: false });
    await expect(secure(url, GET)).rejects.toThrow('https');
    await expect(plain('file:///etc/passwd', GET)).rejects.toThrow('https');
    await expect(plain('data:application/json,{}', GET)).rejects.toThrow('https');
    expect(count).toBe(0);
    expect((await plain(url, GET)).status).toBe(200);
  });

  it('sends nobody elsewhere', async () => {
    let wasAsked = false;
    const inside = await serve((_request, response) => {
      wasAsked = true;
      response.end('{"secret":1}');
    });
    const url = await serve((_request, response) => {
      response.writeHead(307, { location: inside }).end();
    });
    expect((await plain(url, { method: 'POST', body: 'client_secret=x' })).status).toBe(307);
    expect(wasAsked).toBe(false);
  });

  it('fills no memory, packed or not', async () => {
    const large = Buffer.alloc(ANSWER_BYTES_MAX * 8, 0x20);
    for (const [body, headers] of [
      [large, {}],
      [gzipSync(large), { 'content-encoding': 'gzip' }],
    ] as const) {
      const url = await serve((_request, response) => {
        response.writeHead(200, headers).end(body);
      });
      await expect(plain(url, GET)).rejects.toThrow('too large');
    }
  });
});

describe('a dialect', () => {
  it('is JSON with other names, for the token endpoint alone', async () => {
    const asked: string[] = [];
    const url = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        asked.push(`${request.headers['content-type']} ${body}`);
        response.writeHead(200, { 'content-type': 'text/javascript' });
        response.end('{"accessToken":"at","expireIn":7200}');
      });
    });
    const json = { client_id: 'clientId', client_secret: 'clientSecret', code: 'code' };
    const fetch = dialectFetch(plain, url, { json, accessToken: 'accessToken' });
    const form = { client_id: 'a', client_secret: 'b', code: 'c', redirect_uri: 'r' };
    const init = { method: 'POST', body: new URLSearchParams(form).toString() };
    const told = await fetch(url, init);
    expect(await told.json()).toMatchObject({ access_token: 'at', token_type: 'bearer' });
    expect(told.headers.get('content-type')).toContain('application/json');
    await fetch(`${url}other`, init);
    expect(asked).toEqual([
      'application/json {"clientId":"a","clientSecret":"b","code":"c"}',
      'text/plain;charset=UTF-8 client_id=a&client_secret=b&code=c&redirect_uri=r',
    ]);
  });

  it('becomes an answer of RFC 6749, without an ID token that nobody could check', () => {
    const told = { access_token: 'at', expires_in: 0, id_token: 'x.y.z', email: 'a@example.com' };
    expect(standardised(told, {})).toEqual({
      ...{ access_token: 'at', token_type: 'bearer', email: 'a@example.com' },
    });
  });

  it.each([null, [], 'x', 7])('%j is no answer', (told) => {
    expect(standardised(told, {})).toEqual({});
  });
});
