import { hash } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../kernel/index.ts';
import { countIn, createBreachList } from './breaches.ts';
import { COMMON_PASSWORDS } from './common-passwords.ts';

const PASSWORD = 'correct horse battery';
const SHA1 = hash('sha1', PASSWORD, 'hex').toUpperCase();
const servers = new Set<Server>();

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Proof: a server that listens on an address has one.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  servers.clear();
});

describe('the list of breached passwords, online', () => {
  it('sends five digits of the hash and nothing else of the password', async () => {
    const asked: { url: string | undefined; padding: unknown; headers: string }[] = [];
    const host = await serve((request, response) => {
      asked.push({
        url: request.url,
        padding: request.headers['add-padding'],
        headers: JSON.stringify(request.headers),
      });
      response.end(`${'0'.repeat(35)}:4\r\n${SHA1.slice(5)}:1,234\r\n`);
    });
    expect(await createBreachList({ host }).refuse(PASSWORD)).toBe(1_234);
    expect(asked).toMatchObject([{ url: `/range/${SHA1.slice(0, 5)}`, padding: 'true' }]);
    expect(asked[0]?.headers).not.toContain(SHA1.slice(5, 12));
  });

  it('takes a password that was found no more often than allowed', async () => {
    const host = await serve((_request, response) => response.end(`${SHA1.slice(5)}:7\n`));
    expect(await createBreachList({ host, maxBreaches: 7 }).refuse(PASSWORD)).toBeUndefined();
    expect(await createBreachList({ host, maxBreaches: 6 }).refuse(PASSWORD)).toBe(7);
    expect(await createBreachList({ host }).refuse(`${PASSWORD}!`)).toBeUndefined();
  });

  it.each<[string, RequestListener]>([
    ['fails', (_request, response) => response.writeHead(500).end()],
    ['refuses', (_request, response) => response.writeHead(429).end('later')],
    ['redirects', (_request, response) => response.writeHead(302, { location: '/range/0' }).end()],
    ['hangs', () => undefined],
    ['hangs amid the answer', (_request, response) => response.write('00')],
    ['breaks off', (request) => request.socket.destroy()],
    ['counts in words', (_request, response) => response.end(`${SHA1.slice(5)}:many`)],
    [
      'never ends',
      (_request, response) => {
        const more = (): void => {
          if (!response.destroyed && response.write('0'.repeat(65_536))) setImmediate(more);
          else response.once('drain', more);
        };
        more();
      },
    ],
  ])('goes by the settings when the server %s', async (_name, listener) => {
    const host = await serve(listener);
    const warned: string[] = [];
    const logger = { ...silentLogger, warn: (_facts: object, text: string) => warned.push(text) };
    const settings = { host, timeoutMs: 400 };
    expect(await createBreachList({ ...settings, logger }).refuse(PASSWORD)).toBeUndefined();
    expect(warned).toHaveLength(1);
    await expect(
      createBreachList({ ...settings, ignoreNetworkErrors: false }).refuse(PASSWORD),
    ).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('is said to be away once, and again when it is back', async () => {
    let isDown = true;
    const host = await serve((_request, response) => {
      response.statusCode = isDown ? 503 : 200;
      response.end();
    });
    const said: string[] = [];
    const note =
      (level: string) =>
      (_facts: object, _text: string): unknown =>
        said.push(level);
    const logger = { ...silentLogger, warn: note('warn'), info: note('info') };
    const list = createBreachList({ host, logger });
    for (let i = 0; i < 5; i++) await list.refuse(`${PASSWORD}${i}`);
    expect(said).toEqual(['warn']);
    isDown = false;
    for (let i = 0; i < 5; i++) await list.refuse(`${PASSWORD}${i}`);
    expect(said).toEqual(['warn', 'info']);
    isDown = true;
    await list.refuse(PASSWORD);
    expect(said).toEqual(['warn', 'info', 'warn']);
  });

  it('asks only so many questions at once', async () => {
    let open = 0;
    let most = 0;
    const host = await serve((_request, response) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open -= 1;
        response.end();
      }, 20);
    });
    const list = createBreachList({ host, ignoreNetworkErrors: false });
    const asked = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => list.refuse(`${PASSWORD}${i}`)),
    );
    expect(asked.filter((a) => a.status === 'rejected')).toHaveLength(68);
    expect(most).toBeLessThanOrEqual(32);
    expect(await list.refuse(PASSWORD)).toBeUndefined();
  });

  it.each(['', 'a b', 'host/path', 'http://host/path', 'user:x@host', 'ftp://host', 'host?x'])(
    'refuses "%s" as a host',
    (host) => expect(() => createBreachList({ host })).toThrowError(/no host/),
  );
});

describe('the list of breached passwords, offline', () => {
  const list = createBreachList({ isOnline: false });

  it('knows thousands of common passwords, in any case', async () => {
    const common = COMMON_PASSWORDS.trim().split(/\s+/);
    expect(new Set(common).size).toBeGreaterThan(4_000);
    for (const password of [...common.slice(0, 50), 'Password1', 'QWERTYUIOP'])
      expect(await list.refuse(password), password).toBeGreaterThan(0);
  });

  it('knows nothing of others, not even names of objects', async () => {
    for (const password of [PASSWORD, '', '__proto__', 'constructor', 'x'.repeat(100_000)])
      expect(await list.refuse(password)).toBeUndefined();
  });

  it('comes first, so that the commonest never ask the network', async () => {
    let asked = 0;
    const host = await serve((_request, response) => {
      asked += 1;
      response.end();
    });
    expect(await createBreachList({ host }).refuse('password')).toBeGreaterThan(0);
    expect(asked).toBe(0);
  });

  it('gives way when so many breaches are allowed that only a count can tell', async () => {
    const digest = hash('sha1', 'password', 'hex').toUpperCase();
    const host = await serve((_request, response) => response.end(`${digest.slice(5)}:9000`));
    expect(await createBreachList({ host, maxBreaches: 1_000 }).refuse('password')).toBe(9_000);
    expect(await createBreachList({ host, maxBreaches: 9_000 }).refuse('password')).toBeUndefined();
  });
});

describe('an answer of the range API', () => {
  const suffix = SHA1.slice(5);
  it.each([
    ['with carriage returns', `${'1'.repeat(35)}:2\r\n${suffix}:5\r\n`, 5],
    ['without a final line end', `${suffix}:5`, 5],
    ['without a count', suffix, 1],
    ['with padding', `${suffix}:0`, 0],
    ['in lower case', suffix.toLowerCase().concat(':5'), 5],
    ['without the password', `${'1'.repeat(35)}:2`, 0],
    ['that is empty', '', 0],
  ])('%s is understood', (_name, answer, count) => {
    expect(countIn(answer, suffix)).toBe(count);
  });
});
